"""The table of formats as HTML and as text."""

from __future__ import annotations

from collections.abc import Sequence

from vzlab.inspection.words import format_count
from vzlab.parsers.listing import FormatTable, KnownFormat
from vzlab.render.html import (
    Cell,
    Content,
    Markup,
    card,
    details,
    dim,
    facts,
    heading,
    join,
    mono,
    strong,
    table,
)
from vzlab.render.printable import fold, printable, text_columns


def to_html(formats: FormatTable) -> Markup:
    """The table as one self-contained element; options of a parser are folded under it."""
    rows: list[Sequence[Content | Cell]] = [
        [
            Cell(content=format_.name, note=" ".join(format_.suffixes)),
            Cell(content=mono(format_.parser), note=format_.mark),
            Cell(content=_needs(format_), tone=None if format_.installed else "warn"),
            None
            if not format_.own_options
            else details(
                dim(format_count(len(format_.own_options), "option")),
                facts(
                    (mono(f"{o.name}={o.default}"), join([o.description, dim(o.annotation)]))
                    for o in format_.own_options
                ),
            ),
        ]
        for format_ in formats
    ]
    return card(
        heading(formats.title),
        table(rows, header=["format", "parser", "needs", "options"]),
        dim("Every parser takes ", mono("group"), " and ", mono("drop_variables"), " too."),
        details(
            join([strong("Known, and not read"), dim(f"{len(formats.refused)}")]),
            table([[name, advice] for name, advice in formats.refused]),
        ),
    )


def to_text(formats: FormatTable, *, width: int | None = None) -> str:
    """The table for a terminal of `width` columns; the terminal's own if not given."""
    columns = text_columns(width)
    lines = []
    for format_ in formats:
        lines.append(f"{format_.name}: {format_.parser}, {_needs(format_)}")
        lines.append(f"  named {' '.join(format_.suffixes)}; told by {format_.mark}")
        lines += [f"    {o.name}={o.default}: {o.description}" for o in format_.own_options]
    lines += ["", "Every parser takes group= and drop_variables= too.", "", "Known, and not read:"]
    lines += [f"  {name}: {advice}" if advice else f"  {name}" for name, advice in formats.refused]
    return "\n".join(part for line in lines for part in fold(printable(line), columns, "      "))


def _needs(format_: KnownFormat) -> str:
    if not format_.extra:
        return "nothing else" if format_.installed else "a library that is not installed"
    return f"extra {format_.extra}" + ("" if format_.installed else ", which is not installed")
