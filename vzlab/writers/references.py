"""Hand the columns of a chunk manifest to Icechunk in few large calls."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
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

CHUNKS_A_CALL = 50_000
"""Most chunks that one call is given: it makes 100 bytes and more of each before it puts the first in its place."""

CHECKED_APART = 4
"""Chunks for each source, on average, from which on Icechunk checks the urls of sources, not those of chunks."""


@dataclass(frozen=True, kw_only=True)
class ReferenceBlock:
    """A box of the chunk grid whose references share one checksum."""

    start: tuple[int, ...]
    shape: tuple[int, ...]
    checksum: Checksum
    group: int | None
    """Number of the checksum among those of the manifest, in order of first use; None if all chunks belong to the box."""


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
    distinct, group_of = _groups(checksums)
    if len(distinct) == 1 or not grid:
        one = checksums[0] if grid else checksums[manifest.source_index.item()]
        return [ReferenceBlock(start=(0,) * len(grid), shape=grid, checksum=one, group=None)]
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
            group=i,
        )
        for i, checksum in enumerate(distinct)
        if used[i]
    ]


def _groups(checksums: Sequence[Checksum]) -> tuple[list[Checksum], npt.NDArray[np.intp]]:
    """The checksums that there are, and which of them each source has; one more entry, -1, for chunks without a source."""
    numbers = {checksum: i for i, checksum in enumerate(dict.fromkeys(checksums))}
    return list(numbers), np.array([*(numbers[checksum] for checksum in checksums), -1], dtype=np.intp)


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
    by_source = len(manifest.sources) * CHECKED_APART <= manifest.n_virtual
    refused: Any = None
    if blocks is None or by_source:
        at = np.flatnonzero(manifest.source_index < INLINE)
        if blocks is not None:
            at = at[_firsts(manifest.source_index.reshape(-1)[at], len(manifest.sources))]
        refused = store.set_virtual_refs(f"/{path}", list(_single(manifest, at, chunk_offset, of_sources)))
    if blocks is not None and not refused:
        refused = _set_blocks(store, path, manifest, blocks, of_sources, chunk_offset, validate=not by_source)
    if refused:
        position = tuple(i - first for i, first in zip(refused[0], chunk_offset, strict=True))
        source = manifest.reference(position).source
        assert source is not None
        raise WriteError(
            f"{path!r}: chunk {tuple(refused[0])} lies in {source.url}, outside the virtual chunk containers of the "
            "repository, so nobody could read it. Add a container for its prefix to the repository's configuration."
        )


def _firsts(index: npt.NDArray[np.uint32], n_sources: int) -> npt.NDArray[np.intp]:
    """Where each source that is used is used first."""
    first = np.full(n_sources, -1, dtype=np.intp)
    first[index[::-1]] = np.arange(len(index))[::-1]  # of what is assigned to one place the last stays
    return first[first >= 0]


def _set_blocks(
    store: IcechunkStore,
    path: str,
    manifest: ChunkManifest,
    blocks: Sequence[ReferenceBlock],
    checksums: Sequence[Checksum],
    chunk_offset: Sequence[int],
    *,
    validate: bool,
) -> Any:
    """Write boxes piece by piece; give the chunks that Icechunk refused, if any."""
    # Icechunk skips what has no url: chunks of other kinds, and those of another box.
    urls = np.array([*(source.url for source in manifest.sources), ""], dtype=object)
    none = len(manifest.sources)
    _, group_of = _groups(checksums)
    refused: Any = None
    for block in blocks:
        for box in boxes(block.shape, CHUNKS_A_CALL):
            start = [first + part.start for first, part in zip(block.start, box, strict=True)]
            shape = [part.stop - part.start for part in box]
            key = tuple(slice(first, first + n) for first, n in zip(start, shape, strict=True))
            source = np.minimum(manifest.source_index[key].reshape(-1), none)
            if block.group is not None:
                source = np.where(group_of[source] == block.group, source, none)
            refused = refused or store.set_virtual_refs_arr(
                f"/{path}",
                tuple(shape),
                urls[source].tolist(),
                np.ascontiguousarray(manifest.offsets[key]).reshape(-1),
                np.ascontiguousarray(manifest.lengths[key]).reshape(-1),
                validate_containers=validate,
                arr_offset=tuple(a + b for a, b in zip(start, chunk_offset, strict=True)),
                checksum=block.checksum,
            )
    return refused


def boxes(grid_shape: Sequence[int], most: int) -> Iterator[tuple[slice, ...]]:
    """Boxes of at most `most` chunks that make up a grid, in C order."""
    if not grid_shape:
        yield ()
        return
    *_, across = [1, *accumulate(grid_shape[1:], lambda a, b: a * b)]
    if across > most:
        for i in range(grid_shape[0]):
            for rest in boxes(grid_shape[1:], most):
                yield (slice(i, i + 1), *rest)
        return
    each = max(1, most // max(1, across))
    for start in range(0, grid_shape[0], each):
        yield (slice(start, min(start + each, grid_shape[0])), *(slice(0, n) for n in grid_shape[1:]))


def _single(
    manifest: ChunkManifest,
    at: npt.NDArray[np.intp],
    chunk_offset: Sequence[int],
    checksums: Sequence[Checksum],
) -> Iterator[Any]:
    """References of the chunks at these places of the grid in C order."""
    from icechunk import VirtualChunkSpec

    indices = np.unravel_index(at, manifest.grid_shape)
    places = np.stack([i + first for i, first in zip(indices, chunk_offset, strict=True)], axis=-1)
    columns = (manifest.source_index[indices], manifest.offsets[indices], manifest.lengths[indices])
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
