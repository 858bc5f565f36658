"""A read-only Zarr store over a tree of virtual arrays."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from functools import cached_property
from operator import lt
from typing import Any

import numpy as np
import zarr
from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype

from vzlab.cf import to_zarr_attributes
from vzlab.display import Inspected
from vzlab.errors import VzlabError, WriteError
from vzlab.manifests import ChunkManifest, ManifestArray, ManifestGroup
from vzlab.manifests.manifest import INLINE, MISSING
from vzlab.manifests.tabular import Tabular
from vzlab.storage.chunk_reader import ChunkReader, name_failure
from vzlab.storage.registry import as_registry

_METADATA = "zarr.json"


class ManifestStore(Inspected, Tabular, Store):
    """Serve a `ManifestGroup` to any Zarr reader: metadata as ``zarr.json``, chunks from the files they lie in.

    A rectilinear chunk grid needs zarr's flag ``array.rectilinear_chunks``, without which zarr refuses to open even a group
    that holds one: a store that serves such an array sets it, for the whole process.

    Missing chunks are absent keys, which Zarr reads as fill. A chunk that has a reference and cannot be fetched whole
    raises `UnreachableChunkError` or `ShortReadError`, naming variable, chunk, url and byte range: it is never fill.

    Parameters
    ----------
    group : ManifestGroup
    registry : optional
        Anything that `as_registry` takes; None works stores out from urls.

    Notes
    -----
    zarr reads it through `vzlab.storage.pipeline`, which says how to switch that off.

    Examples
    --------
    ``zarr.open_group(ManifestStore(group), mode="r")``, ``xr.open_zarr(ManifestStore(group))``.

    >>> import vzlab as vz
    >>> store = vz.open_manifest_store("archive/sst_2025-01-01.nc")
    >>> len(store.get_sync("sst/c/0/1/1").to_bytes())
    1622
    """

    supports_writes = False
    supports_deletes = False
    supports_listing = True

    def __init__(self, group: ManifestGroup, registry: Any = None) -> None:
        super().__init__(read_only=True)
        self.group = group
        self.registry = as_registry(registry)
        self._arrays = dict(group.walk_arrays())
        self._documents: dict[str, bytes] = {}
        self._readers: dict[str, ChunkReader] = {}
        _read_by_plan()
        if not all(array.chunk_grid.is_regular for array in self._arrays.values()):
            zarr.config.set({"array.rectilinear_chunks": True})

    # -- what it serves ---------------------------------------------------------------------------------------------

    @cached_property
    def _groups(self) -> dict[str, ManifestGroup]:
        return dict(self.group.walk())

    @cached_property
    def _supports_sync_io(self) -> bool:
        """Whether zarr may read without its event loop: worth it for local files, not for remote ones."""
        urls = {source.url for array in self._arrays.values() for source in array.manifest.sources}
        return all(url.startswith("file://") for url in urls)

    def reader(self, path: str) -> ChunkReader:
        """What reads the chunks of the array at a path."""
        found = self._readers.get(path)
        if found is None:
            found = self._readers[path] = ChunkReader(self._arrays[path], self.registry, name=path)
        return found

    def _document(self, key: str) -> bytes | None:
        """The document that a key names, if it names a ``zarr.json`` of an array or group."""
        path, mark, name = key.rpartition("/")
        if name != _METADATA or (mark and not path):
            return None
        document = self._documents.get(path)
        if document is None:
            if path in self._arrays:
                content: dict[str, Any] = array_document(self._arrays[path])
            elif path in self._groups:
                content = group_document(self._groups[path].attributes)
                if path == "":
                    content["consolidated_metadata"] = self._consolidated()
            else:
                return None
            document = self._documents[path] = json.dumps(content, allow_nan=False).encode()
        return document

    def _consolidated(self) -> dict[str, Any]:
        nodes = {path: group_document(group.attributes) for path, group in self._groups.items() if path}
        nodes |= {path: array_document(array) for path, array in self._arrays.items()}
        return {"kind": "inline", "must_understand": False, "metadata": nodes}

    def _chunk(self, key: str) -> tuple[str, tuple[int, ...], ChunkManifest] | None:
        """The array path, grid index and manifest of the chunk that a key names."""
        path, mark, numbers = key.rpartition("/c/")
        array = self._arrays.get(path) if mark else None
        if array is None:
            path = key.removesuffix("/c")
            array = self._arrays.get(path) if path != key else None
            return None if array is None or array.ndim else (path, (), array.manifest)
        try:
            index = tuple(map(int, numbers.split("/")))
        except ValueError:
            return None
        grid = array.manifest.grid_shape
        if len(index) != len(grid) or not all(map(lt, index, grid)) or min(index) < 0:
            return None
        if "/".join(map(str, index)) != numbers:  # int() takes "01", "+1" and " 1" too
            return None
        return path, index, array.manifest

    # -- reading ----------------------------------------------------------------------------------------------------

    def get_sync(
        self, key: str, *, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """The value of a key, without an event loop."""
        buffer = (prototype or default_buffer_prototype()).buffer
        wanted = self._wanted(key, byte_range)
        if wanted is None:
            return None
        if isinstance(wanted, bytes):
            return buffer.from_bytes(wanted)
        url, offset, length = wanted
        try:
            return buffer.from_bytes(self.registry.open(url).read(offset, length, kind="chunk"))
        except (VzlabError, OSError) as error:
            raise self._named(error, key) from error

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """The value of a key."""
        if self._supports_sync_io:
            return self.get_sync(key, prototype=prototype, byte_range=byte_range)
        buffer = (prototype or default_buffer_prototype()).buffer
        wanted = self._wanted(key, byte_range)
        if wanted is None:
            return None
        if isinstance(wanted, bytes):
            return buffer.from_bytes(wanted)
        url, offset, length = wanted
        try:
            return buffer.from_bytes(await self.registry.open(url).read_async(offset, length, kind="chunk"))
        except (VzlabError, OSError) as error:
            raise self._named(error, key) from error

    def _held(self, key: str) -> bytes | tuple[str, int, int] | None:
        """What a key names: bytes that are here, or the url, offset and length of bytes that are not."""
        found = self._chunk(key)
        if found is None:
            return self._document(key)
        _, index, manifest = found
        source = manifest.source_index.item(index)
        if source < INLINE:
            url = manifest.sources[source].url
            return url, manifest.offsets.item(index), manifest.lengths.item(index)
        return manifest.reference(index).data

    def _wanted(self, key: str, byte_range: ByteRequest | None) -> bytes | tuple[str, int, int] | None:
        """The part that is wanted of what `_held` gives."""
        held = self._held(key)
        if held is None or byte_range is None:
            return held
        if isinstance(held, bytes):
            start, stop = _bounds(len(held), byte_range)
            return held[start:stop]
        url, offset, length = held
        start, stop = _bounds(length, byte_range)
        return url, offset + start, stop - start

    def _named(self, error: Exception, key: str) -> Exception:
        found = self._chunk(key)
        assert found is not None
        return name_failure(error, *found)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Several values or parts of values."""
        return await asyncio.gather(*(self.get(key, prototype, part) for key, part in key_ranges))

    async def exists(self, key: str) -> bool:
        """Whether a key has a value; a chunk that was never written has none."""
        return self._held(key) is not None

    async def getsize(self, key: str) -> int:
        """Length of a value in bytes, without fetching it.

        Raises
        ------
        FileNotFoundError
            If the key has no value.
        """
        held = self._held(key)
        if held is None:
            raise FileNotFoundError(key)
        return len(held) if isinstance(held, bytes) else held[2]

    async def getsize_prefix(self, prefix: str) -> int:
        """Length of all values below a path, chunks as they are stored, without going through them."""
        path = prefix.strip("/")
        if path not in self._arrays and path not in self._groups:
            return await super().getsize_prefix(prefix)
        below = [
            name for name in (*self._groups, *self._arrays) if not path or f"{name}/".startswith(f"{path}/")
        ]
        documents = sum([await self.getsize(f"{name}/{_METADATA}" if name else _METADATA) for name in below])
        return documents + sum(
            self._arrays[name].manifest.stored_bytes for name in below if name in self._arrays
        )

    # -- listing ----------------------------------------------------------------------------------------------------

    def _keys(self, prefix: str = "") -> Iterator[str]:
        for path in (*self._groups, *self._arrays):
            key = f"{path}/{_METADATA}" if path else _METADATA
            if key.startswith(prefix):
                yield key
        for path, array in self._arrays.items():
            below = f"{path}/c"
            if below.startswith(prefix) or prefix.startswith(below):
                yield from (key for key in _chunk_keys(path, array) if key.startswith(prefix))

    async def list(self) -> AsyncIterator[str]:
        """Every key."""
        for key in self._keys():
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Every key that begins with a prefix."""
        for key in self._keys(prefix):
            yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Names directly below a path."""
        path = prefix.strip("/")
        if path in self._groups:
            group = self._groups[path]
            for name in (_METADATA, *group.arrays, *group.groups):
                yield name
        elif path in self._arrays:
            yield _METADATA
            if self._arrays[path].manifest.n_chunks > self._arrays[path].manifest.n_missing:
                yield "c"
        else:
            below = f"{path}/"
            for name in dict.fromkeys(key[len(below) :].partition("/")[0] for key in self._keys(below)):
                yield name

    # -- refusing to write ------------------------------------------------------------------------------------------

    async def set(self, key: str, value: Buffer) -> None:
        """Refuse."""
        self.set_sync(key, value)

    def set_sync(self, key: str, value: Buffer) -> None:
        """Refuse."""
        raise _read_only()

    async def delete(self, key: str) -> None:
        """Refuse."""
        self.delete_sync(key)

    def delete_sync(self, key: str) -> None:
        """Refuse."""
        raise _read_only()

    # -- identity ---------------------------------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ManifestStore) and self.group == other.group

    __hash__ = None  # type: ignore[assignment]

    def _manifests(self) -> Iterator[tuple[str, ChunkManifest]]:
        return ((path, array.manifest) for path, array in self._arrays.items())

    def __repr__(self) -> str:
        return f"<ManifestStore of {len(self._arrays)} array{'s' * (len(self._arrays) != 1)}>"

    def __str__(self) -> str:
        return f"vzlab://{id(self):x}"

    def __getstate__(self) -> dict[str, Any]:
        return {"group": self.group, "registry": self.registry}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["group"], state["registry"])  # type: ignore[misc]

    def __dask_tokenize__(self) -> object:
        return self._token

    @cached_property
    def _token(self) -> str:
        digest = hashlib.blake2b(digest_size=16)
        for path in self._groups:
            digest.update(self._document(f"{path}/{_METADATA}" if path else _METADATA) or b"")
        for path, array in self._arrays.items():
            manifest = array.manifest
            digest.update(path.encode())
            digest.update(repr(manifest.sources).encode())
            for column in (manifest.source_index, manifest.offsets, manifest.lengths):
                digest.update(np.ascontiguousarray(column).data)
            for chunk in manifest.inline:
                digest.update(chunk)
        return digest.hexdigest()


def _read_only() -> WriteError:
    return WriteError(
        "store was opened in read-only mode and does not support writing: it refers to files that belong to somebody else. "
        "Write the virtual dataset with ds.vzlab.to_icechunk, which takes changes beside the references."
    )


def array_document(array: ManifestArray) -> dict[str, Any]:
    """The ``zarr.json`` of a virtual array, with attributes as strict JSON."""
    document = array.metadata.to_dict()
    document["attributes"] = to_zarr_attributes(array.metadata.attributes, array.dtype)
    return document


def group_document(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The ``zarr.json`` of a group, with attributes as strict JSON."""
    strict = to_zarr_attributes(attributes, np.dtype(object))
    return {"zarr_format": 3, "node_type": "group", "attributes": strict}


def _read_by_plan() -> None:
    # The pipeline imports this module.
    from vzlab.storage.pipeline import use_read_pipeline

    use_read_pipeline()


def _chunk_keys(path: str, array: ManifestArray) -> Iterator[str]:
    prefix = f"{path}/c"
    for index in np.argwhere(array.manifest.source_index != np.uint32(MISSING)).tolist():
        yield "/".join([prefix, *map(str, index)])


def _bounds(length: int, byte_range: ByteRequest) -> tuple[int, int]:
    """Where a part of a value of so many bytes begins and ends."""
    match byte_range:
        case RangeByteRequest(start, end):
            return min(start, length), min(max(start, end), length)
        case OffsetByteRequest(offset):
            return min(offset, length), length
        case SuffixByteRequest(suffix):
            return max(length - suffix, 0), length
    raise TypeError(f"Unexpected byte_range, got {byte_range!r}; expected one of zarr's byte requests")
