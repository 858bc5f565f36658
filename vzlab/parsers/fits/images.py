"""Image units as virtual arrays: plain ones and tile-compressed ones (FITS 4.0, sections 5 and 10.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from vzlab.codecs import CodecJSON, bytes_codecs
from vzlab.codecs.fits import TILE_COMPRESSIONS, FitsTile
from vzlab.errors import CorruptFileError, UnsupportedCodecError, UnvirtualizableError
from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray, SourceFile
from vzlab.manifests.chunk_grid import DimensionChunks
from vzlab.parsers.base import check_bounds
from vzlab.parsers.dividing import even_chunks
from vzlab.parsers.fits.attributes import packing, read_attributes
from vzlab.parsers.fits.headers import ByteSource, Unit, integer, value_of
from vzlab.parsers.fits.tables import Column, read_columns

MAX_CHUNKS = 100_000_000
"""An image of more tiles is refused: its manifest would take 2 GB."""

MAX_CHUNK_BYTES = 1 << 31
"""A tile that decodes to more is refused: reading one value would take as much memory."""

_DTYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a file's bytes are, for references."""

    source_file: SourceFile
    packed_bytes: int | None = None
    """Length of the whole file where gzip compresses it; offsets then count in what it unpacks to."""


def read_image(unit: Unit, place: Place, name: str) -> ManifestArray:
    """A plain image, axes in C order: the first of FITS is the last here."""
    header = unit.header
    bitpix, naxis = integer(header, "BITPIX"), integer(header, "NAXIS")
    shape = tuple(integer(header, f"NAXIS{axis}") for axis in range(naxis, 0, -1))
    dtype = np.dtype(_DTYPES[bitpix])
    meaning, is_offset = packing(header, bitpix=bitpix, scale="BSCALE", zero="BZERO", blank="BLANK")
    if 0 in shape:
        raise UnvirtualizableError(f"It is empty: its axes have lengths {shape}.")
    chunks = shape if place.packed_bytes is not None else even_chunks(shape, dtype.itemsize)
    if math.prod(-(-n // c) for n, c in zip(shape, chunks, strict=True)) > MAX_CHUNKS:
        raise UnvirtualizableError(f"An image of shape {shape} has more than {MAX_CHUNKS} chunks.")
    manifest, outer = contiguous(place, unit.data_offset, shape, chunks, dtype.itemsize, name)
    return _array(header, shape, chunks, dtype, is_offset, outer, manifest, meaning)


def contiguous(
    place: Place, offset: int, shape: tuple[int, ...], chunks: tuple[int, ...], itemsize: int, name: str
) -> tuple[ChunkManifest, tuple[CodecJSON, ...]]:
    """References to plain bytes in even chunks, each one run of bytes; with what undoes a compression of the whole file."""
    grid = tuple(n // c for n, c in zip(shape, chunks, strict=True))
    n_bytes = math.prod(chunks) * itemsize
    if place.packed_bytes is not None:
        manifest = ChunkManifest.from_ranges(
            place.source_file, np.zeros(grid, np.uint64), np.full(grid, place.packed_bytes)
        )
        cut: CodecJSON = {"name": "vzlab.cut", "configuration": {"offset": offset, "length": n_bytes}}
        return manifest, (cut, {"name": "gzip", "configuration": {"level": 5}})
    starts = np.arange(math.prod(grid), dtype=np.uint64) * np.uint64(n_bytes) + np.uint64(offset)
    manifest = ChunkManifest.from_ranges(
        place.source_file, starts.reshape(grid), np.full(grid, n_bytes, np.uint64)
    )
    return check_bounds(manifest, variable=name, n_bytes=n_bytes), ()


def _array(
    header: Any,
    shape: tuple[int, ...],
    chunks: tuple[DimensionChunks, ...],
    dtype: np.dtype[Any],
    is_offset: bool,
    outer: tuple[CodecJSON, ...],
    manifest: ChunkManifest,
    meaning: dict[str, Any],
) -> ManifestArray:
    attributes = read_attributes(header) | meaning
    units = value_of(header, "BUNIT")
    if isinstance(units, str) and units:
        attributes["units"] = units
    metadata = ArrayMetadata.create(
        shape=shape,
        dtype=offset_dtype(dtype) if is_offset else dtype,
        chunks=chunks,
        codecs=(*bytes_codecs(dtype), *offset_codecs(dtype, is_offset), *outer),
        attributes=attributes,
    )
    return ManifestArray(metadata=metadata, manifest=manifest)


def offset_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type that offset integers of a stored type stand for."""
    return np.dtype(f"{'i' if dtype.kind == 'u' else 'u'}{dtype.itemsize}")


def offset_codecs(dtype: np.dtype[Any], is_offset: bool) -> tuple[CodecJSON, ...]:
    """What turns stored offset integers into those that they stand for."""
    if not is_offset:
        return ()
    return ({"name": "vzlab.fits_column", "configuration": {"kind": "offset", "width": dtype.itemsize}},)


def is_compressed_image(header: Any) -> bool:
    """FITS 4.0, 10.1.1."""
    return value_of(header, "ZIMAGE") is True


def read_compressed_image(unit: Unit, source: ByteSource, place: Place, name: str) -> ManifestArray:
    """A tile-compressed image; each tile lies in the heap of a binary table.

    Raises
    ------
    UnvirtualizableError
        If tiles are quantised by factors of their own, or are not all compressed alike.
    UnsupportedCodecError
        If the compression is not known.
    """
    header = unit.header
    if place.packed_bytes is not None:
        raise UnvirtualizableError("Its tiles lie in a file that gzip compresses once more.")
    compression = value_of(header, "ZCMPTYPE")
    if compression not in TILE_COMPRESSIONS:
        raise UnsupportedCodecError(f"Nothing here decodes tiles compressed by {compression!r}.")
    columns = {column.name: column for column in read_columns(header)}
    if "COMPRESSED_DATA" not in columns:
        raise CorruptFileError(
            f"The compressed image {name!r} has no column COMPRESSED_DATA. The file is damaged."
        )
    if "ZSCALE" in columns or value_of(header, "ZSCALE") is not None:
        raise UnvirtualizableError(
            "Each of its tiles is quantised by a scale of its own, which lies elsewhere in the file than the tile."
        )
    if "ZBLANK" in columns:
        raise UnvirtualizableError("Each of its tiles has a missing value of its own.")
    bitpix, naxis = integer(header, "ZBITPIX"), integer(header, "ZNAXIS")
    if bitpix not in _DTYPES or not 1 <= naxis <= 32:
        raise CorruptFileError(
            f"The compressed image {name!r} has ZBITPIX {bitpix} and ZNAXIS {naxis}. The file is damaged."
        )
    shape = tuple(integer(header, f"ZNAXIS{axis}") for axis in range(naxis, 0, -1))
    # Without ZTILEn a tile is a row.
    tile = tuple(
        integer(header, f"ZTILE{axis}", shape[-1] if axis == 1 else 1) for axis in range(naxis, 0, -1)
    )
    if min(*shape, *tile) < 1:
        raise CorruptFileError(
            f"The compressed image {name!r} has shape {shape} and tiles {tile}. The file is damaged."
        )
    tile = tuple(min(t, n) for t, n in zip(tile, shape, strict=True))
    dtype = np.dtype(_DTYPES[bitpix])
    if math.prod(tile) * dtype.itemsize > MAX_CHUNK_BYTES:
        raise UnvirtualizableError(f"Its tiles of {tile} decode to more than {MAX_CHUNK_BYTES} bytes.")
    manifest = _tile_manifest(unit, source, place, columns["COMPRESSED_DATA"], shape, tile, name)
    even = all(n % t == 0 for n, t in zip(shape, tile, strict=True))
    chunks: tuple[DimensionChunks, ...] = tile
    configuration: dict[str, Any] = {"compression": compression, "dtype": dtype.str}
    if even:
        configuration["shape"] = list(tile)
    else:
        chunks = tuple(_lengths(n, t) for n, t in zip(shape, tile, strict=True))
    settings = _settings(header)
    if settings:
        configuration["settings"] = settings
    FitsTile(**configuration)
    meaning, is_offset = packing(header, bitpix=bitpix, scale="BSCALE", zero="BZERO", blank="BLANK")
    if "_FillValue" not in meaning and bitpix > 0 and isinstance(blank := value_of(header, "ZBLANK"), int):
        meaning["_FillValue"] = blank
    outer: tuple[CodecJSON, ...] = ({"name": FitsTile.codec_id, "configuration": configuration},)
    return _array(header, shape, chunks, dtype, is_offset, outer, manifest, meaning)


def _lengths(length: int, tile: int) -> tuple[int, ...]:
    whole, rest = divmod(length, tile)
    return (tile,) * whole + ((rest,) if rest else ())


def _settings(header: Any) -> dict[str, int]:
    """Parameters of the compression: FITS 4.0, 10.1.2."""
    settings = {}
    for number in range(1, 1000):
        key, value = value_of(header, f"ZNAME{number}"), value_of(header, f"ZVAL{number}")
        if key is None:
            break
        if (
            isinstance(key, str)
            and isinstance(value, int | float)
            and key.lower() in ("blocksize", "bytepix", "scale", "smooth")
        ):
            settings[key.lower()] = int(value)
    return settings


def _tile_manifest(
    unit: Unit,
    source: ByteSource,
    place: Place,
    column: Column,
    shape: tuple[int, ...],
    tile: tuple[int, ...],
    name: str,
) -> ChunkManifest:
    """Descriptors of the tiles: FITS 4.0, 7.3.5. They are read in one go, the heap is not."""
    header = unit.header
    grid = tuple(-(-n // t) for n, t in zip(shape, tile, strict=True))
    n_tiles, row_bytes = math.prod(grid), integer(header, "NAXIS1")
    n_rows = integer(header, "NAXIS2")
    if n_rows < n_tiles or n_tiles > MAX_CHUNKS:
        raise CorruptFileError(
            f"The compressed image {name!r} has {n_rows} rows for {n_tiles} tiles. The file is damaged."
        )
    rows = np.frombuffer(source.read(unit.data_offset, n_tiles * row_bytes), np.uint8).reshape(
        n_tiles, row_bytes
    )
    word = ">i8" if column.code == "Q" else ">i4"
    width = 2 * np.dtype(word).itemsize
    if column.code not in "PQ" or column.offset + width > row_bytes:
        raise CorruptFileError(
            f"The column COMPRESSED_DATA of {name!r} holds no descriptors. The file is damaged."
        )
    descriptors = np.ascontiguousarray(rows[:, column.offset : column.offset + width]).view(word)
    lengths, offsets = descriptors[:, 0].astype(np.int64), descriptors[:, 1].astype(np.int64)
    if (lengths == 0).any():
        raise UnvirtualizableError(
            "Some of its tiles are stored in another column than COMPRESSED_DATA, by another compression."
        )
    heap = integer(header, "THEAP", n_rows * row_bytes)
    item = {"B": 1, "I": 2, "J": 4}.get(column.element, 0)
    if item == 0 or lengths.min() < 0 or offsets.min() < 0 or heap < 0 or (lengths > unit.data_bytes).any():
        raise CorruptFileError(
            f"A descriptor of the compressed image {name!r} points nowhere. The file is damaged."
        )
    limit = unit.data_bytes - heap
    if (offsets > limit - lengths * item).any():
        raise CorruptFileError(
            f"A tile of the compressed image {name!r} reaches past its heap. The file is damaged."
        )
    manifest = ChunkManifest.from_ranges(
        place.source_file,
        (offsets + (unit.data_offset + heap)).reshape(grid).astype(np.uint64),
        (lengths * item).reshape(grid).astype(np.uint64),
    )
    return check_bounds(manifest, variable=name, what="tile")
