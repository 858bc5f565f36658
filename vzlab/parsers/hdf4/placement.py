"""An element's bytes as chunks, codecs and a manifest."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from vzlab.codecs import CodecJSON
from vzlab.errors import CorruptFileError, UnsupportedCodecError, UnvirtualizableError
from vzlab.manifests import ChunkManifest, SourceFile
from vzlab.manifests.chunk_grid import DimensionChunks, simplify
from vzlab.manifests.manifest import INLINE, MISSING
from vzlab.parsers.base import check_bounds
from vzlab.parsers.hdf4.descriptors import Elements
from vzlab.parsers.hdf4.runs import RUN_LENGTH, unpack_runs
from vzlab.parsers.hdf4.special import ChunkedExtent, Extent, Range
from vzlab.storage import Source

MAX_INLINE_BYTES = 64 * 2**20
"""A variable of which more would have to be held inside the manifest is refused; it can be loaded."""

MAX_CHUNKS = 1_000_000
"""A grid of more chunks is taken for damage: a file of HDF4 holds 65,535 at most."""

_DEFLATE: CodecJSON = {"name": "numcodecs.zlib", "configuration": {"level": 6}}


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where an array lies."""

    chunks: tuple[DimensionChunks, ...]
    filters: tuple[CodecJSON, ...]
    manifest: ChunkManifest
    fill: bytes | None = None
    """Bytes of the fill value that chunks know."""


@dataclass(frozen=True, kw_only=True)
class Placer:
    """Places arrays of one file."""

    elements: Elements
    source_file: SourceFile
    find_external: Callable[[str], Source]

    def place(
        self, extent: Extent | ChunkedExtent, *, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> Placed:
        """Where the chunks of an array lie.

        Raises
        ------
        CorruptFileError
            If the bytes are fewer than the array has, or lie outside of the file.
        UnsupportedCodecError
            If they are compressed by something that no codec here decodes.
        UnvirtualizableError
            If too many would have to be held in the manifest.
        """
        if 0 in shape:
            return nothing(shape)
        if isinstance(extent, ChunkedExtent):
            return self._chunked(extent, name, shape, dtype)
        n_bytes = math.prod(shape) * dtype.itemsize
        if extent.length < n_bytes:
            raise CorruptFileError(
                f"Variable {name!r} of {self.elements.source.url} has {extent.length} bytes; expected {n_bytes}. It is damaged."
            )
        if extent.coder == RUN_LENGTH and extent.length == n_bytes and not extent.file_name:
            data = unpack_runs(self._joined(extent.ranges, name), n_bytes)
            return Placed(
                chunks=shape, filters=(), manifest=ChunkManifest.from_inline([data], (1,) * len(shape))
            )
        filters = _filters(extent.coder)
        source_file, ranges = self.source_file, extent.ranges
        if extent.file_name:
            source_file = self.find_external(extent.file_name).source_file()
        if not filters:
            ranges = _cut(ranges, n_bytes)
        elif extent.length != n_bytes:
            raise CorruptFileError(
                f"Variable {name!r} of {self.elements.source.url} inflates to {extent.length} bytes; expected {n_bytes}."
            )
        grid = (1,) * len(shape)
        if len(ranges) == 1 and ranges[0][0] >= 0:
            offset, length = ranges[0]
            manifest = ChunkManifest.from_ranges(
                source_file, np.full(grid, offset, np.uint64), np.full(grid, length, np.uint64)
            )
            manifest = check_bounds(
                manifest, variable=name, n_bytes=None if filters else n_bytes, what="the block"
            )
            return Placed(chunks=shape, filters=filters, manifest=manifest)
        row = n_bytes // shape[0] if shape else n_bytes
        if not filters and shape and all(offset >= 0 and length % row == 0 for offset, length in ranges):
            along = (len(ranges), *grid[1:])
            manifest = ChunkManifest.from_ranges(
                source_file,
                np.array([offset for offset, _ in ranges], np.uint64).reshape(along),
                np.array([length for _, length in ranges], np.uint64).reshape(along),
            )
            chunks = (simplify(shape[0], [length // row for _, length in ranges]), *shape[1:])
            return Placed(
                chunks=chunks, filters=(), manifest=check_bounds(manifest, variable=name, what="block")
            )
        data = self._joined(ranges, name)
        return Placed(chunks=shape, filters=filters, manifest=ChunkManifest.from_inline([data], grid))

    def _joined(self, ranges: tuple[Range, ...], name: str) -> bytes:
        """Bytes that lie apart from each other, read now."""
        total = sum(length for _, length in ranges)
        if total > MAX_INLINE_BYTES:
            raise UnvirtualizableError(
                f"It lies in {len(ranges)} blocks that hold no whole rows, of {total / 2**20:.0f} MiB: too many to hold in the "
                f"manifest (at most {MAX_INLINE_BYTES / 2**20:.0f})."
            )
        source = self.elements.source
        for offset, length in ranges:
            if offset + length > source.size_bytes:
                raise CorruptFileError(
                    f"A block of {name!r} reaches past the end of {source.url}. It is truncated."
                )
        return b"".join(
            bytes(length) if offset < 0 else source.read(offset, length) for offset, length in ranges
        )

    def _chunked(
        self, extent: ChunkedExtent, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> Placed:
        chunk_shape = extent.chunk_shape
        url = self.elements.source.url
        if len(chunk_shape) != len(shape):
            raise CorruptFileError(
                f"Variable {name!r} of {url} has {len(shape)} dimensions, and its chunks {len(chunk_shape)}."
            )
        if shape[1:] != extent.shape[1:]:
            raise CorruptFileError(
                f"Variable {name!r} of {url} has shape {shape}, and its chunks make up {extent.shape}."
            )
        grid = tuple(-(-n // c) for n, c in zip(shape, chunk_shape, strict=True))
        if math.prod(grid) > MAX_CHUNKS:
            raise CorruptFileError(
                f"Variable {name!r} of {url} has {math.prod(grid)} chunks; no HDF4 file holds so many."
            )
        coders = {chunk.coder for chunk in extent.chunks.values()}
        if len(coders) > 1:
            raise UnvirtualizableError(
                f"Its chunks are compressed in several ways: {', '.join(sorted(coders))}."
            )
        filters = _filters(coders.pop()) if coders else ()
        n_bytes = math.prod(chunk_shape) * dtype.itemsize
        index = np.full(grid, MISSING, np.uint32)
        offsets, lengths = np.zeros(grid, np.uint64), np.zeros(grid, np.uint64)
        inline: list[bytes] = []
        for at, chunk in extent.chunks.items():
            if any(not 0 <= i < n for i, n in zip(at, grid, strict=True)):
                raise CorruptFileError(
                    f"Variable {name!r} of {url} has a chunk at {at}, outside of its grid {grid}."
                )
            if chunk.file_name or chunk.length != n_bytes:
                raise CorruptFileError(
                    f"Chunk {at} of {name!r} of {url} has {chunk.length} bytes; expected {n_bytes}."
                )
            if len(chunk.ranges) == 1 and chunk.ranges[0][0] >= 0:
                index[at] = 0
                offsets[at], lengths[at] = chunk.ranges[0]
                continue
            inline.append(self._joined(chunk.ranges, name))
            if sum(map(len, inline)) > MAX_INLINE_BYTES:
                raise UnvirtualizableError(
                    "Its chunks lie in several ranges each: too many to hold in the manifest."
                )
            index[at], offsets[at], lengths[at] = INLINE, len(inline) - 1, len(inline[-1])
        manifest = ChunkManifest(
            sources=[self.source_file], source_index=index, offsets=offsets, lengths=lengths, inline=inline
        )
        check_bounds(manifest, variable=name, n_bytes=None if filters or inline else n_bytes)
        return Placed(chunks=chunk_shape, filters=filters, manifest=manifest.compact(), fill=extent.fill)


def nothing(shape: tuple[int, ...]) -> Placed:
    """An array of which nothing was written."""
    grid = tuple(min(n, 1) for n in shape)
    return Placed(chunks=tuple(max(n, 1) for n in shape), filters=(), manifest=ChunkManifest.empty(grid))


def _filters(coder: str) -> tuple[CodecJSON, ...]:
    if coder in ("", "deflate"):
        return (_DEFLATE,) if coder else ()
    raise UnsupportedCodecError(
        f"It is compressed by HDF4's {coder} coder, for which there is no codec here; load it instead."
    )


def _cut(ranges: tuple[Range, ...], n_bytes: int) -> tuple[Range, ...]:
    """The ranges up to a number of bytes."""
    kept = []
    for offset, length in ranges:
        if n_bytes > 0:
            kept.append((offset, min(length, n_bytes)))
        n_bytes -= length
    return tuple(kept)
