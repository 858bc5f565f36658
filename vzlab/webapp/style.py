"""How the app looks: one page around it, and rules for Panel's widgets that follow the page's colours, light or dark."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import panel as pn


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


WIDGETS = _read("widgets.css")
"""Rules inside of every widget: colours come from the text around it."""

_PAGE = _read("page.html")


def page(content: Any) -> pn.Template:
    """The page around an app: a title, and a button that changes the theme."""
    template = pn.Template(_PAGE)
    template.location = True
    template.add_panel("app", content)
    return template


def styled(**more: Any) -> dict[str, Any]:
    """Keywords that every widget is made with."""
    return {"stylesheets": [WIDGETS], "margin": (4, 0, 6, 0), **more}


def html(text: str = "", **more: Any) -> pn.pane.HTML:
    """A place for HTML that vzlab made."""
    return pn.pane.HTML(
        text, disable_math=True, sizing_mode="stretch_width", margin=(2, 0), stylesheets=[_CONTENT], **more
    )


_CONTENT = ":host { color: inherit; font: 14px/1.45 system-ui, sans-serif; min-width: 0; } .bk-clearfix { color: inherit; }"


def column(*content: Any, **more: Any) -> pn.Column:
    """Things below each other, as wide as there is room."""
    return pn.Column(*content, sizing_mode="stretch_width", margin=0, stylesheets=[_CONTENT], **more)


def row(*content: Any, **more: Any) -> pn.FlexBox:
    """Things beside each other, wrapped where it is narrow."""
    return pn.FlexBox(
        *content,
        align_items="flex-end",
        gap="0 10px",
        sizing_mode="stretch_width",
        margin=0,
        stylesheets=[_CONTENT],
        **more,
    )
