"""The chunks inside of chunks: what the sharding codec of Zarr says of itself.

Specification: https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vzlab.codecs import CodecDescription, describe_chain

_OFFSET_AND_LENGTH_BYTES = 16
"""What the index holds for each inner chunk: two unsigned integers of 64 bits."""

_CRC32C_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class Sharding:
    """How each stored chunk, a shard, is made up of inner chunks that can be read by themselves."""

    inner_chunk_shape: tuple[int, ...]
    inner_grid_shape: tuple[int, ...]
    """Inner chunks along each dimension of a shard."""
    codecs: tuple[CodecDescription, ...]
    """Of an inner chunk, in encoding order."""
    index_codecs: tuple[CodecDescription, ...]
    index_location: str
    """``start`` or ``end`` of the shard."""
    index_bytes: int | None
    """Length of the index, which a reader asks for first; None where its own codecs make it vary."""

    @property
    def n_inner_chunks(self) -> int:
        """Inner chunks of one shard."""
        return math.prod(self.inner_grid_shape)


def describe_sharding(codecs: Sequence[Mapping[str, Any]], shard_shape: Sequence[int]) -> Sharding | None:
    """Describe the sharding in a chain of Zarr v3 codecs; None if there is none.

    Parameters
    ----------
    codecs : sequence of mapping
        Of the array, in encoding order.
    shard_shape : sequence of int
        Lengths of its stored chunks.
    """
    found = next((codec for codec in codecs if codec["name"] == "sharding_indexed"), None)
    configuration = (found or {}).get("configuration") or {}
    inner = tuple(map(int, configuration.get("chunk_shape", ())))
    if found is None or len(inner) != len(shard_shape) or 0 in inner:
        return None
    grid = tuple(length // step for length, step in zip(shard_shape, inner, strict=True))
    index_codecs = configuration.get("index_codecs") or ()
    names = [codec["name"] for codec in index_codecs]
    n_bytes = math.prod(grid) * _OFFSET_AND_LENGTH_BYTES
    return Sharding(
        inner_chunk_shape=inner,
        inner_grid_shape=grid,
        codecs=describe_chain(configuration.get("codecs") or ()),
        index_codecs=describe_chain(index_codecs),
        index_location=str(configuration.get("index_location", "end")),
        index_bytes=n_bytes + _CRC32C_BYTES * names.count("crc32c")
        if set(names) <= {"bytes", "crc32c"}
        else None,
    )
