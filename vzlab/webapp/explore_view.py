"""The view of what is open: the explorer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import traitlets

from vzlab.inspection import Recording
from vzlab.render.html import callout
from vzlab.storage import StoreRegistry
from vzlab.webapp.explorer_component import Bridge
from vzlab.webapp.style import column
from vzlab.webapp.view import View
from vzlab.widgets.explorer import Explorer

if TYPE_CHECKING:
    from vzlab.webapp.session import App
    from vzlab.widgets.explored import Explored

_HELLO = (
    "Open a file, a store or a repository above: HDF5, netCDF, GRIB, TIFF, FITS, Zarr, Kerchunk, Icechunk and more. Its metadata "
    "are read, and nothing is copied. To make one dataset of many files, go to Build."
)


class ExploreView(View):
    """Everything that can be seen of a file without reading its data, and one value at a time."""

    name = "Explore"

    def __init__(self, app: App) -> None:
        super().__init__(app)
        self.bridge: Bridge | None = None
        self.recording: Recording | None = None
        """Requests of values that were followed here."""
        self.place = column()
        self.layout.objects = [self.message, self.place]

    def ask(self, then: Callable[[Explorer], None]) -> None:
        """Let something be done with what stands behind the picture, which is made anew if it had to go for want of room."""
        found: Explorer | None = self.app.library.held(self)
        if found is not None:
            then(found)
            return

        def again(explored: Explored) -> None:
            assert self.bridge is not None
            component = self.bridge.component
            made = self._make(explored, component.variable)
            with suppress(traitlets.TraitError):  # of another variable, which was chosen meanwhile
                made.drawn, made.slices = component.drawn, component.slices
                made.selection = component.selection
            self.bridge.attach(made)
            then(made)

        self.run("Open it again", lambda _, explored: explored, again)

    def show(self) -> None:
        """Show what is open."""
        if self.app.inspection is None:
            self.say(callout(_HELLO))

    def opened(self, explored: Explored) -> None:
        """Show what was opened now."""
        self.say()
        self.bridge = None
        self.recording = Recording(f"Values followed in {explored.inspection.title}")
        self.app.library.release(self)
        if not explored.inspection.variables:
            self.place.objects = []
            self.say(callout("There is no variable that can be seen: ", explored.inspection.title))
            return
        asked = self.app.variable if self.app.variable in explored.inspection.variables else None
        if self.app.variable and asked is None:
            self.say(
                callout(f"There is no variable {self.app.variable!r} here: this is another one.", tone="warn")
            )
        explorer = self._make(explored, asked)
        self.bridge = Bridge(explorer, later=self.app.work.later, ask=self.ask, on_version=self._travel)
        self.bridge.component.param.watch(lambda event: self.app.select(event.new), "variable")
        self.app.select(explorer.variable)
        self.place.objects = [self.bridge.component]

    def _make(self, explored: Explored, variable: str | None) -> Explorer:
        assert self.recording is not None
        mine = replace(explored, registry=StoreRegistry(log=self.recording.log), _arrays={})
        made = Explorer(explored=mine, variable=variable)
        self.app.library.hold(self, made, mine)
        return made

    def _travel(self, version: str) -> None:
        self.app.open(self.app.location, version=version, variable=self.app.variable)
