"""Fields of up to 64 bits, most significant bit first, unpacked from and packed into byte streams; no I/O."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

type ByteArray = npt.NDArray[np.uint8]

WIDEST_BITS = 64
"""The widest field that fits the integers used here."""


def read_bits(data: ByteArray, starts: npt.NDArray[np.int64], width_bits: int) -> npt.NDArray[np.uint64]:
    """Read one unsigned field of `width_bits` at each bit position.

    Parameters
    ----------
    data : array of uint8, shape (n_bytes,)
    starts : array of int64, any shape
        Bit positions counted from the most significant bit of the first byte.
    width_bits : int
        1 to 64.

    Returns
    -------
    array of uint64, shape of `starts`

    Raises
    ------
    ValueError
        A field reaches past the end of `data`.
    """
    if starts.size == 0:
        return np.zeros(starts.shape, dtype=np.uint64)
    needed_bytes = (int(starts.max()) + width_bits + 7) // 8
    if needed_bytes > data.size:
        raise ValueError(f"found {data.size} bytes of packed bits, expected at least {needed_bytes}")
    padded = np.concatenate([data, np.zeros(9, dtype=np.uint8)])
    # Every byte position seen as the start of a big-endian 64-bit word.
    words = np.ndarray((padded.size - 7,), dtype=">u8", buffer=padded, strides=(1,))
    first_byte = starts >> 3
    shift = (starts & 7).astype(np.uint64)
    value = words[first_byte].astype(np.uint64) << shift
    if width_bits > WIDEST_BITS - 7:
        value |= padded[first_byte + 8].astype(np.uint64) >> (np.uint64(8) - shift)
    fields: npt.NDArray[np.uint64] = value >> np.uint64(WIDEST_BITS - width_bits)
    return fields


def write_bits(
    out: ByteArray, starts: npt.NDArray[np.int64], width_bits: int, values: npt.NDArray[np.uint64]
) -> None:
    """Write fields as `read_bits` reads them, into bytes that are zero there.

    Parameters
    ----------
    out : array of uint8, shape (n_bytes,)
        Changed in place.
    starts : array of int64, any shape
    width_bits : int
        1 to 64.
    values : array of uint64, shape of `starts`
    """
    bits = np.unpackbits(values.reshape(-1, 1).astype(">u8").view(np.uint8), axis=1)[
        :, WIDEST_BITS - width_bits :
    ]
    positions = starts.reshape(-1, 1) + np.arange(width_bits)
    np.bitwise_or.at(out, positions >> 3, bits << (7 - (positions & 7)).astype(np.uint8))


def sign_extend(values: npt.NDArray[np.uint64], width_bits: int) -> npt.NDArray[np.uint64]:
    """Fields of `width_bits` in two's complement, widened to 64 bits (as the bits of int64)."""
    unused = np.uint64(WIDEST_BITS - width_bits)
    return ((values << unused).view(np.int64) >> unused.astype(np.int64)).view(np.uint64)


def as_integers(values: npt.NDArray[np.uint64], size_bytes: int, endian: str) -> ByteArray:
    """Give the low `size_bytes` of each value as stored integers of that byte order, flattened to bytes."""
    wide = values.astype("<u8").reshape(-1, 1).view(np.uint8)[:, :size_bytes]
    return np.ascontiguousarray(wide if endian == "little" else wide[:, ::-1]).reshape(-1)


def from_integers(stored: ByteArray, size_bytes: int, endian: str) -> npt.NDArray[np.uint64]:
    """Read stored integers of `size_bytes` (1 to 8) and that byte order as unsigned 64-bit values."""
    if stored.size % size_bytes:
        raise ValueError(f"found {stored.size} bytes, expected a multiple of {size_bytes}")
    wide = np.zeros((stored.size // size_bytes, 8), dtype=np.uint8)
    parts = stored.reshape(-1, size_bytes)
    wide[:, :size_bytes] = parts if endian == "little" else parts[:, ::-1]
    return wide.view("<u8").reshape(-1).astype(np.uint64)
