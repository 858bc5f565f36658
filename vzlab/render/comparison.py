"""A comparison as HTML: the verdict in a sentence, how much was covered, what differs and why; a receipt to keep."""

from __future__ import annotations

from collections.abc import Sequence

from vzlab.render.html import (
    Cell,
    Content,
    Markup,
    Tone,
    callout,
    card,
    code_block,
    columns,
    details,
    dim,
    element,
    facts,
    heading,
    join,
    label,
    mono,
    pill,
    strong,
    table,
)
from vzlab.storage import url_name
from vzlab.testing import Comparison, Finding, LevelCoverage

_TONES: dict[str, Tone] = {"PASS": "good", "FAIL": "bad", "UNVERIFIED": "warn"}
_WORDS = {
    "PASS": "Virtual and native read the same.",
    "FAIL": "Virtual and native differ.",
    "UNVERIFIED": "Nobody can vouch for this: part of it could not be compared.",
}
MAX_FINDINGS = 25
"""Findings shown; more are counted."""
MAX_ROWS = 60
"""Rows of the table of variables."""


def to_html(comparison: Comparison, *, upgrade: bool = True) -> Markup:
    """The receipt as one self-contained element."""
    return card(body(comparison), upgrade=upgrade)


def body(comparison: Comparison) -> Markup:
    """The receipt without its card, to stand inside another view."""
    n, files = comparison.n_variables, comparison.n_files
    beside = f"{n:,} variable{'s' * (n != 1)}, {files:,} native file{'s' * (files != 1)}"
    parts: list[Content] = [
        heading(pill(comparison.verdict, _TONES[comparison.verdict]), " ", beside),
        _headline(comparison),
        columns(_coverage(comparison), _circumstances(comparison)),
    ]
    if comparison.findings:
        parts.append(label("What differs", f"{len(comparison.findings):,}"))
        parts += [
            _finding(finding, is_open=number == 0)
            for number, finding in enumerate(comparison.findings[:MAX_FINDINGS])
        ]
        if len(comparison.findings) > MAX_FINDINGS:
            parts.append(dim(f"and {len(comparison.findings) - MAX_FINDINGS:,} more"))
    if comparison.gaps:
        parts.append(label("Not compared", "and therefore not passed"))
        rows = [
            [gap.level, gap.variable or "all variables", gap.reason] for gap in comparison.gaps[:MAX_ROWS]
        ]
        parts.append(table(rows, header=["level", "variable", "why"]))
    if comparison.bounds:
        parts.append(details(join([strong("Chunks looked at"), dim(comparison.bound)]), _bounds(comparison)))
    if comparison.notes:
        notes = [element("div", note) for note in comparison.notes[:MAX_ROWS]]
        parts.append(details(join([strong("Notes"), dim(f"{len(comparison.notes):,}")]), notes))
    return join(parts, "")


def _headline(comparison: Comparison) -> Markup:
    sentence: list[Content] = [strong(_WORDS[comparison.verdict])]
    if comparison.findings:
        first = comparison.findings[0]
        told = next((f for f in comparison.findings if f.cause), first)
        sentence += [" ", mono(told.variable or "dataset"), f": {told.message}."]
        sentence += [f" Likely cause: {told.cause}."] if told.cause else []
    elif comparison.bound:
        sentence += [" ", comparison.bound]
    if comparison.blind_spot and not comparison.findings:
        sentence += [element("div", dim(comparison.blind_spot))]
    return callout(*sentence, tone=_TONES[comparison.verdict])


def _coverage(comparison: Comparison) -> Markup:
    counts = {level.level: 0 for level in comparison.levels}
    for finding in comparison.findings:
        counts[finding.level] += finding.n_alike
    rows: list[Sequence[Content | Cell]] = [
        [level.level, level.title, _share(level), _outcome(level, counts[level.level])]
        for level in comparison.levels
    ]
    return table(rows, header=["level", "what", "compared", "outcome"])


def _share(level: LevelCoverage) -> Content:
    if not level.total:
        return dim("not compared")
    percent = "100 %" if level.fraction >= 1 else f"{min(level.fraction * 100, 99.9):.1f} %"
    return join([percent, dim(f"{level.checked:,} {level.unit}")])


def _outcome(level: LevelCoverage, differing: int) -> Cell:
    if differing:
        return Cell(content=f"{differing:,} differ", tone="bad")
    if not level.checked:
        return Cell(content=level.note or "nothing to compare", tone=None)
    return Cell(content="same", tone="good")


def _circumstances(comparison: Comparison) -> Markup:
    how = "every chunk" if comparison.exact else f"sample, seed {comparison.seed}"
    return facts(
        [
            ("virtual", comparison.virtual),
            ("native", comparison.native),
            ("read by", ", ".join(comparison.oracles)),
            ("how", f"{how}, confidence {comparison.confidence:.0%}"),
            ("took", f"{comparison.elapsed_s:.1f} s"),
        ]
    )


def _finding(finding: Finding, *, is_open: bool) -> Markup:
    alike = dim(f"{finding.n_alike:,} like this") if finding.n_alike > 1 else None
    summary = join([pill(finding.level, "bad"), mono(finding.variable or "dataset"), finding.message, alike])
    place = ""
    if finding.chunk is not None:
        place = f"chunk {list(finding.chunk)}"
        if finding.offset is not None:
            place += f": {finding.length:,} bytes at {finding.offset:,} of {url_name(finding.source)}"
    values = facts(
        [
            ("likely cause", strong(finding.cause) if finding.cause else None),
            ("index", None if finding.index is None else str(list(finding.index))),
            ("virtual value", mono(finding.virtual_value) if finding.virtual_value else None),
            ("native value", mono(finding.native_value) if finding.native_value else None),
            ("native file", finding.file),
            ("reference", place),
        ]
    )
    return details(summary, values, code_block(finding.snippet) if finding.snippet else None, is_open=is_open)


def _bounds(comparison: Comparison) -> Markup:
    rows: list[Sequence[Content | Cell]] = [
        [
            bound.variable,
            bound.codecs,
            f"{bound.n_files:,}",
            f"{bound.n_checked:,} of {bound.n_chunks:,}",
            Cell(content=f"{bound.n_differing:,}", tone="bad" if bound.n_differing else None),
            f"{bound.bad_fraction_at_most:.2%}",
            f"{bound.worst_file_fraction:.2%}",
        ]
        for bound in comparison.bounds[:MAX_ROWS]
    ]
    header = ["variable", "codecs", "files", "looked at", "differ", "differ at most", "in one file at most"]
    return table(rows, header=header)
