"""Scans of a geostationary imager, laid out as level 1b radiances of GOES: packed, on a fixed grid of angles."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from vzlab.samples.archive import Archive
from vzlab.samples.netcdf4 import bare_dimension, describe, dimension, netcdf4_file, variable

START = datetime(2025, 6, 1, 15, 1, tzinfo=UTC)
J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)
FILL = 4095
HEIGHT_M, MAJOR_M, MINOR_M = 35786023.0, 6378137.0, 6356752.31414


def make_scan(
    folder: str | Path,
    *,
    n_files: int = 3,
    shape: tuple[int, int] = (300, 500),
    chunk_shape: tuple[int, int] = (75, 125),
) -> Archive:
    """Write scans of one infrared band, five minutes apart.

    Radiances are 12-bit numbers in ``int16`` with a scale and an offset; ``x`` and ``y`` are angles in radian, packed too; and
    ``goes_imager_projection`` says what they are angles of.

    Parameters
    ----------
    folder : path
        Made if it is not there; files of the same names are replaced.
    n_files : int
        Number of scans.
    shape, chunk_shape : tuple of int
        Grid and chunks ``(y, x)``.

    Returns
    -------
    Archive

    Examples
    --------
    >>> import vzlab as vz
    >>> [file.name[:22] for file in vz.samples.make_scan("scan").files][0]
    'OR_ABI-L1b-RadC-M6C13_'
    """
    target = Path(folder)
    files = []
    for number in range(n_files):
        begin = START + timedelta(minutes=5 * number)
        end = begin + timedelta(minutes=2, seconds=37)
        path = (
            target
            / f"OR_ABI-L1b-RadC-M6C13_G19_s{begin:%Y%j%H%M%S}0_e{end:%Y%j%H%M%S}0_c{end:%Y%j%H%M%S}9.nc"
        )
        _write(path, begin, end, shape, chunk_shape, number)
        files.append(path)
    return Archive(folder=target, files=tuple(files))


def _write(
    path: Path,
    begin: datetime,
    end: datetime,
    shape: tuple[int, int],
    chunk_shape: tuple[int, int],
    number: int,
) -> None:
    n_rows, n_columns = shape
    step = 5.6e-5 * 10
    rows, columns = np.meshgrid(np.linspace(0, 1, n_rows), np.linspace(0, 1, n_columns), indexing="ij")
    cloud = np.sin(9 * columns + 2 * np.sin(5 * rows) + 0.15 * number) * np.cos(7 * rows - 3 * columns)
    radiance = 95 - 45 * np.clip(cloud, 0, 1) - 20 * rows + 2 * np.sin(40 * columns * rows)
    scale, offset = 0.04572892, -1.6443
    off_earth = np.hypot((columns - 0.5) * 1.9, (rows - 0.9) * 1.3) > 1.12
    packed = np.where(off_earth, FILL, np.round((radiance - offset) / scale)).astype("<i2")
    angle = {"units": "rad", "scale_factor": np.float32(step)}
    with netcdf4_file(path, made=end) as file:
        y = dimension(
            file,
            "y",
            np.arange(n_rows, dtype="<i2"),
            {
                **angle,
                "scale_factor": np.float32(-step),
                "add_offset": np.float32(0.128212),
                "axis": "Y",
                "standard_name": "projection_y_coordinate",
            },
        )
        x = dimension(
            file,
            "x",
            np.arange(n_columns, dtype="<i2"),
            {
                **angle,
                "add_offset": np.float32(-0.101332),
                "axis": "X",
                "standard_name": "projection_x_coordinate",
            },
        )
        band = bare_dimension(file, "band", 1)
        variable(
            file,
            "Rad",
            packed,
            [y, x],
            {
                "long_name": "ABI L1b Radiances",
                "standard_name": "toa_outgoing_radiance_per_unit_wavenumber",
                "_Unsigned": "true",
                "scale_factor": np.float32(scale),
                "add_offset": np.float32(offset),
                "valid_range": np.array([0, 4094], "<i2"),
                "units": "mW m-2 sr-1 (cm-1)-1",
                "coordinates": "band_id t y x",
                "grid_mapping": "goes_imager_projection",
            },
            chunks=chunk_shape,
            fill=FILL,
        )
        variable(
            file,
            "DQF",
            off_earth.astype("i1") * 2,
            [y, x],
            {
                "long_name": "ABI L1b Radiances data quality flags",
                "flag_values": np.array([0, 1, 2, 3], "i1"),
                "flag_meanings": "good conditionally_usable out_of_range no_value",
                "grid_mapping": "goes_imager_projection",
            },
            chunks=chunk_shape,
            fill=-1,
        )
        middle = begin + (end - begin) / 2
        variable(
            file,
            "t",
            np.array((middle - J2000).total_seconds()),
            [],
            {"units": "seconds since 2000-01-01 12:00:00", "standard_name": "time", "axis": "T"},
        )
        variable(
            file, "band_id", np.array([13], "i1"), [band], {"long_name": "ABI band number", "units": "1"}
        )
        variable(
            file,
            "goes_imager_projection",
            np.array(-2147483647, "<i4"),
            [],
            {
                "grid_mapping_name": "geostationary",
                "perspective_point_height": HEIGHT_M,
                "semi_major_axis": MAJOR_M,
                "semi_minor_axis": MINOR_M,
                "longitude_of_projection_origin": -75.0,
                "latitude_of_projection_origin": 0.0,
                "sweep_angle_axis": "x",
            },
        )
        describe(
            file,
            {
                "Conventions": "CF-1.7",
                "title": "Invented radiances, laid out as ABI L1b",
                "institution": "made in code by vzlab; not an observation",
                "time_coverage_start": f"{begin:%Y-%m-%dT%H:%M:%S}.0Z",
                "time_coverage_end": f"{end:%Y-%m-%dT%H:%M:%S}.0Z",
            },
        )
