"""A comparison as HTML and as text: the verdict in a sentence, how much was covered, what differs and why; a receipt to keep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vzlab.inspection.words import format_count, format_list
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
from vzlab.render.printable import fold, printable, text_columns
from vzlab.storage import url_name
from vzlab.testing import Comparison, Finding, LevelCoverage
from vzlab.testing.comparison import LEVELS, AttributeFact

_TONES: dict[str, Tone] = {"PASS": "good", "FAIL": "bad", "UNVERIFIED": "warn"}
_WORDS = {
    "PASS": "Virtual and native read the same.",
    "FAIL": "Virtual and native differ.",
    "UNVERIFIED": "Nobody can vouch for this: part of it could not be compared.",
}
MAX_FINDINGS = 25
"""Findings shown; more are counted."""
MAX_SHOWN = 10
"""Findings printed in full in the text."""
MAX_ROWS = 60
"""Rows of the table of variables."""


def to_html(comparison: Comparison) -> Markup:
    """The receipt as one self-contained element."""
    return card(body(comparison))


def body(comparison: Comparison) -> Markup:
    """The receipt without its card, to stand inside another view."""
    beside = format_count(comparison.n_variables, "variable")
    if comparison.n_files:  # a fingerprint is compared without any
        beside += f", {format_count(comparison.n_files, 'native file')}"
    parts: list[Content] = [
        heading(pill(comparison.verdict, _TONES[comparison.verdict]), " ", beside),
        _headline(comparison),
        # Beside each other only where no column of the table is cut.
        columns(_coverage(comparison), _circumstances(comparison), min_width_em=34),
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
    if facts_of_files := [fact for fact in comparison.attributes if fact.kind != "constant"]:
        summary = join([strong("Attributes over the files"), dim(_attributes_sentence(comparison))])
        parts.append(details(summary, _attributes(facts_of_files)))
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
        [level.level, level.title, _outcome(level, counts[level.level]), _share(level)]
        for level in comparison.levels
    ]
    return table(rows, header=["level", "what", "outcome", "compared"])


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


def _attributes(attributes: Sequence[AttributeFact]) -> Markup:
    rows: list[Sequence[Content | Cell]] = [
        [
            mono(fact.variable or "dataset"),
            fact.name,
            Cell(content=fact.kind, tone="warn" if fact.kind == "conflicting" else None),
            ", ".join(f"{value} ({n:,})" for value, n in fact.values)
            + (f" and {fact.n_values - len(fact.values):,} more" if fact.n_values > len(fact.values) else ""),
            fact.virtual_value,
        ]
        for fact in attributes[:MAX_ROWS]
    ]
    return table(rows, header=["variable", "attribute", "over the files", "values (files)", "virtual"])


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


# -- text -----------------------------------------------------------------------------------------------------------------


def to_text(comparison: Comparison, *, width: int | None = None) -> str:
    """The report for a terminal of `width` columns; the terminal's own if not given."""
    lines = [
        f"{comparison.verdict}: {_text_headline(comparison)}",
        f"  virtual   {comparison.virtual}",
        f"  native    {comparison.native}",
        f"  read by   {', '.join(comparison.oracles) or 'nothing'}",
        f"  coverage  {comparison.coverage}",
    ]
    if sentence := _attributes_sentence(comparison):
        lines.append(f"  attributes {sentence}")
    if comparison.bound:
        lines.append(f"  sample    {comparison.bound}")
    lines += [
        f"            {level.title} not compared: {level.note}"
        for level in comparison.levels
        if level.note and not level.total
    ]
    if comparison.blind_spot:
        lines.append(f"            {comparison.blind_spot}")
    shown = [part for line in lines for part in _folded(line, width)]
    for number, finding in enumerate(comparison.findings[:MAX_SHOWN], 1):
        shown += ["", *(part for line in _finding_lines(number, finding) for part in _folded(line, width))]
        if finding.snippet:  # as it is, so that it can be copied
            shown += ["   to see it again:", *(f"     {line}" for line in finding.snippet.splitlines())]
    rest = []
    if (n := len(comparison.findings) - MAX_SHOWN) > 0:
        rest += ["", f"... and {n} more findings."]
    if comparison.gaps:
        rest += ["", "Not compared:"]
        rest += [f"  {gap.level} {gap.variable or 'all variables'}: {gap.reason}" for gap in comparison.gaps]
    if comparison.notes:
        rest += ["", "Notes:", *(f"  {note}" for note in comparison.notes)]
    return "\n".join([*shown, *(part for line in rest for part in _folded(line, width))])


def _folded(line: str, width: int | None) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return fold(printable(line), text_columns(width), indent)


def _attributes_sentence(comparison: Comparison) -> str:
    counts = Counter(fact.kind for fact in comparison.attributes)
    return ", ".join(f"{n:,} {kind}" for kind, n in counts.items()) + " over the files" if counts else ""


def _text_headline(comparison: Comparison) -> str:
    what = format_count(comparison.n_variables, "variable")
    if comparison.n_files:
        what += f" over {format_count(comparison.n_files, 'native file')}"
    match comparison.verdict:
        case "PASS":
            return f"{what} read the same{_tolerated(comparison)}{_encoded_anew(comparison)} in {comparison.elapsed_s:.1f} s"
        case "FAIL":
            first = comparison.findings[0]
            return f"{first.variable + ': ' if first.variable else ''}{first.message}"
        case _:
            return f"{what}; {len(comparison.gaps)} could not be compared"


def _finding_lines(number: int, finding: Finding) -> list[str]:
    alike = f" ({finding.n_alike:,} like this)" if finding.n_alike > 1 else ""
    lines = [f"{number}. {finding.level} {LEVELS[finding.level]}, {finding.variable or 'dataset'}{alike}"]
    lines.append(f"   {finding.message}")
    if finding.cause:
        lines.append(f"   likely cause: {finding.cause}")
    if finding.index is not None:
        lines.append(
            f"   at {list(finding.index)}: virtual {finding.virtual_value}, native {finding.native_value}"
        )
    elif finding.virtual_value or finding.native_value:
        lines.append(
            f"   virtual {finding.virtual_value or 'nothing'}, native {finding.native_value or 'nothing'}"
        )
    if finding.file:
        lines.append(f"   native file {finding.file}")
    if finding.chunk is not None:
        place = f"   chunk {list(finding.chunk)}"
        if finding.offset is not None:
            place += f": {finding.length} bytes at {finding.offset} of {finding.source}"
        lines.append(place)
    return lines


def _encoded_anew(comparison: Comparison) -> str:
    """What holds only of decoded values, which belongs to the verdict."""
    if not comparison.encoded_anew:
        return ""
    n = sum(count for _, count in comparison.encoded_anew)
    of = format_list([path for path, _ in comparison.encoded_anew[:4]])
    return f", {n:,} chunk{'s' * (n != 1)} of {of} encoded anew by decoded values up to rounding,"


def _tolerated(comparison: Comparison) -> str:
    """The tolerances, which belong to the verdict."""
    values = sorted({value for _, value in comparison.tolerances})
    if not values:
        return ""
    of = (
        format_list([path for path, _ in comparison.tolerances[:4]])
        if len(comparison.tolerances) < 5
        else "variables"
    )
    return f" within {' to '.join(f'{value:g}' for value in dict.fromkeys((values[0], values[-1])))} of stored units ({of})"
