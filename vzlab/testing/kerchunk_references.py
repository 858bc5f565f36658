"""Kerchunk references read by fsspec, and where the chunks lie that they name, as columns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vzlab.errors import MissingDependencyError
from vzlab.manifests import ChunkGrid, ChunkManifest
from vzlab.manifests.manifest import INLINE, MISSING
from vzlab.storage import normalize_url

_DOCUMENTS = frozenset({".zarray", ".zattrs", ".zgroup", ".zmetadata"})


def open_references(references: Mapping[str, Any] | str) -> Any:
    """Fsspec's file system over references: a dict, or the path of JSON or of a Parquet directory.

    Raises
    ------
    MissingDependencyError
        If fsspec, or pyarrow for Parquet, is not installed.
    """
    try:
        import fsspec
    except ImportError as error:
        raise MissingDependencyError(
            "fsspec", extra="kerchunk", purpose="Reading Kerchunk references"
        ) from error
    # An instance that was kept would not see that a file was written again.
    options = {"asynchronous": True, "remote_options": {"asynchronous": True}, "skip_instance_cache": True}
    if not isinstance(references, str) or not Path(references).is_dir():
        return fsspec.filesystem("reference", fo=references, **options)
    from fsspec.implementations.reference import LazyReferenceMapper

    # fsspec's own default for Parquet is a library that few have.
    lazy = LazyReferenceMapper(references, fs=fsspec.filesystem("file"), engine="pyarrow")
    first = next((entry[0] for entry in lazy.values() if isinstance(entry, list)), "")
    protocol = fsspec.core.split_protocol(first)[0] or "file"
    system = fsspec.filesystem(
        "reference", fo={"version": 1, "refs": {}}, remote_protocol=protocol, **options
    )
    system.references = lazy
    return system


def manifests_of(references: Any, grids: Mapping[str, ChunkGrid]) -> dict[str, ChunkManifest]:
    """A manifest for each array of a reference set that is held in memory; nothing for one in Parquet.

    Parameters
    ----------
    references : dict
        Store keys to ``[url, offset, length]``, ``[url]`` or bytes, templates filled in.
    grids : mapping
        The chunk grid of each array by path.
    """
    if not isinstance(references, dict):
        return {}
    by_array: dict[str, list[tuple[str, Any]]] = {path: [] for path in grids}
    for key, entry in references.items():
        path, _, chunk = key.rpartition("/")
        if chunk not in _DOCUMENTS and path in by_array:
            by_array[path].append((chunk, entry))
    made = {path: _manifest(entries, grids[path].grid_shape) for path, entries in by_array.items()}
    return {path: manifest for path, manifest in made.items() if manifest is not None}


def _manifest(entries: list[tuple[str, Any]], shape: tuple[int, ...]) -> ChunkManifest | None:
    """None if an entry names a whole file, whose length the reference does not say."""
    index = np.full(shape, MISSING, np.uint32)
    offsets, lengths = np.zeros(shape, np.uint64), np.zeros(shape, np.uint64)
    sources: dict[str, int] = {}
    inline: list[bytes] = []
    for chunk, entry in entries:
        at = tuple(map(int, chunk.split("."))) if shape else ()
        if isinstance(entry, list | tuple) and len(entry) == 3:
            index[at] = sources.setdefault(entry[0], len(sources))
            offsets[at], lengths[at] = entry[1], entry[2]
        elif isinstance(entry, str | bytes):
            data = entry.encode("latin-1", "replace") if isinstance(entry, str) else entry
            index[at], offsets[at], lengths[at] = INLINE, len(inline), len(data)
            inline.append(data)
        else:
            return None
    return ChunkManifest(
        sources=[normalize_url(url) for url in sources],
        source_index=index,
        offsets=offsets,
        lengths=lengths,
        inline=inline,
    )


def urls_of(references: Any) -> tuple[str, ...]:
    """The distinct files that references point to."""
    found = {entry[0] for entry in references.values() if isinstance(entry, list | tuple)}
    return tuple(sorted(normalize_url(url) for url in found))
