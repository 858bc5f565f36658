"""How a value shows itself: HTML in a notebook, text in a terminal, a page at a path."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from rich.console import Console


def terminal() -> Console | None:
    """Give a console for progress on stderr where that is a terminal; None in a notebook, a pipe or a log.

    A kernel's own stderr says that it is a terminal, and every step of a bar would stay in the saved notebook.
    """
    if sys.__stderr__ is None or sys.stderr is not sys.__stderr__ or not sys.__stderr__.isatty():
        return None
    from rich.console import Console

    return Console(stderr=True)


class Displayed:
    """A value that shows itself by a view of `vzlab.render`: a module with ``to_html(value)`` and ``to_text(value, width=...)``.

    Views stand above the values and import them, so that a value must not import its view. It finds it by name when it is
    displayed: had views to register themselves, a value would be mute until somebody happened to import them.
    """

    _view: ClassVar[str]
    """Name of the view in `vzlab.render`."""

    def to_html(self, path: str | Path) -> Path:
        """Write a page that stands alone, light or dark as its reader prefers, and give its path."""
        written: Path = import_module("vzlab.render").to_html(self, path)
        return written

    def to_text(self, *, width: int | None = None) -> str:
        """Give text for a terminal of `width` columns; the terminal's own if not given."""
        text: str = self._found_view().to_text(self, width=width)
        return text

    def _repr_html_(self) -> str:
        html: str = self._found_view().to_html(self)
        return html

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return self.to_text()

    @classmethod
    def _found_view(cls) -> ModuleType:
        return import_module(f"vzlab.render.{cls._view}")


class Inspected:
    """A value that a notebook shows as what `vzlab.inspect` says of it."""

    def _repr_html_(self) -> str:
        html: str = import_module("vzlab.inspection").inspect(self)._repr_html_()
        return html
