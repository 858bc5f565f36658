"""HDF5's scale-offset filter (id 6), decoded by whole columns of numpy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from vzlab.codecs.bits import read_bits
from vzlab.codecs.numcodec import ArchiveCodec, ByteArray
from vzlab.errors import CodecError, UnsupportedCodecError

# The filter's client data values as H5Z__set_local_scaleoffset stores them (HDF5 file format specification
# IV.A.2.l names the filter; the meaning of its values is fixed by the library, src/H5Zscaleoffset.c).
_SCALE_TYPE, _SCALE_FACTOR, _N_ELEMENTS, _CLASS, _SIZE, _SIGN, _ORDER, _HAS_FILL, _FILL = range(9)
_FLOAT_DSCALE, _INTEGER_SCALE = 0, 2
_HEADER_BYTES = 21


class ScaleOffset(ArchiveCodec):
    """Values stored as their distance from the chunk's minimum, in as few bits as that needs.

    Parameters
    ----------
    cd_values : sequence of int
        The filter's 20 client data values.

    Raises
    ------
    UnsupportedCodecError
        The values describe a variant that HDF5 itself does not implement.
    """

    codec_id: ClassVar[str] = "vzlab.scaleoffset"

    def __init__(self, *, cd_values: Sequence[int]) -> None:
        self.cd_values = [int(value) for value in cd_values]
        if len(self.cd_values) <= _FILL:
            raise UnsupportedCodecError(
                f"HDF5 filter scale-offset (6) has {len(self.cd_values)} client data values; expected 20."
            )
        is_float = self.cd_values[_CLASS] == 1
        size = self.cd_values[_SIZE]
        expected_type = _FLOAT_DSCALE if is_float else _INTEGER_SCALE
        if self.cd_values[_SCALE_TYPE] != expected_type or size not in ((4, 8) if is_float else (1, 2, 4, 8)):
            raise UnsupportedCodecError(
                f"HDF5 filter scale-offset (6) with scale type {self.cd_values[_SCALE_TYPE]} for "
                f"{'floats' if is_float else 'integers'} of {size} bytes is not implemented, by HDF5 neither."
            )
        kind = "f" if is_float else "i" if self.cd_values[_SIGN] else "u"
        self._native = np.dtype(f"<{kind}{size}")
        self._stored = self._native.newbyteorder(">" if self.cd_values[_ORDER] == 1 else "<")
        self._n_elements = self.cd_values[_N_ELEMENTS]
        # A cd_value is unsigned; the scale factor is a C int.
        factor = self.cd_values[_SCALE_FACTOR]
        self._scale_factor = factor - (1 << 32) if factor >= 1 << 31 else factor

    @property
    def _passes_through(self) -> bool:
        """Integers asked to keep all their bits are not touched, and get no header."""
        return self._native.kind != "f" and self._scale_factor == 8 * self._native.itemsize

    def _decode(self, stored: ByteArray) -> ByteArray:
        if self._passes_through:
            return stored
        if stored.size < _HEADER_BYTES:
            raise CodecError(
                f"{self.codec_id} found {stored.size} bytes; expected a header of {_HEADER_BYTES}."
            )
        header = stored[:_HEADER_BYTES].tobytes()
        width_bits = int.from_bytes(header[:4], "little")
        minimum = int.from_bytes(header[5 : 5 + min(header[4], 8)], "little")
        native = self._native
        if width_bits > 8 * native.itemsize:
            raise CodecError(
                f"{self.codec_id} found values of {width_bits} bits; expected at most {8 * native.itemsize}."
            )
        if width_bits == 8 * native.itemsize:
            end = _HEADER_BYTES + self._n_elements * native.itemsize
            if stored.size < end:
                raise CodecError(f"{self.codec_id} found {stored.size} bytes; expected {end}.")
            values = stored[_HEADER_BYTES:end].view(native)
        else:
            values = self._restore(self._unpack(stored, width_bits), width_bits, minimum)
        return values.astype(self._stored, copy=False).view(np.uint8)

    def _unpack(self, stored: ByteArray, width_bits: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
        if width_bits == 0:
            return np.zeros(self._n_elements, dtype=np.uint64)
        starts = np.arange(self._n_elements, dtype=np.int64) * width_bits
        unpacked: np.ndarray[tuple[int], np.dtype[np.uint64]] = read_bits(
            stored[_HEADER_BYTES:], starts, width_bits
        ).reshape(-1)
        return unpacked

    def _restore(
        self, distances: np.ndarray[tuple[int], np.dtype[np.uint64]], width_bits: int, minimum: int
    ) -> np.ndarray[tuple[int], np.dtype[np.generic]]:
        native = self._native
        minimum_bytes = minimum.to_bytes(8, "little")
        values: np.ndarray[tuple[int], np.dtype[np.generic]]
        if native.kind == "f":
            # HDF5 divides by 10**D and adds the minimum in the data's own precision.
            scale = native.type(math.pow(10.0, self._scale_factor))
            lowest = np.frombuffer(minimum_bytes, dtype=native, count=1)
            values = distances.astype(native) / scale + lowest
        else:
            unsigned = np.dtype(f"<u{native.itemsize}")
            lowest = np.frombuffer(minimum_bytes, dtype=unsigned, count=1)
            values = (distances.astype(unsigned) + lowest).view(native)
        if self.cd_values[_HAS_FILL] == 1:
            values[distances == np.uint64((1 << width_bits) - 1)] = self._fill_value()
        return values

    def _fill_value(self) -> np.generic:
        words = np.array(self.cd_values[_FILL:], dtype="<u4").tobytes().ljust(8, b"\0")
        fill: np.generic = np.frombuffer(words, dtype=self._native, count=1)[0]
        return fill

    def _encode(self, plain: ByteArray) -> ByteArray:
        if self._passes_through:
            return plain
        expected = self._n_elements * self._native.itemsize
        if plain.size != expected:
            raise CodecError(f"{self.codec_id} found {plain.size} bytes to encode; expected {expected}.")
        # The format's own way out for values that do not shrink: full width, unchanged, after the header.
        header = (8 * self._native.itemsize).to_bytes(4, "little") + b"\x08" + bytes(16)
        values = plain.view(self._stored).astype(self._native, copy=False)
        return np.concatenate([np.frombuffer(header, dtype=np.uint8), values.view(np.uint8)])
