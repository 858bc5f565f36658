"""A quick look at values: a map, a series or a histogram, of the chunks that it takes and only after their cost was shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from vzlab.inspection import Cost, cost
from vzlab.inspection.words import format_bytes, format_count
from vzlab.manifests import ManifestArray, ManifestGroup
from vzlab.storage import ManifestStore, StoreRegistry

if TYPE_CHECKING:
    from vzlab.inspection import VariableInspection
    from vzlab.widgets.explored import Explored

type Kind = Literal["map", "series", "histogram"]

MAX_DECODED_BYTES = 256 * 2**20
"""Most bytes that one look may decode."""

MAX_CELLS = 400
"""Most cells along each side of a map; of more every second, third, ... is drawn."""

MAX_POINTS = 20_000
"""Most points of a series."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What is to be looked at."""

    variable: str
    """Its path."""
    kind: Kind
    dims: tuple[str, ...]
    """Of the variable."""
    shape: tuple[int, ...]
    along: tuple[str, ...]
    """Dimensions that are drawn: down and across of a map, one of a series, any of a histogram."""
    at: Mapping[str, int]
    """Position along each other dimension."""

    @property
    def index(self) -> dict[str, int | slice]:
        """As `xarray.DataArray.isel` takes it."""
        return {dim: slice(None) if dim in self.along else self.at.get(dim, 0) for dim in self.dims}

    @property
    def selection(self) -> tuple[int | slice, ...]:
        """As `vzlab.cost` takes it."""
        return tuple(self.index.values())

    def code(self, location: str) -> str:
        """The same in Python."""
        above, _, name = self.variable.rpartition("/")
        group = f", group={above!r}" if above else ""
        index = ", ".join(f"{dim!r}: {at}" for dim, at in self.index.items() if isinstance(at, int))
        part = f".isel({{{index}}})" if index else ""
        draw = {
            "map": "image(cmap='viridis', symmetric=False)",
            "series": "line()",
            "histogram": "hist(bins=60)",
        }[self.kind]
        return "\n".join(
            (
                "import hvplot.xarray",
                "import xarray as xr",
                "",
                f"dataset = xr.open_dataset({location}, engine='vzlab'{group})",
                f"dataset[{name!r}]{part}.hvplot.{draw}",
            )
        )


@dataclass(frozen=True, kw_only=True)
class Price:
    """What a look takes: the variable, and the coordinates that it is drawn along."""

    costs: tuple[Cost, ...]

    @property
    def n_requests(self) -> int:
        """Requests, one for each chunk."""
        return sum(each.n_requests for each in self.costs)

    @property
    def stored_bytes(self) -> int:
        """Bytes that come."""
        return sum(each.stored_bytes for each in self.costs)

    @property
    def decoded_bytes(self) -> int:
        """Bytes of memory that their chunks take."""
        return sum(each.decoded_bytes for each in self.costs)

    @property
    def time_s(self) -> float:
        """How long the requests take, by the assumptions of the cost."""
        return max(each.time_s for each in self.costs)

    @property
    def words(self) -> str:
        """``3 requests, 1.2 MB``."""
        return f"{format_count(self.n_requests, 'request')}, {format_bytes(self.stored_bytes)}"

    @property
    def refusal(self) -> str:
        """Why it is too much; empty if it is not."""
        if self.decoded_bytes <= MAX_DECODED_BYTES:
            return ""
        return (
            f"This would decode {format_bytes(self.decoded_bytes)}, and at most {format_bytes(MAX_DECODED_BYTES)} are decoded "
            "for one look here. Draw along fewer dimensions, or run the code below where there is room."
        )


def kinds_of(variable: VariableInspection) -> list[Kind]:
    """Ways to draw a variable."""
    if not variable.shape or not _is_number(variable.dtype):
        return []
    n_long = sum(length > 1 for length in variable.shape)
    kinds: list[Kind] = ["map"] if n_long > 1 else []
    return [*kinds, "series", "histogram"]


def names_of(variable: VariableInspection) -> tuple[str, ...]:
    """Names of its dimensions; those without one are numbered, as xarray does."""
    return tuple(name or f"dim_{number}" for number, name in enumerate(variable.dims))


def usual(variable: VariableInspection, kind: Kind) -> tuple[str, ...]:
    """The dimensions that a variable is drawn along if nobody says more: a map of the last two that have a length."""
    lengths = dict(zip(names_of(variable), variable.shape, strict=True))
    long = [dim for dim, length in lengths.items() if length > 1] or list(lengths)
    if kind == "series":
        return (next((dim for dim in long if dim.lower().startswith("time")), long[0]),)
    return tuple(long[-2:])


def price_of(explored: Explored, look: Look) -> Price:
    """What a look takes; no chunk is asked for."""
    tree = _tree(explored)
    told = [cost(tree, look.variable, look.selection)]
    told += [cost(tree, path, ()) for path in _coordinates(tree, look)]
    return Price(costs=tuple(told))


def read(explored: Explored, look: Look, registry: StoreRegistry) -> xr.DataArray:
    """The values, decoded by xarray, with the coordinates that they are drawn along.

    Raises
    ------
    MemoryBudgetError
        If it would take more memory than one look may.
    """
    from vzlab.errors import MemoryBudgetError

    if refusal := price_of(explored, look).refusal:
        raise MemoryBudgetError(refusal)
    tree = _tree(explored)
    above, _, name = look.variable.rpartition("/")
    group = tree[above] if above else tree
    assert isinstance(group, ManifestGroup)
    wanted = {name, *(path.rpartition("/")[2] for path in _coordinates(tree, look))}
    with xr.open_dataset(
        ManifestStore(group, registry),  # type: ignore[arg-type]
        engine="zarr",
        consolidated=False,
        zarr_format=3,
        chunks=None,
        create_default_indexes=False,
        drop_variables=sorted(set(group.arrays) - wanted),
    ) as dataset:
        array = dataset[name]
        array = array.rename(dict(zip(array.dims, look.dims, strict=True)))
        return array.isel(look.index).load()


def draw(values: xr.DataArray, look: Look) -> Any:
    """A picture of values, of hvPlot's."""
    import hvplot.xarray  # noqa: F401 - brings DataArray.hvplot

    values = values.astype("float64") if values.dtype.kind in "biufc" else values
    units = str(values.attrs.get("units", ""))
    name = look.variable.rpartition("/")[2]
    said = f"{name} ({units})" if units else name
    values = values.rename(name)
    common: dict[str, Any] = {"responsive": True, "height": 360, "title": "", "fontscale": 1.05}
    if look.kind == "histogram":
        finite = values.values[np.isfinite(values.values)]
        flat = xr.DataArray(finite, dims="value", name=name)
        picture = flat.hvplot.hist(name, bins=60, color="#2c8a8a", xlabel=said, **common)
    elif look.kind == "series":
        (along,) = look.along
        thinned = values.isel({along: slice(None, None, -(-values.sizes[along] // MAX_POINTS))})
        picture = _placed(thinned).hvplot.line(x=along, color="#2c8a8a", ylabel=said, **common)
    else:
        down, across = look.along
        steps = {dim: slice(None, None, -(-values.sizes[dim] // MAX_CELLS)) for dim in look.along}
        picture = _placed(values.isel(steps).transpose(down, across)).hvplot.image(
            # Left to hvPlot, a scale with values below zero would reach as far below as above.
            x=across,
            y=down,
            cmap="viridis",
            clabel=said,
            symmetric=False,
            **common,
        )
    return picture.opts(hooks=[_see_through], toolbar=None)


def facts(values: xr.DataArray) -> list[tuple[str, str]]:
    """What a picture shows, in numbers."""
    units = str(values.attrs.get("units", ""))
    numbers = values.values
    if numbers.dtype.kind not in "biuf":
        return [
            ("values", f"{numbers.size:,}"),
            ("first", str(numbers.reshape(-1)[0]) if numbers.size else "none"),
        ]
    finite = numbers[np.isfinite(numbers)]
    told = [("values", f"{numbers.size:,}"), ("missing", f"{numbers.size - finite.size:,}")]
    if finite.size:
        for label, number in (("lowest", finite.min()), ("mean", finite.mean()), ("highest", finite.max())):
            told.append((label, f"{number:.6g} {units}".strip()))
    return told


def _placed(values: xr.DataArray) -> xr.DataArray:
    """Values with evenly spaced coordinates, which a picture needs: others are counted instead."""
    for dim in values.dims:
        coordinate = values.coords.get(dim)
        even = coordinate is not None and coordinate.dtype.kind in "iufM" and _is_even(coordinate.values)
        if not even:
            values = values.drop_vars([dim], errors="ignore").assign_coords(
                {dim: np.arange(values.sizes[dim])}
            )
    return values


def _is_even(coordinate: Any) -> bool:
    if len(coordinate) < 2:
        return True
    steps = np.diff(coordinate).astype("float64")
    return bool(np.isfinite(steps).all() and steps[0] != 0 and np.allclose(steps, steps[0], rtol=1e-3))


def _see_through(plot: Any, _: Any) -> None:
    """Let the page's colour be seen behind a figure, with lines and words that read on light and dark."""
    from bokeh.models.annotations import ColorBar

    figure, grey = plot.state, "#7d858c"
    figure.background_fill_color = figure.border_fill_color = None
    figure.outline_line_color = grey
    for axis in figure.axis:
        axis.axis_label_text_color = axis.major_label_text_color = axis.axis_line_color = grey
        axis.major_tick_line_color = axis.minor_tick_line_color = grey
    for grid in figure.grid:
        grid.grid_line_alpha = 0.25
    for bar in figure.select(ColorBar):
        bar.background_fill_color = None
        bar.title_text_color = bar.major_label_text_color = grey


def _tree(explored: Explored) -> ManifestGroup:
    if not isinstance(explored.tree, ManifestGroup):
        raise TypeError("Values are drawn of what was opened by its path or url; this was given as an object")
    return explored.tree


def _coordinates(tree: ManifestGroup, look: Look) -> list[str]:
    """Paths of the coordinates of the dimensions that are drawn."""
    above, _, name = look.variable.rpartition("/")
    group = tree[above] if above else tree
    assert isinstance(group, ManifestGroup)
    found = [dim for dim in look.along if dim != name and dim in group.arrays and look.kind != "histogram"]
    return ["/".join(filter(None, (above, dim))) for dim in found if _is_line(group.arrays[dim])]


def _is_line(array: ManifestArray) -> bool:
    return array.ndim == 1


def _is_number(dtype: str) -> bool:
    return dtype.startswith(("int", "uint", "float", "bool", "bfloat", "datetime", "timedelta"))
