"""Which chunks of zarr's own arrays are there, and how long: where that costs no more than a listing on this machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import LocalStore, MemoryStore, ObjectStore, ZipStore

from vzlab.errors import UnvirtualizableError, VzlabError
from vzlab.manifests import ChunkManifest, SourceFile
from vzlab.parsers.zarr.arrays import make_array, place_of, read_metadata
from vzlab.parsers.zarr.keys import ArrayPlace, DirectoryKeys, Keys, StoredObjects
from vzlab.parsers.zarr.nodes import Node
from vzlab.parsers.zarr_documents import read_json
from vzlab.parsers.zip.directory import read_directory
from vzlab.parsers.zip.keys import ZipKeys
from vzlab.storage import StoreRegistry, normalize_url

_NAME = "memory://store"


def manifests_of(arrays: Sequence[Any]) -> Mapping[str, ChunkManifest]:
    """Where the chunks of zarr arrays of one store lie, by the arrays' paths in it.

    Empty where the store is remote or of a kind that is not known; an array whose metadata nobody here understands is
    left out.

    Parameters
    ----------
    arrays : sequence of zarr.Array
    """
    keys = _keys_of(arrays[0].store) if arrays else None
    if keys is None:
        return {}
    known = []
    for array in arrays:
        try:
            metadata, names = read_metadata(_node(array))
        except Exception:  # zarr may read what has no counterpart here: it is told without  # noqa: BLE001, S112
            continue
        known.append((array.path, metadata, place_of(array.path, metadata, names)))
    manifests = {}
    try:
        found = keys.objects([place for _, _, place in known])
    except VzlabError:
        return {}
    for (path, metadata, place), objects in zip(known, found, strict=True):
        try:
            if isinstance(objects, StoredObjects):
                manifests[path] = make_array(place, metadata, objects).manifest
        except VzlabError:
            continue
    return manifests


def _node(array: Any) -> Node:
    documents = {
        name: read_json(buffer.to_bytes(), name)
        for name, buffer in array.metadata.to_buffer_dict(default_buffer_prototype()).items()
    }
    version = array.metadata.zarr_format
    return Node(
        kind="array",
        zarr_format=version,
        document=documents["zarr.json" if version == 3 else ".zarray"],
        attributes=dict(array.attrs),
    )


def _keys_of(store: Any) -> Keys | None:
    """The keys of a store on this machine; None for any other."""
    if isinstance(store, LocalStore):
        return DirectoryKeys(normalize_url(store.root), StoreRegistry(), max_probes=0)
    if isinstance(store, MemoryStore):
        return _MappingKeys(store._store_dict)
    if isinstance(store, ZipStore) and store.path is not None:
        try:
            return ZipKeys(read_directory(StoreRegistry().open(store.path)), "")
        except VzlabError:  # still being written: its directory comes last
            return None
    if isinstance(store, ObjectStore):
        from obstore.store import LocalStore as Directory
        from obstore.store import MemoryStore as Memory

        if isinstance(store.store, Directory) and store.store.prefix is not None:
            return DirectoryKeys(normalize_url(store.store.prefix), StoreRegistry(), max_probes=0)
        if isinstance(store.store, Memory):
            return DirectoryKeys(_NAME, StoreRegistry({_NAME: store.store}), max_probes=0)
    return None


class _MappingKeys(Keys):
    """The keys of a dictionary of buffers."""

    url = _NAME

    def __init__(self, buffers: Mapping[str, Any]) -> None:
        self._buffers = buffers

    def read(self, keys: Sequence[str]) -> list[bytes | None]:
        return [buffer.to_bytes() if (buffer := self._buffers.get(key)) is not None else None for key in keys]

    def list_dirs(self, paths: Sequence[str]) -> list[list[str]]:
        return [
            sorted({name.partition("/")[0] for name in self._below(path) if "/" in name}) for path in paths
        ]

    def objects(self, places: Sequence[ArrayPlace]) -> list[StoredObjects | UnvirtualizableError]:
        return [self._objects_of(place) for place in places]

    def _objects_of(self, place: ArrayPlace) -> StoredObjects:
        prefix = f"{place.path}/" if place.path else ""
        names = list(self._below(place.path))
        lengths = np.fromiter((len(self._buffers[prefix + name]) for name in names), np.uint64, len(names))

        def sources(rows: npt.NDArray[np.intp]) -> list[SourceFile]:
            return [
                SourceFile(url=f"{_NAME}/{quote(prefix + names[i])}", size_bytes=int(lengths[i]))
                for i in rows.tolist()
            ]

        return StoredObjects(names=names, offsets=np.zeros_like(lengths), lengths=lengths, sources=sources)

    def _below(self, path: str) -> Iterable[str]:
        prefix = f"{path}/" if path else ""
        return (key[len(prefix) :] for key in self._buffers if key.startswith(prefix))
