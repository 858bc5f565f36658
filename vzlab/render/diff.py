"""What differs between two inspections, as HTML and text."""

from __future__ import annotations

from collections.abc import Sequence

from vzlab.inspection.diff import Difference, InspectionDiff, VariableDiff
from vzlab.inspection.words import format_count, format_list, shorten
from vzlab.render.html import (
    Cell,
    Content,
    Markup,
    Tone,
    callout,
    card,
    details,
    dim,
    escape,
    heading,
    join,
    label,
    mono,
    name,
    pill,
    table,
)
from vzlab.render.printable import fold, printable, text_columns

BUDGET_BYTES = 100_000
"""Most bytes of HTML: variables beyond it are named."""
MAX_VARIABLES = 60
"""Variables that text shows in full."""
MAX_DIFFERENCES = 30
"""Differences shown of each."""
_MAX_VALUE = 160
_NAMES_BYTES = 8_000
_TONES: dict[str, Tone] = {"problem": "bad", "notice": "warn", "fact": "plain"}


def to_html(found: InspectionDiff) -> Markup:
    """All that differs as one self-contained element."""
    return card(body(found))


def body(found: InspectionDiff) -> Markup:
    """All that differs without its card, to stand inside another view."""
    parts: list[Content] = [heading(shorten(found.title, 160)), callout(sentence(found), tone=_tone(found))]
    if found.whole:
        parts += [label("As a whole"), _table(found.whole, found)]
    if found.variables:
        parts.append(label("Variables"))
    room = BUDGET_BYTES - _NAMES_BYTES - len(escape(parts).encode())
    for n, variable in enumerate(found.variables):
        drawn = _variable(variable, found, is_open=n < 3)
        room -= len(drawn.encode())
        if room < 0:
            rest = [shorten(variable.path, 60) for variable in found.variables[n:]]
            parts.append(dim("Also different: ", format_list(rest, most=60)))
            break
        parts.append(drawn)
    return join(parts, "")


def _tone(found: InspectionDiff) -> Tone:
    if found.is_empty:
        return "good"
    serious = any(d.severity == "problem" for v in found.variables for d in v.differences)
    return "bad" if serious else "note"


def sentence(found: InspectionDiff) -> str:
    """How much differs, and the first thing that would make numbers wrong."""
    if found.is_empty:
        return f"Nothing differs in what describes them: {format_count(found.n_same, 'variable')} alike."
    both = [variable for variable in found.variables if variable.side == "both"]
    words = [f"{format_count(len(both), 'variable')} differ{'s' if len(both) == 1 else ''}"] if both else []
    for side, title in (("left", found.left), ("right", found.right)):
        paths = [variable.path for variable in found.variables if variable.side == side]
        if paths:
            words.append(f"{format_list(paths, most=4)} only in {shorten(title, 60)}")
    if found.n_same:
        words.append(f"{found.n_same:,} alike")
    first = next(
        (
            f" {variable.path}: {difference.consequence}"
            for variable in both
            for difference in variable.differences
            if difference.severity == "problem"
        ),
        "",
    )
    counted = "; ".join(words) or f"{format_count(len(found.whole), 'difference')} outside of variables"
    return f"{counted[0].upper()}{counted[1:]}.{first}"


def _variable(variable: VariableDiff, found: InspectionDiff, *, is_open: bool) -> Markup:
    if variable.side != "both":
        where = found.left if variable.side == "left" else found.right
        return callout(name(variable.path), " ", dim(variable.about), " ", f"only in {shorten(where, 80)}")
    worst = min(variable.differences, key=lambda difference: list(_TONES).index(difference.severity))
    pills = [pill(d.what, _TONES[d.severity]) for d in variable.differences[:6]]
    line = join([name(variable.path), *pills])
    rest = len(variable.differences) - MAX_DIFFERENCES
    return details(
        line,
        _table(variable.differences[:MAX_DIFFERENCES], found),
        dim(f"and {rest:,} more") if rest > 0 else None,
        is_open=is_open and worst.severity != "fact",
    )


def _table(differences: Sequence[Difference], found: InspectionDiff) -> Markup:
    rows: list[list[Content | Cell]] = [
        [
            Cell(content=difference.what, tone=_TONES[difference.severity]),
            mono(shorten(difference.left, _MAX_VALUE)) if difference.left else dim("none"),
            mono(shorten(difference.right, _MAX_VALUE)) if difference.right else dim("none"),
            difference.consequence,
        ]
        for difference in differences[:MAX_DIFFERENCES]
    ]
    return table(rows, header=["", shorten(found.left, 60), shorten(found.right, 60), "what follows"])


def to_text(found: InspectionDiff, *, width: int | None = None) -> str:
    """All that differs for a terminal of `width` columns; the terminal's own if not given."""
    lines = [sentence(found)]
    if found.whole:
        lines += ["", *_lines(found.whole)]
    for variable in found.variables[:MAX_VARIABLES]:
        where = {"left": found.left, "right": found.right}.get(variable.side)
        lines += ["", variable.path + (f"  {variable.about}, only in {where}" if where else "")]
        lines += _lines(variable.differences[:MAX_DIFFERENCES])
    columns = text_columns(width)
    return "\n".join(
        wrapped
        for line in lines
        for wrapped in fold(printable(line), columns, "    " if line.startswith("  ") else "")
    )


def _lines(differences: Sequence[Difference]) -> list[str]:
    lines = []
    for difference in differences:
        left, right = (shorten(text, _MAX_VALUE) or "none" for text in (difference.left, difference.right))
        lines.append(f"  {difference.what}: {left} | {right}")
        if difference.consequence:
            lines.append(f"    {difference.consequence}")
    return lines
