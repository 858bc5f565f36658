"""The words that text and HTML share: headlines, sentences, and what stands on a variable's line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vzlab.codecs import CodecDescription
from vzlab.inspection import Finding, GroupInspection, Inspection, VariableInspection
from vzlab.inspection.model import SourceInspection
from vzlab.inspection.words import (
    format_bytes,
    format_count,
    format_dims,
    format_list,
    format_ratio,
    sentence_end,
)
from vzlab.render.html import Tone

FINDING_TONES: dict[str, Tone] = {"problem": "bad", "notice": "warn", "fact": "info"}

LAYOUT_CODECS = frozenset({"bytes"})
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
        inspection.store,
    ]
    return " · ".join(filter(None, facts))


def opening(inspection: Inspection) -> str:
    """Say in a sentence what there is to read, and what it takes on disk."""
    variables = list(inspection.variables.values())
    if not variables:
        return "No variable can be read as an array."
    kept = [variable for variable in variables if variable.stored_bytes is not None]
    others = [variable for variable in variables if variable.stored_bytes is None]
    held = format_list(sorted({variable.held for variable in others}))
    if not kept:
        return f"{format_bytes(inspection.raw_bytes)} of values, {held}: nothing here says what they take as stored."
    only = inspection.sources[0] if len(inspection.sources) == 1 else None
    words = f"{_values(kept)}, {_storage(kept, only)}"
    if others:
        words += (
            f"; {format_count(len(others), 'more variable')} {'is' if len(others) == 1 else 'are'} {held}"
        )
    rest = "" if only is None else metadata_place(only)
    return words + (f"; the rest of the file is {rest}." if rest else ".")


def _values(kept: Sequence[VariableInspection]) -> str:
    raw = sum(variable.raw_bytes or 0 for variable in kept)
    written = sum(map(_raw_written, kept))
    words = f"{format_bytes(raw)} of values{' and text' if _has_text(kept) else ''}" if raw else "Text"
    return words + (f", of which {format_bytes(written)} were ever written" if written < 0.9 * raw else "")


def _storage(kept: Sequence[VariableInspection], only: SourceInspection | None) -> str:
    stored = sum(variable.stored_bytes or 0 for variable in kept)
    inline = sum(
        v.stored_bytes or 0 for v in kept if v.counts is not None and v.counts.inline == v.counts.total
    )
    covered = _covered_bytes(only)
    if covered is not None and stored - inline > 1.01 * covered:
        words = f"stored in {format_bytes(covered + inline)}, which variables share"
    else:
        of_sized = sum(variable.stored_bytes or 0 for variable in kept if variable.raw_bytes)
        # Text has no fixed size that could be held against what it takes.
        ratio = "" if _has_text(kept) else format_ratio(of_sized, sum(map(_raw_written, kept)))
        words = f"stored in {format_bytes(stored)}{f' ({ratio})' if ratio else ''}"
    if only is not None and stored > inline > 0.9 * stored:
        words += ", nearly all of it inline"
    return words


def _has_text(kept: Sequence[VariableInspection]) -> bool:
    return any(variable.raw_bytes is None and variable.stored_bytes for variable in kept)


def _covered_bytes(source: SourceInspection | None) -> int | None:
    """Bytes of a file in chunks, counted once where several share them; None where it is not known."""
    if source is None or source.size_bytes is None:
        return None
    return source.size_bytes - (source.metadata.n_bytes if source.metadata is not None else 0)


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
    is_text = variable.dtype.startswith("text")
    return variable.dtype + (", big-endian" if variable.byte_order == "big" and not is_text else "")


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
    if variable.counts is not None and variable.counts.total and not variable.counts.present:
        return "never written"
    if not variable.codecs_known:
        return ""
    words = [short_codec(codec) for codec in variable.codecs if codec.name not in LAYOUT_CODECS]
    if words:
        return " + ".join(words)
    if variable.counts is not None and variable.counts.inline == variable.counts.total > 0:
        return "inline"
    return "contiguous" if variable.layout == "contiguous" else "uncompressed"


def short_codec(codec: CodecDescription) -> str:
    """Say a codec with its level, if that is all there is to say: ``deflate 4``."""
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


def metadata_place(source: SourceInspection) -> str:
    """Say how much of a file no chunk covers, and where: ``12 kB in 3 places``; empty where it is not known."""
    found = source.metadata
    if found is None:
        return ""
    where = "at the head" if found.at_head else f"in {format_count(found.n_places, 'place')}"
    return f"{format_bytes(found.n_bytes)} {where}"


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
