"""Find the one virtual array that a caller means, in a file, a tree, a store, or an xarray object."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vzlab.cf import meaning_of
from vzlab.errors import VirtualArrayError
from vzlab.manifests import ManifestArray, ManifestGroup
from vzlab.storage import StoreRegistry, as_registry, is_manifest_store, normalize_url


@dataclass(frozen=True, kw_only=True)
class ResolvedArray:
    """A virtual array with what its numbers mean, and what opens its files."""

    path: str
    """Inside its file or tree."""
    array: ManifestArray
    attributes: Mapping[str, Any]
    """As the file has them."""
    dims: tuple[str | None, ...]
    registry: StoreRegistry
    url: str | None = None
    """Of the file that was named, if one was."""


def resolve_array(
    x: Any,
    variable: str | None,
    *,
    group: str | None = None,
    registry: Any = None,
    storage_options: Mapping[str, Any] | None = None,
) -> ResolvedArray:
    """Find a virtual array.

    Parameters
    ----------
    x
        A path or url of a file, a ManifestGroup, ManifestStore or ManifestArray, a zarr group or array over a
        ManifestStore, or a virtual Dataset, DataTree, DataArray or Variable.
    variable : str or None
        Its name, or path inside the tree; None where `x` is one array.
    group : str, optional
        Path of the group that `variable` is in.
    registry, storage_options : optional
        As `vzlab.open_virtual_dataset` takes them. A store brings its own registry.

    Raises
    ------
    KeyError
        If there is no such variable.
    VirtualArrayError
        If the variable is not virtual, or cannot be.
    TypeError
        If `x` is something else.
    """
    path = "/".join(part.strip("/") for part in (group, variable) if part and part.strip("/"))
    if isinstance(x, str | os.PathLike):
        from vzlab.datasets import open_group

        stores = as_registry(registry, storage_options)
        return _in_group(open_group(x, registry=stores), path, stores, url=normalize_url(x))
    if is_manifest_store(x):
        return _in_group(x.group, path, as_registry(registry or x.registry, storage_options))
    stores = as_registry(registry, storage_options)
    if isinstance(x, ManifestGroup):
        return _in_group(x, path, stores)
    if isinstance(x, ManifestArray):
        return _of_array(x, path or "array", stores)
    zarr = sys.modules.get("zarr")
    if zarr is not None and isinstance(x, zarr.Group | zarr.Array) and is_manifest_store(x.store):
        inner = "/".join(filter(None, (x.path, path if isinstance(x, zarr.Group) else "")))
        return _in_group(x.store.group, inner, as_registry(registry or x.store.registry, storage_options))
    found = _in_xarray(x, path)
    if found is None:
        raise TypeError(
            f"Found {type(x).__module__}.{type(x).__qualname__}; expected a path or url of a file, a virtual array, group "
            "or store, or a virtual xarray object"
        )
    return _of_variable(*found, stores)


def _in_group(
    group: ManifestGroup, path: str, stores: StoreRegistry, url: str | None = None
) -> ResolvedArray:
    if not path:
        raise KeyError(f"No variable was named; here are {_known(group)}")
    above, _, name = path.rpartition("/")
    parent = group[above] if above else group
    if isinstance(parent, ManifestGroup) and name in parent.unreadable:
        raise VirtualArrayError(f"{path!r} is not virtual: {parent.unreadable[name].reason}")
    found = group[path]
    if not isinstance(found, ManifestArray):
        raise KeyError(f"{path!r} is a group; expected one of its arrays: {_known(found)}")
    return _of_array(found, path, stores, url=url)


def _known(group: ManifestGroup) -> str:
    return ", ".join([path for path, _ in group.walk_arrays()][:20]) or "none"


def _of_array(
    array: ManifestArray, path: str, stores: StoreRegistry, url: str | None = None
) -> ResolvedArray:
    return ResolvedArray(
        path=path,
        array=array,
        attributes=array.metadata.attributes,
        dims=array.metadata.dimension_names or (None,) * array.ndim,
        registry=stores,
        url=url,
    )


def _in_xarray(x: Any, path: str) -> tuple[str, Any] | None:
    """The name and the variable that is meant; None if it is no xarray object."""
    xarray = sys.modules.get("xarray")
    if xarray is None:
        return None
    if isinstance(x, xarray.Variable):
        return path or "variable", x
    if isinstance(x, xarray.DataArray):
        return path or str(x.name or "array"), x.variable
    above, _, name = path.rpartition("/")
    if isinstance(x, xarray.DataTree):
        x = x[above].to_dataset() if above else x.to_dataset()
    elif not isinstance(x, xarray.Dataset):
        return None
    elif above:
        raise KeyError(f"{path!r}: a Dataset has no groups; open a tree, or name the variable alone")
    if name not in x.variables:
        known = ", ".join(list(map(str, x.variables))[:20]) or "none"
        raise KeyError(f"No variable {name!r}; variables here: {known}")
    return path, x.variables[name]


def _of_variable(path: str, variable: Any, stores: StoreRegistry) -> ResolvedArray:
    if not isinstance(variable._data, ManifestArray):
        raise VirtualArrayError(
            f"{path!r} is not virtual: its values were loaded, and nothing says where they came from. Give the file itself, "
            f"or open it with loadable_variables=[]"
        )
    return ResolvedArray(
        path=path,
        array=variable._data,
        attributes={
            **variable._data.metadata.attributes,
            **meaning_of(variable.encoding),
            **{str(name): value for name, value in variable.attrs.items() if value is not None},
        },
        dims=tuple(map(str, variable.dims)),
        registry=stores,
    )
