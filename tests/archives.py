"""Tiny archives made in code: daily files of packed data over time, latitude and longitude."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

EPOCH = "2024-01-01"


@dataclass(frozen=True, kw_only=True)
class DailyFile:
    """What one daily file holds; `dataclasses.replace` makes the one that differs."""

    n_times: int = 4
    n_lat: int = 10
    n_lon: int = 20
    first_day: int = 0
    """Days since the reference date at which its time axis begins; its steps fill one day."""
    name: str = "sst"
    dtype: str = "<i2"
    chunks: tuple[int, int, int] | None = (1, 5, 10)
    """Of the variable over (time, lat, lon); None for contiguous."""
    compression_level: int | None = 4
    """Of deflate; None for none."""
    shuffle: bool = True
    fletcher32: bool = False
    scale_factor: float | None = 0.01
    add_offset: float | None = 273.15
    fill_value: int | float | None = -32767
    """The attribute `_FillValue`, and what the dataset itself is filled with."""
    missing_cells: bool = True
    """Whether the corner cell of each time holds the fill value."""
    units: str | None = "K"
    time_units: str = f"hours since {EPOCH} 00:00:00"
    calendar: str | None = "standard"
    unlimited_time: bool = True
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Further attributes of the variable."""
    global_attributes: Mapping[str, Any] = field(default_factory=lambda: {"Conventions": "CF-1.8"})
    driver_options: Mapping[str, Any] = field(default_factory=lambda: {"libver": "v110"})
    """Passed on to `h5py.File`, such as `libver` or `userblock_size`."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Over (time, lat, lon)."""
        return self.n_times, self.n_lat, self.n_lon

    @property
    def time_is_unlimited(self) -> bool:
        """As asked, except that contiguous data cannot grow."""
        return self.unlimited_time and self.chunks is not None

    def stored_values(self) -> NDArray[Any]:
        """Give the raw values: a smooth field that differs at every time and in every day.

        Returns
        -------
        ndarray
            Of shape (time, lat, lon), as they are stored.
        """
        time, lat, lon = np.meshgrid(
            self.first_day * self.n_times + np.arange(self.n_times),
            np.linspace(-1, 1, self.n_lat),
            np.linspace(0, 2 * np.pi, self.n_lon, endpoint=False),
            indexing="ij",
        )
        values = np.rint(1000 * np.cos(lat) + 300 * np.sin(lon) + 7 * time).astype(self.dtype)
        if self.fill_value is not None and self.missing_cells:
            values[:, 0, 0] = self.fill_value
        return values

    def decoded_values(self) -> NDArray[np.float64]:
        """Give the values in their units, NaN where missing: float64 of shape (time, lat, lon)."""
        raw = self.stored_values()
        values = raw.astype("f8") * (1.0 if self.scale_factor is None else self.scale_factor)
        values += 0.0 if self.add_offset is None else self.add_offset
        if self.fill_value is not None:
            values[raw == self.fill_value] = np.nan
        return values

    def time_values(self) -> NDArray[np.float64]:
        """Give the stored values of the time axis, in `time_units` (hours): shape (time,)."""
        return 24.0 * (self.first_day + np.arange(self.n_times) / self.n_times)


def write_daily_file(path: Path, spec: DailyFile | None = None, /, **changes: Any) -> Path:
    """Write one netCDF-4 file with h5py: dimension scales, coordinates and one packed variable.

    Parameters
    ----------
    path
        Of the file to write.
    spec
        What it holds; the default `DailyFile` when None.
    **changes
        Fields of `spec` to replace.

    Returns
    -------
    Path
        The same path.
    """
    spec = replace(spec or DailyFile(), **changes)
    with h5py.File(path, "w", **spec.driver_options) as file:
        _write_attributes(file, spec.global_attributes)
        _write_coordinates(file, spec)
        variable = file.create_dataset(
            spec.name,
            shape=spec.shape,
            dtype=spec.dtype,
            maxshape=(None, spec.n_lat, spec.n_lon) if spec.time_is_unlimited else None,
            chunks=spec.chunks,
            compression=None if spec.compression_level is None else "gzip",
            compression_opts=spec.compression_level,
            shuffle=spec.shuffle if spec.chunks and spec.compression_level is not None else None,
            fletcher32=spec.fletcher32 or None,
            fillvalue=spec.fill_value,
        )
        variable[...] = spec.stored_values()
        for axis, dimension in enumerate(("time", "lat", "lon")):
            variable.dims[axis].attach_scale(file[dimension])
        if spec.fill_value is not None:
            variable.attrs["_FillValue"] = np.array([spec.fill_value], dtype=spec.dtype)
        for key in ("scale_factor", "add_offset", "units"):
            if (value := getattr(spec, key)) is not None:
                _write_attributes(variable, {key: value})
        _write_attributes(variable, {"long_name": "sea surface temperature", **spec.attributes})
    return path


def write_daily_files(
    folder: Path,
    *,
    n_days: int = 3,
    missing_days: frozenset[int] = frozenset(),
    odd_days: Mapping[int, Mapping[str, Any]] | None = None,
    **changes: Any,
) -> list[Path]:
    """Write an archive of one file a day.

    Parameters
    ----------
    folder
        Where to; made when absent.
    n_days
        From the reference date on.
    missing_days
        Days that have no file.
    odd_days
        By day, the fields of `DailyFile` in which its file differs from the others.
    **changes
        Fields of `DailyFile` in which all files differ from its defaults.

    Returns
    -------
    list of Path
        In the order of the days; named `sst_20240101.nc` and so on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [
        write_daily_file(folder / f"{spec.name}_{_date(spec.first_day)}.nc", spec)
        for spec in daily_specs(n_days=n_days, missing_days=missing_days, odd_days=odd_days, **changes)
    ]


def daily_specs(
    *,
    n_days: int,
    missing_days: frozenset[int] = frozenset(),
    odd_days: Mapping[int, Mapping[str, Any]] | None = None,
    **changes: Any,
) -> Iterator[DailyFile]:
    """Give what each file of `write_daily_files` holds, in its order: the oracle of what was written."""
    for day in range(n_days):
        if day not in missing_days:
            yield DailyFile(**{"first_day": day, **changes, **(odd_days or {}).get(day, {})})


def _date(day: int) -> str:
    return str(np.datetime64(EPOCH) + np.timedelta64(day, "D")).replace("-", "")


def _write_attributes(target: Any, attributes: Mapping[str, Any]) -> None:
    for key, value in attributes.items():
        # netCDF-4 writes text as fixed-length, numbers as one-element vectors.
        target.attrs[key] = np.bytes_(value) if isinstance(value, str) else np.atleast_1d(value)


def _write_coordinates(file: h5py.File, spec: DailyFile) -> None:
    coordinates: dict[str, tuple[NDArray[Any], dict[str, str]]] = {
        "time": (spec.time_values(), {"units": spec.time_units, "standard_name": "time"}),
        "lat": (np.linspace(-45, 45, spec.n_lat, dtype="f4"), {"units": "degrees_north"}),
        "lon": (
            np.linspace(0, 360, spec.n_lon, endpoint=False, dtype="f4"),
            {"units": "degrees_east"},
        ),
    }
    if spec.calendar is not None:
        coordinates["time"][1]["calendar"] = spec.calendar
    for dimension_id, (name, (values, attributes)) in enumerate(coordinates.items()):
        unlimited = name == "time" and spec.time_is_unlimited
        scale = file.create_dataset(
            name,
            data=values,
            maxshape=(None,) if unlimited else None,
            chunks=(512,) if unlimited else None,
        )
        scale.make_scale(name)
        # netCDF-4 keeps the order of dimensions in this attribute.
        scale.attrs["_Netcdf4Dimid"] = np.int32(dimension_id)
        _write_attributes(scale, attributes)
