"""GRIB files as cfgrib arranges what eccodes decodes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import cfgrib
import eccodes
import numpy as np
import xarray as xr

from vzlab.testing.decoding import read_region
from vzlab.testing.oracles.base import NativeVariable, NoOracleError, Readable, ReadFile, Region, Unstated

_KINDS = ("GRIB_typeOfLevel", "GRIB_stepType", "GRIB_dataType", "GRIB_gridType", "GRIB_numberOfPoints")


def open_file(location: Any) -> ReadFile:
    """A file on this machine that is one hypercube, so that its variables have names.

    Values are float64 as eccodes gives them; cfgrib alone would round them to float32.
    """
    if not isinstance(location, str):
        raise NoOracleError("eccodes reads local files only: copy the file here")
    options = {"indexpath": "", "values_dtype": np.dtype("float64"), "errors": "raise"}
    try:
        dataset = xr.open_dataset(
            location, engine="cfgrib", backend_kwargs=options, decode_times=False, decode_timedelta=False
        )
    except cfgrib.dataset.DatasetBuildError as error:
        raise NoOracleError(
            "cfgrib divides this file into several datasets, which have no names: open it by "
            "xarray.open_dataset(..., engine='cfgrib', filter_by_keys=...) and give that as native"
        ) from error
    except (EOFError, KeyError, ValueError, eccodes.CodesInternalError) as error:
        raise NoOracleError(f"cfgrib does not read this file: {error}") from error
    kinds = {tuple(variable.attrs.get(key) for key in _KINDS) for variable in dataset.data_vars.values()}
    if len(kinds) > 1:
        raise NoOracleError(
            f"cfgrib puts variables that differ in {', '.join(_KINDS)} side by side, vzlab into groups"
        )
    return ReadFile(
        f"cfgrib {cfgrib.__version__}, eccodes {eccodes.codes_get_api_version()}",
        list(_readables(dataset, _grid(location))),
        silence="cfgrib has no name or no coordinate of this kind",
        close=dataset.close,
    )


def _readables(dataset: xr.Dataset, grid: tuple[int, int]) -> Iterator[Readable]:
    for key, variable in dataset.variables.items():
        name = str(key)
        if name == "unknown":  # eccodes has no name for it
            continue
        # Of grids that it does not know, cfgrib makes one long row.
        shape = tuple(variable.shape)
        is_row = grid[0] > 1 and shape[-2:] == (1, grid[0] * grid[1])
        shape = (*shape[:-2], *grid) if is_row else shape
        yield Readable(
            described=NativeVariable(
                path=name,
                dims=(None,) * variable.ndim,
                shape=shape,
                dtype=variable.dtype,
                attributes=Unstated(),
                codecs="GRIB",
                identity=name,
            ),
            read=partial(_read_row, variable, shape) if is_row else partial(read_region, variable),
        )


def _read_row(variable: xr.Variable, shape: tuple[int, ...], region: Region) -> Any:
    return variable.values.reshape(shape)[region]


def _grid(location: str) -> tuple[int, int]:
    """Rows and columns of the first field."""
    with open(location, "rb") as file:  # noqa: PTH123 - eccodes takes the handle of an open file
        handle = eccodes.codes_grib_new_from_file(file)
    try:
        rows, columns = (eccodes.codes_get(handle, key) for key in ("Ny", "Nx"))
    except eccodes.CodesInternalError:
        return 0, 0
    finally:
        eccodes.codes_release(handle)
    return int(rows or 0), int(columns or 0)
