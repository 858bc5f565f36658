"""Where the chunks of a Blosc2 contiguous frame lie.

The format is described in c-blosc2's README_CFRAME_FORMAT.rst; integers outside of chunks are big-endian, as
msgpack has them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vzlab.errors import CodecError

_MAGIC = slice(2, 10)
_HEADER_SIZE, _FRAME_SIZE = slice(11, 15), slice(16, 24)
_DECODED_SIZE, _STORED_SIZE = slice(30, 38), slice(39, 47)
_TYPE_SIZE, _CHUNK_SIZE = slice(48, 52), slice(58, 62)
_CHUNK_HEADER_BYTES = 32
_SPECIAL = 1 << 63
_ZEROS, _NANS = 1, 2


def is_frame(data: bytes) -> bool:
    """Whether `data` starts as a contiguous frame does."""
    return data[_MAGIC] == b"b2frame\0"


def has_array(data: bytes) -> bool:
    """Whether the frame's header names the metalayer of an n-dimensional (B2ND) array."""
    header = data[: int.from_bytes(data[_HEADER_SIZE], "big")]
    return b"\xa4b2nd" in header


def decode_frame(data: bytes, decode_chunk: Callable[[bytes], bytes | bytearray | memoryview]) -> bytes:
    """Decode all chunks of a frame, in order.

    Parameters
    ----------
    data : bytes
        The frame.
    decode_chunk : callable
        Decodes one Blosc2 chunk.

    Raises
    ------
    CodecError
        The frame is shorter than its header says, or holds a kind of chunk that is not known.
    """
    frame_size = int.from_bytes(data[_FRAME_SIZE], "big")
    if frame_size > len(data):
        raise CodecError(f"vzlab.blosc2 found a frame of {len(data)} bytes; expected {frame_size}.")
    decoded_size = int.from_bytes(data[_DECODED_SIZE], "big")
    if decoded_size == 0:
        return b""
    chunks = data[int.from_bytes(data[_HEADER_SIZE], "big") :]
    index_at = int.from_bytes(data[_STORED_SIZE], "big")
    offsets = np.frombuffer(decode_chunk(_chunk_at(chunks, index_at)), dtype="<u8")
    chunk_size = int.from_bytes(data[_CHUNK_SIZE], "big") or decoded_size
    parts = []
    for i, offset in enumerate(offsets.tolist()):
        size = min(chunk_size, decoded_size - i * chunk_size)
        if offset & _SPECIAL:
            parts.append(_special(offset >> 56 & 0x7F, size, int.from_bytes(data[_TYPE_SIZE], "big")))
        else:
            parts.append(bytes(decode_chunk(_chunk_at(chunks, offset))))
    return b"".join(parts)


def _chunk_at(chunks: bytes, offset: int) -> bytes:
    # A chunk's own header holds its stored size at byte 12, little-endian.
    size = int.from_bytes(chunks[offset + 12 : offset + 16], "little")
    if size < _CHUNK_HEADER_BYTES // 2 or offset + size > len(chunks):
        raise CodecError(
            f"vzlab.blosc2 found a chunk of {size} bytes at {offset} of {len(chunks)}; the frame is damaged."
        )
    return chunks[offset : offset + size]


def _special(kind: int, size: int, type_size: int) -> bytes:
    if kind == _ZEROS:
        return bytes(size)
    if kind == _NANS and type_size in (4, 8):
        return np.full(size // type_size, np.nan, dtype=f"<f{type_size}").tobytes()
    raise CodecError(f"vzlab.blosc2 found a chunk of special kind {kind}; expected zeros or NaN.")
