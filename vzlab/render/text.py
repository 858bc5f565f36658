"""An inspection as text for a terminal: a tree of variables, or one variable's page."""

from __future__ import annotations

from io import StringIO

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vzlab.inspection import Finding, GroupInspection, Inspection, UnreadableInspection, VariableInspection
from vzlab.inspection.words import format_count, format_dims, format_list, format_value, shorten
from vzlab.render import lines
from vzlab.render.file_set import file_set_lines
from vzlab.render.history import history_lines
from vzlab.render.printable import printable, terminal_size, text_columns
from vzlab.render.variable_facts import variable_facts

_STYLES = {"good": "cyan", "note": "yellow", "warn": "yellow", "bad": "red", "info": "blue", "plain": "dim"}
_SIGNS = {"problem": "✗", "notice": "!", "fact": "·"}


def to_text(
    inspection: Inspection,
    variable: str | None = None,
    *,
    width: int | None = None,
    max_lines: int | None = None,
    color: bool = False,
) -> str:
    """Write an inspection, or one variable of it, as text.

    Parameters
    ----------
    inspection : Inspection
    variable : str, optional
        Path of the variable to describe.
    width : int, optional
        Columns; the terminal's if not given.
    max_lines : int, optional
        Lines to keep to: what is left out is said in the last. The terminal's if not given, 0 for no limit.
    color : bool
        Whether to write colours, as ANSI codes.
    """
    columns = text_columns(width)
    height = terminal_size().lines - 1 if max_lines is None else max_lines
    body = _variable_page(inspection[variable]) if variable else _overview(inspection, columns)
    # In a notebook a console would display what it captures, as an empty output of its own.
    console = Console(
        file=StringIO(), width=columns, force_terminal=color, color_system="standard" if color else None, highlight=False,
        markup=False, emoji=False, force_jupyter=False,
    )  # fmt: skip
    with console.capture() as captured:
        console.print(body)
    written = [line.rstrip() for line in captured.get().rstrip("\n").split("\n")]
    if height and len(written) > height:
        left_out = len(written) - max(height - 1, 1)
        written = [
            *written[: max(height - 1, 1)],
            f"… {format_count(left_out, 'more line')}: .to_text(max_lines=0)",
        ]
    return "\n".join(written)


def _overview(inspection: Inspection, columns: int) -> Group:
    parts: list[RenderableType] = [
        Text.assemble((printable(inspection.title), "bold"), "   ", (lines.headline(inspection), "dim")),
        Text(lines.opening(inspection)),
        *(_finding(finding) for finding in inspection.findings[:4]),
    ]
    if len(inspection.findings) > 4:
        parts.append(
            Text(f"  {format_count(len(inspection.findings) - 4, 'more finding')}: .findings", style="dim")
        )
    if inspection.variables or inspection.unreadable:
        parts += [Text(""), _table(inspection, columns)]
    if inspection.files is not None:
        parts += [Text(""), *map(Text, file_set_lines(inspection.files))]
    if inspection.history is not None:
        parts += [Text(""), *map(Text, history_lines(inspection.history))]
    attributes = format_list(map(printable, map(str, inspection.root.attributes)), most=8)
    last = {"attributes": attributes, "index decoded by": inspection.index_decoder}
    told = [Text(f"{what}: {words}", style="dim") for what, words in last.items() if words]
    if told:
        parts += [Text(""), *told]
    return Group(*parts)


def _finding(finding: Finding) -> Padding:
    text, consequence, remedy = map(printable, lines.finding_sentences(finding))
    style = _STYLES[lines.FINDING_TONES[finding.severity]]
    words = Text.assemble(
        (f"{_SIGNS[finding.severity]} ", style),
        (text, style),
        " ",
        consequence,
        " " if remedy else "",
        remedy,
    )
    return Padding(words, (0, 0, 0, 0))


def _table(inspection: Inspection, columns: int) -> Table:
    """One line a variable; columns that do not fit are left out, the least telling first."""
    table = Table(
        box=None, padding=(0, 2, 0, 0), show_header=True, header_style="dim", expand=False, pad_edge=False
    )
    wide, wider = columns >= 72, columns >= 96
    table.add_column("", no_wrap=True, overflow="ellipsis", max_width=columns // 3)
    table.add_column("dimensions", overflow="fold", max_width=columns // 3, min_width=12)
    table.add_column("type", no_wrap=True, overflow="ellipsis", max_width=24 if wider else 16)
    table.add_column("raw → stored" if wide else "stored", no_wrap=True)
    if wide:
        table.add_column("codecs", overflow="fold", min_width=12)
    if wider:
        table.add_column("", overflow="fold")
    for group in inspection.root.walk():
        depth = group.path.count("/") + 1 if group.path else 0
        if group.path:
            table.add_row(Text("  " * (depth - 1) + printable(group.name) + "/", style="bold"))
        _add_variables(table, group, "  " * depth, wide=wide, wider=wider)
    return table


def _add_variables(table: Table, group: GroupInspection, indent: str, *, wide: bool, wider: bool) -> None:
    for family in lines.families(lines.variable_order(group)):
        # A few alike are worth a line each; of many, the first tell about the others.
        shown = family if len(family) <= 8 else family[:3]
        for variable in shown:
            _add_variable(table, variable, indent, wide=wide, wider=wider)
        if len(shown) < len(family):
            names = shorten(", ".join(printable(v.name) for v in family[3:]), 30)
            table.add_row(
                Text(f"{indent}… {len(family) - 3:,} more alike", style="dim"), Text(names, style="dim")
            )
    for unreadable in group.unreadable:
        table.add_row(
            Text(indent + printable(unreadable.name), style="red"),
            Text(_shape(unreadable), style="dim"),
            printable(unreadable.dtype or ""),
            Text("loadable only" if unreadable.loadable else "unreadable", style="red"),
        )


def _add_variable(
    table: Table, variable: VariableInspection, indent: str, *, wide: bool, wider: bool
) -> None:
    raw, stored = lines.sizes(variable)
    cells: list[RenderableType] = [
        Text(indent + printable(variable.name), style="bold" if variable.role == "data" else ""),
        Text(printable(lines.dims(variable)), style="dim"),
        Text(printable(lines.dtype(variable))),
        Text(lines.both_sizes(variable) if wide else stored or raw),
    ]
    if wide:
        cells.append(Text(lines.chain(variable)))
    if wider:
        marks = lines.marks(variable)
        cells.append(Text(" · ").join(Text(printable(mark.text), style=_STYLES[mark.tone]) for mark in marks))
    table.add_row(*cells)


def _shape(variable: UnreadableInspection) -> str:
    if variable.shape is None:
        return ""
    return format_dims(variable.dims or (None,) * len(variable.shape), variable.shape)


def _variable_page(variable: VariableInspection) -> Group:
    head = " · ".join(filter(None, [lines.dims(variable), lines.dtype(variable), lines.both_sizes(variable)]))
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for fact in variable_facts(variable):
        words = " ".join(filter(None, (fact.code, fact.text)))
        facts.add_row(
            fact.name,
            Text.assemble(printable(words), "  " if words else "", (printable(fact.aside), "dim")),
        )
    parts: list[RenderableType] = [
        Text.assemble((printable(variable.path), "bold"), "   ", (printable(head), "dim")),
        facts,
    ]
    if variable.attributes:
        attributes = Table.grid(padding=(0, 2, 0, 2))
        for key, value in variable.attributes.items():
            attributes.add_row(
                Text(printable(str(key)), style="dim"), Text(printable(shorten(format_value(value), 400)))
            )
        parts += [Text("attributes", style="bold"), attributes]
    return Group(*parts)
