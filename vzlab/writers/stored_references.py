"""Where the chunks of an array in an Icechunk session lie, and whether their files are as they were."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from zarr.abc.store import RangeByteRequest
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from vzlab.errors import first_line
from vzlab.manifests import ChunkManifest
from vzlab.manifests.manifest import INLINE, MISSING
from vzlab.storage import normalize_url
from vzlab.writers.references import chunk_key

_VIRTUAL = 2
"""``icechunk.ChunkType.virtual``; the others lie in the repository itself."""


def chunk_manifest(store: Any, path: str, grid_shape: tuple[int, ...]) -> tuple[ChunkManifest | None, int]:
    """Read the references of one array, whole batches at a time.

    Chunks that the repository holds itself count as inline ones, without their bytes.

    Parameters
    ----------
    store
        An ``icechunk.IcechunkStore``; of anything else nothing is known.
    path : str
        Of the array, in the store.
    grid_shape : tuple of int
        Number of chunks along each dimension.

    Returns
    -------
    manifest : ChunkManifest or None
    n_outside : int
        References to places outside of the grid.
    """
    if not hasattr(store, "array_chunk_iterator"):
        return None, 0
    batches = sync(_batches(store, "/" + path.strip("/")))
    shape = grid_shape or (1,)  # of a scalar, which is one chunk at no place
    index = np.full(shape, MISSING, np.uint32)
    offsets, lengths = np.zeros(shape, np.uint64), np.zeros(shape, np.uint64)
    sources: dict[str, int] = {}
    n_outside = 0
    for coords, kinds, paths, batch_offsets, batch_lengths, _ in batches:
        places = np.asarray(coords).reshape(len(kinds), len(grid_shape)).astype(np.intp)
        inside = (places < np.array(grid_shape, np.intp)).all(axis=1)
        n_outside += int((~inside).sum())
        at = tuple(places[inside].T) or (np.zeros(int(inside.sum()), np.intp),)
        codes, urls = pd.factorize(np.array(paths, dtype=object)[inside])
        virtual = np.asarray(kinds)[inside] == _VIRTUAL
        named = np.unique(codes[virtual])
        table = np.zeros(len(urls), np.uint32)
        for code in named.tolist():
            table[code] = sources.setdefault(normalize_url(urls[code]), len(sources))
        index[at] = np.where(virtual, table[codes], np.uint32(INLINE))
        offsets[at] = np.where(virtual, np.asarray(batch_offsets)[inside], 0)
        lengths[at] = np.asarray(batch_lengths)[inside]
    held = bool((index == INLINE).any())
    manifest = ChunkManifest(
        sources=sources,
        source_index=index.reshape(grid_shape),
        offsets=offsets.reshape(grid_shape),
        lengths=lengths.reshape(grid_shape),
        inline=(b"",) if held else (),
    )
    return manifest, n_outside


async def _batches(store: Any, path: str) -> list[Any]:
    return [batch async for batch in store.array_chunk_iterator(path)]


def changed_files(
    store: Any, manifests: Mapping[str, ChunkManifest], urls: Collection[str]
) -> tuple[list[str], dict[str, str], int]:
    """Ask Icechunk, which holds what files were, for one byte of each: files that changed, files it refuses, requests made.

    Parameters
    ----------
    manifests : mapping
        Where the chunks of each array lie, by its path in the store.
    urls : collection of str
        Files to ask for.
    """
    probes: dict[str, str] = {}
    for path, manifest in manifests.items():
        used, first = np.unique(manifest.source_index.reshape(-1), return_index=True)
        for code, position in zip(used.tolist(), first.tolist(), strict=True):
            if code < INLINE and (url := manifest.sources[code].url) in urls and url not in probes:
                index = np.unravel_index(position, manifest.grid_shape)
                probes[url] = chunk_key(path, [int(i) for i in index])
    answers = dict(zip(probes, sync(_probe(store, list(probes.values()))), strict=True))
    stale = [url for url, answer in answers.items() if _is_changed(answer)]
    refused = {
        url: first_line(answer)
        for url, answer in answers.items()
        if answer is not None and not _is_changed(answer)
    }
    return stale, refused, len(probes)


def _is_changed(answer: BaseException | None) -> bool:
    from icechunk import ErrorKind

    return answer is not None and getattr(answer, "kind", None) == ErrorKind.VIRTUAL_CHUNK_MODIFIED


async def _probe(store: Any, keys: Sequence[str]) -> list[BaseException | None]:
    one_byte = RangeByteRequest(0, 1)
    asked = (store.get(key, default_buffer_prototype(), one_byte) for key in keys)
    answers = await asyncio.gather(*asked, return_exceptions=True)
    return [answer if isinstance(answer, BaseException) else None for answer in answers]
