"""One picture of the visual core as a widget: who differs in what, or the requests of a recording."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets

from vzlab.datasets.findings import CompatibilityReport
from vzlab.inspection import Recording
from vzlab.render.spec import matrix_spec, waterfall_spec
from vzlab.widgets.core import ESM


class PictureWidget(anywidget.AnyWidget):
    """A matrix or a waterfall that is pointed at. Made by `explore`, and shown by the builder.

    Parameters
    ----------
    spec : dict
        As `vzlab.render.spec` gives it.
    """

    _esm = ESM

    spec = traitlets.Dict(help="What is drawn.").tag(sync=True)
    chosen = traitlets.Instance(
        dict, allow_none=True, help="Of a matrix ``variable`` and ``facet``; of a waterfall the position of a ``request``."
    ).tag(sync=True)  # fmt: skip

    def __repr__(self) -> str:
        return f"<{self.spec['kind']}: {self.spec['alt']}>"


def picture_spec(x: CompatibilityReport | Recording) -> dict[str, Any]:
    """Give what the core draws of a report or of a recording."""
    return matrix_spec(x) if isinstance(x, CompatibilityReport) else waterfall_spec(x)
