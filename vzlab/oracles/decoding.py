"""Values as xarray decodes them, lazily, from a native file or from a Zarr store."""

from __future__ import annotations

import posixpath
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr


def open_decoded(target: Any, *, group: str = "", **options: Any) -> xr.Dataset:
    """Open with xarray's defaults, except that characters are not joined and durations stay numbers.

    Times that cannot be decoded stay numbers.
    """
    arguments: dict[str, Any] = {
        "group": group or None,
        "cache": False,
        "concat_characters": False,
        "decode_timedelta": False,
        "create_default_indexes": False,  # an index would read its whole coordinate
        **options,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return xr.open_dataset(target, **arguments)
        except (ValueError, OverflowError, OSError):
            return xr.open_dataset(target, decode_times=False, **arguments)


def read_region(variable: xr.Variable, region: tuple[slice, ...]) -> npt.NDArray[Any]:
    """Values of a region of a lazy variable, without reading more of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(variable[region].values)


def decode_variable(name: str, variable: xr.Variable) -> xr.Variable:
    """A variable in memory decoded by its attributes, if it is not yet, in the manner of `open_decoded`."""
    arguments: dict[str, Any] = {"concat_characters": False, "decode_timedelta": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return xr.conventions.decode_cf_variable(name, variable, **arguments)
        except (ValueError, OverflowError):
            return xr.conventions.decode_cf_variable(name, variable, decode_times=False, **arguments)


def show_xarray(location: str, path: str, *options: str) -> str:
    """The Python by which xarray gives a variable of a file."""
    group, name = posixpath.split(path)
    arguments = [repr(location), *([f"group={group!r}"] if group else []), *options]
    return f"xarray.open_dataset({', '.join(arguments)})[{name!r}]"


def native_engine_options(engine: str) -> dict[str, Any]:
    """What an xarray engine is opened with so that any HDF5 file opens."""
    return {"engine": engine, "phony_dims": "sort"} if engine == "h5netcdf" else {"engine": engine}
