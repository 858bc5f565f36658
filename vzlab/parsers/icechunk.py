"""Icechunk repositories as virtual arrays.

Specification: https://icechunk.io/en/stable/reference/spec/
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from vzlab.errors import (
    CorruptFileError,
    MissingDependencyError,
    SourceNotFoundError,
    UnvirtualizableError,
    VzlabError,
    first_line,
)
from vzlab.manifests import ChunkGrid, ChunkManifest, ManifestArray, ManifestGroup, UnreadableVariable
from vzlab.manifests.manifest import INLINE, MISSING
from vzlab.parsers.base import LoadedVariable, Parser
from vzlab.parsers.kerchunk.columns import check_grid, ravel
from vzlab.parsers.zarr_documents import array_from_v3, build_tree, read_json, unreadable_from
from vzlab.storage import Source, StoreRegistry, as_registry, local_path, normalize_url
from vzlab.storage.icechunk_storage import open_storage

try:
    import icechunk
except ImportError as error:  # pragma: no cover
    raise MissingDependencyError(
        "icechunk", extra="icechunk", purpose="Reading Icechunk repositories"
    ) from error

MAX_HELD_BYTES = 256 * 2**20
"""Native chunks of a repository of which nobody knows the place are held here, up to this much in all."""

_BATCH = 100_000
_AT_ONCE = 256
_NATIVE, _VIRTUAL, _INLINE = 1, 2, 3  # icechunk.ChunkType


@dataclass(frozen=True, kw_only=True)
class IcechunkParser(Parser):
    """Parse a version of an Icechunk repository.

    Virtual chunks become references to the files that they lie in, native chunks references to the repository's own
    files, inline chunks are held. No chunk is read, except native ones of a repository given as an object without
    `location`.

    Parameters
    ----------
    group : str, optional
        Path of the group to parse, with what is below it; None is the root.
    drop_variables : collection of str
        Names, or paths from the parsed group, of variables and groups to leave out, at every depth.
    branch, tag, snapshot_id : str, optional
        Which version; at most one. Without any, the branch ``"main"``.
    as_of : datetime, optional
        The last version of the branch at or before this time, which needs a time zone.
    location : str or path, optional
        Where the repository is, if it is given as an object: native chunks are referenced there.

    Examples
    --------
    >>> group = IcechunkParser(branch="main")("one.icechunk")
    >>> group["x"].metadata.shape
    (120, 200)
    """

    branch: str | None = None
    """Branch to read the tip of."""
    tag: str | None = None
    """Tag to read."""
    snapshot_id: str | None = None
    """Snapshot to read."""
    as_of: datetime | None = None
    """Time to read the branch at."""
    location: str | os.PathLike[str] | None = None
    """Path or url of a repository that is given as an object."""

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [name for name in ("branch", "tag", "snapshot_id") if getattr(self, name) is not None]
        if len(given) > 1 or (self.as_of is not None and given not in ([], ["branch"])):
            raise ValueError(
                f"Found {' and '.join(given + ['as_of'] * (self.as_of is not None))}; expected one of branch, tag and "
                "snapshot_id, and as_of with a branch only"
            )
        if self.as_of is not None and self.as_of.tzinfo is None:
            raise ValueError(
                f"Found as_of={self.as_of}, which has no time zone; give one, such as datetime.UTC"
            )

    def __call__(self, url: Any, registry: Any = None) -> ManifestGroup:
        """Parse a repository.

        Parameters
        ----------
        url : str, path, icechunk.Repository, Session, IcechunkStore or Storage
        registry : optional
            Anything that `vzlab.storage.as_registry` takes; of its ``storage_options`` Icechunk is told where the
            repository is.

        Raises
        ------
        SourceNotFoundError
            If there is no repository, or none of that version.
        CorruptFileError
            If the repository cannot be read.
        KeyError
            If it has no group of the chosen path.
        """
        stores = as_registry(registry)
        place = _place(self.location if self.location is not None else url)
        return self._read(self.session(url, stores), place, stores).without(self.drop_variables)

    _parses_group_alone = True

    def _parse(self, source: Source, registry: StoreRegistry) -> ManifestGroup:
        return self(source.url, registry)

    def session(self, x: Any, registry: StoreRegistry) -> Any:
        """The session of the chosen version; a session, or a store of one, is given as it is.

        Raises
        ------
        ValueError
            If a version was chosen, and a session given.
        """
        if isinstance(x, icechunk.IcechunkStore):
            x = x.session
        if isinstance(x, icechunk.Session):
            if self.branch or self.tag or self.snapshot_id or self.as_of:
                raise ValueError("A session is of one version: give the repository to choose another")
            return x
        version = self._version()
        repository = open_repository(x, registry)
        try:
            return repository.readonly_session(**version)
        except icechunk.IcechunkError as error:
            _fail(error, _shown(x), version)

    def _version(self) -> dict[str, Any]:
        if self.tag is not None:
            return {"tag": self.tag}
        if self.snapshot_id is not None:
            return {"snapshot_id": self.snapshot_id}
        return {"branch": self.branch or "main"} | ({"as_of": self.as_of} if self.as_of else {})

    def _read(self, session: Any, place: str | None, registry: StoreRegistry) -> ManifestGroup:
        reader = _Reader(session.store, place)
        try:
            documents = sync(_documents(session.store, self.group or "", self.drops))
        except icechunk.IcechunkError as error:
            _fail(error, str(place or "The repository"), {})
        if not documents:
            raise KeyError(f"No group {self.group!r} in {place or 'the repository'}")
        nodes: dict[str, ManifestArray | UnreadableVariable] = {}
        groups: dict[str, Mapping[str, Any]] = {}
        for path, document in documents.items():
            if document.get("node_type") == "group":
                attributes = document.get("attributes")
                groups[path] = attributes if isinstance(attributes, Mapping) else {}
                continue
            try:
                nodes[path] = reader.array("/".join(filter(None, (self.group, path))), document)
            except (VzlabError, ValueError, icechunk.IcechunkError) as error:
                nodes[path] = unreadable_from(
                    error, document, document.get("attributes") or {}, loadable=False
                )
        return build_tree(nodes, groups, format="Icechunk repository")

    def load_variable(self, url: Any, registry: Any, path: str) -> LoadedVariable:
        """Refuse: what is no virtual array here, zarr cannot read from Icechunk either."""
        raise UnvirtualizableError(
            f"{path!r} cannot be read from {url}: zarr reads no more of Icechunk than is virtual here"
        )


def open_repository(x: Any, registry: StoreRegistry) -> Any:
    """The repository at a path or url, in a storage, or given; None for a session or the store of one.

    Raises
    ------
    SourceNotFoundError
        If there is none.
    CorruptFileError
        If it cannot be read.
    TypeError
        If `x` is something else.
    """
    if isinstance(x, icechunk.Repository):
        return x
    if isinstance(x, icechunk.Session | icechunk.IcechunkStore):
        return None
    try:
        if isinstance(x, str | os.PathLike):
            return _open(normalize_url(x), registry)
        if isinstance(x, icechunk.Storage):
            return icechunk.Repository.open(x)
    except icechunk.IcechunkError as error:
        _fail(error, _shown(x), {})
    raise TypeError(
        f"Found a {type(x).__name__}; expected a path or url, or an icechunk Repository, Session, Store or Storage"
    )


def _shown(x: Any) -> str:
    return str(x) if isinstance(x, str | os.PathLike) else type(x).__name__


def _open(url: str, registry: StoreRegistry) -> Any:
    path = local_path(url)
    if path is not None and not os.path.isdir(path):  # noqa: PTH112 - Icechunk would make the directory
        raise SourceNotFoundError(f"No Icechunk repository at {path}: there is no such directory")
    return icechunk.Repository.open(open_storage(url, registry.storage_options))


def _fail(error: Any, where: str, version: Mapping[str, Any]) -> NoReturn:
    first = first_line(error)
    said = f" at {', '.join(f'{name} {value}' for name, value in version.items())}" if version else ""
    kind = (
        SourceNotFoundError
        if isinstance(error, icechunk.NotFoundError) or "not found" in first or "doesn't exist" in first
        else CorruptFileError
    )
    raise kind(f"{where}{said}: no Icechunk repository could be read: {first}") from error


def _place(x: Any) -> str | None:
    return normalize_url(x).rstrip("/") if isinstance(x, str | os.PathLike) else None


class _Reader:
    """Reads arrays of one session."""

    def __init__(self, store: Any, place: str | None) -> None:
        self._store = store
        self._place = place
        self._n_held = 0

    def array(self, path: str, document: Mapping[str, Any]) -> ManifestArray:
        metadata, _ = array_from_v3(document)
        return ManifestArray(metadata=metadata, manifest=self._manifest(path, metadata.chunk_grid))

    def _manifest(self, path: str, grid: ChunkGrid) -> ChunkManifest:
        check_grid(grid)
        batches = sync(_batches(self._store, f"/{path}"))
        if not batches:
            return ChunkManifest.empty(grid.grid_shape)
        shape = grid.grid_shape
        index = np.full(grid.n_chunks, MISSING, np.uint32)
        offsets, lengths = np.zeros(grid.n_chunks, np.uint64), np.zeros(grid.n_chunks, np.uint64)
        sources: dict[str, int] = {}
        inline: list[bytes] = []
        for coords, kinds, paths, starts, sizes, held in batches:
            rows = _Rows(
                np.asarray(coords, np.intp).reshape(len(kinds), len(shape)), np.asarray(kinds), paths
            )
            inside = (rows.coords < np.array(shape, np.intp)).all(axis=1)
            at = ravel(rows.coords[inside], shape)
            codes = np.full(len(kinds), INLINE, np.uint32)
            begins = np.asarray(starts, np.uint64).copy()
            codes[rows.kinds == _VIRTUAL] = rows.number(_VIRTUAL, sources, normalize_url)
            native = rows.kinds == _NATIVE
            if native.any() and self._place is not None:
                chunks = f"{self._place}/chunks/"
                codes[native] = rows.number(_NATIVE, sources, chunks.__add__)
            elif native.any():
                data = self._native(path, rows.coords[native & inside], np.asarray(sizes)[native & inside])
                begins[native & inside] = np.arange(len(inline), len(inline) + len(data), dtype=np.uint64)
                inline.extend(data)
            kept = rows.kinds == _INLINE
            begins[kept] = np.arange(len(inline), len(inline) + int(kept.sum()), dtype=np.uint64)
            inline.extend(map(held.__getitem__, np.flatnonzero(kept).tolist()))
            index[at], offsets[at] = codes[inside], begins[inside]
            lengths[at] = np.asarray(sizes, np.uint64)[inside]
        return ChunkManifest(
            sources=tuple(sources),
            source_index=index.reshape(shape),
            offsets=offsets.reshape(shape),
            lengths=lengths.reshape(shape),
            inline=inline,
        )

    def _native(
        self, path: str, coords: npt.NDArray[np.intp], sizes: npt.NDArray[np.uint64]
    ) -> Sequence[bytes]:
        n_bytes = int(sizes.sum())
        if self._n_held + n_bytes > MAX_HELD_BYTES:
            raise UnvirtualizableError(
                f"The repository was given as an object, so that its native chunks cannot be referenced, and they have more than "
                f"{MAX_HELD_BYTES:,} bytes. Say where it is: IcechunkParser(location=...)"
            )
        self._n_held += n_bytes
        keys = ["/".join((path, "c", *map(str, index))) for index in coords.tolist()]
        return sync(_values(self._store, keys))


@dataclass(frozen=True)
class _Rows:
    coords: npt.NDArray[np.intp]
    kinds: npt.NDArray[np.uint8]
    paths: Sequence[str]

    def number(
        self, kind: int, sources: dict[str, int], url_of: Callable[[str], str]
    ) -> npt.NDArray[np.uint32]:
        """Numbers of the sources of all rows of a kind; sources that are new are added."""
        at = np.flatnonzero(self.kinds == kind)
        paths = self.paths if at.size == len(self.paths) else [self.paths[i] for i in at.tolist()]
        table = {path: sources.setdefault(url_of(path), len(sources)) for path in dict.fromkeys(paths)}
        return np.fromiter(map(table.__getitem__, paths), np.uint32, at.size)


async def _batches(store: Any, path: str) -> list[Any]:
    return [batch async for batch in store.array_chunk_iterator(path, _BATCH)]


async def _values(store: Any, keys: Sequence[str]) -> list[bytes]:
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(key: str) -> bytes:
        async with limit:
            buffer = await store.get(key, default_buffer_prototype())
        return b"" if buffer is None else bytes(buffer.to_bytes())

    return list(await asyncio.gather(*map(one, keys)))


async def _documents(store: Any, group: str, drops: Callable[[str], bool]) -> dict[str, Mapping[str, Any]]:
    """The ``zarr.json`` of each node below a group, by path from there, level by level."""
    found: dict[str, Mapping[str, Any]] = {}
    level = [""]
    while level:
        full = ["/".join(filter(None, (group, path))) for path in level]
        values = await _values(store, [f"{path}/zarr.json" if path else "zarr.json" for path in full])
        groups = []
        for path, value in zip(level, values, strict=True):
            if not value:
                continue
            found[path] = _document(value, path)
            if found[path].get("node_type") == "group":
                groups.append(path)
        listed = await asyncio.gather(
            *(_names(store, "/".join(filter(None, (group, path)))) for path in groups)
        )
        below = [
            "/".join(filter(None, (path, name)))
            for path, names in zip(groups, listed, strict=True)
            for name in sorted(names)
        ]
        level = [path for path in below if not drops(path)]
    return found


def _document(value: bytes, path: str) -> Mapping[str, Any]:
    try:
        return read_json(json.loads(value), f"{path}/zarr.json")
    except ValueError as error:
        raise CorruptFileError(f"The metadata of {path!r} are no JSON: {error}") from error


async def _names(store: Any, path: str) -> list[str]:
    return [name async for name in store.list_dir(path) if name != "zarr.json"]
