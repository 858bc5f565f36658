"""Raw binary images that an ENVI header describes, as virtual arrays.

Specification: https://www.nv5geospatialsoftware.com/docs/enviheaderfiles.html
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from vzlab.errors import CorruptFileError, SourceNotFoundError, UnsupportedFormatError
from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray, ManifestGroup
from vzlab.parsers.base import LoadedVariable, Parser
from vzlab.parsers.contiguous import MIN_CHUNK_BYTES, Block, block_array
from vzlab.storage import Source, StoreRegistry, as_registry, read_array

VARIABLE = "image"
"""Name of the variable that holds the pixels."""

MAX_HEADER_BYTES = 1 << 24
"""A longer header is refused: it is text, of a few numbers for each band."""

SUFFIXES = ("", ".img", ".dat", ".raw", ".bin", ".bsq", ".bil", ".bip", ".sli")
"""Endings under which the data are looked for, in this order, in the place of ``.hdr``."""

_BANDS_FIRST, _LINES_FIRST = ("band", "y", "x"), ("y", "band", "x")
_LAYOUTS = {"bsq": _BANDS_FIRST, "bil": _LINES_FIRST, "bip": ("y", "x", "band")}

# "data type": IDL's type codes.
_DTYPES = {
    1: "u1",
    2: "i2",
    3: "i4",
    4: "f4",
    5: "f8",
    6: "c8",
    9: "c16",
    12: "u2",
    13: "u4",
    14: "i8",
    15: "u8",
}

_LAYOUT_KEYS = ("samples", "lines", "bands", "header offset", "data type", "interleave", "byte order")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True, kw_only=True)
class ENVIParser(Parser):
    """Parse raw binary images by their ENVI header: the url is that of the ``.hdr``, with the data beside it.

    The variable ``image`` has the dimensions band, y and x in the order in which they are stored (bsq, bil, bip).
    Wavelengths become a coordinate ``wavelength`` over ``band``; all else in the header becomes attributes of the group,
    ``map info`` among them; ``data ignore value`` becomes ``_FillValue``.

    Parameters
    ----------
    group : str, optional
        There are none: anything but None is an error.
    drop_variables : collection of str
        Names of variables to leave out.
    min_chunk_bytes : int or None
        See `min_chunk_bytes`.
    data_url : str, optional
        See `data_url`.

    Examples
    --------
    >>> group = ENVIParser()("one.hdr")
    >>> group["image"].metadata.shape
    (1, 120, 200)
    """

    min_chunk_bytes: int | None = MIN_CHUNK_BYTES
    """The image is split along its first stored dimension (bands, or lines) into equal chunks of this many bytes or little
    more; None keeps it whole."""

    data_url: str | None = None
    """Where the data lie; None looks beside the header: the name without ``.hdr``, or with a usual ending."""

    def _parse(self, source: Source, registry: StoreRegistry) -> ManifestGroup:
        fields = read_header(source)
        image = _image(fields, source, self._data_source(source, registry), self.min_chunk_bytes)
        arrays = {VARIABLE: image}
        if (wavelength := _wavelength(fields, source)) is not None:
            arrays["wavelength"] = wavelength
            coordinates = {**image.metadata.attributes, "coordinates": "wavelength"}
            arrays[VARIABLE] = replace(image, metadata=replace(image.metadata, attributes=coordinates))
        hidden = {*_LAYOUT_KEYS, "wavelength", "data ignore value"}
        return ManifestGroup(
            arrays=arrays,
            attributes={key: _plain(key, value) for key, value in fields.items() if key not in hidden},
            format="ENVI raw binary",
            index_decoder="ENVI header",
        )

    def _data_source(self, source: Source, registry: StoreRegistry) -> Source:
        stem, _, suffix = source.url.rpartition(".")
        if self.data_url is None and suffix.lower() != "hdr":
            raise UnsupportedFormatError(
                f"{source.url} is an ENVI header that is not called .hdr, so that the name of its data is unknown: give "
                "parser=ENVIParser(data_url=...)."
            )
        urls = [self.data_url] if self.data_url is not None else [stem + ending for ending in SUFFIXES]
        for url in urls:
            try:
                found = registry.open(url)
                _ = found.size_bytes
            except SourceNotFoundError:
                continue
            return found
        raise SourceNotFoundError(
            f"{source.url} describes data beside it, and there is none of {', '.join(url.rpartition('/')[2] for url in urls)}: "
            "fetch it too, or give parser=ENVIParser(data_url=...)"
        )

    def load_variable(self, url: str | os.PathLike[str], registry: Any, path: str) -> LoadedVariable:
        """Read the stored values of a variable."""
        stores = as_registry(registry)
        group = self(url, stores)
        if path not in group.arrays:
            raise KeyError(f"{os.fspath(url)} has no variable {path!r}; it has {', '.join(group.arrays)}")
        array = group.arrays[path]
        return LoadedVariable(
            values=read_array(array, stores, name=path),
            attributes=dict(array.metadata.attributes),
            dimension_names=array.metadata.dimension_names,
        )


def read_header(source: Source) -> dict[str, str]:
    """Fields of a header by name, in lower case; values as they stand, braces and all.

    Raises
    ------
    UnsupportedFormatError
        If the file does not begin with ``ENVI``.
    CorruptFileError
        If a value's braces do not close, or the file is far too long.
    """
    start = source.read(0, min(source.size_bytes, 16))
    if not start.startswith(b"ENVI"):
        raise UnsupportedFormatError(
            f"{source.url} begins with {start!r}; expected ENVI: it is no ENVI header."
        )
    if source.size_bytes > MAX_HEADER_BYTES:
        raise _corrupt(
            source, f"it has {source.size_bytes:,} bytes, and at most {MAX_HEADER_BYTES:,} are read"
        )
    lines = iter(source.read(0, source.size_bytes).decode("utf-8", "replace").splitlines()[1:])
    fields: dict[str, str] = {}
    for line in lines:
        name, equals, value = line.partition("=")
        name, value = name.strip().lower(), value.strip()
        if not equals or name.startswith(";"):
            continue
        parts = [value]
        if value.startswith("{"):
            while "}" not in parts[-1]:
                following = next(lines, None)
                if following is None:
                    raise _corrupt(source, f"the braces of {name!r} do not close")
                parts.append(following.strip())
        fields[name] = " ".join(parts).strip()
    return fields


def _corrupt(source: Source, what: str) -> CorruptFileError:
    return CorruptFileError(f"{source.url} is a damaged ENVI header: {what}. Fetch it again.")


def _integer(fields: Mapping[str, str], name: str, source: Source, default: int | None = None) -> int:
    text = fields.get(name, "" if default is None else str(default))
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        raise _corrupt(source, f"{name!r} is {text[:50]!r}, expected a whole number")
    return int(text)


def _image(
    fields: Mapping[str, str], source: Source, data: Source, min_chunk_bytes: int | None
) -> ManifestArray:
    lengths = {
        "x": _integer(fields, "samples", source),
        "y": _integer(fields, "lines", source),
        "band": _integer(fields, "bands", source, 1),
    }
    interleave = fields.get("interleave", "bsq").lower()
    if interleave not in _LAYOUTS:
        raise _corrupt(source, f"'interleave' is {interleave[:50]!r}, expected bsq, bil or bip")
    code = _integer(fields, "data type", source)
    if code not in _DTYPES:
        raise _corrupt(source, f"'data type' is {code}, expected one of {', '.join(map(str, _DTYPES))}")
    big = _integer(fields, "byte order", source, 0)
    if big > 1:
        raise _corrupt(source, f"'byte order' is {big}, expected 0 or 1")
    if fields.get("file compression", "0") not in {"0", ""}:
        raise UnsupportedFormatError(
            f"{source.url} says that its data are compressed: chunks inside of them cannot be referenced. Decompress them first."
        )
    frames = [name for name in ("major frame offsets", "minor frame offsets") if name in fields]
    if any(re.search(r"[1-9]", fields[name]) for name in frames):
        raise UnsupportedFormatError(
            f"{source.url} has {frames[0]} {fields[frames[0]][:50]}: bytes between lines or bands are not skipped here. Write "
            "the image anew without them."
        )
    order: Literal[">", "<"] = ">" if big else "<"
    dtype = np.dtype(_DTYPES[code]).newbyteorder(order)
    dims = _LAYOUTS[interleave]
    block = Block(
        name=VARIABLE,
        begin=_integer(fields, "header offset", source, 0),
        shape=tuple(lengths[name] for name in dims),
        dtype=dtype,
    )
    fill = _fill(_number(fields.get("data ignore value", "")), dtype)
    return block_array(
        block,
        data,
        min_chunk_bytes=min_chunk_bytes,
        attributes={} if fill is None else {"_FillValue": fill},
        dimension_names=dims,
    )


def _fill(value: float | str, dtype: np.dtype[Any]) -> int | float | None:
    """The ignored value in the image's type; None where the type has no such value."""
    if isinstance(value, str) or dtype.kind == "c":
        return None
    if dtype.kind == "f":
        return float(value)
    if not math.isfinite(value) or value != int(value):
        return None
    limits = np.iinfo(dtype)
    return int(value) if limits.min <= value <= limits.max else None


def _wavelength(fields: Mapping[str, str], source: Source) -> ManifestArray | None:
    """Wavelengths by band, held in the manifest, since the header has them as text."""
    texts = _items(fields.get("wavelength", ""))
    if len(texts) != _integer(fields, "bands", source, 1) or not all(map(_NUMBER.fullmatch, texts)):
        return None
    values = np.array([float(text) for text in texts], "<f8")
    attributes = {"long_name": "wavelength"}
    if "wavelength units" in fields:
        attributes["units"] = fields["wavelength units"]
    metadata = ArrayMetadata.create(
        shape=values.shape,
        dtype=values.dtype,
        chunks=values.shape,
        codecs=({"name": "bytes", "configuration": {"endian": "little"}},),
        attributes=attributes,
        dimension_names=("band",),
    )
    return ManifestArray(metadata=metadata, manifest=ChunkManifest.from_inline([values.tobytes()], (1,)))


def _items(text: str) -> list[str]:
    inside = text.strip().removeprefix("{").partition("}")[0]
    return [item.strip() for item in inside.split(",")] if inside.strip() else []


def _plain(name: str, text: str) -> Any:
    """A field as a number, a text, or a list of them where it is in braces; a description stays text."""
    if name == "description":
        return text.strip("{} ")
    if not text.startswith("{"):
        return _number(text)
    items = [_number(item) for item in _items(text)]
    return items if len(items) > 1 else (items[0] if items else "")


def _number(text: str) -> int | float | str:
    if re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text
