"""What lies between the chunks of a file: where its metadata are, and how variables take turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vzlab.inspection.statistics import Runs, offset_bits
from vzlab.storage.source import HEAD_BYTES

MAX_RUNS = 2_000_000
"""Beyond so many stretches of chunks nothing is said of what lies between them: it would take longer than all else."""

_PADDING_BYTES = 8
"""Shorter gaps are there to align what follows."""


@dataclass(frozen=True, kw_only=True)
class MetadataLayout:
    """Bytes of a file that no chunk covers: metadata, and free space."""

    n_places: int
    """Stretches of them."""
    n_bytes: int
    """Their length in all."""
    n_requests: int
    """Blocks of 64 KiB that hold some: the requests that a reader of metadata makes which asks for one block at a time."""
    at_head: bool
    """Whether all lie before the first chunk."""


@dataclass(frozen=True, kw_only=True)
class Gaps:
    """How the chunks of all variables lie beside each other."""

    metadata: tuple[MetadataLayout | None, ...]
    """For each source; None where no chunk lies in it, its size is not known, or there are too many stretches."""
    n_stretches: tuple[int | None, ...]
    """For each manifest: stretches of files in which no chunk of another lies between its own; None where not counted."""


def find_gaps(
    runs: Sequence[Runs | None],
    positions: Sequence[npt.NDArray[np.int32]],
    sizes: npt.NDArray[np.float64],
    *,
    page_bytes: int = 0,
) -> Gaps:
    """Look between the chunks of several variables.

    Parameters
    ----------
    runs : sequence of Runs
        Of each manifest; None for one without chunks in files.
    positions : sequence of arrays of int32
        For each manifest, where its sources are in the common table.
    sizes : array of float64, shape (sources,)
        Size of each source in bytes; NaN where it is not known.
    page_bytes : int
        Of files that keep metadata and data on separate pages: the length of a page. What is free on a page of data is then
        no place of metadata.
    """
    none: tuple[MetadataLayout | None, ...] = (None,) * len(sizes)
    kept = [(number, run, at) for number, (run, at) in enumerate(zip(runs, positions, strict=True)) if run]
    n_stretches = np.zeros(len(runs), np.int64)
    if not kept or sum(len(run.start) for _, run, _ in kept) > MAX_RUNS:
        n_stretches[[number for number, _, _ in kept]] = -1
        return Gaps(metadata=none, n_stretches=tuple(None if n < 0 else n for n in n_stretches.tolist()))
    bits = np.uint64(offset_bits(len(sizes)))
    base = [at[run.source].astype(np.uint64) << bits for _, run, at in kept]
    starts = np.concatenate([b + run.start for b, (_, run, _) in zip(base, kept, strict=True)])
    ends = np.concatenate([b + run.end for b, (_, run, _) in zip(base, kept, strict=True)])
    if len(kept) == 1:
        n_stretches[kept[0][0]] = len(np.unique(kept[0][1].source))
    else:
        labels = np.repeat([number for number, _, _ in kept], [len(run.start) for _, run, _ in kept])
        # What is sorted in parts already is merged: quick where each variable lies in order.
        order = np.argsort(starts, kind="stable")
        label, file = labels[order], starts[order] >> bits
        turns = np.concatenate(([True], (label[1:] != label[:-1]) | (file[1:] != file[:-1])))
        n_stretches = np.bincount(label[turns], minlength=len(runs))
    return Gaps(
        metadata=_metadata(starts, ends, sizes, bits, page_bytes), n_stretches=tuple(n_stretches.tolist())
    )


def _metadata(
    starts: npt.NDArray[np.uint64],
    ends: npt.NDArray[np.uint64],
    sizes: npt.NDArray[np.float64],
    bits: np.uint64,
    page_bytes: int,
) -> tuple[MetadataLayout | None, ...]:
    known = np.flatnonzero(~np.isnan(sizes))
    if page_bytes:
        page = np.uint64(page_bytes)
        starts = starts // page * page
        ends = (ends + page - np.uint64(1)) // page * page
    # Each file begins and ends with an empty run, so that what lies before and behind its chunks is a gap too.
    begins = known.astype(np.uint64) << bits
    behind = begins + sizes[known].astype(np.uint64)
    starts = np.sort(np.concatenate((starts, begins, behind)).astype(np.uint64), kind="stable")
    ends = np.sort(np.concatenate((ends, begins, behind)), kind="stable")
    file = starts >> bits
    # Runs of several variables may overlap: sorted apart, a place is free where as many have ended as have begun.
    gap = (
        (starts[1:] > ends[:-1])
        & (starts[1:] - ends[:-1] >= _PADDING_BYTES)
        & (file[1:] == (ends[:-1] >> bits))
    )
    first, stop, source = ends[:-1][gap], starts[1:][gap], file[1:][gap].astype(np.intp)
    base = source.astype(np.uint64) << bits
    lengths = stop - first
    block = np.uint64(HEAD_BYTES)
    first_block, last_block = (first - base) // block, (stop - base - np.uint64(1)) // block
    n_blocks = (last_block - first_block + np.uint64(1)).astype(np.int64)
    # A block that holds the end of one gap and the begin of the next is asked for once.
    n_blocks[1:] -= (source[1:] == source[:-1]) & (first_block[1:] == last_block[:-1])
    n = len(sizes)
    n_places = np.bincount(source, minlength=n)
    n_bytes = np.bincount(source, weights=lengths, minlength=n)
    n_requests = np.bincount(source, weights=n_blocks, minlength=n)
    at_head = np.bincount(source, weights=first == base, minlength=n)
    has_size = ~np.isnan(sizes)
    return tuple(
        MetadataLayout(
            n_places=int(n_places[i]),
            n_bytes=int(n_bytes[i]),
            n_requests=int(n_requests[i]),
            at_head=bool(n_places[i] == 1 and at_head[i] == 1),
        )
        if has_size[i] and n_places[i]
        else None
        for i in range(n)
    )
