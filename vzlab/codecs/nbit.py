"""HDF5's nbit filter (id 5), decoded byte column by byte column."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from vzlab.codecs.bits import read_bits, write_bits
from vzlab.codecs.numcodec import ArchiveCodec, ByteArray
from vzlab.errors import CodecError, UnsupportedCodecError

# Client data values, fixed by src/H5Znbit.c of the library: count, flag, elements, then a tree of types.
_COUNT, _NOT_COMPRESSED, _N_ELEMENTS, _TREE = range(4)
_ATOMIC, _ARRAY, _COMPOUND, _NO_OP = 1, 2, 3, 4


class NBit(ArchiveCodec):
    """Elements stored without their unused bits, one after another with no alignment.

    Parameters
    ----------
    cd_values : sequence of int
        The filter's client data values: they hold the datatype as a tree of atoms, arrays, compounds and
        members that are kept whole.

    Raises
    ------
    UnsupportedCodecError
        The values do not describe a datatype.
    """

    codec_id: ClassVar[str] = "vzlab.nbit"

    def __init__(self, *, cd_values: Sequence[int]) -> None:
        self.cd_values = [int(value) for value in cd_values]
        self._layout: _Layout | None = None
        if len(self.cd_values) > _NOT_COMPRESSED and self.cd_values[_NOT_COMPRESSED]:
            return
        try:
            self._layout = _Layout(self.cd_values)
        except (IndexError, ZeroDivisionError) as error:
            raise UnsupportedCodecError(
                f"HDF5 filter nbit (5) has client data values {self.cd_values}, too few for their datatype."
            ) from error

    def _decode(self, stored: ByteArray) -> ByteArray:
        layout = self._layout
        if layout is None:
            return stored
        out = np.zeros((layout.n_elements, layout.itemsize), dtype=np.uint8)
        for width_bits, shift, columns, starts in layout.groups:
            fields = read_bits(stored, layout.element_starts[:, None] + starts, width_bits)
            out[:, columns] = (fields << np.uint64(shift)).astype(np.uint8)
        return out.reshape(-1)

    def _encode(self, plain: ByteArray) -> ByteArray:
        layout = self._layout
        if layout is None:
            return plain
        expected = layout.n_elements * layout.itemsize
        if plain.size != expected:
            raise CodecError(f"{self.codec_id} found {plain.size} bytes to encode; expected {expected}.")
        elements = plain.reshape(-1, layout.itemsize)
        out = np.zeros((layout.n_elements * layout.element_bits + 7) // 8, dtype=np.uint8)
        for width_bits, shift, columns, starts in layout.groups:
            fields = (elements[:, columns] >> shift).astype(np.uint64)
            write_bits(out, layout.element_starts[:, None] + starts, width_bits, fields)
        return out


class _Layout:
    """Where each stored bit of an element goes: bytes grouped by how many bits they take, at which shift."""

    def __init__(self, cd_values: Sequence[int]) -> None:
        self.n_elements = cd_values[_N_ELEMENTS]
        self.itemsize = cd_values[_TREE + 1]
        pieces: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        bit = 0
        for column, width_bits, shift in _pieces(_Cursor(cd_values, _TREE), 0):
            pieces[width_bits, shift].append((column, bit))
            bit += width_bits
        self.element_bits = bit
        self.element_starts = np.arange(self.n_elements, dtype=np.int64) * bit
        self.groups: list[tuple[int, int, npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []
        for (width_bits, shift), places in pieces.items():
            columns, starts = np.array(places, dtype=np.int64).T
            self.groups.append((width_bits, shift, columns, starts))


class _Cursor:
    """A position in the client data values."""

    def __init__(self, values: Sequence[int], position: int) -> None:
        self.values = values
        self.position = position

    def take(self) -> int:
        value = self.values[self.position]
        self.position += 1
        return value


def _pieces(cursor: _Cursor, base: int) -> Iterator[tuple[int, int, int]]:
    """Give each byte of an element that has stored bits, in storage order: (byte, bits, shift within it)."""
    kind, size = cursor.take(), cursor.take()
    if kind == _ATOMIC:
        big_endian, precision, offset = cursor.take(), cursor.take(), cursor.take()
        yield from _atom_pieces(base, size, bool(big_endian), precision, offset)
    elif kind == _ARRAY:
        begin = cursor.position
        base_kind, base_size = cursor.values[begin], cursor.values[begin + 1]
        if base_kind == _NO_OP:
            cursor.position = begin + 2
            yield from ((base + j, 8, 0) for j in range(size))
            return
        for i in range(size // base_size):
            cursor.position = begin
            yield from _pieces(cursor, base + i * base_size)
    elif kind == _COMPOUND:
        for _ in range(cursor.take()):
            yield from _pieces(cursor, base + cursor.take())
    elif kind == _NO_OP:
        yield from ((base + j, 8, 0) for j in range(size))
    else:
        raise UnsupportedCodecError(f"HDF5 filter nbit (5) has a datatype of class {kind}; expected 1 to 4.")


def _atom_pieces(
    base: int, size: int, big_endian: bool, precision: int, offset: int
) -> Iterator[tuple[int, int, int]]:
    """Give the bytes of one number that hold some of its bits, most significant first."""
    if precision < 1 or precision + offset > 8 * size:
        raise UnsupportedCodecError(
            f"HDF5 filter nbit (5) has {precision} bits at bit {offset} of {size} bytes; they do not fit."
        )
    for byte in range((precision + offset - 1) // 8, offset // 8 - 1, -1):
        low = max(offset, 8 * byte)
        high = min(offset + precision, 8 * byte + 8)
        yield base + (size - 1 - byte if big_endian else byte), high - low, low - 8 * byte
