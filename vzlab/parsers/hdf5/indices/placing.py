"""Where in the chunk grid an index's entries belong, and whether its nodes keep apart."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vzlab.parsers.hdf5.indices.nodes import IndexRequest, require

type Integers = npt.NDArray[np.int64]

_SPARSE = 4
"""An array that numbers so many times more chunks than the grid has, is left to the library."""


def require_apart(addresses: npt.NDArray[np.uint64], length: int) -> None:
    """Give up where nodes of one length lie one over the other: so no level is larger than the file."""
    ordered = np.sort(addresses)
    require(not (ordered[1:] - ordered[:-1] < np.uint64(length)).any(), "nodes lie one over the other")


def grid_numbers(
    coordinates: Sequence[npt.NDArray[np.uint64]], request: IndexRequest, *, in_elements: bool
) -> tuple[npt.NDArray[np.bool_], Integers]:
    """Which chunks lie in the grid, shape ``(n_chunks,)``, and the positions of these in C order.

    Chunks that lie wholly outside remain in the file after an array has been shrunk.

    Parameters
    ----------
    coordinates : sequence of arrays of uint64, shape ``(n_chunks,)``
        For each dimension; in chunks, or in elements.
    """
    inside = np.ones(len(coordinates[0]), np.bool_)
    numbers = np.zeros(len(coordinates[0]), np.uint64)
    for position, n_chunks, length in zip(coordinates, request.grid_shape, request.chunk_shape, strict=True):
        at = position
        if in_elements and length > 1:
            at = position // np.uint64(length)
            require(
                bool((at * np.uint64(length) == position).all()), "an entry is not at the start of a chunk"
            )
        inside &= at < np.uint64(n_chunks)
        numbers *= np.uint64(n_chunks)
        numbers += at
    kept = numbers if inside.all() else numbers[inside]
    return inside, kept.view(np.int64)


def array_numbers(request: IndexRequest, *, slowest: int = 0) -> Integers | None:
    """Number of each chunk of the grid in a fixed or extensible array, in C order of the grid; None for 0, 1, 2, ...

    Both number the grid that the dataset may grow to, an extensible array with its unlimited dimension slowest.
    """
    order = [slowest, *(axis for axis in range(len(request.grid_shape)) if axis != slowest)]
    steps = {}
    step = 1
    for axis in reversed(order):
        steps[axis] = step
        limit = request.limit_grid_shape[axis]
        require(limit is not None or axis == slowest, "more than one dimension is unlimited")
        step *= limit or 1
    grid = request.grid_shape
    n_chunks = math.prod(grid)
    last = sum((n - 1) * steps[axis] for axis, n in enumerate(grid))
    require(last < _SPARSE * n_chunks + 2**16, "the array numbers many more chunks than the grid has")
    if all(n == 1 or steps[axis] == math.prod(grid[axis + 1 :]) for axis, n in enumerate(grid)):
        return None
    numbers = np.zeros((1,) * len(grid), np.int64)
    for axis, n in enumerate(grid):
        shape = [1] * len(grid)
        shape[axis] = n
        numbers = numbers + (np.arange(n) * steps[axis]).reshape(shape)
    return numbers.reshape(-1)
