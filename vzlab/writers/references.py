"""Hand the columns of a chunk manifest to Icechunk in few large calls."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vzlab.errors import WriteError
from vzlab.manifests import ChunkManifest, SourceFile
from vzlab.manifests.manifest import INLINE, MISSING

if TYPE_CHECKING:
    from icechunk import IcechunkStore

type Checksum = str | datetime | None

MAX_WASTE = 2
"""Boxes around groups of chunks may hold this many times the chunks before they are given up for single references."""


@dataclass(frozen=True, kw_only=True)
class ReferenceBlock:
    """A box of the chunk grid whose references share one checksum."""

    start: tuple[int, ...]
    shape: tuple[int, ...]
    checksum: Checksum
    sources: npt.NDArray[np.bool_] | None
    """Which sources of the manifest belong to it; None for all."""


def checksum_of(source: SourceFile) -> Checksum:
    """What Icechunk can hold a source to when it reads: its entity tag, else the time of its last change.

    Icechunk sends the tag of an S3 object itself, and gives any other tag to a client that wants it in quotes after
    taking one pair off. Weak tags never match. Times have whole seconds there, so they are rounded up.
    """
    tag = (source.etag or "").strip()
    if tag and not tag.startswith("W/") and not source.url.startswith("file:"):
        bare = tag.strip('"')
        return bare if source.url.startswith(("s3:", "s3a:")) else f'""{bare}""'
    if source.last_modified is None:
        return None
    changed = source.last_modified
    changed = changed.replace(tzinfo=UTC) if changed.tzinfo is None else changed.astimezone(UTC)
    whole = changed.replace(microsecond=0)
    return whole if whole == changed else whole + timedelta(seconds=1)


def plan_blocks(manifest: ChunkManifest, checksums: Sequence[Checksum]) -> list[ReferenceBlock] | None:
    """Boxes of the chunk grid that hold all virtual chunks, one checksum each.

    Parameters
    ----------
    checksums : sequence
        For each source of the manifest.

    Returns
    -------
    list of ReferenceBlock or None
        None if the sources are so scattered over the grid that boxes around them would mostly overlap.
    """
    if manifest.n_virtual == 0:
        return []
    grid = manifest.grid_shape
    distinct = {checksum: i for i, checksum in enumerate(dict.fromkeys(checksums))}
    if len(distinct) == 1 or not grid:
        one = checksums[0] if grid else checksums[manifest.source_index.item()]
        return [ReferenceBlock(start=(0,) * len(grid), shape=grid, checksum=one, sources=None)]
    group_of = np.array([distinct[checksum] for checksum in checksums], dtype=np.intp)
    virtual = manifest.source_index < INLINE
    coordinates = np.nonzero(virtual)
    groups = group_of[manifest.source_index[virtual]]
    low = np.empty((len(grid), len(distinct)), dtype=np.intp)
    high = np.full((len(grid), len(distinct)), -1, dtype=np.intp)
    for axis, positions in enumerate(coordinates):
        low[axis] = grid[axis]
        np.minimum.at(low[axis], groups, positions)
        np.maximum.at(high[axis], groups, positions)
    extents = high - low + 1
    used = (extents > 0).all(axis=0)
    if int(np.prod(extents[:, used], axis=0).sum()) > MAX_WASTE * manifest.n_virtual:
        return None
    return [
        ReferenceBlock(
            start=tuple(low[:, i].tolist()),
            shape=tuple(extents[:, i].tolist()),
            checksum=checksum,
            sources=group_of == i,
        )
        for checksum, i in distinct.items()
        if used[i]
    ]


def set_references(
    store: IcechunkStore,
    path: str,
    manifest: ChunkManifest,
    *,
    chunk_offset: Sequence[int],
    checksums: bool = True,
) -> None:
    """Write the virtual chunks of one array; inline and missing ones are left alone.

    Parameters
    ----------
    chunk_offset : sequence of int
        Grid index at which the manifest's first chunk goes.
    checksums : bool
        Whether Icechunk shall refuse to read sources that change from now on.

    Raises
    ------
    WriteError
        If a location lies in no virtual chunk container.
    """
    if manifest.n_virtual == 0:
        return
    of_sources = [checksum_of(source) if checksums else None for source in manifest.sources]
    blocks = plan_blocks(manifest, of_sources)
    refused: Any = None
    if blocks is None:
        refused = store.set_virtual_refs(f"/{path}", list(_single(manifest, chunk_offset, of_sources)))
    else:
        for block in blocks:
            refused = refused or _set_block(store, path, manifest, block, chunk_offset)
    if refused:
        raise WriteError(
            f"{path!r}: {len(refused)} chunks, the first at {tuple(refused[0])}, lie outside the virtual chunk containers of "
            "the repository, so nobody could read them. Add a container for their prefix to its configuration."
        )


def _set_block(
    store: IcechunkStore,
    path: str,
    manifest: ChunkManifest,
    block: ReferenceBlock,
    chunk_offset: Sequence[int],
) -> Any:
    box = tuple(slice(first, first + n) for first, n in zip(block.start, block.shape, strict=True))
    index = manifest.source_index[box]
    return store.set_virtual_refs_arr(
        f"/{path}",
        block.shape,
        _locations(manifest, index, block.sources),
        np.ascontiguousarray(manifest.offsets[box]).reshape(-1),
        np.ascontiguousarray(manifest.lengths[box]).reshape(-1),
        arr_offset=tuple(a + b for a, b in zip(block.start, chunk_offset, strict=True)),
        checksum=block.checksum,
    )


def _locations(
    manifest: ChunkManifest, index: npt.NDArray[np.uint32], wanted: npt.NDArray[np.bool_] | None
) -> list[str]:
    """The url of each chunk of a box in C order; ``""``, which Icechunk skips, for chunks of other kinds."""
    first = int(index.flat[0])
    if first < INLINE and (wanted is None or wanted[first]) and bool((index == first).all()):
        return [manifest.sources[first].url] * index.size
    # One more name stands for inline and missing chunks.
    names = [source.url if wanted is None or wanted[i] else "" for i, source in enumerate(manifest.sources)]
    table = np.array([*names, ""], dtype=object)
    located: list[str] = table[np.minimum(index.reshape(-1), len(names))].tolist()
    return located


def _single(
    manifest: ChunkManifest, chunk_offset: Sequence[int], checksums: Sequence[Checksum]
) -> Iterator[Any]:
    from icechunk import VirtualChunkSpec

    virtual = manifest.source_index < INLINE
    places = np.argwhere(virtual) + np.asarray(chunk_offset, dtype=np.intp)
    columns = (manifest.source_index[virtual], manifest.offsets[virtual], manifest.lengths[virtual])
    for place, source, offset, length in zip(
        places.tolist(), *(column.tolist() for column in columns), strict=True
    ):
        checksum = checksums[source]
        tag, changed = (checksum, None) if isinstance(checksum, str) else (None, checksum)
        yield VirtualChunkSpec(place, manifest.sources[source].url, offset, length, tag, changed)


def native_chunks(
    path: str, manifest: ChunkManifest, chunk_offset: Sequence[int]
) -> Iterator[tuple[str, bytes]]:
    """Store key and bytes of each inline chunk."""
    held = manifest.source_index == INLINE
    places = np.argwhere(held) + np.asarray(chunk_offset, dtype=np.intp)
    for place, position in zip(places.tolist(), manifest.offsets[held].tolist(), strict=True):
        yield chunk_key(path, place), manifest.inline[position]


def missing_keys(path: str, manifest: ChunkManifest, chunk_offset: Sequence[int]) -> Iterator[str]:
    """Store key of each missing chunk."""
    places = np.argwhere(manifest.source_index == MISSING) + np.asarray(chunk_offset, dtype=np.intp)
    return (chunk_key(path, place) for place in places.tolist())


def chunk_key(path: str, index: Sequence[int]) -> str:
    """Key of a chunk in a Zarr v3 store with the default key encoding."""
    return "/".join([path, "c", *map(str, index)])


def n_chunks_across(grid_shape: Sequence[int], axis: int) -> int:
    """Number of chunks in one step along an axis of a chunk grid."""
    return math.prod(n for i, n in enumerate(grid_shape) if i != axis)
