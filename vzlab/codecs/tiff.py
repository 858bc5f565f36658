"""One strip or tile of a TIFF file, from its stored bytes to samples.

TIFF 6.0, sections 9 to 14 and 22, with Adobe's Technical Notes 2 and 3; the compressions are imagecodecs'.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from vzlab.codecs.numcodec import ArchiveCodec, ByteArray
from vzlab.codecs.tiff_runs import NEXT, RUN_SAMPLES, SGILOG, THUNDERSCAN, decode_runs
from vzlab.errors import CodecError, MissingDependencyError

try:
    import imagecodecs
except ImportError as error:
    raise MissingDependencyError("imagecodecs", extra="tiff", purpose="Decoding TIFF") from error

BYTE_COMPRESSIONS: Mapping[int, str] = {
    1: "none",
    5: "lzw",
    8: "deflate",
    32773: "packbits",
    32946: "deflate",
    34925: "lzma",
    34926: "zstd",
    50000: "zstd",
    50013: "deflate",
}
"""Value of the Compression tag (259), for those that give bytes, to the name of imagecodecs' codec."""

IMAGE_COMPRESSIONS: Mapping[int, str] = {
    2: "ccittrle",
    3: "ccittfax3",
    4: "ccittfax4",
    7: "jpeg",
    22610: "jpegxr",
    NEXT: "next",
    THUNDERSCAN: "thunderscan",
    33003: "jpeg2k",
    33004: "jpeg2k",
    33005: "jpeg2k",
    33007: "jpeg",
    SGILOG: "sgilog",
    34712: "jpeg2k",
    34887: "lerc",
    34892: "jpeg",
    34927: "webp",
    34933: "png",
    34934: "jpegxr",
    50001: "webp",
    50002: "jpegxl",
    52546: "jpegxl",
}
"""The same for those that give samples: prediction, fill order and packing do not apply to them."""

PREDICTORS: Mapping[int, tuple[str, int]] = {
    2: ("delta", 1),
    3: ("floatpred", 1),
    34892: ("delta", 2),
    34893: ("delta", 4),
    34894: ("floatpred", 2),
    34895: ("floatpred", 4),
}
"""Value of the Predictor tag (317) to imagecodecs' codec and the distance in pixels."""


class TiffSegment(ArchiveCodec):
    """A strip or tile, decoded to the little-endian samples of a whole chunk in the order (row, column, sample).

    Parameters
    ----------
    compression : int
        Value of the Compression tag.
    shape : sequence of int
        Rows, columns and interleaved samples of a chunk.
    dtype : str
        What a sample decodes to, with the byte order that the file stores, as numpy writes it: ``"<u2"``.
    edge : sequence of int, optional
        Rows and columns that the last strip or tile holds where its writer did not pad it; what is missing is
        zero, and lies outside of the array.
    bits : int, optional
        Bits of a stored sample where they are not those of the dtype.
    predictor : int, optional
        Value of the Predictor tag.
    fill_order : int, optional
        2 where the first sample lies in the lowest bits of a byte.
    complex_integer : bool, optional
        Stored samples are pairs of integers, each of half the `bits`.
    lerc_compression : int, optional
        What LERC data are compressed by: 1 deflate, 2 Zstandard.
    t4_options : int, optional
        Value of the T4Options tag.
    jpeg_tables, jpeg_header : str, optional
        In base64.
    jpeg_colors : sequence of int, str or None, optional
        Colour space of JPEG data, and of what they decode to.
    """

    codec_id: ClassVar[str] = "vzlab.tiff"

    def __init__(
        self,
        *,
        compression: int,
        shape: Sequence[int],
        dtype: str,
        edge: Sequence[int] | None = None,
        bits: int | None = None,
        predictor: int | None = None,
        fill_order: int | None = None,
        complex_integer: bool | None = None,
        lerc_compression: int | None = None,
        t4_options: int | None = None,
        jpeg_tables: str | None = None,
        jpeg_header: str | None = None,
        jpeg_colors: Sequence[int | str | None] | None = None,
    ) -> None:
        if compression not in BYTE_COMPRESSIONS and compression not in IMAGE_COMPRESSIONS:
            raise CodecError(f"{self.codec_id} does not know compression {compression}.")
        if predictor not in (None, 1) and predictor not in PREDICTORS:
            raise CodecError(f"{self.codec_id} does not know predictor {predictor}.")
        self.compression = compression
        self.shape = [int(n) for n in shape]
        self.dtype = dtype
        self.edge = None if edge is None else [int(n) for n in edge]
        self.bits = bits
        self.predictor = predictor
        self.fill_order = fill_order
        self.complex_integer = complex_integer
        self.lerc_compression = lerc_compression
        self.t4_options = t4_options
        self.jpeg_tables = jpeg_tables
        self.jpeg_header = jpeg_header
        self.jpeg_colors = None if jpeg_colors is None else list(jpeg_colors)

    def get_config(self) -> dict[str, Any]:
        """The configuration, without what is not set."""
        return {"id": self.codec_id} | {key: v for key, v in vars(self).items() if v is not None}

    def _decode(self, stored: ByteArray) -> ByteArray:
        samples = self._image(stored) if self.compression in IMAGE_COMPRESSIONS else self._samples(stored)
        whole = self._padded(samples)
        return whole.astype(whole.dtype.newbyteorder("<"), copy=False).reshape(-1).view(np.uint8)

    # -- compressions that give samples -------------------------------------------------------------------------

    def _image(self, stored: ByteArray) -> npt.NDArray[Any]:
        data = stored.tobytes()
        image = np.asarray(self._decompress_image(data))
        expected = np.dtype(self.dtype).newbyteorder("=")
        if expected.kind == "b":
            image = image.astype(bool)
        if image.dtype != expected:
            raise CodecError(f"{self.codec_id} decoded samples of type {image.dtype}; expected {expected}.")
        if image.ndim == 2:
            image = image[..., np.newaxis]
        if image.ndim != 3 or image.shape[2] != self.shape[2]:
            raise self._misfit(image.shape)
        return np.ascontiguousarray(image)

    def _decompress_image(self, data: bytes) -> Any:
        rows, columns, n_samples = self.shape
        name = IMAGE_COMPRESSIONS[self.compression]
        if self.fill_order == 2:
            data = bytes(imagecodecs.bitorder_decode(data))
        if self.compression in RUN_SAMPLES:
            return decode_runs(data, self.compression, self.shape, (self.edge or self.shape)[0])
        decode: Callable[..., Any] = getattr(imagecodecs, f"{name}_decode")
        if name.startswith("ccitt"):
            options = {"t4options": self.t4_options or 0} if name == "ccittfax3" else {}
            return self._rows(lambda n: decode(data, n, columns, **options))
        if name == "jpeg":
            colorspace, outcolorspace = self.jpeg_colors or (None, None)
            return decode(
                data,
                tables=_from_base64(self.jpeg_tables),
                header=_from_base64(self.jpeg_header),
                colorspace=colorspace,
                outcolorspace=outcolorspace,
                shape=(rows, columns),
            )
        if name == "webp":
            # An alpha channel that is opaque everywhere may be left out.
            return decode(data, hasalpha=True if n_samples == 4 else None)
        if name == "lerc" and self.lerc_compression:
            inner = {1: imagecodecs.zlib_decode, 2: imagecodecs.zstd_decode}[self.lerc_compression]
            return decode(inner(data))
        return decode(data)

    def _rows(self, decode: Callable[[int], Any]) -> Any:
        """Rows of a code that does not say how many there are: a whole segment's, or those of the last strip."""
        if self.edge is None or self.edge[0] == self.shape[0]:
            return decode(self.shape[0])
        whole, last = self.shape[0], self.edge[0]
        try:
            return decode(whole)
        except RuntimeError:
            image = decode(last)
            if last + 1 < whole and _succeeds(decode, last + 1):
                # More rows than the last strip has: another one, damaged.
                raise
            return image

    # -- compressions that give bytes ---------------------------------------------------------------------------

    def _samples(self, stored: ByteArray) -> npt.NDArray[Any]:
        rows, columns, n_samples = self.shape
        row_items = columns * n_samples
        dtype = np.dtype(self.dtype)
        row_bits = row_items * (self.bits or 8 * dtype.itemsize)
        # Each row starts on a byte of its own.
        row_bytes = -(-row_bits // 8)
        plain = self._decompress(stored, rows * row_bytes)
        n_rows = self._n_rows(len(plain), row_bytes)
        plain = plain[: n_rows * row_bytes]
        shape = (n_rows, columns, n_samples)
        if self.complex_integer:
            parts = np.frombuffer(plain, f"{dtype.str[0]}i{row_bytes // (2 * row_items)}")
            return parts.astype(f"f{dtype.itemsize // 2}").view(dtype.newbyteorder("=")).reshape(shape)
        if self.bits is not None and dtype.kind == "f":
            samples = imagecodecs.float24_decode(plain, byteorder="<" if dtype.str[0] == "<" else ">")
            return np.asarray(samples).reshape(shape)
        if self.bits is not None:
            packed = imagecodecs.packints_decode(plain, dtype, self.bits, runlen=row_items)
            return self._unpredicted(
                np.asarray(packed).astype(dtype.newbyteorder("="), copy=False).reshape(shape)
            )
        if self.predictor and PREDICTORS[self.predictor][0] == "floatpred":
            # Its bytes are in the order of their weight, whatever the byte order of the file.
            return self._unpredicted(np.frombuffer(plain, dtype.newbyteorder("=")).reshape(shape))
        return self._unpredicted(np.frombuffer(plain, dtype).astype(dtype.newbyteorder("=")).reshape(shape))

    def _decompress(self, stored: ByteArray, n_bytes: int) -> ByteArray | bytes:
        data = imagecodecs.bitorder_decode(stored.tobytes()) if self.fill_order == 2 else stored
        name = BYTE_COMPRESSIONS[self.compression]
        if name == "none":
            return np.frombuffer(data, np.uint8)
        plain: bytes = getattr(imagecodecs, f"{name}_decode")(data, out=n_bytes)
        return plain

    def _n_rows(self, n_bytes: int, row_bytes: int) -> int:
        """Rows that decoded bytes hold: all of a chunk, or those that the last strip or row of tiles has."""
        rows = self.shape[0]
        if n_bytes >= rows * row_bytes:
            return rows
        if self.edge is not None and n_bytes // row_bytes == self.edge[0]:
            return self.edge[0]
        raise CodecError(
            f"{self.codec_id} decoded {n_bytes} bytes; expected {rows} rows of {row_bytes} bytes. The file is damaged."
        )

    def _unpredicted(self, samples: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if self.predictor is None or self.predictor == 1:
            return samples
        name, distance = PREDICTORS[self.predictor]
        if name == "delta" and samples.dtype.kind == "f":
            # Differences are of the bits, whatever they stand for.
            as_integers = samples.view(f"u{samples.dtype.itemsize}")
            return np.asarray(imagecodecs.delta_decode(as_integers, axis=-2)).view(samples.dtype)
        decode = getattr(imagecodecs, f"{name}_decode")
        return np.asarray(decode(samples, axis=-2, **({} if distance == 1 else {"dist": distance})))

    def _padded(self, samples: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Samples of a whole chunk."""
        whole = tuple(self.shape)
        if samples.shape == whole:
            return np.ascontiguousarray(samples)
        edge = self.edge or whole
        if samples.shape[0] not in (whole[0], edge[0]) or samples.shape[1] not in (whole[1], edge[1]):
            # Writers of JPEG strips round up to whole blocks, in the last strip too.
            if samples.shape[0] < edge[0] or samples.shape[1] != whole[1]:
                raise self._misfit(samples.shape)
            samples = samples[: whole[0]]
        padded = np.zeros(whole, samples.dtype)
        padded[: samples.shape[0], : samples.shape[1]] = samples
        return padded

    def _misfit(self, found: tuple[int, ...]) -> CodecError:
        return CodecError(
            f"{self.codec_id} decoded samples of shape {found}; expected {tuple(self.shape)}, or {self.edge} rows and columns "
            "at the edge. The file is damaged."
        )


def _succeeds(decode: Callable[[int], Any], n_rows: int) -> bool:
    try:
        decode(n_rows)
    except RuntimeError:
        return False
    return True


def _from_base64(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)
