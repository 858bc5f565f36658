"""The words that text and HTML share: headlines, sentences, and what stands on a variable's line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vzlab.codecs import CodecDescription
from vzlab.inspection import Finding, GroupInspection, Inspection, VariableInspection
from vzlab.inspection.words import (
    format_bytes,
    format_count,
    format_dims,
    format_list,
    format_percent,
    format_ratio,
    sentence_end,
)
from vzlab.render.html import Tone

FINDING_TONES: dict[str, Tone] = {"problem": "bad", "notice": "warn", "fact": "info"}

_LAYOUT_CODECS = frozenset({"bytes"})
"""Codecs that say nothing on a closed line: every chain has one."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A word beside a variable's name."""

    text: str
    tone: Tone
    title: str = ""


def headline(inspection: Inspection) -> str:
    """Say what was inspected in figures: format, size, numbers of things."""
    variables, groups = len(inspection.variables), inspection.n_groups
    size = inspection.file_bytes
    files = len(inspection.sources)
    kind = "" if inspection.title.startswith(inspection.kind) else inspection.kind
    facts = [
        inspection.format or kind,
        (format_bytes(size) + (f" in {files:,} files" if files > 1 else "")) if size is not None else "",
        format_count(variables, "variable"),
        format_count(inspection.n_chunks, "chunk") if inspection.n_chunks else "",
        format_count(groups, "group") if groups > 1 else "",
    ]
    return " · ".join(filter(None, facts))


def opening(inspection: Inspection) -> str:
    """Say in a sentence what there is to read, and what it takes on disk."""
    variables = list(inspection.variables.values())
    if not variables:
        return "No variable can be read as an array."
    kept = [variable for variable in variables if variable.stored_bytes is not None]
    n_else = len(variables) - len(kept)
    if not kept:
        where = format_list(sorted({variable.held for variable in variables}))
        return f"{format_bytes(inspection.raw_bytes)} of values, {where}: nothing here says what they take as stored."
    raw = sum(variable.raw_bytes or 0 for variable in kept)
    stored = sum(variable.stored_bytes or 0 for variable in kept)
    # Values without a fixed size, such as text, cannot be held against what they take.
    sized = [variable for variable in kept if variable.raw_bytes]
    written = sum(map(_raw_written, sized))
    ratio = format_ratio(sum(variable.stored_bytes or 0 for variable in sized), written)
    words = f"{format_bytes(raw)} of values, "
    if written < 0.9 * raw:
        words += f"of which {format_bytes(written)} were ever written, "
    words += f"stored in {format_bytes(stored)}{f' ({ratio})' if ratio else ''}"
    if n_else:
        held = format_list(sorted({variable.held for variable in variables if variable.stored_bytes is None}))
        words += f"; {format_count(n_else, 'more variable')} {'is' if n_else == 1 else 'are'} {held}"
    return words + "."


def _raw_written(variable: VariableInspection) -> float:
    """Bytes of values in the chunks that are there; the chunks at the array's edge count in part."""
    counts = variable.counts
    if counts is None or not counts.total or variable.raw_bytes is None:
        return variable.raw_bytes or 0
    return variable.raw_bytes * counts.present / counts.total


def variable_order(group: GroupInspection) -> list[VariableInspection]:
    """Put data first, then coordinates and what describes them, each in the order of the file."""
    rank = {"data": 0, "auxiliary": 1, "coordinate": 2, "bounds": 3, "grid mapping": 4}
    return sorted(group.variables, key=lambda variable: rank[variable.role])


def dims(variable: VariableInspection) -> str:
    """Say a variable's dimensions with their lengths."""
    return format_dims(variable.dims, variable.shape)


def dtype(variable: VariableInspection) -> str:
    """Say a variable's data type, with its byte order where that is unusual."""
    return variable.dtype + (", big-endian" if variable.byte_order == "big" else "")


def sizes(variable: VariableInspection) -> tuple[str, str]:
    """Say a variable's raw and stored size; either is empty where it is not known."""
    raw = "" if variable.raw_bytes is None else format_bytes(variable.raw_bytes)
    return raw, "" if variable.stored_bytes is None else format_bytes(variable.stored_bytes)


def both_sizes(variable: VariableInspection) -> str:
    """Say ``401.8 MB → 183 MB``, or the one of them that is known."""
    return " → ".join(filter(None, sizes(variable)))


def chain(variable: VariableInspection) -> str:
    """Say the codec chain in encoding order as short as it can be told: ``shuffle + deflate 4``."""
    if variable.held == "in memory":
        return "in memory"
    if not variable.codecs_known:
        return ""
    words = [_short(codec) for codec in variable.codecs if codec.name not in _LAYOUT_CODECS]
    if words:
        return " + ".join(words)
    if variable.counts is not None and variable.counts.inline == variable.counts.total > 0:
        return "inline"
    return "contiguous" if variable.layout == "contiguous" else "uncompressed"


def _short(codec: CodecDescription) -> str:
    level = codec.parameters.removeprefix("level ")
    return (
        f"{codec.label} {level}" if level != codec.parameters and level.lstrip("-").isdigit() else codec.label
    )


def chunks(variable: VariableInspection) -> str:
    """Say how a variable is cut: ``20,088 chunks of (1, 100, 100)``."""
    chunking = variable.chunking
    if chunking.kind == "unknown":
        return ""
    if chunking.kind == "single":
        return "one chunk"
    if not chunking.n_chunks:
        return "no chunk"
    shape = f"({', '.join(map(str, chunking.chunk_shape))})"
    n = format_count(chunking.n_chunks, "chunk")
    return f"{n} up to {shape}" if chunking.kind == "rectilinear" else f"{n} of {shape}"


def marks(variable: VariableInspection) -> list[Mark]:
    """Choose the two or three things worth knowing before a line is opened."""
    encoding, counts = variable.encoding, variable.counts
    found: list[Mark] = []
    if counts is not None and counts.missing and counts.present:
        found.append(
            Mark(text=f"{counts.missing:,} missing", tone="warn", title="chunks that were never written")
        )
    elif counts is not None and counts.missing:
        found.append(
            Mark(text="never written", tone="warn", title="every chunk is missing: it reads as fill")
        )
    if variable.needs:
        found.append(
            Mark(text="needs vzlab", tone="note", title="zarr-python decodes it with vzlab installed")
        )
    if encoding.first is not None and encoding.last is not None:
        span = encoding.first if encoding.first == encoding.last else f"{encoding.first} to {encoding.last}"
        found.append(Mark(text=span, tone="info", title="first and last value"))
    elif encoding.is_time:
        found.append(
            Mark(text=f"{encoding.time_unit} since {encoding.time_reference[:10]}", tone="info", title="time")
        )
    if encoding.is_packed:
        found.append(Mark(text="packed", tone="good", title=encoding.formula))
    if encoding.flags:
        found.append(Mark(text=format_count(len(encoding.flags), "flag"), tone="info"))
    if counts is not None and counts.inline and counts.inline < counts.total:
        found.append(Mark(text=f"{counts.inline:,} inline", tone="plain", title="held beside the references"))
    if variable.role in ("bounds", "grid mapping"):
        found.append(Mark(text=variable.role, tone="plain"))
    if variable.held == "lazy":
        found.append(Mark(text="lazy", tone="plain", title="read when it is used"))
    if variable.chunking.kind == "rectilinear":
        found.append(Mark(text="rectilinear", tone="plain", title="chunks of different lengths"))
    return found[:4]


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One line of a variable's page."""

    name: str
    code: str = ""
    """As it would be typed."""
    text: str = ""
    """In words."""
    aside: str = ""
    """What may be read second."""


def facts(variable: VariableInspection) -> list[Fact]:
    """List what a variable's page says, lines that say nothing left out."""
    encoding = variable.encoding
    n_flags = len(encoding.flags)
    found = [
        Fact(name="called", text=encoding.long_name, code=encoding.standard_name),
        Fact(name="value", code=_formula(variable), aside=_packing(variable)),
        Fact(
            name="time",
            code=_time(variable),
            aside=f"{encoding.calendar} calendar" if encoding.is_time else "",
        ),
        Fact(
            name="missing",
            code=", ".join(encoding.missing),
            aside="means no data" if encoding.missing else "",
        ),
        Fact(name="unwritten", code=encoding.fill or "" if _fill(variable) else "", aside=_fill(variable)),
        Fact(name="valid", code=" to ".join(filter(None, encoding.valid_range or ()))),
        Fact(
            name="flags",
            text=", ".join(f"{value} {meaning}" for value, meaning in encoding.flags[:12]),
            aside=f"and {n_flags - 12:,} more" if n_flags > 12 else "",
        ),
        _chunk_fact(variable),
        Fact(name="lengths", text="; ".join(variable.chunking.lengths)),
        _size_fact(variable),
        Fact(name="in the file", text=_layout(variable)),
        Fact(name="codecs", text=" > ".join(map(str, variable.codecs))),
        Fact(name="read by", text=_readers(variable)),
    ]
    return [fact for fact in found if fact.code or fact.text]


def _formula(variable: VariableInspection) -> str:
    encoding = variable.encoding
    if encoding.is_time:
        return ""
    return f"{encoding.formula.removeprefix('value = ')} {encoding.units}".strip()


def _packing(variable: VariableInspection) -> str:
    encoding = variable.encoding
    if not encoding.is_packed:
        return ""
    words = f"steps of {encoding.resolution}"
    if encoding.value_range is not None:
        words += f", from {encoding.value_range[0]} to {encoding.value_range[1]}"
    return words


def _fill(variable: VariableInspection) -> str:
    """Say what a chunk that was never written reads as, where there is one or where it may mislead."""
    counts, encoding = variable.counts, variable.encoding
    n_missing = counts.missing if counts is not None else 0
    match encoding.fill_relation:
        case "same":
            return "no data, too" if n_missing else ""
        case "differ" if n_missing:
            return f"means {encoding.fill_meaning or encoding.fill}, like data"
        case "differ":
            return (
                "would look like data; no chunk is missing" if counts is not None else "would look like data"
            )
        case "only fill" if n_missing:
            return f"means {encoding.fill_meaning}" if encoding.fill_meaning else "is the fill value"
    return ""


def _time(variable: VariableInspection) -> str:
    encoding = variable.encoding
    return f"{encoding.time_unit} since {encoding.time_reference}" if encoding.is_time else ""


def _chunk_fact(variable: VariableInspection) -> Fact:
    chunking = variable.chunking
    words = chunks(variable)
    if chunking.kind in ("unknown", "single") or not chunking.n_chunks:
        return Fact(name="chunks", text=words)
    grid = "\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}".join(f"{n:,}" for n in chunking.grid_shape)
    names = [
        variable.dims[axis] or f"axis {axis}" for axis, partial in enumerate(chunking.partial) if partial
    ]
    partial = f"; the last reaches beyond the array along {format_list(names)}" if names else ""
    aside = f"in a grid of {grid}{partial}" if len(chunking.grid_shape) > 1 or partial else ""
    return Fact(name="chunks", text=words, aside=aside)


def _size_fact(variable: VariableInspection) -> Fact:
    statistics, counts, ratio = variable.statistics, variable.counts, variable.ratio
    if statistics is None or counts is None:
        return Fact(name="sizes")
    low, middle, high = map(
        format_bytes, (statistics.min_bytes, statistics.median_bytes, statistics.max_bytes)
    )
    aside = f"{format_percent(ratio)} of raw" if ratio is not None and variable.is_compressed else ""
    if counts.present == 1:
        return Fact(name="size", text=middle, aside=aside)
    text = f"each {middle}" if low == high else f"{low} to {high}, typically {middle}"
    return Fact(name="sizes", text=text, aside=aside)


def _layout(variable: VariableInspection) -> str:
    statistics, counts = variable.statistics, variable.counts
    if statistics is None or statistics.n_runs is None or counts is None:
        return ""
    if counts.virtual == 1:
        return ""
    n_files = len(variable.sources)
    files = f" over {n_files:,} files" if n_files > 1 else ""
    if n_files == counts.virtual:
        return "each a file of its own"
    order = "in the order of the grid" if statistics.in_order else "not in the order of the grid"
    if statistics.n_runs <= n_files:
        return f"without a gap{' in each of' + files.removeprefix(' over') if files else ''}, {order}"
    gap = f", {format_bytes(statistics.gap_bytes)} between them" if statistics.gap_bytes else ""
    return f"in {format_count(statistics.n_runs, 'run')}{files}{gap}, {order}"


def _readers(variable: VariableInspection) -> str:
    if not variable.codecs_known or variable.held == "in memory":
        return ""
    if variable.needs:
        return f"zarr-python with {format_list(variable.needs)}"
    return format_list(variable.readers) if variable.readers else "no reader that is known of"


def finding_sentences(finding: Finding) -> tuple[str, str, str]:
    """Give what was found, what comes of it, and what to do: each a sentence, or empty."""
    return sentence_end(finding.text), sentence_end(finding.consequence), finding.remedy


def families(variables: Iterable[VariableInspection]) -> list[list[VariableInspection]]:
    """Gather variables that are alike in dimensions, data type, chunks and codecs."""
    alike: dict[tuple[object, ...], list[VariableInspection]] = {}
    for variable in variables:
        key = (variable.dims, variable.shape, variable.dtype, variable.chunking.chunk_shape, chain(variable))
        alike.setdefault(key, []).append(variable)
    return list(alike.values())
