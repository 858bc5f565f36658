"""HDF5 filter pipelines as Zarr v3 codec chains.

An HDF5 pipeline lists its filters in the order in which they encode (HDF5 file format specification IV.A.2.l,
"Data Storage - Filter Pipeline"), as a Zarr v3 chain does: each becomes a bytes-to-bytes codec in its place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from vzlab.codecs.datatypes import BitField, CodecJSON, FloatLayout, bytes_codecs
from vzlab.errors import MissingDependencyError, UnsupportedCodecError

DEFLATE, SHUFFLE, FLETCHER32, SZIP, NBIT, SCALEOFFSET = 1, 2, 3, 4, 5, 6
LZO, BZIP2 = 305, 307
LZF, BLOSC, LZ4, BITSHUFFLE, ZFP, ZSTD = 32000, 32001, 32004, 32008, 32013, 32015
JPEGLS, BITGROOM, GRANULAR_BITROUND, BLOSC2 = 32018, 32022, 32023, 32026

_NAMES = {
    DEFLATE: "deflate",
    SHUFFLE: "shuffle",
    FLETCHER32: "fletcher32",
    SZIP: "szip",
    NBIT: "nbit",
    SCALEOFFSET: "scale-offset",
    LZO: "LZO",
    BZIP2: "bzip2",
    LZF: "LZF",
    BLOSC: "Blosc",
    LZ4: "LZ4",
    BITSHUFFLE: "bitshuffle",
    ZFP: "ZFP",
    ZSTD: "Zstandard",
    JPEGLS: "JPEG-LS",
    BITGROOM: "BitGroom",
    GRANULAR_BITROUND: "Granular BitRound",
    BLOSC2: "Blosc2",
    # Registered with The HDF Group, and not decoded here.
    32002: "MAFISC",
    32003: "Snappy",
    32005: "APAX",
    32006: "CBF",
    32007: "JPEG-XR",
    32009: "SPDP",
    32010: "LPC-Rice",
    32011: "CCSDS-123",
    32012: "JPEG-LS (multi-threaded)",
    32014: "fpzip",
    32016: "B3D",
    32017: "SZ",
    32019: "JPEG",
    32020: "VBZ",
    32021: "FAPEC",
    32024: "SZ3",
    32025: "Delta-Rice",
    32027: "FLAC",
    32028: "SPERR",
    32029: "TERSE/PROLIX",
    32030: "FFMPEG",
}


@dataclass(frozen=True, kw_only=True)
class Hdf5Filter:
    """One filter of a dataset's pipeline, as the creation property list gives it."""

    id: int
    """Registered number of the filter."""
    flags: int = 0
    """1 when the writer may skip it for a chunk."""
    cd_values: tuple[int, ...] = ()
    """Client data values, unsigned 32-bit."""
    name: str = ""
    """What the file calls it; may be empty."""

    @property
    def label(self) -> str:
        """A readable name with the number, for messages."""
        known = _NAMES.get(self.id) or self.name.split(";")[0].strip()
        return f"{known} ({self.id})" if known else f"number {self.id}"


def active_filters(filters: Iterable[Hdf5Filter], filter_mask: int) -> tuple[Hdf5Filter, ...]:
    """Give the filters that a chunk went through: those whose bit in its filter mask is not set.

    Bit 0 stands for the first filter of the pipeline (HDF5 file format specification III.A.1).
    """
    return tuple(f for i, f in enumerate(filters) if not filter_mask >> i & 1)


def codec_chain(
    filters: Iterable[Hdf5Filter],
    dtype: np.dtype[Any],
    chunk_shape: Sequence[int],
    *,
    bit_field: BitField | None = None,
    float_layout: FloatLayout | None = None,
) -> tuple[CodecJSON, ...]:
    """Give the whole Zarr v3 codec chain of an HDF5 dataset: `bytes`, then the filters.

    Parameters
    ----------
    filters : iterable of Hdf5Filter
        In pipeline order; none for contiguous data.
    dtype : numpy dtype
        As the file stores it (byte order, members' offsets, record size).
    chunk_shape : sequence of int
        The shape that one stored chunk decodes to.
    bit_field : BitField, optional
        For integers that use only some of their bits.
    float_layout : FloatLayout, optional
        For floating-point numbers that numpy has no type for; `dtype` is then what they decode to.

    Raises
    ------
    UnsupportedCodecError
        A filter cannot be decoded; the message names it.
    """
    stored = dtype if float_layout is None else np.dtype(f"V{float_layout.size_bytes}")
    return (
        *bytes_codecs(dtype, bit_field=bit_field, float_layout=float_layout),
        *codecs_from_filters(filters, stored, chunk_shape),
    )


def codecs_from_filters(
    filters: Iterable[Hdf5Filter], dtype: np.dtype[Any], chunk_shape: Sequence[int]
) -> tuple[CodecJSON, ...]:
    """Give the bytes-to-bytes codecs that a filter pipeline stands for, in encoding order.

    Parameters
    ----------
    filters : iterable of Hdf5Filter
        In pipeline order.
    dtype : numpy dtype
        As the file stores it; only its size matters here, so ``V2`` may stand for any type of two bytes.
    chunk_shape : sequence of int
        The shape that one stored chunk decodes to.

    Returns
    -------
    tuple of dict
        Names that other Zarr readers know wherever the bytes are in that format, else ``vzlab.*``. A filter
        that leaves the bytes as they are (a shuffle of single bytes, a quantization) gives none.

    Raises
    ------
    UnsupportedCodecError
        A filter cannot be decoded; the message names it.
    """
    codecs: list[CodecJSON] = []
    chunk = _Chunk(dtype=dtype, n_bytes=math.prod(chunk_shape) * dtype.itemsize)
    for hdf5_filter in filters:
        convert = _CONVERTERS.get(hdf5_filter.id)
        if convert is None:
            raise UnsupportedCodecError(
                f"HDF5 filter {hdf5_filter.label} has no codec here. Expected one of "
                f"{', '.join(f'{_NAMES[i]} ({i})' for i in sorted(_CONVERTERS))}. "
                "Load the variable with a reader that has the filter's plugin, or drop it."
            )
        codec, n_bytes = convert(hdf5_filter, chunk)
        if codec is not None:
            _check_installed(codec["name"], hdf5_filter)
            codecs.append(codec)
        chunk = _Chunk(dtype=dtype, n_bytes=n_bytes)
    return tuple(codecs)


_NEED_IMAGECODECS = frozenset(
    f"vzlab.{name}"
    for name in ("bitshuffle", "blosc", "blosc2", "jpegls", "lz4_hdf5", "lzf", "lzo", "szip", "zfp")
)


def _check_installed(codec_name: str, hdf5_filter: Hdf5Filter) -> None:
    if codec_name in _NEED_IMAGECODECS and find_spec("imagecodecs") is None:
        raise MissingDependencyError("imagecodecs", extra="hdf5", purpose=f"HDF5 filter {hdf5_filter.label}")


@dataclass(frozen=True, kw_only=True)
class _Chunk:
    """What goes into a filter when encoding."""

    dtype: np.dtype[Any]
    n_bytes: int | None
    """None behind a compressor."""


type _Converted = tuple[CodecJSON | None, int | None]


def _value(hdf5_filter: Hdf5Filter, index: int, default: int | None = None) -> int:
    if index < len(hdf5_filter.cd_values):
        return hdf5_filter.cd_values[index]
    if default is None:
        raise UnsupportedCodecError(
            f"HDF5 filter {hdf5_filter.label} has {len(hdf5_filter.cd_values)} client data values "
            f"{hdf5_filter.cd_values}; expected at least {index + 1}."
        )
    return default


def _known_size(hdf5_filter: Hdf5Filter, chunk: _Chunk) -> int:
    if chunk.n_bytes is None:
        raise UnsupportedCodecError(
            f"HDF5 filter {hdf5_filter.label} follows a compressor, so the size that it decodes to is not "
            "known; expected it before any compressor."
        )
    return chunk.n_bytes


def _codec(name: str, **configuration: Any) -> CodecJSON:
    return {"name": name, "configuration": configuration}


def _deflate(f: Hdf5Filter, _chunk: _Chunk) -> _Converted:
    # A zlib stream (RFC 1950), which Zarr's own gzip codec does not read.
    return _codec("numcodecs.zlib", level=min(_value(f, 0, 6), 9)), None


def _shuffle(f: Hdf5Filter, chunk: _Chunk) -> _Converted:
    element_size = _value(f, 0, chunk.dtype.itemsize)
    if element_size <= 1:
        return None, chunk.n_bytes
    whole = chunk.n_bytes is not None and chunk.n_bytes % element_size == 0
    name = "numcodecs.shuffle" if whole else "vzlab.shuffle"
    return _codec(name, elementsize=element_size), chunk.n_bytes


def _fletcher32(_f: Hdf5Filter, chunk: _Chunk) -> _Converted:
    return _codec("numcodecs.fletcher32"), None if chunk.n_bytes is None else chunk.n_bytes + 4


def _szip(f: Hdf5Filter, _chunk: _Chunk) -> _Converted:
    names = ("options_mask", "pixels_per_block", "bits_per_pixel", "pixels_per_scanline")
    return _codec("vzlab.szip", **{name: _value(f, i) for i, name in enumerate(names)}), None


def _nbit(f: Hdf5Filter, _chunk: _Chunk) -> _Converted:
    from vzlab.codecs.nbit import NBit

    codec = NBit(cd_values=f.cd_values)
    return _codec("vzlab.nbit", cd_values=codec.cd_values), None


def _scaleoffset(f: Hdf5Filter, _chunk: _Chunk) -> _Converted:
    from vzlab.codecs.scaleoffset import ScaleOffset

    codec = ScaleOffset(cd_values=f.cd_values)
    return _codec("vzlab.scaleoffset", cd_values=codec.cd_values), None


def _bzip2(f: Hdf5Filter, _chunk: _Chunk) -> _Converted:
    return _codec("numcodecs.bz2", level=min(max(_value(f, 0, 9), 1), 9)), None


def _lzf(f: Hdf5Filter, chunk: _Chunk) -> _Converted:
    return _codec("vzlab.lzf", nbytes=_known_size(f, chunk)), None


def _lzo(f: Hdf5Filter, chunk: _Chunk) -> _Converted:
    # PyTables always stores three values; another filter under this number is none of LZO.
    _value(f, 2)
    return _codec("vzlab.lzo", nbytes=_known_size(f, chunk)), None


_BLOSC_COMPRESSORS = ("blosclz", "lz4", "lz4hc", "snappy", "zlib", "zstd")
_BLOSC_SHUFFLES = ("noshuffle", "shuffle", "bitshuffle")


def _blosc(f: Hdf5Filter, chunk: _Chunk) -> _Converted:
    compressor = _value(f, 6, 0)
    if compressor == _BLOSC_COMPRESSORS.index("snappy"):
        # numcodecs' Blosc is built without Snappy; imagecodecs' has it.
        return _codec("vzlab.blosc"), None
    # All of these matter for encoding only: a Blosc frame describes itself.
    configuration = {
        "typesize": max(min(_value(f, 2, chunk.dtype.itemsize), 255), 1),
        "cname": _BLOSC_COMPRESSORS[compressor] if compressor < len(_BLOSC_COMPRESSORS) else "blosclz",
        "clevel": min(_value(f, 4, 5), 9),
        "shuffle": _BLOSC_SHUFFLES[min(_value(f, 5, 1), 2)],
        "blocksize": 0,
    }
    return _codec("blosc", **configuration), None


def _blosc2(_f: Hdf5Filter, _chunk: _Chunk) -> _Converted:
    return _codec("vzlab.blosc2"), None


def _lz4(_f: Hdf5Filter, _chunk: _Chunk) -> _Converted:
    return _codec("vzlab.lz4_hdf5"), None


def _bitshuffle(f: Hdf5Filter, chunk: _Chunk) -> _Converted:
    compression = _value(f, 4, 0)
    if compression not in (0, 2, 3):
        raise UnsupportedCodecError(
            f"HDF5 filter {f.label} with compression {compression}; "
            "expected 0 (none), 2 (LZ4) or 3 (Zstandard)."
        )
    configuration = {"elementsize": _value(f, 2), "blocksize": _value(f, 3, 0), "compression": compression}
    return _codec("vzlab.bitshuffle", **configuration), chunk.n_bytes if compression == 0 else None


def _zfp(f: Hdf5Filter, _chunk: _Chunk) -> _Converted:
    from vzlab.codecs.zfp import parse_header

    header = list(f.cd_values[1:])
    parse_header(header)
    return _codec("vzlab.zfp", header=header), None


def _zstd(f: Hdf5Filter, _chunk: _Chunk) -> _Converted:
    level = _value(f, 0, 3)
    # A level may be negative; client data values are unsigned.
    level = level - (1 << 32) if level >= 1 << 31 else level
    return _codec("zstd", level=max(min(level, 22), -131072), checksum=False), None


def _jpegls(f: Hdf5Filter, _chunk: _Chunk) -> _Converted:
    if _value(f, 1) != 1:
        raise UnsupportedCodecError(
            f"HDF5 filter {f.label} with {_value(f, 1)} components; expected images of one component."
        )
    return _codec("vzlab.jpegls"), None


def _quantized(_f: Hdf5Filter, chunk: _Chunk) -> _Converted:
    # BitGroom and Granular BitRound round when encoding; decoding leaves the numbers as they are.
    return None, chunk.n_bytes


_CONVERTERS: dict[int, Callable[[Hdf5Filter, _Chunk], _Converted]] = {
    DEFLATE: _deflate,
    SHUFFLE: _shuffle,
    FLETCHER32: _fletcher32,
    SZIP: _szip,
    NBIT: _nbit,
    SCALEOFFSET: _scaleoffset,
    LZO: _lzo,
    BZIP2: _bzip2,
    LZF: _lzf,
    BLOSC: _blosc,
    LZ4: _lz4,
    BITSHUFFLE: _bitshuffle,
    ZFP: _zfp,
    ZSTD: _zstd,
    JPEGLS: _jpegls,
    BITGROOM: _quantized,
    GRANULAR_BITROUND: _quantized,
    BLOSC2: _blosc2,
}
