"""What a GRIB message must hold before eccodes may decode it: its decoders trust counts, and write where these lead them.

Templates and octets are those of FM 92-XIV GRIB edition 2; octets count from 1 within their section.
"""

from __future__ import annotations

import numpy as np

from vzlab.codecs.bits import read_bits
from vzlab.codecs.grib_sections import Field
from vzlab.errors import CodecError

_COMPLEX, _SPATIAL_DIFFERENCING, _RUN_LENGTH = 2, 3, 200
_MOST_BITS = 32


def check_field(message: bytes, field: Field) -> None:
    """Refuse a field whose counts contradict the bytes that it has.

    Raises
    ------
    CodecError
        Naming the count, what it is and what it should be.
    """
    if field.edition == 1:
        _check_bitmap_1(message, field)
        return
    grid, representation, bitmap, data = (message[slice(*field.sections[n])] for n in (3, 5, 6, 7))
    n_points, n_values = _octets(grid, 7, 10), _octets(representation, 6, 9)
    if n_values > n_points:
        raise CodecError(f"Section 5 counts {n_values} values; section 3 has {n_points} points.")
    if bitmap[5] == 0:
        _check_bitmap(bitmap[6:], n_points, n_values)
    template = _octets(representation, 10, 11)
    if template in (_COMPLEX, _SPATIAL_DIFFERENCING):
        _check_groups(representation, data[5:], n_values, differenced=template == _SPATIAL_DIFFERENCING)
    elif template == _RUN_LENGTH:
        _check_runs(representation, data[5:], n_values)


def _octets(section: bytes, first: int, last: int) -> int:
    if len(section) < last:
        raise CodecError(f"A section has {len(section)} octets; its template needs octet {last}.")
    return int.from_bytes(section[first - 1 : last], "big")


def _check_bitmap(bits: bytes, n_points: int, n_values: int) -> None:
    """Section 6: one bit a point, set where there is a value."""
    held = np.frombuffer(bits, np.uint8)
    if held.size * 8 < n_points:
        raise CodecError(f"The bitmap has {held.size * 8} bits; the grid has {n_points} points.")
    n_set = int(np.unpackbits(held, count=n_points).sum())
    if n_set != n_values:
        raise CodecError(f"The bitmap marks {n_set} values; section 5 counts {n_values}.")


def _check_bitmap_1(message: bytes, field: Field) -> None:
    """Section 3 of edition 1: octet 4 counts unused bits at the end."""
    if 3 not in field.sections:
        return
    section = message[slice(*field.sections[3])]
    n_bits = (len(section) - 6) * 8 - section[3]
    # Octets 5 and 6: the number of a bitmap known to centres, instead of bits.
    if section[4:6] == b"\0\0" and n_bits <= 0:
        raise CodecError(f"The bitmap of {len(section)} bytes has {section[3]} unused bits: none is left.")


def _check_groups(representation: bytes, data: bytes, n_values: int, *, differenced: bool) -> None:
    """Templates 5.2 and 5.3: the lengths of all groups make the number of values, and their bits are there."""
    n_bits, width_bits, length_bits = (_octets(representation, n, n) for n in (20, 37, 47))
    n_groups, last_length = _octets(representation, 32, 35), _octets(representation, 43, 46)
    if not n_groups:
        return
    if n_groups > n_values or max(n_bits, width_bits, length_bits) > _MOST_BITS:
        raise CodecError(
            f"Section 5 has {n_groups} groups for {n_values} values, of {n_bits}, {width_bits} and {length_bits} bits; "
            f"expected no more groups than values, and at most {_MOST_BITS} bits."
        )
    position = 0
    if differenced:
        order, n_octets = _octets(representation, 48, 48), _octets(representation, 49, 49)
        if order not in (1, 2) or n_octets > 4:
            raise CodecError(
                f"Section 5 has differences of order {order}, in {n_octets} octets; expected 1 or 2."
            )
        position = (order + 1) * n_octets
    at = [0, 0, 0]
    for i, bits in enumerate((n_bits, width_bits, length_bits)):
        at[i] = position
        position += (n_groups * bits + 7) // 8
    if position > len(data):
        raise CodecError(
            f"Section 7 has {len(data)} bytes; the descriptions of {n_groups} groups need {position}."
        )
    stored = np.frombuffer(data, np.uint8)
    numbers = np.arange(n_groups, dtype=np.int64)
    widths = _octets(representation, 36, 36) + _packed(stored, at[1], width_bits, numbers)
    lengths = _octets(representation, 38, 41) + _octets(representation, 42, 42) * _packed(
        stored, at[2], length_bits, numbers
    )
    lengths[-1] = last_length
    total, n_data_bits = int(lengths.sum()), int((lengths * widths).sum())
    if total != n_values or lengths.min() < 0 or lengths.max() > n_values or widths.max() > _MOST_BITS:
        raise CodecError(f"The {n_groups} groups have {total} values; section 5 counts {n_values}.")
    if (n_data_bits + 7) // 8 > len(data) - position:
        raise CodecError(
            f"Section 7 has {len(data) - position} bytes of values; its groups need {(n_data_bits + 7) // 8}."
        )


def _packed(
    stored: np.ndarray[tuple[int], np.dtype[np.uint8]],
    position: int,
    bits: int,
    numbers: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Numbers of so many bits, one after another from a byte on."""
    if not bits:
        return np.zeros(numbers.size, np.int64)
    return read_bits(stored, position * 8 + numbers * bits, bits).astype(np.int64)


def _check_runs(representation: bytes, data: bytes, n_values: int) -> None:
    """Template 5.200: a level up to the highest in use begins a run, what is above counts on its length."""
    bits, highest = _octets(representation, 12, 12), _octets(representation, 13, 14)
    base = (1 << bits) - 1 - highest
    if not 0 < bits <= 16 or base <= 0:
        raise CodecError(f"Section 5 has levels up to {highest} in {bits} bits: no room for lengths of runs.")
    if 17 + 2 * highest > len(representation):
        raise CodecError(
            f"Section 5 has values of {(len(representation) - 17) // 2} levels; expected {highest}."
        )
    stored = np.frombuffer(data, np.uint8)
    codes = _packed(stored, 0, bits, np.arange(len(data) * 8 // bits, dtype=np.int64))
    starts = np.flatnonzero(codes <= highest)
    if not codes.size or not starts.size or starts[0] != 0:
        raise CodecError("Section 7 does not begin with a level.")
    exponents = np.arange(codes.size) - np.repeat(starts, np.diff(np.append(starts, codes.size))) - 1
    digits = np.where(codes > highest, codes - highest - 1, 0).astype(np.float64)
    # In floats: what does not fit a whole number is no length, and is only to be told from one.
    with np.errstate(over="ignore", invalid="ignore"):
        total = starts.size + float((digits * np.float64(base) ** np.maximum(exponents, 0)).sum())
    if total != n_values:
        raise CodecError(f"The runs have {total:g} values; section 5 counts {n_values}.")
