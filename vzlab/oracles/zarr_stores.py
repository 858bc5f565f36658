"""Zarr stores as zarr reads them: in folders and buckets, in ZIP archives, behind Kerchunk references, in Icechunk."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
import zarr.errors
import zarr.storage

from vzlab.oracles.base import NativeVariable, NoOracleError, Readable, ReadFile, Region, Unclear
from vzlab.oracles.decoding import open_decoded, read_region

_INTERNAL = frozenset({"_ARRAY_DIMENSIONS"})


def open_folder(location: Any) -> ReadFile:
    """A Zarr store at a path, or at an object store and a key.

    Parameters
    ----------
    location : str or (obstore store, str)
    """
    if isinstance(location, str):
        store = zarr.storage.LocalStore(location, read_only=True)
        return _opened(store, "zarr", Path(location).name, location=location)
    store, key = location
    return _opened(
        zarr.storage.ObjectStore(store, read_only=True), "zarr over obstore", posixpath.basename(key), key
    )


def open_zip(location: Any) -> ReadFile:
    """The Zarr store in a ZIP archive, at its root or in its only folder."""
    store = zarr.storage.ZipStore(_local(location), mode="r")
    store._sync_open()
    names = store._zf.namelist()
    tops = {name.partition("/")[0] for name in names}
    at_root = tops & {"zarr.json", ".zgroup", ".zarray", ".zmetadata"}
    if not at_root and len(tops) != 1:
        raise NoOracleError(f"zarr reads an archive with one store; here are {', '.join(sorted(tops)[:5])}")
    folder = "" if at_root else tops.pop()
    if not at_root and not {f"{folder}/{mark}" for mark in ("zarr.json", ".zgroup", ".zarray")} & set(names):
        raise NoOracleError(f"{folder!r} in the archive is no Zarr store, so zarr does not read it")
    return _opened(
        store, "zarr, ZipStore", folder or Path(_local(location)).name.removesuffix(".zip"), folder
    )


def open_references(location: Any) -> ReadFile:
    """What Kerchunk references stand for, through fsspec's reference filesystem."""
    import fsspec
    from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
    from fsspec.implementations.reference import ReferenceFileSystem

    system: Any = ReferenceFileSystem(_local(location), remote_protocol="file", skip_instance_cache=True)
    store = zarr.storage.FsspecStore(AsyncFileSystemWrapper(system, asynchronous=True), read_only=True)
    return _opened(store, f"fsspec {fsspec.__version__} with zarr", "")


def open_icechunk(location: Any) -> ReadFile:
    """The main branch of an Icechunk repository."""
    import icechunk

    storage = icechunk.local_filesystem_storage(_local(location))
    config = icechunk.Repository.fetch_config(storage)
    containers = (config.virtual_chunk_containers or {}) if config is not None else {}
    allowed: dict[str, Any] = {prefix: None for prefix in containers if prefix.partition("://")[2]}
    repository = icechunk.Repository.open(storage, authorize_virtual_chunk_access=allowed)
    store = repository.readonly_session("main").store
    return _opened(store, f"icechunk {icechunk.__version__} with zarr", "")


def _local(location: Any) -> str:
    if not isinstance(location, str):
        raise NoOracleError("its library reads local files only: copy it here")
    return location


def _opened(store: Any, reader: str, name: str, path: str = "", *, location: str = "") -> ReadFile:
    """A group with all that is in it; a store that is one array has its name."""
    try:
        node = zarr.open(store, path=path, mode="r")
    except (zarr.errors.GroupNotFoundError, zarr.errors.NodeNotFoundError, ValueError, KeyError) as error:
        raise OSError(f"zarr opens nothing there: {error}") from error
    arrays: list[tuple[str, Any]] = []
    attributes: dict[str, Mapping[str, Any]] = {}
    if isinstance(node, zarr.Array):
        arrays.append((name.removesuffix(".zarr") or "data", node))
    else:
        attributes[""] = dict(node.attrs)
        for inner, member in node.members(max_depth=None):
            if isinstance(member, zarr.Group):
                attributes[inner] = dict(member.attrs)
            else:
                arrays.append((inner, member))
    groups = _Groups(store, path)
    return ReadFile(
        f"{reader} {zarr.__version__}",
        list(_readables(arrays, groups, location)),
        group_attributes=attributes,
        silence="zarr lists no arrays that it cannot open",
        close=store.close,
    )


class _Groups:
    """Groups of a store as xarray decodes them, each opened once."""

    def __init__(self, store: Any, base: str) -> None:
        self._store = store
        self._base = base
        self._opened: dict[str, xr.Dataset] = {}

    def read(self, path: str, region: Region) -> Any:
        folder, name = posixpath.split(path)
        if folder not in self._opened:
            inner = "/".join(filter(None, [self._base, folder]))
            self._opened[folder] = open_decoded(
                self._store, group=inner, engine="zarr", consolidated=False, chunks=None
            )
        return read_region(self._opened[folder].variables[name], region)


def _readables(arrays: list[tuple[str, Any]], groups: _Groups, location: str) -> Iterator[Readable]:
    for path, array in arrays:
        yield Readable(
            described=NativeVariable(
                path=path,
                dims=_dims(array),
                shape=tuple(array.shape),
                dtype=np.dtype(array.dtype),
                attributes=_attributes(array),
                codecs=_codecs(array),
                identity=path,
            ),
            read=array.__getitem__,
            decode=partial(groups.read, path),
            shown=location and f"zarr.open_array({location!r}, path={array.path!r}, mode='r')",
        )


def _dims(array: Any) -> tuple[str | None, ...]:
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    return tuple(names) if names and len(names) == array.ndim else (None,) * array.ndim


def _attributes(array: Any) -> dict[str, Any]:
    """Attributes as xarray's Zarr backend takes them: of version 2 the fill value is ``_FillValue``."""
    attributes = {name: value for name, value in dict(array.attrs).items() if name not in _INTERNAL}
    if array.metadata.zarr_format == 2 and array.metadata.fill_value is not None:
        # Of numbers; text and records have a fill value, and xarray takes none of these for missing.
        is_number = np.dtype(array.dtype).kind in "biufcmM"
        attributes["_FillValue"] = array.metadata.fill_value if is_number else Unclear.VALUE
    elif "_FillValue" in attributes:
        from xarray.backends.zarr import FillValueCoder

        try:
            attributes["_FillValue"] = FillValueCoder.decode(attributes["_FillValue"], array.dtype)
        except (ValueError, TypeError):
            return attributes
    return attributes


def _codecs(array: Any) -> str:
    named = [*array.filters, *array.compressors]
    return ", ".join(str(getattr(codec, "codec_id", type(codec).__name__)) for codec in named) or "none"
