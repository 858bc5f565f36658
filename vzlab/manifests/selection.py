"""Plan which chunks, or parts of chunks, a selection takes along one axis; reads nothing."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.errors import VirtualArrayError
from vzlab.manifests.chunk_grid import ChunkGrid, DimensionChunks, simplify

type AxisIndexer = int | slice | npt.NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class AxisSelection:
    """The pieces of chunks that a selection along one axis is made of, in order."""

    chunk_index: npt.NDArray[np.int64]
    """Grid index of the chunk that each piece lies in; shape ``(pieces,)``."""
    start: npt.NDArray[np.int64]
    """First element of each piece, counted from the start of its chunk."""
    stop: npt.NDArray[np.int64]
    """One past its last element."""
    stored: npt.NDArray[np.int64]
    """Length that its chunk is stored with."""
    drop: bool
    """Whether the axis goes, as for an integer index."""

    @property
    def length(self) -> int:
        """Number of elements selected."""
        return int((self.stop - self.start).sum())

    @property
    def whole_chunks(self) -> bool:
        """Whether each piece begins where its chunk does, so that chunk references can serve it as they are."""
        return not self.start.any()

    def layout(self) -> DimensionChunks | None:
        """Chunk lengths of the result if pieces stay whole chunks, as `settle_chunks` gives them."""
        return settle_chunks(self.stored, self.stop - self.start)


def settle_chunks(stored: npt.NDArray[np.int64], inside: npt.NDArray[np.int64]) -> DimensionChunks | None:
    """Say chunk lengths for chunks of which only a first part may lie inside the array.

    Parameters
    ----------
    stored : array of shape (n,)
        Length that each chunk decodes to.
    inside : array of shape (n,)
        How much of it, from its start, belongs to the array.

    Returns
    -------
    int, tuple of int or None
        None if no chunk grid says it, because a chunk that is not the last of a uniform dimension is partial.
    """
    extent = int(inside.sum())
    if len(stored) == 0:
        return max(extent, 1)
    uniform = bool((stored == stored[0]).all())
    partial = np.flatnonzero(inside < stored)
    if uniform and (len(partial) == 0 or (len(partial) == 1 and partial[0] == len(stored) - 1)):
        return int(stored[0])
    return None if len(partial) else simplify(extent, stored.tolist())


def plan_axis(grid: ChunkGrid, axis: int, indexer: AxisIndexer) -> AxisSelection:
    """Cut a selection along one axis into pieces of chunks.

    Parameters
    ----------
    indexer : int, slice or 1-D array of int
        As numpy takes it; negative positions count from the end.

    Raises
    ------
    IndexError
        If it reaches outside the array.
    """
    extent = grid.shape[axis]
    drop = not isinstance(indexer, slice | np.ndarray)
    positions: npt.NDArray[Any]
    if isinstance(indexer, slice):
        start, stop, step = indexer.indices(extent)
        positions = np.arange(start, stop, step, dtype=np.int64)
    else:
        positions = np.atleast_1d(np.asarray(indexer, dtype=np.int64))
        if len(positions) and (int(positions.min()) < -extent or int(positions.max()) >= extent):
            raise IndexError(f"Index {indexer} is out of bounds for axis {axis} of length {extent}")
        positions = np.where(positions < 0, positions + extent, positions)
    starts, stored = grid.starts(axis), grid.stored_lengths(axis)
    chunk = np.searchsorted(starts[1:], positions, side="right")
    first = np.ones(len(positions), dtype=bool)
    first[1:] = (np.diff(positions) != 1) | (np.diff(chunk) != 0)
    begin = np.flatnonzero(first)
    end = np.append(begin[1:], len(positions)).astype(np.int64)[: len(begin)]
    chunk_index = chunk[begin]
    begins_at = positions[begin] - starts[chunk_index]
    return AxisSelection(
        chunk_index=chunk_index,
        start=begins_at,
        stop=begins_at + (end - begin),
        stored=stored[chunk_index],
        drop=drop,
    )


def expand_key(key: Any, shape: Sequence[int]) -> tuple[list[AxisIndexer], list[int]]:
    """Normalise an indexing key: one indexer an axis, and where new axes go in the result.

    Raises
    ------
    VirtualArrayError
        For boolean masks of more than one dimension and for pointwise indexing with several arrays of several
        dimensions, which no chunk reference can express.
    IndexError
        If there are more indices than dimensions, or a mask is of another length than its axis.
    """
    ndim = len(shape)
    parts = list(key) if isinstance(key, tuple) else [key]
    n_given = sum(part is not None and part is not Ellipsis for part in parts)
    if n_given > ndim:
        raise IndexError(f"Too many indices: {n_given} for an array of {ndim} dimensions")
    if not any(part is Ellipsis for part in parts):
        parts.append(Ellipsis)
    at = next(i for i, part in enumerate(parts) if part is Ellipsis)
    parts[at : at + 1] = [slice(None)] * (ndim - n_given)
    indexers: list[AxisIndexer] = []
    new_axes: list[int] = []
    n_out = 0
    for part in parts:
        if part is None:
            new_axes.append(n_out)
            n_out += 1
            continue
        indexer = _axis_indexer(part, shape[len(indexers)])
        indexers.append(indexer)
        n_out += not isinstance(indexer, int)
    return indexers, new_axes


def _axis_indexer(part: Any, extent: int) -> AxisIndexer:
    if isinstance(part, slice):
        return part
    array = np.asarray(part)
    if array.ndim == 0 and array.dtype.kind in "iu":
        return operator.index(array.item())
    if array.ndim == 1 and array.dtype.kind == "b":
        if len(array) != extent:
            raise IndexError(f"A mask of {len(array)} elements was given for an axis of length {extent}")
        return np.flatnonzero(array)
    if array.ndim == 1 and (array.dtype.kind in "iu" or array.size == 0):
        return array.astype(np.intp)
    raise VirtualArrayError(
        f"A virtual array was indexed with {part!r}; it takes integers, slices and 1-D integer arrays along each axis. "
        "Load the variable first for anything else."
    )
