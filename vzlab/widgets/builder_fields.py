"""Fields for the builder's steps, made of ipywidgets."""

from __future__ import annotations

from typing import Any

from vzlab.errors import MissingDependencyError

try:
    import ipywidgets
except ImportError as error:  # pragma: no cover
    raise MissingDependencyError("ipywidgets", extra="viz", purpose="The stepper in a notebook") from error

_LAYOUT = {"width": "100%", "max_width": "44em"}
_STYLE = {"description_width": "initial"}


class NotebookFields:
    """Makes labelled fields."""

    def text(self, label: str, placeholder: str = "") -> Any:
        """A line of text."""
        return self._text(ipywidgets.Text, label, placeholder)

    def lines(self, label: str, placeholder: str = "") -> Any:
        """Several lines of text."""
        return self._text(ipywidgets.Textarea, label, placeholder)

    def secret(self, label: str, placeholder: str = "") -> Any:
        """A line that is not shown."""
        return self._text(ipywidgets.Password, label, placeholder)

    def choice(self, label: str, options: dict[str, str]) -> Any:
        """One of several values, by what each is called."""
        return ipywidgets.Dropdown(
            description=label, options=list(options.items()), style=_STYLE, layout=_LAYOUT
        )

    def yes_or_no(self, label: str) -> Any:
        """True or False, which it is at first."""
        return ipywidgets.Checkbox(description=label, indent=False, layout=_LAYOUT)

    def number(self, label: str) -> Any:
        """A whole number from 0."""
        return ipywidgets.BoundedIntText(description=label, min=0, max=10**9, style=_STYLE, layout=_LAYOUT)

    @staticmethod
    def _text(kind: Any, label: str, placeholder: str) -> Any:
        return kind(
            description=label, placeholder=placeholder, style=_STYLE, layout=_LAYOUT, continuous_update=False
        )
