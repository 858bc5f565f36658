"""What is worth knowing about something inspected, in sentences with their consequences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from vzlab.inspection.model import Finding, GroupInspection, SourceInspection, VariableInspection
from vzlab.inspection.words import format_bytes, format_count, format_list, sentence_end

SMALL_CHUNK_BYTES = 16_384
"""Stored chunks below this cost more in requests than in bytes, whichever network they come over."""

MANY_CHUNKS = 500

LARGE_CHUNK_BYTES = 256_000_000
"""Chunks that decode to more than this are slow to look into and may not fit beside each other in memory."""

_ORDER = {"problem": 0, "notice": 1, "fact": 2}


def find(
    root: GroupInspection,
    sources: Sequence[SourceInspection],
    sizes: npt.NDArray[np.float64],
    ends: npt.NDArray[np.float64],
) -> tuple[Finding, ...]:
    """List findings, most important first.

    Parameters
    ----------
    root : GroupInspection
    sources : sequence of SourceInspection
    sizes : array of float64, shape (sources,)
        Bytes of each file.
    ends : array of float64, shape (sources,)
        Where the last chunk in each file ends.
    """
    variables = [variable for group in root.walk() for variable in group.variables]
    found = [
        *_beyond_end(sources, sizes, ends),
        *_unreadable(root),
        *_unwritten(variables),
        *_overlapping(variables),
        *_small_chunks(variables),
        *_large_chunks(variables),
        *_needs(variables),
    ]
    return tuple(sorted(found, key=lambda finding: _ORDER[finding.severity]))


def _beyond_end(
    sources: Sequence[SourceInspection], sizes: npt.NDArray[np.float64], ends: npt.NDArray[np.float64]
) -> Iterator[Finding]:
    short = np.flatnonzero(ends > sizes)
    if short.size:
        at = int(short[0])
        yield Finding(
            severity="problem",
            text=f"Chunks reach beyond the end of {format_count(short.size, 'file')}: in {sources[at].name} to byte "
            f"{int(ends[at]):,} of {int(sizes[at]):,}.",
            consequence="Reading them will fail: the file was truncated or replaced.",
        )


def _unreadable(root: GroupInspection) -> Iterator[Finding]:
    by_reason: dict[tuple[str, bool], list[str]] = {}
    for group in root.walk():
        for variable in group.unreadable:
            by_reason.setdefault((variable.reason, variable.loadable), []).append(variable.path)
    for (reason, loadable), paths in by_reason.items():
        names = ", ".join(f'"{path}"' for path in paths[:4]) + (", …" if len(paths) > 4 else "")
        yield Finding(
            severity="problem",
            text=f"{format_list(paths, most=4)} cannot be virtualized.",
            consequence=sentence_end(reason),
            remedy=f"loadable_variables=[{names}]" if loadable else f"drop_variables=[{names}]",
            variables=tuple(paths),
        )


def _unwritten(variables: Sequence[VariableInspection]) -> Iterator[Finding]:
    for variable in variables:
        counts, encoding = variable.counts, variable.encoding
        if counts is None or not counts.missing or not counts.present:
            continue
        share = f"{counts.missing:,} of {format_count(counts.total, 'chunk')}"
        was = "was" if counts.missing == 1 else "were"
        if encoding.fill_relation == "differ":
            yield Finding(
                severity="notice",
                text=f"{share} of {variable.name} {was} never written.",
                consequence=f"They read as {encoding.fill_meaning or encoding.fill}, like data: the fill value "
                f"{encoding.fill} is not the missing value {format_list(encoding.missing)}.",
                variables=(variable.path,),
            )
        else:
            reads = "no data" if encoding.fill_relation == "same" else encoding.fill_meaning or encoding.fill
            yield Finding(
                severity="fact",
                text=f"{share} of {variable.name} {was} never written.",
                consequence=f"They read as {reads}.",
                variables=(variable.path,),
            )


def _overlapping(variables: Sequence[VariableInspection]) -> Iterator[Finding]:
    for variable in variables:
        statistics = variable.statistics
        if statistics is not None and statistics.n_overlapping:
            yield Finding(
                severity="notice",
                text=f"{format_count(statistics.n_overlapping, 'chunk')} of {variable.name} share bytes with others.",
                consequence="The same bytes are read for several places: meant where an array repeats, and a fault where "
                "references were made wrongly.",
                variables=(variable.path,),
            )


def _small_chunks(variables: Sequence[VariableInspection]) -> Iterator[Finding]:
    small = [
        variable
        for variable in variables
        if variable.statistics is not None
        and variable.statistics.median_bytes < SMALL_CHUNK_BYTES
        and variable.counts is not None
        and variable.counts.virtual >= MANY_CHUNKS
    ]
    if small:
        worst = max(small, key=lambda variable: variable.counts.virtual if variable.counts else 0)
        median, n = worst.statistics, worst.counts
        assert median is not None
        assert n is not None
        runs = ""
        if median.n_runs is not None and median.n_runs < n.virtual:
            runs = f", or {median.n_runs:,} where neighbours are read together"
        yield Finding(
            severity="notice",
            text=f"Chunks of {format_list([variable.name for variable in small])} are small: "
            f"typically {format_bytes(median.median_bytes)}.",
            consequence=f"Reading all of {worst.name} over a network takes {n.virtual:,} requests{runs}.",
            variables=tuple(variable.path for variable in small),
        )


def _large_chunks(variables: Sequence[VariableInspection]) -> Iterator[Finding]:
    for variable in variables:
        decoded = _decoded_chunk_bytes(variable)
        if variable.is_compressed and decoded > LARGE_CHUNK_BYTES:
            yield Finding(
                severity="notice",
                text=f"A chunk of {variable.name} decodes to {format_bytes(decoded)}.",
                consequence="A single value takes reading and decoding all of that.",
                variables=(variable.path,),
            )


def _decoded_chunk_bytes(variable: VariableInspection) -> float:
    n_values = math.prod(variable.shape)
    if not variable.raw_bytes or not n_values:
        return 0
    return math.prod(variable.chunking.chunk_shape) * variable.raw_bytes / n_values


def _needs(variables: Sequence[VariableInspection]) -> Iterator[Finding]:
    by_need: dict[tuple[str, ...], list[VariableInspection]] = {}
    for variable in variables:
        if variable.needs:
            by_need.setdefault(variable.needs, []).append(variable)
    for needs, those in by_need.items():
        labels = dict.fromkeys(codec.label for variable in those for codec in variable.codecs if codec.needs)
        yield Finding(
            severity="fact",
            text=f"{format_list([variable.name for variable in those], most=4)} "
            f"{'is' if len(those) == 1 else 'are'} stored with {format_list(labels)}.",
            consequence=f"Only zarr-python with {format_list(needs)} installed decodes that.",
            variables=tuple(variable.path for variable in those),
        )
