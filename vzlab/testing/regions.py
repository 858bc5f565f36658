"""Cut arrays into regions that fit into memory, whole chunks where they do; reads nothing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from vzlab.manifests import ChunkGrid

type Region = tuple[slice, ...]
"""One slice with explicit bounds for each dimension."""


def cut(grid: ChunkGrid, n_elements: int) -> Iterator[Region]:
    """Regions of at most so many elements that make up an array; of at least one element."""
    lengths = [max(n, 1) for n in grid.shape]
    while math.prod(lengths) > max(n_elements, 1):
        longest = max(range(len(lengths)), key=lambda axis: lengths[axis] / grid.chunk_shape[axis])
        chunk = grid.chunk_shape[longest]
        half = lengths[longest] // 2
        lengths[longest] = max(half // chunk * chunk, 1) if half >= chunk else max(half, 1)
        if all(n == 1 for n in lengths):
            break
    starts = [range(0, size, n) for size, n in zip(grid.shape, lengths, strict=True)]
    for corner in itertools.product(*starts):
        yield tuple(
            slice(start, min(start + n, size))
            for start, n, size in zip(corner, lengths, grid.shape, strict=True)
        )


def slabs(chunk_indices: Sequence[npt.NDArray[np.int64]], n_chunks: int) -> Iterator[Region]:
    """Boxes of at most so many chunks, of at least one, that make up an outer product of grid indices.

    The last dimensions are kept whole first, so that a box is read from the array in long runs.
    """
    lengths = []
    left = max(n_chunks, 1)
    for indices in reversed(chunk_indices):
        lengths.append(max(min(len(indices), left), 1))
        left = max(left // max(len(indices), 1), 1)
    runs = [list(_runs(indices, n)) for indices, n in zip(chunk_indices, reversed(lengths), strict=True)]
    yield from itertools.product(*runs)


def _runs(indices: npt.NDArray[np.int64], length: int) -> Iterator[slice]:
    """Cut ascending indices where they do not follow each other, and into runs of at most a length."""
    breaks = np.flatnonzero(np.diff(indices) != 1) + 1
    for run in np.split(indices, breaks):
        for start in range(0, len(run), length):
            part = run[start : start + length]
            yield slice(int(part[0]), int(part[-1]) + 1)


def shape_of(region: Region) -> tuple[int, ...]:
    """The shape of what a region holds."""
    return tuple(part.stop - part.start for part in region)


def region_of(grid: ChunkGrid, box: Region) -> Region:
    """The part of the array that a box of chunks holds."""
    starts = (grid.starts(axis) for axis in range(len(box)))
    return tuple(slice(int(at[part.start]), int(at[part.stop])) for at, part in zip(starts, box, strict=True))
