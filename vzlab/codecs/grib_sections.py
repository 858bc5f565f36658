"""The sections of GRIB messages: where each lies, and whether their lengths agree; decodes nothing.

WMO Manual on Codes, volume I.2: FM 92-VIII GRIB edition 1 and FM 92-XIV GRIB edition 2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from vzlab.errors import CodecError

END = b"7777"
SECTION_0_BYTES = {1: 8, 2: 16}
"""Length of section 0 by edition."""

_LARGE = 1 << 23
"""Bit of the length of edition 1 that says that it counts 120 bytes."""
_SMALLEST = {1: 21, 2: 5, 3: 14, 4: 9, 5: 11, 6: 6, 7: 5}
"""Fewest bytes that a section of edition 2 can have, by its number."""
_BEFORE = {1: (0,), 2: (1, 7), 3: (1, 2, 7), 4: (3, 7), 5: (4,), 6: (5,), 7: (6,)}
"""Which sections may come before a section of edition 2: 2 to 7, 3 to 7 or 4 to 7 may be repeated."""
_SECTIONS_1 = ((1, 0, 28), (2, 128, 32), (3, 64, 6))
"""Sections of edition 1 before data: number, the flag in section 1 that says that it is there, fewest bytes."""
_SAME_BITMAP = 254
_DATA_HEADER_BYTES = 64
"""What is kept of section 4 of edition 1 for a header: more than any packing has before its numbers."""


class Bytes(Protocol):
    """A message, or all from its beginning to the end of a file: slices are what is asked of it."""

    def __len__(self) -> int:
        """Number of bytes."""

    def __getitem__(self, key: slice, /) -> bytes:
        """Bytes of a range."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a message: byte ranges of what it needs, and where it ends."""

    edition: int
    sections: dict[int, tuple[int, int]]
    """Start and stop of each section, by its number."""
    stop: int
    """End of its last section; of the message with its end mark, for the last field."""


def message_length(message: Bytes) -> int:
    """Length of the message that begins here.

    Raises
    ------
    CodecError
        If it is no GRIB message of edition 1 or 2, or ends before its length can be told.
    """
    head = _take(message, 0, 8)
    edition = head[7]
    if head[:4] != b"GRIB" or edition not in SECTION_0_BYTES:
        raise CodecError(f"Found {head!r}; expected the beginning of a GRIB message of edition 1 or 2.")
    if edition == 2:
        return _number(message, 8, 8)
    length = _number(message, 4, 3)
    if not length & _LARGE:
        return length
    # The large messages of ECMWF: the length counts 120 bytes, less what section 4 has as its own length.
    position, flags = 8, _number(message, 15, 1)
    for _, flag, _ in _SECTIONS_1:
        if not flag or flags & flag:
            position += _number(message, position, 3)
    short = _number(message, position, 3)
    return (length & ~_LARGE) * 120 - short + 4 if short < 120 else length


def fields(message: Bytes, *, whole: bool = False) -> list[Field]:
    """Every field of a message, in order.

    Parameters
    ----------
    message : bytes
        A whole message, or the beginning of one up to where a field ends.
    whole : bool
        Whether it must be a whole one.

    Raises
    ------
    CodecError
        If lengths contradict each other or the number of bytes.
    """
    length = message_length(message)
    if length < len(message) or (whole and length > len(message)):
        raise CodecError(f"Found {len(message)} bytes; the GRIB message has {length}.")
    return [_field_1(message, length)] if _number(message, 7, 1) == 1 else _fields_2(message, length)


def single_field(message: bytes, field: Field) -> bytes:
    """A message of this field alone, as it would be if nothing were repeated or shared."""
    if field.edition == 1:
        return message
    in_order = [field.sections[number] for number in sorted(field.sections)]
    used = SECTION_0_BYTES[2] + sum(stop - start for start, stop in in_order) + len(END)
    if used == len(message) == field.stop and field.sections[6] < field.sections[7]:
        return message
    return _joined_2(message, [message[start:stop] for start, stop in in_order])


def header_only(message: Bytes, field: Field) -> bytes:
    """A message with the field's metadata and no data, for a decoder that is asked for keys only."""
    if field.edition == 2:
        parts = [message[slice(*field.sections[number])] for number in sorted(field.sections) if number < 6]
        return _joined_2(message, [*parts, b"\0\0\0\x06\x06\xff", b"\0\0\0\x05\x07"])
    product = bytearray(message[slice(*field.sections[1])])
    # Octet 8, flag 64: section 3, the bitmap, follows. It is left out.
    product[7] &= ~64
    grid = message[slice(*field.sections[2])] if 2 in field.sections else b""
    start, stop = field.sections[4]
    data = bytearray(message[start + 3 : min(stop, start + _DATA_HEADER_BYTES)])
    if not data[0] & 128:
        # Octet 4, flags: a grid in simple packing, since groups are not there to be counted.
        data[0] &= ~(64 | 16)
        # Octet 11, bits of a value: none, or eccodes counts the values that are here, and not those of the grid.
        data[7] = 0
    body = bytes(product) + grid + (len(data) + 3).to_bytes(3, "big") + bytes(data) + END
    return b"GRIB" + (8 + len(body)).to_bytes(3, "big") + b"\x01" + body


def _joined_2(message: Bytes, parts: list[bytes]) -> bytes:
    body = b"".join(parts) + END
    return message[0:8] + (SECTION_0_BYTES[2] + len(body)).to_bytes(8, "big") + body


def _take(message: Bytes, start: int, length: int) -> bytes:
    data = message[start : start + length]
    if len(data) != length:
        raise CodecError(f"A GRIB message ends at byte {len(message)}, within what byte {start} begins.")
    return data


def _number(message: Bytes, start: int, length: int) -> int:
    return int.from_bytes(_take(message, start, length), "big")


def _field_1(message: Bytes, whole: int) -> Field:
    sections: dict[int, tuple[int, int]] = {}
    flags = _number(message, 15, 1)
    position, last = SECTION_0_BYTES[1], whole - len(END)
    for number, flag, smallest in _SECTIONS_1:
        if flag and not flags & flag:
            continue
        length = _number(message, position, 3)
        if length < smallest or position + length > last:
            raise _wrong_length(1, number, position, length, whole)
        sections[number] = (position, position + length)
        position += length
    length = _number(message, position, 3)
    if whole >= _LARGE and length < 120:
        length = last - position
    if length < 11 or position + length > last:
        raise _wrong_length(1, 4, position, length, whole)
    sections[4] = (position, position + length)
    if _take(message, last, len(END)) != END:
        raise _no_end(message, last, whole)
    return Field(edition=1, sections=sections, stop=whole)


def _fields_2(message: Bytes, whole: int) -> list[Field]:
    found: list[Field] = []
    current: dict[int, tuple[int, int]] = {}
    bitmap: tuple[int, int] | None = None
    position, before, last = SECTION_0_BYTES[2], 0, whole - len(END)
    while position < min(len(message), last):
        length, number = _number(message, position, 4), _number(message, position + 4, 1)
        if before not in _BEFORE.get(number, ()):
            raise CodecError(
                f"Found section {number} at byte {position} of a GRIB 2 message; section {before} was before it."
            )
        if length < _SMALLEST[number] or position + length > last:
            raise _wrong_length(2, number, position, length, whole)
        current = {n: place for n, place in current.items() if n < number}
        current[number] = (position, position + length)
        if number == 6:
            kind = _number(message, position + 5, 1)
            if kind == _SAME_BITMAP:
                if bitmap is None:
                    raise CodecError(
                        f"The bitmap at byte {position} of a GRIB 2 message is an earlier one, of which there is none."
                    )
                current[6] = bitmap
            elif kind == 0:
                bitmap = current[6]
        position += length
        before = number
        if number == 7:
            found.append(Field(edition=2, sections=current, stop=position))
    if before != 7 or (position != len(message) and position != last):
        raise CodecError(
            f"Found {min(len(message), position)} bytes of a GRIB 2 message of {whole}; they do not end where a field does."
        )
    if position == last and len(message) >= last + len(END):
        if _take(message, last, len(END)) != END:
            raise _no_end(message, last, whole)
        found[-1] = replace(found[-1], stop=whole)
    elif position != len(message):
        raise _no_end(message, last, whole)
    return found


def _wrong_length(edition: int, number: int, position: int, length: int, whole: int) -> CodecError:
    return CodecError(
        f"Section {number} at byte {position} of a GRIB {edition} message of {whole} bytes has length {length}."
    )


def _no_end(message: Bytes, last: int, whole: int) -> CodecError:
    return CodecError(
        f"A GRIB message of {whole} bytes has {message[last : last + len(END)]!r} at byte {last}; expected {END!r}."
    )
