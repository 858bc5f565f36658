"""Object headers from the file's own bytes: HDF5 specification IV.A.1, "Data Object Header Prefix"."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vzlab.storage import Source

CONTINUATION = 0x10
type Message = tuple[int, int, bytes]
"""Type, flags and data."""

_PREFIXES = {1: struct.Struct("<HHB"), 2: struct.Struct("<BHB")}
"""Type, length and flags before each message, by the version of the header."""
MAX_BLOCKS = 1000
"""Blocks of one header that are followed."""
SPECULATIVE_BYTES = 512
"""Read of a header whose length is not known yet, as the library does."""


@dataclass(frozen=True, kw_only=True)
class FileBytes:
    """The bytes of a file, by addresses as its structures hold them."""

    source: Source
    base: int
    """Where address 0 is in the source: behind a user block."""
    address_bytes: int
    length_bytes: int

    @classmethod
    def of(cls, file_id: Any, source: Source) -> FileBytes:
        """As the library found an open file (``h5py.h5f.FileID``) to be."""
        creation = file_id.get_create_plist()
        address_bytes, length_bytes = creation.get_sizes()
        return cls(
            source=source,
            base=creation.get_userblock(),
            address_bytes=address_bytes,
            length_bytes=length_bytes,
        )

    @cached_property
    def size_bytes(self) -> int:
        """Bytes from address 0 to the end."""
        return self.source.size_bytes - self.base

    @property
    def undefined(self) -> int:
        """The address that is none: all bits set."""
        return (1 << 8 * self.address_bytes) - 1

    @cached_property
    def superblock(self) -> bytes:
        """The superblock of the file, and what comes right behind it."""
        return self.read(0, 96)

    def read(self, address: int, length: int) -> bytes:
        """As many bytes, or as many as there are before the end."""
        length = min(length, self.size_bytes - address)
        return self.source.read(self.base + address, length) if length > 0 else b""

    def address(self, block: bytes, at: int) -> int:
        """The address at a position of a block."""
        return int.from_bytes(block[at : at + self.address_bytes], "little")

    def length(self, block: bytes, at: int) -> int:
        """The length or count at a position of a block."""
        return int.from_bytes(block[at : at + self.length_bytes], "little")


@dataclass(frozen=True, kw_only=True)
class HeaderShape:
    """What the prefix of an object header says of the blocks that follow."""

    version: int
    start: int
    """Of the first block's messages, from the header's address."""
    length: int
    """Of the first block's messages, in bytes."""
    message_prefix: int
    """Bytes before each message's data."""


def header_shape(head: bytes) -> HeaderShape | None:
    """The shape of the object header that bytes begin with; None if they begin none."""
    if len(head) < 16:
        return None
    if head[:4] == b"OHDR" and head[4] == 2:  # IV.A.1.b
        flags = head[5]
        # Times are stored if bit 5 is set, attribute phase change values if bit 4 is.
        at = 6 + 16 * (flags >> 5 & 1) + 4 * (flags >> 4 & 1)
        width = 1 << (flags & 3)
        length = int.from_bytes(head[at : at + width], "little")
        return HeaderShape(version=2, start=at + width, length=length, message_prefix=6 if flags & 4 else 4)
    if head[0] == 1 and head[1] == 0:  # IV.A.1.a: twelve bytes, padded to sixteen
        return HeaderShape(version=1, start=16, length=int.from_bytes(head[8:12], "little"), message_prefix=8)
    return None


def block_messages(block: bytes, shape: HeaderShape) -> list[Message]:
    """Each message of one block of a header."""
    at, prefix = shape.message_prefix, shape.message_prefix
    unpack_from, stop = _PREFIXES[shape.version].unpack_from, len(block)
    found = []
    while at <= stop:
        kind, n_bytes, flags = unpack_from(block, at - prefix)
        found.append((kind, flags, block[at : at + n_bytes]))
        at += n_bytes + prefix
    return found


def continuation_range(file: FileBytes, body: bytes, shape: HeaderShape) -> tuple[int, int]:
    """Address and length of the messages of the block that a continuation message leads to (IV.A.2.q)."""
    address, length = file.address(body, 0), file.length(body, file.address_bytes)
    # A block of version 2 has a signature before its messages and a checksum behind them.
    return (address, length) if shape.version == 1 else (address + 4, length - 8)


def messages(file: FileBytes, address: int) -> list[Message]:
    """Each message of an object header, block after block; none where there is no header, or none that ends."""
    head = file.read(address, SPECULATIVE_BYTES)
    shape = header_shape(head)
    found: list[Message] = []
    if shape is None:
        return found
    pending = [(address + shape.start, shape.length)]
    n_left = file.size_bytes
    for start, length in pending:
        # Blocks that are longer together than the file lie one over the other: a cycle.
        n_left -= max(length, 1)
        if n_left < 0 or len(pending) > MAX_BLOCKS:
            return []
        at = start - address
        held = at >= 0 and at + length <= len(head)
        block = head[at : at + length] if held else file.read(start, length)
        for message in block_messages(block, shape):
            if message[0] == CONTINUATION:
                pending.append(continuation_range(file, message[2], shape))
            else:
                found.append(message)
    return found
