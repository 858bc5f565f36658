"""Sizes of a variable's chunks, and how they lie in their files, on whole columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vzlab.manifests.manifest import INLINE, MISSING, ChunkManifest


@dataclass(frozen=True, kw_only=True)
class ChunkStatistics:
    """What the chunks that are there have in common."""

    min_bytes: int
    """Stored size of the smallest chunk."""
    median_bytes: int
    """Of the one in the middle."""
    max_bytes: int
    """Of the largest."""
    n_smallest: int
    """Chunks that have exactly the smallest size."""
    n_outliers: int
    """Chunks whose size is further from the middle half of all sizes than three times the width of that half."""
    largest_at: tuple[int, ...]
    """Place in the chunk grid of the largest chunk, the first of them if there are several."""
    n_runs: int | None
    """Stretches of bytes without a gap that the virtual chunks make up; None where no chunk is in a file."""
    n_overlapping: int
    """Virtual chunks that begin before another one ends."""
    in_order: bool
    """Whether the chunks lie in their files in the order of the grid."""
    gap_bytes: int
    """Bytes between the runs of one file: what a reader of everything could skip or read through."""
    alignment_bytes: int | None
    """Largest power of two that all offsets are multiples of; None where no virtual chunk begins beyond byte 0."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Runs:
    """Stretches without a gap that the virtual chunks of one manifest make up, sorted; shape (runs,)."""

    source: npt.NDArray[np.int64]
    """Position of the file in the manifest's sources."""
    start: npt.NDArray[np.uint64]
    """First byte."""
    end: npt.NDArray[np.uint64]
    """The byte behind the last."""


def chunk_statistics(manifest: ChunkManifest) -> tuple[ChunkStatistics | None, Runs | None]:
    """Measure the chunks of a manifest, and give the stretches of bytes that they make up.

    Either is None if there is no chunk, or none in a file.
    """
    index = manifest.source_index.reshape(-1)
    offsets, lengths = manifest.offsets.reshape(-1), manifest.lengths.reshape(-1)
    present = lengths if not manifest.n_missing else lengths[index != MISSING]
    if present.size == 0:
        return None, None
    # Chunks that are missing have length 0, so the largest is never one of them.
    largest = np.unravel_index(int(lengths.argmax()), manifest.grid_shape)
    if manifest.n_virtual < manifest.n_chunks:
        virtual = index < INLINE
        index, offsets, lengths = index[virtual], offsets[virtual], lengths[virtual]
    low, median, high, n_smallest, n_outliers = _sizes(present)
    # Beyond what any file has, references are damaged: they are told where they end, and are no stretches of a file.
    is_placed = index.size and max(int(offsets.max()), int(lengths.max())) < MAX_FILE_BYTES
    runs, n_overlapping, in_order = (
        _runs(index, offsets, lengths, len(manifest.sources)) if is_placed else (None, 0, True)
    )
    bits = int(np.bitwise_or.reduce(offsets)) if index.size else 0
    statistics = ChunkStatistics(
        min_bytes=low,
        median_bytes=median,
        max_bytes=high,
        n_smallest=n_smallest,
        n_outliers=n_outliers,
        largest_at=tuple(map(int, largest)),
        n_runs=None if runs is None else len(runs.start),
        n_overlapping=n_overlapping,
        in_order=in_order,
        gap_bytes=0 if runs is None else _between(runs),
        alignment_bytes=bits & -bits or None,
    )
    return statistics, runs


def _sizes(present: npt.NDArray[np.uint64]) -> tuple[int, int, int, int, int]:
    """The smallest, the middle and the largest; how many are as the smallest, and how many far out."""
    low, high = int(present.min()), int(present.max())
    if low == high:
        return low, low, high, present.size, 0
    ordered = np.sort(
        present
    )  # numpy sorts whole columns of integers faster than it finds three places in them
    n = ordered.size
    quarter, median, three = ordered[[n // 4, n // 2, n * 3 // 4]].tolist()
    # Tukey's outer fences: beyond three times the width of the middle half.
    below, above = quarter - 3 * (three - quarter), three + 3 * (three - quarter)
    n_far = n - int(ordered.searchsorted(np.uint64(above), "right")) if high > above else 0
    n_far += int(ordered.searchsorted(np.uint64(below), "left")) if low < below else 0
    return low, median, high, int(ordered.searchsorted(ordered[0], "right")), n_far


MAX_FILE_BYTES = 2**43
"""Places beyond are in no file."""


def offset_bits(n_sources: int) -> int:
    """Bits of a byte's place in a number that holds its file and its place: one number then sorts both."""
    # No file is as long as 2**44 bytes with 2**20 sources.
    return 44 if n_sources < 2**20 else 38


def _runs(
    index: npt.NDArray[np.uint32],
    offsets: npt.NDArray[np.uint64],
    lengths: npt.NDArray[np.uint64],
    n_sources: int,
) -> tuple[Runs, int, bool]:
    """Runs; how many chunks overlap others; whether places rise with the grid."""
    bits = np.uint64(offset_bits(n_sources))
    starts = offsets if n_sources == 1 else (index.astype(np.uint64) << bits) + offsets
    ends = starts + lengths
    in_order = bool((starts[1:] >= starts[:-1]).all())
    if not in_order:
        starts, ends = np.sort(starts), np.sort(ends)
    elif not (ends[1:] >= ends[:-1]).all():
        ends = np.sort(ends)
    # Sorted apart, the n-th end belongs to the n-th start wherever ranges do not overlap.
    breaks = starts[1:] != ends[:-1]
    n_overlapping = int(np.count_nonzero(starts[1:] < ends[:-1]))
    first = np.concatenate(([0], np.flatnonzero(breaks) + 1))
    last = np.concatenate((first[1:] - 1, [starts.size - 1]))
    if n_sources == 1:
        source = np.zeros(first.size, np.int64)
        return Runs(source=source, start=starts[first], end=ends[last]), n_overlapping, in_order
    source = (starts[first] >> bits).astype(np.int64)
    base = source.astype(np.uint64) << bits
    # Of overlapping chunks an end may belong to a run before; it stays within the same file.
    return Runs(source=source, start=starts[first] - base, end=ends[last] - base), n_overlapping, in_order


def _between(runs: Runs) -> int:
    """Bytes between runs of one file."""
    apart = (runs.source[1:] == runs.source[:-1]) & (runs.start[1:] > runs.end[:-1])
    return int((runs.start[1:][apart] - runs.end[:-1][apart]).sum())
