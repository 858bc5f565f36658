"""An inspection as one piece of HTML: a sentence, then lines that open, then maps, tables and code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
_MAX_GROUPS = 40
_MAX_FAMILIES = 40


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
        html.heading(inspection.title, lines.headline(inspection)),
        html.element("div", lines.opening(inspection), style="margin:.2em 0 .4em 0"),
        *_findings(inspection.findings),
    ]
    tail = [_files(inspection), _open_it(inspection)]
    spent = _length(*head, *tail) + 1500
    cards, compact_from = _cards(inspection, budget_bytes - spent)
    return html.escape(
        [head, _group_body(inspection.root, cards, is_root=True, names_bytes=compact_from), tail]
    )


def _length(*parts: Content) -> int:
    return len(html.escape(parts).encode())


def _cards(inspection: Inspection, budget_bytes: int) -> tuple[dict[str, Markup], int]:
    """Draw as many variables as there is room for, the largest in most detail.

    Returns
    -------
    cards : dict
        By path, what was drawn.
    names_bytes : int
        Room for the names of all others.
    """
    variables = sorted(
        inspection.variables.values(),
        key=lambda variable: (variable.role != "data", -(variable.stored_bytes or 0)),
    )
    names = [source.name for source in inspection.sources]
    for_names = min(len(variables) * 60, budget_bytes // 4)
    left = budget_bytes - for_names
    n_pictures = sum(variable.chunk_map is not None for variable in variables)
    picture_bytes = int(max(700, _PICTURES_SHARE * left / max(min(n_pictures, 24), 1)))
    opened = variables[0].path if len(variables) == 1 else _first_worth_opening(variables)
    # What is small enough to be said for every variable is said for every variable.
    each = left / max(len(variables), 1)
    cards: dict[str, Markup] = {}
    for variable in variables:
        card = None
        if each > 2500 or left > 0.45 * budget_bytes:
            card = _card(variable, names, picture_bytes=picture_bytes, is_open=variable.path == opened)
        if card is None or _length(card) > left:
            card = _card(variable, names, picture_bytes=0, is_open=False)
        size = _length(card)
        if size > left:
            break
        cards[variable.path] = card
        left -= size
    return cards, for_names + max(left, 0)


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
    group: GroupInspection, cards: Mapping[str, Markup], *, is_root: bool, names_bytes: int
) -> list[Markup | None]:
    ordered = lines.variable_order(group)
    shown = [cards[variable.path] for variable in ordered if variable.path in cards]
    others = [variable for variable in ordered if variable.path not in cards]
    below = [
        html.details(
            (html.strong(shorten(child.name, 120) + "/"), " ", html.dim(_group_line(child))),
            html.element(
                "div",
                _group_body(child, cards, is_root=False, names_bytes=names_bytes),
                style="margin-left:1.1em",
            ),
            is_open=is_root and len(group.groups) <= 4 and not group.variables,
        )
        for child in group.groups[:_MAX_GROUPS]
    ]
    if len(group.groups) > _MAX_GROUPS:
        names = ", ".join(child.name for child in group.groups[_MAX_GROUPS:])
        below.append(
            html.details(f"{len(group.groups) - _MAX_GROUPS:,} more groups", html.dim(shorten(names, 2000)))
        )
    return [
        *shown,
        _compact(others, names_bytes) if others else None,
        *(_unreadable(variable) for variable in group.unreadable[:20]),
        *below,
        _attributes(group.attributes, "Attributes" if is_root else "Attributes of the group"),
    ]


def _group_line(group: GroupInspection) -> str:
    variables = list(group.variables)
    inside = sum(len(part.variables) for part in group.walk()) - len(variables)
    parts = [
        format_count(len(variables), "variable") if variables else "",
        f"{inside:,} more below" if inside and variables else f"{inside:,} variables below" if inside else "",
        format_list([variable.name for variable in variables[:40]], most=6),
    ]
    return " · ".join(filter(None, parts))


def _compact(variables: Sequence[VariableInspection], names_bytes: int) -> Markup:
    """Many variables in few lines: one for all that are alike."""
    groups = lines.families(variables)
    per_family = max(names_bytes // max(min(len(groups), _MAX_FAMILIES), 1) - 700, 80)
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
        (html.strong(format_count(len(variables), "more variable")), " ", html.dim("in less detail")),
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
        (raw, " ", html.dim(f"→ {stored}")) if stored else raw,
        html.join([shorten(lines.chain(variable), 90), *pills]),
    )


def _body(variable: VariableInspection, source_names: Sequence[str], picture_bytes: int) -> list[Content]:
    facts = html.facts(
        (
            name,
            html.join(
                [html.mono(shorten(value, 400)) if value else None, html.dim(words) if words else None]
            ),
        )
        for name, value, words in lines.facts(variable)
        if name != "codecs" or not picture_bytes
    )
    attributes = _attributes(variable.attributes, "Attributes")
    if not picture_bytes:
        return [facts, attributes]
    left = _chunk_pictures(variable, source_names, picture_bytes)
    strip = _byte_picture(variable)
    steps = html.join([html.label("From bytes to numbers"), html.pipeline(_pipeline(variable))])
    if left:
        return [html.columns(left, [strip, steps]), facts, attributes]
    return [html.columns([strip], [steps]) if strip else steps, facts, attributes]


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
        html.join([html.label(title, picture.caption), _picture(picture)])
        for title, picture in zip(("Chunks", "Chunks by file"), pictures, strict=False)
    ]


def _byte_picture(variable: VariableInspection) -> Markup | None:
    if variable.byte_map is None:
        return None
    picture = draw_byte_map(variable.byte_map, name=variable.name)
    return html.join([html.label("Where they lie", picture.caption), _picture(picture, stretch=True)])


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
    pairs: Iterable[tuple[Content, Content]] = (
        (shorten(str(name), 120), shorten(format_value(value), 600))
        for name, value in list(attributes.items())[:80]
    )
    rest = html.dim(f"and {len(names) - 80:,} more") if len(names) > 80 else None
    return html.details(
        (
            html.strong(title),
            " ",
            html.dim(f"{len(names):,}: {shorten(format_list(names[:40], most=5), 110)}"),
        ),
        html.facts(pairs),
        rest,
    )
