"""Which independent reader suits a file: by its first bytes, and by what is installed."""

from __future__ import annotations

import importlib.util
from typing import Any, BinaryIO

from vzlab.storage import StoreRegistry, local_path
from vzlab.testing.oracles.base import NativeFile, NoOracleError

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"  # HDF5 spec II.A: at 0, 512, 1024, 2048, ... of a file
_SIGNATURES = {
    b"CDF\x01": "netCDF4",
    b"CDF\x02": "netCDF4",
    b"CDF\x05": "netCDF4",
    b"GRIB": "eccodes",
    b"II*\0": "tifffile",
    b"MM\0*": "tifffile",
    b"II+\0": "tifffile",
    b"MM\0+": "tifffile",
    b"SIMPLE  ": "astropy",
}


def open_native(url: str, registry: StoreRegistry) -> NativeFile:
    """Open a native file with an independent reader.

    Raises
    ------
    NoOracleError
        If there is none for its format, or the library is not installed.
    OSError
        If the file cannot be opened.
    """
    location = _location(url, registry)
    wanted = _library_for(location)
    if wanted == "h5py" and _installed("h5py"):
        from vzlab.testing.oracles.hdf5 import Hdf5File

        return Hdf5File(location)
    if wanted in {"h5py", "netCDF4"} and _installed("netCDF4"):
        from vzlab.testing.oracles.netcdf import NetcdfFile

        return NetcdfFile(location)
    if wanted in {"h5py", "netCDF4"}:
        raise NoOracleError(
            f"{url} is read independently by {wanted}, which is not installed: pip install {wanted}"
        )
    if wanted:
        raise NoOracleError(
            f"{url} is of a format that {wanted} reads, which is not among the independent readers here"
        )
    raise NoOracleError(f"{url} is of no format that an independent reader is known for")


def _location(url: str, registry: StoreRegistry) -> Any:
    """A path, or a seekable file object that obstore makes."""
    path = local_path(url)
    if path is not None:
        return path
    import obstore

    store, key = registry.resolve(url)
    return _ObjectFile(obstore.open_reader(store, key))


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


def _library_for(location: Any) -> str:
    if isinstance(location, str):
        with open(location, "rb") as file:  # noqa: PTH123 - a path or a file object
            return _detect(file)
    return _detect(location)


def _detect(file: BinaryIO | Any) -> str:
    file.seek(0)
    head = file.read(8)
    if head == _HDF5_SIGNATURE:
        return "h5py"
    for mark, library in _SIGNATURES.items():
        if head.startswith(mark):
            return library
    size, at = file.seek(0, 2), 512
    while at < size:
        file.seek(at)
        if file.read(8) == _HDF5_SIGNATURE:
            return "h5py"
        at *= 2
    return ""


def _installed(library: str) -> bool:
    return importlib.util.find_spec(library) is not None
