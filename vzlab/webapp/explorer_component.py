"""The explorer as a component of Panel's: the same module draws it as in a notebook, and the same traits stand behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
import param
import traitlets

from vzlab.widgets.core import ESM
from vzlab.widgets.explorer import Explorer

ASKED = ("variable", "colour", "drawn", "slices", "selection", "request")
"""What a person sets."""
TOLD = (*ASKED[:-1], "version", "outline", "spec", "detail", "code", "busy", "answer")
"""What Python sets."""


class ExplorerComponent(pn.custom.AnyWidgetComponent):
    """A view of an `Explorer`, whose traits its parameters are."""

    variable = param.String()
    colour = param.String(allow_None=True, default=None)
    drawn = param.List(default=[], item_type=str)
    slices = param.Dict(default={})
    selection = param.Dict(default=None, allow_None=True)
    version = param.String()
    outline = param.Dict(default={})
    spec = param.Dict(default={})
    detail = param.Dict(default=None, allow_None=True)
    code = param.String()
    busy = param.String()
    request = param.Dict(default={})
    answer = param.Dict(default={})

    _esm = ESM


class PictureComponent(pn.custom.AnyWidgetComponent):
    """One picture of the core: a matrix, or a waterfall."""

    spec = param.Dict(default={})
    chosen = param.Dict(default=None, allow_None=True)

    _esm = ESM


def picture(spec: dict[str, Any]) -> Any:
    """Make a picture of a spec."""
    make: Any = PictureComponent  # which has no types
    return make(spec=spec, sizing_mode="stretch_width")


class Bridge:
    """Keeps a component and an explorer alike, as long as the explorer is there.

    Parameters
    ----------
    explorer : Explorer
    later : callable
        Does something in the session's own turn: explorers also work in threads.
    ask : callable
        Gives the explorer to what it is told, now or later.
    on_version : callable
        Told which version a person asks for.
    """

    def __init__(
        self,
        explorer: Explorer,
        *,
        later: Callable[[Callable[[], None]], None],
        ask: Callable[[Callable[[Explorer], None]], None],
        on_version: Callable[[str], None],
    ) -> None:
        self._later = later
        self._ask = ask
        self._on_version = on_version
        self._telling = 0
        make: Any = ExplorerComponent  # which has no types
        # Told all at once: what is drawn before it knows anything would have nothing to draw.
        self.component = make(sizing_mode="stretch_width", **{name: getattr(explorer, name) for name in TOLD})
        self._listen(explorer)
        self.component.param.watch(self._asked, list(ASKED))
        self.component.param.watch(self._version_asked, "version")

    def attach(self, explorer: Explorer) -> None:
        """Let an explorer speak here."""
        self._tell(**{name: getattr(explorer, name) for name in TOLD})
        self._listen(explorer)

    def _listen(self, explorer: Explorer) -> None:
        explorer.observe(lambda change: self._tell(**{change["name"]: change["new"]}), TOLD)

    def _tell(self, **values: Any) -> None:
        def tell() -> None:
            self._telling += 1
            try:
                self.component.param.update(**values)
            finally:
                self._telling -= 1

        self._later(tell)

    def _asked(self, *events: Any) -> None:
        if self._telling:
            return

        def answer(explorer: Explorer) -> None:
            for event in events:
                try:
                    setattr(explorer, event.name, event.new)
                except (traitlets.TraitError, ValueError, TypeError, LookupError) as error:
                    self.component.busy = str(error)

        self._ask(answer)

    def _version_asked(self, event: Any) -> None:
        if not self._telling:
            self._on_version(event.new)
