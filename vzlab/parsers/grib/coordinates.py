"""Coordinates of GRIB fields in the terms of CF, with the attributes that cfgrib gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

_SECONDS = {"units": "seconds since 1970-01-01T00:00:00", "calendar": "proleptic_gregorian"}
_PRESSURE = {"positive": "down", "standard_name": "air_pressure", "long_name": "pressure"}
_SOIL = {"units": "m", "positive": "down", "standard_name": "depth", "long_name": "soil depth"}

_ATTRIBUTES: Mapping[str, Mapping[str, str]] = {
    "latitude": {"units": "degrees_north", "standard_name": "latitude", "long_name": "latitude"},
    "longitude": {"units": "degrees_east", "standard_name": "longitude", "long_name": "longitude"},
    "depthBelowLand": _SOIL,
    "depthBelowLandLayer": _SOIL,
    "hybrid": {
        "units": "1",
        "positive": "down",
        "standard_name": "atmosphere_hybrid_sigma_pressure_coordinate",
        "long_name": "hybrid level",
    },
    "heightAboveGround": {
        "units": "m",
        "positive": "up",
        "standard_name": "height",
        "long_name": "height above the surface",
    },
    "isobaricInhPa": {"units": "hPa", "stored_direction": "decreasing", **_PRESSURE},
    "isobaricInPa": {"units": "Pa", "stored_direction": "decreasing", **_PRESSURE},
    "isobaricLayer": {"units": "Pa", **_PRESSURE},
    "number": {"units": "1", "standard_name": "realization", "long_name": "ensemble member numerical id"},
    "step": {
        "units": "hours",
        "standard_name": "forecast_period",
        "long_name": "time since forecast_reference_time",
        # What tells xarray to decode it: a duration, not a number of hours.
        "dtype": "timedelta64[ns]",
    },
    "time": {
        **_SECONDS,
        "standard_name": "forecast_reference_time",
        "long_name": "initial time of forecast",
    },
    "valid_time": {**_SECONDS, "standard_name": "time", "long_name": "time"},
}


def attributes_of(name: str, key: str) -> dict[str, str]:
    """Attributes of a coordinate, by its name; `key` is what eccodes calls it."""
    plain = {"long_name": f"original GRIB coordinate for key: {key}({name})", "units": "1"}
    return {**plain, **_ATTRIBUTES.get(name, {})}


def valid_times(times: Sequence[float], steps: Sequence[float]) -> npt.NDArray[np.float64]:
    """Seconds since 1970 of each time and step, of shape (time, step)."""
    return np.asarray(times, np.float64)[:, None] + np.asarray(steps, np.float64) * 3600
