"""One HDF5 dataset written by h5py: its pipeline, its raw chunks and its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  registers the filters with HDF5
import numpy as np

from vzlab.codecs import Hdf5Filter


@dataclass(frozen=True, kw_only=True)
class RawChunk:
    """A chunk as stored, and the values that h5py reads where it lies."""

    offset: tuple[int, ...]
    filter_mask: int
    data: bytes
    values: np.ndarray[Any, Any]
    """Cut at the array's edge."""


@dataclass(frozen=True, kw_only=True)
class RawDataset:
    dtype: np.dtype[Any]
    chunk_shape: tuple[int, ...]
    filters: tuple[Hdf5Filter, ...]
    chunks: tuple[RawChunk, ...]


def filters_of(dataset: h5py.Dataset) -> tuple[Hdf5Filter, ...]:
    plist = dataset.id.get_create_plist()
    found = (plist.get_filter(i) for i in range(plist.get_nfilters()))
    return tuple(
        Hdf5Filter(id=code, flags=flags, cd_values=tuple(values), name=name.decode("latin-1"))
        for code, flags, values, name in found
    )


def read_raw(dataset: h5py.Dataset, limit: int | None = None) -> RawDataset:
    places: list[Any] = []
    dataset.id.chunk_iter(places.append)
    chunks = []
    for place in places[:limit]:
        mask, data = dataset.id.read_direct_chunk(place.chunk_offset)
        box = tuple(slice(o, o + n) for o, n in zip(place.chunk_offset, dataset.chunks, strict=True))
        chunks.append(RawChunk(offset=place.chunk_offset, filter_mask=mask, data=data, values=dataset[box]))
    return RawDataset(
        dtype=dataset.dtype, chunk_shape=dataset.chunks, filters=filters_of(dataset), chunks=tuple(chunks)
    )


def write_raw(
    values: np.ndarray[Any, Any], chunk_shape: Sequence[int], options: Mapping[str, Any]
) -> RawDataset:
    """Write `values` in memory with h5py's `options`, and take the chunks as they are stored."""
    with h5py.File("memory.h5", "w", driver="core", backing_store=False) as file:
        dataset = file.create_dataset("x", data=values, chunks=tuple(chunk_shape), **options)
        file.flush()
        return read_raw(dataset)


def write_with_plist(
    values: np.ndarray[Any, Any], file_type: Any, plist: Any, *, fill: Any = None
) -> RawDataset:
    """Write `values` to a dataset of a hand-made type and creation property list."""
    with h5py.File("memory.h5", "w", driver="core", backing_store=False) as file:
        if fill is not None:
            plist.set_fill_value(np.asarray(fill))
        space = h5py.h5s.create_simple(values.shape)
        made = h5py.h5d.create(file.id, b"x", file_type, space, dcpl=plist)
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, values)
        file.flush()
        return read_raw(h5py.Dataset(made))


def assert_same_bits(found: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> None:
    """Equal shape and equal bits, whatever the byte order."""
    assert found.shape == expected.shape
    if found.dtype.names:
        assert found.dtype.names == expected.dtype.names
        for name in found.dtype.names:
            assert_same_bits(found[name], expected[name])
        return
    assert found.dtype == expected.dtype.newbyteorder("=")
    expected = np.ascontiguousarray(expected.astype(found.dtype))
    assert np.ascontiguousarray(found).tobytes() == expected.tobytes()
