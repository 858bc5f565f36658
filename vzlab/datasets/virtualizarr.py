"""VirtualiZarr's virtual datasets and trees as ours, and ours as theirs: arrays are exchanged, all else stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import xarray as xr

from vzlab.cf import from_zarr_attributes
from vzlab.datasets.assemble import is_virtual, references_of, virtual_variable
from vzlab.interop.virtualizarr import from_virtualizarr, is_virtualizarr, to_virtualizarr
from vzlab.manifests import ManifestArray


def dataset_from_virtualizarr[T: (xr.Dataset, xr.DataTree)](virtual: T) -> T:
    """A virtual dataset or tree of VirtualiZarr's with our arrays; what is loaded stays as it is.

    Parameters
    ----------
    virtual : xarray.Dataset or xarray.DataTree
        As ``virtualizarr.open_virtual_dataset`` gives it.

    Returns
    -------
    Of the same kind, for all that vzlab does with virtual datasets: combine, check, write, verify, compare.
    """
    return _exchanged(virtual, _ours)


def dataset_to_virtualizarr[T: (xr.Dataset, xr.DataTree)](virtual: T) -> T:
    """A virtual dataset or tree of ours with VirtualiZarr's arrays; what is loaded stays as it is.

    Raises
    ------
    ModuleNotFoundError
        If VirtualiZarr is not installed.
    """
    return _exchanged(virtual, _theirs)


def _ours(variable: xr.Variable) -> xr.Variable:
    if not is_virtualizarr(variable._data):
        return variable
    array = from_virtualizarr(variable._data)
    assert isinstance(array, ManifestArray)
    attributes = from_zarr_attributes({**array.metadata.attributes, **variable.attrs}, array.dtype)
    names = tuple(map(str, variable.dims))
    metadata = replace(array.metadata, attributes=attributes, dimension_names=names)
    made = virtual_variable(replace(array, metadata=metadata))
    made.encoding = dict(variable.encoding)
    return made


def _theirs(variable: xr.Variable) -> xr.Variable:
    if not is_virtual(variable):
        return variable
    array = references_of(variable)
    names = tuple(map(str, variable.dims))
    metadata = replace(array.metadata, attributes=dict(variable.attrs), dimension_names=names)
    exchanged = to_virtualizarr(replace(array, metadata=metadata))
    attributes = dict(exchanged.metadata.attributes)
    return xr.Variable(variable.dims, exchanged, attributes, dict(variable.encoding))


def _exchanged[T: (xr.Dataset, xr.DataTree)](virtual: T, change: Callable[[xr.Variable], xr.Variable]) -> T:
    if isinstance(virtual, xr.DataTree):
        nodes: dict[str, Any] = {
            node.path: _exchanged(node.to_dataset(inherit=False), change) for node in virtual.subtree
        }
        return xr.DataTree.from_dict(nodes)
    changed = {name: change(variable) for name, variable in virtual.variables.items()}
    coordinates = xr.Coordinates(
        {name: changed[name] for name in virtual.coords}, indexes=dict(virtual.xindexes)
    )
    made = xr.Dataset(
        {name: changed[name] for name in virtual.data_vars}, coords=coordinates, attrs=dict(virtual.attrs)
    )
    made.encoding = dict(virtual.encoding)
    return made
