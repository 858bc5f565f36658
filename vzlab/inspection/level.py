"""A part of a chunk grid in more detail: some chunks, at some place of the dimensions that are not drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from vzlab.inspection.chunk_map import ChunkMap, chunk_map, drawn_axes
from vzlab.manifests import ChunkGrid, ChunkManifest, ManifestArray
from vzlab.manifests.chunk_grid import DimensionChunks
from vzlab.manifests.manifest import MISSING

type Range = tuple[int, int]
"""First chunk, and one behind the last."""


def chunk_level(
    array: ManifestArray,
    dims: Sequence[str | None],
    *,
    source_positions: npt.NDArray[np.int32],
    region: tuple[Range, Range] | None = None,
    places: Mapping[int, int] | None = None,
    axes: tuple[int | None, int] | None = None,
    max_cells: int,
) -> ChunkMap | None:
    """Bin a part of an array's chunk grid into cells.

    Parameters
    ----------
    array : ManifestArray
    dims : sequence of str or None
        Names of its dimensions.
    source_positions : array of int32, shape (sources of the manifest,)
        Position of each of them in the inspection's table.
    region : tuple of ranges, optional
        Chunks down and across; all of them if not given.
    places : mapping of int to int, optional
        By axis: the one chunk to look at along a dimension that is not drawn. Along the others a cell stands for all.
    axes : tuple of int, optional
        Dimensions down and across; those of `drawn_axes` if not given.
    max_cells : int
        Most cells along each side.

    Returns
    -------
    ChunkMap or None
        None of one chunk alone: there is nothing to see.
    """
    grid = array.chunk_grid
    axes = axes or drawn_axes(grid.grid_shape)
    ranges: list[Range] = [(0, n) for n in grid.grid_shape]
    for axis, place in (places or {}).items():
        ranges[axis] = (place, place + 1)
    for axis_drawn, part in zip(axes, region or (), strict=False):
        if axis_drawn is not None:
            ranges[axis_drawn] = part
    key = tuple(slice(start, stop) for start, stop in ranges)
    # Not `take`, which would leave out files, and count the others anew.
    manifest = array.manifest.map_columns(lambda column: column[key])
    down, across = axes
    in_order = (across, down) if down is not None and down > across else axes
    found = chunk_map(
        manifest, _cut(grid, ranges), dims,
        itemsize_bytes=array.dtype.itemsize, source_positions=source_positions, max_cells=max_cells, axes=in_order,
    )  # fmt: skip
    return found if found is None or in_order == axes else found.transpose()


def _cut(grid: ChunkGrid, ranges: Sequence[Range]) -> ChunkGrid:
    """Some chunks of a grid as a grid of their own."""
    shape: list[int] = []
    chunks: list[DimensionChunks] = []
    for lengths, extent, (start, stop) in zip(grid.chunks, grid.shape, ranges, strict=True):
        if isinstance(lengths, int):
            shape.append(min(stop * lengths, extent) - start * lengths)
            chunks.append(lengths)
        else:
            shape.append(sum(lengths[start:stop]))
            chunks.append(lengths[start:stop])
    return ChunkGrid(shape=tuple(shape), chunks=tuple(chunks))


def size_range(manifest: ChunkManifest) -> tuple[int, int]:
    """Stored sizes that all but the smallest and the largest fiftieth of chunks lie between, missing ones left out."""
    lengths = manifest.lengths.reshape(-1)
    if manifest.n_missing:
        lengths = lengths[manifest.source_index.reshape(-1) != MISSING]
    if lengths.size == 0:
        return 0, 0
    ends = (lengths.size // 50, lengths.size - 1 - lengths.size // 50)
    low, high = np.partition(lengths, ends)[list(ends)].tolist()
    return low, high
