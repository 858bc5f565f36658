"""The scientific datasets of an HDF4 file, as the SD interface and, before it, the DFSD interface store them.

HDF User's Guide, chapters 3 and 6. The SD interface keeps each dataset as a Vgroup of class ``Var0.0`` in one of class
``CDF0.0``; DFSD as a numeric data group (NDG) alone, or as a scientific data group (SDG) before there was one.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vzlab.errors import CorruptFileError, VzlabError
from vzlab.parsers.hdf4.bytes_read import decode_text
from vzlab.parsers.hdf4.descriptors import NDG, NT, SD, SDD, SDG, VG, VH, Elements, Key
from vzlab.parsers.hdf4.number_types import read_number_type
from vzlab.parsers.hdf4.special import ChunkedExtent, element_bytes, find_extent
from vzlab.parsers.hdf4.vsets import Vdata, Vgroup, attribute_value, vdata_key

ATTRIBUTE, VARIABLE, DATASET = "Attr0.0", "Var0.0", "CDF0.0"
_DIMENSIONS = ("Dim0.0", "UDim0.0")
_COORDINATE = "CoordVar"
_LABELS, _UNITS, _FORMATS, _LIMITS, _SYSTEM, _CALIBRATION, _FILL = 704, 705, 706, 707, 708, 731, 732

MAX_RANK = 32

_PRE_RELEASE = "Its values are in a Vdata, as pre-releases of HDF 3.2 had it; no library of today reads them as they were meant."


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A scientific dataset, before its bytes are placed."""

    name: str
    ref: int
    """Of its numeric data group, by which Vgroups name it."""
    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None
    """As stored; None if it is of no type that numpy has."""
    dimension_names: tuple[str, ...]
    data: Key | None
    """Its element; None if nothing was written."""
    is_coordinate: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""
    """Why it cannot be read, if so."""


@dataclass(frozen=True, kw_only=True)
class Vsets:
    """All Vgroups and Vdatas of a file by reference number."""

    groups: Mapping[int, Vgroup]
    tables: Mapping[int, Vdata]

    def attributes(self, elements: Elements, members: Iterator[int]) -> dict[str, Any]:
        """Values of Vdatas that are attributes; one that cannot be read is left out."""
        found = {}
        for ref in members:
            table = self.tables.get(ref)
            if table is None:
                continue
            try:
                found[table.name] = attribute_value(
                    elements, table, element_bytes(elements, vdata_key(table))
                )
            except VzlabError:
                continue
        return found


def read_datasets(elements: Elements, vsets: Vsets) -> tuple[list[Dataset], dict[str, Any]]:
    """All datasets, and the attributes of the whole file."""
    root = next((group for group in vsets.groups.values() if group.class_name == DATASET), None)
    if root is None:
        return _read_dfsd(elements), {}
    members = [ref for tag, ref in root.members if tag == VG and ref in vsets.groups]
    variables = [vsets.groups[ref] for ref in members if vsets.groups[ref].class_name == VARIABLE]
    attributes = vsets.attributes(
        elements, (ref for tag, ref in root.members if tag == VH and _is_attribute(vsets, ref))
    )
    return [_read_variable(elements, vsets, variable) for variable in variables], attributes


def _is_attribute(vsets: Vsets, ref: int) -> bool:
    return ref in vsets.tables and vsets.tables[ref].class_name == ATTRIBUTE


def _read_variable(elements: Elements, vsets: Vsets, group: Vgroup) -> Dataset:
    refs: dict[int, int] = {}
    for tag, ref in group.members:
        refs.setdefault(tag, ref)
    dimensions = [
        vsets.groups[ref]
        for tag, ref in group.members
        if tag == VG and ref in vsets.groups and vsets.groups[ref].class_name in _DIMENSIONS
    ]
    tables = [vsets.tables[ref] for tag, ref in group.members if tag == VH and ref in vsets.tables]
    attributes = vsets.attributes(elements, (table.ref for table in tables if table.class_name == ATTRIBUTE))
    data: Key | None = (SD, refs[SD]) if SD in refs else None
    if data is not None and data not in elements.table:
        data = None
    base: dict[str, Any] = {
        "name": group.name,
        "ref": refs.get(NDG, group.ref),
        "dimension_names": tuple(dimension.name for dimension in dimensions),
        "is_coordinate": any(table.class_name == _COORDINATE for table in tables),
        "attributes": attributes,
    }
    if any(table.class_name == "Data0.0" for table in tables):
        return Dataset(**base, shape=(), dtype=None, data=None, fault=_PRE_RELEASE)
    try:
        dtype = read_number_type(elements, refs[NT]) if NT in refs else None
        lengths = [_dimension_length(elements, vsets, dimension) for dimension in dimensions]
        if SDD in refs:
            stated = _dimension_record(elements, refs[SDD])[0]
            lengths = list(stated) if len(stated) == len(lengths) else lengths
    except CorruptFileError:
        raise
    except VzlabError as error:
        return Dataset(**base, shape=(), dtype=None, data=data, fault=str(error))
    if dtype is not None and dimensions and dimensions[0].class_name == "UDim0.0":
        lengths[0] = _n_records(elements, data, dtype, lengths)
    fault = "" if dtype is not None else "Nothing says of what type its numbers are."
    return Dataset(**base, shape=tuple(lengths), dtype=dtype, data=data, fault=fault)


def _dimension_length(elements: Elements, vsets: Vsets, group: Vgroup) -> int:
    """Length of a dimension: the only value of its Vdata, or in older files as many values as it is long."""
    table = next((vsets.tables[ref] for tag, ref in group.members if tag == VH and ref in vsets.tables), None)
    if table is None:
        raise CorruptFileError(
            f"Dimension {group.name!r} of {elements.source.url} has no length. The file is damaged."
        )
    if table.class_name == "DimVal0.0" and group.class_name != "UDim0.0":
        return table.n_records
    value = attribute_value(elements, table, element_bytes(elements, vdata_key(table)))
    if not isinstance(value, int) or value < 0:
        raise CorruptFileError(
            f"Dimension {group.name!r} of {elements.source.url} has length {value!r}. The file is damaged."
        )
    return value


def _n_records(elements: Elements, data: Key | None, dtype: np.dtype[Any], lengths: list[int]) -> int:
    """Length along an unlimited dimension: as many whole rows as were written of this dataset."""
    if data is None:
        return 0
    extent = find_extent(elements, data)
    row = math.prod(lengths[1:]) * dtype.itemsize
    if isinstance(extent, ChunkedExtent) and extent.shape[0]:
        return extent.shape[0]
    return extent.length // row if row else 0


def _dimension_record(elements: Elements, ref: int) -> tuple[tuple[int, ...], int]:
    """Lengths of dimensions, and reference of the number type (tag SDD)."""
    cursor = elements.cursor((SDD, ref))
    rank = cursor.one("h")
    if not 0 <= rank <= MAX_RANK:
        raise CorruptFileError(
            f"Element {(SDD, ref)} of {elements.source.url} has {rank} dimensions. The file is damaged."
        )
    lengths = cursor.many(rank, "i")
    if any(length < 0 for length in lengths):
        raise CorruptFileError(
            f"Element {(SDD, ref)} of {elements.source.url} has dimensions {lengths}. The file is damaged."
        )
    return lengths, cursor.take("HH")[1]


# -- DFSD -----------------------------------------------------------------------------------------------------------


def _read_dfsd(elements: Elements) -> list[Dataset]:
    datasets: list[Dataset] = []
    n_dimensions = 0
    numeric = set(elements.refs(NDG))
    # Before HDF 3.2 there were scientific data groups alone; later ones stand beside a numeric group of the same number.
    groups = [
        *((NDG, ref) for ref in elements.refs(NDG)),
        *((SDG, ref) for ref in elements.refs(SDG) if ref not in numeric),
    ]
    for tag, ref in groups:
        cursor = elements.cursor((tag, ref))
        pairs = cursor.many(2 * (cursor.left // 4), "H")
        refs = dict(zip(pairs[::2], pairs[1::2], strict=True))
        if SDD not in refs:
            continue
        shape, number_ref = _dimension_record(elements, refs[SDD])
        names = tuple(f"fakeDim{n_dimensions + axis}" for axis in range(len(shape)))
        n_dimensions += len(shape)
        data = (SD, refs[SD]) if SD in refs and (SD, refs[SD]) in elements.table else None
        try:
            dtype = read_number_type(elements, number_ref)
        except CorruptFileError:
            raise
        except VzlabError as error:
            fault = str(error)
            datasets.append(
                Dataset(
                    name=f"Data-Set-{ref}",
                    ref=ref,
                    shape=shape,
                    dtype=None,
                    dimension_names=names,
                    data=data,
                    fault=fault,
                )
            )
            continue
        datasets.append(
            Dataset(
                name=f"Data-Set-{ref}",
                ref=ref,
                shape=shape,
                dtype=dtype,
                dimension_names=names,
                data=data,
                attributes=_dfsd_attributes(elements, refs, dtype),
            )
        )
    return datasets


def _dfsd_attributes(elements: Elements, refs: Mapping[int, int], dtype: np.dtype[Any]) -> dict[str, Any]:
    """What DFSD keeps in elements of their own, under the names that the SD interface gives them."""
    attributes: dict[str, Any] = {}
    for tag, name in ((_LABELS, "long_name"), (_UNITS, "units"), (_FORMATS, "format"), (_SYSTEM, "coordsys")):
        # The dataset's own comes first, those of its dimensions follow.
        if tag in refs and (text := decode_text(element_bytes(elements, (tag, refs[tag])))):
            attributes[name] = text
    limits = element_bytes(elements, (_LIMITS, refs.get(_LIMITS, 0)))
    if len(limits) == 2 * dtype.itemsize and dtype.kind != "S":
        attributes["valid_max"], attributes["valid_min"] = np.frombuffer(limits, dtype).tolist()
    calibration = element_bytes(elements, (_CALIBRATION, refs.get(_CALIBRATION, 0)))
    if len(calibration) >= 36:
        names = ("scale_factor", "scale_factor_err", "add_offset", "add_offset_err", "calibrated_nt")
        attributes |= dict(zip(names, struct.unpack(">4di", calibration[:36]), strict=True))
    fill = element_bytes(elements, (_FILL, refs.get(_FILL, 0)))
    if len(fill) == dtype.itemsize and dtype.kind != "S":
        attributes["_FillValue"] = np.frombuffer(fill, dtype).item()
    return attributes
