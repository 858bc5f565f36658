"""What a link leads to and where the values of an attribute lie, from the bytes of their messages."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import NamedTuple

from vzlab.parsers.hdf5.object_header import FileBytes

_SIZES = struct.Struct("<3H")
"""Of name, datatype and dataspace of an attribute."""
_HARD = 0
_VARIABLE_LENGTH = 9
"""Class of a datatype: IV.A.2.d."""


class AttributeMessage(NamedTuple):
    """An attribute message whose own bytes say all there is. A tuple, since files have thousands."""

    name: str
    datatype: bytes
    """The datatype message in it."""
    shape: tuple[int, ...]
    """(0,) for a null dataspace."""
    data: bytes
    """From the values on."""

    @property
    def item_bytes(self) -> int:
        """Bytes of an element."""
        return int.from_bytes(self.datatype[4:8], "little")


def values_start(body: bytes) -> int:
    """Where in an attribute message of at least eight bytes its values begin."""
    version = body[0]
    sizes: tuple[int, int, int] = _SIZES.unpack_from(body, 2)
    name, datatype, dataspace = sizes
    # In version 1 each part is padded to a multiple of eight bytes; in version 3 the character set comes before the name.
    if version == 1:
        return 8 + (name + 7 & ~7) + (datatype + 7 & ~7) + (dataspace + 7 & ~7)
    return (9 if version == 3 else 8) + name + datatype + dataspace


def attribute_message(file: FileBytes, body: bytes) -> AttributeMessage | None:
    """The parts of an attribute message (HDF5 specification IV.A.2.m); None where its own bytes do not say."""
    if len(body) < 8 or body[0] not in (1, 2, 3) or (body[0] > 1 and body[1] & 3):
        return None
    name, datatype, dataspace = _SIZES.unpack_from(body, 2)
    name_at = 9 if body[0] == 3 else 8
    name_end = name_at + name
    if body[0] == 1:
        name, datatype, dataspace = name + 7 & ~7, datatype + 7 & ~7, dataspace + 7 & ~7
    type_at = name_at + name
    space_at = type_at + datatype
    start = space_at + dataspace
    if start > len(body) or datatype < 8 or dataspace < 4 or body.find(b"\0", name_at) != name_end - 1:
        return None
    return AttributeMessage(
        name=body[name_at : name_end - 1].decode("utf-8", "surrogateescape"),
        datatype=body[type_at:space_at],
        shape=_shape(file, body[space_at:start]),
        data=body[start:],
    )


def _shape(file: FileBytes, space: bytes) -> tuple[int, ...]:
    """Of a dataspace message (IV.A.2.b)."""
    version, rank = space[0], space[1]
    if version == 2 and space[3] == 2:  # null
        return (0,)
    first = 8 if version == 1 else 4
    return tuple(file.length(space, first + i * file.length_bytes) for i in range(rank))


@dataclass(frozen=True, kw_only=True, slots=True)
class References:
    """Addresses of the objects that each element of a list of lists of references points to."""

    addresses: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, kw_only=True)
class AttributeValues:
    """Where in an attribute message its values lie."""

    start: int
    stop: int
    are_elsewhere: bool
    """Whether they are references into global heaps."""


def attribute_values(file: FileBytes, body: bytes) -> AttributeValues | None:
    """Where the values of an attribute message are; None where its own bytes do not say."""
    message = attribute_message(file, body)
    if message is None:
        return None
    start = len(body) - len(message.data)
    return AttributeValues(
        start=start,
        stop=start + math.prod(message.shape) * message.item_bytes,
        are_elsewhere=message.datatype[0] & 15 == _VARIABLE_LENGTH,
    )


def link_target(file: FileBytes, body: bytes) -> tuple[int, int | None]:
    """Length of a link message, and the address of the object's header if the link is a hard one (IV.A.2.g)."""
    flags, at, kind = body[1], 2, _HARD
    if flags & 8:
        kind, at = body[at], at + 1
    # Order of creation, and character set.
    at += 8 * (flags >> 2 & 1) + (flags >> 4 & 1)
    width = 1 << (flags & 3)
    at += width + int.from_bytes(body[at : at + width], "little")
    if kind == _HARD:
        stop = at + file.address_bytes
        return stop, file.address(body, at) if stop <= len(body) else None
    return at + 2 + int.from_bytes(body[at : at + 2], "little"), None
