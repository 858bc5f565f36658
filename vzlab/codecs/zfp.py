"""The ZFP filter (32013): a ZFP stream whose header HDF5 keeps apart, in the filter's client data values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from vzlab.codecs._imagecodecs import imagecodecs
from vzlab.codecs.numcodec import ArchiveCodec, ByteArray
from vzlab.errors import UnsupportedCodecError

_MAGIC = b"zfp"
# ZFP's header is 32 bits of magic, 52 of array shape and type, and 12 or 64 of mode.
_SHORT_HEADER_BITS = 96
_LONG_HEADER_BITS = 148


class Zfp(ArchiveCodec):
    """A ZFP stream without its header.

    Parameters
    ----------
    header : sequence of int
        The header as 32-bit words: the filter's client data values after the first. Their byte order is the
        writing machine's, and the decoded numbers have it too, whatever the dataset's datatype says: H5Z-ZFP
        compresses the bytes that it gets as native numbers.

    Raises
    ------
    UnsupportedCodecError
        The words are no ZFP header.
    """

    codec_id: ClassVar[str] = "vzlab.zfp"

    def __init__(self, *, header: Sequence[int]) -> None:
        self.header = [int(word) for word in header]
        self._header_bytes, self._order = parse_header(self.header)

    def _decode(self, stored: ByteArray) -> ByteArray:
        array = imagecodecs.zfp_decode(_join(self._header_bytes, stored))
        numbers = array.astype(array.dtype.newbyteorder(self._order), copy=False)
        return np.ascontiguousarray(numbers).reshape(-1).view(np.uint8)


def parse_header(words: Sequence[int]) -> tuple[bytes, Literal["<", ">"]]:
    """Give the bytes of a ZFP header, and the byte order of its words, from the words that a file stores.

    Raises
    ------
    UnsupportedCodecError
        The words are no ZFP header.
    """
    orders: tuple[Literal["<", ">"], ...] = ("<", ">")
    for order in orders:
        data = np.array(words, dtype=f"{order}u4").tobytes()
        if data.startswith(_MAGIC):
            return data, order
    raise UnsupportedCodecError(
        f"HDF5 filter zfp (32013) has client data values {list(words)}; expected a ZFP header in them."
    )


def _join(header: bytes, stored: ByteArray) -> bytes:
    """Put the stream's bits right behind the header's."""
    if 8 * len(header) < _LONG_HEADER_BITS:
        return header[: _SHORT_HEADER_BITS // 8] + stored.tobytes()
    # 148 bits end in the middle of a byte; ZFP fills bytes from the lowest bit up.
    whole, half = divmod(_LONG_HEADER_BITS, 8)
    joined = np.zeros(whole + 1 + stored.size, dtype=np.uint8)
    joined[: whole + 1] = np.frombuffer(header, dtype=np.uint8, count=whole + 1)
    joined[whole : whole + stored.size] |= stored << half
    joined[whole + 1 :] |= stored >> (8 - half)
    return joined.tobytes()
