"""Merge byte ranges that lie close together, whole columns at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

REMOTE_GAP_BYTES = 2**20
"""Ranges of a remote object with at most this much between them are read by one request."""

REMOTE_REQUEST_BYTES = 16 * 2**20
"""Longest request that is made by merging."""


@dataclass(frozen=True, kw_only=True)
class MergedRanges:
    """Ranges that are asked for together; columns have shape ``(n_requests,)``, ordered by source and offset."""

    source: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    order: npt.NDArray[np.int64]
    """Positions of the single ranges, shape ``(n_ranges,)``: those of the first request, then those of the second, ..."""
    first: npt.NDArray[np.int64]
    """Where in `order` the ranges of each request begin."""

    def __len__(self) -> int:
        return len(self.offsets)


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
    source, offsets, lengths : arrays of int, shape ``(n_ranges,)``
    gap_bytes : int
    max_bytes : int, optional
        Merged ranges that are longer are broken between two of their ranges: a range begins a request of its own wherever
        it begins in another multiple of `max_bytes` from where the merged range begins.
    """
    numbers, starts, sizes = (np.asarray(column).astype(np.int64) for column in (source, offsets, lengths))
    order = np.arange(len(starts))
    if not _is_sorted(numbers, starts):
        order = np.lexsort((starts, numbers))
        numbers, starts, sizes = numbers[order], starts[order], sizes[order]
    reach = _reach(numbers, starts + sizes)
    begins = np.ones(len(starts), bool)
    begins[1:] = (numbers[1:] != numbers[:-1]) | (starts[1:] > reach[:-1] + gap_bytes)
    if max_bytes is not None and len(starts):
        run_start = starts[np.flatnonzero(begins)][np.cumsum(begins) - 1]
        part = (starts - run_start) // max_bytes
        begins[1:] |= part[1:] != part[:-1]
    first = np.flatnonzero(begins)
    # Not `reach`, which counts what an earlier request of the same run holds.
    ends = np.maximum.reduceat(starts + sizes, first) if len(first) else starts
    return MergedRanges(
        source=numbers[first],
        offsets=starts[first],
        lengths=ends - starts[first],
        order=order,
        first=first,
    )


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
