"""Telling formats apart."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import obstore
import pytest
import zarr
from obstore.store import MemoryStore

from tests.corpus import CorpusEntry, corpus_params
from vzlab.detection import FORMATS, detect_format
from vzlab.errors import SourceNotFoundError, UnsupportedFormatError
from vzlab.parsers import HDF5Parser, parser_for
from vzlab.storage import StoreRegistry


@pytest.mark.parametrize("userblock_size", [0, 512, 4096])
def test_hdf5_is_known_behind_a_user_block_and_under_any_name(tmp_path: Path, userblock_size: int) -> None:
    path = tmp_path / "data.txt"
    with h5py.File(path, "w", userblock_size=userblock_size) as file:
        file["x"] = 1
    found = detect_format(path)
    assert found.key == "hdf5"
    assert parser_for(found) is HDF5Parser


@pytest.mark.parametrize("kind", ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"])
def test_netcdf3_is_known_and_has_no_parser_yet(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "classic.nc"
    with netCDF4.Dataset(path, "w", format=kind) as file:
        file.createDimension("x", 2)
    found = detect_format(path)
    assert found.key == "netcdf3"
    if found.parser is None:
        with pytest.raises(
            UnsupportedFormatError, match=r"Found a netCDF-3; parsers exist for HDF5.*parser="
        ):
            parser_for(found)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zarr_stores_are_known_by_what_lies_in_them(tmp_path: Path, zarr_format: int) -> None:
    path = tmp_path / "store"
    zarr.create_array(str(path), shape=(2,), dtype="i4", zarr_format=zarr_format)
    assert detect_format(path).key == "zarr"


def test_remote_zarr_stores_are_known(tmp_path: Path) -> None:
    store = MemoryStore()
    obstore.put(store, "cube.zarr/zarr.json", b"{}")
    registry = StoreRegistry({"memory://b": store})
    assert detect_format("memory://b/cube.zarr", registry).key == "zarr"
    with pytest.raises(SourceNotFoundError, match="memory://b/absent"):
        detect_format("memory://b/absent", registry)


@pytest.mark.parametrize(
    ("name", "content", "key", "advice"),
    [
        ("page.nc", b"  <!DOCTYPE html>\n<html>Please log in", "html", "login"),
        ("packed.nc.gz", gzip.compress(b"x", mtime=0), "gzip", "Unpack"),
        ("pointer.nc", b"version https://git-lfs.github.com/spec/v1\noid", "git-lfs", "git lfs pull"),
        ("refs.json", b'{"version": 1, "refs": {".zgroup": "{}"}}', "kerchunk", "parser="),
        ("picture.tif", b"II*\0\x08\0\0\0", "tiff", "parser="),
        ("weather", b"GRIB\0\0\0\2", "grib", "parser="),
        ("sky.fits", b"SIMPLE  =                    T", "fits", "parser="),
        ("old.hdf", b"\x0e\x03\x13\x01\0\0", "hdf4", "parser="),
        ("weights.safetensors", (16).to_bytes(8, "little") + b'{"a": {"dtype":}', "safetensors", "parser="),
        ("table.dat", b"PAR1....", "parquet", "pyarrow, DuckDB or pandas.*the directory"),
        (
            "brain.nii.gz",
            gzip.compress(b"x", mtime=0),
            "gzip",
            r"gzip-compressed file, NIfTI by its name.*brain\.nii.gz",
        ),
        ("forecast.om", b"OM\3....", "om", "omfiles, and write Zarr"),
    ],
)
def test_what_has_no_parser_is_named_with_what_to_do(
    tmp_path: Path, name: str, content: bytes, key: str, advice: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    found = detect_format(path)
    assert found.key == key
    if found.parser is None:
        with pytest.raises(UnsupportedFormatError, match=advice):
            parser_for(found, str(path))


def test_zip_archives_are_known(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", "y")
    assert detect_format(path).key == "zip"


def test_what_is_unknown_empty_or_absent_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.nc").write_bytes(b"")
    (tmp_path / "noise.nc").write_bytes(np.random.default_rng(0).bytes(100))
    with pytest.raises(UnsupportedFormatError, match=r"empty\.nc is empty"):
        detect_format(tmp_path / "empty.nc")
    with pytest.raises(UnsupportedFormatError, match="its name says HDF5, whose mark is another"):
        detect_format(tmp_path / "noise.nc")
    with pytest.raises(UnsupportedFormatError, match=r"directory that holds empty\.nc, noise\.nc"):
        detect_format(tmp_path)
    with pytest.raises(SourceNotFoundError, match=r"absent\.nc"):
        detect_format(tmp_path / "absent.nc")


def test_keys_are_distinct() -> None:
    assert len({format_.key for format_ in FORMATS}) == len(FORMATS)


_KEYS = {"netcdf4": "hdf5", "nwb": "hdf5", "zarr-zip": "zip", "kerchunk-json": "kerchunk"}


@pytest.mark.corpus
@pytest.mark.parametrize("entry", corpus_params())
def test_the_format_of_every_real_file(entry: CorpusEntry) -> None:
    if entry.expect == "native_error":
        try:
            found = detect_format(entry.location)
        except UnsupportedFormatError:
            return
    else:
        found = detect_format(entry.location)
    packed = {".gz": "gzip", ".zstd": "zstd"}.get(entry.location.suffix)
    if entry.format in ("kerchunk-json", "fits"):
        packed = None  # references are unpacked in memory, and FITS is read through gzip
    assert found.key == (packed or _KEYS.get(entry.format, entry.format))
