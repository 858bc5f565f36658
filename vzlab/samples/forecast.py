"""A weather forecast in GRIB 2: one file for each step, several fields in it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from vzlab.errors import MissingDependencyError
from vzlab.samples.archive import Archive

RUN = datetime(2025, 1, 15, tzinfo=UTC)

FIELDS = (
    # shortName, typeOfLevel, level, mean, amplitude
    ("2t", "heightAboveGround", 2, 285.0, 20.0),
    ("10u", "heightAboveGround", 10, 3.0, 9.0),
    ("10v", "heightAboveGround", 10, 0.0, 7.0),
    ("msl", "meanSea", 0, 101_300.0, 1_800.0),
    ("t", "isobaricInhPa", 850, 275.0, 15.0),
    ("t", "isobaricInhPa", 500, 250.0, 12.0),
)


def make_forecast(folder: str | Path, *, n_steps: int = 4, shape: tuple[int, int] = (37, 72)) -> Archive:
    """Write a forecast that begins on 2025-01-15 at 00 UTC, with a file for every six hours.

    Parameters
    ----------
    folder : path
        Made if it is not there; files of the same names are replaced.
    n_steps : int
        Number of files.
    shape : tuple of int
        Global grid ``(latitude, longitude)``.

    Returns
    -------
    Archive

    Raises
    ------
    MissingDependencyError
        If eccodes is not installed.

    Examples
    --------
    >>> import vzlab as vz
    >>> [file.name for file in vz.samples.make_forecast("run").files][0]
    'forecast_2025011500_f000.grib2'
    """
    try:
        import eccodes
    except (ImportError, RuntimeError) as error:  # RuntimeError: the library that it binds is not found
        raise MissingDependencyError("eccodes", extra="grib", purpose="Making a sample forecast") from error
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    files = tuple(target / f"forecast_2025011500_f{6 * step:03}.grib2" for step in range(n_steps))
    for step, path in enumerate(files):
        path.write_bytes(b"".join(_message(eccodes, 6 * step, shape, *field) for field in FIELDS))
        os.utime(path, (RUN.timestamp(), RUN.timestamp()))
    return Archive(folder=target, files=files)


def _message(
    eccodes: Any,
    hours: int,
    shape: tuple[int, int],
    name: str,
    kind: str,
    level: int,
    mean: float,
    amplitude: float,
) -> bytes:
    n_rows, n_columns = shape
    y, x = np.linspace(90, -90, n_rows), np.arange(n_columns) * 360 / n_columns
    waves = np.cos(np.deg2rad(y))[:, None] * np.sin(
        np.deg2rad(3 * x[None, :] - 4 * hours + level)
    ) + 0.4 * np.sin(np.deg2rad(5 * x[None, :] + 2 * y[:, None]))
    handle = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
    try:
        for key, value in {
            "centre": 255,  # WMO common code table C-11: missing
            "dataDate": 20250115,
            "dataTime": 0,
            "stepRange": str(hours),
            "Ni": n_columns,
            "Nj": n_rows,
            "latitudeOfFirstGridPointInDegrees": 90.0,
            "latitudeOfLastGridPointInDegrees": -90.0,
            "longitudeOfFirstGridPointInDegrees": 0.0,
            "longitudeOfLastGridPointInDegrees": float(x[-1]),
            "iDirectionIncrementInDegrees": 360 / n_columns,
            "jDirectionIncrementInDegrees": 180 / (n_rows - 1),
            "shortName": name,
            "typeOfLevel": kind,
            "level": level,
            "packingType": "grid_simple",
            "bitsPerValue": 16,
        }.items():
            eccodes.codes_set(handle, key, value)
        eccodes.codes_set_values(handle, (mean + amplitude * waves).ravel())
        message: bytes = eccodes.codes_get_message(handle)
    finally:
        eccodes.codes_release(handle)
    return message
