"""Where every chunk of a chunked dataset lies: its index as columns over the chunk grid."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.parsers.hdf5.library import h5py


@dataclass(frozen=True, kw_only=True)
class ChunkIndex:
    """The chunk index of one dataset; columns have the shape of the chunk grid."""

    offsets: npt.NDArray[np.uint64]
    """First byte in the file, counted from its very beginning."""
    lengths: npt.NDArray[np.uint64]
    """Bytes as stored."""
    filter_masks: npt.NDArray[np.uint32] | None
    """Bit i is set where the chunk skipped filter i; None if no chunk skipped any."""
    missing: npt.NDArray[np.bool_] | None
    """Chunks that were never written; None if there are none."""
    decoder: str
    """What decoded the index."""


def read_chunk_index(
    dataset_id: Any,
    grid_shape: tuple[int, ...],
    chunk_shape: tuple[int, ...],
    *,
    is_extensible_array: Callable[[], bool],
) -> ChunkIndex:
    """Read the whole chunk index of a dataset.

    Parameters
    ----------
    dataset_id : h5py.h5d.DatasetID
        A chunked dataset with storage.
    grid_shape : tuple of int
        Number of chunks along each dimension.
    chunk_shape : tuple of int
        Chunk lengths, in elements.
    is_extensible_array : callable
        Whether the index is an extensible array; asked only where that matters.

    Raises
    ------
    RuntimeError
        If the library cannot read the index.
    """
    with _collector_paused():
        return _iterate(dataset_id, grid_shape, chunk_shape, is_extensible_array)


def _iterate(
    dataset_id: Any,
    grid_shape: tuple[int, ...],
    chunk_shape: tuple[int, ...],
    is_extensible_array: Callable[[], bool],
) -> ChunkIndex:
    infos: list[tuple[tuple[int, ...], int, int, int]] = []
    # A built-in as callback: nothing in Python runs for each chunk while the library iterates.
    dataset_id.chunk_iter(infos.append)
    offsets = np.zeros(grid_shape, np.uint64)
    lengths = np.zeros(grid_shape, np.uint64)
    if not infos:
        return ChunkIndex(
            offsets=offsets,
            lengths=lengths,
            filter_masks=None,
            missing=np.ones(grid_shape, np.bool_),
            decoder="h5py",
        )
    n_chunks, rank = len(infos), len(grid_shape)
    starts, masks, addresses, sizes = zip(*infos, strict=True)
    position = np.fromiter(chain.from_iterable(starts), np.int64, rank * n_chunks).reshape(n_chunks, rank)
    position //= np.asarray(chunk_shape)
    position = _unswizzled(position, dataset_id, chunk_shape, is_extensible_array)
    # Chunks that lie wholly outside remain in the file after an array has been shrunk.
    inside = (position < np.asarray(grid_shape)).all(axis=1)
    flat = np.ravel_multi_index(tuple(position[inside].T), grid_shape)
    offsets.reshape(-1)[flat] = np.fromiter(addresses, np.uint64, n_chunks)[inside]
    lengths.reshape(-1)[flat] = np.fromiter(sizes, np.uint64, n_chunks)[inside]
    missing = None
    if len(flat) != offsets.size:
        missing = np.ones(grid_shape, np.bool_)
        missing.reshape(-1)[flat] = False
    filter_masks = None
    if any(masks):
        filter_masks = np.zeros(grid_shape, np.uint32)
        filter_masks.reshape(-1)[flat] = np.fromiter(masks, np.uint32, n_chunks)[inside]
    return ChunkIndex(
        offsets=offsets, lengths=lengths, filter_masks=filter_masks, missing=missing, decoder="h5py"
    )


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No garbage collection: it would look at each of a million small tuples again and again, a third of all time."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _unswizzled(
    position: npt.NDArray[np.int64],
    dataset_id: Any,
    chunk_shape: tuple[int, ...],
    is_extensible_array: Callable[[], bool],
) -> npt.NDArray[np.int64]:
    """True grid positions of chunks.

    An extensible array numbers chunks with the unlimited dimension slowest. Where that is not the first dimension, the
    library (2.0 and before) counts positions as if it were, and gives wrong ones: the number is right, and says where the
    chunk lies.
    """
    limits = dataset_id.get_space().get_simple_extent_dims(True)
    unlimited = [axis for axis, limit in enumerate(limits) if limit == h5py.h5s.UNLIMITED]
    if len(unlimited) != 1 or unlimited[0] == 0 or not is_extensible_array():
        return position
    slowest = unlimited[0]
    most = [
        1 if axis == slowest else -(-n // c)
        for axis, (n, c) in enumerate(zip(limits, chunk_shape, strict=True))
    ]
    # Dimensions before the unlimited one never move: it takes all that is carried to it.
    number = position[:, slowest]
    for axis in range(slowest + 1, len(most)):
        number = number * most[axis] + position[:, axis]
    true = np.empty_like(position)
    for axis in reversed([axis for axis in range(len(most)) if axis != slowest]):
        number, true[:, axis] = np.divmod(number, most[axis])
    true[:, slowest] = number
    return true
