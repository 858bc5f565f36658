"""Virtual arrays over bytes that numpy, zlib and zstd wrote, each beside the numpy array that it stands for."""

from __future__ import annotations

from typing import Any

import numpy as np
import zarr

from vzlab.errors import IncompatibleArraysError, VirtualArrayError
from vzlab.manifests import ManifestArray, ManifestGroup
from vzlab.storage import ManifestStore, read_array
from vzlab.storage.pipeline import PATH
from vzlab.testing.strategies import (
    DTYPES,
    ENCODINGS,
    RAW,
    SHUFFLE_ZLIB,
    ZSTD,
    Bytes,
    Encoding,
    Kind,
    Values,
    array_pairs,
    dimension_chunks,
    kinds,
    lengths_adding_up_to,
    virtual_array,
)

__all__ = [
    "ADVICE",
    "BATCHED",
    "DTYPES",
    "ENCODINGS",
    "FUSED",
    "PIPELINES",
    "RAW",
    "REFUSALS",
    "SHUFFLE_ZLIB",
    "ZSTD",
    "Bytes",
    "Encoding",
    "Kind",
    "Values",
    "array_pairs",
    "assert_explains",
    "assert_reads_as",
    "assert_same",
    "dimension_chunks",
    "kinds",
    "lengths_adding_up_to",
    "virtual_array",
]

FUSED = "zarr.core.codec_pipeline.FusedCodecPipeline"
BATCHED = "zarr.core.codec_pipeline.BatchedCodecPipeline"
PIPELINES: tuple[dict[str, Any], ...] = (
    {"codec_pipeline.path": PATH},
    {"codec_pipeline.path": FUSED},
    {"codec_pipeline.path": BATCHED, "vzlab.read_pipeline": False},
)
"""Settings of zarr: vzlab's own pipeline, and both of zarr's."""
REFUSALS = (VirtualArrayError, IncompatibleArraysError)
ADVICE = ("load", "select", "leave", "expected", "write", "open")
"""Every refusal says one of these: what to do, or what would have been taken."""


def assert_reads_as(
    array: ManifestArray, expected: Values, source: Bytes, *, through_zarr: bool = True
) -> None:
    """What the references give is `expected`: read by us, and by zarr with each codec pipeline."""
    registry = source.readable()
    assert (array.shape, array.dtype) == (expected.shape, expected.dtype.newbyteorder("="))
    assert_same(read_array(array, registry), expected)
    for settings in PIPELINES if through_zarr else ():
        with zarr.config.set(settings):
            opened = zarr.open_group(ManifestStore(ManifestGroup(arrays={"x": array}), registry), mode="r")[
                "x"
            ]
            assert isinstance(opened, zarr.Array)
            assert_same(np.asarray(opened[...], dtype=opened.dtype), expected)


def assert_same(found: Values, expected: Values) -> None:
    """Equal shapes and equal bits, whatever the byte order."""
    expected = expected.astype(expected.dtype.newbyteorder("="))
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    assert np.ascontiguousarray(found).tobytes() == np.ascontiguousarray(expected).tobytes()


def assert_explains(error: Exception) -> None:
    """A refusal says what to do."""
    text = str(error).lower()
    assert len(text) > 30, text
    assert any(word in text for word in ADVICE), text
