"""TIFF compressions by runs that no library here decodes: NeXT, ThunderScan, and SGI's logarithmic luminance.

Decoders of one strip or tile: bytes in, samples of shape (rows, columns) or (rows, columns, 3)
out, with the number of bytes that they took. libtiff says what the codes
of the first two are; the third is G. W. Larson's, "LogLuv Encoding for Full Gamut, High Dynamic Range Images" (1998).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.errors import CodecError

NEXT, THUNDERSCAN, SGILOG = 32766, 32809, 34676

_WHITE = 3
_LITERAL_ROW, _LITERAL_SPAN = 0x00, 0x40

_DELTAS_OF_2_BITS = (0, 1, None, -1)
_DELTAS_OF_3_BITS = (0, 1, 2, 3, None, -3, -2, -1)
"""What a code adds to the pixel before; None is no pixel."""

_UV_SCALE = 410.0


def decode_next(data: bytes, rows: int, columns: int) -> tuple[npt.NDArray[np.uint8], int]:
    """Samples of two bits: each row is white, and then has raw bytes, a span of raw bytes, or runs of grey.

    Raises
    ------
    CodecError
        If the bytes end too early, or a span lies outside of its row.
    """
    row_bytes = -(-columns // 4)
    image = np.full((rows, row_bytes * 4), _WHITE, np.uint8)
    at = 0
    for row in image:
        code = _byte(data, at)
        at += 1
        if code == _LITERAL_ROW:
            row[:] = _pairs_of_bits(_taken(data, at, row_bytes))
            at += row_bytes
        elif code == _LITERAL_SPAN:
            head = _taken(data, at, 4)
            first, n = int.from_bytes(head[:2], "big"), int.from_bytes(head[2:], "big")
            if first + n > row_bytes:
                raise CodecError(
                    f"A span of {n} bytes from byte {first} does not fit a row of {row_bytes} bytes."
                )
            row[first * 4 : (first + n) * 4] = _pairs_of_bits(_taken(data, at + 4, n))
            at += 4 + n
        else:
            at = _runs_of_grey(data, at - 1, row[:columns])
    return image[:, :columns], at


def _runs_of_grey(data: bytes, at: int, row: npt.NDArray[np.uint8]) -> int:
    """Fill a row from bytes of which two bits are the grey and six the length; give where they end."""
    filled = 0
    while filled < len(row):
        code = _byte(data, at)
        at += 1
        row[filled : filled + (code & 0x3F)] = code >> 6
        filled += code & 0x3F
    return at


def _pairs_of_bits(data: bytes) -> npt.NDArray[np.uint8]:
    packed = np.frombuffer(data, np.uint8)[:, np.newaxis]
    return (packed >> np.array([6, 4, 2, 0], np.uint8) & np.uint8(3)).reshape(-1)


def decode_thunderscan(data: bytes, rows: int, columns: int) -> tuple[npt.NDArray[np.uint8], int]:
    """Samples of four bits: runs of the pixel before, small differences to it, or a pixel itself; rows begin at black.

    Raises
    ------
    CodecError
        If the bytes end too early, or a run goes beyond its row.
    """
    image = np.zeros((rows, columns), np.uint8)
    at = 0
    for row in image:
        filled = pixel = 0
        while filled < columns:
            code = _byte(data, at)
            at += 1
            kind, rest = code >> 6, code & 0x3F
            if kind == 0:
                if filled + rest > columns:
                    raise CodecError(
                        f"A run of {rest} pixels from pixel {filled} leaves its row of {columns}."
                    )
                row[filled : filled + rest] = pixel
                filled += rest
                continue
            pixels = _pixels(kind, rest, pixel)[: columns - filled]
            row[filled : filled + len(pixels)] = pixels
            filled += len(pixels)
            pixel = pixels[-1] if pixels else pixel
    return image, at


def _pixels(kind: int, rest: int, pixel: int) -> list[int]:
    """Pixels that a code stands for: three small differences, two larger ones, or a value."""
    if kind == 3:
        return [rest & 0xF]
    shifts, table = ((4, 2, 0), _DELTAS_OF_2_BITS) if kind == 1 else ((3, 0), _DELTAS_OF_3_BITS)
    pixels = []
    for shift in shifts:
        delta = table[rest >> shift & (len(table) - 1)]
        if delta is not None:
            pixel = (pixel + delta) & 0xF
            pixels.append(pixel)
    return pixels


def decode_sgilog(data: bytes, rows: int, columns: int, n_samples: int) -> tuple[npt.NDArray[np.int16], int]:
    """Logarithmic luminance, alone or with chromaticities u' and v' in units of 2**-15.

    Each row has the bytes of its numbers by their weight, the highest first, in runs.

    Raises
    ------
    CodecError
        If the bytes end too early, or a run goes beyond its row.
    """
    n_planes = 2 if n_samples == 1 else 4
    planes = np.empty((rows, n_planes, columns), np.uint8)
    at = 0
    for row in planes:
        for plane in row:
            at = _runs_of_bytes(data, at, plane)
    luminance = (planes[:, 0].astype(np.uint16) << 8 | planes[:, 1]).view(np.int16)
    if n_samples == 1:
        return luminance, at
    chromaticities = ((planes[:, 2:] + 0.5) * (1 / _UV_SCALE) * 2**15).astype(np.int16)
    return np.stack([luminance, chromaticities[:, 0], chromaticities[:, 1]], axis=-1), at


def _runs_of_bytes(data: bytes, at: int, plane: npt.NDArray[np.uint8]) -> int:
    """Fill a plane of a row from runs and literal bytes; give where they end."""
    filled = 0
    while filled < len(plane):
        code = _byte(data, at)
        n = code - 126 if code >= 128 else code
        if filled + n > len(plane):
            raise CodecError(f"A run of {n} pixels from pixel {filled} leaves its row of {len(plane)}.")
        if code >= 128:
            plane[filled : filled + n] = _byte(data, at + 1)
            at += 2
        else:
            plane[filled : filled + n] = np.frombuffer(_taken(data, at + 1, n), np.uint8)
            at += 1 + n
        filled += n
    return at


def _byte(data: bytes, at: int) -> int:
    if at >= len(data):
        raise CodecError(f"Its {len(data)} bytes end before all rows are decoded. The file is damaged.")
    return data[at]


def _taken(data: bytes, at: int, n: int) -> bytes:
    if at + n > len(data):
        raise CodecError(f"Its {len(data)} bytes end before all rows are decoded. The file is damaged.")
    return data[at : at + n]


def decode_runs(
    data: bytes, compression: int, shape: Sequence[int], last_rows: int
) -> npt.NDArray[np.uint8] | npt.NDArray[np.int16]:
    """Samples of a strip of (rows, columns, samples), or of fewer rows if it is the last: then nothing may be left over.

    Raises
    ------
    CodecError
        If the bytes are neither.
    """
    rows, columns, n_samples = shape
    decoders: dict[int, Callable[[int], tuple[npt.NDArray[Any], int]]] = {
        NEXT: lambda n: decode_next(data, n, columns),
        THUNDERSCAN: lambda n: decode_thunderscan(data, n, columns),
        SGILOG: lambda n: decode_sgilog(data, n, columns, n_samples),
    }
    decode = decoders[compression]
    try:
        return decode(rows)[0]
    except CodecError:
        if last_rows == rows:
            raise
        image, n_taken = decode(last_rows)
        # Strips may be padded to whole words.
        if n_taken + 1 < len(data):
            raise
        return image


RUN_SAMPLES: Mapping[int, tuple[int, str, frozenset[int]]] = {
    NEXT: (2, "u1", frozenset({1})),
    THUNDERSCAN: (4, "u1", frozenset({1})),
    SGILOG: (16, "i2", frozenset({1, 3})),
}
"""By value of the Compression tag (259): the bits of a sample, the type that it decodes to, and how many a pixel can have."""
