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


def manifests_of(
    references: Any, grids: Mapping[str, ChunkGrid]
) -> dict[str, tuple[ChunkManifest | None, int]]:
    """A manifest, and the number of references outside of the grid, for each array of a reference set.

    The manifest is None if a reference names a whole file, whose length it does not say.

    Parameters
    ----------
    references : mapping
        Store keys to ``[url, offset, length]``, ``[url]`` or bytes, templates filled in.
    grids : mapping
        The chunk grid of each array by path.
    """
    by_array: dict[str, tuple[list[str], list[Any]]] = {path: ([], []) for path in grids}
    for key, entry in references.items():
        path, _, chunk = key.rpartition("/")
        if chunk not in _DOCUMENTS and path in by_array:
            keys, entries = by_array[path]
            keys.append(chunk)
            entries.append(entry)
    return {path: _manifest(*columns, grids[path].grid_shape) for path, columns in by_array.items()}


def _manifest(
    keys: list[str], entries: list[Any], shape: tuple[int, ...]
) -> tuple[ChunkManifest | None, int]:
    index = np.full(shape, MISSING, np.uint32)
    offsets, lengths = np.zeros(shape, np.uint64), np.zeros(shape, np.uint64)
    places = np.zeros((len(keys), len(shape)), np.intp)
    if keys and shape:
        places = np.array(".".join(keys).split("."), dtype=np.intp).reshape(len(keys), len(shape))
    inside = (places < np.array(shape, np.intp)).all(axis=1)
    held: list[bytes] = []
    ranges: list[tuple[str, int, int]] = []
    for entry in entries:
        if isinstance(entry, str | bytes):
            held.append(entry.encode("latin-1", "replace") if isinstance(entry, str) else entry)
            ranges.append(("", len(held) - 1, len(held[-1])))
        elif len(entry) == 3:
            ranges.append(entry)
        else:
            return None, 0
    sources: dict[str, int] = {}
    if ranges:
        urls, starts, sizes = zip(*ranges, strict=True)
        at = tuple(places[inside].T)
        codes = [INLINE if not url else sources.setdefault(url, len(sources)) for url in urls]
        index[at] = np.array(codes, np.uint32)[inside]
        offsets[at] = np.array(starts, np.uint64)[inside]
        lengths[at] = np.array(sizes, np.uint64)[inside]
    manifest = ChunkManifest(
        sources=[normalize_url(url) for url in sources],
        source_index=index,
        offsets=offsets,
        lengths=lengths,
        inline=held,
    )
    return manifest, int((~inside).sum())


def urls_of(references: Any) -> tuple[str, ...]:
    """The distinct files that references point to."""
    found = {entry[0] for entry in references.values() if isinstance(entry, list | tuple)}
    return tuple(sorted(normalize_url(url) for url in found))
