"""Special elements: linked blocks, external files, compressed and chunked data.

HDF Specification and Developer's Guide, chapter 10 ("Extended tags and special elements").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vzlab.errors import CorruptFileError, UnsupportedCodecError
from vzlab.parsers.hdf4.bytes_read import Cursor, decode_text
from vzlab.parsers.hdf4.descriptors import COMPRESSED, LINKED, VH, VS, Elements, Key
from vzlab.parsers.hdf4.runs import RUN_LENGTH
from vzlab.parsers.hdf4.vsets import read_records, read_vdata

_LINKED, _EXTERNAL, _COMPRESSED, _CHUNKED = 1, 2, 3, 5
_CODERS = {
    0: "",
    1: RUN_LENGTH,
    2: "n-bit",
    3: "skipping Huffman",
    4: "deflate",
    5: "szip",
    7: "JPEG",
    12: "IMCOMP",
}

MAX_RANGES = 1_000_000
"""Ranges of one element, several times what reference numbers of 16 bits allow."""

type Range = tuple[int, int]
"""Offset and length; offset -1 where nothing was written."""


@dataclass(frozen=True, kw_only=True)
class Extent:
    """Where the bytes of an element lie, in order."""

    ranges: tuple[Range, ...]
    """Neighbours joined."""
    length: int
    """Bytes in all, decompressed."""
    coder: str = ""
    """What compressed it; empty for nothing."""
    file_name: str = ""
    """Another file that the ranges are of."""


@dataclass(frozen=True, kw_only=True)
class ChunkedExtent:
    """Where the chunks of an element lie."""

    shape: tuple[int, ...]
    chunk_shape: tuple[int, ...]
    fill: bytes
    chunks: dict[tuple[int, ...], Extent]
    """By place in the grid."""
    length: int


def find_extent(elements: Elements, key: Key, depth: int = 0) -> Extent | ChunkedExtent:
    """Where an element's bytes lie.

    Raises
    ------
    CorruptFileError
        If what says so contradicts itself or the file.
    UnsupportedCodecError
        If it is a kind of special element that is not known here.
    """
    found = elements.find(key)
    if not found.special:
        elements_end = found.offset + found.length
        if elements_end > elements.source.size_bytes:
            raise CorruptFileError(
                f"Element {key} of {elements.source.url} should reach to byte {elements_end}, and the file has "
                f"{elements.source.size_bytes}. It is truncated: fetch it again."
            )
        return Extent(ranges=((found.offset, found.length),), length=found.length)
    if depth > 2:
        raise CorruptFileError(
            f"Element {key} of {elements.source.url} is special within special ones. The file is damaged."
        )
    cursor = elements.cursor(key)
    code = cursor.one("h")
    if code == _LINKED:
        return _linked(elements, cursor, key)
    if code == _EXTERNAL:
        length, offset, name_length = cursor.take("iii")
        name = decode_text(cursor.raw(name_length))
        return Extent(ranges=((offset, length),), length=length, file_name=name)
    if code == _COMPRESSED:
        _version, length, ref = cursor.take("HiH")
        coder = _coder(cursor)
        inner = find_extent(elements, (COMPRESSED, ref), depth + 1)
        if isinstance(inner, ChunkedExtent) or inner.coder or length < 0:
            raise CorruptFileError(
                f"Element {key} of {elements.source.url} is compressed twice. The file is damaged."
            )
        return Extent(ranges=inner.ranges, length=length, coder=coder, file_name=inner.file_name)
    if code == _CHUNKED:
        return _chunked(elements, cursor, key, depth)
    raise UnsupportedCodecError(f"It is a special element of kind {code}, which is not known here.")


def _coder(cursor: Cursor) -> str:
    model, coder = cursor.take("HH")
    if model != 0 or coder not in _CODERS:
        raise UnsupportedCodecError(
            f"It is compressed by model {model} and coder {coder}, which are not known here."
        )
    return _CODERS[coder]


def _linked(elements: Elements, cursor: Cursor, key: Key) -> Extent:
    """Blocks that tables list; the first may have another length than the others, and the last need not be full."""
    length, block_length, per_table, ref = cursor.take("iiiH")
    if length < 0 or block_length <= 0 or per_table <= 0:
        raise CorruptFileError(
            f"Element {key} of {elements.source.url} has linked blocks of {block_length} bytes. It is damaged."
        )
    ranges: list[Range] = []
    left, seen = length, set[int]()
    while ref and left > 0:
        if ref in seen or len(ranges) > MAX_RANGES:
            raise CorruptFileError(
                f"Linked blocks of element {key} of {elements.source.url} go round in a circle. It is damaged."
            )
        seen.add(ref)
        table = elements.cursor((LINKED, ref))
        ref = table.one("H")
        for block in table.many(per_table, "H"):
            if left <= 0:
                break
            if block == 0:
                # A block that was never written reads as zeros.
                taken = min(left, block_length)
                ranges.append((-1, taken))
            else:
                found = elements.find((LINKED, block))
                # Only the first block may differ in length: it was an ordinary element before it grew.
                taken = min(left, found.length if not ranges else block_length)
                if taken > found.length or taken <= 0 or found.offset + taken > elements.source.size_bytes:
                    raise CorruptFileError(
                        f"Linked block {block} of element {key} of {elements.source.url} has {found.length} bytes. It is damaged."
                    )
                ranges.append((found.offset, taken))
            left -= taken
    if left > 0:
        raise CorruptFileError(
            f"The linked blocks of element {key} of {elements.source.url} lack {left} of {length} bytes."
        )
    return Extent(ranges=_joined(ranges), length=length)


def _joined(ranges: list[Range]) -> tuple[Range, ...]:
    joined: list[Range] = []
    for offset, length in ranges:
        if joined and offset >= 0 and joined[-1][0] >= 0 and sum(joined[-1]) == offset:
            joined[-1] = (joined[-1][0], joined[-1][1] + length)
        else:
            joined.append((offset, length))
    return tuple(joined)


def _chunked(elements: Elements, cursor: Cursor, key: Key, depth: int) -> ChunkedExtent:
    _header_length, _version = cursor.take("iB")
    _flag, length, _chunk_bytes, _number_bytes = cursor.take("iiii")
    table_tag, table_ref, _, _ = cursor.take("HHHH")
    rank = cursor.one("i")
    if not 0 < rank <= 32 or table_tag != VH:
        raise CorruptFileError(
            f"Element {key} of {elements.source.url} has chunks of {rank} dimensions. It is damaged."
        )
    dimensions = [cursor.take("iii") for _ in range(rank)]
    shape, chunk_shape = tuple(d[1] for d in dimensions), tuple(d[2] for d in dimensions)
    if min(shape) < 0 or min(chunk_shape) <= 0:
        raise CorruptFileError(
            f"Element {key} of {elements.source.url} has chunks of shape {chunk_shape}. It is damaged."
        )
    fill = cursor.raw(cursor.one("i"))
    table = read_vdata(elements, table_ref)
    chunks: dict[tuple[int, ...], Extent] = {}
    if table.n_records:
        records = read_records(elements, table, element_bytes(elements, (VS, table_ref), depth + 1))
        if records.dtype.names != ("origin", "chk_tag", "chk_ref"):
            raise CorruptFileError(
                f"The chunk table of element {key} of {elements.source.url} has fields {records.dtype.names}."
            )
        origins = np.atleast_2d(records["origin"].reshape(len(records), rank)).tolist()
        # Reference numbers have 16 bits: a file holds 65,535 chunks at most.
        for origin, tag, ref in zip(
            origins, records["chk_tag"].tolist(), records["chk_ref"].tolist(), strict=True
        ):
            chunk = find_extent(elements, (tag, ref), depth + 1)
            if isinstance(chunk, ChunkedExtent):
                raise CorruptFileError(
                    f"A chunk of element {key} of {elements.source.url} is chunked itself. It is damaged."
                )
            chunks[tuple(origin)] = chunk
    return ChunkedExtent(shape=shape, chunk_shape=chunk_shape, fill=fill, chunks=chunks, length=length)


def element_bytes(elements: Elements, key: Key, depth: int = 0) -> bytes:
    """The bytes of an element of metadata, which may lie in linked blocks.

    Raises
    ------
    UnsupportedCodecError
        If it is compressed, chunked or in another file, as metadata never are.
    """
    if key not in elements.table:
        return b""
    extent = find_extent(elements, key, depth)
    if isinstance(extent, ChunkedExtent) or extent.coder or extent.file_name:
        raise UnsupportedCodecError(
            f"Element {key} of {elements.source.url} is stored in a way in which no metadata is."
        )
    return b"".join(
        bytes(length) if offset < 0 else elements.bytes_at(offset, length) for offset, length in extent.ranges
    )
