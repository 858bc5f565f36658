"""One chunk through its codecs, synchronously, stage by stage; zarr is imported with the first chain."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from zarr.core.dtype import ZDType

    from vzlab.codecs.prepared import PreparedCodecs

type DataType = str | Mapping[str, Any] | np.dtype[Any] | ZDType[Any, Any]
"""A Zarr v3 data type as its metadata says it, as a numpy dtype or as zarr-python's own object."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What one codec made of a chunk."""

    codec: str
    """Name of the codec, as in Zarr metadata."""
    before: bytes | npt.NDArray[Any]
    """What went in: stored bytes, or an array."""
    after: bytes | npt.NDArray[Any]
    """What came out."""


def prepare_codecs(
    codecs: Sequence[Mapping[str, Any]],
    data_type: DataType,
    chunk_shape: Sequence[int],
    fill_value: Any = None,
) -> PreparedCodecs:
    """Make a codec chain ready for chunks of one shape; the last 256 chains are kept.

    Parameters
    ----------
    codecs : sequence of dict
        Zarr v3 codecs in encoding order.
    data_type : str, dict, numpy dtype or ZDType
        The array's data type.
    chunk_shape : sequence of int
        The chunk's shape in the grid.
    fill_value : optional
        The array's fill value as Zarr v3 metadata says it (JSON); only encoding with padding uses it.

    Raises
    ------
    UnsupportedCodecError
        A codec is not registered, or its configuration is not valid.
    """
    chain = {"codecs": list(codecs), "data_type": _data_type_json(data_type), "fill_value": fill_value}
    return _prepare(json.dumps(chain, default=_as_json), tuple(int(length) for length in chunk_shape))


def decode_chunk(
    data: bytes,
    *,
    codecs: Sequence[Mapping[str, Any]],
    data_type: DataType,
    chunk_shape: Sequence[int],
    fill_value: Any = None,
) -> npt.NDArray[Any]:
    """Decode one stored chunk. See `prepare_codecs` and `PreparedCodecs.decode`."""
    return prepare_codecs(codecs, data_type, chunk_shape, fill_value).decode(data)


def decode_stages(
    data: bytes,
    *,
    codecs: Sequence[Mapping[str, Any]],
    data_type: DataType,
    chunk_shape: Sequence[int],
    fill_value: Any = None,
) -> Iterator[Stage]:
    """Decode one stored chunk codec by codec. See `PreparedCodecs.decode_stages`."""
    return prepare_codecs(codecs, data_type, chunk_shape, fill_value).decode_stages(data)


def encode_chunk(
    array: npt.ArrayLike,
    *,
    codecs: Sequence[Mapping[str, Any]],
    data_type: DataType,
    chunk_shape: Sequence[int],
    fill_value: Any = None,
) -> bytes:
    """Encode one chunk. See `prepare_codecs` and `PreparedCodecs.encode`."""
    return prepare_codecs(codecs, data_type, chunk_shape, fill_value).encode(array)


@lru_cache(maxsize=256)
def _prepare(chain_json: str, chunk_shape: tuple[int, ...]) -> PreparedCodecs:
    from zarr.core.dtype import get_data_type_from_json

    from vzlab.codecs.prepared import PreparedCodecs

    chain = json.loads(chain_json)
    data_type = get_data_type_from_json(chain["data_type"], zarr_format=3)
    fill = chain["fill_value"]
    fill_value = (
        data_type.default_scalar() if fill is None else data_type.from_json_scalar(fill, zarr_format=3)
    )
    return PreparedCodecs(chain["codecs"], data_type, fill_value, chunk_shape)


def _data_type_json(data_type: DataType) -> Any:
    if isinstance(data_type, np.dtype):
        return _native_data_type_json(data_type)
    return data_type if isinstance(data_type, str | Mapping) else data_type.to_json(zarr_format=3)


@lru_cache(maxsize=256)
def _native_data_type_json(dtype: np.dtype[Any]) -> Any:
    from zarr.core.dtype import get_data_type_from_native_dtype

    return get_data_type_from_native_dtype(dtype).to_json(zarr_format=3)


def _as_json(value: object) -> Any:
    """Turn a mapping or sequence that is not dict or list into what JSON has."""
    return dict(value) if isinstance(value, Mapping) else list(value)  # type: ignore[call-overload]
