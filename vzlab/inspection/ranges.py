"""Merge byte ranges that lie close together, whole columns at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True)
class MergedRanges:
    """Ranges that are asked for together; each column has shape ``(n,)``, ordered by source and offset."""

    source: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    n_requests: npt.NDArray[np.int64]
    """Parts that each is fetched in: 1 unless it is longer than allowed."""


def merge_ranges(
    source: npt.ArrayLike,
    offsets: npt.ArrayLike,
    lengths: npt.ArrayLike,
    *,
    gap_bytes: int = 0,
    max_bytes: int | None = None,
) -> MergedRanges:
    """Merge ranges of the same source that overlap, touch, or have at most `gap_bytes` between them.

    Parameters
    ----------
    source, offsets, lengths : arrays of int, shape ``(n,)``
    gap_bytes : int
    max_bytes : int, optional
        Longer merged ranges count as several requests.
    """
    numbers, starts, sizes = (np.asarray(column).astype(np.int64) for column in (source, offsets, lengths))
    if not _is_sorted(numbers, starts):
        order = np.lexsort((starts, numbers))
        numbers, starts, sizes = numbers[order], starts[order], sizes[order]
    reach = _reach(numbers, starts + sizes)
    begins = np.ones(len(starts), bool)
    begins[1:] = (numbers[1:] != numbers[:-1]) | (starts[1:] > reach[:-1] + gap_bytes)
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(starts))[: len(first)] - 1
    merged = reach[last] - starts[first]
    parts = np.ones(len(first), np.int64) if max_bytes is None else -(-merged // max_bytes)
    return MergedRanges(source=numbers[first], offsets=starts[first], lengths=merged, n_requests=parts)


def _is_sorted(numbers: npt.NDArray[np.int64], starts: npt.NDArray[np.int64]) -> bool:
    same = numbers[1:] == numbers[:-1]
    return bool(((numbers[1:] > numbers[:-1]) | (same & (starts[1:] >= starts[:-1]))).all())


def _reach(numbers: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Furthest end so far within each source."""
    if _is_sorted(numbers, ends):
        return ends
    # A range inside another ends before it: ends in the order of their ranks, in which later sources rank higher.
    by_end = np.lexsort((ends, numbers))
    rank = np.empty(len(ends), np.int64)
    rank[by_end] = np.arange(len(ends))
    furthest: npt.NDArray[np.int64] = ends[by_end][np.maximum.accumulate(rank)]
    return furthest
