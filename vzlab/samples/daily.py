"""Daily maps of sea surface temperature: packed, one file a day; one day is missing and one file is odd."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.samples.netcdf4 import attach, describe, dimension, netcdf4_file

FILL = -32768
EPOCH = date(1981, 1, 1)


@dataclass(frozen=True, kw_only=True)
class DailyArchive:
    """A folder of daily sea surface temperature files, one a day, as satellite archives are laid out.

    Examples
    --------
    >>> import vzlab as vz
    >>> archive = vz.samples.make_daily_archive("four", n_files=4, odd=2)
    >>> archive.odd_file.name
    'sst_2025-01-03.nc'
    """

    folder: Path
    files: tuple[Path, ...]
    """The files in the order of time."""
    odd_file: Path
    """The file whose temperature is packed with another ``scale_factor``."""
    missing_day: date
    """The day for which there is no file."""


def make_daily_archive(
    folder: str | Path,
    *,
    first_day: date = date(2025, 1, 1),
    n_files: int = 12,
    shape: tuple[int, int] = (90, 180),
    chunk_shape: tuple[int, int, int] = (1, 30, 60),
    odd: int = 6,
    missing: int = 8,
) -> DailyArchive:
    """Write daily netCDF4 files with packed temperature and sea ice.

    Parameters
    ----------
    folder : path
        Made if it is not there; files of the same names are replaced.
    first_day : date
        Of the first file.
    n_files : int
        Number of files.
    shape : tuple of int
        Grid ``(lat, lon)``.
    chunk_shape : tuple of int
        Chunks ``(time, lat, lon)`` of the gridded variables.
    odd : int
        Position of the file with ``scale_factor`` 0.1 in place of 0.01: the last one if there are not so many, none if -1.
    missing : int
        Number of days after the first for which there is no file.

    Returns
    -------
    DailyArchive

    Examples
    --------
    >>> import vzlab as vz
    >>> from datetime import date
    >>> archive = vz.samples.make_daily_archive("leap", n_files=4, odd=3, first_day=date(2024, 2, 28))
    >>> [file.name for file in archive.files][:2]
    ['sst_2024-02-28.nc', 'sst_2024-02-29.nc']
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    lat, lon = _axis(90, shape[0]), _axis(180, shape[1])
    land = _land(lat, lon)
    odd = min(odd, n_files - 1)
    days = [first_day + timedelta(days=n) for n in range(n_files + 1) if n != missing][:n_files]
    files = []
    for position, day in enumerate(days):
        path = target / f"sst_{day.isoformat()}.nc"
        scale = 0.1 if position == odd else 0.01
        _write_day(path, day, lat, lon, land, scale=scale, chunk_shape=chunk_shape)
        files.append(path)
    return DailyArchive(
        folder=target,
        files=tuple(files),
        odd_file=files[odd],
        missing_day=first_day + timedelta(days=missing),
    )


def _axis(half: int, n: int) -> npt.NDArray[np.float32]:
    """Centres of `n` equal cells from ``-half`` to ``half`` degrees."""
    step = 2 * half / n
    return (-half + step / 2 + step * np.arange(n)).astype(np.float32)


def _land(lat: npt.NDArray[Any], lon: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """A map of invented continents: smooth waves above a threshold."""
    y, x = np.deg2rad(lat.astype(float))[:, None], np.deg2rad(lon.astype(float))[None, :]
    waves = (
        np.sin(2 * x + 0.6) * np.cos(y)
        + 0.8 * np.cos(3 * y + 1.2) * np.cos(x - 0.9)
        + 0.5 * np.sin(5 * x + 2 * y) * np.cos(2 * y)
        + 0.3 * np.cos(9 * x - 4 * y + 1.0)
    )
    return np.asarray((waves > 0.75) | (y < -1.35), dtype=bool)


def _temperature(day: int, lat: npt.NDArray[Any], lon: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Degrees Celsius on one day: warm at the equator, with eddies that drift."""
    y, x = np.deg2rad(lat.astype(float))[:, None], np.deg2rad(lon.astype(float))[None, :]
    season = 3 * np.sin(2 * np.pi * (day - 80) / 365.25) * np.sin(y)
    eddies = 1.2 * np.sin(7 * x + 0.11 * day) * np.cos(5 * y) + 0.6 * np.cos(17 * x - 9 * y + 0.2 * day)
    return 29 * np.cos(y) ** 2 - 1.6 + season + eddies * np.cos(y)  # type: ignore[no-any-return]


def _write_day(
    path: Path,
    day: date,
    lat: npt.NDArray[Any],
    lon: npt.NDArray[Any],
    land: npt.NDArray[np.bool_],
    *,
    scale: float,
    chunk_shape: tuple[int, int, int],
) -> None:
    number = (day - EPOCH).days
    celsius = np.clip(_temperature(number, lat, lon), -1.8, 34)
    packed = np.where(land, FILL, np.round(celsius / scale)).astype("<i2")[None]
    ice = np.clip((-celsius - 0.2) * 60, 0, 100)
    percent = np.where(land, -1, np.round(ice)).astype("i1")[None]
    made = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=18)
    with netcdf4_file(path, made=made) as file:
        scales = {
            "time": dimension(
                file,
                "time",
                np.array([number], "<i4"),
                {
                    "units": f"days since {EPOCH.isoformat()} 12:00:00",
                    "calendar": "standard",
                    "standard_name": "time",
                    "axis": "T",
                },
                unlimited=True,
            ),
            "lat": dimension(
                file, "lat", lat, {"units": "degrees_north", "standard_name": "latitude", "axis": "Y"}
            ),
            "lon": dimension(
                file, "lon", lon, {"units": "degrees_east", "standard_name": "longitude", "axis": "X"}
            ),
        }
        options: dict[str, Any] = {
            "maxshape": (None, len(lat), len(lon)),
            "chunks": chunk_shape,
            "compression": "gzip",
            "compression_opts": 4,
            "shuffle": True,
            "track_times": False,
        }
        sst = file.create_dataset("sst", data=packed, fillvalue=FILL, **options)
        describe(
            sst,
            {
                "_FillValue": np.array([FILL], "<i2"),
                "scale_factor": scale,
                "add_offset": 0.0,
                "units": "degree_C",
                "standard_name": "sea_surface_temperature",
                "long_name": "daily mean sea surface temperature",
            },
        )
        sea_ice = file.create_dataset("ice", data=percent, fillvalue=-1, **options)
        describe(
            sea_ice,
            {
                "_FillValue": np.array([-1], "i1"),
                "scale_factor": 0.01,
                "units": "1",
                "standard_name": "sea_ice_area_fraction",
                "long_name": "sea ice concentration",
            },
        )
        for variable in (sst, sea_ice):
            attach(variable, [scales[name] for name in ("time", "lat", "lon")])
        describe(
            file,
            {
                "Conventions": "CF-1.8",
                "title": "Invented daily sea surface temperature",
                "institution": "made in code by vzlab; not an observation",
                "granule_id": f"SST-{day.strftime('%Y%j')}",
                "date_created": f"{day.isoformat()}T18:00:00Z",
            },
        )
