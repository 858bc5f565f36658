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


def _hdf5(folder: Path) -> Path:
    path = folder / "one.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=VALUES, chunks=(60, 100), compression="gzip")
    return path


def _netcdf3(folder: Path) -> Path:
    path = folder / "one.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_OFFSET") as file:
        file.createDimension("y", N_Y)
        file.createDimension("xx", N_X)
        file.createVariable("x", "i4", ("y", "xx"))[:] = VALUES
    return path


def _tiff(folder: Path) -> Path:
    path = folder / "one.tif"
    tifffile.imwrite(path, VALUES, tile=(64, 64), compression="zlib")
    return path


def _grib(folder: Path) -> Path:
    path = folder / "one.grib2"
    keys = {"Ni": N_X, "Nj": N_Y, "bitsPerValue": 16}
    keys |= {"latitudeOfFirstGridPointInDegrees": 60, "latitudeOfLastGridPointInDegrees": 0.5}
    keys |= {"longitudeOfFirstGridPointInDegrees": 0, "longitudeOfLastGridPointInDegrees": 99.5}
    keys |= {"iDirectionIncrementInDegrees": 0.5, "jDirectionIncrementInDegrees": 0.5}
    path.write_bytes(make_message(values=VALUES, **keys))
    return path


def _fits(folder: Path) -> Path:
    path = folder / "one.fits"
    astropy.io.fits.PrimaryHDU(VALUES).writeto(path)
    return path


def _envi(folder: Path) -> Path:
    path = folder / "one.hdr"
    path.with_suffix(".img").write_bytes(VALUES.tobytes())
    path.write_text(
        f"ENVI\nsamples = {N_X}\nlines = {N_Y}\nbands = 1\nheader offset = 0\ndata type = 3\ninterleave = bsq\nbyte order = 0\n"
    )
    return path


def _nifti(folder: Path) -> Path:
    path = folder / "one.nii"
    nibabel.Nifti1Image(VALUES, np.eye(4), dtype="int32").to_filename(path)
    return path


def _hdf4(folder: Path) -> Path:
    path = folder / "one.hdf"
    file = SD(str(path), SDC.WRITE | SDC.CREATE)
    dataset = file.create("x", SDC.INT32, VALUES.shape)
    dataset.set(VALUES)
    dataset.endaccess()
    file.end()
    return path


def _dmrpp(folder: Path) -> Path:
    data = folder / "data.h5"
    with h5py.File(data, "w") as file:
        file["x"] = VALUES
    with h5py.File(data) as file:
        offset = file["x"].id.get_offset()
    path = folder / "data.h5.dmrpp"
    path.write_text(
        '<Dataset xmlns="http://xml.opendap.org/ns/DAP/4.0#" xmlns:dmrpp="http://xml.opendap.org/dap/dmrpp/1.0.0#" '
        'dapVersion="4.0" dmrVersion="1.0" name="data.h5" dmrpp:href="data.h5" dmrpp:version="3.21.1">'
        f'<Int32 name="x"><Dim size="{N_Y}"/><Dim size="{N_X}"/><dmrpp:chunks byteOrder="LE">'
        f'<dmrpp:chunk offset="{offset}" nBytes="{VALUES.nbytes}"/></dmrpp:chunks></Int32></Dataset>'
    )
    return path


def _kerchunk(folder: Path) -> Path:
    references = in_a_file(
        v2_store(x={"data": VALUES, **_OPTIONS}), folder / "chunks.bin", shown="chunks.bin"
    )
    return written_json(references, folder / "one.json")


def _safetensors(folder: Path) -> Path:
    path = folder / "one.safetensors"
    save_file({"x": VALUES}, path)
    return path


def _zarr(folder: Path) -> Path:
    path = folder / "one.zarr"
    zarr.open_group(path, mode="w").create_array("x", data=VALUES, **_OPTIONS)
    return path


def _zip(folder: Path) -> Path:
    path = folder / "one.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for key, value in v2_store(x={"data": VALUES, **_OPTIONS}).items():
            archive.writestr(key, value)
    return path


def _icechunk(folder: Path) -> Path:
    path = folder / "one.icechunk"
    session = icechunk.Repository.create(icechunk.local_filesystem_storage(str(path))).writable_session(
        "main"
    )
    zarr.open_group(session.store, mode="w").create_array("x", data=VALUES, **_OPTIONS)
    session.commit("one")
    return path


WRITERS: dict[str, Callable[[Path], Path]] = {
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
    "safetensors": _safetensors,
    "zarr": _zarr,
    "icechunk": _icechunk,
    "zip": _zip,
}
"""By the key of the format; each writes into a folder and gives what to open."""
