"""Codecs that only move bytes or bits: records with gaps or mixed byte order, bit fields, odd shuffles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from vzlab.codecs.bits import WIDEST_BITS, as_integers, from_integers, sign_extend
from vzlab.codecs.numcodec import ArchiveCodec, ByteArray
from vzlab.errors import CodecError


class RecordLayout(ArchiveCodec):
    """Records whose members lie elsewhere than one after another, or differ in byte order.

    Parameters
    ----------
    itemsize : int
        Bytes of a record as stored.
    segments : sequence of (offset, length, reverse)
        In the order that the decoded record has: `length` bytes at `offset` of the stored one, back
        to front when `reverse` is true.
    """

    codec_id: ClassVar[str] = "vzlab.record_layout"

    def __init__(self, *, itemsize: int, segments: Sequence[Sequence[int]]) -> None:
        self.itemsize = itemsize
        self.segments = [[int(offset), int(length), int(reverse)] for offset, length, reverse in segments]
        parts = [np.arange(o, o + n)[:: -1 if reverse else 1] for o, n, reverse in self.segments]
        self._take = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
        if self._take.size and (self._take.min() < 0 or self._take.max() >= itemsize):
            raise CodecError(
                f"{self.codec_id} has a segment outside of its record of {itemsize} bytes: {self.segments}."
            )

    def _decode(self, stored: ByteArray) -> ByteArray:
        taken: ByteArray = stored.reshape(-1, self.itemsize)[:, self._take].reshape(-1)
        return taken

    def _encode(self, plain: ByteArray) -> ByteArray:
        records = plain.reshape(-1, self._take.size)
        stored = np.zeros((records.shape[0], self.itemsize), dtype=np.uint8)
        stored[:, self._take] = records
        return stored.reshape(-1)


class Bitfield(ArchiveCodec):
    """Integers that use only some bits of their bytes.

    HDF5 file format specification IV.A.2.d, fixed-point datatypes: bit offset and precision. Decoding moves
    the bits down and extends the sign, as HDF5's own conversion to a native integer does.

    Parameters
    ----------
    elementsize : int
        Bytes of an integer, 1 to 8.
    precision : int
        Bits in use.
    offset : int
        Position of the lowest bit in use.
    signed : bool
        Two's complement.
    endian : {"little", "big"}
        Byte order of the integers, before and after.
    """

    codec_id: ClassVar[str] = "vzlab.bitfield"

    def __init__(
        self, *, elementsize: int, precision: int, offset: int, signed: bool, endian: Literal["little", "big"]
    ) -> None:
        if not (1 <= elementsize <= WIDEST_BITS // 8 and precision >= 1 and offset >= 0):
            raise CodecError(f"{self.codec_id} handles integers of 1 to 8 bytes; found {elementsize} bytes.")
        if precision + offset > 8 * elementsize:
            raise CodecError(
                f"{self.codec_id} found {precision} bits at bit {offset}; {elementsize} bytes have fewer."
            )
        self.elementsize = elementsize
        self.precision = precision
        self.offset = offset
        self.signed = bool(signed)
        self.endian = endian

    def _decode(self, stored: ByteArray) -> ByteArray:
        values = from_integers(stored, self.elementsize, self.endian)
        unused = np.uint64(WIDEST_BITS - self.precision)
        values = (values >> np.uint64(self.offset)) << unused >> unused
        if self.signed:
            values = sign_extend(values, self.precision)
        return as_integers(values, self.elementsize, self.endian)

    def _encode(self, plain: ByteArray) -> ByteArray:
        values = from_integers(plain, self.elementsize, self.endian)
        unused = np.uint64(WIDEST_BITS - self.precision)
        return as_integers(
            (values << unused >> unused) << np.uint64(self.offset), self.elementsize, self.endian
        )


class Shuffle(ArchiveCodec):
    """HDF5's byte shuffle for buffers that do not end on an element: the remainder stays as it is.

    Parameters
    ----------
    elementsize : int
        Bytes of an element.
    """

    codec_id: ClassVar[str] = "vzlab.shuffle"

    def __init__(self, *, elementsize: int) -> None:
        self.elementsize = elementsize

    def _decode(self, stored: ByteArray) -> ByteArray:
        whole = stored.size - stored.size % self.elementsize
        planes = stored[:whole].reshape(self.elementsize, -1)
        return np.concatenate([planes.T.reshape(-1), stored[whole:]])

    def _encode(self, plain: ByteArray) -> ByteArray:
        whole = plain.size - plain.size % self.elementsize
        elements = plain[:whole].reshape(-1, self.elementsize)
        return np.concatenate([elements.T.reshape(-1), plain[whole:]])
