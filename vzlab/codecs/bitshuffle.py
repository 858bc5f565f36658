"""The bitshuffle filter (32008): bits of equal weight together, then LZ4, Zstandard or nothing."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numcodecs.zstd import Zstd

from vzlab.codecs._imagecodecs import imagecodecs
from vzlab.codecs.numcodec import ArchiveCodec, ByteArray
from vzlab.errors import CodecError, UnsupportedCodecError

_NONE, _LZ4, _ZSTD = 0, 2, 3
_HEADER_BYTES = 12
_GROUP = 8
"""Elements that bitshuffle transposes together; what is left over at the end stays as it is."""
_TARGET_BLOCK_BYTES = 8192
_SHORTEST_BLOCK = 128


class Bitshuffle(ArchiveCodec):
    """Bit-transposed elements in blocks.

    The stored chunk opens with its decoded size (8 bytes, big-endian) and the block size in bytes (4 bytes,
    big-endian) when it is compressed; each block follows its own length (4 bytes, big-endian).

    Parameters
    ----------
    elementsize : int
        Bytes of an element.
    blocksize : int
        Elements of a block; 0 leaves it to the library's rule.
    compression : int
        0 none, 2 LZ4, 3 Zstandard.
    """

    codec_id: ClassVar[str] = "vzlab.bitshuffle"

    def __init__(self, *, elementsize: int, blocksize: int = 0, compression: int = _NONE) -> None:
        if compression not in (_NONE, _LZ4, _ZSTD):
            raise UnsupportedCodecError(
                f"HDF5 filter bitshuffle (32008) with compression {compression}; "
                "expected 0 (none), 2 (LZ4) or 3 (Zstandard)."
            )
        self.elementsize = elementsize
        self.blocksize = blocksize
        self.compression = compression

    def _decode(self, stored: ByteArray) -> ByteArray:
        if self.compression == _NONE:
            return self._unshuffle(stored, self.blocksize)
        header = stored[:_HEADER_BYTES].tobytes()
        size = int.from_bytes(header[:8], "big")
        block_bytes = int.from_bytes(header[8:], "big")
        if len(header) < _HEADER_BYTES or (block_bytes == 0 and size >= _GROUP * self.elementsize):
            raise CodecError(f"{self.codec_id} found no valid header in {stored.size} bytes.")
        return self._unshuffle(self._decompress(stored, size, block_bytes), block_bytes // self.elementsize)

    def _decompress(self, stored: ByteArray, size: int, block_bytes: int) -> ByteArray:
        group_bytes = _GROUP * self.elementsize
        shuffled = np.empty(size, dtype=np.uint8)
        data = memoryview(stored)
        done, at = 0, _HEADER_BYTES
        while size - done >= group_bytes:
            length = min(block_bytes, (size - done) // group_bytes * group_bytes)
            stored_length = int.from_bytes(data[at : at + 4], "big")
            at += 4
            block = data[at : at + stored_length]
            at += stored_length
            plain = self._decompress_block(block, length)
            if len(plain) != length:
                raise CodecError(f"{self.codec_id} found a block of {len(plain)} bytes; expected {length}.")
            shuffled[done : done + length] = np.frombuffer(plain, dtype=np.uint8)
            done += length
        rest = stored[at : at + size - done]
        if rest.size != size - done:
            raise CodecError(
                f"{self.codec_id} found {rest.size} bytes after its blocks; expected {size - done}."
            )
        shuffled[done:] = rest
        return shuffled

    def _decompress_block(self, block: memoryview, length: int) -> bytes | bytearray | memoryview:
        if self.compression == _LZ4:
            return imagecodecs.lz4_decode(block, out=length)
        decoded: bytes = Zstd().decode(block)
        return decoded

    def _unshuffle(self, shuffled: ByteArray, blocksize: int) -> ByteArray:
        decoded = imagecodecs.bitshuffle_decode(
            shuffled.tobytes(), itemsize=self.elementsize, blocksize=blocksize
        )
        return np.frombuffer(decoded, dtype=np.uint8)

    def _encode(self, plain: ByteArray) -> ByteArray | bytes:
        blocksize = self.blocksize or _default_blocksize(self.elementsize)
        shuffled = bytes(
            imagecodecs.bitshuffle_encode(plain.tobytes(), itemsize=self.elementsize, blocksize=blocksize)
        )
        if self.compression == _NONE:
            return shuffled
        block_bytes, group_bytes = blocksize * self.elementsize, _GROUP * self.elementsize
        parts = [plain.size.to_bytes(8, "big"), block_bytes.to_bytes(4, "big")]
        done = 0
        while plain.size - done >= group_bytes:
            length = min(block_bytes, (plain.size - done) // group_bytes * group_bytes)
            block = shuffled[done : done + length]
            packed = (
                bytes(imagecodecs.lz4_encode(block)) if self.compression == _LZ4 else Zstd().encode(block)
            )
            parts += [len(packed).to_bytes(4, "big"), packed]
            done += length
        return b"".join([*parts, shuffled[done:]])


def _default_blocksize(elementsize: int) -> int:
    """Apply the library's own rule for a block size that is not given, in elements."""
    return max(_TARGET_BLOCK_BYTES // elementsize // _GROUP * _GROUP, _SHORTEST_BLOCK)
