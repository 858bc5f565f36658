"""One small file of each format with the same values, written by the format's own library."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import astropy.io.fits
import h5py
import icechunk
import netCDF4
import nibabel
import numpy as np
import tifffile
import zarr
from pyhdf.SD import SD, SDC
from safetensors.numpy import save_file

from tests.parsers.grib_messages import make_message
from tests.parsers.reference_sets import in_a_file, v2_store, written_json

N_Y, N_X = 120, 200
VALUES = np.random.default_rng(7).integers(0, 1 << 16, (N_Y, N_X)).astype("i4")
"""Of dimensions (y, x), 96 000 bytes: far more than any header."""
_OPTIONS: dict[str, Any] = {"chunks": (60, 100)}


def _hdf5(folder: Path, values: Any = VALUES) -> Path:
    path = folder / "one.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=values, chunks=(60, 100), compression="gzip")
    return path


def _netcdf3(folder: Path, values: Any = VALUES) -> Path:
    path = folder / "one.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_OFFSET") as file:
        file.createDimension("y", values.shape[0])
        file.createDimension("xx", values.shape[1])
        file.createVariable("x", "i4", ("y", "xx"))[:] = values
    return path


def _tiff(folder: Path, values: Any = VALUES) -> Path:
    path = folder / "one.tif"
    tifffile.imwrite(path, values, tile=(64, 64), compression="zlib")
    return path


def _grib(folder: Path, values: Any = VALUES) -> Path:
    path = folder / "one.grib2"
    n_y, n_x = values.shape
    keys = {"Ni": n_x, "Nj": n_y, "bitsPerValue": 16}
    keys |= {
        "latitudeOfFirstGridPoint": 60_000_000,
        "latitudeOfLastGridPoint": 60_000_000 - 50_000 * (n_y - 1),
    }
    keys |= {"longitudeOfFirstGridPoint": 0, "longitudeOfLastGridPoint": 50_000 * (n_x - 1)}
    keys |= {"iDirectionIncrement": 50_000, "jDirectionIncrement": 50_000}
    path.write_bytes(make_message(values=values, **keys))
    return path


def _fits(folder: Path, values: Any = VALUES) -> Path:
    path = folder / "one.fits"
    astropy.io.fits.PrimaryHDU(values).writeto(path)
    return path


def _envi(folder: Path, values: Any = VALUES) -> Path:
    path = folder / "one.hdr"
    n_y, n_x = values.shape
    path.with_suffix(".img").write_bytes(values.tobytes())
    path.write_text(
        f"ENVI\nsamples = {n_x}\nlines = {n_y}\nbands = 1\nheader offset = 0\ndata type = 3\ninterleave = bsq\nbyte order = 0\n"
    )
    return path


def _nifti(folder: Path, values: Any = VALUES) -> Path:
    path = folder / "one.nii"
    nibabel.Nifti1Image(values, np.eye(4), dtype="int32").to_filename(path)
    return path


def _hdf4(folder: Path, values: Any = VALUES) -> Path:
    path = folder / "one.hdf"
    file = SD(str(path), SDC.WRITE | SDC.CREATE)
    dataset = file.create("x", SDC.INT32, values.shape)
    dataset.set(values)
    dataset.endaccess()
    file.end()
    return path


def _dmrpp(folder: Path, values: Any = VALUES) -> Path:
    data = folder / "data.h5"
    with h5py.File(data, "w") as file:
        file["x"] = values
    with h5py.File(data) as file:
        offset = file["x"].id.get_offset()
    path = folder / "data.h5.dmrpp"
    path.write_text(
        '<Dataset xmlns="http://xml.opendap.org/ns/DAP/4.0#" xmlns:dmrpp="http://xml.opendap.org/dap/dmrpp/1.0.0#" '
        'dapVersion="4.0" dmrVersion="1.0" name="data.h5" dmrpp:href="data.h5" dmrpp:version="3.21.1">'
        f'<Int32 name="x"><Dim size="{values.shape[0]}"/><Dim size="{values.shape[1]}"/><dmrpp:chunks byteOrder="LE">'
        f'<dmrpp:chunk offset="{offset}" nBytes="{values.nbytes}"/></dmrpp:chunks></Int32></Dataset>'
    )
    return path


def _kerchunk(folder: Path, values: Any = VALUES) -> Path:
    references = in_a_file(
        v2_store(x={"data": values, **_OPTIONS}), folder / "chunks.bin", shown="chunks.bin"
    )
    return written_json(references, folder / "one.json")


def _lindi(folder: Path, values: Any = VALUES) -> Path:
    references = in_a_file(
        v2_store(x={"data": values, **_OPTIONS}), folder / "chunks.bin", shown="chunks.bin"
    )
    return written_json({**references, "generationMetadata": {}}, folder / "one.lindi.json")


def _safetensors(folder: Path, values: Any = VALUES) -> Path:
    path = folder / "one.safetensors"
    save_file({"x": values}, path)
    return path


def _zarr(folder: Path, values: Any = VALUES) -> Path:
    path = folder / "one.zarr"
    zarr.open_group(path, mode="w", zarr_format=2).create_array("x", data=values, **_OPTIONS)
    zarr.consolidate_metadata(path)
    return path


def _zip(folder: Path, values: Any = VALUES) -> Path:
    path = folder / "one.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for key, value in v2_store(x={"data": values, **_OPTIONS}).items():
            archive.writestr(key, value)
    return path


def _icechunk(folder: Path, values: Any = VALUES) -> Path:
    path = folder / "one.icechunk"
    session = icechunk.Repository.create(icechunk.local_filesystem_storage(str(path))).writable_session(
        "main"
    )
    zarr.open_group(session.store, mode="w").create_array("x", data=values, **_OPTIONS)
    session.commit("one")
    return path


WRITERS: dict[str, Callable[..., Path]] = {
    "hdf5": _hdf5,
    "netcdf3": _netcdf3,
    "tiff": _tiff,
    "grib": _grib,
    "fits": _fits,
    "envi": _envi,
    "nifti": _nifti,
    "hdf4": _hdf4,
    "dmrpp": _dmrpp,
    "kerchunk": _kerchunk,
    "lindi": _lindi,
    "safetensors": _safetensors,
    "zarr": _zarr,
    "icechunk": _icechunk,
    "zip": _zip,
}
"""By the key of the format; each writes values into a folder and gives what to open."""
