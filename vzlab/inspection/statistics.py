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
    n_runs: int | None
    """Stretches of bytes without a gap that the virtual chunks make up; None where there are no virtual chunks."""
    n_overlapping: int
    """Virtual chunks that begin before another one ends."""
    in_order: bool
    """Whether the chunks lie in their files in the order of the grid."""
    gap_bytes: int
    """Bytes between the runs of one file: what a reader of everything could skip or read through."""


def chunk_statistics(manifest: ChunkManifest) -> ChunkStatistics | None:
    """Measure the chunks of a manifest; None if none is there."""
    index = manifest.source_index.reshape(-1)
    offsets, lengths = manifest.offsets.reshape(-1), manifest.lengths.reshape(-1)
    present = lengths if not manifest.n_missing else lengths[index != MISSING]
    if present.size == 0:
        return None
    if manifest.n_virtual < manifest.n_chunks:
        virtual = index < INLINE
        index, offsets, lengths = index[virtual], offsets[virtual], lengths[virtual]
    middle = present.size // 2
    low, high = int(present.min()), int(present.max())
    median = low if low == high else int(np.partition(present, middle)[middle])
    runs = _runs(index, offsets, lengths, len(manifest.sources)) if index.size else (None, 0, True, 0)
    return ChunkStatistics(
        min_bytes=low,
        median_bytes=median,
        max_bytes=high,
        n_runs=runs[0],
        n_overlapping=runs[1],
        in_order=runs[2],
        gap_bytes=runs[3],
    )


def _runs(
    index: npt.NDArray[np.uint32],
    offsets: npt.NDArray[np.uint64],
    lengths: npt.NDArray[np.uint64],
    n_sources: int,
) -> tuple[int, int, bool, int]:
    """Count runs and overlaps; whether places rise with the grid; bytes between runs of one source."""
    if n_sources == 1:
        starts, ends, bits = offsets, offsets + lengths, np.uint64(64)
    else:
        # One number for source and place sorts both: no file is as long as 2**44 bytes with 2**20 sources.
        bits = np.uint64(44 if n_sources < 2**20 else 38)
        base = index.astype(np.uint64) << bits
        starts = base + offsets
        ends = starts + lengths
    in_order = bool((starts[1:] >= starts[:-1]).all())
    if not in_order:
        starts, ends = np.sort(starts), np.sort(ends)
    elif not (ends[1:] >= ends[:-1]).all():
        ends = np.sort(ends)
    # Sorted apart, the n-th end belongs to the n-th start wherever ranges do not overlap.
    breaks = starts[1:] != ends[:-1]
    overlaps = starts[1:] < ends[:-1]
    apart = breaks & ~overlaps
    if n_sources > 1:
        apart &= (starts[1:] >> bits) == (ends[:-1] >> bits)
    gaps = int((starts[1:][apart] - ends[:-1][apart]).sum())
    return int(breaks.sum()) + 1, int(overlaps.sum()), in_order, gaps
