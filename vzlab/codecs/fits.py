"""Codecs of FITS: compressed tiles, table columns, and parts of a file that is compressed as a whole.

FITS 4.0: sections 5.2.5 (offset integers), 7.2 and 7.3 (tables), 10 (compressed images).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from vzlab.codecs.numcodec import ArchiveCodec, ByteArray
from vzlab.errors import CodecError, MissingDependencyError

TILE_COMPRESSIONS = ("RICE_1", "RICE_ONE", "GZIP_1", "GZIP_2", "PLIO_1", "HCOMPRESS_1", "NOCOMPRESS")
"""Values of ZCMPTYPE that have a decoder here."""


class FitsTile(ArchiveCodec):
    """A tile of a compressed image, decoded to big-endian samples.

    Parameters
    ----------
    compression : str
        Value of ZCMPTYPE.
    dtype : str
        Of a sample, as numpy writes it: ``">i2"``.
    shape : sequence of int, optional
        Of a tile, rows last. Without it, the chunk's place in a rectilinear grid says it.
    settings : mapping, optional
        ``blocksize``, ``bytepix``, ``scale`` and ``smooth`` as the header's ZNAMEn and ZVALn give them.
    """

    codec_id: ClassVar[str] = "vzlab.fits_tile"

    def __init__(
        self,
        *,
        compression: str,
        dtype: str,
        shape: Sequence[int] | None = None,
        settings: dict[str, int] | None = None,
    ) -> None:
        if compression not in TILE_COMPRESSIONS:
            raise CodecError(f"{self.codec_id} does not know compression {compression!r}.")
        self.compression = compression
        self.dtype = dtype
        self.shape = None if shape is None else [int(n) for n in shape]
        self.settings = dict(settings or {})

    def _decode(self, stored: ByteArray) -> ByteArray:
        if self.shape is None:
            raise CodecError(
                f"{self.codec_id} was not told the shape of its tile; expected it from a Zarr v3 chunk grid. "
                "Write Zarr v3 (Icechunk) instead."
            )
        codecs = _astropy_codecs()
        dtype = np.dtype(self.dtype)
        size = math.prod(self.shape)
        if self.compression == "NOCOMPRESS":
            return self._exactly(stored, size * dtype.itemsize)
        if self.compression.startswith("GZIP"):
            plain = codecs.Gzip1().decode(stored)
            # An image of bytes may be held in wider integers.
            width = plain.size // size
            if plain.size != width * size or width not in (1, 2, 4, 8):
                return self._exactly(plain, size * dtype.itemsize)
            if self.compression == "GZIP_2":
                plain = plain.reshape(width, -1).T.reshape(-1)
            wide = np.ascontiguousarray(plain).view(
                f">{dtype.kind if width == dtype.itemsize else 'i'}{width}"
            )
            return self._narrowed(wide, dtype)
        if self.compression in ("RICE_1", "RICE_ONE"):
            block, width = self.settings.get("blocksize", 32), self.settings.get("bytepix", 4)
            values = codecs.Rice1(blocksize=block, bytepix=width, tilesize=size).decode(stored)
            if width == 1:
                values = values.view(np.uint8)
        elif self.compression == "PLIO_1":
            # Its list is of 16-bit words.
            values = codecs.PLIO1(tilesize=size).decode(stored.view(">i2"))
        else:
            rows, columns = self._plane()
            values = codecs.HCompress1(
                scale=self.settings.get("scale", 0),
                smooth=self.settings.get("smooth", 0),
                bytepix=8,
                nx=rows,
                ny=columns,
            ).decode(stored)
        if values.size < size:
            raise CodecError(
                f"{self.codec_id} decoded {values.size} samples; expected {size}. The file is damaged."
            )
        return self._narrowed(values[:size], dtype)

    def _plane(self) -> tuple[int, int]:
        plane = [n for n in self.shape or () if n != 1]
        if len(plane) != 2:
            raise CodecError(f"{self.codec_id} found tiles of shape {self.shape}; HCOMPRESS_1 has planes.")
        return plane[0], plane[1]

    def _narrowed(self, values: Any, dtype: np.dtype[Any]) -> ByteArray:
        narrow = np.asarray(values).astype(dtype)
        if dtype.kind != "f" and values.dtype.itemsize > dtype.itemsize and (narrow != values).any():
            raise CodecError(
                f"{self.codec_id} decoded values beyond the range of {dtype}. The file is damaged."
            )
        return np.ascontiguousarray(narrow).view(np.uint8)

    def _exactly(self, plain: ByteArray, n_bytes: int) -> ByteArray:
        if plain.size != n_bytes:
            raise CodecError(
                f"{self.codec_id} decoded {plain.size} bytes; expected {n_bytes}. The file is damaged."
            )
        return plain


class FitsColumn(ArchiveCodec):
    """Cells of a table's column as plain numbers.

    Parameters
    ----------
    kind : {"offset", "logical", "bits", "number"}
        "offset": integers stored less half their range, by which FITS says unsigned and signed ones; "logical": bytes ``T`` or
        not; "bits": each cell's bits from the highest on; "number": text, as in an ASCII table.
    width : int
        Bytes of a stored integer or text; for "bits" the bits of a cell.
    dtype : str, optional
        What text is read as.
    null : str, optional
        Text that stands for no value, as blanks do: NaN, or 0 for integers.
    """

    codec_id: ClassVar[str] = "vzlab.fits_column"

    def __init__(self, *, kind: str, width: int, dtype: str | None = None, null: str | None = None) -> None:
        if kind not in ("offset", "logical", "bits", "number"):
            raise CodecError(f"{self.codec_id} does not know columns of kind {kind!r}.")
        self.kind = kind
        self.width = width
        self.dtype = dtype
        self.null = null

    def get_config(self) -> dict[str, Any]:
        """The configuration, without what is not set."""
        return {"id": self.codec_id} | {key: v for key, v in vars(self).items() if v is not None}

    def _decode(self, stored: ByteArray) -> ByteArray:
        if self.kind == "logical":
            return np.where(stored == ord("T"), np.uint8(1), np.uint8(0))
        if self.kind == "bits":
            cells = stored.reshape(-1, -(-self.width // 8))
            return np.ascontiguousarray(np.unpackbits(cells, axis=1)[:, : self.width]).reshape(-1)
        if self.kind == "offset":
            numbers = stored.reshape(-1, self.width).copy()
            numbers[:, 0] ^= 0x80
            return numbers.reshape(-1)
        texts = np.char.strip(np.ascontiguousarray(stored).view(f"S{self.width}"), b" \0")
        dtype = np.dtype(self.dtype)
        texts = np.char.replace(np.char.replace(texts, b"D", b"E"), b"d", b"e")
        absent = texts == b""
        if self.null is not None:
            absent |= texts == self.null.strip().encode()
        texts = np.where(absent, b"nan" if dtype.kind == "f" else b"0", texts)
        return np.ascontiguousarray(texts.astype(dtype)).view(np.uint8)

    def _encode(self, plain: ByteArray) -> ByteArray | bytes:
        return self._decode(plain) if self.kind == "offset" else super()._encode(plain)


class Cut(ArchiveCodec):
    """A part of bytes that are compressed as a whole.

    Parameters
    ----------
    offset, length : int
        Of the part, once decompressed.
    """

    codec_id: ClassVar[str] = "vzlab.cut"

    def __init__(self, *, offset: int, length: int) -> None:
        self.offset = offset
        self.length = length

    def _decode(self, stored: ByteArray) -> ByteArray:
        if self.offset + self.length > stored.size:
            raise CodecError(
                f"{self.codec_id} found {stored.size} bytes; expected {self.length} at {self.offset}. The file was changed."
            )
        return stored[self.offset : self.offset + self.length]


def _astropy_codecs() -> Any:
    try:
        from astropy.io.fits.hdu.compressed import _codecs
    except ImportError as error:
        raise MissingDependencyError(
            "astropy", extra="fits", purpose="Decoding compressed FITS tiles"
        ) from error
    return _codecs
