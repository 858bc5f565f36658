"""Write a small PNG of a picture with few colours."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PALETTE_COLOURS = 3


def encode_png(pixels: npt.NDArray[np.uint8], palette: npt.NDArray[np.uint8]) -> bytes:
    """Encode a picture of palette colours (PNG specification, third edition, section 11).

    Parameters
    ----------
    pixels : array of uint8, shape (height, width)
        Position in the palette of each pixel.
    palette : array of uint8, shape (colours, 4)
        Red, green, blue and opacity; at most 256 of them.

    Raises
    ------
    ValueError
        If there is no pixel, or one points outside the palette.
    """
    if pixels.ndim != 2 or not pixels.size:
        raise ValueError(f"Found pixels of shape {pixels.shape}; expected a picture of at least one pixel")
    if not 0 < len(palette) <= 256 or int(pixels.max()) >= len(palette):
        raise ValueError(
            f"A pixel points to colour {int(pixels.max())} of a palette of {len(palette)}, at most 256"
        )
    depth = next(bits for bits in (1, 2, 4, 8) if len(palette) <= 1 << bits)
    height, width = pixels.shape
    # Every row begins with the number of its filter: none, as pixels of a palette do not add up.
    rows = np.zeros((height, 1 + -(-width * depth // 8)), dtype=np.uint8)
    rows[:, 1:] = _packed(pixels, depth)
    header = struct.pack(">IIBBBBB", width, height, depth, _PALETTE_COLOURS, 0, 0, 0)
    colours = palette.astype(np.uint8)
    return b"".join(
        (
            _SIGNATURE,
            _chunk(b"IHDR", header),
            _chunk(b"PLTE", colours[:, :3].tobytes()),
            _chunk(b"tRNS", colours[:, 3].tobytes()),
            _chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)),
            _chunk(b"IEND", b""),
        )
    )


def describe_png(png: bytes, text: str) -> bytes:
    """Add what a picture shows, in words, before its last chunk."""
    # Keyword, not compressed, no language, no translated keyword, then the text (section 11.3.3.4: iTXt).
    words = _chunk(b"iTXt", b"Description\0\0\0\0\0" + text.encode())
    end = _chunk(b"IEND", b"")
    return png.removesuffix(end) + words + end


def _packed(pixels: npt.NDArray[np.uint8], depth: int) -> npt.NDArray[np.uint8]:
    """Pixels of fewer than eight bits share a byte, the leftmost in its highest bits."""
    if depth == 8:
        return pixels
    per_byte = 8 // depth
    missing = -pixels.shape[1] % per_byte
    padded = np.pad(pixels, ((0, 0), (0, missing))).reshape(pixels.shape[0], -1, per_byte)
    shifts = np.arange(per_byte, dtype=np.uint8)[::-1] * np.uint8(depth)
    packed: npt.NDArray[np.uint8] = np.bitwise_or.reduce(padded << shifts, axis=2)
    return packed


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
