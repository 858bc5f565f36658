"""The strips and tiles of one TIFF page as a virtual array of shape (band, y, x) or (y, x)."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from vzlab.codecs import CodecJSON, bytes_codecs
from vzlab.codecs.tiff import BYTE_COMPRESSIONS, IMAGE_COMPRESSIONS, PREDICTORS, TiffSegment
from vzlab.codecs.tiff_runs import RUN_SAMPLES
from vzlab.errors import (
    CorruptFileError,
    UnsupportedCodecError,
    UnsupportedDataTypeError,
    UnvirtualizableError,
)
from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray, SourceFile
from vzlab.manifests.chunk_grid import DimensionChunks
from vzlab.parsers.base import check_bounds
from vzlab.parsers.dividing import TARGET_BYTES, largest_divisor
from vzlab.parsers.tiff.library import tifffile

MAX_CHUNK_BYTES = 1 << 31
"""A strip or tile that decodes to more is refused: reading one value would take as much memory."""

MAX_CHUNKS = 100_000_000
"""A page with more strips and tiles is refused: its manifest would take 2 GB."""

_PLAIN_BITS = frozenset({8, 16, 32, 64, 128})
_JPEGS = frozenset(code for code, name in IMAGE_COMPRESSIONS.items() if name == "jpeg")
_OLD_JPEG, _JPEG = 6, 7
_PREDICTED_IMAGES = frozenset({34887, 34927})
"""LERC and WebP: samples come out of them, and yet tifffile has the Predictor tag apply to those."""
_COMPLEX_INTEGER = 5
_ZSTD = frozenset({34926, 50000})
_DEFLATE = frozenset({8, 32946})


@dataclass(frozen=True, kw_only=True)
class Segments:
    """Where a page's strips or tiles lie, and how they cut it."""

    shape: tuple[int, ...]
    """(band, y, x)"""
    chunk_shape: tuple[int, ...]
    """(band, y, x)"""
    offsets: np.ndarray[Any, np.dtype[np.uint64]]
    lengths: np.ndarray[Any, np.dtype[np.uint64]]
    """Both of the shape of the chunk grid."""


def read_page(page: Any, source_file: SourceFile, *, name: str) -> ManifestArray:
    """One page as a virtual array without attributes: bands first, and no band dimension where there is one sample.

    Raises
    ------
    UnvirtualizableError, UnsupportedCodecError, UnsupportedDataTypeError
        If nothing here decodes it.
    CorruptFileError
        If strips or tiles lie outside of the file, or there are too few of them.
    """
    dtype = stored_dtype(page)
    segments = _segments(page, name)
    n_interleaved = segments.chunk_shape[0] if page.planarconfig == 1 else 1
    if math.prod(segments.chunk_shape) * dtype.itemsize > MAX_CHUNK_BYTES:
        raise UnvirtualizableError(
            f"Each of its strips or tiles decodes to {math.prod(segments.chunk_shape) * dtype.itemsize} bytes; at most "
            f"{MAX_CHUNK_BYTES} can be one chunk."
        )
    plain = _is_plain(page)
    codecs: tuple[CodecJSON, ...]
    chunks: tuple[DimensionChunks, ...] = segments.chunk_shape
    if plain and page.compression == 1:
        codecs = bytes_codecs(dtype)
        chunks, manifest = _uncompressed(page, segments, dtype, source_file, name)
    else:
        manifest = check_bounds(_manifest(segments, source_file), variable=name, what="strip or tile")
        even = bool(page.is_tiled) or segments.shape[1] % segments.chunk_shape[1] == 0
        standard = _standard_codec(page.compression) if plain and even else None
        if standard is not None:
            codecs = (*bytes_codecs(dtype), standard)
        else:
            codecs = (*bytes_codecs(dtype.newbyteorder("<")), _codec(page, segments, dtype))
    if n_interleaved > 1:
        # Samples of a pixel lie side by side, and bands come first here.
        codecs = ({"name": "transpose", "configuration": {"order": [1, 2, 0]}}, *codecs)
    shape = segments.shape
    if not has_bands(page):
        shape, chunks, manifest = shape[1:], chunks[1:], manifest.reshape(manifest.grid_shape[1:])
    fill = None if dtype.kind in "bc" or not page.nodata else dtype.type(page.nodata)
    metadata = ArrayMetadata.create(shape=shape, dtype=dtype, chunks=chunks, codecs=codecs, fill_value=fill)
    return ManifestArray(metadata=metadata, manifest=manifest)


def has_bands(page: Any) -> bool:
    """Whether a page has a dimension of samples."""
    return "S" in page.axes


def page_shape(page: Any) -> tuple[int, ...]:
    """Shape of a page as (band, y, x) or (y, x)."""
    bands = (int(page.samplesperpixel),) if has_bands(page) else ()
    return (*bands, int(page.imagelength), int(page.imagewidth))


def stored_dtype(page: Any) -> np.dtype[Any]:
    """What a sample decodes to, in the byte order of the file.

    Raises
    ------
    UnsupportedDataTypeError
        If neither numpy nor Zarr has such samples.
    """
    if page.dtype is None or isinstance(page.bitspersample, tuple):
        raise UnsupportedDataTypeError(
            f"Its samples have {page.bitspersample} bits and sample format {_plain_int(page.sampleformat)}, for which there "
            "is no data type."
        )
    # By its code, since numpy has two types of eight bytes and Zarr knows one of them.
    dtype: np.dtype[Any] = np.dtype(page.dtype.str)
    return dtype.newbyteorder(page.parent.byteorder)


def _plain_int(value: Any) -> Any:
    return int(value) if isinstance(value, int) else value


def _segments(page: Any, name: str) -> Segments:
    if int(page.imagedepth) != 1 or int(getattr(page, "tiledepth", 1) or 1) != 1:
        raise UnvirtualizableError(f"Its image is {page.imagedepth} deep; only flat pages can be chunks.")
    _, _, length, width, contiguous = (int(n) for n in page.shaped)
    n_planes = int(page.shaped[0])
    if 0 in page.shaped:
        raise UnvirtualizableError("It is empty: its directory says no width, length or samples.")
    rows, columns = (
        (int(page.tilelength), int(page.tilewidth)) if page.is_tiled else (int(page.rowsperstrip), width)
    )
    if rows < 1 or columns < 1:
        raise CorruptFileError(
            f"Page {name!r} has strips or tiles of {rows} rows and {columns} columns; expected at least 1."
        )
    grid = (n_planes, -(-length // rows), -(-width // columns))
    n_segments = math.prod(grid)
    if n_segments > MAX_CHUNKS:
        raise UnvirtualizableError(
            f"It has {n_segments} strips or tiles; at most {MAX_CHUNKS} can be referenced."
        )
    offsets, lengths = _numbers(page.dataoffsets), _numbers(page.databytecounts)
    if min(len(offsets), len(lengths)) < n_segments:
        raise CorruptFileError(
            f"Page {name!r} lists {len(offsets)} offsets and {len(lengths)} byte counts of strips or "
            f"tiles; its dimensions need {n_segments}. The file is damaged."
        )
    return Segments(
        shape=(n_planes if page.planarconfig != 1 else contiguous, length, width),
        chunk_shape=(contiguous, rows, columns),
        offsets=offsets[:n_segments].reshape(grid),
        lengths=lengths[:n_segments].reshape(grid),
    )


def _numbers(values: Any) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Values of a tag; those of type BYTE come as bytes."""
    return np.atleast_1d(np.asarray(list(values) if isinstance(values, bytes) else values, np.uint64))


def _manifest(segments: Segments, source_file: SourceFile) -> ChunkManifest:
    """Tiles at byte 0, or of no bytes, were never written: the GDAL extension for sparse files."""
    missing = (segments.offsets == 0) | (segments.lengths == 0)
    return ChunkManifest.from_ranges(source_file, segments.offsets, segments.lengths, missing=missing)


def _is_plain(page: Any) -> bool:
    """Whether decompressed bytes are samples of a numpy type, as they are."""
    return (
        page.predictor == 1
        and page.fillorder == 1
        and page.bitspersample in _PLAIN_BITS
        and page.sampleformat != _COMPLEX_INTEGER
        and not (page.is_subsampled and page.compression in BYTE_COMPRESSIONS)
    )


def _standard_codec(compression: int) -> CodecJSON | None:
    """A codec that any Zarr reader may have."""
    if compression in _DEFLATE:
        return {"name": "numcodecs.zlib", "configuration": {"level": 1}}
    if compression in _ZSTD:
        return {"name": "zstd", "configuration": {"level": 0, "checksum": False}}
    return None


def _uncompressed(
    page: Any, segments: Segments, dtype: np.dtype[Any], source_file: SourceFile, name: str
) -> tuple[tuple[DimensionChunks, ...], ChunkManifest]:
    """References to plain bytes; strips side by side are cut anew, so that all chunks are of one length if they can be."""
    n_bands, rows, columns = segments.chunk_shape
    row_bytes = n_bands * columns * dtype.itemsize
    if page.is_tiled:
        manifest = _manifest(_cut(segments, np.uint64(rows * row_bytes)), source_file)
        return segments.chunk_shape, check_bounds(
            manifest, variable=name, n_bytes=rows * row_bytes, what="tile"
        )
    length = segments.shape[1]
    n_strips = segments.offsets.shape[1]
    strip_rows = np.minimum(rows, length - rows * np.arange(n_strips, dtype=np.int64))
    expected = (strip_rows * row_bytes).astype(np.uint64)[np.newaxis, :, np.newaxis]
    segments = _cut(segments, expected)
    if ((segments.lengths != expected) & (segments.lengths != 0) & (segments.offsets != 0)).any():
        at = np.argwhere(segments.lengths != expected)[0]
        raise CorruptFileError(
            f"Strip {at[1]} of page {name!r} has {segments.lengths[tuple(at)]} bytes, and nothing compresses it; expected "
            f"{int(strip_rows[at[1]]) * row_bytes}. The file is damaged."
        )
    together = bool((segments.offsets[:, 1:] == segments.offsets[:, :-1] + segments.lengths[:, :-1]).all())
    if together and (segments.offsets != 0).all() and (segments.lengths != 0).all():
        run = largest_divisor(length, max(TARGET_BYTES // row_bytes, 1))
        if run >= min(rows, length):
            starts = np.arange(0, length, run, dtype=np.uint64) * np.uint64(row_bytes)
            offsets = segments.offsets[:, :1] + starts[np.newaxis, :, np.newaxis]
            manifest = ChunkManifest.from_ranges(
                source_file, offsets, np.full(offsets.shape, run * row_bytes, np.uint64)
            )
            chunks = (n_bands, run, columns)
            return chunks, check_bounds(manifest, variable=name, n_bytes=run * row_bytes, what="strip")
    manifest = check_bounds(_manifest(segments, source_file), variable=name, what="strip")
    return (n_bands, tuple(int(n) for n in strip_rows), columns), manifest


def _cut(segments: Segments, expected: Any) -> Segments:
    """Segments without the bytes that some writers pad them by."""
    lengths = np.where(segments.lengths > expected, expected, segments.lengths)
    return Segments(
        shape=segments.shape,
        chunk_shape=segments.chunk_shape,
        offsets=segments.offsets,
        lengths=lengths.astype(np.uint64),
    )


def _codec(page: Any, segments: Segments, dtype: np.dtype[Any]) -> CodecJSON:
    """What turns a stored strip or tile into samples."""
    compression, predictor = int(page.compression), int(page.predictor)
    if compression == _OLD_JPEG and _holds_whole_stream(page, segments):
        compression = _JPEG
    is_image = compression in IMAGE_COMPRESSIONS
    if not is_image and compression not in BYTE_COMPRESSIONS:
        raise UnsupportedCodecError(
            f"Nothing here decodes its compression, {_compression_name(compression)}."
        )
    if is_image and predictor != 1 and compression in _PREDICTED_IMAGES:
        raise UnsupportedCodecError(
            f"It has predictor {predictor} under compression {_compression_name(compression)}: tifffile undoes the prediction, "
            "libtiff and GDAL take the samples as they are decoded, and no specification says which is meant."
        )
    if page.is_subsampled and (not is_image or page.planarconfig == 2):
        raise UnsupportedCodecError(
            f"Its chroma is subsampled under compression {_compression_name(compression)}, which tifffile does not decode either."
        )
    n_bands, rows, columns = segments.chunk_shape
    if compression in RUN_SAMPLES:
        _check_runs(page, dtype, n_bands)
    _, length, width = segments.shape
    configuration: dict[str, Any] = {"compression": compression, "shape": [rows, columns, n_bands]}
    configuration["dtype"] = dtype.str
    edge = [length % rows or rows, width % columns or columns]
    if edge != [rows, columns]:
        configuration["edge"] = edge
    if page.fillorder == 2 and (not is_image or compression in {2, 3, 4, *RUN_SAMPLES}):
        configuration["fill_order"] = 2
    if not is_image:
        _add_packing(configuration, page, dtype, predictor)
    if compression == 3:
        configuration["t4_options"] = int(page.tags.valueof(292, 0))
    if compression == 34887 and (parameters := page.tags.valueof(50674)) is not None and parameters[1]:
        configuration["lerc_compression"] = int(parameters[1])
    if compression in _JPEGS:
        configuration["jpeg_colors"] = list(
            tifffile.tifffile.jpeg_decode_colorspace(
                page.photometric, page.planarconfig, page.extrasamples, page.is_jfif
            )
        )
        if page.jpegtables is not None:
            configuration["jpeg_tables"] = base64.b64encode(page.jpegtables).decode()
        if page.jpegheader is not None:
            configuration["jpeg_header"] = base64.b64encode(page.jpegheader).decode()
    TiffSegment(**configuration)
    return {"name": TiffSegment.codec_id, "configuration": configuration}


def _holds_whole_stream(page: Any, segments: Segments) -> bool:
    """Whether the one strip is the stream that JPEGInterchangeFormat (513) points to, tables and all (TIFF 6.0, section 22)."""
    begins = _numbers(page.tags.valueof(513, ()))
    return segments.offsets.size == 1 and begins.size == 1 and bool((segments.offsets == begins).all())


def _check_runs(page: Any, dtype: np.dtype[Any], n_bands: int) -> None:
    """Refuse samples of other types, or so many to a pixel, than a compression by runs is made for."""
    bits, known, numbers = RUN_SAMPLES[int(page.compression)]
    if int(page.bitspersample) == bits and dtype.newbyteorder("=").str[1:] == known and n_bands in numbers:
        return
    raise UnsupportedCodecError(
        f"Its compression {_compression_name(int(page.compression))} holds {n_bands} samples a pixel of {page.bitspersample} "
        f"bits as {dtype}; decoded are {' or '.join(map(str, sorted(numbers)))} of {bits} bits as {known}."
    )


def _add_packing(configuration: dict[str, Any], page: Any, dtype: np.dtype[Any], predictor: int) -> None:
    is_complex_integer = page.sampleformat == _COMPLEX_INTEGER
    packed = page.bitspersample not in _PLAIN_BITS or is_complex_integer
    if packed:
        configuration["bits"] = int(page.bitspersample)
    if is_complex_integer:
        configuration["complex_integer"] = True
    if predictor == 1:
        return
    if predictor not in PREDICTORS:
        raise UnsupportedCodecError(
            f"Its predictor is {predictor}, which the TIFF specification does not know."
        )
    kinds = "f" if PREDICTORS[predictor][0] == "floatpred" else "iuf"
    if is_complex_integer or dtype.kind not in kinds or (packed and dtype.kind == "f"):
        raise UnsupportedCodecError(f"Its predictor, {predictor}, does not go with samples of type {dtype}.")
    configuration["predictor"] = predictor


def _compression_name(code: int) -> str:
    try:
        return f"{tifffile.COMPRESSION(code).name} ({code})"
    except ValueError:
        return str(code)
