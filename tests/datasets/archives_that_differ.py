"""Archives in which one file differs in one respect, and how native libraries read them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr
import zarr

import vzlab as vz
from tests.archives import DailyFile, write_daily_file, write_daily_files
from vzlab.datasets import dataset_to_group


def archive_with(folder: Path, *, odd: int = 1, n_days: int = 4, **changes: Any) -> list[Path]:
    """Daily files of which one differs by `changes`."""
    files = write_daily_files(folder, n_days=n_days)
    write_daily_file(files[odd], DailyFile(first_day=odd), **changes)
    return files


def flip_latitude(path: Path) -> Path:
    """Turn a file upside down: its latitudes and its rows."""
    with h5py.File(path, "r+") as file:
        file["lat"][...] = file["lat"][...][::-1]
        file["sst"][...] = file["sst"][...][:, ::-1]
    return path


def transpose_variable(path: Path) -> Path:
    """Store a file's variable over (time, lon, lat)."""
    with xr.open_dataset(path, engine="h5netcdf", decode_cf=False) as native:
        turned = native.load().transpose("time", "lon", "lat")
    turned.sst.encoding = {"chunksizes": (1, 10, 5), "zlib": True, "complevel": 4, "shuffle": True}
    path.unlink()
    turned.to_netcdf(path, engine="h5netcdf", unlimited_dims=["time"])
    return path


def native(files: Sequence[Path], **options: Any) -> xr.Dataset:
    """Read files as one dataset with the netCDF library, by xarray's own combining."""
    options = {
        "combine": "by_coords",
        "data_vars": "minimal",
        "coords": "minimal",
        "compat": "override",
    } | options
    with xr.open_mfdataset(files, engine="netcdf4", **options) as opened:
        return opened.load()


def read_virtual(cube: xr.Dataset) -> xr.Dataset:
    """Read a virtual dataset through its Zarr store with xarray; loaded variables as they are."""
    store = vz.ManifestStore(dataset_to_group(cube))
    with zarr.config.set({"array.rectilinear_chunks": True}):
        read = xr.open_zarr(store, chunks=None).load()
    return read.assign_coords({name: cube[name] for name in cube.coords if name not in read.variables})


def assert_reads_as(cube: xr.Dataset, files: Sequence[Path], variable: str = "sst") -> None:
    """Compare values, missing ones included, with what xarray makes of the files."""
    expected = native(files)
    np.testing.assert_array_equal(cube.time.values, expected.time.values)
    found = cube[variable] if not _is_virtual(cube, variable) else read_virtual(cube)[variable]
    np.testing.assert_allclose(found.values, expected[variable].values, rtol=1e-6)


def _is_virtual(cube: xr.Dataset, variable: str) -> bool:
    return vz.datasets.is_virtual(cube[variable])
