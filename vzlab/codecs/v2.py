"""Codec chains as Zarr v2 metadata says them, which Kerchunk references hold, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from vzlab.codecs.datatypes import CodecJSON, bytes_codecs
from vzlab.errors import UnsupportedCodecError

_SHUFFLES = ("noshuffle", "shuffle", "bitshuffle")
_VARIABLE_LENGTH = ("vlen-utf8", "vlen-bytes")
# Array-to-array codecs of numcodecs, with the configuration that names the encoded dtype (None: it stays).
_ARRAY_FILTERS: dict[str, str | None] = {
    "astype": "encode_dtype",
    "bitround": None,
    "delta": "astype",
    "fixedscaleoffset": "astype",
    "packbits": None,
    "quantize": "astype",
}
_BYTES_FILTERS = frozenset(
    {"adler32", "bz2", "crc32", "fletcher32", "jenkins_lookup3", "lz4", "lzma", "shuffle", "zlib"}
)
_CHECKSUMS_AND_SHUFFLES = frozenset(
    {"adler32", "crc32", "crc32c", "fletcher32", "jenkins_lookup3", "shuffle"}
    | {"vzlab.bitfield", "vzlab.float_bits", "vzlab.record_layout", "vzlab.shuffle"}
)
_OURS = "vzlab."
_ARRAY_ONLY_OURS = frozenset({"vzlab.crop"})


@dataclass(frozen=True, kw_only=True)
class V2Codecs:
    """The part of Zarr v2 array metadata that says how chunks are encoded."""

    dtype: str | list[Any]
    """As ``.zarray`` has it: ``"<f4"``, or a list of fields for records."""
    filters: list[dict[str, Any]] | None
    """numcodecs configurations, in encoding order."""
    compressor: dict[str, Any] | None
    """The last numcodecs configuration, when it compresses."""
    order: Literal["C", "F"]
    """Layout of the elements within a chunk."""


def to_v2(codecs: Sequence[Mapping[str, Any]], dtype: np.dtype[Any]) -> V2Codecs:
    """Say a Zarr v3 codec chain in Zarr v2 terms.

    Parameters
    ----------
    codecs : sequence of dict
        Zarr v3 codecs in encoding order.
    dtype : numpy dtype
        Of the decoded array; its byte order does not matter, the `bytes` codec's does.

    Raises
    ------
    UnsupportedCodecError
        A codec has no counterpart in Zarr v2; the message names it.
    """
    order: Literal["C", "F"] = "C"
    encodings: list[dict[str, Any]] = []
    endian: str | None = None
    seen_bytes = False
    stored = dtype
    for codec in codecs:
        name, configuration = str(codec["name"]), dict(codec.get("configuration") or {})
        if name == "transpose":
            order = _order(configuration["order"])
            if encodings:
                raise UnsupportedCodecError(
                    "Zarr v2 has no transpose behind another codec. Write Zarr v3 instead."
                )
        elif name == "bytes":
            endian, seen_bytes = configuration.get("endian"), True
        elif name in _VARIABLE_LENGTH:
            encodings.append({"id": name})
            stored, seen_bytes = np.dtype(object), True
        elif not seen_bytes:
            encodings.append(_array_filter(name, configuration, order))
        else:
            encodings.append(_to_numcodecs(name, configuration))
    if not seen_bytes:
        raise UnsupportedCodecError(
            f"Zarr v2 cannot say [{', '.join(str(c['name']) for c in codecs)}]: it has no 'bytes' codec."
        )
    if any(_is_array_filter(e) for e in encodings):
        stored = _check_filtered_endian(stored, encodings, endian)
    else:
        stored = _with_endian(stored, endian)
    compressor = None
    if encodings and encodings[-1]["id"] not in (_CHECKSUMS_AND_SHUFFLES | _ARRAY_FILTERS.keys()):
        compressor = encodings.pop() if encodings[-1]["id"] not in _VARIABLE_LENGTH else None
    return V2Codecs(dtype=_dtype_json(stored), filters=encodings or None, compressor=compressor, order=order)


def from_v2(
    dtype: str | Sequence[Any],
    filters: Sequence[Mapping[str, Any]] | None,
    compressor: Mapping[str, Any] | None,
    *,
    order: str = "C",
    n_dimensions: int = 1,
) -> tuple[CodecJSON, ...]:
    """Say Zarr v2 encoding metadata as a Zarr v3 codec chain.

    Parameters
    ----------
    dtype : str or sequence
        As ``.zarray`` has it.
    filters, compressor
        numcodecs configurations, or None.
    order : {"C", "F"}
    n_dimensions : int
        Number of dimensions of the array; only ``order="F"`` needs it.

    Raises
    ------
    UnsupportedCodecError
        A filter has no counterpart in Zarr v3; the message names it.
    """
    stored = _parse_dtype(dtype)
    array_codecs: list[CodecJSON] = []
    middle: tuple[CodecJSON, ...] | None = None
    bytes_level: list[CodecJSON] = []
    if order == "F" and n_dimensions > 1:
        array_codecs.append(
            {"name": "transpose", "configuration": {"order": list(range(n_dimensions))[::-1]}}
        )
    for encoding in [*(filters or ()), *([compressor] if compressor else ())]:
        configuration = {key: value for key, value in encoding.items() if key != "id"}
        codec_id = str(encoding["id"])
        if codec_id in _VARIABLE_LENGTH:
            middle = ({"name": codec_id},)
        elif codec_id in _ARRAY_FILTERS:
            if bytes_level or middle:
                raise UnsupportedCodecError(
                    f"Zarr v3 has no {codec_id!r} behind a bytes-to-bytes codec; the filters are {filters}."
                )
            array_codecs.append({"name": f"numcodecs.{codec_id}", "configuration": configuration})
            stored = np.dtype(_encoded_dtype(codec_id, configuration) or stored)
        else:
            bytes_level.append(_from_numcodecs(codec_id, configuration, stored))
    if middle is None:
        if stored.hasobject:
            raise UnsupportedCodecError(
                f"Objects encoded with {[e.get('id') for e in filters or ()]} have no Zarr v3 codec; "
                f"expected one of {', '.join(_VARIABLE_LENGTH)}."
            )
        middle = bytes_codecs(stored)
    return (*array_codecs, *middle, *bytes_level)


def _order(axes: Sequence[int]) -> Literal["C", "F"]:
    if list(axes) == sorted(axes):
        return "C"
    if list(axes) == sorted(axes, reverse=True):
        return "F"
    raise UnsupportedCodecError(
        f"Zarr v2 cannot say a transpose with order {list(axes)}; expected all axes in order or in reverse."
    )


def _array_filter(name: str, configuration: dict[str, Any], order: str) -> dict[str, Any]:
    codec_id = name.removeprefix("numcodecs.")
    if codec_id == name or codec_id not in _ARRAY_FILTERS or order == "F":
        raise UnsupportedCodecError(
            f"Zarr v2 has no counterpart of the array codec {name!r}{' in order F' if order == 'F' else ''}. "
            "Write Zarr v3 (Icechunk) instead."
        )
    return {"id": codec_id, **configuration}


def _is_array_filter(encoding: Mapping[str, Any]) -> bool:
    return encoding["id"] in _ARRAY_FILTERS


def _encoded_dtype(codec_id: str, configuration: Mapping[str, Any]) -> str | None:
    key = _ARRAY_FILTERS[codec_id]
    # numcodecs takes the decoded dtype where the encoded one is not given.
    return None if key is None else configuration.get(key) or configuration.get("dtype")


def _check_filtered_endian(
    stored: np.dtype[Any], encodings: Sequence[Mapping[str, Any]], endian: str | None
) -> np.dtype[Any]:
    """Behind array filters the stored byte order is theirs, not the array's: it must agree with `bytes`."""
    encoded: np.dtype[Any] = stored
    for encoding in encodings:
        if _is_array_filter(encoding):
            encoded = np.dtype(_encoded_dtype(str(encoding["id"]), encoding) or encoded)
    if endian is not None and encoded.newbyteorder("<" if endian == "little" else ">") != encoded:
        raise UnsupportedCodecError(
            f"Zarr v2 stores what the filters make, {encoded.str}; the chain says {endian}-endian bytes."
        )
    return stored


def _to_numcodecs(name: str, configuration: dict[str, Any]) -> dict[str, Any]:
    if name.startswith("numcodecs."):
        return {"id": name.removeprefix("numcodecs."), **configuration}
    if name.startswith(_OURS) and name not in _ARRAY_ONLY_OURS:
        return {"id": name, **configuration}
    if name == "blosc":
        kept: dict[str, Any] = {
            key: configuration[key] for key in ("cname", "clevel", "blocksize") if key in configuration
        }
        shuffle = configuration.get("shuffle", "noshuffle")
        return {"id": "blosc", **kept, "shuffle": _SHUFFLES.index(shuffle)}
    if name in ("gzip", "zstd", "crc32c"):
        return {"id": name, **configuration}
    raise UnsupportedCodecError(
        f"Zarr v2 has no counterpart of the codec {name!r}. "
        "Write Zarr v3 (Icechunk) instead, or load the variable."
    )


def _from_numcodecs(codec_id: str, configuration: dict[str, Any], stored: np.dtype[Any]) -> CodecJSON:
    if codec_id.startswith(_OURS) and codec_id not in _ARRAY_ONLY_OURS:
        return {"name": codec_id, "configuration": configuration}
    if codec_id == "blosc":
        shuffle = int(configuration.get("shuffle", 1))
        if shuffle == -1:
            # numcodecs' automatic choice: bits for single bytes, else bytes.
            shuffle = 2 if stored.itemsize == 1 else 1
        return {
            "name": "blosc",
            "configuration": {
                "typesize": min(max(int(configuration.get("typesize") or stored.itemsize), 1), 255),
                "cname": configuration.get("cname", "lz4"),
                "clevel": configuration.get("clevel", 5),
                "shuffle": _SHUFFLES[shuffle],
                "blocksize": configuration.get("blocksize", 0),
            },
        }
    if codec_id == "gzip":
        return {"name": "gzip", "configuration": {"level": configuration.get("level", 1)}}
    if codec_id == "zstd":
        kept = {"level": configuration.get("level", 0), "checksum": configuration.get("checksum", False)}
        return {"name": "zstd", "configuration": kept}
    if codec_id == "crc32c" and configuration.get("location", "end") == "end":
        return {"name": "crc32c"}
    if codec_id == "shuffle":
        return {
            "name": "numcodecs.shuffle",
            "configuration": {"elementsize": configuration.get("elementsize", 4)},
        }
    if codec_id in _BYTES_FILTERS or codec_id == "crc32c":
        return {"name": f"numcodecs.{codec_id}", "configuration": configuration}
    if codec_id == "grib":
        return _kerchunk_grib(configuration, stored)
    raise UnsupportedCodecError(
        f"The Zarr v2 codec {codec_id!r} has no Zarr v3 counterpart here. "
        "Read the variable with zarr-python, or drop it."
    )


def _kerchunk_grib(configuration: Mapping[str, Any], stored: np.dtype[Any]) -> CodecJSON:
    """Kerchunk's codec of GRIB messages: values as float32 unless it says otherwise, or where they lie as float64."""
    name = configuration.get("var")
    what = f"{name}s" if name in ("latitude", "longitude") else "values"
    made = np.dtype(configuration.get("dtype") or ("float32" if what == "values" else "float64"))
    if made != stored or made.str not in ("<f4", "<f8"):
        raise UnsupportedCodecError(
            f"Kerchunk's codec 'grib' makes {made.str} of {name!r}; the array says {stored.str}. Expected the same, <f4 or <f8."
        )
    return {"name": "vzlab.grib", "configuration": {"dtype": made.name, "what": what, "field": 0}}


def _with_endian(dtype: np.dtype[Any], endian: str | None) -> np.dtype[Any]:
    return dtype if endian is None else dtype.newbyteorder("<" if endian == "little" else ">")


def _dtype_json(dtype: np.dtype[Any]) -> str | list[Any]:
    if dtype.fields is None:
        return dtype.str
    fields: list[Any] = []
    for name in dtype.names or ():
        member = dtype.fields[name][0]
        if member.subdtype is not None:
            element, shape = member.subdtype
            fields.append([name, _dtype_json(element), list(shape)])
        else:
            fields.append([name, _dtype_json(member)])
    return fields


def _parse_dtype(dtype: str | Sequence[Any]) -> np.dtype[Any]:
    if isinstance(dtype, str):
        return np.dtype(dtype)
    fields: list[tuple[Any, ...]] = [(f[0], _parse_dtype(f[1]), *(tuple(s) for s in f[2:3])) for f in dtype]
    return np.dtype(fields)
