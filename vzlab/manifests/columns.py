"""The columns that a manifest is made of: read-only, typed, perhaps broadcast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt


def as_column[T: np.generic](values: npt.ArrayLike, dtype: type[T]) -> npt.NDArray[T]:
    """A read-only view of the values as a column, not copied if the type is right.

    Raises
    ------
    ValueError
        If a value is negative.
    """
    column = np.asarray(values)
    if column.dtype != dtype:
        if column.size and column.dtype.kind == "i" and int(column.min()) < 0:
            raise ValueError(
                f"A manifest column holds {int(column.min())}: offsets, lengths and indices are not negative"
            )
        column = column.astype(dtype)
    column = column.view()
    column.flags.writeable = False
    return column


def held_bytes(column: npt.NDArray[Any]) -> int:
    """Memory behind a column: a broadcast one holds what it repeats only once."""
    held = column.itemsize
    for length, stride in zip(column.shape, column.strides, strict=True):
        held *= length if stride else 1
    return held


def unrepeated(*columns: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    """Columns without what all of them repeat: what a broadcast one of a million million chunks holds is one number."""
    cut = tuple(
        slice(None) if any(strides) else slice(0, 1)
        for strides in zip(*(column.strides for column in columns), strict=True)
    )
    return [column[cut] for column in columns]


def total(column: npt.NDArray[Any], of: Callable[[npt.NDArray[Any]], npt.NDArray[Any]] = np.asarray) -> int:
    """The sum of what a function makes of each entry."""
    (held,) = unrepeated(column)
    return int(of(held).sum()) * (column.size // max(held.size, 1))
