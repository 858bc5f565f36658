"""The layout message of a chunked dataset, from the file's own bytes: what the library knows and does not tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vzlab.storage import Source

_LAYOUT, _CONTINUATION = 0x08, 0x10
_CHUNKED = 2
EXTENSIBLE_ARRAY = 4
"""Chunk indexing type of an extensible array."""


@dataclass(frozen=True, kw_only=True)
class ChunkedLayout:
    """A chunked data layout message of version 4 or later (HDF5 specification IV.A.2.i)."""

    edges_unfiltered: bool
    """Whether partial chunks at the array's edge go through no filter."""
    index_type: int
    """1 single chunk, 2 implicit, 3 fixed array, 4 extensible array, 5 version 2 B-tree."""


def read_chunked_layout(file_id: Any, source: Source, address: int) -> ChunkedLayout | None:
    """The layout of the chunked dataset whose object header is at an address; None for an older version.

    Parameters
    ----------
    file_id : h5py.h5f.FileID
    address : int
        Of the object header, from the file's base address.
    """
    creation = file_id.get_create_plist()
    widths, base = creation.get_sizes(), creation.get_userblock()
    for kind, body in _messages(source, base, address, widths):
        if kind == _LAYOUT and body[0] >= 4 and body[1] == _CHUNKED:
            rank, width = body[3], body[4]
            return ChunkedLayout(edges_unfiltered=bool(body[2] & 1), index_type=body[5 + rank * width])
    return None


def _messages(
    source: Source, base: int, address: int, widths: tuple[int, int]
) -> Iterator[tuple[int, bytes]]:
    """Type and body of each message of a version 2 object header (HDF5 specification IV.A.1.b)."""
    head = _upto(source, base + address, 64)
    if head[:4] != b"OHDR":
        return
    flags = head[5]
    # Times are stored if bit 5 is set, attribute phase change values if bit 4 is.
    start = 6 + 16 * (flags >> 5 & 1) + 4 * (flags >> 4 & 1)
    width = 1 << (flags & 3)
    size = int.from_bytes(head[start : start + width], "little")
    blocks = [(base + address + start + width, size)]
    prefix = 6 if flags & 4 else 4
    while blocks:
        offset, length = blocks.pop(0)
        block = source.read(offset, length)
        at = 0
        while at + prefix <= len(block):
            kind, n_bytes = block[at], int.from_bytes(block[at + 1 : at + 3], "little")
            body = block[at + prefix : at + prefix + n_bytes]
            at += prefix + n_bytes
            if kind == _CONTINUATION:
                where = int.from_bytes(body[: widths[0]], "little")
                length = int.from_bytes(body[widths[0] : sum(widths)], "little")
                # A continuation block has a signature before its messages and a checksum behind them.
                blocks.append((base + where + 4, length - 8))
            else:
                yield kind, body


def _upto(source: Source, offset: int, length: int) -> bytes:
    return source.read(offset, min(length, source.size_bytes - offset))
