"""The view of two files side by side, and of what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import panel as pn

from vzlab.errors import AccessDeniedError
from vzlab.inspection import Inspection, InspectionDiff, diff
from vzlab.render.html import callout, card, columns
from vzlab.render.html_view import body
from vzlab.webapp.fields import button
from vzlab.webapp.style import html, row, styled
from vzlab.webapp.view import View, as_code

if TYPE_CHECKING:
    from vzlab.webapp.session import App

_BUDGET_BYTES = 40_000
"""Of HTML, for each side."""


class CompareView(View):
    """What differs between the file that is open and another."""

    name = "Compare"

    def __init__(self, app: App) -> None:
        super().__init__(app)
        self.other = pn.widgets.TextInput(
            label="Compare with",
            placeholder="a path or url",
            **styled(sizing_mode="stretch_width", max_width=620),
        )
        self.compare = button("Compare", self.start, primary=True)
        self.result = html()
        self.sides = html()
        self.layout.objects = [
            row(self.other, self.compare),
            self.message,
            self.result,
            self.sides,
            self.code,
        ]

    def show(self) -> None:
        """Say what is needed first."""
        self.say(
            *([callout("Open a file first: it is the left side.")] if self.app.inspection is None else [])
        )

    def start(self) -> None:
        """Inspect the other file, and compare."""
        other, library = str(self.other.value or "").strip(), self.app.library
        if self.app.inspection is None or not other:
            self.say(callout("Two files are needed: the one that is open, and another one here."))
            return
        try:
            self.app.admit(other)
        except AccessDeniedError as error:
            self.fail(str(error))
            return
        left = self.app.inspection

        def work(registry: Any, _: Any) -> tuple[Inspection, InspectionDiff]:
            right = library.open(other, registry).inspection
            return right, diff(left, right)

        def then(found: tuple[Inspection, InspectionDiff]) -> None:
            right, differences = found
            self.say()
            self.result.object = differences._repr_html_()
            sides = columns(
                body(left, budget_bytes=_BUDGET_BYTES),
                body(right, budget_bytes=_BUDGET_BYTES),
                min_width_em=28,
            )
            self.sides.object = str(card(sides))
            self.show_code("import vzlab as vz", "", f"vz.diff({self.source_code()}, {as_code(other)})")

        self.run(f"Compare with {other}" if "?" not in other else "Compare", work, then)
