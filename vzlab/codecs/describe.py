"""Any codec in words: what it is, its parameters, what its decoding does, who can read it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vzlab.codecs.compare import decoding_form

ZARR_PYTHON, ZARRS, GDAL, ZARRITA = "zarr-python", "zarrs", "GDAL", "zarrita.js"

ALL_READERS = (ZARR_PYTHON, ZARRS, GDAL, ZARRITA)
"""Zarr v3 readers of which it is told what they know."""


@dataclass(frozen=True, kw_only=True)
class CodecDescription:
    """One codec of a chain, for people."""

    name: str
    """As in Zarr metadata."""
    label: str
    """What the field calls it: "deflate", "shuffle"."""
    parameters: str
    """In words: "level 4", "2-byte elements"; empty when there is nothing to say."""
    decoding: str
    """What decoding does, in a short phrase: "inflate", "unshuffle"."""
    readers: tuple[str, ...]
    """Zarr v3 readers that know this name, as their documentation or source says; empty when not known."""
    needs: str | None = None
    """What zarr-python needs besides itself, for example "vzlab"."""
    decoding_form: str = ""
    """JSON that is equal for two codecs that decode every chunk alike, whatever they were told when encoding."""

    def __str__(self) -> str:
        return f"{self.label} ({self.parameters})" if self.parameters else self.label


type _Words = Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True)
class _Entry:
    label: str
    decoding: str
    readers: tuple[str, ...]
    words: _Words


def _nothing(_: Mapping[str, Any]) -> str:
    return ""


def _level(c: Mapping[str, Any]) -> str:
    return f"level {c['level']}" if "level" in c else ""


def _elements(c: Mapping[str, Any]) -> str:
    return f"{c['elementsize']}-byte elements" if "elementsize" in c else ""


def _endian(c: Mapping[str, Any]) -> str:
    return f"{c['endian']}-endian" if c.get("endian") else ""


def _blosc(c: Mapping[str, Any]) -> str:
    parts = [str(c["cname"])] if "cname" in c else []
    parts += [f"level {c['clevel']}"] if "clevel" in c else []
    shuffle = {0: "noshuffle", 1: "shuffle", 2: "bitshuffle"}.get(c.get("shuffle", ""), c.get("shuffle"))
    if shuffle in ("shuffle", "bitshuffle"):
        size = f" of {c['typesize']}-byte elements" if "typesize" in c else ""
        parts.append(f"{'byte' if shuffle == 'shuffle' else 'bit'} shuffle{size}")
    return ", ".join(parts)


def _shape(key: str, word: str) -> _Words:
    return lambda c: f"{word} ({', '.join(str(n) for n in c[key])})" if key in c else ""


def _sharding(c: Mapping[str, Any]) -> str:
    inner = ", ".join(str(d) for d in describe_chain(c.get("codecs", ())))
    return f"inner chunks ({', '.join(str(n) for n in c.get('chunk_shape', ()))}), each {inner}"


def _scaleoffset(c: Mapping[str, Any]) -> str:
    values = c.get("cd_values", ())
    if len(values) < 2:
        return ""
    is_integer = values[0] == 2
    if is_integer:
        return f"integers, {values[1]} bits" if values[1] else "integers, fewest bits"
    return f"floats, {values[1]} decimals"


def _bitshuffle(c: Mapping[str, Any]) -> str:
    inside = {0: "", 2: "LZ4", 3: "Zstandard"}.get(c.get("compression", 0), "")
    return ", ".join(part for part in (_elements(c), inside) if part)


def _bits(c: Mapping[str, Any]) -> str:
    return f"bits {c['offset']} to {c['offset'] + c['precision'] - 1} of {8 * c['elementsize']}"


def _float_bits(c: Mapping[str, Any]) -> str:
    return f"{8 * c['elementsize']} bits: {c['exponent_bits']} of exponent, {c['mantissa_bits']} of mantissa"


def _szip(c: Mapping[str, Any]) -> str:
    coding = "nearest neighbour" if c["options_mask"] & 32 else "entropy coding"
    return f"{coding}, {c['bits_per_pixel']}-bit samples, blocks of {c['pixels_per_block']}"


_TIFF_COMPRESSIONS = {
    1: "uncompressed",
    2: "CCITT RLE",
    3: "CCITT fax 3",
    4: "CCITT fax 4",
    5: "LZW",
    7: "JPEG",
    8: "deflate",
    32773: "PackBits",
    32946: "deflate",
    34887: "LERC",
    34925: "LZMA",
    34926: "Zstandard",
    34927: "WebP",
    50000: "Zstandard",
    50001: "WebP",
    50013: "deflate",
}


def _tiff(c: Mapping[str, Any]) -> str:
    parts = [_TIFF_COMPRESSIONS.get(c["compression"], f"compression {c['compression']}")]
    parts += [f"predictor {c['predictor']}"] if "predictor" in c else []
    parts += [f"{c['bits']}-bit samples"] if "bits" in c else []
    return ", ".join(parts)


def _grib(c: Mapping[str, Any]) -> str:
    return f"{c.get('what', 'values')} as {c.get('dtype', 'float64')}"


def _scale(c: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {c[key]}" for key in ("scale", "offset", "astype") if key in c)


def _numcodecs(label: str, decoding: str, words: _Words, *others: str) -> _Entry:
    return _Entry(label, decoding, (ZARR_PYTHON, *others), words)


def _ours(label: str, decoding: str, words: _Words) -> _Entry:
    return _Entry(label, decoding, (ZARR_PYTHON,), words)


# Who reads what, by name: zarr-python 3.4 (zarr.codecs), zarrs 0.23 (its table of codecs), GDAL (its Zarr v3
# codec sequence) and zarrita.js (its codec registry). A reader may leave a codec out when it is built.
_ENTRIES: dict[str, _Entry] = {
    "bytes": _Entry("bytes", "read as numbers", ALL_READERS, _endian),
    "transpose": _Entry("transpose", "transpose back", ALL_READERS, _shape("order", "order")),
    "blosc": _Entry("Blosc", "decompress Blosc", ALL_READERS, _blosc),
    "gzip": _Entry("gzip", "gunzip", ALL_READERS, _level),
    "zstd": _Entry("Zstandard", "decompress Zstandard", ALL_READERS, _level),
    "crc32c": _Entry("CRC32C", "verify checksum", ALL_READERS, _nothing),
    "sharding_indexed": _Entry("sharding", "find the inner chunk", ALL_READERS, _sharding),
    "vlen-utf8": _Entry(
        "variable-length text", "split into strings", (ZARR_PYTHON, ZARRS, ZARRITA), _nothing
    ),
    "vlen-bytes": _Entry("variable-length bytes", "split into bytes", (ZARR_PYTHON, ZARRS), _nothing),
    "cast_value": _Entry("cast", "cast back", (ZARR_PYTHON, ZARRITA), _nothing),
    "scale_offset": _Entry("scale and offset", "scale back", (ZARR_PYTHON, ZARRITA), _scale),
    "numcodecs.zlib": _numcodecs("deflate", "inflate", _level, ZARRS, ZARRITA),
    "numcodecs.shuffle": _numcodecs("shuffle", "unshuffle", _elements, ZARRS, ZARRITA),
    "numcodecs.fletcher32": _numcodecs("Fletcher-32", "verify checksum", _nothing, ZARRS),
    "numcodecs.bz2": _numcodecs("bzip2", "decompress bzip2", _level, ZARRS),
    "numcodecs.adler32": _numcodecs("Adler-32", "verify checksum", _nothing, ZARRS),
    "numcodecs.crc32": _numcodecs("CRC32", "verify checksum", _nothing),
    "numcodecs.crc32c": _numcodecs("CRC32C", "verify checksum", _nothing),
    "numcodecs.jenkins_lookup3": _numcodecs("Jenkins lookup3", "verify checksum", _nothing),
    "numcodecs.gzip": _numcodecs("gzip", "gunzip", _level, ZARRITA),
    "numcodecs.zstd": _numcodecs("Zstandard", "decompress Zstandard", _level, ZARRITA),
    "numcodecs.blosc": _numcodecs("Blosc", "decompress Blosc", _blosc, ZARRITA),
    "numcodecs.lz4": _numcodecs("LZ4", "decompress LZ4", _nothing, ZARRITA),
    "numcodecs.lzma": _numcodecs("LZMA", "decompress LZMA", _nothing),
    "numcodecs.delta": _numcodecs("delta", "add up differences", _nothing, ZARRITA),
    "numcodecs.fixedscaleoffset": _numcodecs("fixed scale and offset", "scale back", _scale, ZARRS),
    "numcodecs.quantize": _numcodecs("quantize", "nothing to undo", _nothing),
    "numcodecs.bitround": _numcodecs("bit rounding", "nothing to undo", _nothing),
    "numcodecs.packbits": _numcodecs("packed bits", "unpack bits", _nothing),
    "numcodecs.astype": _numcodecs("type cast", "cast back", _nothing),
    "numcodecs.zfpy": _numcodecs("ZFP", "decompress ZFP", _nothing, ZARRS),
    "numcodecs.pcodec": _numcodecs("Pcodec", "decompress Pcodec", _level, ZARRS),
    "vzlab.bitfield": _ours("bit field", "move the bits in use down", _bits),
    "vzlab.bitshuffle": _ours("bitshuffle", "undo bitshuffle", _bitshuffle),
    "vzlab.blosc": _ours("Blosc (Snappy)", "decompress Blosc", _nothing),
    "vzlab.blosc2": _ours("Blosc2", "decompress Blosc2", _nothing),
    "vzlab.crop": _ours("crop", "cut off the padding", _shape("stored_shape", "stored as")),
    "vzlab.cut": _ours("part", "cut out", lambda c: f"{c['length']} bytes at {c['offset']}"),
    "vzlab.fits_column": _ours("FITS column", "decode cells", lambda c: str(c["kind"])),
    "vzlab.fits_tile": _ours("FITS tile", "decompress the tile", lambda c: str(c["compression"])),
    "vzlab.float_bits": _ours("float layout", "widen to IEEE floats", _float_bits),
    "vzlab.grib": _ours("GRIB", "decode the field of a GRIB message", _grib),
    "vzlab.jpegls": _ours("JPEG-LS", "decode JPEG-LS", _nothing),
    "vzlab.lz4_hdf5": _ours("LZ4 (HDF5 blocks)", "decompress LZ4", _nothing),
    "vzlab.lzf": _ours("LZF", "decompress LZF", _nothing),
    "vzlab.lzo": _ours("LZO", "decompress LZO", _nothing),
    "vzlab.nbit": _ours("nbit", "restore unused bits", _nothing),
    "vzlab.record_layout": _ours(
        "record layout", "put members in order", lambda c: f"{c['itemsize']}-byte records"
    ),
    "vzlab.scaleoffset": _ours("scale-offset", "add the minimum back", _scaleoffset),
    "vzlab.shuffle": _ours("shuffle", "unshuffle", _elements),
    "vzlab.szip": _ours("szip", "decompress szip", _szip),
    "vzlab.tiff": _ours("TIFF strip or tile", "decode the TIFF segment", _tiff),
    "vzlab.zfp": _ours("ZFP", "decompress ZFP", _nothing),
    "vzlab.zip_member": _ours("member of a ZIP archive", "take out of the archive", _nothing),
}


def describe_codec(codec: Mapping[str, Any]) -> CodecDescription:
    """Say what a codec is and does.

    Parameters
    ----------
    codec : mapping
        A Zarr v3 codec, ``{"name": ..., "configuration": {...}}``.

    Returns
    -------
    CodecDescription
        For a codec that is not known: its name, its parameters as they stand, and no readers.
    """
    name = str(codec["name"])
    configuration = codec.get("configuration") or {}
    entry = _ENTRIES.get(name)
    if entry is None:
        parameters = ", ".join(f"{key}={value}" for key, value in configuration.items())
        return CodecDescription(
            name=name,
            label=name,
            parameters=parameters,
            decoding=f"decode {name}",
            readers=(),
            decoding_form=_form(codec),
        )
    try:
        parameters = entry.words(configuration)
    except (KeyError, TypeError):
        # Metadata of others may lack what a description would like to say.
        parameters = ", ".join(f"{key}={value}" for key, value in configuration.items())
    return CodecDescription(
        name=name,
        label=entry.label,
        parameters=parameters,
        decoding=entry.decoding,
        readers=entry.readers,
        needs="vzlab" if name.startswith("vzlab.") else None,
        decoding_form=_form(codec),
    )


def _form(codec: Mapping[str, Any]) -> str:
    return json.dumps(decoding_form(codec), sort_keys=True, default=str)


def describe_chain(codecs: Sequence[Mapping[str, Any]]) -> tuple[CodecDescription, ...]:
    """Describe each codec of a chain, in encoding order."""
    return tuple(describe_codec(codec) for codec in codecs)
