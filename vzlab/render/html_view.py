"""An inspection as one piece of HTML: a sentence, then lines that open, then maps, tables and code."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from vzlab.inspection import Finding, GroupInspection, Inspection, UnreadableInspection, VariableInspection
from vzlab.inspection.words import format_bytes, format_count, format_dims, format_list, shorten
from vzlab.render import html, lines
from vzlab.render.file_set import file_set_card
from vzlab.render.history import history_card
from vzlab.render.html import Content, Markup
from vzlab.render.variable_html import (
    ATTRIBUTES_BYTES,
    COLUMNS,
    FEWEST_CHUNKS,
    attributes_card,
    variable_card,
)

BUDGET_BYTES = 100_000
"""Most bytes of HTML, whatever the number of chunks or variables."""

_PICTURES_SHARE = 0.5
_LEAST_PICTURE_BYTES = 3_000
_MAX_FINDINGS = 6
_MOST_GROUPS = (60, 20, 6)
"""Groups shown with what is in them, fewer where these take too much room; of the others, names."""
_MAX_FAMILIES = 30
_MAX_CARDS = 60
_PLAIN_CARD_BYTES, _DRAWN_CARD_BYTES = 1_700, 4_000
"""What a variable takes, more or less: without pictures and attributes, and with all but its chunk map."""
_CARD_BYTES = 1_500
"""What a card takes around its content."""
_NAMES_BYTES = 12_000
"""Room for the names of variables that are told together."""


def to_html_fragment(inspection: Inspection) -> Markup:
    """Build what a notebook shows: one piece of at most 100 KB that needs nothing else."""
    return html.card(body(inspection))


def body(inspection: Inspection, *, budget_bytes: int = BUDGET_BYTES) -> Markup:
    """Build the view of a whole inspection, to be set into a card.

    Parameters
    ----------
    inspection : Inspection
    budget_bytes : int
        Variables beyond it are shown in less detail: without pictures, then as one line for all that are alike.

    Returns
    -------
    Markup
    """
    head = [
        html.heading(shorten(inspection.title, 200), lines.headline(inspection)),
        html.element("div", lines.opening(inspection), style="margin:.2em 0 .4em 0"),
        *findings_callouts(inspection.findings),
    ]
    history = None if inspection.history is None else history_card(inspection.history)
    files = None if inspection.files is None else file_set_card(inspection.files)
    tail = [files, history, _files(inspection), _open_it(inspection)]

    def assembled(cards: Mapping[str, Markup], groups: frozenset[str]) -> Markup:
        return html.escape([head, _group_body(inspection.root, cards, groups), tail])

    room = budget_bytes - _CARD_BYTES
    groups, bare = frozenset[str](), _length(head, tail)
    for most in (*_MOST_GROUPS, 1):
        groups = frozenset(group.path for group in itertools.islice(inspection.root.walk(), most))
        bare = _length(assembled({}, groups))
        if bare < room / 2:
            break
    cards = _cards(inspection, groups, room - bare)
    whole = assembled(cards, groups)
    # What a variable takes on its own and among those that are alike is not the same: leave out the last ones drawn.
    while _length(whole) > room and cards:
        excess = _length(whole) - room
        while excess > 0 and cards:
            excess -= _length(cards.popitem()[1])
        whole = assembled(cards, groups)
    return whole


def _length(*parts: Content) -> int:
    return len(html.escape(parts).encode())


def _cards(inspection: Inspection, groups: frozenset[str], budget_bytes: int) -> dict[str, Markup]:
    """Draw as many variables as there is room for, the largest in most detail; by path, most important first."""
    variables = sorted(
        (
            variable
            for group in inspection.root.walk()
            if group.path in groups
            for variable in group.variables
        ),
        key=lambda variable: (variable.role != "data", -(variable.stored_bytes or 0)),
    )
    names = [source.name for source in inspection.sources]
    n_pictures = sum(variable.chunk_map is not None for variable in variables)
    picture_bytes = int(max(700, _PICTURES_SHARE * budget_bytes / max(min(n_pictures, 24), 1)))
    # Pictures of fewer bytes have fewer cells; with less than this they say nothing.
    smallest = min(picture_bytes, _LEAST_PICTURE_BYTES)
    opened = variables[0].path if len(variables) == 1 else _first_worth_opening(variables)
    attribute_bytes = min(max(budget_bytes // (4 * max(len(variables), 1)), 600), ATTRIBUTES_BYTES)
    left = budget_bytes
    cards: dict[str, Markup] = {}
    for position, variable in enumerate(variables):
        # Pictures for the first, as long as there is room to say at least the facts of all others.
        rest = min(len(variables) - position - 1, _MAX_CARDS) * (_PLAIN_CARD_BYTES + attribute_bytes)
        kept = min(rest, budget_bytes * 2 // 3) if variable.path == opened or not position else rest
        spare = left - kept - _DRAWN_CARD_BYTES
        card = variable_card(
            variable,
            names,
            picture_bytes=min(picture_bytes, spare) if spare > smallest else 0,
            attribute_bytes=attribute_bytes,
            is_open=variable.path == opened,
        )
        left -= _length(card)
        if left < 0:
            break
        cards[variable.path] = card
    return cards


def _first_worth_opening(variables: Sequence[VariableInspection]) -> str | None:
    """The largest data variable with something to see, so that a first look shows a map."""
    return next(
        (v.path for v in variables if v.role == "data" and v.chunking.n_chunks >= FEWEST_CHUNKS), None
    )


# -- the whole --------------------------------------------------------------------------------------------------------


def findings_callouts(findings: Sequence[Finding]) -> list[Markup]:
    """Draw the most important findings, and those after them in a line that opens."""
    told = [_finding(finding) for finding in findings[:_MAX_FINDINGS]]
    if len(findings) > _MAX_FINDINGS:
        rest = [html.element("div", finding.text) for finding in findings[_MAX_FINDINGS : _MAX_FINDINGS + 24]]
        told.append(html.details(html.dim(f"{len(findings) - _MAX_FINDINGS:,} more findings"), *rest))
    return told


def _finding(finding: Finding) -> Markup:
    text, consequence, remedy = (shorten(part, 500) for part in lines.finding_sentences(finding))
    return html.callout(
        html.strong(text), " ", consequence, (" ", html.mono(remedy)) if remedy else None,
        tone=lines.FINDING_TONES[finding.severity],
    )  # fmt: skip


def _files(inspection: Inspection) -> Markup | None:
    sources = inspection.sources
    if not sources:
        return None
    rows = [
        (
            shorten(source.name, 120),
            "" if source.size_bytes is None else format_bytes(source.size_bytes),
            lines.metadata_place(source),
            html.dim((source.last_modified or "")[:19].replace("T", " ")),
            html.mono(shorten(source.url, 300)),
        )
        for source in sources[:12]
    ]
    more = html.dim(f"and {len(sources) - 12:,} more") if len(sources) > 12 else None
    decoder = inspection.index_decoder
    read_by = html.element("div", html.dim(f"Index decoded by: {decoder}")) if decoder else None
    title = format_count(len(sources), "file")
    listed = format_list([source.name for source in sources[:40]], most=4) if len(sources) < 40 else ""
    return html.details(
        (html.strong(title[0].upper() + title[1:]), " ", html.dim(shorten(listed, 160))),
        html.table(rows, header=("name", "size", "in no chunk", "changed", "url")),
        more,
        read_by,
    )


def _open_it(inspection: Inspection) -> Markup | None:
    if not inspection.open_code:
        return None
    return html.details(html.strong("Open it"), html.code_block(inspection.open_code))


def _group_body(
    group: GroupInspection, cards: Mapping[str, Markup], groups: frozenset[str]
) -> list[Markup | None]:
    """What is in a group: variables, what cannot be read, groups that are among those to show, attributes."""
    ordered = lines.variable_order(group)
    shown = [cards[variable.path] for variable in ordered if variable.path in cards]
    others = [variable for variable in ordered if variable.path not in cards]
    is_root = not group.path
    below = [_group(child, cards, groups, is_open=is_root) for child in group.groups if child.path in groups]
    if hidden := [child.name for child in group.groups if child.path not in groups]:
        title = format_count(len(hidden), "more group" if below else "group")
        below.append(html.details(title, html.dim(shorten(", ".join(hidden), 2000))))
    return [
        *shown,
        _compact(others, is_all=not shown) if others else None,
        *(_unreadable(variable) for variable in group.unreadable[:12]),
        html.dim(f"and {len(group.unreadable) - 12:,} more unreadable")
        if len(group.unreadable) > 12
        else None,
        *below,
        attributes_card(group.attributes, "Attributes" if is_root else "Attributes of the group"),
    ]


def _group(
    child: GroupInspection, cards: Mapping[str, Markup], groups: frozenset[str], *, is_open: bool
) -> Markup:
    inside = html.element("div", _group_body(child, cards, groups), style="margin-left:1.1em")
    title = html.strong(shorten(child.name, 120) + "/")
    return html.details(
        (title, " ", html.dim(_group_line(child)), " ", html.dim(shorten(child.link, 120))),
        inside,
        is_open=is_open and len(groups) <= 6,
    )


def _group_line(group: GroupInspection) -> str:
    variables = list(group.variables)
    inside = sum(len(part.variables) for part in group.walk()) - len(variables)
    parts = [
        format_count(len(variables), "variable") if variables else "",
        f"{inside:,} more below" if inside and variables else f"{inside:,} variables below" if inside else "",
        format_list([variable.name for variable in variables[:40]], most=6),
    ]
    return " · ".join(filter(None, parts))


def _compact(variables: Sequence[VariableInspection], *, is_all: bool) -> Markup:
    """Many variables in few lines: one for all that are alike."""
    groups = lines.families(variables)
    per_family = max(_NAMES_BYTES // min(len(groups), _MAX_FAMILIES), 80)
    rows = []
    for family in groups[:_MAX_FAMILIES]:
        first = family[0]
        names = ", ".join(variable.name for variable in family)
        raw = sum(variable.raw_bytes or 0 for variable in family)
        stored = sum(variable.stored_bytes or 0 for variable in family)
        rows.append(
            (
                html.Cell(
                    content=shorten(names, per_family),
                    note=f"{len(family):,} alike" if len(family) > 1 else None,
                ),
                lines.dims(first),
                lines.dtype(first),
                f"{format_bytes(raw)} → {format_bytes(stored)}" if stored else format_bytes(raw),
                lines.chain(first),
            )
        )
    header = ("", "dimensions", "type", "raw → stored", "codecs")
    rest = f"and {len(groups) - _MAX_FAMILIES:,} more kinds" if len(groups) > _MAX_FAMILIES else None
    return html.details(
        (
            html.strong(format_count(len(variables), "variable" if is_all else "more variable")),
            " ",
            html.dim("in less detail"),
        ),
        html.table(rows, header=header),
        html.dim(rest) if rest else None,
    )


def _unreadable(variable: UnreadableInspection) -> Markup:
    shape = (
        ""
        if variable.shape is None
        else format_dims(variable.dims or (None,) * len(variable.shape), variable.shape)
    )
    return html.details(
        html.summary_line(
            html.strong(shorten(variable.name, 120)),
            html.dim(shape),
            shorten(variable.dtype or "", 80),
            None,
            html.pill("loadable" if variable.loadable else "unreadable", "bad"),
            widths=COLUMNS,
        ),
        html.callout(shorten(variable.reason, 600), tone="bad"),
        attributes_card(variable.attributes, "Attributes"),
    )
