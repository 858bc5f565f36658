"""The view of a repository's versions: go to one, and see what changed since another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import panel as pn

from vzlab.inspection import Inspection, inspect
from vzlab.inspection.history import History
from vzlab.render.history import history_card
from vzlab.render.html import callout, card
from vzlab.webapp.fields import button, offer
from vzlab.webapp.style import html, row, styled
from vzlab.webapp.view import View

if TYPE_CHECKING:
    from vzlab.webapp.session import App

_LISTED = 200


class VersionsView(View):
    """Branches, tags and commits of an Icechunk repository."""

    name = "Versions"

    def __init__(self, app: App) -> None:
        super().__init__(app)
        self.version = pn.widgets.Select(label="Version", **styled(width=360))
        self.since = pn.widgets.Select(label="What changed since", **styled(width=360))
        self.go = button("Go to this version", self.travel, primary=True)
        self.tell = button("Tell what changed", self.compare)
        self.history = html()
        self.controls = row(self.version, self.go, self.since, self.tell)
        self.layout.objects = [self.message, self.controls, self.history, self.code]

    def show(self) -> None:
        """Offer the versions of what is open."""
        inspection = self.app.inspection
        history = None if inspection is None else inspection.history
        self.controls.visible = self.history.visible = history is not None
        if history is None:
            self.say(
                callout(
                    "What is open has no versions. Icechunk repositories have: open one, and go back in time here."
                )
            )
            return
        self.say()
        options = _options(history)
        offer(self.version, options, self.app.version or history.branch or history.snapshot_id)
        if self.since.options != options:
            offer(self.since, options, next(reversed(options.values())))
        self._draw(history)

    def travel(self) -> None:
        """Open the version that is chosen."""
        version = str(self.version.value)
        self.app.open(self.app.location, version=version)
        self.show_code(
            "import vzlab as vz", "", f"repository = vz.open_icechunk({self.source_code()})",
            f"session = repository.readonly_session({_argument(version, self._history)})", "vz.inspect(session)",
        )  # fmt: skip

    def compare(self) -> None:
        """Say what changed between the version that is chosen here and the one that is open."""
        since, location = str(self.since.value), self.app.location

        def work(registry: Any, explored: Any) -> Inspection:
            from vzlab.parsers.icechunk import IcechunkParser

            history = explored.inspection.history
            at = IcechunkParser(snapshot_id=history.snapshot_id)
            return inspect(location, parser=at, registry=registry, since=since)

        def then(found: Inspection) -> None:
            self.say()
            if found.history is not None:
                self._draw(found.history)
            self.show_code("import vzlab as vz", "", f"vz.inspect({self.source_code()}, since={since!r})")

        self.run("What changed", work, then)

    @property
    def _history(self) -> History | None:
        return None if self.app.inspection is None else self.app.inspection.history

    def _draw(self, history: History) -> None:
        # The line is open: it is what this view is for.
        self.history.object = str(card(history_card(history))).replace("<details ", "<details open ", 1)


def _options(history: History) -> dict[str, str]:
    """Versions by what they are called: branches, tags, and commits by their message."""
    named = {f"branch {name}": name for name in history.branches} | {
        f"tag {name}": name for name in history.tags
    }
    commits = {
        f"{commit.written_at[:16].replace('T', ' ')}  {commit.message[:60]}  ({commit.id[:8]})": commit.id
        for commit in history.commits[:_LISTED]
    }
    return named | commits


def _argument(version: str, history: History | None) -> str:
    if history is not None and version in history.tags:
        return f"tag={version!r}"
    if history is None or version in history.branches:
        return repr(version)
    return f"snapshot_id={version!r}"
