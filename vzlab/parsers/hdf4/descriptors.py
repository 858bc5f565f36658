"""The data descriptors of an HDF4 file, and the bytes of its elements, small ones read through a cache.

HDF Specification and Developer's Guide 4.x, chapter 2 ("Physical file format") and chapter 10 ("Extended tags").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from vzlab.errors import CorruptFileError, UnsupportedFormatError
from vzlab.parsers.hdf4.bytes_read import Cursor
from vzlab.storage import BlockReader, Source

MAGIC = b"\x0e\x03\x13\x01"
NULL, LINKED, COMPRESSED = 1, 20, 40
NT, SD, SDD, SDG, NDG = 106, 702, 701, 700, 720
VH, VS, VG = 1962, 1963, 1965
SPECIAL_BIT = 0x4000

MAX_ELEMENT_BYTES = 64 * 2**20
"""No element of metadata is longer."""

type Key = tuple[int, int]
"""Tag and reference number."""


class Descriptor(NamedTuple):
    """Where an element lies."""

    offset: int
    length: int
    special: bool
    """Whether what lies there says where the data are."""


@dataclass(frozen=True, kw_only=True)
class Elements:
    """The elements of a file by tag and reference number."""

    source: Source
    reader: BlockReader
    table: dict[Key, Descriptor]

    def refs(self, tag: int) -> list[int]:
        """Reference numbers of the elements with a tag, in the file's order."""
        return [ref for found, ref in self.table if found == tag]

    def find(self, key: Key) -> Descriptor:
        """An element's descriptor.

        Raises
        ------
        CorruptFileError
            If there is none.
        """
        if key not in self.table:
            raise CorruptFileError(
                f"{self.source.url} refers to element {key} (tag, reference), which it has not. It is damaged."
            )
        return self.table[key]

    def bytes_at(self, offset: int, length: int) -> bytes:
        """A few bytes of the file.

        Raises
        ------
        CorruptFileError
            If they lie outside of the file, or are more than metadata may be.
        """
        if not (
            offset >= 0 and 0 <= length <= MAX_ELEMENT_BYTES and offset + length <= self.source.size_bytes
        ):
            raise CorruptFileError(
                f"{self.source.url} should have {length} bytes at {offset}, and has {self.source.size_bytes} in all. "
                "It is damaged or truncated: fetch it again."
            )
        self.reader.seek(offset)
        return self.reader.read(length) or b""

    def cursor(self, key: Key) -> Cursor:
        """The bytes of an element."""
        found = self.find(key)
        return Cursor(self.bytes_at(found.offset, found.length), f"Element {key} of {self.source.url}")


def read_elements(source: Source) -> Elements:
    """Read all descriptor blocks.

    Raises
    ------
    UnsupportedFormatError
        If the file does not begin as HDF4 does.
    CorruptFileError
        If a block lies outside of the file, or the blocks go round in a circle.
    """
    reader = BlockReader(source)
    elements = Elements(source=source, reader=reader, table={})
    start = elements.bytes_at(0, min(4, source.size_bytes))
    if start != MAGIC:
        raise UnsupportedFormatError(
            f"{source.url} begins with {start!r}; expected {MAGIC!r} of HDF4. Open it with the parser of its own format."
        )
    seen: set[int] = set()
    at = len(MAGIC)
    while at:
        if at in seen:
            raise CorruptFileError(
                f"{source.url}: its descriptor blocks go round in a circle at byte {at}. It is damaged."
            )
        seen.add(at)
        header = Cursor(elements.bytes_at(at, 6), f"The descriptor block at byte {at} of {source.url}")
        count, following = header.take("hi")
        if count < 0 or following < 0:
            raise CorruptFileError(
                f"{source.url}: the descriptor block at byte {at} has {count} entries. It is damaged."
            )
        block = Cursor(
            elements.bytes_at(at + 6, 12 * count), f"The descriptor block at byte {at} of {source.url}"
        )
        for _ in range(count):
            tag, ref, offset, length = block.take("HHii")
            if tag == NULL or offset < 0 or length < 0:
                continue
            special = tag < 0x8000 and bool(tag & SPECIAL_BIT)
            elements.table[tag & ~SPECIAL_BIT if special else tag, ref] = Descriptor(offset, length, special)
        at = following
    return elements
