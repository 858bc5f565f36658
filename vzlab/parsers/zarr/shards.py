"""Inner chunks of shards as references of their own, by the index that each shard carries."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.codecs import decode_chunk
from vzlab.errors import CorruptFileError, UnvirtualizableError, VzlabError
from vzlab.manifests import ChunkGrid, ChunkManifest, ManifestArray
from vzlab.manifests.manifest import INLINE, MISSING
from vzlab.parsers.zarr.keys import in_parallel
from vzlab.storage import StoreRegistry

# Zarr v3, codec sharding_indexed: a chunk that was never written has this for offset and length.
_EMPTY = np.uint64(2**64 - 1)

_CHECKSUM_BYTES = {"crc32c": 4}
"""What codecs of the index add to its length."""


def with_inner_chunks(
    array: ManifestArray, registry: StoreRegistry, *, path: str, max_chunks: int
) -> ManifestArray:
    """The array with a reference to each inner chunk of its shards; another array as it is.

    Only a chain that is the one codec ``sharding_indexed`` says where the bytes of an inner chunk lie; any other keeps
    whole shards.

    Parameters
    ----------
    path : str
        Of the array, for messages.
    max_chunks : int
        Inner chunks that a manifest may have.

    Raises
    ------
    UnvirtualizableError
        If there are too many inner chunks.
    CorruptFileError
        If an index cannot be read, or points outside its shard.
    """
    metadata, manifest = array.metadata, array.manifest
    grid = metadata.chunk_grid
    if len(metadata.codecs) != 1 or metadata.codecs[0]["name"] != "sharding_indexed" or not grid.is_regular:
        return array
    configuration = metadata.codecs[0]["configuration"]
    inner_shape = tuple(configuration["chunk_shape"])
    per_shard = tuple(outer // inner for outer, inner in zip(grid.chunk_shape, inner_shape, strict=True))
    inner_grid = ChunkGrid(shape=metadata.shape, chunks=inner_shape)
    if math.prod(manifest.grid_shape) * math.prod(per_shard) > max_chunks:
        raise UnvirtualizableError(
            f"Its shards hold {inner_grid.n_chunks:,} inner chunks; at most {max_chunks:,} can be held: leave inner_chunks out"
        )
    present = np.flatnonzero(manifest.source_index.reshape(-1) < INLINE)
    index_of = manifest.source_index.reshape(-1)[present]
    starts, sizes = manifest.offsets.reshape(-1)[present], manifest.lengths.reshape(-1)[present]

    def read(row: int) -> npt.NDArray[np.uint64]:
        place = (manifest.sources[index_of.item(row)].url, starts.item(row), sizes.item(row))
        return _read_index(registry, *place, configuration, per_shard, path)

    entries = np.full((manifest.n_chunks, *per_shard, 2), _EMPTY, np.uint64)
    if present.size:
        entries[present] = np.stack(in_parallel(read, range(present.size)))
    written = entries[present][..., 0] != _EMPTY
    ends = entries[present].sum(axis=-1)
    limit = sizes.reshape((-1,) + (1,) * len(per_shard))
    outside = written & ((ends > limit) | (ends < entries[present][..., 0]))
    if outside.any():
        row = int(np.argwhere(outside)[0][0])
        raise CorruptFileError(
            f"The index of {manifest.sources[index_of.item(row)].url} points past its {sizes.item(row)} bytes; the shard of "
            f"{path!r} is damaged"
        )
    entries[present, ..., 0] += np.where(written, starts.reshape(limit.shape), np.uint64(0))

    def columns(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """From (shards in C order, inner grid) to the grid of inner chunks, without those past the array's edge."""
        rank = len(per_shard)
        whole = values.reshape(*manifest.grid_shape, *per_shard)
        axes = [axis for pair in zip(range(rank), range(rank, 2 * rank), strict=True) for axis in pair]
        merged = whole.transpose(axes).reshape(
            [n * m for n, m in zip(manifest.grid_shape, per_shard, strict=True)]
        )
        return np.ascontiguousarray(merged[tuple(map(slice, inner_grid.grid_shape))])

    source = np.broadcast_to(manifest.source_index.reshape((-1,) + (1,) * len(per_shard)), entries.shape[:-1])
    empty = entries[..., 1] == _EMPTY
    return ManifestArray(
        metadata=replace(metadata, chunks=inner_shape, codecs=_named(configuration["codecs"])),
        manifest=ChunkManifest(
            sources=manifest.sources,
            source_index=columns(np.where(empty, np.uint32(MISSING), source)),
            offsets=columns(np.where(empty, np.uint64(0), entries[..., 0])),
            lengths=columns(np.where(empty, np.uint64(0), entries[..., 1])),
        ),
    )


def _read_index(
    registry: StoreRegistry,
    url: str,
    start: int,
    size: int,
    configuration: Mapping[str, Any],
    per_shard: tuple[int, ...],
    path: str,
) -> npt.NDArray[np.uint64]:
    """Offset and length of each inner chunk in one shard, shape ``(*per_shard, 2)``."""
    codecs = _named(configuration.get("index_codecs", ()))
    length = 16 * math.prod(per_shard)
    for codec in codecs:
        name = codec["name"]
        if name not in ("bytes", "transpose", *_CHECKSUM_BYTES):
            raise UnvirtualizableError(
                f"The index of its shards is encoded with {name!r}: leave inner_chunks out"
            )
        length += _CHECKSUM_BYTES.get(name, 0)
    if length > size:
        raise CorruptFileError(
            f"{url} has {size} bytes; expected at least {length} for the index of a shard of {path!r}"
        )
    at_start = configuration.get("index_location", "end") == "start"
    data = registry.open(url).read(start if at_start else start + size - length, length)
    try:
        return decode_chunk(data, codecs=codecs, data_type="uint64", chunk_shape=(*per_shard, 2))
    except VzlabError as error:
        raise CorruptFileError(
            f"The index of the shard {url} of {path!r} does not decode: {error}"
        ) from error


def _named(codecs: Any) -> tuple[Mapping[str, Any], ...]:
    return tuple({"name": codec} if isinstance(codec, str) else codec for codec in codecs)
