"""Granules of a polar orbiter: places of pixels in two dimensions, strings, flags, and lines that differ in number."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from vzlab.samples.archive import Archive
from vzlab.samples.netcdf4 import attach, bare_dimension, describe, netcdf4_file, variable

START = datetime(2025, 9, 10, 3, 20, tzinfo=UTC)
N_PIXELS = 96


def make_swath(folder: str | Path, *, n_lines: tuple[int, ...] = (64, 64, 51)) -> Archive:
    """Write granules of a microwave imager, each with some lines of 96 pixels.

    Latitude and longitude are variables over ``(line, pixel)``: there is no coordinate to select by. The last granule is
    shorter. ``quality`` is text of any length, one for each line; ``mode`` is text of eight letters.

    Parameters
    ----------
    folder : path
        Made if it is not there; files of the same names are replaced.
    n_lines : tuple of int
        Number of lines of each granule.

    Returns
    -------
    Archive

    Examples
    --------
    >>> import vzlab as vz
    >>> [file.name for file in vz.samples.make_swath("orbit").files][0]
    'SWATH_TB_20250910T032000.nc'
    """
    target = Path(folder)
    files = []
    first = 0
    for count in n_lines:
        begin = START + timedelta(seconds=2 * first)
        path = target / f"SWATH_TB_{begin:%Y%m%dT%H%M%S}.nc"
        _write(path, begin, np.arange(first, first + count))
        files.append(path)
        first += count
    return Archive(folder=target, files=tuple(files))


def _write(path: Path, begin: datetime, lines: np.ndarray) -> None:
    pixel = np.linspace(-1, 1, N_PIXELS)[None, :]
    along = lines[:, None] * 0.12
    latitude = 20 + along - 1.5 * pixel**2
    longitude = -140 + 7.5 * pixel / np.cos(np.deg2rad(latitude)) - 0.03 * lines[:, None]
    kelvin = 210 + 40 * np.cos(np.deg2rad(latitude)) + 8 * np.sin(along * 2 + 5 * pixel)
    bad = (lines[:, None] % 23 == 7) & (np.abs(pixel) > 0.6)
    with netcdf4_file(path, made=begin + timedelta(hours=2)) as file:
        import h5py

        line, pixels = bare_dimension(file, "line", len(lines)), bare_dimension(file, "pixel", N_PIXELS)
        letters = bare_dimension(file, "letter", 8)
        chunks = (16, N_PIXELS)
        where = {"coordinates": "latitude longitude"}
        variable(
            file,
            "latitude",
            latitude.astype("<f4"),
            [line, pixels],
            {"units": "degrees_north", "standard_name": "latitude"},
            chunks=chunks,
        )
        variable(
            file,
            "longitude",
            longitude.astype("<f4"),
            [line, pixels],
            {"units": "degrees_east", "standard_name": "longitude"},
            chunks=chunks,
        )
        variable(
            file,
            "tb_37v",
            np.where(bad, 65535, np.round(kelvin * 100)).astype("<u2"),
            [line, pixels],
            {
                **where,
                "units": "K",
                "scale_factor": 0.01,
                "long_name": "brightness temperature at 37 GHz, vertical",
            },
            chunks=chunks,
            fill=65535,
        )
        variable(
            file,
            "flags",
            np.where(bad, 5, (latitude > 24).astype("u1") * 2).astype("u1"),
            [line, pixels],
            {
                **where,
                "flag_masks": np.array([1, 2, 4], "u1"),
                "flag_meanings": "noisy over_land no_calibration",
            },
            chunks=chunks,
        )
        seconds = {"units": f"seconds since {START:%Y-%m-%d %H:%M:%S}", "standard_name": "time"}
        variable(file, "line_time", lines * 2.0, [line], seconds)
        said = ["calibration lost at both ends" if row.any() else "good" for row in bad]
        quality = file.create_dataset("quality", data=said, dtype=h5py.string_dtype(), track_times=False)
        attach(quality, [line])
        describe(quality, {"long_name": "what the ground station noted"})
        mode = np.frombuffer(b"".join(b"NOMINAL " if n % 2 else b"CALIB   " for n in lines), "S1").reshape(
            -1, 8
        )
        variable(file, "mode", mode, [line, letters], {"long_name": "mode of the instrument"})
        describe(
            file,
            {
                "Conventions": "CF-1.8",
                "title": "Invented brightness temperatures of a swath",
                "institution": "made in code by vzlab; not an observation",
                "orbit": np.int32(4711),
            },
        )
