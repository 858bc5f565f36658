"""GRIB files as cfgrib arranges what eccodes decodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cfgrib
import numpy as np
import xarray as xr

from vzlab.testing.decoding import read_region
from vzlab.testing.oracles.base import NativeVariable, NoOracleError, Readable, ReadFile, Unstated


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
    except (EOFError, KeyError, ValueError, cfgrib.messages.eccodes.CodesInternalError) as error:
        raise NoOracleError(f"cfgrib does not read this file: {error}") from error
    return ReadFile(
        f"cfgrib {cfgrib.__version__}, eccodes {cfgrib.messages.eccodes.codes_get_api_version()}",
        list(_readables(dataset)),
        silence="cfgrib has no name or no coordinate of this kind",
        close=dataset.close,
    )


def _readables(dataset: xr.Dataset) -> Iterator[Readable]:
    for key, variable in dataset.variables.items():
        name = str(key)
        if name == "unknown":  # eccodes has no name for it
            continue
        yield Readable(
            described=NativeVariable(
                path=name,
                dims=(None,) * variable.ndim,
                shape=tuple(variable.shape),
                dtype=variable.dtype,
                attributes=Unstated(),
                codecs="GRIB",
                identity=name,
            ),
            read=lambda region, variable=variable: read_region(variable, region),
        )
