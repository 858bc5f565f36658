"""The view of values: what to draw, what it costs, and the picture after a second click."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import panel as pn

from vzlab.render.cost import body
from vzlab.render.html import Tone, callout, card, details, facts, label, strong
from vzlab.webapp import values
from vzlab.webapp.fields import button, offer, whole_number
from vzlab.webapp.style import column, html, row, styled
from vzlab.webapp.view import View

if TYPE_CHECKING:
    import xarray as xr

    from vzlab.inspection import VariableInspection
    from vzlab.webapp.session import App
    from vzlab.widgets.explored import Explored

_KINDS = {"Map": "map", "Series": "series", "Histogram": "histogram"}


class ValuesView(View):
    """Values of a variable, drawn."""

    name = "Look at values"

    def __init__(self, app: App) -> None:
        super().__init__(app)
        self.variable = pn.widgets.Select(label="Variable", **styled(width=260))
        self.kind = pn.widgets.Select(label="Draw", **styled(width=150))
        self.along = [pn.widgets.Select(label=name, **styled(width=150)) for name in ("Down", "Across")]
        self.positions = row()
        self.ask = button("What does it cost?", self.ask_cost, primary=True)
        self.read = button("Read and draw", self.draw, disabled=True)
        self.price = html(visible=False)
        self.picture = column(visible=False)
        self.numbers = html(visible=False)
        self._price: values.Price | None = None
        self._shown_for: tuple[Any, ...] = ()
        for widget in (self.variable, self.kind, *self.along):
            widget.param.watch(self._changed, "value")
        self.layout.objects = [
            row(self.variable, self.kind, *self.along),
            self.positions,
            row(self.ask, self.read),
            self.message,
            self.price,
            self.picture,
            self.numbers,
            self.code,
        ]

    def show(self) -> None:
        """Offer the variables of what is open."""
        inspection = self.app.inspection
        if inspection is None:
            self.say(callout("Open a file first."))
            return
        paths = [path for path, variable in inspection.variables.items() if values.kinds_of(variable)]
        shown = (self.app.location, self.app.version, *paths)
        if shown != self._shown_for:
            self._shown_for = shown
            data = [path for path in paths if inspection[path].role == "data"]
            options = [*data, *(path for path in paths if path not in data)]
            offer(self.variable, options, options[0] if options else None)
        if self.app.variable in paths:
            self.variable.value = self.app.variable
        self.say(*([] if paths else [callout("Nothing here can be drawn: there are no numbers.")]))
        self._changed(None)

    @property
    def look(self) -> values.Look | None:
        """What the fields say."""
        variable = self._variable
        if variable is None or self.kind.value is None:
            return None
        dims = values.names_of(variable)
        kind = cast("values.Kind", self.kind.value)
        along = values.usual(variable, kind)
        if kind != "histogram":
            chosen = [widget.value for widget in self.along[2 - len(along) :]]
            along = tuple(chosen) if len(set(chosen)) == len(along) and set(chosen) <= set(dims) else along
        return values.Look(
            variable=str(self.variable.value),
            kind=kind,
            dims=dims,
            shape=variable.shape,
            along=along,
            at={field.label.partition(",")[0]: int(field.value or 0) for field in self.positions.objects},
        )

    def ask_cost(self) -> None:
        """Say what reading takes; nothing is read."""
        look = self.look
        if look is None:
            return
        self.run(
            f"What {look.variable} costs", lambda _, explored: values.price_of(explored, look), self._priced
        )

    def draw(self) -> None:
        """Read what the cost was shown of, and draw it."""
        look = self.look
        if look is None or self._price is None:
            return

        def work(registry: Any, explored: Explored) -> tuple[xr.DataArray, Any]:
            found = values.read(explored, look, registry)
            return found, values.draw(found, look)

        self.run(f"Read {look.variable}", work, lambda found: self._drawn(look, *found))

    # -- inside ---------------------------------------------------------------------------------------------

    @property
    def _variable(self) -> VariableInspection | None:
        inspection, path = self.app.inspection, self.variable.value
        return inspection.variables.get(path) if inspection is not None and path else None

    def _changed(self, event: Any) -> None:
        """Offer what there is to choose, and forget the cost of what was asked before."""
        variable = self._variable
        self._price = None
        self.read.disabled = True
        self.read.color = "default"
        self.read.label = "Read and draw"
        self.price.visible = False
        if variable is None:
            return
        kinds = values.kinds_of(variable)
        options = {name: kind for name, kind in _KINDS.items() if kind in kinds}
        if self.kind.options != options:
            offer(self.kind, options, next(iter(options.values()), None))
        kind = cast("values.Kind", self.kind.value or kinds[0])
        dims, usual = values.names_of(variable), values.usual(variable, kind)
        for widget, choice in zip(self.along, (None,) * (2 - len(usual)) + usual, strict=True):
            widget.visible = choice is not None and kind != "histogram"
            if event is None or event.obj not in self.along or widget.options != list(dims):
                offer(widget, list(dims), choice or dims[0])
        self.along[1].label = "Along" if kind == "series" else "Across"
        look = self.look
        assert look is not None
        others = [dim for dim in dims if dim not in look.along]
        lengths = dict(zip(dims, variable.shape, strict=True))
        wanted = [f"{dim}, 0 to {lengths[dim] - 1:,}" for dim in others]
        if [field.label for field in self.positions.objects] != wanted:
            self.positions.objects = [whole_number(name) for name in wanted]
            for field in self.positions.objects:
                field.param.watch(self._changed, "value")

    def _priced(self, price: values.Price) -> None:
        self._price = None if price.refusal else price
        self.say(*([callout(price.refusal, tone="bad")] if price.refusal else []))
        self.read.disabled = self._price is None
        self.read.color = "default" if self._price is None else "primary"
        self.read.label = f"Read and draw: {price.words}"
        self._show_price(price, "Nothing was read yet. Reading it takes", "info")
        self.price.visible = True
        look = self.look
        if look is not None:
            self.show_code(look.code(self.source_code()))

    def _show_price(self, price: values.Price, begins: str, tone: Tone) -> None:
        more = " (the coordinates that it is drawn along are in it)" if len(price.costs) > 1 else ""
        told = callout(strong(f"{begins} {price.words}"), more, ".", tone=tone)
        self.price.object = str(
            card(told, details("What it costs, in detail", body(price.costs[0])), upgrade=False)
        )

    def _drawn(self, look: values.Look, found: xr.DataArray, picture: Any) -> None:
        self.say()
        if self._price is not None:
            self._show_price(self._price, "It took", "good")
        self.picture.objects = [pn.pane.HoloViews(picture, sizing_mode="stretch_width", margin=0)]
        self.picture.visible = True
        title = label("What it shows, in numbers", f"{look.variable}, {look.kind}")
        self.numbers.object = str(card(title, facts(values.facts(found)), upgrade=False))
        self.numbers.visible = True
