"""Which bytes of a chunk a selection needs, where the chunk is its elements in C order and nothing else."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

type Selection = tuple[Any, ...]


def element_span(taken: Selection, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Position of the first element that is taken, and that after the last one.

    Parameters
    ----------
    taken : tuple
        For each axis a slice or a number.
    shape : tuple of int
        Of the chunk as it is stored.

    Returns
    -------
    tuple of int, or None
        None where the selection is of another kind, or takes nothing.

    Examples
    --------
    >>> element_span((1, slice(2, 4)), (3, 10))
    (12, 14)
    """
    if len(taken) != len(shape):
        return None
    first = last = 0
    for along, length in zip(taken, shape, strict=True):
        if isinstance(along, slice):
            positions = range(length)[along]
            if not positions or positions.step < 0:
                return None
            low, high = positions[0], positions[-1]
        elif isinstance(along, int | np.integer):
            low = high = int(along)
        else:
            return None
        first, last = first * length + low, last * length + high
    return first, last + 1


def view_of_span(
    data: bytes | memoryview, taken: Selection, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> npt.NDArray[Any]:
    """What a selection takes, as a view of the bytes of its `element_span`."""
    span = element_span(taken, shape)
    assert span is not None
    first, lengths, strides = 0, [], []
    for axis, (along, length) in enumerate(zip(taken, shape, strict=True)):
        stride = math.prod(shape[axis + 1 :])
        if isinstance(along, slice):
            positions = range(length)[along]
            first += positions[0] * stride
            lengths.append(len(positions))
            strides.append(positions.step * stride * dtype.itemsize)
        else:
            first += int(along) * stride
    return np.ndarray(lengths, dtype, data, (first - span[0]) * dtype.itemsize, strides)
