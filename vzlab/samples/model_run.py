"""History files of an ocean model: a staggered grid (velocities stand on the faces of cells), and groups."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from vzlab.samples.archive import Archive
from vzlab.samples.netcdf4 import Array, bare_dimension, describe, dimension, netcdf4_file, variable

START = datetime(2025, 3, 1, tzinfo=UTC)
LAND = np.float32(1e37)  # what ROMS, the Regional Ocean Modeling System, writes on land


def make_model_run(
    folder: str | Path,
    *,
    n_files: int = 3,
    n_steps: int = 4,
    shape: tuple[int, int, int] = (8, 40, 60),
) -> Archive:
    """Write history files of a model, each with some steps of six hours.

    Temperature and salinity stand in the middle of cells ``(s_rho, y, x)``, velocities on their faces: ``u`` has one column
    less, ``v`` one row less. The group ``grid`` holds depth and mask, the group ``forcing`` the wind.

    Parameters
    ----------
    folder : path
        Made if it is not there; files of the same names are replaced.
    n_files, n_steps : int
        Number of files, and of steps in each.
    shape : tuple of int
        Grid ``(s_rho, y, x)``.

    Returns
    -------
    Archive

    Examples
    --------
    >>> import vzlab as vz
    >>> [file.name for file in vz.samples.make_model_run("run").files][0]
    'ocean_his_0001.nc'
    """
    target = Path(folder)
    files = tuple(target / f"ocean_his_{number + 1:04}.nc" for number in range(n_files))
    for number, path in enumerate(files):
        _write(path, number * n_steps + np.arange(n_steps), shape)
    return Archive(folder=target, files=files)


def _write(path: Path, steps: Array, shape: tuple[int, int, int]) -> None:
    n_levels, n_rows, n_columns = shape
    x, y = np.arange(n_columns) * 5e3, np.arange(n_rows) * 5e3
    depth = 200 + 1500 * (x / x[-1])[None, :] * np.ones((n_rows, 1))
    wet = (np.hypot((x[None, :] - 6e4) / 4e4, (y[:, None] - 1e5) / 3e4) > 1) & (x[None, :] > 1e4)
    with netcdf4_file(path, made=START + timedelta(hours=6 * int(steps[-1]))) as file:
        hours = {"units": f"hours since {START:%Y-%m-%d %H:%M:%S}", "calendar": "standard", "axis": "T"}
        time = dimension(file, "ocean_time", steps * 6.0, {**hours, "standard_name": "time"}, unlimited=True)
        level = dimension(
            file,
            "s_rho",
            (np.arange(n_levels) + 0.5) / n_levels - 1,
            {"standard_name": "ocean_s_coordinate_g2", "positive": "up", "axis": "Z"},
        )
        rows = dimension(
            file, "y", y, {"units": "m", "standard_name": "projection_y_coordinate", "axis": "Y"}
        )
        columns = dimension(
            file, "x", x, {"units": "m", "standard_name": "projection_x_coordinate", "axis": "X"}
        )
        face_rows = dimension(file, "y_v", (y[1:] + y[:-1]) / 2, {"units": "m", "c_grid_axis_shift": 0.5})
        face_columns = dimension(file, "x_u", (x[1:] + x[:-1]) / 2, {"units": "m", "c_grid_axis_shift": 0.5})

        def write(place: Any, name: str, values: Array, scales: list[Any], **attributes: str) -> None:
            chunks = (1, *values.shape[1:])
            variable(
                place,
                name,
                values.astype("<f4"),
                scales,
                attributes,
                chunks=chunks,
                unlimited=True,
                fill=LAND,
            )

        where, middle = (
            x[None, None, None, :] / x[-1],
            (np.arange(n_levels)[None, :, None, None] + 0.5) / n_levels,
        )
        phase = 0.3 * steps[:, None, None, None] + 6 * where + 3 * y[None, None, :, None] / y[-1]
        temperature = 6 + 14 * middle**2 + 0.8 * np.sin(phase)
        salinity = 35 - 1.5 * middle + 0.2 * np.cos(phase)
        write(
            file,
            "temp",
            np.where(wet, temperature, LAND),
            [time, level, rows, columns],
            units="Celsius",
            long_name="potential temperature",
            coordinates="ocean_time s_rho y x",
        )
        write(
            file,
            "salt",
            np.where(wet, salinity, LAND),
            [time, level, rows, columns],
            units="1e-3",
            long_name="salinity",
        )
        u = 0.3 * middle * np.cos(phase)[..., :-1]
        v = 0.2 * middle * np.sin(phase)[..., :-1, :]
        write(
            file,
            "u",
            np.where(wet[:, 1:] & wet[:, :-1], u, LAND),
            [time, level, rows, face_columns],
            units="m s-1",
            long_name="velocity along x, on faces",
        )
        write(
            file,
            "v",
            np.where(wet[1:] & wet[:-1], v, LAND),
            [time, level, face_rows, columns],
            units="m s-1",
            long_name="velocity along y, on faces",
        )
        write(
            file,
            "zeta",
            np.where(wet, 0.1 * np.sin(phase)[:, 0], LAND),
            [time, rows, columns],
            units="m",
            long_name="free surface",
        )

        grid = file.create_group("grid", track_order=True)
        variable(grid, "h", depth, [rows, columns], {"units": "m", "long_name": "depth of the bottom"})
        flags = {"flag_values": np.array([0, 1], "i1"), "flag_meanings": "land water"}
        variable(grid, "mask_rho", wet.astype("i1"), [rows, columns], flags, chunks=wet.shape)
        forcing = file.create_group("forcing", track_order=True)
        describe(forcing, {"title": "wind stress at the surface"})
        pair = bare_dimension(forcing, "component", 2)
        stress = 0.05 * np.stack([np.cos(0.2 * steps), np.sin(0.2 * steps)], axis=1)
        write(forcing, "stress", stress, [time, pair], units="N m-2", long_name="along x, along y")
        describe(
            file,
            {
                "Conventions": "CF-1.8",
                "title": "Invented run of an ocean model",
                "grid": "Arakawa C",
                "institution": "made in code by vzlab; not a forecast",
            },
        )
