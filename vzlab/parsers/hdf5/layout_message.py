"""The layout message of a chunked dataset, from the file's own bytes: what the library knows and does not tell."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from vzlab.parsers.hdf5.object_header import FileBytes, Message

_LAYOUT = 0x08
_CHUNKED = 2

BTREE_V1, SINGLE_CHUNK, IMPLICIT, FIXED_ARRAY, EXTENSIBLE_ARRAY, BTREE_V2 = range(6)
"""Chunk indexing types; the first is not numbered by the specification: every layout before version 4 has it."""

_PARAMETER_BYTES = {IMPLICIT: 0, FIXED_ARRAY: 1, EXTENSIBLE_ARRAY: 5, BTREE_V2: 6}
"""Of creation parameters before the address of an index."""

_EDGES_UNFILTERED, _FILTERED_SINGLE = 1, 2
"""Bits of the flags of version 4 and later."""


@dataclass(frozen=True, kw_only=True)
class ChunkedLayout:
    """A chunked data layout message (HDF5 specification IV.A.2.i)."""

    version: int
    index_type: int
    address: int
    """Of the index, or of the only chunk."""
    chunk_shape: tuple[int, ...]
    """In elements."""
    chunk_bytes: int
    """Of a chunk that no filter touched."""
    edges_unfiltered: bool = False
    """Whether partial chunks at the array's edge go through no filter."""
    single_chunk: tuple[int, int] | None = None
    """Stored bytes and filter mask of an only chunk that is filtered."""


def find_chunked_layout(file: FileBytes, header: Iterable[Message]) -> ChunkedLayout | None:
    """The layout of the chunked dataset that an object header is of; None where there is none that is known."""
    for kind, _, body in header:
        if kind == _LAYOUT:
            return parse_chunked_layout(file, body)
    return None


def parse_chunked_layout(file: FileBytes, body: bytes) -> ChunkedLayout | None:
    """A layout message's data; None for another class of layout or a version that is not known."""
    if len(body) < 3:
        return None
    version = body[0]
    if version in (1, 2) and body[2] == _CHUNKED:
        rank, at = body[1], 8
        sizes_at, width = at + file.address_bytes, 4
    elif version == 3 and body[1] == _CHUNKED:
        rank, at = body[2], 3
        sizes_at, width = at + file.address_bytes, 4
    elif version in (4, 5) and body[1] == _CHUNKED and len(body) > 5:
        return _parse_indexed(file, body)
    else:
        return None
    # The last size is that of an element, in bytes.
    sizes = _sizes(body, sizes_at, rank, width)
    if sizes is None:
        return None
    return ChunkedLayout(
        version=version,
        index_type=BTREE_V1,
        address=file.address(body, at),
        chunk_shape=sizes[:-1],
        chunk_bytes=math.prod(sizes),
    )


def _parse_indexed(file: FileBytes, body: bytes) -> ChunkedLayout | None:
    version, flags, rank, width = body[0], body[2], body[3], body[4]
    sizes = _sizes(body, 5, rank, width)
    at = 5 + rank * width
    if sizes is None or at >= len(body):
        return None
    index_type, at = body[at], at + 1
    single = None
    if index_type == SINGLE_CHUNK:
        if flags & _FILTERED_SINGLE:
            mask_at = at + file.length_bytes
            single = (file.length(body, at), int.from_bytes(body[mask_at : mask_at + 4], "little"))
            at = mask_at + 4
    elif index_type in _PARAMETER_BYTES:
        at += _PARAMETER_BYTES[index_type]
    else:
        return None
    if at + file.address_bytes > len(body):
        return None
    return ChunkedLayout(
        version=version,
        index_type=index_type,
        address=file.address(body, at),
        chunk_shape=sizes[:-1],
        chunk_bytes=math.prod(sizes),
        edges_unfiltered=bool(flags & _EDGES_UNFILTERED),
        single_chunk=single,
    )


def _sizes(body: bytes, at: int, rank: int, width: int) -> tuple[int, ...] | None:
    if rank < 2 or len(body) < at + rank * width:
        return None
    return tuple(int.from_bytes(body[i : i + width], "little") for i in range(at, at + rank * width, width))
