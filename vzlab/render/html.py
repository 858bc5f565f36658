"""Build all HTML that vzlab shows: escaped here, and readable where styles and scripts are taken away.

An untrusted notebook keeps ``<details>``, tables, ``data:`` images and those inline styles that its sanitiser
knows; it loses ``<style>``, ``<script>``, ``<svg>``, ``id``, ``role``, ``aria-*``, ``var()``, ``transform``, and in
borders and backgrounds every colour but plain ones: ``color-mix()`` takes the whole line with it. So a view is
made of the first alone. Text has the notebook's own colour, dim text is that at less opacity, and lines, panels
and accents are mid-tones at partial opacity, so that light and dark need no rule of their own.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

type Tone = Literal["plain", "good", "note", "warn", "bad", "info"]
"""What a colour says: nothing, all well, worth knowing, look here, wrong, a fact."""

ACCENTS: dict[Tone, tuple[int, int, int]] = {
    "plain": (128, 128, 128),
    "good": (44, 138, 138),
    "note": (222, 184, 76),
    "warn": (214, 110, 58),
    "bad": (214, 80, 58),
    "info": (60, 112, 150),
}
"""Mid-tones that read on white and on #111."""

MONO = "font-family:ui-monospace,SFMono-Regular,Menlo,monospace"
DIM = "opacity:.68"
LINE = "1px solid rgba(128,128,128,0.35)"
PANEL = "background:rgba(128,128,128,0.1)"

UPGRADE = (
    ".vzlab summary:hover{background:rgba(128,128,128,0.08)}"
    ".vzlab summary:focus-visible{outline:2px solid rgb(44,138,138);outline-offset:2px}"
    "@media print{.vzlab pre{white-space:pre-wrap}}"
)
"""Rules that only improve: a view must read well without them."""

# Control characters, lone surrogates, and marks that turn the direction of the text after them.
_UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
_VOID = frozenset({"br", "hr", "img", "meta", "link", "wbr"})
_BARE_ATTRIBUTES = frozenset({"open"})


class Markup(str):
    """Text that is HTML already. Made by this module only: any other text is escaped."""

    __slots__ = ()


type Content = str | int | float | Iterable["Content"] | None
"""What an element may hold: markup as it is, text to be escaped, nothing, or several of these."""


def escape(content: Content) -> Markup:
    """Turn content into markup: text escaped, quotes too, characters that a page cannot show replaced."""
    if isinstance(content, Markup):
        return content
    if content is None:
        return Markup()
    if isinstance(content, str | int | float):
        return Markup(html.escape(_UNSAFE.sub("\N{REPLACEMENT CHARACTER}", str(content)), quote=True))
    return Markup("".join(escape(part) for part in content))


def element(tag: str, *content: Content, style: str = "", **attributes: str | int | bool | None) -> Markup:
    """Build one HTML element.

    Parameters
    ----------
    tag : str
    *content
        Inside it, in order. A void element takes none.
    style : str
        Inline style.
    **attributes
        A trailing underscore is left out (``class_``). None and False leave the attribute out, True gives a
        bare one.
    """
    written = [f' style="{escape(style)}"'] if style else []
    for keyword, value in attributes.items():
        attribute = keyword.rstrip("_")
        if value is True and attribute in _BARE_ATTRIBUTES:
            written.append(f" {attribute}")
        elif value is not None and value is not False:
            written.append(f' {attribute}="{escape(str(value))}"')
    opening = f"<{tag}{''.join(written)}>"
    return Markup(opening if tag in _VOID else f"{opening}{escape(content)}</{tag}>")


def join(parts: Iterable[Content], separator: Content = " ") -> Markup:
    """Put parts one after another with a separator, empty ones left out."""
    return Markup(escape(separator).join(filter(None, map(escape, parts))))


# -- words --------------------------------------------------------------------------------------------------


def strong(*content: Content) -> Markup:
    """Mark what the eye should land on."""
    return element("b", *content)


def dim(*content: Content) -> Markup:
    """Mark what may be read second."""
    return element("span", *content, style=DIM)


def mono(*content: Content) -> Markup:
    """Mark a name, a number or code inside a sentence."""
    return element("span", *content, style=MONO + ";font-size:.92em;overflow-wrap:anywhere")


def name(text: str) -> Markup:
    """Write a long name so that a line may end after its underscores, dots and slashes, and else anywhere."""
    parts = (escape(part) for part in re.split(r"(?<=[_./])", text))
    return element("span", join(parts, element("wbr")), style="overflow-wrap:anywhere")


def pill(text: Content, tone: Tone = "plain", *, title: str | None = None) -> Markup:
    """Draw a short mark beside a name."""
    return element(
        "span",
        text,
        style=f"display:inline-block;padding:0 .55em;border-radius:1em;font-size:.82em;line-height:1.6;"
        f"background:{_tint(tone, 0.2)};border:1px solid {_tint(tone, 0.55)}",
        title=title,
    )


def heading(title: Content, *beside: Content) -> Markup:
    """Write a view's title with dim facts beside it."""
    return element(
        "div",
        element("span", title, style="font-size:1.2em;font-weight:700;overflow-wrap:anywhere"),
        " ",
        dim(*beside),
    )


def label(text: Content, *beside: Content) -> Markup:
    """Write the title of a part of a view."""
    return element("div", strong(text), " ", dim(*beside), style="margin:.15em 0 .3em 0")


# -- blocks -------------------------------------------------------------------------------------------------


def card(*content: Content, upgrade: bool = True) -> Markup:
    """Wrap a whole view: the one element that a display method returns."""
    style = "font-family:system-ui,sans-serif;font-size:14px;line-height:1.45;max-width:72em;text-align:left"
    # Not "anywhere", which would let columns of tables shrink to a letter.
    style += ";overflow-wrap:break-word"
    rules = element("style", Markup(UPGRADE)) if upgrade else None
    return element("div", rules, *content, class_="vzlab", style=style)


def callout(*content: Content, tone: Tone = "plain") -> Markup:
    """Set off the sentence that matters most, with its consequence."""
    return element(
        "div",
        *content,
        style=f"margin:.45em 0;padding:.45em .75em;border-left:3px solid {_tint(tone, 1)};{PANEL}",
    )


def details(summary: Content, *body: Content, is_open: bool = False) -> Markup:
    """Make a line that opens; what is worth scanning is on the closed line."""
    return element(
        "details",
        element("summary", summary, style="cursor:pointer;padding:.1em 0"),
        element("div", *body, style="padding:.35em 0 .5em 0"),
        style=f"border-top:{LINE};padding:.25em 0;margin:0",
        open=is_open,
    )


def summary_line(*fields: Content, widths: Sequence[tuple[int, float]] = ()) -> Markup:
    """Set fields of a closed line side by side where there is room, and wrapped where there is not.

    Parameters
    ----------
    *fields
    widths
        For each field, its share of the room that is left, and the width in em that it asks for. Lines of equal
        widths stand in columns.
    """
    asked = [*widths, *[(1, 10.0)] * len(fields)]
    cells = [
        element("span", field, style=f"flex:{share} 1 {width:g}em;min-width:0;overflow-wrap:anywhere")
        for field, (share, width) in zip(fields, asked, strict=False)
    ]
    # A triangle that opens the line stands before it.
    style = "display:inline-flex;flex-wrap:wrap;gap:.1em 1em;width:calc(100% - 1.6em);vertical-align:top"
    return element("span", cells, style=f"{style};align-items:baseline")


def columns(*blocks: Content, min_width_em: float = 22) -> Markup:
    """Set blocks side by side, and below each other where it is narrow."""
    tracks = f"repeat(auto-fit,minmax(min(100%,{min_width_em}em),1fr))"
    style = f"display:grid;gap:1em 1.6em;grid-template-columns:{tracks}"
    # A grid item is as wide as its content unless told that it may be narrower.
    items = [element("div", block, style="min-width:0") for block in blocks if block]
    return element("div", items, style=style)


def code_block(code: str) -> Markup:
    """Show code to copy. Lines too long wrap: what is copied does not change."""
    shape = "padding:.6em .75em;border:0;border-radius:4px;margin:.3em 0;white-space:pre-wrap;overflow-wrap:anywhere"
    return element("pre", code, style=f"{MONO};font-size:.92em;{PANEL};color:inherit;{shape}")


def image(png: bytes, *, alt: str, max_width_em: float, height_px: int | None = None) -> Markup:
    """Show a picture; `alt` is what a seeing person would conclude from it."""
    height = "height:auto" if height_px is None else f"height:{height_px}px"
    return element(
        "img",
        alt=alt,
        src="data:image/png;base64," + base64.b64encode(png).decode(),
        style=f"width:100%;max-width:{max_width_em}em;{height};border-radius:4px;display:block;margin:0",
    )


def scrolling(tag: str, *content: Content, style: str = "") -> Markup:
    """Make a box of its own for what may be too wide, which the arrow keys move once it has the focus."""
    return element(tag, *content, style=f"overflow-x:auto;{style}".rstrip(";"), tabindex=0)


# -- tables -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell of a table that says something by its colour too."""

    content: Content
    tone: Tone | None = None
    """None leaves it without colour."""
    note: Content = None
    """A second line, dim."""


_CELL = "text-align:left;vertical-align:top;padding:.3em .7em"


def table(
    rows: Iterable[Sequence[Content | Cell]],
    *,
    header: Sequence[Content] | None = None,
) -> Markup:
    """Build a table in a box of its own that scrolls when it is too wide.

    Parameters
    ----------
    rows
        Cells of each row, of which the first names the row.
    header
        Titles of the columns.
    """
    head = []
    if header is not None:
        style = f"{_CELL};font-weight:600;background:none;border:0"
        titles = [
            element("th" if title else "td", title, scope="col" if title else None, style=style)
            for title in header
        ]
        head = [element("thead", element("tr", titles, style="background:none"))]
    body = [
        element(
            "tr",
            [_cell(cell, is_header=position == 0) for position, cell in enumerate(row)],
            style="background:none",
        )
        for row in rows
    ]
    # As wide as its words; where that is too wide they wrap, but never into columns of letters.
    width = "width:max-content;max-width:max(100%,48em)"
    style = f"border-collapse:collapse;font-size:1em;margin:.2em 0;border:0;table-layout:auto;{width}"
    return scrolling("div", element("table", head, element("tbody", body), style=style))


def _cell(cell: Content | Cell, *, is_header: bool) -> Markup:
    cell = cell if isinstance(cell, Cell) else Cell(content=cell)
    background = "none" if cell.tone is None else _tint(cell.tone, 0.22)
    style = f"{_CELL};border:{LINE};background:{background}"
    content = [cell.content, element("br") if cell.note else None, dim(cell.note) if cell.note else None]
    if is_header:
        return element("th", content, scope="row", style=style + ";font-weight:600")
    return element("td", content, style=style)


# Notebooks float terms and give them a fifth of the width.
_TERM = "font-weight:400;width:auto;float:none"


def facts(pairs: Iterable[tuple[Content, Content]]) -> Markup:
    """Set names and values in two columns without lines; pairs without a value are left out."""
    entries = [
        (element("dt", name, style=f"{_TERM};{DIM}"), element("dd", value, style="margin:0;width:auto"))
        for name, value in ((escape(name), escape(value)) for name, value in pairs)
        if value
    ]
    if not entries:
        return Markup()
    grid = "display:grid;grid-template-columns:fit-content(12em) minmax(0,1fr);gap:.2em 1em;margin:.4em 0"
    return element("dl", entries, style=f"{grid};font-size:.94em;overflow-wrap:anywhere")


# -- drawings made of text ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Box:
    """One step of a pipeline."""

    title: Content
    value: Content = None
    """What comes out of it: a size, a shape, a data type."""
    note: Content = None
    tone: Tone = "plain"


def pipeline(boxes: Sequence[Box]) -> Markup:
    """Draw boxes with arrows between them, in reading order."""
    parts: list[Markup] = []
    for position, box in enumerate(boxes):
        arrow = element("span", "→", style=f"align-self:center;{DIM}") if position else None
        border = LINE if box.tone == "plain" else f"1px solid {_tint(box.tone, 0.7)}"
        drawn = element(
            "div",
            element("div", box.title, style="font-weight:600"),
            element("div", box.value, style=MONO + ";font-size:.84em") if escape(box.value) else None,
            element("div", box.note, style=f"font-size:.82em;{DIM}") if escape(box.note) else None,
            style=f"border:{border};border-radius:6px;padding:.3em .6em;min-width:5.5em",
        )
        # One piece, so that no line ends with an arrow.
        parts.append(element("div", arrow, drawn, style="display:flex;gap:.45em;min-width:0;max-width:100%"))
    return element("div", parts, style="display:flex;flex-wrap:wrap;gap:.45em;margin:.2em 0 .6em 0")


def legend(
    entries: Iterable[tuple[tuple[int, int, int] | None, Content]], *, title: Content = None
) -> Markup:
    """Say what the colours of a picture stand for; a colour of None is an empty square."""
    parts: list[Content] = [dim(title) if title else None]
    for colour, text in entries:
        if colour is None:
            square = element("span", "□", style=DIM)
        else:
            square = element("span", "■", style=f"color:rgb({','.join(map(str, colour))})")
        # One piece where there is room, so that a line does not break between a square and its word.
        parts.append(
            element(
                "span", square, " ", dim(text), style="display:inline-block;max-width:100%;margin-right:.5em"
            )
        )
    return element("div", join(parts), style="font-size:.84em;margin:.25em 0 .6em 0")


def _tint(tone: Tone, opacity: float) -> str:
    red, green, blue = ACCENTS[tone]
    return f"rgb({red},{green},{blue})" if opacity == 1 else f"rgba({red},{green},{blue},{opacity})"
