"""An inspection as one piece of HTML: a sentence, then lines that open, then maps, tables and code."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from vzlab.inspection import Finding, GroupInspection, Inspection, UnreadableInspection, VariableInspection
from vzlab.inspection.words import format_bytes, format_count, format_dims, format_list, format_value, shorten
from vzlab.render import html, lines
from vzlab.render.html import Box, Content, Markup
from vzlab.render.maps import Picture, colourings, draw_byte_map, draw_chunk_map

BUDGET_BYTES = 100_000
"""Most bytes of HTML, whatever the number of chunks or variables."""

_PICTURES_SHARE = 0.5
_MAX_FINDINGS = 6
_MOST_GROUPS = (60, 20, 6)
"""Groups shown with what is in them, fewer where these take too much room; of the others, names."""
_MAX_FAMILIES = 30
_MAX_CARDS = 60
_PLAIN_CARD_BYTES = 2_000
"""What a variable takes without pictures, more or less."""
_CARD_BYTES = 1_500
"""What a card takes around its content."""
_NAMES_BYTES = 12_000
"""Room for the names of variables that are told together."""
_ATTRIBUTES_BYTES = 8_000
"""Room for the values of all attributes of one group or variable."""


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
        *_findings(inspection.findings),
    ]
    tail = [_files(inspection), _open_it(inspection)]

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
    opened = variables[0].path if len(variables) == 1 else _first_worth_opening(variables)
    left = budget_bytes
    cards: dict[str, Markup] = {}
    for position, variable in enumerate(variables):
        # Pictures for the first, as long as there is room to say at least the facts of all others.
        rest = min(len(variables) - position - 1, _MAX_CARDS) * _PLAIN_CARD_BYTES
        card = _card(variable, names, picture_bytes=picture_bytes, is_open=variable.path == opened)
        if position >= _MAX_CARDS or _length(card) + min(rest, budget_bytes // 2) > left:
            card = _card(variable, names, picture_bytes=0, is_open=False)
        left -= _length(card)
        if left < 0:
            break
        cards[variable.path] = card
    return cards


def _first_worth_opening(variables: Sequence[VariableInspection]) -> str | None:
    """The largest data variable with something to see, so that a first look shows a map."""
    return next(
        (variable.path for variable in variables if variable.role == "data" and variable.chunk_map), None
    )


# -- the whole --------------------------------------------------------------------------------------------------------


def _findings(findings: Sequence[Finding]) -> list[Markup]:
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
            html.dim((source.last_modified or "")[:19].replace("T", " ")),
            html.mono(shorten(source.url, 300)),
        )
        for source in sources[:12]
    ]
    more = html.dim(f"and {len(sources) - 12:,} more") if len(sources) > 12 else None
    title = format_count(len(sources), "file")
    listed = format_list([source.name for source in sources[:40]], most=4) if len(sources) < 40 else ""
    return html.details(
        (html.strong(title[0].upper() + title[1:]), " ", html.dim(shorten(listed, 160))),
        html.table(rows, header=("name", "size", "changed", "url")),
        more,
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
        _attributes(group.attributes, "Attributes" if is_root else "Attributes of the group"),
    ]


def _group(
    child: GroupInspection, cards: Mapping[str, Markup], groups: frozenset[str], *, is_open: bool
) -> Markup:
    inside = html.element("div", _group_body(child, cards, groups), style="margin-left:1.1em")
    title = html.strong(shorten(child.name, 120) + "/")
    return html.details(
        (title, " ", html.dim(_group_line(child))), inside, is_open=is_open and len(groups) <= 6
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
            html.pill("loadable" if variable.loadable else "unreadable", "bad"),
        ),
        html.callout(shorten(variable.reason, 600), tone="bad"),
        _attributes(variable.attributes, "Attributes"),
    )


# -- one variable -----------------------------------------------------------------------------------------------------


def _card(
    variable: VariableInspection, source_names: Sequence[str], *, picture_bytes: int, is_open: bool
) -> Markup:
    body = _body(variable, source_names, picture_bytes)
    return html.details(_closed_line(variable), *body, is_open=is_open)


def _closed_line(variable: VariableInspection) -> Markup:
    raw, stored = lines.sizes(variable)
    pills = [
        html.pill(shorten(mark.text, 60), mark.tone, title=mark.title or None)
        for mark in lines.marks(variable)
    ]
    return html.summary_line(
        html.element("span", shorten(variable.name, 120), style="font-weight:600;overflow-wrap:anywhere"),
        html.dim(shorten(lines.dims(variable), 160)),
        shorten(lines.dtype(variable), 80),
        (_unbroken(raw), " ", html.dim(_unbroken(f"→ {stored}"))) if stored else raw,
        html.join([shorten(lines.chain(variable), 90), *pills]),
    )


def _unbroken(text: str) -> str:
    """A size with a blank at which no line ends."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def _body(variable: VariableInspection, source_names: Sequence[str], picture_bytes: int) -> list[Content]:
    facts = html.facts(
        (
            fact.name,
            html.join(
                [
                    shorten(fact.text, 400),
                    html.mono(shorten(fact.code, 400)) if fact.code else None,
                    html.dim(fact.aside) if fact.aside else None,
                ],
                "  ",
            ),
        )
        for fact in lines.facts(variable)
        if fact.name != "codecs" or not picture_bytes
    )
    attributes = _attributes(variable.attributes, "Attributes")
    if not picture_bytes:
        return [facts, attributes]
    left = _chunk_pictures(variable, source_names, picture_bytes)
    strip = _byte_picture(variable)
    steps = html.join([html.label("From bytes to numbers"), html.pipeline(_pipeline(variable))], "")
    blocks = html.columns(left, [strip, facts]) if left else html.columns([strip, steps], facts)
    return [blocks, steps if left else None, attributes]


def _chunk_pictures(variable: VariableInspection, names: Sequence[str], max_bytes: int) -> list[Markup]:
    if variable.chunk_map is None:
        return []
    kinds = colourings(variable.chunk_map)
    pictures = [
        draw_chunk_map(
            variable.chunk_map, colour_by=kind, source_names=names, max_bytes=max_bytes * 3 // 4 // len(kinds)
        )
        for kind in kinds
    ]
    return [
        html.join([html.label(title, picture.caption), _picture(picture)], "")
        for title, picture in zip(("Chunks", "Chunks by file"), pictures, strict=False)
    ]


def _byte_picture(variable: VariableInspection) -> Markup | None:
    if variable.byte_map is None:
        return None
    picture = draw_byte_map(variable.byte_map, name=variable.name)
    return html.join([html.label("Where they lie", picture.caption), _picture(picture, stretch=True)], "")


def _picture(picture: Picture, *, stretch: bool = False) -> Markup:
    # The card's text is 14 px: an em of it.
    width = 40 if stretch else round(picture.width_px / 14, 1)
    return html.join(
        [
            html.image(picture.png, alt=picture.alt, max_width_em=width),
            html.legend(picture.legend, title=picture.legend_title),
        ],
        "",
    )


def _pipeline(variable: VariableInspection) -> list[Box]:
    """The way of one chunk from its file to values with a unit."""
    sizes, encoding = variable.statistics, variable.encoding
    boxes = []
    if variable.held != "in memory":
        n = variable.counts.present if variable.counts is not None else variable.chunking.n_chunks
        value = None if sizes is None else format_bytes(sizes.median_bytes)
        place = (
            "beside the references" if variable.counts and variable.counts.inline == n > 0 else "in the file"
        )
        boxes.append(Box(title="bytes", value=value, note=f"one of {n:,}, {place}" if n > 1 else place))
    for codec in reversed(variable.codecs):
        if codec.name == "bytes":
            continue
        boxes.append(Box(title=codec.decoding, note=str(codec), tone="warn" if codec.needs else "plain"))
    shape = variable.chunking.chunk_shape if variable.chunking.kind != "unknown" else variable.shape
    order = f"{variable.byte_order}-endian" if variable.byte_order else "stored values"
    boxes.append(
        Box(title=variable.dtype, value=f"({', '.join(map(str, shape))})" if shape else "scalar", note=order)
    )
    steps = [
        word
        for word, there in (
            ("mask", encoding.missing),
            ("scale, offset", encoding.is_packed),
            ("dates", encoding.is_time),
        )
        if there
    ]
    if steps:
        value = (
            "dates"
            if encoding.is_time
            else f"{encoding.decoded_dtype or variable.dtype} {encoding.units}".strip()
        )
        boxes.append(Box(title="CF", value=shorten(value, 40), note=", ".join(steps), tone="good"))
    return boxes


def _attributes(attributes: Mapping[str, Any], title: str) -> Markup | None:
    if not attributes:
        return None
    names = list(map(str, attributes))
    most = max(_ATTRIBUTES_BYTES // len(names), 120)
    # Room that short values leave is for the long ones.
    said = {str(name): format_value(value) for name, value in list(attributes.items())[:60]}
    n_long = sum(len(text) > most for text in said.values())
    spare = _ATTRIBUTES_BYTES - sum(len(text) for text in said.values() if len(text) <= most)
    longest = max(spare // n_long, 120) if n_long else most
    pairs = [(shorten(name, 120), shorten(text, longest)) for name, text in said.items()]
    rest = html.dim(f"and {len(names) - len(said):,} more") if len(names) > len(said) else None
    few = shorten(format_list(names[:40], most=5), 110)
    return html.details(
        (html.strong(title), " ", html.dim(f"{len(names):,}: {few}")), html.facts(pairs), rest
    )
