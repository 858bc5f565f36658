"""From an array to a file's unfiltered bytes, as codecs: byte order, record layout, bit fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

type CodecJSON = Mapping[str, Any]
"""A codec as Zarr v3 writes it: ``{"name": ..., "configuration": {...}}``."""

type Endian = Literal["little", "big"]


@dataclass(frozen=True, kw_only=True)
class BitField:
    """Which bits of a stored integer hold its value (HDF5 file format specification IV.A.2.d)."""

    precision: int
    """Bits in use."""
    offset: int
    """Position of the lowest bit in use."""
    signed: bool
    """Whether the value is in two's complement."""


@dataclass(frozen=True, kw_only=True)
class FloatLayout:
    """Where the parts of a stored floating-point number lie (HDF5 file format specification IV.A.2.d)."""

    size_bytes: int
    """Bytes of a number as stored."""
    endian: Endian
    """Byte order as stored."""
    sign: int
    """Position of the sign bit."""
    exponent: int
    """Position of the exponent's lowest bit."""
    exponent_bits: int
    """Number of bits of the exponent."""
    mantissa: int
    """Position of the mantissa's lowest bit."""
    mantissa_bits: int
    """Number of bits of the mantissa, without the implied one."""
    bias: int
    """What the stored exponent is larger by."""


def endian_of(dtype: np.dtype[Any]) -> Endian | None:
    """Byte order of a plain dtype; None where it has none (one byte, bytes, opaque)."""
    if dtype.kind in "SVb" or (dtype.itemsize == 1 and dtype.kind in "iu"):
        return None
    return "big" if dtype.newbyteorder("=").newbyteorder(">") == dtype else "little"


def bytes_codecs(
    dtype: np.dtype[Any], *, bit_field: BitField | None = None, float_layout: FloatLayout | None = None
) -> tuple[CodecJSON, ...]:
    """Give the codecs from an array to its unfiltered stored bytes.

    Parameters
    ----------
    dtype : numpy dtype
        As the file stores it: with byte order, and for records with members' offsets and the record's size.
    bit_field : BitField, optional
        For integers that use only some of their bits.
    float_layout : FloatLayout, optional
        For floating-point numbers that numpy has no type for; `dtype` is then what they decode to.

    Returns
    -------
    tuple of dict
        A `bytes` codec that always says its byte order where there is one, and what it takes to reach the
        stored layout from there. Records with packed members of one byte order need only `bytes`.

    Raises
    ------
    UnsupportedCodecError
        The dtype cannot hold every number of `float_layout`.
    """
    if dtype.fields is not None:
        return _record_codecs(dtype)
    if float_layout is not None:
        return (_bytes_codec("little"), _float_codec(float_layout, dtype))
    endian = endian_of(dtype)
    codecs = [_bytes_codec(endian)]
    if bit_field is not None and (bit_field.precision, bit_field.offset) != (8 * dtype.itemsize, 0):
        configuration = {
            "elementsize": dtype.itemsize,
            "precision": bit_field.precision,
            "offset": bit_field.offset,
            "signed": bit_field.signed,
            "endian": endian or "little",
        }
        codecs.append({"name": "vzlab.bitfield", "configuration": configuration})
    return tuple(codecs)


def _bytes_codec(endian: Endian | None) -> CodecJSON:
    return {"name": "bytes"} if endian is None else {"name": "bytes", "configuration": {"endian": endian}}


def _float_codec(layout: FloatLayout, dtype: np.dtype[Any]) -> CodecJSON:
    from vzlab.codecs.floats import FloatBits

    configuration = asdict(layout)
    configuration["elementsize"] = configuration.pop("size_bytes")
    configuration["decoded_size"] = dtype.itemsize
    FloatBits(**configuration)
    return {"name": "vzlab.float_bits", "configuration": configuration}


def _record_codecs(dtype: np.dtype[Any]) -> tuple[CodecJSON, ...]:
    pieces = list(_pieces(dtype, 0))
    end = 0
    packed = True
    for offset, length, _ in pieces:
        packed &= offset == end
        end = offset + length
    packed &= end == dtype.itemsize
    orders = {endian for _, _, endian in pieces if endian is not None}
    # zarr-python wants a byte order for any record with a member of several bytes, be it only text.
    neutral: Endian | None = "little" if any(length > 1 for _, length, _ in pieces) else None
    if packed and len(orders) <= 1:
        return (_bytes_codec(orders.pop() if orders else neutral),)
    segments: list[list[int]] = []
    for offset, length, endian in pieces:
        reverse = int(endian == "big")
        if segments and not reverse and not segments[-1][2] and segments[-1][0] + segments[-1][1] == offset:
            segments[-1][1] += length
        else:
            segments.append([offset, length, reverse])
    layout = {"itemsize": dtype.itemsize, "segments": segments}
    return (
        _bytes_codec(neutral),
        {"name": "vzlab.record_layout", "configuration": layout},
    )


def _pieces(dtype: np.dtype[Any], base: int) -> Iterator[tuple[int, int, Endian | None]]:
    """(offset, length, byte order) of each number in a record, in the members' order."""
    if dtype.subdtype is not None:
        element, shape = dtype.subdtype
        for i in range(int(np.prod(shape, dtype=np.int64))):
            yield from _pieces(element, base + i * element.itemsize)
    elif (fields := dtype.fields) is not None:
        for name in dtype.names or ():
            member, offset = fields[name][:2]
            yield from _pieces(member, base + offset)
    else:
        endian = endian_of(dtype)
        # Byte order goes by the number: the halves of a complex, the characters of a text.
        length = {"c": dtype.itemsize // 2, "U": 4}.get(dtype.kind, dtype.itemsize)
        for offset in range(base, base + dtype.itemsize, max(length, 1)):
            yield offset, length, endian
