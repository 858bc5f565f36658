"""Floating-point numbers of other layouts (bfloat16, 8-bit, HDF5's own), widened to IEEE single or double."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from vzlab.codecs.bits import from_integers
from vzlab.codecs.numcodec import ArchiveCodec, ByteArray
from vzlab.errors import UnsupportedCodecError

_MANTISSA_BITS = {4: 23, 8: 52}
_EXPONENT_BITS = {4: 8, 8: 11}


class FloatBits(ArchiveCodec):
    """Numbers of a sign, an exponent and a mantissa with an implied leading bit, at any place in their bytes.

    HDF5 file format specification IV.A.2.d, floating-point datatypes.

    Parameters
    ----------
    elementsize : int
        Bytes of a number as stored, 1 to 8.
    sign, exponent, exponent_bits, mantissa, mantissa_bits : int
        Position of the lowest bit, and number of bits, of each part.
    bias : int
        What the stored exponent is larger by.
    endian : {"little", "big"}
        Byte order as stored.
    decoded_size : {4, 8}
        Bytes of the decoded number, IEEE and little-endian.
    specials : {"ieee", "fn"}
        What the largest exponent stands for: infinity and NaN, or numbers like any other, but for NaN where the mantissa
        is all ones ("finite", as in the 8-bit E4M3 of the Open Compute Project, OFP8 specification, 5.2).

    Raises
    ------
    UnsupportedCodecError
        The decoded number cannot hold every stored one.
    """

    codec_id: ClassVar[str] = "vzlab.float_bits"
    specials: Literal["ieee", "fn"] = "ieee"

    def __init__(
        self,
        *,
        elementsize: int,
        sign: int,
        exponent: int,
        exponent_bits: int,
        mantissa: int,
        mantissa_bits: int,
        bias: int,
        endian: Literal["little", "big"],
        decoded_size: int,
        specials: Literal["ieee", "fn"] = "ieee",
    ) -> None:
        self.elementsize = elementsize
        self.sign = sign
        self.exponent = exponent
        self.exponent_bits = exponent_bits
        self.mantissa = mantissa
        self.mantissa_bits = mantissa_bits
        self.bias = bias
        self.endian = endian
        self.decoded_size = decoded_size
        if specials != "ieee":
            # Only then part of the configuration, which is made of the attributes that are set.
            self.specials = specials
        # The same range of exponents, or a narrower one, and no more digits: every number has an exact place.
        lowest, highest = (
            1 - bias - mantissa_bits,
            (1 << exponent_bits) - (2 if specials == "ieee" else 1) - bias,
        )
        fits = (
            decoded_size in _MANTISSA_BITS
            and specials in {"ieee", "fn"}
            and 1 <= elementsize <= 8
            and 1 <= mantissa_bits <= _MANTISSA_BITS[decoded_size]
            and 1 <= exponent_bits <= _EXPONENT_BITS[decoded_size]
            and highest < 1 << (_EXPONENT_BITS[decoded_size] - 1)
            and lowest >= 2 - (1 << (_EXPONENT_BITS[decoded_size] - 1)) - _MANTISSA_BITS[decoded_size]
            and max(sign + 1, exponent + exponent_bits, mantissa + mantissa_bits) <= 8 * elementsize
        )
        if not fits:
            raise UnsupportedCodecError(
                f"Floating-point numbers of {elementsize} bytes with {exponent_bits} bits of exponent, bias {bias}, "
                f"and {mantissa_bits} of mantissa do not fit exactly into {decoded_size} bytes."
            )

    def _decode(self, stored: ByteArray) -> ByteArray:
        bits = from_integers(stored, self.elementsize, self.endian)
        mantissa = _part(bits, self.mantissa, self.mantissa_bits)
        exponent = _part(bits, self.exponent, self.exponent_bits).astype(np.int32)
        special = exponent == (1 << self.exponent_bits) - 1
        if self.specials == "fn":
            special &= mantissa == (1 << self.mantissa_bits) - 1
        # Without the implied bit below the smallest exponent, as in IEEE 754.
        normal = exponent > 0
        digits = mantissa + np.where(normal, np.uint64(1 << self.mantissa_bits), np.uint64(0))
        power = np.where(normal, exponent, 1) - (self.bias + self.mantissa_bits)
        values = np.ldexp(digits.astype(np.float64), power)
        values[special] = np.where(mantissa[special] == 0, np.inf, np.nan)
        values = np.copysign(values, np.where(_part(bits, self.sign, 1) == 1, -1.0, 1.0))
        decoded: ByteArray = values.astype(f"<f{self.decoded_size}").view(np.uint8)
        return decoded


def _part(bits: npt.NDArray[np.uint64], position: int, width_bits: int) -> npt.NDArray[np.uint64]:
    part: npt.NDArray[np.uint64] = bits >> np.uint64(position) & np.uint64((1 << width_bits) - 1)
    return part
