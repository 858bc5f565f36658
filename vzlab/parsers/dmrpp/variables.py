"""One variable of a DMR++ document as a virtual array."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from vzlab.codecs import bytes_codecs
from vzlab.errors import CorruptFileError, UnsupportedDataTypeError, UnvirtualizableError, VzlabError
from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray, ManifestGroup, UnreadableVariable
from vzlab.parsers.dmrpp.attributes import read_attributes
from vzlab.parsers.dmrpp.chunks import ChunkReader, check_inline
from vzlab.parsers.dmrpp.datatypes import NUMBERS, TEXTS, fill_number, fill_record, number_type, record_type
from vzlab.parsers.dmrpp.document import child, children
from vzlab.parsers.dmrpp.inline import (
    decode_base64,
    encode_strings,
    read_missing_data,
    read_special_structure,
    read_strings,
)
from vzlab.parsers.dmrpp.locations import DataFiles
from vzlab.parsers.records import Records, member_arrays, structured_array
from vzlab.storage import StoreRegistry, read_array

_HEAP_REFERENCE_BYTES = 16
"""A string of varying length is stored as this much: length, address, index (HDF5 specification III.F)."""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A variable as the document declares it."""

    element: Element
    name: str
    path: str
    """From the root."""
    shape: tuple[int, ...]
    dimension_names: tuple[str, ...]
    enumeration: Element | None
    coordinates: str
    """Names of its maps."""

    @property
    def attributes(self) -> dict[str, Any]:
        """Its attributes, with names of enumerated values and of coordinates where it has no such attribute."""
        attributes = read_attributes(self.element)
        if self.coordinates:
            attributes.setdefault("coordinates", self.coordinates)
        if self.enumeration is not None:
            constants = {
                each.get("name", ""): each.get("value", "")
                for each in children(self.enumeration, "EnumConst")
            }
            attributes.setdefault(
                "enum", {key: int(text) for key, text in constants.items() if text.lstrip("-").isdecimal()}
            )
        return attributes


@dataclass(frozen=True, kw_only=True)
class VariableReader:
    """Makes virtual arrays out of variables."""

    files: DataFiles
    registry: StoreRegistry
    default_href: str
    ordered_filters: bool

    def read(self, declared: Declared) -> ManifestArray | ManifestGroup | UnreadableVariable:
        """A variable as an array; a group of its members where it has records that Zarr has not; or why it is neither."""
        attributes = declared.attributes
        try:
            return self._read(declared, attributes)
        except CorruptFileError as error:
            raise CorruptFileError(
                f"Variable {declared.path!r} of {self.files.document.url}: {error}"
            ) from error
        except VzlabError as error:
            return UnreadableVariable(
                reason=str(error),
                loadable=False,
                shape=declared.shape,
                dtype=declared.element.tag,
                dimension_names=declared.dimension_names,
                attributes=attributes,
            )

    def _read(self, declared: Declared, attributes: Mapping[str, Any]) -> ManifestArray | ManifestGroup:
        element, kind = declared.element, declared.element.tag
        listing = child(element, "dmrpp:chunks")
        fill = None if listing is None else listing.get("fillValue")
        if fill is not None and fill.startswith("unsupported") and not _is_placed_text(element):
            raise UnvirtualizableError(f"The program that made the document could not describe it: {fill}.")
        order = ">" if listing is not None and listing.get("byteOrder") == "BE" else "<"
        if kind == "Structure":
            return self._records(declared, attributes, order, fill)
        if kind in TEXTS:
            return self._text(declared, attributes, fill)
        if kind == "Enum":
            if declared.enumeration is None:
                raise CorruptFileError(f"Nothing declares its enumeration {element.get('enum')!r}.")
            kind = declared.enumeration.get("basetype", "")
        if kind not in NUMBERS:
            raise UnsupportedDataTypeError(
                f"It is of type {kind}, which has no fixed size. Use the data file itself."
            )
        return self._numbers(declared, attributes, number_type(kind, order), fill)

    # -- numbers ----------------------------------------------------------------------------------------------------

    def _numbers(
        self, declared: Declared, attributes: Mapping[str, Any], dtype: np.dtype[Any], fill: str | None
    ) -> ManifestArray:
        n_bytes = math.prod(declared.shape) * dtype.itemsize
        held = None
        if (compact := child(declared.element, "dmrpp:compact")) is not None:
            held = decode_base64(compact.text)
        elif (missing := child(declared.element, "dmrpp:missingdata")) is not None:
            held = read_missing_data(missing.text, n_bytes)
        exact = [attributes.get(name) for name in ("_FillValue", "missing_value")]
        fill_value = None if fill is None or fill == "" else fill_number(fill, dtype, exact)
        if held is not None:
            # Values in the document are those of the machine that made it, whatever the file's byte order.
            return self._inline(declared, attributes, dtype.newbyteorder("<"), held, fill_value)
        placed = self._chunk_reader(declared, dtype).read(declared.element)
        metadata = ArrayMetadata.create(
            shape=declared.shape,
            dtype=dtype,
            chunks=placed.chunks,
            codecs=(*bytes_codecs(dtype), *placed.filters),
            fill_value=fill_value,
            attributes=attributes,
            dimension_names=declared.dimension_names,
        )
        return ManifestArray(metadata=metadata, manifest=placed.manifest)

    def _inline(
        self,
        declared: Declared,
        attributes: Mapping[str, Any],
        dtype: np.dtype[Any],
        data: bytes,
        fill_value: Any = None,
    ) -> ManifestArray:
        """Values that the document holds, as one chunk."""
        expected = math.prod(declared.shape) * dtype.itemsize
        if len(data) != expected:
            raise CorruptFileError(
                f"It holds {len(data)} bytes of values; expected {expected}. The document is damaged."
            )
        metadata = ArrayMetadata.create(
            shape=declared.shape,
            dtype=dtype,
            chunks=tuple(max(n, 1) for n in declared.shape),
            codecs=bytes_codecs(dtype),
            fill_value=fill_value,
            attributes=attributes,
            dimension_names=declared.dimension_names,
        )
        grid = tuple(min(n, 1) for n in declared.shape)
        return ManifestArray(
            metadata=metadata, manifest=ChunkManifest.from_inline([data] if expected else [], grid)
        )

    def _chunk_reader(self, declared: Declared, dtype: np.dtype[Any]) -> ChunkReader:
        return ChunkReader(
            name=declared.path,
            shape=declared.shape,
            dtype=dtype,
            find=self.files.find,
            default_href=self.default_href,
            registry=self.registry,
            ordered_filters=self.ordered_filters,
        )

    # -- texts ------------------------------------------------------------------------------------------------------

    def _text(self, declared: Declared, attributes: Mapping[str, Any], fill: str | None) -> ManifestArray:
        element = declared.element
        if (vlsa := child(element, "dmrpp:vlsa")) is not None:
            return self._strings(declared, attributes, read_strings(vlsa, math.prod(declared.shape)))
        fixed = child(element, "dmrpp:FixedLengthStringArray")
        compact = child(element, "dmrpp:compact")
        held = None if compact is None else decode_base64(compact.text)
        if fixed is not None:
            length = _digits(fixed.get("string_length", ""))
        elif held is not None and declared.shape == ():
            if _is_binary(held):
                raise UnvirtualizableError(
                    "It is a string of varying length, and the document does not say where it is."
                )
            return self._strings(declared, attributes, [held.rstrip(b"\0").decode("utf-8", "replace")])
        else:
            length = self._text_length(declared)
        dtype = np.dtype(f"S{length}")
        pad = "" if fixed is None else fixed.get("pad", "")
        if held is not None:
            if not len(held) % length:
                held = _without_padding(np.frombuffer(held, dtype), pad).tobytes()
            return self._inline(declared, attributes, dtype, held)
        placed = self._chunk_reader(declared, dtype).read(element)
        is_told = fill is None or not fill.startswith("unsupported")
        if not is_told and placed.manifest.n_missing:
            raise UnvirtualizableError(
                f"What was never written reads as its fill value, which the document does not say: {fill}."
            )
        # The fill of texts is written as 0, or as the text.
        fill_value = b"" if fill in (None, "", "0") or not is_told else str(fill).encode()[:length]
        metadata = ArrayMetadata.create(
            shape=declared.shape,
            dtype=dtype,
            chunks=placed.chunks,
            codecs=(*bytes_codecs(dtype), *placed.filters),
            fill_value=np.bytes_(fill_value),
            attributes=attributes,
            dimension_names=declared.dimension_names,
        )
        array = ManifestArray(metadata=metadata, manifest=placed.manifest)
        if fixed is None and length == _HEAP_REFERENCE_BYTES:
            self._check_is_text(placed.manifest)
        if pad in ("space_pad", "null_term") and length > 1:
            # HDF5 gives texts without their padding, and there is no codec for that.
            check_inline(math.prod(declared.shape) * length, "are texts with padding")
            stored = read_array(array, self.registry)
            plain = _without_padding(stored, pad)
            if (plain != stored).any():
                return self._inline(declared, attributes, dtype, plain.tobytes(), fill_value)
        return array

    def _text_length(self, declared: Declared) -> int:
        """Bytes of a scalar text, which the chunk alone says."""
        pieces = list(declared.element.iter("dmrpp:chunk"))
        listing = child(declared.element, "dmrpp:chunks")
        compressed = listing is not None and bool(listing.get("compressionType"))
        if declared.shape or len(pieces) != 1 or compressed:
            raise UnvirtualizableError(
                "The document does not say how long its strings are. Use the data file itself."
            )
        return _digits(pieces[0].get("nBytes", ""))

    def _check_is_text(self, manifest: ChunkManifest) -> None:
        """Refuse what has the length of a reference to a string kept elsewhere, and does not look like text."""
        entry = manifest.reference((0,) * len(manifest.grid_shape))
        if entry.source is None:
            return
        stored = self.registry.open(entry.source.url).read(entry.offset, entry.length).rstrip(b"\0")
        if _is_binary(stored):
            raise UnvirtualizableError(
                "It is a string of varying length, and the document does not say where it is."
            )

    def _strings(
        self, declared: Declared, attributes: Mapping[str, Any], strings: list[str]
    ) -> ManifestArray:
        grid = tuple(min(n, 1) for n in declared.shape)
        metadata = ArrayMetadata(
            shape=declared.shape,
            data_type="string",
            chunks=tuple(max(n, 1) for n in declared.shape),
            codecs=({"name": "vlen-utf8"},),
            fill_value="",
            attributes=dict(attributes),
            dimension_names=declared.dimension_names,
        )
        held = [encode_strings(strings)] if strings else []
        return ManifestArray(metadata=metadata, manifest=ChunkManifest.from_inline(held, grid))

    # -- records ----------------------------------------------------------------------------------------------------

    def _records(
        self, declared: Declared, attributes: Mapping[str, Any], order: str, fill: str | None
    ) -> ManifestArray | ManifestGroup:
        element = declared.element
        if (special := child(element, "dmrpp:specialstructuredata")) is not None:
            values = read_special_structure(element, special.text, declared.shape)
            return self._inline(declared, attributes, values.dtype, values.tobytes())
        listing = child(element, "dmrpp:chunks")
        dtype = record_type(element, order, None if listing is None else listing.get("structOffset"))
        placed = self._chunk_reader(declared, dtype).read(element)
        records = Records(
            dtype=dtype,
            shape=declared.shape,
            chunks=placed.chunks,
            manifest=placed.manifest,
            filters=placed.filters,
            dimension_names=declared.dimension_names,
        )
        fills = {} if fill is None or fill == "" else fill_record(fill, dtype)
        several = [name for name in dtype.names or () if fills and name not in fills]
        if several and placed.manifest.n_missing:
            raise UnvirtualizableError(
                f"What was never written of it reads as {fill!r}, and an array has one fill value: not so {', '.join(several)}."
            )
        if records.has_array_members:
            members = {each.get("name", ""): read_attributes(each) for each in element}
            arrays = member_arrays(
                records,
                fill_values=fills,
                attributes=lambda name: members[name],
                inner_names=lambda name, inner: [f"{name}_{axis}" for axis in range(len(inner))],
            )
            return ManifestGroup(
                arrays=arrays, attributes=attributes, format="DMR++ (members of a structure)"
            )
        names = dtype.names or ()
        fill_value = tuple(fills.get(name, 0) for name in names) if fills else None
        return structured_array(
            records,
            fill_value=None
            if fill_value is None
            else np.array(fill_value, [(n, dtype[n].newbyteorder("=")) for n in names])[()],
            attributes=attributes,
        )


def _is_placed_text(element: Element) -> bool:
    """Whether it is text of which the document says all but the fill value."""
    if element.tag not in TEXTS:
        return False
    return child(element, "Dim") is None or child(element, "dmrpp:FixedLengthStringArray") is not None


def _is_binary(stored: bytes) -> bool:
    """Whether bytes do not look like text, as a reference to a string kept elsewhere does not."""
    return any(byte < 32 and byte not in b"\t\n\r" for byte in stored.rstrip(b"\0"))


def _without_padding(texts: np.ndarray[Any, Any], pad: str) -> np.ndarray[Any, Any]:
    """Texts of one length without what pads them: blanks, or whatever is behind a NUL."""
    if pad == "space_pad":
        return np.char.rstrip(texts, b" ").astype(texts.dtype)
    if pad == "null_term":
        stored = np.ascontiguousarray(texts).reshape(-1).view(np.uint8).reshape(-1, texts.dtype.itemsize)
        is_behind = np.logical_or.accumulate(stored == 0, axis=1)
        return np.asarray(
            np.where(is_behind, 0, stored).astype(np.uint8).view(texts.dtype).reshape(texts.shape)
        )
    return texts


def _digits(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 0 < int(text[:15]) < 2**31 or len(text) > 15:
        raise CorruptFileError(f"Its strings have length {text[:40]!r}; expected a number above zero.")
    return int(text)
