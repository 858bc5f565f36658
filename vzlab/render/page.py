"""A page that stands alone: any view, with the colours that its reader prefers."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from vzlab.render.html import Markup, element

_RULES = (
    ":root{color-scheme:light dark}"
    "body{margin:0;padding:1.6em clamp(.8em,4vw,3em);background:#fff;color:#1b1f23}"
    "@media(prefers-color-scheme:dark){body{background:#111418;color:#e6e8ea}}"
    "h1{position:absolute;width:1px;height:1px;margin:0;overflow:hidden;clip-path:inset(50%)}"
    "@media print{:root{color-scheme:light}body{padding:0;background:#fff;color:#1b1f23}}"
)


class Viewable(Protocol):
    """Anything that shows itself in a notebook."""

    def _repr_html_(self) -> str: ...


def standalone(view: Markup, *, title: str) -> str:
    """Wrap a card into a page that needs nothing else: no network, no script."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        # Without it a browser asks its server for an icon.
        element("link", rel="icon", href="data:,"),
        element("title", title),
        element("style", Markup(_RULES)),
    )
    # A view's own title is no heading, as notebooks list these among the chapters; a page needs one to be found by ear.
    main = element("main", element("h1", title), view)
    return "<!doctype html>\n" + element("html", head, element("body", main), lang="en") + "\n"


def to_page(view: Viewable, *, title: str | None = None) -> str:
    """Build a page of anything that shows itself in a notebook.

    Parameters
    ----------
    view
        Something with ``_repr_html_``.
    title : str, optional
        Of the page; the view's own ``title`` if not given.
    """
    return standalone(Markup(view._repr_html_()), title=title or str(getattr(view, "title", "vzlab")))


def to_html(view: Viewable, path: str | Path, *, title: str | None = None) -> Path:
    """Write anything that shows itself in a notebook as a page, and give its path."""
    target = Path(path)
    target.write_text(to_page(view, title=title), encoding="utf-8")
    return target
