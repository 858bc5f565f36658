"""Labelled fields of Panel's widgets, for the steps of the builder and for the other views."""

from __future__ import annotations

from typing import Any

import panel as pn

from vzlab.webapp.style import styled


class PanelFields:
    """Makes labelled fields; each has a `value`."""

    def text(self, label: str, placeholder: str = "") -> Any:
        """A line of text."""
        return pn.widgets.TextInput(label=label, placeholder=placeholder, **_wide())

    def lines(self, label: str, placeholder: str = "") -> Any:
        """Several lines of text."""
        return pn.widgets.TextAreaInput(
            label=label, placeholder=placeholder, rows=3, max_length=100_000, **_wide()
        )

    def secret(self, label: str, placeholder: str = "") -> Any:
        """A line that is not shown."""
        return pn.widgets.PasswordInput(label=label, placeholder=placeholder, **_wide())

    def choice(self, label: str, options: dict[str, str]) -> Any:
        """One of several values, by what each is called."""
        return pn.widgets.Select(label=label, options=options, **_wide())

    def yes_or_no(self, label: str) -> Any:
        """True or False, which it is at first."""
        # Panel's checkbox stands beside its label, and nothing says so to who cannot see it.
        return pn.widgets.Select(label=label, options={"no": False, "yes": True}, **_wide())

    def number(self, label: str) -> Any:
        """A whole number from 0."""
        return whole_number(label)


def button(label: str, on_click: Any, *, primary: bool = False, **more: Any) -> pn.widgets.Button:
    """A button."""
    made = pn.widgets.Button(label=label, color="primary" if primary else "default", **styled(**more))
    made.on_click(lambda _: on_click())
    return made


def whole_number(label: str) -> Any:
    """A field for a whole number; Panel's own has arrows that have no names."""
    return pn.widgets.LiteralInput(label=label, value=0, type=int, **styled(width=170))


def offer(widget: Any, options: Any, value: Any) -> None:
    """Let a field offer other values, and choose one of them."""
    widget.param.update(options=options, value=value)


def _wide() -> dict[str, Any]:
    return styled(sizing_mode="stretch_width", max_width=620)
