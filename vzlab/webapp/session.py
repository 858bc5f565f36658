"""The app of one session: what is open, its views, and what it may touch. Nothing of it is shared but immutable values."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import panel as pn

from vzlab.builder import Builder
from vzlab.builder.secrets import hide_url, scrub, secrets_in
from vzlab.errors import AccessDeniedError
from vzlab.inspection import Inspection
from vzlab.render.html import callout, card, escape
from vzlab.storage import StoreRegistry, normalize_url, url_name
from vzlab.webapp.build_view import BuildView
from vzlab.webapp.compare_view import CompareView
from vzlab.webapp.explore_view import ExploreView
from vzlab.webapp.fields import button
from vzlab.webapp.library import Library
from vzlab.webapp.policy import Policy, shown_location
from vzlab.webapp.requests_view import RequestsView
from vzlab.webapp.style import column, html, row, styled
from vzlab.webapp.values_view import ValuesView
from vzlab.webapp.versions_view import VersionsView
from vzlab.webapp.view import View, is_secret
from vzlab.webapp.work import Work
from vzlab.widgets.explored import Explored

VIEWS: tuple[type[View], ...] = (ExploreView, ValuesView, CompareView, VersionsView, BuildView, RequestsView)


class App(pn.viewable.Viewer):
    """The app as a Panel object. Made by `vzlab.app`, and for each session by the server.

    Parameters
    ----------
    policy : Policy, optional
        What may be touched; None lets everything be, as in one's own notebook.
    library : Library, optional
        Shared with other sessions.
    offered : sequence of str
        Locations to choose from.
    uploads : path, optional
        Directory in which the session's own one for uploads is made.
    """

    def __init__(
        self,
        *,
        policy: Policy | None = None,
        library: Library | None = None,
        offered: Sequence[str] = (),
        uploads: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._policy = policy
        self._uploads = uploads
        self._opened: Any = None
        self.library = library if library is not None else Library()
        self.location = ""
        self.version = ""
        self.variable = ""
        self.inspection: Inspection | None = None
        self.work = Work(self._working)
        self.where = pn.widgets.TextInput(
            label="File, store or repository",
            placeholder="a path or url",
            **styled(width=440),
        )
        self.offered = pn.widgets.Select(
            label="Offered here",
            options={"choose one": "", **_by_name(offered)},
            visible=len(offered) > 1,
            **styled(width=260),
        )
        self.open_it = button("Open", self._open_typed, primary=True)
        self.where.param.watch(lambda _: self._open_typed(), "enter_pressed")
        self.offered.param.watch(lambda event: self.open(event.new), "value")
        self.status = html(visible=False)
        self.cancel = button("Cancel", self.work.cancel, visible=False)
        self.message = html(visible=False)
        self.views = {kind.name: kind(self) for kind in VIEWS}
        self.explore = cast("ExploreView", self.views[ExploreView.name])
        self.build = cast("BuildView", self.views[BuildView.name])
        self.tabs = pn.widgets.RadioButtonGroup(label="View", options=list(self.views), **styled())
        self.tabs.param.watch(lambda _: self._show(), "value")
        self.layout = column(
            row(self.offered, self.where, self.open_it),
            row(self.cancel, self.status),
            self.message,
            self.tabs,
            *(view.layout for view in self.views.values()),
        )
        self._show()

    def __panel__(self) -> Any:
        """The layout."""
        return self.layout

    # -- what is open ---------------------------------------------------------------------------------------

    def open(self, location: str, *, version: str = "", variable: str = "") -> None:
        """Open a file, store or repository, beside the loop."""
        if not location:
            return
        self.message.visible = False
        try:
            place = self.admit(location)
        except AccessDeniedError as error:
            self._fail(str(error))
            return

        def then(explored: Explored) -> None:
            self.location, self.version, self.variable = place, version, variable
            self.inspection = explored.inspection
            self.explore.opened(explored)
            self.where.value = "" if is_secret(place) else location
            self._show()
            self._link()

        self.work.start(
            f"Open {'it' if is_secret(place) else location}",
            lambda registry, _: self.library.open(place, registry, version),
            then,
            self._fail,
            about=[place],
        )

    def _open_typed(self) -> None:
        self.open(str(self.where.value_input or self.where.value or "").strip())

    def explored(self, registry: StoreRegistry) -> Explored:
        """What is open, read through a registry. It may have to be opened again."""
        return self.library.open(self.location, registry, self.version)

    def select(self, variable: str) -> None:
        """Note which variable is looked at."""
        self.variable = variable
        self._link()

    def follow(self, query: Mapping[str, Sequence[str | bytes]]) -> None:
        """Do what a link says: ``url``, ``var``, ``version``, ``view``."""
        said = {name: _text(values[0]) for name, values in query.items() if values}
        if said.get("view") in self.views:
            self.tabs.value = said["view"]
        if said.get("url"):
            self.where.value = said["url"]
            self.open(said["url"], version=said.get("version", ""), variable=said.get("var", ""))

    # -- what may be touched --------------------------------------------------------------------------------

    def admit(self, location: str) -> str:
        """A location that a person typed, as it is opened: relative ones lie below the first root.

        Raises
        ------
        AccessDeniedError
            If it may not be touched.
        """
        policy = self.policy
        if policy is None:
            return location
        if "://" not in location and not location.startswith("file:") and not os.path.isabs(location):  # noqa: PTH117
            location = os.path.join(policy.home, location)  # noqa: PTH118 - not normalised: the policy judges it as it is
        policy.check_location(location)
        return location

    def admit_target(self, location: str, suffixes: Collection[str]) -> str:
        """A place to write to. A file that is there already is replaced only if it is of a kind that is written here.

        Raises
        ------
        AccessDeniedError
        """
        place = self.admit(location)
        if self.policy is not None and suffixes and not place.lower().endswith(tuple(suffixes)):
            raise AccessDeniedError(
                f"{location} cannot be written as that here: expected a name that ends with {' or '.join(suffixes)}"
            )
        return place

    def check_options(self, options: Mapping[str, Any]) -> None:
        """Let options of a store pass.

        Raises
        ------
        AccessDeniedError
            If they name another place.
        """
        if self.policy is not None:
            self.policy.check_options(options)

    @property
    def policy(self) -> Policy | None:
        """What this session may touch: what all may, and its own uploads."""
        if self._policy is None or "upload_folder" not in self.__dict__:
            return self._policy
        return replace(self._policy, roots=(*self._policy.roots, os.path.realpath(self.upload_folder)))

    @cached_property
    def upload_folder(self) -> Path:
        """Where this session's uploads are saved: a directory of its own, with a name that nobody guesses."""
        return Path(tempfile.mkdtemp(prefix="session-", dir=self._uploads))

    def scrub(self, text: str) -> str:
        """Text in which no secret of what is open can be read."""
        return scrub(text, secrets_in(hide_url(self.location, 1)))

    def wait(self, timeout_s: float = 60) -> bool:
        """Wait for what is under way, from Python; gives whether it ended in time."""
        return self.work.wait(timeout_s)

    def close(self) -> None:
        """End what is under way, and remove what was uploaded."""
        self.work.cancel()
        self.library.release(self.explore)
        if "upload_folder" in self.__dict__:
            shutil.rmtree(self.upload_folder, ignore_errors=True)

    # -- inside ---------------------------------------------------------------------------------------------

    def _show(self) -> None:
        """Draw the view that is chosen; the others keep what they have."""
        for name, view in self.views.items():
            view.layout.visible = name == self.tabs.value
        self.views[self.tabs.value].show()
        self._link()

    def _fail(self, text: str, _: BaseException | None = None) -> None:
        self.message.object = str(card(callout(text, tone="bad"), upgrade=False))
        self.message.visible = True

    def _working(self, is_busy: bool, text: str, done: int, total: int) -> None:
        said = f"{text}: {done:,} of {total:,}" if total else text
        bar = f'<progress aria-label="Progress" max="{total}" value="{done}"></progress>' if total else ""
        self.status.object = f'<div role="status">{escape(said)} {"…" * is_busy} {bar}</div>'
        self.status.visible = self.cancel.visible = is_busy
        self.open_it.disabled = is_busy
        if not is_busy and self.tabs.value == RequestsView.name:
            self.views[RequestsView.name].show()

    def _link(self) -> None:
        """Let the page's address lead back here; nothing that may be a secret is put in it."""
        if pn.state.curdoc is None or pn.state.location is None or not self.location:
            return
        query = {
            "url": "" if is_secret(self.location) else self.location,
            "var": self.variable,
            "version": self.version,
            "view": self.tabs.value,
        }
        pn.state.location.search = f"?{urlencode({name: value for name, value in query.items() if value})}"


def _by_name(locations: Sequence[str]) -> dict[str, str]:
    """Locations by the names of their files, or by themselves where two are called alike."""
    names = [url_name(normalize_url(location)) for location in locations]
    pairs = zip(names, locations, strict=True)
    return {name if names.count(name) == 1 else shown_location(place): place for name, place in pairs}


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def app(x: Any = None) -> App:
    """Make the app as a Panel object, to be shown in a notebook or embedded in another app.

    Parameters
    ----------
    x : path, url, collection of them, or Builder, optional
        A file, store or repository to open; several, or a builder, to build with.

    Returns
    -------
    App
        Its ``layout`` is a Panel layout. It reads whatever this process may: a server for others is `vzlab.webapp.serve`.

    Raises
    ------
    TypeError
        If it is something else.

    Examples
    --------
    >>> import vzlab as vz
    >>> vz.app("archive/sst_2025-01-01.nc").tabs.options[:3]
    ['Explore', 'Look at values', 'Compare']
    """
    made = App()
    if isinstance(x, str | os.PathLike):
        made.open(os.fspath(x))
    elif isinstance(x, Builder | list | tuple):
        made.build.set(x if isinstance(x, Builder) else Builder().sources(list(x)))
        made.tabs.value = BuildView.name
    elif x is not None:
        raise TypeError(
            f"Found {type(x).__module__}.{type(x).__qualname__}; expected a path or url, several of them, or a Builder. Other "
            "objects are shown by vz.inspect and vz.explore"
        )
    return made
