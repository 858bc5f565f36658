"""The keys of a Zarr store, wherever they lie: what a directory, a bucket, a web server and an archive have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from vzlab.codecs import CodecJSON
from vzlab.errors import (
    CorruptFileError,
    SourceNotFoundError,
    UnreachableChunkError,
    UnvirtualizableError,
)
from vzlab.manifests import SourceFile
from vzlab.parsers.zarr_documents import ChunkKeys
from vzlab.storage import StoreRegistry
from vzlab.storage.source_files import FileFacts, look_up
from vzlab.storage.urls import quote_key

AT_ONCE = 32
"""Requests under way at the same time."""

MAX_DOCUMENT_BYTES = 256 * 2**20
"""A metadata document of more is refused unread."""

type Offsets = npt.NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True)
class ArrayPlace:
    """Where to look for the chunks of one array."""

    path: str
    """Of the array in the store."""
    grid_shape: tuple[int, ...]
    keys: ChunkKeys
    """How chunks are named below the path."""


@dataclass(frozen=True, kw_only=True)
class StoredObjects:
    """What lies below an array: chunks, and whatever else there is, as columns."""

    names: Sequence[str]
    """Keys below the array's path."""
    offsets: Offsets
    """First byte of each within its source."""
    lengths: Offsets
    """Bytes of each."""
    sources: Callable[[npt.NDArray[np.intp]], Sequence[SourceFile]]
    """The sources of chunks, by their rows: one for each, or one for all."""
    container: CodecJSON | None = None
    """The codec that takes a chunk out of what the references are to, if that is more than its bytes."""


class Keys(ABC):
    """The keys of a store; each method is one round of requests, made in parallel."""

    url: str
    """Of the store."""
    kind: str = ""
    """What it is besides a Zarr store, in words."""

    @abstractmethod
    def read(self, keys: Sequence[str]) -> list[bytes | None]:
        """Read metadata documents; None for those that are not there."""

    @abstractmethod
    def list_dirs(self, paths: Sequence[str]) -> list[list[str]]:
        """Names of what lies one level below each path.

        Raises
        ------
        UnreachableChunkError
            If the store cannot say.
        """

    @abstractmethod
    def objects(self, places: Sequence[ArrayPlace]) -> list[StoredObjects | UnvirtualizableError]:
        """What lies below each array; an error for one of which it cannot be found out."""


class DirectoryKeys(Keys):
    """A directory, or a prefix of a bucket.

    Parameters
    ----------
    url : str
        Normalised, without a slash at its end.
    max_probes : int
        Most requests made to find out which chunks of an array there are, where the store does not list.
    """

    def __init__(self, url: str, registry: StoreRegistry, *, max_probes: int) -> None:
        self.url = url
        self._registry = registry
        self._max_probes = max_probes

    def read(self, keys: Sequence[str]) -> list[bytes | None]:
        """Read metadata documents; None for those that are not there."""
        return in_parallel(self._read_one, keys)

    def _read_one(self, key: str) -> bytes | None:
        try:
            source = self._registry.open(self._url_of(key))
            size = source.size_bytes
        except SourceNotFoundError:
            return None
        except UnreachableChunkError as error:
            if isinstance(error.__cause__, NotADirectoryError | IsADirectoryError):
                return None
            raise
        if size > MAX_DOCUMENT_BYTES:
            raise CorruptFileError(
                f"{source.url} has {size} bytes; expected a metadata document of at most {MAX_DOCUMENT_BYTES}"
            )
        return source.read(0, size)

    def list_dirs(self, paths: Sequence[str]) -> list[list[str]]:
        """Names of what lies one level below each path."""
        return in_parallel(lambda path: self._registry.list_dir(self._url_of(path)), paths)

    def objects(self, places: Sequence[ArrayPlace]) -> list[StoredObjects | UnvirtualizableError]:
        """What lies below each array, as listed; where the store does not list, each possible chunk is asked for."""
        return in_parallel(self._objects_of, places)

    def _objects_of(self, place: ArrayPlace) -> StoredObjects | UnvirtualizableError:
        url = self._url_of(place.path)
        try:
            listing = self._registry.list_prefix(url)
        except UnreachableChunkError as error:
            try:
                return self._probed(place, error)
            except UnvirtualizableError as refused:
                return refused

        def sources(rows: npt.NDArray[np.intp]) -> list[SourceFile]:
            base, mark, query = url.partition("?")
            at = rows.tolist()
            # Names of chunks are digits and separators: nothing in them is to be percent-encoded.
            return [
                SourceFile(
                    url=f"{base}/{name}{mark}{query}", size_bytes=size, etag=etag, last_modified=changed
                )
                for name, size, etag, changed in zip(
                    map(listing.names.__getitem__, at),
                    listing.sizes[rows].tolist(),
                    map(listing.etags.__getitem__, at),
                    map(listing.last_modified, at),
                    strict=True,
                )
            ]

        return StoredObjects(
            names=listing.names,
            offsets=np.zeros(len(listing.names), np.uint64),
            lengths=listing.sizes,
            sources=sources,
        )

    def _probed(self, place: ArrayPlace, unlisted: UnreachableChunkError) -> StoredObjects:
        """Ask for the length of every chunk that there may be."""
        n = int(np.prod(place.grid_shape, dtype=object)) if place.grid_shape else 1
        if n > self._max_probes:
            raise UnvirtualizableError(
                f"{unlisted}. Its {n:,} chunks would each need a request to find out whether and how long they are, and at "
                f"most {self._max_probes:,} are made: raise max_probes of ZarrParser, or give a registry with a store that "
                "lists, such as the bucket's own."
            ) from unlisted
        names = list(possible_names(place))
        urls = [f"{self._url_of(place.path)}/{name}" for name in names]
        seen = look_up(urls, self._registry)
        facts: list[tuple[str, str, FileFacts]] = []
        for name, url in zip(names, urls, strict=True):
            found = seen[url]
            if isinstance(found, FileFacts):
                facts.append((name, url, found))
            elif found.state == "unreachable":
                raise UnvirtualizableError(
                    f"{unlisted}; and asked for one chunk after the other, {url} cannot be looked up: {found.reason}. Give a "
                    "registry with a store that lists."
                ) from unlisted
        return StoredObjects(
            names=[name for name, _, _ in facts],
            offsets=np.zeros(len(facts), np.uint64),
            lengths=np.array([found.size_bytes for _, _, found in facts], np.uint64),
            sources=lambda rows: [
                found.source_file(url) for _, url, found in (facts[i] for i in rows.tolist())
            ],
        )

    def _url_of(self, key: str) -> str:
        # In a web address the query, which may sign the request, stays at the end.
        base, mark, query = self.url.partition("?")
        return f"{base}/{quote_key(key)}{mark}{query}" if key else self.url


def possible_names(place: ArrayPlace) -> list[str]:
    """Names of all chunks that the grid of an array has room for, in C order."""
    separator = place.keys.separator
    if not place.grid_shape:
        return [place.keys.prefix or "0"]
    prefix = f"{place.keys.prefix}{separator}" if place.keys.prefix else ""
    return [prefix + separator.join(map(str, index)) for index in product(*map(range, place.grid_shape))]


def in_parallel[T, R](work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """The results of a function that waits for others, in order."""
    if len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(min(AT_ONCE, len(items))) as pool:
        return list(pool.map(work, items))
