"""A small file of each format that has a parser, made by the format's own library."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import icechunk
import netCDF4
import nibabel
import numpy as np
import safetensors.numpy
import tifffile
import zarr
from astropy.io import fits
from pyhdf.SD import SD, SDC

from tests.archives import write_daily_file
from tests.parsers.grib_messages import make_message

VALUES = np.arange(8 * 12, dtype="i4").reshape(8, 12)


def hdf5(folder: Path) -> Path:
    return write_daily_file(folder / "day.nc")


def netcdf3(folder: Path) -> Path:
    path = folder / "classic.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_OFFSET") as file:
        file.createDimension("time", None)
        file.createDimension("x", 12)
        variable = file.createVariable("sst", "i4", ("time", "x"))
        variable.units = "K"
        variable[:] = VALUES
    return path


def zarr_store(folder: Path) -> Path:
    path = folder / "cube.zarr"
    _fill(zarr.open_group(str(path), mode="w"))
    return path


def zip_archive(folder: Path) -> Path:
    path = folder / "cube.zarr.zip"
    with zarr.storage.ZipStore(path, mode="w") as store:
        _fill(zarr.open_group(store, mode="w"))
    return path


def _fill(group: Any) -> None:
    array = group.create_array(
        "inner/sst", shape=VALUES.shape, chunks=(4, 6), dtype="i4", dimension_names=("y", "x")
    )
    array[...] = VALUES


def kerchunk(folder: Path) -> Path:
    data = folder / "chunks.bin"
    data.write_bytes(VALUES.tobytes())
    half = VALUES.nbytes // 2
    metadata = {
        "zarr_format": 2,
        "shape": VALUES.shape,
        "chunks": (4, 12),
        "dtype": "<i4",
        "order": "C",
        "fill_value": None,
        "compressor": None,
        "filters": None,
    }
    references = {
        ".zgroup": json.dumps({"zarr_format": 2}),
        "sst/.zarray": json.dumps(metadata),
        "sst/.zattrs": json.dumps({"_ARRAY_DIMENSIONS": ["y", "x"]}),
        "sst/0.0": [str(data), 0, half],
        "sst/1.0": [str(data), half, half],
    }
    path = folder / "references.json"
    path.write_text(json.dumps({"version": 1, "refs": references}))
    return path


def icechunk_repository(folder: Path) -> Path:
    path = folder / "repository.icechunk"
    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(str(path)))
    session = repository.writable_session("main")
    _fill(zarr.open_group(session.store, mode="a"))
    session.commit("values")
    return path


def dmrpp(folder: Path) -> Path:
    import h5py

    with h5py.File(folder / "data.h5", "w") as file:
        file["sst"] = VALUES
        offset = file["sst"].id.get_offset()
    chunk = f'<dmrpp:chunk offset="{offset}" nBytes="{VALUES.nbytes}"/>'
    path = folder / "data.h5.dmrpp"
    path.write_text(
        '<?xml version="1.0"?>\n<Dataset xmlns="http://xml.opendap.org/ns/DAP/4.0#" '
        'xmlns:dmrpp="http://xml.opendap.org/dap/dmrpp/1.0.0#" dapVersion="4.0" dmrVersion="1.0" name="data.h5" '
        'dmrpp:href="data.h5" dmrpp:version="3.21.1"><Int32 name="sst"><Dim size="8"/><Dim size="12"/>'
        f'<dmrpp:chunks fillValue="0" byteOrder="LE">{chunk}</dmrpp:chunks></Int32></Dataset>'
    )
    return path


def hdf4(folder: Path) -> Path:
    path = folder / "granule.hdf"
    file = SD(str(path), SDC.WRITE | SDC.CREATE)
    dataset = file.create("sst", SDC.INT32, VALUES.shape)
    dataset[:] = VALUES
    dataset.endaccess()
    file.end()
    return path


def tiff(folder: Path) -> Path:
    path = folder / "scene.tif"
    tifffile.imwrite(path, VALUES.astype("u2"), rowsperstrip=3, compression="zlib")
    return path


def fits_file(folder: Path) -> Path:
    path = folder / "sky.fits"
    images = [fits.PrimaryHDU(VALUES), fits.ImageHDU(VALUES.astype("u2"), name="COUNTS")]
    fits.HDUList(images).writeto(path)
    return path


def grib(folder: Path) -> Path:
    path = folder / "field.grib2"
    path.write_bytes(make_message())
    return path


def safetensors_file(folder: Path) -> Path:
    path = folder / "weights.safetensors"
    safetensors.numpy.save_file({"a": VALUES, "b": VALUES.astype("f4")}, path)
    return path


def nifti(folder: Path) -> Path:
    path = folder / "volume.nii"
    nibabel.save(nibabel.Nifti1Image(VALUES.reshape(4, 6, 4).astype("i2"), np.eye(4)), path)
    return path


def envi(folder: Path) -> Path:
    path = folder / "scene.hdr"
    (folder / "scene.img").write_bytes(VALUES.astype("<i2").tobytes())
    path.write_text(
        "ENVI\nsamples = 6\nlines = 4\nbands = 4\nheader offset = 0\ndata type = 2\ninterleave = bsq\nbyte order = 0\n"
    )
    return path


MAKERS: dict[str, Callable[[Path], Path]] = {
    "HDF5Parser": hdf5,
    "NetCDF3Parser": netcdf3,
    "ZarrParser": zarr_store,
    "ZipParser": zip_archive,
    "KerchunkParser": kerchunk,
    "IcechunkParser": icechunk_repository,
    "DMRPPParser": dmrpp,
    "HDF4Parser": hdf4,
    "TIFFParser": tiff,
    "FITSParser": fits_file,
    "GRIBParser": grib,
    "SafetensorsParser": safetensors_file,
    "NIfTIParser": nifti,
    "ENVIParser": envi,
}
"""What makes a file, by the parser that reads it."""


def copy_beside(file: Path, folder: Path) -> None:
    """Copy what a file refers to into another folder."""
    for other in file.parent.iterdir():
        if other != file and other.is_file():
            shutil.copy(other, folder)
