"""Virtual arrays in the terms of Zarr v2, which Kerchunk references hold."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vzlab.cf import to_zarr_attributes
from vzlab.codecs import decode_chunk, encode_chunk, to_v2
from vzlab.errors import CodecError, UnsupportedCodecError, WriteError
from vzlab.manifests import ManifestArray
from vzlab.manifests.data_types import zarr_dtype
from vzlab.writers.kerchunk_columns import ReferencedArray

MAX_MATERIALISED_BYTES = 64 * 2**20
"""Chunks that were never written and that Zarr v2 cannot leave out may take this much; more is refused."""


def to_zarr_v2(path: str, array: ManifestArray) -> ReferencedArray:
    """Say a virtual array, with attributes and dimension names in its metadata, in Zarr v2.

    A Zarr v2 reader takes ``fill_value`` for the CF ``_FillValue`` as well as for the value of missing chunks. Where the file
    keeps them apart, missing chunks are written out as chunks that hold the file's fill value.

    Raises
    ------
    WriteError
        If Zarr v2 cannot say its chunk grid or codecs, or writing missing chunks out would take too much.
    """
    metadata = array.metadata
    if not metadata.chunk_grid.is_regular:
        raise WriteError(
            f"{path!r} has chunks of different lengths {_shortened(metadata.chunks)}, and Zarr v2, which Kerchunk references are "
            "made of, has one chunk shape an array. Say zarr_format=3, write to Icechunk "
            "(ds.vzlab.to_icechunk), or load the variable."
        )
    try:
        codecs = to_v2(metadata.codecs, metadata.dtype)
    except UnsupportedCodecError as error:
        raise WriteError(f"{path!r} cannot be written as Kerchunk references. {error}") from error
    attributes = dict(metadata.attributes)
    fill, known = _cf_fill(attributes, metadata.dtype)
    encoded = zarr_dtype(metadata.data_type).to_json_scalar(fill, zarr_format=2) if known else None
    names = metadata.dimension_names or ()
    return ReferencedArray(
        zarr_format=2,
        documents={
            ".zarray": {
                "zarr_format": 2,
                "shape": list(metadata.shape),
                "chunks": list(metadata.chunks),
                "dtype": codecs.dtype,
                "fill_value": encoded,
                "order": codecs.order,
                "filters": codecs.filters,
                "compressor": codecs.compressor,
                "dimension_separator": ".",
            },
            ".zattrs": {**to_zarr_attributes(attributes, metadata.dtype), "_ARRAY_DIMENSIONS": list(names)},
        },
        array=array,
        unwritten=_unwritten(path, array, fill if known else None),
    )


def _cf_fill(attributes: dict[str, Any], dtype: np.dtype[Any]) -> tuple[Any, bool]:
    """Take from the attributes what a reader shall mask, as a scalar of the data type; False if nothing."""
    value = attributes.pop("_FillValue", None)
    missing = attributes.get("missing_value")
    if isinstance(missing, float) and math.isnan(missing):
        # JSON has no NaN, and to mask NaN is to keep it.
        attributes.pop("missing_value")
        value = missing if value is None and dtype.kind in "fc" else value
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    match dtype.kind, value:
        case ("i" | "u", int() | float()) if math.isfinite(value) and int(value) == value:
            return _integer(int(value), dtype, unsigned=str(attributes.get("_Unsigned", "")).lower())
        case ("b", bool() | int()) | ("f", int() | float()) | ("c", int() | float() | complex()):
            return dtype.type(value), True
        case ("S", str() | bytes()):
            return np.bytes_(value.encode() if isinstance(value, str) else value), True
        case ("U" | "T" | "O", str()):
            return value, True
    return None, False


def _integer(value: int, dtype: np.dtype[Any], *, unsigned: str) -> tuple[Any, bool]:
    limits = np.iinfo(dtype)
    if limits.min <= value <= limits.max:
        return dtype.type(value), True
    if unsigned in {"true", "false"}:
        # Given in the terms of the unpacked type, one bit pattern all the same (NUG, "_Unsigned").
        wrapped = value % (1 << limits.bits)
        return dtype.type(wrapped - (1 << limits.bits) if wrapped > limits.max else wrapped), True
    return None, False


def _unwritten(path: str, array: ManifestArray, fill: Any) -> bytes | None:
    """A chunk of the file's fill value, where leaving chunks out would read as something else."""
    metadata, manifest = array.metadata, array.manifest
    if manifest.n_missing == 0:
        return None
    left_out = zarr_dtype(metadata.data_type).default_scalar() if fill is None else fill
    if _same(left_out, metadata.fill_scalar, metadata.dtype):
        return None
    shape = metadata.chunk_grid.chunk_shape
    values = np.full(shape, metadata.fill_scalar, dtype=metadata.dtype)
    options: dict[str, Any] = {
        "codecs": metadata.codecs,
        "data_type": metadata.data_type,
        "chunk_shape": shape,
        "fill_value": metadata.fill_value,
    }
    try:
        chunk = encode_chunk(values, **options)
        kept = _same(decode_chunk(chunk, **options), values, metadata.dtype)
    except (CodecError, UnsupportedCodecError) as error:
        raise WriteError(
            _refusal(path, array, left_out, f"such a chunk cannot be encoded: {error}")
        ) from error
    if not kept:
        raise WriteError(_refusal(path, array, left_out, "its codecs do not keep that value"))
    n_bytes = len(chunk) * manifest.n_missing
    if n_bytes > MAX_MATERIALISED_BYTES:
        raise WriteError(_refusal(path, array, left_out, f"writing them out would take {n_bytes:,} bytes"))
    return chunk


def _refusal(path: str, array: ManifestArray, left_out: Any, why: str) -> str:
    return (
        f"{array.manifest.n_missing:,} chunks of {path!r} were never written and read as {array.metadata.fill_scalar!r}. Zarr v2 "
        f"would read {left_out!r} there, and {why}. Write to Icechunk, which keeps unwritten and missing values apart, or load "
        "the variable."
    )


def _same(a: Any, b: Any, dtype: np.dtype[Any]) -> bool:
    """Whether scalars or arrays hold the same values bit for bit; any NaN equals any other."""
    if dtype.hasobject or dtype.kind == "T":
        return bool(np.all(a == b))
    x, y = (np.asarray(value, dtype=dtype) for value in (a, b))
    if x.tobytes() == y.tobytes():
        return True
    return dtype.kind in "fc" and bool((np.isnan(x) & np.isnan(y)).all())


def _shortened(chunks: Any) -> str:
    text = str(chunks)
    return text if len(text) <= 80 else text[:77] + "..."
