"""netCDF files of any kind as the netCDF C library reads them, decoded as xarray decodes them over it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

import netCDF4
import numpy as np
import numpy.typing as npt
import xarray as xr

from vzlab.oracles.base import NativeFile, NativeVariable, NoOracleError, Region, Unclear
from vzlab.oracles.decoding import open_decoded, read_region, show_xarray


class NetcdfFile(NativeFile):
    """One file, open with netCDF4, without masking or scaling.

    Parameters
    ----------
    location : str
        A path: the C library opens no file objects.
    """

    def __init__(self, location: Any) -> None:
        if not isinstance(location, str):
            raise NoOracleError(
                "netCDF4 reads local files only: copy the file here, or install h5py if it is a netCDF4 file"
            )
        self._path = location
        self._file = netCDF4.Dataset(location)
        self._file.set_auto_maskandscale(False)
        self._file.set_auto_chartostring(False)
        self._decoded: dict[str, xr.Dataset] = {}
        self._groups: dict[str, Mapping[str, Any]] = {}
        self._variables = dict(self._walk(self._file, ""))

    @property
    def reader(self) -> str:
        """netCDF4 with the version of the C library."""
        return f"netCDF4 {netCDF4.__version__} (netCDF-C {netCDF4.__netcdf4libversion__})"

    @property
    def variables(self) -> Mapping[str, NativeVariable]:
        """Every variable by path."""
        return self._variables

    @property
    def group_attributes(self) -> Mapping[str, Mapping[str, Any]]:
        """Attributes of every group by path."""
        return self._groups

    def _walk(self, group: Any, path: str) -> Iterator[tuple[str, NativeVariable]]:
        self._groups[path] = _attributes(group)
        for name, variable in group.variables.items():
            inner = f"{path}/{name}" if path else name
            dtype = variable.dtype
            yield (
                inner,
                NativeVariable(
                    path=inner,
                    dims=tuple(variable.dimensions),
                    shape=tuple(variable.shape),
                    dtype=dtype.newbyteorder("=")
                    if isinstance(dtype, np.dtype) and not dtype.hasobject
                    else None,
                    attributes=_attributes(variable),
                    codecs=_codecs(variable),
                    identity=inner,
                ),
            )
        for name, inner_group in group.groups.items():
            yield from self._walk(inner_group, f"{path}/{name}" if path else name)

    def read(self, path: str, region: Region) -> npt.NDArray[Any]:
        """Stored values of a region."""
        return np.asarray(self._file[path][region])

    def read_decoded(self, path: str, region: Region) -> npt.NDArray[Any]:
        """Values of a region as xarray decodes them."""
        folder, name = posixpath.split(path)
        if folder not in self._decoded:
            self._decoded[folder] = open_decoded(self._path, group=folder, engine="netcdf4")
        return read_region(self._decoded[folder].variables[name], region)

    def shown(self, path: str, *, decoded: bool) -> str:
        """How xarray reads values over netCDF4, as stored or decoded."""
        return show_xarray(self._path, path, "engine='netcdf4'", *([] if decoded else ["decode_cf=False"]))

    def close(self) -> None:
        """Close the file."""
        for opened in self._decoded.values():
            opened.close()
        self._file.close()


def _attributes(item: Any) -> dict[str, Any]:
    """Attributes; text that is no UTF-8 is unclear, since the library puts signs of its own in its place."""
    values = {name: item.getncattr(name) for name in item.ncattrs()}
    return {
        name: Unclear.VALUE if isinstance(value, str) and "\ufffd" in value else value
        for name, value in values.items()
    }


def _codecs(variable: Any) -> str:
    try:
        filters = variable.filters() or {}
    except RuntimeError:
        return "unknown"
    return ", ".join(name for name, on in filters.items() if on and name != "complevel") or "none"
