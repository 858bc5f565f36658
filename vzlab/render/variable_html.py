"""One variable as HTML: a line that opens to its maps, its facts, its way from bytes to numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vzlab.inspection import VariableInspection
from vzlab.inspection.model import ColourBy
from vzlab.inspection.words import format_list, format_value, shorten
from vzlab.render import html, lines
from vzlab.render.decoding import decoding_boxes
from vzlab.render.html import Content, Markup
from vzlab.render.maps import (
    Picture,
    beside,
    colourings,
    draw_byte_map,
    draw_chunk_map,
    draw_chunk_slices,
    is_out_of_order,
)
from vzlab.render.variable_facts import variable_facts

FEWEST_CHUNKS = 4
"""Of fewer, a picture says less than the words beside it."""
COLUMNS = ((3, 9), (5, 10), (1, 4.5), (2, 8.5), (3, 8))
"""Of a variable's line: name, dimensions, data type, sizes, codecs and marks."""
_SLICES_BYTES = 6_000
"""With less room for pictures, slices are left out."""
ATTRIBUTES_BYTES = 8_000
"""Room for the values of all attributes of one group or variable."""


def variable_card(
    variable: VariableInspection,
    source_names: Sequence[str],
    *,
    picture_bytes: int,
    attribute_bytes: int,
    is_open: bool,
) -> Markup:
    """Build a variable's line and all that it opens to.

    Parameters
    ----------
    variable : VariableInspection
    source_names : sequence of str
        Names of the inspection's sources.
    picture_bytes : int
        Room for chunk maps, as base64; 0 leaves all pictures out.
    attribute_bytes : int
        Room for the values of its attributes.
    is_open : bool
    """
    body = variable_body(variable, source_names, picture_bytes, attribute_bytes)
    return html.details(_closed_line(variable), *body, is_open=is_open)


def _closed_line(variable: VariableInspection) -> Markup:
    raw, stored = lines.sizes(variable)
    pills = [
        html.pill(shorten(mark.text, 60), mark.tone, title=mark.title or None)
        for mark in lines.marks(variable)
    ]
    return html.summary_line(
        html.element("span", html.name(shorten(variable.name, 120)), style="font-weight:600"),
        html.dim(shorten(lines.dims(variable), 160)),
        shorten(lines.dtype(variable), 80),
        (_unbroken(raw), " ", html.dim(_unbroken(f"→ {stored}"))) if raw and stored else raw or stored,
        html.join([shorten(lines.chain(variable), 90), *pills]),
        widths=COLUMNS,
    )


def _unbroken(text: str) -> str:
    """A size with a blank at which no line ends."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def variable_body(
    variable: VariableInspection, source_names: Sequence[str], picture_bytes: int, attribute_bytes: int
) -> list[Content]:
    """Build what a variable's line opens to; arguments as of `variable_card`."""
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
        for fact in variable_facts(variable)
        if fact.name != "codecs" or not picture_bytes
    )
    attributes = attributes_card(variable.attributes, "Attributes", room_bytes=attribute_bytes)
    if not picture_bytes:
        return [facts, attributes]
    maps = _chunk_pictures(variable, source_names, picture_bytes)
    strip = _byte_picture(variable)
    steps = html.join([html.label("From bytes to numbers"), html.pipeline(decoding_boxes(variable))], "")
    if variable.chunk_map is not None and variable.chunk_map.shape[0] > 1 and maps:
        return [html.columns(maps, [strip, facts]), steps, attributes]
    # A strip leaves room below it for another.
    return [html.columns([*maps, strip] if strip else maps, facts), steps, attributes]


def _chunk_pictures(variable: VariableInspection, names: Sequence[str], max_bytes: int) -> list[Markup]:
    if variable.chunk_map is None or variable.chunking.n_chunks < FEWEST_CHUNKS:
        return []
    kinds: list[ColourBy] = [*colourings(variable.chunk_map)]
    if is_out_of_order(variable.chunk_map):
        kinds.append("offset")
    pictures = [
        draw_chunk_map(
            variable.chunk_map, colour_by=kind, source_names=names, max_bytes=max_bytes * 3 // 4 // len(kinds)
        )
        for kind in kinds
    ]
    by = {"source": "Chunks by file", "offset": "Chunks by place in the file"}
    titles = [by.get(kind, "Chunks") for kind in kinds]
    if slices := variable.chunk_map.slices if max_bytes >= _SLICES_BYTES else ():
        together = colourings(beside([cut.map for cut in slices]))
        # Where a slice lies in one file and a cell of all slices in several, files are told by slices alone.
        for kind in together if "source" not in kinds else together[:1]:
            pictures.append(draw_chunk_slices(slices, colour_by=kind, source_names=names))
            titles.append("Slices by file" if kind == "source" else "Slices")
    return [
        html.join([html.label(title, picture.caption), _picture(picture)], "")
        for title, picture in zip(titles, pictures, strict=True)
    ]


def _byte_picture(variable: VariableInspection) -> Markup | None:
    if variable.byte_map is None:
        return None
    picture = draw_byte_map(variable.byte_map, name=shorten(variable.name, 60))
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


def attributes_card(
    attributes: Mapping[str, Any], title: str, *, room_bytes: int = ATTRIBUTES_BYTES
) -> Markup | None:
    """Build a line that opens to attributes, long values cut where they take more than their room."""
    if not attributes:
        return None
    names = list(map(str, attributes))
    most = max(room_bytes // len(names), 60)
    # Room that short values leave is for the long ones.
    said = {str(name): format_value(value) for name, value in list(attributes.items())[:60]}
    n_long = sum(len(text) > most for text in said.values())
    spare = room_bytes - sum(len(text) for text in said.values() if len(text) <= most)
    longest = max(spare // n_long, 60) if n_long else most
    pairs = [(shorten(name, 120), shorten(text, longest)) for name, text in said.items()]
    rest = html.dim(f"and {len(names) - len(said):,} more") if len(names) > len(said) else None
    few = shorten(format_list(names, most=5), 110)
    return html.details(
        (html.strong(title), " ", html.dim(f"{len(names):,}: {few}")), html.facts(pairs), rest
    )
