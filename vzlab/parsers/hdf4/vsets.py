"""Vgroups and Vdatas. HDF Specification and Developer's Guide, chapter 3, "Vset tags"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.errors import CorruptFileError
from vzlab.parsers.hdf4.bytes_read import decode_text
from vzlab.parsers.hdf4.descriptors import VG, VH, VS, Elements, Key
from vzlab.parsers.hdf4.number_types import number_type

_VERSION_WITH_ATTRIBUTES = 4
_HAS_ATTRIBUTES = 1


@dataclass(frozen=True, kw_only=True)
class Vgroup:
    """A named list of elements."""

    ref: int
    name: str
    class_name: str
    members: tuple[Key, ...]
    attributes: tuple[int, ...] = ()
    """References of the Vdatas that are its attributes."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """A column of a Vdata."""

    name: str
    type_code: int
    order: int
    """Numbers in each record."""
    offset: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Vdata:
    """A table of records."""

    ref: int
    name: str
    class_name: str
    n_records: int
    record_bytes: int
    interlaced: bool
    """Whether records lie one after another; else columns do."""
    fields: tuple[Field, ...]
    attributes: tuple[tuple[int, int], ...] = ()
    """Number of the field, -1 for the whole, and reference of the Vdata that is its attribute."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """A record as stored.

        Raises
        ------
        UnsupportedDataTypeError
            If a field is of a type that is not known.
        CorruptFileError
            If fields overlap the record's end or have the same name.
        """
        formats = []
        for field in self.fields:
            element = number_type(field.type_code)
            shape = () if field.order == 1 else (field.order,)
            # Characters in a row are one text.
            formats.append(np.dtype(f"S{field.order}") if element.kind == "S" else np.dtype((element, shape)))
        names = [field.name for field in self.fields]
        try:
            return np.dtype(
                {
                    "names": names,
                    "formats": formats,
                    "offsets": [field.offset for field in self.fields],
                    "itemsize": self.record_bytes,
                }
            )
        except ValueError as error:
            raise CorruptFileError(
                f"Its fields {names} do not make a record of {self.record_bytes} bytes: {error}."
            ) from error


def read_vgroup(elements: Elements, ref: int) -> Vgroup:
    """A Vgroup's descriptor."""
    cursor = elements.cursor((VG, ref))
    count = cursor.one("H")
    tags, refs = cursor.many(count, "H"), cursor.many(count, "H")
    name, class_name = cursor.text(), cursor.text()
    attributes: tuple[int, ...] = ()
    # Two extension numbers; then, in files of version 4, flags and attributes before the version itself.
    if cursor.left >= 4 + 4 + 4 + 4:
        flags = cursor.take("HHI")[2]
        if flags & _HAS_ATTRIBUTES:
            n_attributes = cursor.one("i")
            pairs = cursor.many(2 * max(n_attributes, 0), "H") if cursor.left >= 4 * n_attributes else ()
            attributes = pairs[1::2]
    return Vgroup(
        ref=ref,
        name=name,
        class_name=class_name,
        members=tuple(zip(tags, refs, strict=True)),
        attributes=attributes,
    )


def read_vdata(elements: Elements, ref: int) -> Vdata:
    """A Vdata's header."""
    cursor = elements.cursor((VH, ref))
    interlace, n_records, record_bytes, count = cursor.take("hiHh")
    if n_records < 0 or count < 0:
        raise CorruptFileError(
            f"Vdata {ref} of {elements.source.url} has {n_records} records of {count} fields. It is damaged."
        )
    types, sizes, offsets, orders = (cursor.many(count, "H") for _ in range(4))
    names = [cursor.text() for _ in range(count)]
    name, class_name = cursor.text(), cursor.text()
    attributes: list[tuple[int, int]] = []
    if cursor.left >= 8 and cursor.take("HHhh")[2] == _VERSION_WITH_ATTRIBUTES and cursor.left >= 4:
        flags = cursor.one("I")
        if flags & _HAS_ATTRIBUTES and cursor.left >= 4:
            n_attributes = cursor.one("i")
            for _ in range(min(max(n_attributes, 0), cursor.left // 8)):
                field, _tag, attribute = cursor.take("iHH")
                attributes.append((field, attribute))
    fields = [
        Field(name=each, type_code=code, order=order, offset=offset, size_bytes=size)
        for each, code, size, offset, order in zip(names, types, sizes, offsets, orders, strict=True)
    ]
    return Vdata(
        ref=ref,
        name=name,
        class_name=class_name,
        n_records=n_records,
        record_bytes=record_bytes,
        interlaced=interlace == 0,
        fields=tuple(fields),
        attributes=tuple(attributes),
    )


def read_records(elements: Elements, vdata: Vdata, data: bytes) -> npt.NDArray[Any]:
    """Records out of their bytes; columns first where they are stored so."""
    if len(data) < vdata.n_records * vdata.record_bytes:
        raise CorruptFileError(
            f"Vdata {vdata.name!r} of {elements.source.url} has {len(data)} bytes; expected more."
        )
    dtype = vdata.dtype
    if vdata.interlaced or len(vdata.fields) == 1:
        return np.frombuffer(data, dtype, vdata.n_records)
    records = np.zeros(vdata.n_records, dtype)
    at = 0
    for field in vdata.fields:
        records[field.name] = np.frombuffer(data, dtype[field.name], vdata.n_records, at)
        at += field.size_bytes * vdata.n_records
    return records


def attribute_value(elements: Elements, vdata: Vdata, data: bytes) -> Any:
    """The value of a Vdata that is an attribute: a text, a number, or a list of numbers."""
    if not vdata.fields or not vdata.n_records:
        return []
    first = vdata.fields[0]
    if number_type(first.type_code).kind == "S":
        return decode_text(data[: vdata.n_records * vdata.record_bytes])
    values = read_records(elements, vdata, data)[first.name].reshape(-1).tolist()
    return values[0] if len(values) == 1 else values


def vdata_key(vdata: Vdata) -> Key:
    """The element with a Vdata's records."""
    return VS, vdata.ref
