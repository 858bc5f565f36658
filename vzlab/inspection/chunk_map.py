"""A picture's worth of a chunk grid: every chunk's size, state and source, in at most 256 x 256 cells."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.manifests.chunk_grid import ChunkGrid
from vzlab.manifests.manifest import INLINE, MISSING, ChunkManifest

MAX_CELLS = 256
"""Most cells along each side."""

MAX_SLICES = 12
"""Most slices of a grid of more than two dimensions."""

_SLICE_CELLS = 24
"""Most cells of a slice along each side."""

SEVERAL_SOURCES = -1
NO_SOURCE = -2

_ENOUGH_CELLS = 48
"""The last two dimensions are drawn, as a map, if they have this many chunks; else the two with most."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ChunkMap:
    """A chunk grid seen along two of its dimensions. All arrays have shape (rows, columns)."""

    dims: tuple[str, str]
    """Names of the dimensions down and across; empty where there is none."""
    grid_shape: tuple[int, int]
    """Chunks down and across."""
    folded: tuple[tuple[str, int], ...]
    """The other dimensions with more than one chunk, and how many: a cell stands for all of these."""
    n_chunks: npt.NDArray[np.int64]
    """Chunks that a cell stands for."""
    n_missing: npt.NDArray[np.int64]
    """Of those, chunks never written."""
    n_inline: npt.NDArray[np.int64]
    """Of those, chunks whose bytes the references hold."""
    stored_bytes: npt.NDArray[np.float64]
    """Stored bytes of all chunks of a cell."""
    raw_bytes: npt.NDArray[np.float64]
    """Bytes that the chunks of a cell which are there decode to, padding included."""
    min_bytes: npt.NDArray[np.int64]
    """Stored size of the smallest chunk of a cell that is there; 0 where none is."""
    max_bytes: npt.NDArray[np.int64]
    """Stored size of the largest."""
    source: npt.NDArray[np.int32]
    """Position in the inspection's sources, if all chunks of a cell lie in one; else -1 for several, -2 for none."""
    offset: npt.NDArray[np.int64]
    """Where the first chunk of a cell begins in its file; -1 where none is, and of chunks in several files."""
    slicer: Callable[[], tuple[ChunkSlice, ...]] | None = field(default=None, repr=False)
    """Cuts the slices when a view asks for them; None where no dimension is folded."""

    @property
    def slices(self) -> tuple[ChunkSlice, ...]:
        """The grid at some places of the longest folded dimension: all of them, or the first, the last and some between."""
        return () if self.slicer is None else self.slicer()

    @property
    def shape(self) -> tuple[int, int]:
        """Cells down and across."""
        rows, columns = self.n_chunks.shape
        return rows, columns

    @property
    def ratio(self) -> npt.NDArray[np.float64]:
        """Stored bytes over raw bytes of each cell; NaN where no chunk is."""
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio: npt.NDArray[np.float64] = np.where(
                self.raw_bytes > 0, self.stored_bytes / self.raw_bytes, np.nan
            )
        return ratio

    @property
    def mean_bytes(self) -> npt.NDArray[np.float64]:
        """Mean stored size of the chunks of each cell that are there; NaN where none is."""
        there = self.n_chunks - self.n_missing
        with np.errstate(invalid="ignore", divide="ignore"):
            mean: npt.NDArray[np.float64] = np.where(there > 0, self.stored_bytes / there, np.nan)
        return mean

    @property
    def chunks_per_cell(self) -> int:
        """Most chunks that one cell stands for."""
        return int(self.n_chunks.max())

    def transpose(self) -> ChunkMap:
        """Turn the map, so that what was down is across."""
        return replace(
            self,
            dims=self.dims[::-1],
            grid_shape=self.grid_shape[::-1],
            **{name: getattr(self, name).T for name in CELL_FIELDS},
        )

    def rebin(self, max_cells: int) -> ChunkMap:
        """Draw the same grid in fewer cells, at most `max_cells` along each side."""
        edges = [_edges(n, max_cells) for n in self.shape]
        if edges[0].size == self.shape[0] and edges[1].size == self.shape[1]:
            return self

        def total(cells: npt.NDArray[Any]) -> npt.NDArray[Any]:
            return _reduce(np.add, cells, edges)

        there = self.n_chunks > self.n_missing
        largest = np.iinfo(np.int64).max
        smallest = _reduce(np.minimum, np.where(there, self.min_bytes, largest), edges)
        offset = _reduce(np.minimum, np.where(self.offset < 0, largest, self.offset), edges)
        mixed = self.source == SEVERAL_SOURCES
        low = _reduce(np.minimum, np.where(self.source < 0, np.iinfo(np.int32).max, self.source), edges)
        high = _reduce(np.maximum, self.source, edges)
        source = np.where(
            _reduce(np.logical_or, mixed, edges) | ((low != high) & (high >= 0)), SEVERAL_SOURCES, high
        )
        return ChunkMap(
            dims=self.dims,
            grid_shape=self.grid_shape,
            folded=self.folded,
            n_chunks=total(self.n_chunks),
            n_missing=total(self.n_missing),
            n_inline=total(self.n_inline),
            stored_bytes=total(self.stored_bytes),
            raw_bytes=total(self.raw_bytes),
            min_bytes=np.where(smallest == largest, 0, smallest),
            max_bytes=_reduce(np.maximum, self.max_bytes, edges),
            source=source.astype(np.int32),
            offset=np.where(offset == largest, -1, offset),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class ChunkSlice:
    """A chunk grid at one place of a dimension that is not drawn."""

    dim: str
    position: int
    """Which chunk along it."""
    n_positions: int
    """Chunks along it."""
    map: ChunkMap


CELL_FIELDS = (
    "n_chunks", "n_missing", "n_inline", "stored_bytes", "raw_bytes", "min_bytes", "max_bytes", "source",
    "offset",
)  # fmt: skip
"""The arrays of a map."""


def chunk_map(
    manifest: ChunkManifest,
    grid: ChunkGrid,
    dims: Sequence[str | None],
    *,
    itemsize_bytes: int,
    source_positions: npt.NDArray[np.int32],
    max_cells: int = MAX_CELLS,
    axes: tuple[int | None, int] | None = None,
) -> ChunkMap | None:
    """Bin a manifest's columns into cells.

    Parameters
    ----------
    manifest : ChunkManifest
    grid : ChunkGrid
        Of the same array.
    dims : sequence of str or None
        Names of its dimensions.
    itemsize_bytes : int
        Of one element.
    source_positions : array of int32, shape (sources of the manifest,)
        Position of each of them in the inspection's table.
    max_cells : int
        Most cells along each side.
    axes : tuple of int, optional
        Dimensions down and across; the most telling ones if not given.

    Returns
    -------
    ChunkMap or None
        None for an array of one chunk or none: there is nothing to see.
    """
    if manifest.n_chunks <= 1:
        return None
    axes = axes or drawn_axes(manifest.grid_shape)
    others = tuple(axis for axis in range(len(manifest.grid_shape)) if axis not in axes)
    edges = [_edges(manifest.grid_shape[axis] if axis is not None else 1, max_cells) for axis in axes]

    # The dimensions that are not drawn are folded first: what is left is small.
    def binned(column: npt.NDArray[Any], operation: np.ufunc) -> npt.NDArray[Any]:
        folded = operation.reduce(column, axis=others) if others else column
        return _reduce(operation, np.atleast_2d(folded), edges)

    def tally(states: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        folded = np.sum(states, axis=others, dtype=np.int64) if others else states.astype(np.int64)
        counted: npt.NDArray[np.int64] = _reduce(np.add, np.atleast_2d(folded), edges)
        return counted

    index, lengths = manifest.source_index, manifest.lengths
    per_cell = math.prod(manifest.grid_shape[axis] for axis in others)
    drawn = _drawn(manifest.grid_shape, axes)
    n_chunks = _counts(*drawn, max_cells) * per_cell
    zeros = np.zeros_like(n_chunks)
    stored = binned(lengths, np.add).astype(np.float64)
    largest = binned(lengths, np.maximum).astype(np.int64)
    if manifest.n_missing or manifest.n_inline:
        missing = index == MISSING
        n_missing = tally(missing) if manifest.n_missing else zeros
        n_inline = tally(index == INLINE) if manifest.n_inline else zeros
        top = np.uint64(np.iinfo(np.int64).max)
        smallest = binned(np.where(missing, top, lengths), np.minimum).astype(np.int64)
        smallest[n_missing == n_chunks] = 0
        low = binned(index, np.minimum)
        high = binned(np.where(index >= INLINE, np.uint32(0), index), np.maximum)
        unsourced = low >= INLINE
    else:
        n_missing = n_inline = zeros
        smallest = binned(lengths, np.minimum).astype(np.int64)
        unsourced = np.zeros(n_chunks.shape, dtype=bool)
        low, high = (
            (binned(index, np.minimum), binned(index, np.maximum))
            if len(manifest.sources) > 1
            else (zeros,) * 2
        )
    source = np.full(n_chunks.shape, SEVERAL_SOURCES, np.int32)
    alone = ~unsourced & (low == high)
    source[alone] = source_positions[low[alone]]
    source[unsourced] = NO_SOURCE
    offset = np.full(n_chunks.shape, -1, np.int64)
    if len(manifest.sources) == 1:
        begins = manifest.offsets
        if manifest.n_virtual < manifest.n_chunks:
            begins = np.where(index < INLINE, begins, np.uint64(np.iinfo(np.int64).max))
        offset = binned(begins, np.minimum).astype(np.int64)
        offset[unsourced] = -1
    folded = [axis for axis in others if manifest.grid_shape[axis] > 1]
    cut = partial(
        _slices, manifest, grid, dims, itemsize_bytes, source_positions, axes,
        max(folded, key=lambda axis: manifest.grid_shape[axis], default=-1),
    )  # fmt: skip
    return ChunkMap(
        dims=(_name(dims, axes[0]), _name(dims, axes[1])),
        grid_shape=drawn,
        folded=tuple((_name(dims, axis), manifest.grid_shape[axis]) for axis in folded),
        n_chunks=n_chunks,
        n_missing=n_missing,
        n_inline=n_inline,
        stored_bytes=stored,
        raw_bytes=_elements(grid, axes, others, edges, n_chunks, n_chunks - n_missing) * itemsize_bytes,
        min_bytes=smallest,
        max_bytes=largest,
        source=source,
        offset=offset,
        slicer=cut if folded else None,
    )


def _slices(
    manifest: ChunkManifest,
    grid: ChunkGrid,
    dims: Sequence[str | None],
    itemsize_bytes: int,
    source_positions: npt.NDArray[np.int32],
    axes: tuple[int | None, int],
    along: int,
) -> tuple[ChunkSlice, ...]:
    """Cut a manifest at evenly spaced places along one axis, and draw each."""
    n = manifest.grid_shape[along]
    places = np.unique(np.rint(np.linspace(0, n - 1, min(n, MAX_SLICES))).astype(int)).tolist()
    cut = []
    for place in places:
        shape, chunks = list(grid.shape), list(grid.chunks)
        lengths = chunks[along]
        length = lengths if isinstance(lengths, int) else lengths[place]
        shape[along] = chunks[along] = length
        # Not `take`, which would leave out files, and count the others anew.
        part = manifest.map_columns(itemgetter((*[slice(None)] * along, slice(place, place + 1))))
        drawn = chunk_map(
            part, ChunkGrid(shape=tuple(shape), chunks=tuple(chunks)), dims,
            itemsize_bytes=itemsize_bytes, source_positions=source_positions, max_cells=_SLICE_CELLS, axes=axes,
        )  # fmt: skip
        if drawn is not None:
            cut.append(ChunkSlice(dim=_name(dims, along), position=place, n_positions=n, map=drawn))
    return tuple(cut)


def drawn_axes(grid_shape: Sequence[int]) -> tuple[int | None, int]:
    """Dimensions that a chunk map has down and across, in their order; none down where one alone has several chunks."""
    long = [axis for axis, n in enumerate(grid_shape) if n > 1]
    if len(long) <= 1:
        return None, long[0] if long else len(grid_shape) - 1
    last = (long[-2], long[-1])
    if len(long) > 2 and grid_shape[last[0]] * grid_shape[last[1]] < _ENOUGH_CELLS:
        most = sorted(sorted(long, key=lambda axis: grid_shape[axis])[-2:])
        return most[0], most[1]
    return last


def _drawn(grid_shape: tuple[int, ...], axes: tuple[int | None, int]) -> tuple[int, int]:
    return 1 if axes[0] is None else grid_shape[axes[0]], grid_shape[axes[1]]


def _name(dims: Sequence[str | None], axis: int | None) -> str:
    return "" if axis is None else dims[axis] or f"axis {axis}"


@lru_cache(maxsize=256)
def _edges(n: int, max_cells: int) -> npt.NDArray[np.intp]:
    """Where each cell begins: cells stand for the same number of chunks, give or take one."""
    cells = min(n, max_cells)
    edges = np.arange(cells, dtype=np.intp) * n // cells
    edges.flags.writeable = False
    return edges


@lru_cache(maxsize=256)
def _counts(n_rows: int, n_columns: int, max_cells: int) -> npt.NDArray[np.int64]:
    """Places of the drawn grid that each cell stands for, shape (rows, columns)."""
    rows, columns = (np.diff(_edges(n, max_cells), append=n) for n in (n_rows, n_columns))
    counts: npt.NDArray[np.int64] = np.multiply.outer(rows, columns)
    counts.flags.writeable = False
    return counts


def _reduce(
    operation: np.ufunc, cells: npt.NDArray[Any], edges: Sequence[npt.NDArray[np.intp]]
) -> npt.NDArray[Any]:
    """Reduce an array of two dimensions to cells that begin at these edges."""
    for axis, starts in enumerate(edges):
        if starts.size != cells.shape[axis]:
            cells = operation.reduceat(cells, starts, axis=axis)
    return cells


def _elements(
    grid: ChunkGrid,
    axes: tuple[int | None, int],
    others: tuple[int, ...],
    edges: Sequence[npt.NDArray[np.intp]],
    n_chunks: npt.NDArray[np.int64],
    n_present: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """Count the elements that the chunks of each cell which are there decode to."""
    if grid.is_regular:
        return n_present.astype(np.float64) * math.prod(grid.chunk_shape)
    sides: list[npt.NDArray[np.float64]] = [
        np.ones(1) if axis is None else np.add.reduceat(grid.stored_lengths(axis).astype(np.float64), edge)
        for axis, edge in zip(axes, edges, strict=True)
    ]
    folded = math.prod(int(grid.stored_lengths(axis).sum()) for axis in others)
    # Which chunks of a cell are missing is not looked at: of a cell of many, their mean size is taken.
    elements: npt.NDArray[np.float64] = (
        np.multiply.outer(sides[0], sides[1]) * folded * (n_present / n_chunks)
    )
    return elements
