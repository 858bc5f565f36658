"""Kerchunk references made of arrays, and what fsspec's reference file system with zarr reads of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import zarr
import zarr.storage

from vzlab.manifests import ManifestGroup
from vzlab.storage import as_registry, read_array

OPTIONS = {"asynchronous": True, "remote_options": {"asynchronous": True}, "skip_instance_cache": True}


def v2_store(**arrays: Any) -> dict[str, bytes]:
    """Keys and values of a Zarr v2 hierarchy; a dict instead of an array holds options of `create_array` with ``data``."""
    held: dict[str, Any] = {}
    group = zarr.open_group(zarr.storage.MemoryStore(held), mode="w", zarr_format=2)
    for name, given in arrays.items():
        options = dict(given) if isinstance(given, dict) else {"data": given}
        attributes = options.pop("attributes", {})
        array = group.create_array(name.replace("__", "/"), **options)
        array.attrs.update(attributes)
    return {key: value.to_bytes() for key, value in held.items()}


def in_a_file(store: Mapping[str, bytes], path: Path, *, shown: str | None = None) -> dict[str, Any]:
    """References version 1 to the chunks of a store, one after another in a file behind a header."""
    refs: dict[str, Any] = {}
    content = b"header  "
    for key, value in store.items():
        if key.rpartition("/")[2].startswith(".z") or key.endswith("zarr.json"):
            refs[key] = value.decode()
        else:
            refs[key] = [shown or str(path), len(content), len(value)]
            content += value
    path.write_bytes(content)
    return {"version": 1, "refs": refs}


def written_json(references: Any, path: Path) -> Path:
    """Write references as JSON."""
    path.write_text(json.dumps(references), encoding="utf-8")
    return path


def with_fsspec(references: Any, **options: Any) -> dict[str, Any]:
    """Values of every array, by path, that fsspec and zarr read of references: a dict, or JSON."""
    source = references if isinstance(references, dict) else str(references)
    system = fsspec.filesystem("reference", fo=source, **OPTIONS, **options)
    store = zarr.storage.FsspecStore(system, read_only=True)
    group = zarr.open_group(store, mode="r")
    return {path: node[...] for path, node in group.members(max_depth=None) if isinstance(node, zarr.Array)}


def values_of(group: ManifestGroup, registry: Any = None) -> dict[str, Any]:
    """Values of every virtual array, by path."""
    stores = as_registry(registry)
    return {path: read_array(array, stores, name=path) for path, array in group.walk_arrays()}


def assert_same(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Fail unless arrays of the same paths hold the same values in the same types, up to byte order."""
    assert sorted(found) == sorted(expected)
    for path, values in expected.items():
        ours = found[path]
        assert ours.shape == values.shape, path
        if values.dtype.kind not in "OT":
            assert ours.dtype == values.dtype.newbyteorder("="), path
        np.testing.assert_array_equal(ours, values, err_msg=path)
