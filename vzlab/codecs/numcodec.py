"""What all of vzlab's own byte codecs share as numcodecs codecs: buffers in, bytes out, errors with names."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from numcodecs.abc import Codec
from numcodecs.compat import ensure_contiguous_ndarray, ndarray_copy

from vzlab.errors import CodecError, VzlabError

type ByteArray = npt.NDArray[np.uint8]


class ArchiveCodec(Codec):  # type: ignore[misc]
    """A bytes-to-bytes codec for bytes that an archive format wrote.

    A subclass sets ``codec_id``, keeps its configuration in public attributes of JSON types, and implements
    ``_decode`` and, where the format can be written, ``_encode``.
    """

    codec_id: ClassVar[str]

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Decode one stored chunk.

        Parameters
        ----------
        buf : buffer
            The stored bytes.
        out : buffer, optional
            Where to write the decoded bytes.

        Raises
        ------
        CodecError
            The bytes are not what this codec's configuration says.
        """
        stored = _as_bytes(buf)
        try:
            decoded = self._decode(stored)
        except VzlabError:
            raise
        except Exception as error:
            raise CodecError(
                f"{self.codec_id} could not decode {stored.size} bytes: {error}. "
                "Expected bytes written with this configuration; the chunk or its reference may be damaged."
            ) from error
        return decoded if out is None else ndarray_copy(decoded, out)

    def encode(self, buf: Any) -> Any:
        """Encode bytes so that `decode` gives them back.

        Raises
        ------
        CodecError
            This codec only reads, or its configuration cannot hold these bytes.
        """
        plain = _as_bytes(buf)
        try:
            return self._encode(plain)
        except VzlabError:
            raise
        except Exception as error:
            raise CodecError(f"{self.codec_id} could not encode {plain.size} bytes: {error}.") from error

    def _decode(self, stored: ByteArray) -> ByteArray | bytes:
        raise NotImplementedError

    def _encode(self, plain: ByteArray) -> ByteArray | bytes:
        raise CodecError(
            f"{self.codec_id} only decodes, and got {plain.size} bytes to encode. "
            "Store the array with other codecs, for example zstd."
        )


def _as_bytes(buf: Any) -> ByteArray:
    view: ByteArray = ensure_contiguous_ndarray(buf).reshape(-1).view(np.uint8)
    return view
