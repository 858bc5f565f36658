"""Which chunks a selection touches, along each axis; reads nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.manifests.chunk_grid import ChunkGrid
from vzlab.manifests.selection import AxisIndexer, expand_key

type ChunkIndexer = slice | npt.NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class AxisSpan:
    """What is taken along one axis of each chunk that is touched. Arrays: (chunks touched along it,)."""

    first: npt.NDArray[np.int64]
    """Place of the first element, from where the chunk begins."""
    last: npt.NDArray[np.int64]
    is_complete: npt.NDArray[np.bool_]
    """Whether all of it is taken."""


@dataclass(frozen=True, kw_only=True)
class Touched:
    """Chunks of a grid that a selection needs: the outer product of those along each axis."""

    text: str
    """The selection as Python writes it."""
    indexers: tuple[ChunkIndexer, ...]
    """Grid indices along each axis, each once and ascending; a slice where they follow each other."""
    counts: tuple[int, ...]
    """How many along each axis."""
    selected_shape: tuple[int, ...]
    """Elements selected along each axis; 1 for an integer."""
    spans: tuple[AxisSpan, ...] | None
    """What is taken of each chunk; None where positions were given one by one."""

    @property
    def n_chunks(self) -> int:
        """Chunks touched."""
        return math.prod(self.counts)

    @property
    def n_selected(self) -> int:
        """Elements selected."""
        return math.prod(self.selected_shape)

    def take[T: np.generic](self, column: npt.NDArray[T]) -> npt.NDArray[T]:
        """The touched entries of a column over the grid."""
        for axis, indexer in enumerate(self.indexers):
            if indexer != slice(None) if isinstance(indexer, slice) else True:
                column = column[(slice(None),) * axis + (indexer,)]
        return column


def touch_chunks(grid: ChunkGrid, selection: Any, dims: Sequence[str | None]) -> Touched:
    """Find the chunks that a selection touches.

    Parameters
    ----------
    grid : ChunkGrid
    selection
        A key as numpy's orthogonal indexing takes it, or a mapping of dimension names to its parts.
    dims : sequence of str or None
        Names of the axes.

    Raises
    ------
    IndexError
        If it reaches outside the array.
    KeyError
        If it names a dimension that is not there.
    """
    if isinstance(selection, Mapping):
        unknown = [name for name in selection if name not in dims]
        if unknown:
            raise KeyError(f"No dimension {unknown[0]!r}; dimensions here: {', '.join(map(str, dims))}")
        selection = tuple(selection.get(name, slice(None)) for name in dims)
    parts, new_axes = expand_key(selection, grid.shape)
    if new_axes:
        raise IndexError("The selection adds axes with None; leave them out: they take no reading")
    found = [_touch_axis(grid, axis, part) for axis, part in enumerate(parts)]
    return Touched(
        text=f"[{', '.join(map(_written, parts))}]" if parts else "",
        indexers=tuple(indexer for indexer, _, _ in found),
        counts=tuple(count for _, count, _ in found),
        selected_shape=tuple(length for _, _, length in found),
        spans=_spans(grid, parts, [indexer for indexer, _, _ in found]),
    )


def _touch_axis(grid: ChunkGrid, axis: int, part: AxisIndexer) -> tuple[ChunkIndexer, int, int]:
    """Chunks, their number, and the number of elements along one axis."""
    extent = grid.shape[axis]
    if isinstance(part, slice):
        positions = range(*part.indices(extent))
        indexer = _touch_range(grid, axis, positions)
        n = indexer.stop - indexer.start if isinstance(indexer, slice) else len(indexer)
        return indexer, n, len(positions)
    given = np.atleast_1d(np.asarray(part, dtype=np.int64))
    if len(given) and (int(given.min()) < -extent or int(given.max()) >= extent):
        raise IndexError(f"Index {part} is out of bounds for axis {axis} of length {extent}")
    starts = grid.starts(axis)
    chunks = np.unique(np.searchsorted(starts[1:], np.where(given < 0, given + extent, given), side="right"))
    if len(chunks) and int(chunks[-1] - chunks[0]) + 1 == len(chunks):
        return slice(int(chunks[0]), int(chunks[-1]) + 1), len(chunks), len(given)
    return chunks.astype(np.intp), len(chunks), len(given)


def _touch_range(grid: ChunkGrid, axis: int, positions: range) -> ChunkIndexer:
    """Chunks that hold any of evenly spaced positions, without going through these."""
    if not positions:
        return slice(0, 0)
    if positions.step < 0:
        positions = positions[::-1]
    first, last = (grid.locate(axis, positions[end]) for end in (0, -1))
    if positions.step == 1:
        return slice(first, last + 1)
    bounds = grid.starts(axis)[first : last + 2]
    steps = np.maximum(-(-(bounds[:-1] - positions.start) // positions.step), 0)
    next_position = positions.start + steps * positions.step
    hit = np.flatnonzero(next_position < np.minimum(bounds[1:], positions[-1] + 1)) + first
    return slice(first, last + 1) if len(hit) == last + 1 - first else hit.astype(np.intp)


def _spans(
    grid: ChunkGrid, parts: Sequence[AxisIndexer], indexers: Sequence[ChunkIndexer]
) -> tuple[AxisSpan, ...] | None:
    if any(isinstance(part, np.ndarray) for part in parts):
        return None
    spans = []
    for axis, (part, indexer) in enumerate(zip(parts, indexers, strict=True)):
        extent = grid.shape[axis]
        if isinstance(part, slice):
            positions = range(*part.indices(extent))
            positions = positions[::-1] if positions.step < 0 else positions
        else:
            at = int(part) % extent
            positions = range(at, at + 1)
        starts = grid.starts(axis)
        begin, end = starts[:-1][indexer], np.minimum(starts[1:][indexer], extent)
        step = positions.step
        first = np.maximum(positions.start, begin + (positions.start - begin) % step)
        stop = np.minimum(end, positions.stop)
        last = first + (stop - 1 - first) // step * step
        is_complete = (first == begin) & (stop == end) & (step == 1)
        spans.append(AxisSpan(first=first - begin, last=last - begin, is_complete=is_complete))
    return tuple(spans)


def _written(part: AxisIndexer) -> str:
    """A part of a selection as Python writes it."""
    if isinstance(part, slice):
        ends = ["" if end is None else str(end) for end in (part.start, part.stop)]
        return ":".join([*ends, str(part.step)] if part.step not in (None, 1) else ends)
    if isinstance(part, np.ndarray):
        return f"[{len(part)} positions]" if len(part) > 4 else str(part.tolist())
    return str(part)
