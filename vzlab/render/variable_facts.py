"""What a variable's page says, fact by fact: the most telling first."""

from __future__ import annotations

from dataclasses import dataclass

from vzlab.codecs import ALL_READERS
from vzlab.inspection import VariableInspection
from vzlab.inspection.words import format_bytes, format_count, format_list, format_percent
from vzlab.render.lines import LAYOUT_CODECS, chunks, short_codec


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


def variable_facts(variable: VariableInspection) -> list[Fact]:
    """List what a variable's page says, lines that say nothing left out."""
    encoding = variable.encoding
    n_flags = len(encoding.flags)
    found = [
        Fact(name="called", text=encoding.long_name, code=encoding.standard_name),
        Fact(name="value", code=_formula(variable), aside=_packing(variable))
        if encoding.is_packed
        else Fact(name="unit", code=_unit(variable)),
        Fact(
            name="time",
            code=_time(variable),
            aside=f"{encoding.calendar} calendar" if encoding.is_time else "",
        ),
        Fact(
            name="first, last", code=" to ".join(dict.fromkeys(filter(None, (encoding.first, encoding.last))))
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
        Fact(
            name="cells",
            text=encoding.cell_methods,
            aside=f"bounds in {encoding.bounds}" if encoding.bounds else "",
        )
        if encoding.cell_methods
        else Fact(name="bounds", code=encoding.bounds),
        Fact(name="coordinates", code=", ".join(encoding.coordinates)),
        Fact(name="placed by", code=encoding.grid_mapping),
        Fact(name="index", code=variable.index, aside="looks up its values" if variable.index else ""),
        Fact(name="link", text=variable.link),
        Fact(name="may grow", text=_growth(variable)),
        _chunk_fact(variable),
        Fact(name="lengths", text="; ".join(variable.chunking.lengths)),
        _shard_fact(variable),
        _size_fact(variable),
        Fact(name="of note", text="; ".join(_odd_chunks(variable))),
        Fact(name="in the file", text=_layout(variable), aside=_neighbours(variable)),
        Fact(name="plain", text=_PLAIN.get(variable.layout, "") if variable.counts is not None else ""),
        Fact(name="codecs", text=" > ".join(map(str, variable.codecs))),
        Fact(name="read by", text=_readers(variable), aside=_not_read_by(variable)),
    ]
    return [fact for fact in found if fact.code or fact.text]


def _growth(variable: VariableInspection) -> str:
    """``time without end, lat to 100``."""
    if variable.max_shape is None:
        return ""
    axes = zip(variable.dims, variable.shape, variable.max_shape, strict=False)
    return ", ".join(
        f"{dim or f'axis {axis}'} {'without end' if most is None else f'to {most:,}'}"
        for axis, (dim, length, most) in enumerate(axes)
        if most != length
    )


def _unit(variable: VariableInspection) -> str:
    """Say the unit; of times it stands with the date that they count from, and a number without one needs no words."""
    units = variable.encoding.units
    return "" if variable.encoding.is_time or units == "1" else units


def _formula(variable: VariableInspection) -> str:
    encoding = variable.encoding
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
    return Fact(name="chunks", text=words, aside="; ".join(filter(None, (aside, _absent(variable)))))


def _absent(variable: VariableInspection) -> str:
    """Say how many chunks lie in no file."""
    counts = variable.counts
    if counts is None:
        return ""
    states = ((counts.missing, "missing"), (counts.inline, "inline"))
    return ", ".join("all " + word if n == counts.total else f"{n:,} {word}" for n, word in states if n)


def _shard_fact(variable: VariableInspection) -> Fact:
    sharding = variable.sharding
    if sharding is None:
        return Fact(name="shards")
    inner = f"({', '.join(map(str, sharding.inner_chunk_shape))})"
    index = "" if sharding.index_bytes is None else f" of {format_bytes(sharding.index_bytes)}"
    codecs = [short_codec(codec) for codec in sharding.codecs if codec.name not in LAYOUT_CODECS]
    return Fact(
        name="shards",
        text=f"each of {format_count(sharding.n_inner_chunks, 'inner chunk')} of {inner}"
        + (f", {' + '.join(codecs)}" if codecs else ""),
        aside=f"an index{index} at the {sharding.index_location} tells where they are",
    )


def _odd_chunks(variable: VariableInspection) -> list[str]:
    """Say what is strange about some chunks: sizes far out, a single value, more bytes than values."""
    statistics, found = variable.statistics, []
    if statistics is not None and statistics.n_outliers:
        at = ", ".join(map(str, statistics.largest_at))
        found.append(f"{format_count(statistics.n_outliers, 'size')} far out, the largest chunk at ({at})")
    if statistics is not None and variable.all_fill_suspected:
        n = format_count(variable.all_fill_suspected, "chunk")
        found.append(f"{n} of {format_bytes(statistics.min_bytes)} may be all one value")
    if variable.n_grown:
        found.append(f"{format_count(variable.n_grown, 'chunk')} larger than decoded")
    if statistics is not None and statistics.n_overlapping:
        found.append(f"{format_count(statistics.n_overlapping, 'chunk')} overlapping others")
    return found


_PLAIN = {
    "contiguous": "values as they are, in one run: any piece can be read alone",
    "chunked": "values as they are: any piece of a chunk can be read alone",
}
"""What follows from a layout that compresses nothing."""

_ALIGNED_BYTES = 512
"""Alignment that somebody meant: of sectors, pages and blocks."""


def _neighbours(variable: VariableInspection) -> str:
    """Say whether chunks of other variables lie between, and how chunks are aligned."""
    n, statistics = variable.n_stretches, variable.statistics
    n_others = 0 if n is None else n - len(variable.sources)
    others = f"other variables between them in {format_count(n_others, 'place')}" if n_others > 0 else ""
    step = None if statistics is None else statistics.alignment_bytes
    several = variable.counts is not None and variable.counts.virtual > 1
    aligned = f"aligned to {step:,} B" if step is not None and step >= _ALIGNED_BYTES and several else ""
    return ", ".join(filter(None, (others, aligned)))


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


def _not_read_by(variable: VariableInspection) -> str:
    """Say which readers do not know a codec, where some do."""
    lacking = [reader for reader in ALL_READERS if reader not in variable.readers]
    if not variable.readers or not lacking or variable.needs or not variable.codecs_known:
        return ""
    return f"not {format_list(lacking)}"
