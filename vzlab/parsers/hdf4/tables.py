"""Vdatas as virtual arrays: one for each field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vzlab.errors import UnvirtualizableError
from vzlab.manifests import ManifestArray, ManifestGroup
from vzlab.parsers.hdf4.descriptors import Elements
from vzlab.parsers.hdf4.placement import Placer, nothing
from vzlab.parsers.hdf4.special import find_extent
from vzlab.parsers.hdf4.vsets import Vdata, vdata_key
from vzlab.parsers.records import Records, member_arrays


def read_table(
    elements: Elements, placer: Placer, table: Vdata, attributes: Mapping[int, Mapping[str, Any]], name: str
) -> ManifestArray | ManifestGroup:
    """A Vdata as a group with an array for each field, or as one array where it has one field.

    Parameters
    ----------
    attributes : mapping
        Attributes by number of the field, those of the whole under -1.
    name : str
        What its dimension is named after.

    Raises
    ------
    UnvirtualizableError
        If columns, and not records, lie one after another.
    """
    if not table.fields:
        return ManifestGroup(attributes=attributes[-1], format="HDF4 Vdata")
    if not table.interlaced and len(table.fields) > 1 and table.n_records > 1:
        raise UnvirtualizableError(
            "Its columns lie one after another, and not its records, for which there is no reference here."
        )
    dtype = table.dtype
    shape = (table.n_records,)
    key = vdata_key(table)
    if table.n_records == 0 or key not in elements.table:
        placed = nothing(shape)
    else:
        placed = placer.place(
            find_extent(elements, key), name=name, shape=shape, dtype=np.dtype(f"V{table.record_bytes}")
        )
    records = Records(
        dtype=dtype,
        shape=shape,
        chunks=placed.chunks,
        manifest=placed.manifest,
        filters=placed.filters,
        dimension_names=(f"{name}_record",),
    )
    numbers = {field.name: number for number, field in enumerate(table.fields)}
    alone = len(table.fields) == 1

    def of_field(field: str) -> Mapping[str, Any]:
        own = attributes[numbers[field]]
        return {**attributes[-1], **own} if alone else own

    arrays = member_arrays(
        records,
        fill_values={},
        attributes=of_field,
        inner_names=lambda field, inner: [f"{field}_order"] * len(inner),
    )
    if alone:
        return next(iter(arrays.values()))
    return ManifestGroup(arrays=arrays, attributes=attributes[-1], format="HDF4 Vdata")
