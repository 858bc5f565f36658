"""The h5py library, or the news of which extra brings it."""

from __future__ import annotations

from vzlab.errors import MissingDependencyError

try:
    import h5py
except ImportError as error:
    raise MissingDependencyError("h5py", extra="hdf5", purpose="Parsing HDF5 and netCDF4") from error

__all__ = ["h5py"]
