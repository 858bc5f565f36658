"""Where the chunks of an array in an Icechunk session lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from zarr.core.sync import sync

from vzlab.manifests import ChunkManifest
from vzlab.manifests.manifest import INLINE, MISSING
from vzlab.storage import normalize_url

_VIRTUAL = 2
"""``icechunk.ChunkType.virtual``; the others lie in the repository itself."""


def chunk_manifest(store: Any, path: str, grid_shape: tuple[int, ...]) -> ChunkManifest | None:
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
    """
    if not hasattr(store, "array_chunk_iterator"):
        return None
    batches = sync(_batches(store, "/" + path.strip("/")))
    index = np.full(grid_shape, MISSING, np.uint32)
    offsets, lengths = np.zeros(grid_shape, np.uint64), np.zeros(grid_shape, np.uint64)
    sources: dict[str, int] = {}
    for coords, kinds, paths, batch_offsets, batch_lengths, _ in batches:
        at = tuple(np.asarray(coords).T.astype(np.intp))
        codes, urls = pd.factorize(np.array(paths, dtype=object))
        virtual = np.asarray(kinds) == _VIRTUAL
        named = np.unique(codes[virtual])
        table = np.zeros(len(urls), np.uint32)
        for code in named.tolist():
            table[code] = sources.setdefault(normalize_url(urls[code]), len(sources))
        index[at] = np.where(virtual, table[codes], np.uint32(INLINE))
        offsets[at] = np.where(virtual, batch_offsets, 0)
        lengths[at] = batch_lengths
    held = bool((index == INLINE).any())
    return ChunkManifest(
        sources=sources, source_index=index, offsets=offsets, lengths=lengths, inline=(b"",) if held else ()
    )


async def _batches(store: Any, path: str) -> list[Any]:
    return [batch async for batch in store.array_chunk_iterator(path)]
