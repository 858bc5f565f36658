"""What every view of the app has: what is open, work beside the loop, a place for messages, and the line of Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import panel as pn

from vzlab.builder.program import literal
from vzlab.builder.secrets import Secret, hide_url
from vzlab.render.html import Content, callout, card, code_block, label
from vzlab.storage import StoreRegistry
from vzlab.webapp.style import column, html

if TYPE_CHECKING:
    from vzlab.webapp.session import App
    from vzlab.widgets.explored import Explored


class View:
    """A part of the app.

    Parameters
    ----------
    app : App
    """

    name = ""
    """What its button says."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.message = html(visible=False)
        self.code = html(visible=False)
        self.layout: pn.Column = column(visible=False)

    def show(self) -> None:
        """Draw it as things are now; called when it is opened, and when something else is."""

    def run(
        self,
        title: str,
        work: Callable[[StoreRegistry, Explored], Any],
        then: Callable[[Any], None],
    ) -> None:
        """Do something with what is open, beside the loop."""
        location, version = self.app.location, self.app.version
        library = self.app.library
        self.app.work.start(
            title,
            lambda registry, _: work(registry, library.open(location, registry, version)),
            then,
            self.fail,
            about=[location],
        )

    def fail(self, text: str, _: BaseException | None = None) -> None:
        """Say what went wrong."""
        self.say(callout(text, tone="bad"))

    def say(self, *content: Content) -> None:
        """Put something where messages are; nothing clears it."""
        self.message.object = str(card(*content, upgrade=False)) if content else ""
        self.message.visible = bool(content)

    def show_code(self, *lines: str) -> None:
        """Say the same in Python."""
        program = "\n".join(lines)
        self.code.object = str(card(label("The same in Python"), code_block(program), upgrade=False))
        self.code.visible = True

    def source_code(self) -> str:
        """What is open, as Python has it: a url that may be a secret is a look-up in the environment."""
        return as_code(self.app.location)


def as_code(location: str) -> str:
    """A location as Python has it."""
    return literal(hide_url(location, 1))


def is_secret(location: str) -> bool:
    """Whether a location holds a user or a signature."""
    return isinstance(hide_url(location, 1), Secret)
