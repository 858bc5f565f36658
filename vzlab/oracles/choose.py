"""Which independent reader suits a file: by its first bytes, and by what is installed."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from vzlab.oracles.base import NativeFile, NoOracleError
from vzlab.storage import StoreRegistry, local_path
from vzlab.storage.gate import pass_gate

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"  # HDF5 spec II.A: at 0, 512, 1024, 2048, ... of a file
_HEAD_BYTES = 4096


@dataclass(frozen=True, kw_only=True)
class Oracle:
    """An independent reader of a format."""

    format: str
    libraries: tuple[str, ...]
    """Modules that it needs; they are also what to install, unless `install` says otherwise."""
    opener: str
    """Module and function that opens a file, within `vzlab.oracles`."""
    recognise: Callable[[bytes], bool]
    """Whether a file begins like this."""
    holds: frozenset[str] = frozenset()
    """Names of which one lies in a folder of this format."""
    install: str = ""

    @property
    def is_installed(self) -> bool:
        """Whether all that it needs is there."""
        return all(importlib.util.find_spec(library) is not None for library in self.libraries)

    @property
    def packages(self) -> str:
        """What to install."""
        return self.install or " ".join(self.libraries)

    def open(self, location: Any) -> NativeFile:
        """Open a file."""
        module, _, name = self.opener.partition(":")
        opener = getattr(importlib.import_module(f"vzlab.oracles.{module}"), name)
        return cast("NativeFile", opener(location))


def _begins(*marks: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(marks)


def _is_references(head: bytes) -> bool:
    return head.lstrip()[:1] == b"{" and any(
        mark in head
        for mark in (b'"refs"', b'.zgroup"', b'.zarray"', b'.zattrs"', b'.zmetadata"', b'zarr.json"')
    )


def _is_grib(head: bytes) -> bool:
    at = head[:256].find(b"GRIB")
    return at >= 0 and head[at + 7 : at + 8] in {b"\1", b"\2"}


def _is_fits(head: bytes) -> bool:
    if head.startswith(b"\x1f\x8b"):
        with contextlib.suppress(zlib.error):
            head = zlib.decompressobj(31).decompress(head, 80)
    return head.startswith(b"SIMPLE  =")


def _is_safetensors(head: bytes) -> bool:
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 100_000_000


def _never(_: bytes) -> bool:
    return False


ORACLES = (
    Oracle(
        format="HDF5",
        libraries=("h5py",),
        opener="hdf5:Hdf5File",
        recognise=lambda head: _HDF5_SIGNATURE in head,
    ),
    Oracle(
        format="netCDF4",
        libraries=("netCDF4",),
        opener="netcdf:NetcdfFile",
        recognise=lambda head: _HDF5_SIGNATURE in head,
    ),
    Oracle(
        format="netCDF-3",
        libraries=("netCDF4",),
        opener="netcdf:NetcdfFile",
        recognise=_begins(b"CDF\x01", b"CDF\x02", b"CDF\x05"),
    ),
    Oracle(
        format="TIFF",
        libraries=("tifffile", "imagecodecs"),
        opener="tiff:open_file",
        recognise=_begins(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    ),
    Oracle(
        format="GRIB",
        libraries=("cfgrib", "eccodes"),
        opener="grib:open_file",
        recognise=_is_grib,
    ),
    Oracle(
        format="FITS",
        libraries=("astropy",),
        opener="fits:open_file",
        recognise=_is_fits,
    ),
    Oracle(
        format="HDF4", libraries=("pyhdf",), opener="hdf4:open_file", recognise=_begins(b"\x0e\x03\x13\x01")
    ),
    Oracle(
        format="NIfTI",
        libraries=("nibabel",),
        opener="nifti:open_file",
        recognise=lambda head: head[344:347] in {b"n+1", b"ni1"} or head[4:7] in {b"n+2", b"ni2"},
    ),
    Oracle(
        format="ENVI",
        libraries=("numpy",),
        opener="raw:open_file",
        recognise=lambda head: head.split(b"\n", 1)[0].strip() == b"ENVI",
    ),
    Oracle(
        format="DMR++",
        libraries=("h5py",),
        opener="dmrpp:DescribedFile",
        recognise=lambda head: b"<Dataset" in head and b"DAP/4.0" in head,
    ),
    Oracle(
        format="safetensors",
        libraries=("safetensors",),
        opener="safetensors:open_file",
        recognise=_is_safetensors,
    ),
    Oracle(
        format="ZIP",
        libraries=("zarr",),
        opener="zarr_stores:open_zip",
        recognise=_begins(b"PK\x03\x04", b"PK\x05\x06"),
    ),
    Oracle(
        format="Kerchunk",
        libraries=("fsspec",),
        opener="zarr_stores:open_references",
        recognise=_is_references,
    ),
    Oracle(
        format="Kerchunk in Parquet",
        libraries=("fsspec", "pandas", "fastparquet"),
        opener="zarr_stores:open_references",
        recognise=_never,
        holds=frozenset({".zmetadata"}),
    ),
    Oracle(
        format="Icechunk",
        libraries=("icechunk",),
        opener="zarr_stores:open_icechunk",
        recognise=_never,
        holds=frozenset({"snapshots"}),
    ),
    Oracle(
        format="Zarr",
        libraries=("zarr",),
        opener="zarr_stores:open_folder",
        recognise=_never,
        holds=frozenset({"zarr.json", ".zgroup", ".zarray"}),
    ),
)
"""Every independent reader; of several for one format the first that is installed."""


def open_native(url: str, registry: StoreRegistry) -> NativeFile:
    """Open a native file with an independent reader.

    Raises
    ------
    NoOracleError
        If there is none for its format, or the library is not installed.
    OSError
        If the file cannot be opened.
    """
    pass_gate(url)
    location = _location(url, registry)
    suitable = list(_suitable(location))
    if not suitable:
        raise NoOracleError(f"{url} is of no format that an independent reader is known for")
    oracle = next((oracle for oracle in suitable if oracle.is_installed), None)
    if oracle is None:
        wanted = suitable[0]
        raise NoOracleError(
            f"{url} is read independently by {' with '.join(wanted.libraries)}, which is not installed: pip install "
            f"{wanted.packages}"
        )
    try:
        return oracle.open(location)
    except NoOracleError as error:
        raise NoOracleError(f"{url}: {error}") from error


def _suitable(location: Any) -> Iterator[Oracle]:
    if isinstance(location, str) and os.path.isdir(location):  # noqa: PTH112 - a path as h5py is given it
        names = {path.name for path in Path(location).iterdir()}
        plain_zarr = names & {"zarr.json", ".zgroup", ".zarray"}
        for oracle in ORACLES:
            if oracle.holds & names and not (plain_zarr and ".zmetadata" in oracle.holds):
                yield oracle
        return
    head = _head(location)
    yield from (oracle for oracle in ORACLES if oracle.recognise(head))


def _location(url: str, registry: StoreRegistry) -> Any:
    """A path, or a seekable file object that obstore makes."""
    path = local_path(url)
    if path is not None:
        return path
    import obstore
    from obspec_utils.readers import BufferedStoreReader

    store, key = registry.resolve(url)
    if hasattr(store, "get_ranges"):
        return _ObjectFile(obstore.open_reader(store, key))
    if hasattr(store, "get_range") and hasattr(
        store, "head"
    ):  # such as the one that a gate has HTTP read through
        return _ObjectFile(BufferedStoreReader(store, key))
    raise NoOracleError(f"{url} is served by a store that independent readers cannot read through")


class _ObjectFile:
    """obstore's reader as the file object that h5py asks for: with bytes, and a `readinto`."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def read(self, size: int = -1) -> bytes:
        return bytes(self._reader.read(None if size < 0 else size))

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._reader.seek(offset, whence))

    def tell(self) -> int:
        return int(self._reader.tell())

    def close(self) -> None:
        self._reader.close()


def _head(location: Any) -> bytes:
    """The first bytes; those of HDF5 behind a user block in their place."""
    if isinstance(location, str):
        with open(location, "rb") as file:  # noqa: PTH123 - a path or a file object
            return _head(file)
    location.seek(0)
    head: bytes = location.read(_HEAD_BYTES)
    if head.startswith(_HDF5_SIGNATURE):
        return head
    size, at = location.seek(0, 2), 512
    while at < size:
        location.seek(at)
        if location.read(8) == _HDF5_SIGNATURE:
            return _HDF5_SIGNATURE
        at *= 2
    location.seek(0)
    return head.replace(_HDF5_SIGNATURE, b"")
