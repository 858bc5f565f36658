"""What is worth knowing about something inspected, in sentences with their consequences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from vzlab.codecs import ALL_READERS
from vzlab.inspection.layout import decoded_chunk_bytes
from vzlab.inspection.model import Finding, GroupInspection, Opening, SourceInspection, VariableInspection
from vzlab.inspection.scattered import find_scattered
from vzlab.inspection.words import format_bytes, format_count, format_list, sentence_end

SMALL_CHUNK_BYTES = 16_384
"""Stored chunks below this cost more in requests than in bytes, whichever network they come over."""

MANY_CHUNKS = 500

LARGE_CHUNK_BYTES = 256_000_000
"""Chunks that decode to more than this are slow to look into and may not fit beside each other in memory."""

MANY_SINGLE_VALUES = 100
"""Chunks of one value each that are worth a word."""

MANY_FILES = 100

MANY_GROWN_BYTES = 10_000
"""Stored bytes from which it is worth a word that compression made them no fewer."""

LARGE_UNCHECKED_BYTES = 1_000_000
"""Stored bytes from which it is worth saying that nothing checks them."""

_CHECKED = ("fletcher32", "crc32", "adler32", "zlib", "gzip", "blosc2")
"""Parts of the names of codecs that carry a checksum, or compress into a form that does (RFC 1950, RFC 1952)."""

_ORDER = {"problem": 0, "notice": 1, "fact": 2}


def find(
    root: GroupInspection,
    sources: Sequence[SourceInspection],
    sizes: npt.NDArray[np.float64],
    ends: npt.NDArray[np.float64],
    *,
    file_format: str = "",
    opening: Opening | None = None,
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
    file_format : str
        As the field of `Inspection`.
    opening : Opening, optional
        What parsing took over a network.
    """
    variables = [variable for group in root.walk() for variable in group.variables]
    found = [
        *_beyond_end(sources, sizes, ends),
        *_unreadable(root),
        *find_scattered(root, sources, file_format, opening),
        *_unwritten(variables),
        *_overlapping(variables),
        *_small_chunks(variables),
        *_large_chunks(variables),
        *_single_values(variables),
        *_steps_in_many_files(variables),
        *_grown(variables),
        *_fill_differs(variables),
        *_all_fill(variables),
        *_needs(variables),
        *_unknown_to_readers(variables),
        *_unchecked(variables),
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
            are_fields = any(codec.name == "vzlab.grib" for codec in variable.codecs)
            yield Finding(
                severity="fact" if are_fields else "notice",
                text=f"{format_count(statistics.n_overlapping, 'chunk')} of {variable.name} share bytes with others.",
                consequence="A message of theirs has several fields: each is read from its start to the end of the field."
                if are_fields
                else "The same bytes are read for several places: meant where an array repeats, and a fault where "
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
        decoded = decoded_chunk_bytes(variable.shape, variable.chunking.chunk_shape, variable.raw_bytes)
        if variable.is_compressed and decoded > LARGE_CHUNK_BYTES:
            yield Finding(
                severity="notice",
                text=f"A chunk of {variable.name} decodes to {format_bytes(decoded)}.",
                consequence="A single value takes reading and decoding all of that.",
                variables=(variable.path,),
            )


def _single_values(variables: Sequence[VariableInspection]) -> Iterator[Finding]:
    those = [
        variable
        for variable in variables
        if variable.chunking.kind == "regular"
        and variable.chunking.n_chunks >= MANY_SINGLE_VALUES
        and math.prod(variable.chunking.chunk_shape) == 1
        and len(variable.sources) < variable.chunking.n_chunks
    ]
    if those:
        n = max(variable.chunking.n_chunks for variable in those)
        one = len(those) == 1
        yield Finding(
            severity="notice",
            text=f"{format_list([variable.name for variable in those])} {'has' if one else 'have'} a chunk for every "
            "single value.",
            consequence=f"Reading {'it' if one else 'one of them'} takes up to {n:,} requests. It is what netCDF makes of an "
            "unlimited dimension when nobody says otherwise.",
            remedy=f"loadable_variables=[{', '.join(repr(variable.path) for variable in those[:4])}"
            f"{', …' if len(those) > 4 else ''}]",
            variables=tuple(variable.path for variable in those),
        )


def _steps_in_many_files(variables: Sequence[VariableInspection]) -> Iterator[Finding]:
    for variable in variables:
        chunking = variable.chunking
        if (
            len(variable.sources) >= MANY_FILES
            and len(variable.dims) > 1
            and chunking.chunk_shape[:1] == (1,)
            and chunking.grid_shape[0] >= MANY_FILES
        ):
            dim = variable.dims[0] or "axis 0"
            yield Finding(
                severity="notice",
                text=f"{variable.name} has one step of {dim} in a chunk, in {len(variable.sources):,} files.",
                consequence=f"A series along {dim} at one place takes {chunking.grid_shape[0]:,} requests, and decodes a whole "
                "chunk for each value; a map of one step is quick.",
                variables=(variable.path,),
            )


def _grown(variables: Sequence[VariableInspection]) -> Iterator[Finding]:
    those = [
        variable
        for variable in variables
        if variable.n_grown
        and variable.counts is not None
        and variable.n_grown > 0.5 * variable.counts.present
        and (variable.stored_bytes or 0) >= MANY_GROWN_BYTES
    ]
    if those:
        n = sum(variable.n_grown or 0 for variable in those)
        yield Finding(
            severity="notice",
            text=f"{format_count(n, 'chunk')} of {format_list([variable.name for variable in those], most=4)} "
            f"{'is larger than its' if n == 1 else 'are larger than their'} values.",
            consequence="Compression only costs time there: the values do not repeat, or a chunk is too small for it.",
            variables=tuple(variable.path for variable in those),
        )


def _fill_differs(variables: Sequence[VariableInspection]) -> Iterator[Finding]:
    those = [
        variable
        for variable in variables
        if variable.encoding.fill_relation == "differ"
        and (variable.counts is None or not variable.counts.missing)
    ]
    if those:
        first = those[0].encoding
        yield Finding(
            severity="fact",
            text=f"What unwritten chunks of {format_list([variable.name for variable in those], most=4)} would read as is not "
            f"the missing value: {first.fill}, not {format_list(first.missing)}.",
            consequence="No chunk is missing as far as is known; one that is left out later would look like data.",
            variables=tuple(variable.path for variable in those),
        )


def _all_fill(variables: Sequence[VariableInspection]) -> Iterator[Finding]:
    for variable in variables:
        n, counts, statistics = variable.all_fill_suspected, variable.counts, variable.statistics
        if n and counts is not None and statistics is not None:
            yield Finding(
                severity="fact",
                text=f"{n:,} of {format_count(counts.present, 'chunk')} of {variable.name} seem to hold a single value: each "
                f"has {format_bytes(statistics.min_bytes)}.",
                consequence="They may be all fill: a store could leave them out.",
                variables=(variable.path,),
            )


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


def _unknown_to_readers(variables: Sequence[VariableInspection]) -> Iterator[Finding]:
    by_readers: dict[tuple[str, ...], list[VariableInspection]] = {}
    for variable in variables:
        lacking = tuple(reader for reader in ALL_READERS if reader not in variable.readers)
        if variable.codecs_known and variable.codecs and lacking and not variable.needs:
            by_readers.setdefault(lacking, []).append(variable)
    for lacking, those in by_readers.items():
        labels = dict.fromkeys(
            codec.label
            for variable in those
            for codec in variable.codecs
            if set(lacking) - set(codec.readers)
        )
        yield Finding(
            severity="fact",
            text=f"{format_list(lacking)} {'does' if len(lacking) == 1 else 'do'} not know {format_list(labels)}, as "
            f"{format_list([variable.name for variable in those], most=4)} {'is' if len(those) == 1 else 'are'} stored.",
            consequence="zarr-python reads it."
            if "zarr-python" not in lacking
            else "No reader is known that does.",
            variables=tuple(variable.path for variable in those),
        )


def _unchecked(variables: Sequence[VariableInspection]) -> Iterator[Finding]:
    those = [
        variable
        for variable in variables
        if variable.codecs_known
        and (variable.stored_bytes or 0) >= LARGE_UNCHECKED_BYTES
        and not any(part in codec.decoding_form for codec in variable.codecs for part in _CHECKED)
    ]
    if those:
        yield Finding(
            severity="fact",
            text=f"No checksum is stored with {format_list([variable.name for variable in those], most=4)}.",
            consequence="A byte that changed on its way reads as another number, and nothing says so.",
            variables=tuple(variable.path for variable in those),
        )
