"""FITS units as astropy gives them: images scaled, tables as the bytes of their columns."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.corpus import CorpusEntry
from tests.corpus_outcomes import refused
from vzlab.datasets import open_group
from vzlab.errors import VzlabError
from vzlab.manifests import ManifestArray, ManifestGroup
from vzlab.storage import as_registry, read_array


def found(entry: CorpusEntry) -> dict[str, Any]:
    """Values, or the reason of refusal, of each unit."""
    group = open_group(entry.location)
    units: dict[str, Any] = {
        name: told for name, told in refused(entry, group).items() if name in group.unreadable
    }
    for name, array in group.arrays.items():
        units[name] = _attempt(lambda array=array: scaled(array))
    for name, table in group.groups.items():
        reasons = [f"{column}: {variable.reason}" for column, variable in table.unreadable.items()]
        units[name] = reasons[0] if reasons else _attempt(lambda table=table: records(table))
    return units


def _attempt(read: Any) -> Any:
    try:
        return read()
    except VzlabError as error:
        return str(error)


def scaled(array: ManifestArray) -> Any:
    """Pixels as astropy scales them: small integers to float32, others to float64; so too where some are blank."""
    values = read_array(array, as_registry(None))
    attributes = array.metadata.attributes
    wide = np.float32 if values.dtype.kind in "iu" and values.dtype.itemsize <= 2 else np.float64
    if values.dtype.kind == "f":
        wide = values.dtype.type
    told = {"scale_factor", "add_offset"} | ({"_FillValue"} if values.dtype.kind in "iu" else set())
    return _scaled(values, attributes, wide) if told & set(attributes) else values


def _scaled(values: Any, attributes: Mapping[str, Any], wide: Any) -> Any:
    missing = values == attributes["_FillValue"] if "_FillValue" in attributes else None
    result = values.astype(wide)
    result *= wide(attributes.get("scale_factor", 1))
    result += wide(attributes.get("add_offset", 0))
    if missing is not None:
        result[missing] = np.nan
    return result


def records(table: ManifestGroup) -> Any:
    """Columns as one structured array; text as objects, as the collection's reader held it."""
    columns = {name: _column(array) for name, array in table.arrays.items()}
    dtype = np.dtype([(name, values.dtype, values.shape[1:]) for name, values in columns.items()])
    (n_rows,) = {len(values) for values in columns.values()}
    out = np.empty(n_rows, dtype)
    for name, values in columns.items():
        out[name] = values
    return out


def _column(array: ManifestArray) -> Any:
    """Cells; astropy scales those of tables to float64, and null ones too."""
    values = read_array(array, as_registry(None))
    attributes = {key: v for key, v in array.metadata.attributes.items() if key != "_FillValue"}
    if {"scale_factor", "add_offset"} & set(attributes):
        values = _scaled(values, attributes, np.float64)
    if values.dtype.kind != "S":
        return values
    texts = np.char.decode(values, "ascii", "replace")
    if texts.ndim == 1:
        return np.char.rstrip(texts).astype(object)
    # The collection has the printed form of a list of such arrays where a cell holds several texts.
    rows = np.empty(len(texts), dtype=object)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        rows[:] = [np.char.array(row) for row in texts]
    return rows
