"""HDF5's registered compression filters that imagecodecs can decode: LZF, LZ4, szip, Blosc, LZO, JPEG-LS."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from vzlab.codecs import blosc2_frame
from vzlab.codecs._imagecodecs import imagecodecs
from vzlab.codecs.numcodec import ArchiveCodec, ByteArray
from vzlab.errors import CodecError

_LITERAL_RUN_BYTES = 32
"""The longest literal run of LZF: its control byte holds the length less one in five bits."""


class Lzf(ArchiveCodec):
    """One LZF stream without a header, as h5py's filter 32000 writes it.

    Parameters
    ----------
    nbytes : int
        Bytes of the decoded chunk. LZF does not store it.
    """

    codec_id: ClassVar[str] = "vzlab.lzf"

    def __init__(self, *, nbytes: int) -> None:
        self.nbytes = nbytes

    def _decode(self, stored: ByteArray) -> ByteArray:
        return _exactly(imagecodecs.lzf_decode(stored, out=self.nbytes), self.nbytes, self.codec_id)

    def _encode(self, plain: ByteArray) -> ByteArray | bytes:
        try:
            return bytes(imagecodecs.lzf_encode(plain))
        except imagecodecs.LzfError:
            # What does not shrink still has an LZF form: literal runs only.
            return _lzf_literals(plain)


class Lz4Hdf5(ArchiveCodec):
    """LZ4 blocks under a big-endian header, filter 32004. A block that did not shrink is stored raw."""

    codec_id: ClassVar[str] = "vzlab.lz4_hdf5"

    def _decode(self, stored: ByteArray) -> bytes:
        return bytes(imagecodecs.lz4h5_decode(stored))

    def _encode(self, plain: ByteArray) -> bytes:
        return bytes(imagecodecs.lz4h5_encode(plain))


class Szip(ArchiveCodec):
    """HDF5's szip (id 4): the size of the chunk in four bytes, then blocks of Rice codes (CCSDS 121.0).

    Parameters
    ----------
    options_mask, pixels_per_block, bits_per_pixel, pixels_per_scanline : int
        The filter's four client data values.
    """

    codec_id: ClassVar[str] = "vzlab.szip"

    def __init__(
        self, *, options_mask: int, pixels_per_block: int, bits_per_pixel: int, pixels_per_scanline: int
    ) -> None:
        self.options_mask = options_mask
        self.pixels_per_block = pixels_per_block
        self.bits_per_pixel = bits_per_pixel
        self.pixels_per_scanline = pixels_per_scanline

    def _decode(self, stored: ByteArray) -> ByteArray:
        expected = int.from_bytes(stored[:4].tobytes(), "little")
        return _exactly(
            imagecodecs.szip_decode(stored, header=True, **self._parameters), expected, self.codec_id
        )

    def _encode(self, plain: ByteArray) -> bytes:
        return bytes(imagecodecs.szip_encode(plain, header=True, **self._parameters))

    @property
    def _parameters(self) -> dict[str, int]:
        return {
            "options_mask": self.options_mask,
            "pixels_per_block": self.pixels_per_block,
            "bits_per_pixel": self.bits_per_pixel,
            "pixels_per_scanline": self.pixels_per_scanline,
        }


class Blosc(ArchiveCodec):
    """A Blosc frame (filter 32001) that needs a compressor which numcodecs' own Blosc lacks: Snappy."""

    codec_id: ClassVar[str] = "vzlab.blosc"

    def _decode(self, stored: ByteArray) -> bytes:
        return bytes(imagecodecs.blosc_decode(stored))

    def _encode(self, plain: ByteArray) -> bytes:
        return bytes(imagecodecs.blosc_encode(plain))


class Blosc2(ArchiveCodec):
    """A Blosc2 contiguous frame (filter 32026), plain or holding a B2ND array; or one bare Blosc2 chunk."""

    codec_id: ClassVar[str] = "vzlab.blosc2"

    def _decode(self, stored: ByteArray) -> ByteArray | bytes:
        data = stored.tobytes()
        if not blosc2_frame.is_frame(data):
            return bytes(imagecodecs.blosc2_decode(data))
        if blosc2_frame.has_array(data):
            array = imagecodecs.b2nd_decode(data)
            return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        return blosc2_frame.decode_frame(data, imagecodecs.blosc2_decode)

    def _encode(self, plain: ByteArray) -> bytes:
        return bytes(imagecodecs.blosc2_encode(plain))


class Lzo(ArchiveCodec):
    """One LZO1X stream, as PyTables' filter 305 writes it.

    Parameters
    ----------
    nbytes : int
        Bytes of the decoded chunk. LZO does not store it.
    """

    codec_id: ClassVar[str] = "vzlab.lzo"

    def __init__(self, *, nbytes: int) -> None:
        self.nbytes = nbytes

    def _decode(self, stored: ByteArray) -> ByteArray:
        return _exactly(imagecodecs.lzo_decode(stored, out=self.nbytes), self.nbytes, self.codec_id)


class JpegLs(ArchiveCodec):
    """One JPEG-LS image (ITU-T T.87) of one component, as EUMETSAT's filter 32018 writes it.

    The filter compresses the bytes that it gets as little-endian samples, whatever the datatype says.
    """

    codec_id: ClassVar[str] = "vzlab.jpegls"

    def _decode(self, stored: ByteArray) -> ByteArray:
        image = imagecodecs.jpegls_decode(stored.tobytes())
        samples = image.astype(image.dtype.newbyteorder("<"), copy=False)
        return np.ascontiguousarray(samples).reshape(-1).view(np.uint8)


def _exactly(decoded: bytes | bytearray | memoryview, expected: int, codec_id: str) -> ByteArray:
    if len(decoded) != expected:
        raise CodecError(f"{codec_id} decoded {len(decoded)} bytes; expected {expected}.")
    return np.frombuffer(decoded, dtype=np.uint8)


def _lzf_literals(plain: ByteArray) -> ByteArray:
    whole = plain.size - plain.size % _LITERAL_RUN_BYTES
    runs = plain[:whole].reshape(-1, _LITERAL_RUN_BYTES)
    control = np.full((runs.shape[0], 1), _LITERAL_RUN_BYTES - 1, dtype=np.uint8)
    parts = [np.hstack([control, runs]).reshape(-1)]
    if plain.size > whole:
        parts += [np.array([plain.size - whole - 1], dtype=np.uint8), plain[whole:]]
    return np.concatenate(parts)
