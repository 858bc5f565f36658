"""GRIB files as cfgrib arranges what eccodes decodes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import cfgrib
import eccodes
import numpy as np
import xarray as xr

from vzlab.oracles.base import NativeVariable, NoOracleError, Readable, ReadFile, Region, Unstated
from vzlab.oracles.decoding import read_region

_SHOWN = (
    "engine='cfgrib', backend_kwargs={'indexpath': '', 'values_dtype': xarray.Variable((), 0.0).dtype}, decode_times=False, "
    "decode_timedelta=False"
)
_KINDS = ("GRIB_typeOfLevel", "GRIB_stepType", "GRIB_dataType", "GRIB_gridType", "GRIB_numberOfPoints")


@dataclass(frozen=True, kw_only=True)
class _Grid:
    """Rows and columns of a field, 0 where it has none."""

    rows: int
    columns: int
    turns: bool
    """Whether adjacent rows run in opposite directions (GRIB2 code table 3.4, bit 4)."""


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
        list(_readables(dataset, location)),
        silence="cfgrib has no name or no coordinate of this kind",
        close=dataset.close,
    )


def _readables(dataset: xr.Dataset, location: str) -> Iterator[Readable]:
    grid = _grid(location)
    for key, variable in dataset.variables.items():
        name = str(key)
        if name == "unknown":  # eccodes has no name for it
            continue
        # Of grids that it does not know, cfgrib makes one long row, with a dimension for the rows or without.
        shape = tuple(variable.shape)
        lead = shape[:-2] if shape[-2:-1] == (1,) else shape[:-1]
        is_row = grid.rows > 1 and shape[-1:] == (grid.rows * grid.columns,)
        shape = (*lead, grid.rows, grid.columns) if is_row else shape
        values = f"xarray.open_dataset({location!r}, {_SHOWN})[{name!r}]"
        yield Readable(
            described=NativeVariable(
                path=name,
                dims=(None,) * len(shape),
                shape=shape,
                dtype=variable.dtype,
                attributes=Unstated(),
                codecs="GRIB",
                identity=name,
            ),
            read=partial(_read_rows, variable, shape, grid) if is_row else partial(read_region, variable),
            shown="" if is_row and grid.turns else values + f".values.reshape({shape})" * is_row,
        )


def _read_rows(variable: xr.Variable, shape: tuple[int, ...], grid: _Grid, region: Region) -> Any:
    values = variable.values.reshape(shape)
    # eccodes places coordinates where they belong, and leaves values in the order of the message.
    if grid.turns and "GRIB_gridType" in variable.attrs:
        values = values.copy()
        values[..., 1::2, :] = values[..., 1::2, ::-1].copy()
    return values[region]


def _grid(location: str) -> _Grid:
    """The grid of the first field."""
    keys = dict.fromkeys(("Ny", "Nx", "alternativeRowScanning"), 0)
    with open(location, "rb") as file:  # noqa: PTH123 - eccodes takes the handle of an open file
        handle = eccodes.codes_grib_new_from_file(file)
    try:
        for key in keys:
            with contextlib.suppress(eccodes.CodesInternalError):
                keys[key] = int(eccodes.codes_get(handle, key) or 0)
    finally:
        eccodes.codes_release(handle)
    return _Grid(rows=keys["Ny"], columns=keys["Nx"], turns=bool(keys["alternativeRowScanning"]))
