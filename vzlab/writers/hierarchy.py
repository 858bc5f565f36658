"""The Zarr nodes of an Icechunk store, read and written without going through arrays."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from vzlab.manifests import ArrayMetadata
from vzlab.writers.chunk_grids import with_uniform_lengths

if TYPE_CHECKING:
    from icechunk import IcechunkStore

_AT_ONCE = 256
_BYTES_AT_ONCE = 2**23
_GROUP = b'{"zarr_format": 3, "node_type": "group", "attributes": {}}'


class Hierarchy:
    """Groups and arrays in a store, by path."""

    def __init__(self, store: IcechunkStore) -> None:
        self.store = store

    def document(self, path: str) -> dict[str, Any] | None:
        """The ``zarr.json`` of a node; None if there is none."""
        data = sync(self.store.get(_metadata_key(path), default_buffer_prototype()))
        return None if data is None else json.loads(data.to_bytes())

    def members(self, path: str) -> tuple[str, ...]:
        """Names of the nodes directly below a group."""

        async def listed() -> list[str]:
            return [name async for name in self.store.list_dir(path)]

        return tuple(sorted(set(sync(listed())) - {"zarr.json"})) if self.document(path) is not None else ()

    def arrays(self, path: str) -> dict[str, ArrayMetadata]:
        """Metadata of the arrays directly in a group."""
        documents = {name: self.document(f"{path}/{name}".lstrip("/")) for name in self.members(path)}
        return {
            name: ArrayMetadata.from_dict(with_uniform_lengths(document))
            for name, document in documents.items()
            if document is not None and document["node_type"] == "array"
        }

    def clear(self, path: str) -> None:
        """Remove a group with all that is in it."""
        for name in self.members(path):
            self.remove(f"{path}/{name}".lstrip("/"))

    def remove(self, path: str) -> None:
        """Remove a node with all that is in it."""
        sync(self.store.delete_dir(path))

    def make_groups(self, path: str) -> None:
        """Make the groups on the way to a path that are not there yet."""
        parts = path.split("/") if path else []
        for depth in range(len(parts) + 1):
            above = "/".join(parts[:depth])
            if self.document(above) is None:
                self.set([(_metadata_key(above), _GROUP)])

    def set_document(self, path: str, document: bytes) -> None:
        """Write the ``zarr.json`` of a node."""
        self.set([(_metadata_key(path), document)])

    def set(self, items: Iterable[tuple[str, bytes]]) -> int:
        """Write values by key, many at a time, and give their number."""
        buffer = default_buffer_prototype().buffer
        n_set = 0

        async def write(batch: Sequence[tuple[str, bytes]]) -> None:
            await asyncio.gather(*(self.store.set(key, buffer.from_bytes(value)) for key, value in batch))

        batch: list[tuple[str, bytes]] = []
        n_bytes = 0
        for item in items:
            if batch and (len(batch) == _AT_ONCE or n_bytes + len(item[1]) > _BYTES_AT_ONCE):
                sync(write(batch))
                batch, n_bytes = [], 0
            batch.append(item)
            n_bytes += len(item[1])
            n_set += 1
        if batch:
            sync(write(batch))
        return n_set

    def delete(self, keys: Iterable[str]) -> None:
        """Remove values by key; what is not there is no error."""

        async def remove(batch: tuple[str, ...]) -> None:
            await asyncio.gather(*(self.store.delete(key) for key in batch))

        for batch in itertools.batched(keys, _AT_ONCE):
            sync(remove(batch))


def _metadata_key(path: str) -> str:
    return f"{path}/zarr.json" if path else "zarr.json"
