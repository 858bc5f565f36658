"""Make a virtual side of whatever holds references: datasets, trees, groups, stores, repositories, Kerchunk, files."""

from __future__ import annotations

import contextlib
import os
import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import xarray as xr
import zarr
import zarr.abc.store

from vzlab.datasets import dataset_to_group, is_virtual, open_group
from vzlab.detection import detect_format
from vzlab.manifests import ChunkGrid, ManifestArray, ManifestGroup
from vzlab.oracles.decoding import decode_variable, open_decoded
from vzlab.storage import ManifestStore, StoreRegistry, normalize_url
from vzlab.testing.virtual_side import VirtualSide, VirtualVariable
from vzlab.writers.stored_references import chunk_manifest

_INTERNAL = frozenset({"_ARRAY_DIMENSIONS"})
_REFERENCES = frozenset({"dmrpp", "kerchunk", "kerchunk-parquet"})
"""Formats that tell of other files."""


def virtual_side(x: Any, registry: StoreRegistry) -> VirtualSide:
    """Anything with references, ready to be compared.

    Raises
    ------
    TypeError
        If it is of no kind that holds references.
    """
    match x:
        case ManifestGroup():
            return _of_group(x, registry, f"virtual group of {sum(1 for _ in x.walk_arrays())} arrays")
        case ManifestStore():
            return _of_group(x.group, x.registry, repr(x))
        case xr.DataTree() | xr.Dataset():
            return _of_xarray(x, registry)
        case zarr.Group():
            return _of_zarr(x, description=f"Zarr group {x.store_path}")
        case zarr.abc.store.Store():
            return _of_store(x)
        case Mapping():
            return _of_kerchunk(dict(x), registry)
        case str() | os.PathLike():
            return _of_location(os.fspath(x), registry)
    if hasattr(x, "readonly_session"):
        return _of_store(x.readonly_session("main").store)
    if hasattr(x, "store"):
        return _of_store(x.store)
    raise TypeError(
        f"Found a {type(x).__name__}; expected a virtual or opened Dataset or DataTree, ManifestGroup, ManifestStore, Zarr "
        "store or group, Icechunk session or repository, Kerchunk references, or the path or url of one of these or of a file"
    )


def _of_location(location: str, registry: StoreRegistry) -> VirtualSide:
    url = normalize_url(location)
    format_key = detect_format(url, registry).key
    if format_key == "icechunk":
        from vzlab.writers import open_icechunk

        repository = open_icechunk(url, storage_options=registry.storage_options)
        return _of_store(repository.readonly_session("main").store, f"Icechunk repository {location}")
    made_of = "Kerchunk references" if format_key.startswith("kerchunk") else "references made of"
    side = _of_group(open_group(url, registry=registry), registry, f"{made_of} {location}")
    if format_key not in _REFERENCES:
        side.location = url
    return side


def _of_kerchunk(references: dict[str, Any], registry: StoreRegistry) -> VirtualSide:
    side = _of_group(open_group(references, registry=registry), registry, "Kerchunk references")
    keys = references.get("refs", references)
    n_keys = Counter(path for key in keys for path, _, name in [key.rpartition("/")] if name[:1].isdigit())
    for path, variable in side.variables.items():
        assert variable.manifest is not None
        n_inside = variable.manifest.n_chunks - variable.manifest.n_missing
        # Keys such as "v/0/1" are counted under "v/0": of those, none seems to be outside.
        side.variables[path] = replace(variable, n_outside=max(n_keys[path] - n_inside, 0))
    return side


# -- our own manifests ------------------------------------------------------------------------------------------------


def _of_group(group: ManifestGroup, registry: StoreRegistry, description: str) -> VirtualSide:
    store = ManifestStore(group, registry)
    variables, unusable = {}, {}
    for path, array in group.walk_arrays():
        try:
            variables[path] = _of_manifest_array(path, array, zarr.open_array(store, path=path, mode="r"))
        except Exception as error:  # noqa: BLE001 - an array that zarr cannot open is reported by name
            unusable[path] = f"zarr cannot open it: {error}"
    return VirtualSide(
        description=description,
        variables=_with_coordinates(variables),
        group_attributes={path: dict(part.attributes) for path, part in group.walk()},
        open_group=_opener(store),
        left_out={
            f"{path}/{name}" if path else name: variable.reason
            for path, part in group.walk()
            for name, variable in part.unreadable.items()
        },
        unusable=unusable,
        urls=tuple(dict.fromkeys(source.url for source in group.sources)),
    )


def _of_manifest_array(path: str, array: ManifestArray, opened: Any) -> VirtualVariable:
    names = array.metadata.dimension_names or (None,) * array.ndim
    return VirtualVariable(
        path=path,
        dims=tuple(name or f"phony_dim_{axis}" for axis, name in enumerate(names)),
        shape=array.shape,
        dtype=array.dtype,
        attributes=array.metadata.attributes,
        grid=array.metadata.chunk_grid,
        array=opened,
        manifest=array.manifest,
        codecs=array.metadata.codecs,
    )


def _opener(store: Any) -> Any:
    def open_with_xarray(folder: str) -> xr.Dataset:
        return open_decoded(store, group=folder, engine="zarr", consolidated=False, chunks=None)

    return open_with_xarray


# -- xarray -----------------------------------------------------------------------------------------------------------


def _of_xarray(x: xr.Dataset | xr.DataTree, registry: StoreRegistry) -> VirtualSide:
    nodes = dict(_nodes(x))
    side = _of_group(dataset_to_group(x), registry, "")
    variables = dict(side.variables)
    for folder, dataset in nodes.items():
        for name, variable in dataset.variables.items():
            path = f"{folder}/{name}" if folder else str(name)
            if path in side.unusable:
                continue
            if not is_virtual(variable):
                variables[path] = _of_opened(path, variable)
            elif name in dataset.coords:
                variables[path] = _as_coordinate(variables[path])
    virtual = sum(variable.manifest is not None for variable in variables.values())
    kind = "tree" if isinstance(x, xr.DataTree) else "dataset"
    side.description = f"{'virtual' if virtual else 'opened'} {kind} of {len(variables)} variables"
    side.variables = _with_coordinates(variables)
    side.group_attributes = {folder: dict(dataset.attrs) for folder, dataset in nodes.items()}
    urls = {url for variable in variables.values() if variable.manifest for url in variable.manifest.urls}
    stores = {id(v.array.store): v.array.store for v in variables.values() if v.array is not None}
    for store in stores.values():
        urls.update(_store_urls(store) or ())
    side.urls = tuple(sorted(urls)) or None
    return side


def _nodes(x: xr.Dataset | xr.DataTree) -> Iterator[tuple[str, xr.Dataset]]:
    if isinstance(x, xr.Dataset):
        yield "", x
        return
    base = x.path.rstrip("/")
    for node in x.subtree:
        yield node.path.removeprefix(base).strip("/"), node.to_dataset(inherit=False)


def _of_opened(path: str, variable: xr.Variable) -> VirtualVariable:
    """A variable that is in memory, or lazy over a Zarr array."""
    array = _zarr_array_under(variable)
    manifest, n_outside = None, 0
    store = None if array is None else array.store
    if isinstance(store, ManifestStore):
        found = store.group[array.path]
        manifest = found.manifest if isinstance(found, ManifestArray) else None
    elif array is not None:
        manifest, n_outside = chunk_manifest(store, array.path, _grid(array).grid_shape)
    return VirtualVariable(
        path=path,
        dims=tuple(map(str, variable.dims)),
        shape=tuple(variable.shape),
        dtype=variable.dtype if array is None else array.dtype,
        attributes={**variable.attrs, **({} if array is None else _zarr_attributes(array))},
        grid=_in_memory(variable) if array is None else _grid(array),
        array=array,
        decoded=decode_variable(posixpath.basename(path), variable),
        manifest=manifest,
        n_outside=n_outside,
        codecs=_codecs(array) if array is not None else None,
    )


def _zarr_array_under(variable: xr.Variable) -> Any:
    """The Zarr array that a lazy variable reads whole; None if there is none, or if it was indexed."""
    layer: Any = variable._data  # what xarray wraps is in no public place
    for _ in range(12):
        inner = getattr(layer, "_array", None)
        if isinstance(inner, zarr.Array):
            same = tuple(inner.shape) == tuple(variable.shape) and _dims(inner) == tuple(variable.dims)
            return inner if same else None
        layer = getattr(layer, "array", None)
        if layer is None:
            return None
    return None


# -- Zarr stores of others --------------------------------------------------------------------------------------------


def _of_store(store: Any, description: str = "") -> VirtualSide:
    side = _of_zarr(zarr.open_group(store, mode="r"), description=description or f"Zarr store {store}")
    side.urls = _store_urls(store)
    return side


def _store_urls(store: Any) -> tuple[str, ...] | None:
    """Files that the references of a store point to, where it says so."""
    if isinstance(store, ManifestStore):
        return tuple(dict.fromkeys(source.url for source in store.group.sources))
    session: Any = getattr(store, "session", None)
    if hasattr(session, "all_virtual_chunk_locations"):
        return tuple(sorted(map(normalize_url, set(session.all_virtual_chunk_locations()))))
    return None


def _of_zarr(group: Any, *, description: str) -> VirtualSide:
    variables, groups, unusable = {}, {"": dict(group.attrs)}, {}
    # Stores list in no order that lasts: sorted, a report is the same from every run.
    for path, node in sorted(group.members(max_depth=None), key=lambda member: member[0]):
        if isinstance(node, zarr.Group):
            groups[path] = dict(node.attrs)
            continue
        try:
            manifest, n_outside = chunk_manifest(group.store, node.path, _grid(node).grid_shape)
            variables[path] = VirtualVariable(
                path=path,
                dims=_dims(node),
                shape=tuple(node.shape),
                dtype=node.dtype,
                attributes=_zarr_attributes(node),
                grid=_grid(node),
                array=node,
                manifest=manifest,
                n_outside=n_outside,
                codecs=_codecs(node),
                implied_fill=node.fill_value if node.metadata.zarr_format == 2 else None,
            )
        except (ValueError, TypeError, KeyError) as error:
            unusable[path] = str(error)
    base = group.path

    def open_with_xarray(folder: str) -> xr.Dataset:
        inner = "/".join(filter(None, [base, folder]))
        return open_decoded(group.store, group=inner, engine="zarr", consolidated=False, chunks=None)

    return VirtualSide(
        description=description,
        variables=_with_coordinates(variables),
        group_attributes=groups,
        open_group=open_with_xarray,
        unusable=unusable,
    )


def _dims(array: Any) -> tuple[str, ...]:
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    names = names or (None,) * array.ndim
    return tuple(name or f"phony_dim_{axis}" for axis, name in enumerate(names))


def _zarr_attributes(array: Any) -> dict[str, Any]:
    """Attributes with ``_FillValue`` out of the form that xarray's Zarr v3 backend gives it."""
    attributes = {name: value for name, value in dict(array.attrs).items() if name not in _INTERNAL}
    if array.metadata.zarr_format == 3 and "_FillValue" in attributes:
        from xarray.backends.zarr import FillValueCoder

        with contextlib.suppress(ValueError, TypeError):
            attributes["_FillValue"] = FillValueCoder.decode(attributes["_FillValue"], array.dtype)
    return attributes


def _codecs(array: Any) -> tuple[Mapping[str, Any], ...] | None:
    if array.metadata.zarr_format != 3:
        return None
    return tuple(codec.to_dict() for codec in array.metadata.codecs)


def _grid(array: Any) -> ChunkGrid:
    if array.metadata.zarr_format == 3:
        return ChunkGrid.from_zarr(array.shape, array.metadata.to_dict()["chunk_grid"])
    return ChunkGrid(shape=tuple(array.shape), chunks=tuple(max(int(n), 1) for n in array.chunks))


def _in_memory(variable: xr.Variable) -> ChunkGrid:
    """One chunk, or those that dask computes one by one."""
    shape = tuple(variable.shape)
    if variable.chunks is None:
        return ChunkGrid(shape=shape, chunks=tuple(max(n, 1) for n in shape))
    lengths = (tuple(n for n in axis if n) for axis in variable.chunks)
    return ChunkGrid(shape=shape, chunks=tuple(axis or 1 for axis in lengths))


def _with_coordinates(variables: Mapping[str, VirtualVariable]) -> dict[str, VirtualVariable]:
    """Variables with those marked that index a dimension or that a CF ``coordinates`` or ``bounds`` names."""
    named: set[str] = set()
    for path, variable in variables.items():
        folder = posixpath.dirname(path)
        for key in ("coordinates", "bounds"):
            text = variable.attributes.get(key)
            if isinstance(text, str):
                named.update(posixpath.join(folder, name) for name in text.split())
    return {
        path: _as_coordinate(variable)
        if path in named or variable.dims == (posixpath.basename(path),)
        else variable
        for path, variable in variables.items()
    }


def _as_coordinate(variable: VirtualVariable) -> VirtualVariable:
    return replace(variable, is_coordinate=True)
