"""What a link leads to and where the values of an attribute lie, from the bytes of their messages."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vzlab.parsers.hdf5.object_header import FileBytes

_HARD = 0
_VARIABLE_LENGTH = 9
"""Class of a datatype: IV.A.2.d."""


@dataclass(frozen=True, kw_only=True)
class AttributeValues:
    """Where in an attribute message its values lie."""

    start: int
    stop: int
    are_elsewhere: bool
    """Whether they are references into global heaps."""


def attribute_values(file: FileBytes, body: bytes) -> AttributeValues | None:
    """Where the values of an attribute message are (HDF5 specification IV.A.2.m); None where its own bytes do not say."""
    if len(body) < 8 or body[0] not in (1, 2, 3) or (body[0] > 1 and body[1] & 1):
        return None
    sizes = [int.from_bytes(body[at : at + 2], "little") for at in (2, 4, 6)]
    # In version 1 each part is padded to a multiple of eight bytes; in version 3 the character set comes before the name.
    name, datatype, dataspace = (-(-size // 8) * 8 if body[0] == 1 else size for size in sizes)
    type_at = (9 if body[0] == 3 else 8) + name
    space_at = type_at + datatype
    start = space_at + dataspace
    if start > len(body):
        return None
    n_elements = _n_elements(file, body[space_at:start])
    return AttributeValues(
        start=start,
        stop=start + n_elements * int.from_bytes(body[type_at + 4 : type_at + 8], "little"),
        are_elsewhere=body[type_at] & 15 == _VARIABLE_LENGTH,
    )


def _n_elements(file: FileBytes, space: bytes) -> int:
    """Of a dataspace message (IV.A.2.b)."""
    version, rank = space[0], space[1]
    if version == 2 and space[3] == 2:  # null
        return 0
    first = 8 if version == 1 else 4
    return math.prod(file.length(space, first + i * file.length_bytes) for i in range(rank))


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
