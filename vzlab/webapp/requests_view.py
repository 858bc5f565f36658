"""The view of requests: what the last clicks asked of files and stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vzlab.render.html import callout, card, details, strong
from vzlab.render.waterfall import body
from vzlab.webapp.style import html
from vzlab.webapp.view import View

if TYPE_CHECKING:
    from vzlab.webapp.session import App


class RequestsView(View):
    """Waterfalls of what was done in this session, the latest first."""

    name = "Requests"

    def __init__(self, app: App) -> None:
        super().__init__(app)
        self.waterfalls = html()
        self.layout.objects = [self.message, self.waterfalls, self.code]

    def show(self) -> None:
        """Draw what was recorded."""
        followed = self.app.explore.recording
        recordings = [*([followed] if followed else []), *self.app.work.recordings]
        if not recordings:
            self.say(
                callout(
                    "Nothing was asked for yet. (What another session opened is known already, and asked for by nobody.)"
                )
            )
            return
        self.say()
        first, *others = recordings
        before = [
            details((strong(each.title), f" {each.n_requests:,} requests"), body(each)) for each in others
        ]
        self.waterfalls.object = self.app.scrub(str(card(body(first), *before)))
        self.show_code(
            "import vzlab as vz", "", "with vz.record() as recording:",
            f"    vz.inspect({self.source_code()})", "recording",
        )  # fmt: skip
