"""NetCDF4 files written by h5py, the same bytes from every run: the netCDF library notes its version and the time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.errors import MissingDependencyError

type Array = npt.NDArray[Any]


@contextmanager
def netcdf4_file(path: Path, *, made: datetime) -> Iterator[Any]:
    """Give an open HDF5 file to fill; one of the same name is replaced.

    Parameters
    ----------
    path : pathlib.Path
    made : datetime.datetime
        When it says that it was made, so that what shows a file's age is the same from every run.

    Raises
    ------
    MissingDependencyError
        If h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingDependencyError("h5py", extra="hdf5", purpose="Making sample netCDF4 files") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    # libver pinned and times untracked: the same bytes from every run.
    with h5py.File(path, "w", libver=("v108", "v108"), track_order=True) as file:
        yield file
    os.utime(path, (made.timestamp(), made.timestamp()))


def dimension(
    place: Any, name: str, values: Array, attributes: Mapping[str, Any], *, unlimited: bool = False
) -> Any:
    """Write a coordinate variable that is an HDF5 dimension scale, as the netCDF4 format lays down."""
    options: dict[str, Any] = {"maxshape": (None,), "chunks": (512,)} if unlimited else {}
    variable = place.create_dataset(name, data=values, track_times=False, **options)
    variable.make_scale(name)
    describe(variable, attributes)
    return variable


def bare_dimension(place: Any, name: str, length: int) -> Any:
    """Write a dimension that has no coordinate: a scale whose name says so, as the netCDF4 format lays down."""
    variable = place.create_dataset(name, shape=(length,), dtype=">f4", track_times=False)
    variable.make_scale(f"This is a netCDF dimension but not a netCDF variable.{length:10d}")
    return variable


def variable(
    place: Any,
    name: str,
    values: Array,
    scales: Sequence[Any],
    attributes: Mapping[str, Any],
    *,
    chunks: tuple[int, ...] | None = None,
    unlimited: bool = False,
    fill: Any = None,
) -> Any:
    """Write a variable over dimensions; with chunks it is shuffled and deflated.

    Parameters
    ----------
    place
        File or group.
    name : str
    values : numpy.ndarray
    scales : sequence
        The dimension of each axis.
    attributes : mapping
    chunks : tuple of int, optional
        Contiguous if not given.
    unlimited : bool
        Whether the first axis may grow.
    fill : optional
        Also written as ``_FillValue``.
    """
    options: dict[str, Any] = {}
    if chunks is not None:
        options = {"chunks": chunks, "compression": "gzip", "compression_opts": 4}
        options["shuffle"] = values.dtype.itemsize > 1
        options["maxshape"] = (None, *values.shape[1:]) if unlimited else None
    made = place.create_dataset(name, data=values, fillvalue=fill, track_times=False, **options)
    fill_attribute = {} if fill is None else {"_FillValue": np.array([fill], values.dtype)}
    describe(made, {**fill_attribute, **attributes})
    attach(made, scales)
    return made


def attach(variable: Any, scales: Sequence[Any]) -> None:
    """Say what the axes of a variable are."""
    for axis, scale in enumerate(scales):
        variable.dims[axis].attach_scale(scale)


def describe(place: Any, attributes: Mapping[str, Any]) -> None:
    """Write attributes of a variable, a group or a file; text is of fixed length, as C writes it."""
    for name, value in attributes.items():
        place.attrs[name] = np.bytes_(value) if isinstance(value, str) else value
