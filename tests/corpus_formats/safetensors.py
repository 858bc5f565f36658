"""safetensors as its own library gives them: what numpy has no type for, as the stored bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vzlab.manifests import ManifestArray
from vzlab.storage import as_registry, read_array


def as_expected(array: ManifestArray) -> Any:
    """bfloat16 and 8-bit floats are unsigned integers of their bits."""
    registry = as_registry(None)
    if len(array.codecs) == 1:
        return read_array(array, registry)
    bits = 8 * array.codecs[1]["configuration"]["elementsize"]
    metadata = replace(array.metadata, data_type=f"uint{bits}", codecs=array.codecs[:1], fill_value=0)
    return read_array(replace(array, metadata=metadata), registry)
