"""A fingerprint as HTML and as text: of which chunks digests are kept, what they will find, and what they cannot."""

from __future__ import annotations

from collections.abc import Sequence

from vzlab.inspection.words import format_bytes, format_count, format_dims, shorten
from vzlab.render.html import (
    Cell,
    Content,
    Markup,
    callout,
    card,
    dim,
    heading,
    label,
    mono,
    name,
    strong,
    table,
)
from vzlab.render.printable import fold, printable, text_columns
from vzlab.testing.fingerprint import Fingerprint, VariableFingerprint

SHOWN = 25
"""Variables that are listed; more are counted."""
_LONGEST = 80
"""Letters of a name or a subject that are shown."""


def to_html(fingerprint: Fingerprint) -> Markup:
    """What was kept as one self-contained element."""
    rows: list[Sequence[Content | Cell]] = [
        [
            name(shorten(path, _LONGEST)),
            _dims(variable),
            mono(shorten(variable.dtype, _LONGEST)),
            Cell(content=_count(variable), tone=None if _is_whole(variable) else "warn"),
            variable.values,
            f"{len(variable.attributes):,}",
        ]
        for path, variable in list(fingerprint.variables.items())[:SHOWN]
    ]
    more = len(fingerprint.variables) - len(rows)
    return card(
        heading(shorten(fingerprint.title, _LONGEST)),
        callout(strong(_sentence(fingerprint)), " ", _reach(fingerprint), tone="note"),
        label("Variables", f"{len(fingerprint.variables):,}"),
        table(rows, header=["variable", "dimensions", "type", "chunks digested", "values", "attributes"]),
        dim(f"and {more:,} more") if more > 0 else None,
        dim(_groups(fingerprint)),
        upgrade=False,
    )


def to_text(fingerprint: Fingerprint, *, width: int | None = None) -> str:
    """What was kept for a terminal of `width` columns; the terminal's own if not given."""
    lines = [shorten(fingerprint.title, 2 * _LONGEST), _sentence(fingerprint), _reach(fingerprint), ""]
    for path, variable in list(fingerprint.variables.items())[:SHOWN]:
        what = f"{_dims(variable)} {shorten(variable.dtype, _LONGEST)}"
        lines.append(f"  {shorten(path, _LONGEST)}  {what}: {_count(variable)}, {variable.values} values")
    more = len(fingerprint.variables) - SHOWN
    lines += [f"  and {more:,} more variables"] if more > 0 else []
    lines += ["", _groups(fingerprint)]
    columns = text_columns(width)
    return "\n".join(
        part
        for line in lines
        for part in fold(printable(line), columns, "    " if line.startswith("  ") else "")
    )


def _sentence(fingerprint: Fingerprint) -> str:
    digests = format_bytes(sum(len(variable.digests) for variable in fingerprint.variables.values()))
    return f"{fingerprint.extent}: {digests} of digests."


def _reach(fingerprint: Fingerprint) -> str:
    ask = "vz.compare(store, fingerprint) tells whether a store still reads the same, without the original files."
    if all(map(_is_whole, fingerprint.variables.values())):
        return f"{ask} Any value that changed is found."
    return f"{ask} Of variables with a sample, what changed in other chunks is not seen."


def _dims(variable: VariableFingerprint) -> str:
    return shorten(format_dims(variable.dims, variable.shape), _LONGEST)


def _count(variable: VariableFingerprint) -> str:
    n, of = variable.n_digests, format_count(variable.n_chunks, "chunk")
    if not _is_whole(variable):
        return f"{n:,} of {of}"
    return f"all {of}" if n > 1 else of


def _is_whole(variable: VariableFingerprint) -> bool:
    return variable.n_digests == variable.n_chunks


def _groups(fingerprint: Fingerprint) -> str:
    n = sum(len(attributes) for attributes in fingerprint.groups.values())
    groups = format_count(len(fingerprint.groups), "group")
    return f"Kept too: {format_count(n, 'attribute')} of {groups}, and the attributes of variables."
