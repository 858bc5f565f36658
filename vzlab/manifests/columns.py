"""The columns that a manifest is made of: read-only, typed, perhaps broadcast."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

WORTH_A_THREAD = 200_000
"""References: to copy so many takes longer than to begin a thread that copies half of them."""


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


def joined(
    parts: Sequence[tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint64], npt.NDArray[np.uint64]]], axis: int
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Source indices, offsets and lengths of several manifests, each put together along an axis.

    They share one block of memory: the system hands out one large block in large pages, in a third of the time that three
    smaller ones take where memory is new, which is longer than the copying.
    """
    first = parts[0][0].shape
    length = sum(index.shape[axis] for index, _, _ in parts)
    shape = (*first[:axis], length, *first[axis + 1 :])
    n = math.prod(shape)
    block = np.empty(2 * n + -(-n // 2), np.uint64)
    offsets, lengths = block[:n].reshape(shape), block[n : 2 * n].reshape(shape)
    indices = block[2 * n :].view(np.uint32)[:n].reshape(shape)

    def fill(*numbers: int) -> None:
        for number in numbers:
            out = (indices, offsets, lengths)[number]
            np.concatenate([part[number] for part in parts], axis=axis, out=out)

    if n < WORTH_A_THREAD:
        fill(0, 1, 2)
    else:
        with ThreadPoolExecutor(1) as pool:
            others = pool.submit(fill, 0, 1)
            fill(2)
            others.result()
    return indices, offsets, lengths


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
