"""Virtual arrays made in code, and how their chunks look one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray, SourceFile
from vzlab.manifests.manifest import INLINE, MISSING

BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
SHUFFLE = {"name": "numcodecs.shuffle", "configuration": {"elementsize": 2}}
DEFLATE = {"name": "numcodecs.zlib", "configuration": {"level": 4}}
DEFLATED = (BYTES, SHUFFLE, DEFLATE)


def virtual_array(
    grid: Sequence[int] = (3, 4),
    *,
    chunk: Sequence[int] | None = None,
    dtype: str = "i2",
    n_sources: int = 1,
    n_missing: int = 0,
    n_inline: int = 0,
    shuffled: bool = False,
    gap_bytes: int = 0,
    codecs: Sequence[Mapping[str, Any]] = DEFLATED,
    fill_value: Any = 0,
    attributes: Mapping[str, Any] | None = None,
    dims: Sequence[str | None] | None = None,
    seed: int = 0,
    file_bytes: int | None = None,
) -> ManifestArray:
    """Make an array whose chunks lie one after another in their files, each of a size of its own."""
    rng = np.random.default_rng(seed)
    grid = tuple(grid)
    chunk = tuple(chunk or (10,) * len(grid))
    n = int(np.prod(grid))
    index = (np.arange(n) * n_sources // max(n, 1)).astype(np.uint32)
    lengths = rng.integers(5, 60, n).astype(np.uint64)
    offsets = np.zeros(n, np.uint64)
    for source in range(n_sources):
        here = np.flatnonzero(index == source)
        order = rng.permutation(here) if shuffled else here
        offsets[order] = 100 + np.concatenate([[0], np.cumsum(lengths[order] + np.uint64(gap_bytes))[:-1]])
    ends = [int((offsets + lengths)[index == source].max(initial=0)) for source in range(n_sources)]
    special = rng.permutation(n)[: n_missing + n_inline]
    index[special[:n_missing]] = MISSING
    lengths[special[:n_missing]] = offsets[special[:n_missing]] = 0
    held = special[n_missing:]
    index[held] = INLINE
    offsets[held] = np.arange(n_inline)
    manifest = ChunkManifest(
        sources=[
            SourceFile(url=f"file:///data/part_{s}.nc", size_bytes=file_bytes or end + 50)
            for s, end in enumerate(ends)
        ],
        source_index=index.reshape(grid),
        offsets=offsets.reshape(grid),
        lengths=lengths.reshape(grid),
        inline=[bytes(int(lengths[at])) for at in held],
    )
    metadata = ArrayMetadata.create(
        shape=tuple(g * c for g, c in zip(grid, chunk, strict=True)),
        dtype=dtype,
        chunks=chunk,
        codecs=codecs,
        fill_value=fill_value,
        attributes=attributes or {},
        dimension_names=dims or ("level", "time", "lat", "lon")[-len(grid) :] if grid else (),
    )
    return ManifestArray(metadata=metadata, manifest=manifest)
