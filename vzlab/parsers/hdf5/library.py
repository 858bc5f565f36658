"""The h5py library, or the news of which extra brings it."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

from vzlab.errors import MissingDependencyError

try:
    import h5py
except ImportError as error:
    raise MissingDependencyError("h5py", extra="hdf5", purpose="Parsing HDF5 and netCDF4") from error

__all__ = ["h5py", "register_plugins"]


@cache
def register_plugins() -> None:
    """Let the HDF5 library have the filters of hdf5plugin, where that is installed."""
    if find_spec("hdf5plugin") is not None:
        import hdf5plugin  # noqa: F401
