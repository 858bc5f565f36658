"""Where and when a dataset lies, read from coordinates that are in memory; nothing else is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from vzlab.datasets import is_virtual

type Axis = Literal["x", "y", "z", "t"]
type Box = tuple[float, float, float, float]
"""West, south, east, north, in degrees; west of east unless it goes over the antimeridian."""

# CF conventions 1.11, section 4: what tells a longitude, a latitude, a vertical coordinate and a time.
_UNITS: Mapping[str, Axis] = {
    **dict.fromkeys(("degrees_east", "degree_east", "degree_E", "degrees_E", "degreeE", "degreesE"), "x"),
    **dict.fromkeys(("degrees_north", "degree_north", "degree_N", "degrees_N", "degreeN", "degreesN"), "y"),
}  # fmt: skip
_STANDARD_NAMES: Mapping[str, Axis] = {
    "longitude": "x", "latitude": "y", "time": "t", "height": "z", "depth": "z", "altitude": "z", "air_pressure": "z",
}  # fmt: skip
_NAMES: Mapping[str, Axis] = {"lon": "x", "longitude": "x", "lat": "y", "latitude": "y", "time": "t"}


def axis_of(name: str, variable: xr.Variable) -> Axis | None:
    """Which way a coordinate runs, as its attributes or its name say; projected coordinates run no known way."""
    if variable.dtype.kind == "M" or variable.encoding.get("calendar"):
        return "t"
    attributes = {**variable.encoding, **variable.attrs}
    units = str(attributes.get("units", ""))
    if units in _UNITS:
        return _UNITS[units]
    if attributes.get("standard_name") in _STANDARD_NAMES:
        return _STANDARD_NAMES[attributes["standard_name"]]
    if attributes.get("positive") in ("up", "down") or attributes.get("axis") == "Z":
        return "z"
    return _NAMES.get(name.lower()) if not units or units.startswith("deg") else None


@dataclass(frozen=True, kw_only=True)
class Extents:
    """What loaded coordinates say of a dataset's place and time."""

    box: Box | None
    """None without a loaded longitude and latitude."""
    begin: datetime | None
    """None without a loaded time."""
    end: datetime | None

    @property
    def geometry(self) -> dict[str, Any] | None:
        """The box as GeoJSON, in two parts over the antimeridian (RFC 7946, section 3.1.9)."""
        if self.box is None:
            return None
        west, south, east, north = self.box
        if west <= east:
            return {"type": "Polygon", "coordinates": [_ring(west, south, east, north)]}
        parts = [[_ring(west, south, 180.0, north)], [_ring(-180.0, south, east, north)]]
        return {"type": "MultiPolygon", "coordinates": parts}


def extents_of(dataset: xr.Dataset) -> Extents:
    """Place and time of a dataset; virtual coordinates are left alone."""
    loaded = {
        axis: np.asarray(variable.values)
        for name, variable in dataset.coords.variables.items()
        if variable.size and not is_virtual(variable) and (axis := axis_of(str(name), variable)) is not None
    }
    box = _box(loaded["x"], loaded["y"]) if {"x", "y"} <= loaded.keys() else None
    if "t" not in loaded:
        return Extents(box=box, begin=None, end=None)
    times = loaded["t"].ravel()
    times = times[times == times]
    return Extents(box=box, begin=as_datetime(times.min()), end=as_datetime(times.max()))


def as_datetime(value: Any) -> datetime:
    """A time of numpy's or cftime's, in UTC.

    Raises
    ------
    ValueError
        If its calendar has days that are not in the usual one.
    """
    if isinstance(value, np.datetime64):
        seconds = value.astype("datetime64[us]").astype(np.int64) / 1e6
        return datetime.fromtimestamp(float(seconds), tz=UTC)
    if getattr(value, "calendar", "standard") not in ("standard", "gregorian", "proleptic_gregorian"):
        raise ValueError(
            f"A time of the calendar {value.calendar!r} was found, which STAC cannot say: give begin= and end="
        )
    return datetime.fromisoformat(value.isoformat()).replace(tzinfo=UTC)


def _box(lon: npt.NDArray[Any], lat: npt.NDArray[Any]) -> Box:
    west, east = float(np.nanmin(lon)), float(np.nanmax(lon))
    south, north = float(np.nanmin(lat)), float(np.nanmax(lat))
    # One step short of the whole circle is the whole circle.
    step = (east - west) / max(lon.shape[-1] - 1, 1)
    if east - west + 1.5 * step >= 360:
        return -180.0, south, 180.0, north
    return _wrapped(west), south, _wrapped(east), north


def _wrapped(lon: float) -> float:
    """A longitude between -180 and 180 degrees."""
    return lon if -180 <= lon <= 180 else (lon + 180) % 360 - 180


def _ring(west: float, south: float, east: float, north: float) -> list[list[float]]:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]
