"""A small job for each extra, that uses its libraries for what vzlab uses them for."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from vzlab.datasets import open_manifest_store, open_virtual_dataset

_VALUES = np.arange(48, dtype="<i2").reshape(6, 8)


def _core(folder: Path) -> None:
    _dataset(folder)


def _hdf5(folder: Path) -> None:
    import h5py

    with h5py.File(folder / "sample.h5", "w") as file:
        file.create_dataset("t", data=_VALUES, chunks=(3, 4), compression="gzip", shuffle=True)
    _expect(zarr.open_group(open_manifest_store(folder / "sample.h5"), mode="r")["t"])


def _tiff(folder: Path) -> None:
    import tifffile

    large = np.kron(_VALUES, np.ones((8, 8), "<i2"))
    tifffile.imwrite(
        folder / "sample.tif", large, tile=(16, 16), compression="zlib", photometric="minisblack"
    )
    group = zarr.open_group(open_manifest_store(folder / "sample.tif"), mode="r")
    (array,) = (array for _, array in group.arrays() if array.ndim == 2)
    _expect(array, large)


def _grib(folder: Path) -> None:
    from vzlab.samples import make_forecast

    path = make_forecast(folder, n_steps=1).files[0]
    temperature = np.asarray(
        zarr.open_array(open_manifest_store(path), path="isobaricInhPa/t", mode="r")[...]
    )
    _agree(temperature.shape[0] == 2 and bool(np.isfinite(temperature).all()))


def _fits(folder: Path) -> None:
    from astropy.io import fits

    fits.PrimaryHDU(_VALUES).writeto(folder / "sample.fits")
    group = zarr.open_group(open_manifest_store(folder / "sample.fits"), mode="r")
    (array,) = (array for _, array in group.arrays())
    _expect(array)


def _hdf4(folder: Path) -> None:
    from pyhdf.SD import SD, SDC

    file = SD(str(folder / "sample.hdf"), SDC.WRITE | SDC.CREATE)
    dataset = file.create("t", SDC.INT16, _VALUES.shape)
    dataset[:] = _VALUES
    dataset.endaccess()
    file.end()
    _expect(zarr.open_group(open_manifest_store(folder / "sample.hdf"), mode="r")["t"])


def _stac(folder: Path) -> None:
    from vzlab.stac import to_stac_item

    day = datetime(2025, 1, 1, tzinfo=UTC)
    dataset = _dataset(folder)
    _agree(
        to_stac_item(dataset, folder / "sample.zarr", id="sample", kind="zarr", begin=day, end=day).id
        == "sample"
    )


def _native(folder: Path) -> None:
    from netCDF4 import Dataset

    from vzlab.inspection.trace import trace

    with Dataset(folder / "sample.nc", "w", format="NETCDF3_CLASSIC") as file:
        for name, length in zip(("lat", "lon"), _VALUES.shape, strict=True):
            file.createDimension(name, length)
        file.createVariable("t", "i2", ("lat", "lon"))[:] = _VALUES
    _agree(trace(folder / "sample.nc", "t", (3, 4)).agrees is True)


def _icechunk(folder: Path) -> None:
    icechunk = importlib.import_module("icechunk")
    from vzlab.writers import open_icechunk, write_icechunk

    icechunk.set_logs_filter(
        "error"
    )  # a local repository warns of commits at the same time, which there are none of
    write_icechunk(_dataset(folder), folder / "repository", message="A trial")
    store = open_icechunk(folder / "repository").readonly_session("main").store
    _expect(zarr.open_group(store, mode="r")["t"])


def _kerchunk(folder: Path) -> None:
    from vzlab.writers import write_kerchunk

    dataset = _dataset(folder)
    write_kerchunk(dataset, folder / "sample.json", format="json")
    write_kerchunk(dataset, folder / "sample.parquet", format="parquet")
    for name in ("sample.json", "sample.parquet"):
        with xr.open_dataset(str(folder / name), engine="kerchunk") as opened:
            _expect(opened["t"])


def _viz(_folder: Path) -> None:
    importlib.import_module("anywidget")
    widget = importlib.import_module("ipywidgets").HTML("<b>sample</b>")
    _agree(widget.value == "<b>sample</b>")
    widget.close()


def _app(_folder: Path) -> None:
    panel = importlib.import_module("panel")
    importlib.import_module("hvplot.xarray")
    _agree("sample" in panel.pane.Str("sample").object)


def _notebook(_folder: Path) -> None:
    importlib.import_module("ipykernel")
    subprocess.run(
        [sys.executable, "-m", "jupyterlab", "--version"], check=True, capture_output=True, timeout=60
    )


def _cf(_folder: Path) -> None:
    from zarr.storage import MemoryStore

    cast: Any = {"name": "cast_value", "configuration": {"data_type": "int16", "rounding": "nearest-even"}}
    array = zarr.create_array(MemoryStore(), shape=_VALUES.shape, dtype="float32", filters=[cast])
    array[...] = _VALUES
    _expect(array)


def _dask(_folder: Path) -> None:
    dask_array = importlib.import_module("dask.array")
    lazy = dask_array.from_array(_VALUES, chunks=(3, 4))
    _agree(int(lazy.sum().compute(scheduler="synchronous")) == int(_VALUES.sum()))


def _testing(folder: Path) -> None:
    from vzlab.learn.cloud import local_s3

    path = folder / "sample"
    path.write_bytes(_VALUES.tobytes())
    with local_s3(path) as cloud:
        from vzlab.storage import as_registry

        source = as_registry(storage_options=cloud.storage_options).open(cloud.urls[0])
        _agree(source.size_bytes == _VALUES.nbytes)


TRIALS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "": ("refer to the chunks of a Zarr array, and read them", _core),
    "hdf5": ("read a compressed array through references", _hdf5),
    "tiff": ("read compressed tiles through references", _tiff),
    "grib": ("read the messages of a forecast through references", _grib),
    "fits": ("read an image through references", _fits),
    "hdf4": ("read an array through references", _hdf4),
    "stac": ("describe a dataset as an item", _stac),
    "native": ("compare a value with what the netCDF library reads", _native),
    "icechunk": ("commit references, and read through them", _icechunk),
    "kerchunk": ("write references as JSON and Parquet; others read them", _kerchunk),
    "cf": ("read numbers that a codec of Zarr packs", _cf),
    "dask": ("sum an array in pieces", _dask),
    "viz": ("make a widget", _viz),
    "notebook": ("start JupyterLab as far as its version", _notebook),
    "app": ("make a panel", _app),
    "testing": ("serve an object by the S3 protocol on this machine", _testing),
}
"""What is tried for each extra, in words and as a function of an empty folder; it raises where something is wrong."""

SLOW = frozenset({"app", "notebook", "testing"})
"""Those that take seconds to start."""


def _dataset(folder: Path) -> xr.Dataset:
    """A virtual dataset of a small Zarr array, read once."""
    coordinates = {"lat": np.linspace(-50, 50, 6), "lon": np.linspace(0, 350, 8)}
    sample = xr.Dataset({"t": (("lat", "lon"), _VALUES)}, coordinates)
    sample.to_zarr(folder / "sample.zarr", zarr_format=2, consolidated=False)
    with xr.open_dataset(folder / "sample.zarr", engine="vzlab") as opened:
        _expect(opened["t"])
    return open_virtual_dataset(folder / "sample.zarr")


def _expect(array: Any, values: np.ndarray[Any, Any] = _VALUES) -> None:
    _agree(bool(np.array_equal(np.asarray(array[...]), values)))


def _agree(as_expected: bool) -> None:
    if not as_expected:
        raise ValueError("What was read is not what was written.")
