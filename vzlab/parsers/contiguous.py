"""Arrays that lie uncompressed in one piece of a file, as virtual arrays of equal chunks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vzlab.codecs import CodecJSON, bytes_codecs
from vzlab.errors import CorruptFileError
from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray
from vzlab.storage import Source

MIN_CHUNK_BYTES = 65_536
"""How small chunks get by default: a request for fewer bytes takes about as long."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """Where the values of one array lie, and how."""

    name: str
    """Of the variable, for messages."""
    begin: int
    """First byte in the file."""
    shape: tuple[int, ...]
    """In C order: the last dimension varies fastest."""
    dtype: np.dtype[Any]
    """With the byte order of the file."""
    stored_itemsize: int | None = None
    """Bytes of an element as stored, if not those of `dtype`."""
    codecs: Sequence[CodecJSON] | None = None
    """The codec chain; None is the plain one of `dtype`."""

    @property
    def step_bytes(self) -> int:
        """Bytes of one step along the first dimension."""
        return math.prod(self.shape[1:]) * (self.stored_itemsize or self.dtype.itemsize)

    @property
    def n_bytes(self) -> int:
        """Bytes of all of it."""
        return (self.shape[0] if self.shape else 1) * self.step_bytes

    def check_inside(self, source: Source) -> None:
        """Refuse a block that reaches past the end of its file, before anything of its size is made.

        Raises
        ------
        CorruptFileError
        """
        end = self.begin + self.n_bytes
        if end > source.size_bytes:
            raise CorruptFileError(
                f"Variable {self.name!r} should lie at byte {self.begin} to {end} of {source.url}, which has "
                f"{source.size_bytes} bytes: the file was truncated or damaged. Fetch it again, or drop the variable."
            )


def block_array(
    block: Block,
    source: Source,
    *,
    min_chunk_bytes: int | None,
    fill_value: Any = None,
    attributes: Mapping[str, Any] | None = None,
    dimension_names: Sequence[str | None] | None = None,
) -> ManifestArray:
    """One block as a virtual array, split along its first dimension as `split_length` says.

    Raises
    ------
    CorruptFileError
        If it reaches past the end of its file.
    """
    block.check_inside(source)
    shape = block.shape
    n = shape[0] if shape else 1
    along = split_length(n, block.step_bytes, min_chunk_bytes)
    chunks = (along, *(max(length, 1) for length in shape[1:])) if shape else ()
    grid = tuple(-(-length // chunk) for length, chunk in zip(shape, chunks, strict=True))
    if 0 in shape:
        manifest = ChunkManifest.empty(grid)
    else:
        length = along * block.step_bytes
        offsets = np.uint64(block.begin) + np.arange(n // along, dtype=np.uint64) * np.uint64(length)
        manifest = ChunkManifest.from_ranges(
            source.source_file(), offsets.reshape(grid), np.broadcast_to(np.uint64(length), grid)
        )
    metadata = ArrayMetadata.create(
        shape=shape,
        dtype=block.dtype,
        chunks=chunks,
        codecs=bytes_codecs(block.dtype) if block.codecs is None else block.codecs,
        fill_value=fill_value,
        attributes=attributes,
        dimension_names=dimension_names,
    )
    return ManifestArray(metadata=metadata, manifest=manifest)


def split_length(n: int, step_bytes: int, min_chunk_bytes: int | None) -> int:
    """How many steps along the first dimension make a chunk.

    Parameters
    ----------
    n : int
        Length of the dimension.
    step_bytes : int
        Bytes of one step.
    min_chunk_bytes : int or None
        Chunks have at least as many, unless all has fewer; None asks for one chunk.

    Returns
    -------
    int
        A divisor of `n`, since a partial chunk cannot be referenced in every store: the smallest that makes chunks of
        `min_chunk_bytes`. Where that gives over 256 times as much, as for a prime `n`, one step, if it has 4,096 bytes.
    """
    if min_chunk_bytes is None or n * step_bytes <= min_chunk_bytes:
        return max(n, 1)
    least = max(-(-min_chunk_bytes // max(step_bytes, 1)), 1)
    chosen = next((k for k in _divisors(n) if k >= least), n)
    too_long = chosen > 1 and chosen * step_bytes > 256 * min_chunk_bytes
    return 1 if too_long and step_bytes >= 4096 else chosen


def _divisors(n: int) -> Iterator[int]:
    small = [k for k in range(1, math.isqrt(n) + 1) if n % k == 0]
    yield from small
    yield from (n // k for k in reversed(small))
