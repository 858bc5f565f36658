"""The view of requests: what the last clicks asked of files and stores."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from vzlab.inspection.words import shorten
from vzlab.render.html import Tone, callout, card, details, heading, strong
from vzlab.render.spec import waterfall_spec
from vzlab.render.waterfall import body, sentence
from vzlab.webapp.explorer_component import picture
from vzlab.webapp.style import column, html
from vzlab.webapp.view import View

if TYPE_CHECKING:
    from vzlab.webapp.session import App


class RequestsView(View):
    """Waterfalls of what was done in this session, the latest first."""

    name = "Requests"

    def __init__(self, app: App) -> None:
        super().__init__(app)
        self.latest = html()
        self.waterfall = column()
        self.others = html()
        self.layout.objects = [self.message, self.latest, self.waterfall, self.others, self.code]

    def show(self) -> None:
        """Draw what was recorded."""
        followed = self.app.explore.recording
        recordings = [each for each in (followed, *self.app.work.recordings) if each and each.n_requests]
        if not recordings:
            self.waterfall.objects = []
            self.say(
                callout(
                    "Nothing was asked for yet. (What another session opened is known already, and asked for by nobody; what "
                    "Icechunk reads by itself is not seen.)"
                )
            )
            return
        self.say()
        first, *others = recordings
        tone: Tone = "warn" if first.wasted_bytes else "good"
        said = card(heading(shorten(first.title, 120)), callout(sentence(first), tone=tone), upgrade=False)
        self.latest.object = self.app.scrub(str(said))
        self.waterfall.objects = [picture(json.loads(self.app.scrub(json.dumps(waterfall_spec(first)))))]
        before = [
            details((strong(shorten(each.title, 120)), f" {each.n_requests:,} requests"), body(each))
            for each in others
        ]
        files = details(strong("Files and requests of this"), body(first))
        self.others.object = self.app.scrub(str(card(files, *before)))
        self.show_code(
            "import vzlab as vz", "", "with vz.record() as recording:",
            f"    vz.inspect({self.source_code()})", "recording",
        )  # fmt: skip
