"""Zarr v3 data types: what numpy calls them, and the JSON form of their scalars.

Booleans, integers and real numbers are worked out here, as most files have no others and importing zarr takes longer than
parsing such a file; zarr knows all types.
"""

from __future__ import annotations

import functools
import json
import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from vzlab.errors import UnsupportedDataTypeError

type DataTypeJSON = str | Mapping[str, Any]
"""A ``data_type`` document, such as ``"int16"``, or a mapping for a type with parameters."""

# Zarr v3 core specification, "Core data types": numpy has the same names for them.
_PLAIN: Mapping[str, np.dtype[Any]] = {
    name: np.dtype(name)
    for name in (
        *("bool", "float16", "float32", "float64"),
        *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    )
}
# The same, "Fill value list".
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def native_dtype(data_type: DataTypeJSON) -> np.dtype[Any]:
    """The numpy data type of decoded values, in native byte order."""
    plain = _plain(data_type)
    return zarr_dtype(data_type).to_native_dtype() if plain is None else plain


def data_type_of(dtype: np.dtype[Any]) -> tuple[DataTypeJSON, Any]:
    """The Zarr data type of a numpy data type in native byte order, and the JSON form of its zero.

    Raises
    ------
    UnsupportedDataTypeError
        If Zarr has no such data type.
    """
    if dtype.name in _PLAIN:
        return dtype.name, dtype.type(0).item()
    return _data_type_of(dtype)


def encode_fill_value(data_type: DataTypeJSON, value: Any) -> Any:
    """The JSON form of a scalar of a Zarr data type (Zarr v3 core specification, "Fill value list")."""
    plain = _plain(data_type)
    if plain is not None and plain.kind in "biu":
        return bool(value) if plain.kind == "b" else int(value)
    native = native_dtype(data_type)
    if native.kind in "fc" and not isinstance(value, np.generic):
        value = native.type(value)
    if plain is not None and plain.kind == "f" and value.dtype.kind in "iuf":
        number = float(plain.type(value))
        return number if math.isfinite(number) else _name_of(number)
    return zarr_dtype(data_type).to_json_scalar(value, zarr_format=3)


def fill_scalar(data_type: DataTypeJSON, value: Any) -> Any:
    """A scalar of a Zarr data type as numpy's, from its JSON form."""
    plain = _plain(data_type)
    if plain is not None:
        if plain.kind == "f" and isinstance(value, str):
            value = _NOT_FINITE.get(value, value)
        expected = {"b": bool, "f": int | float}.get(plain.kind, int)
        if isinstance(value, expected):
            return plain.type(value)
    return zarr_dtype(data_type).from_json_scalar(value, zarr_format=3)


def zarr_dtype(data_type: DataTypeJSON) -> Any:
    """The zarr-python data type that a ``data_type`` document names."""
    return _parse_data_type(data_type if isinstance(data_type, str) else json.dumps(data_type))


def _plain(data_type: DataTypeJSON) -> np.dtype[Any] | None:
    return _PLAIN.get(data_type) if isinstance(data_type, str) else None


def _name_of(number: float) -> str:
    """JSON has no such number."""
    if math.isnan(number):
        return "NaN"
    return "Infinity" if number > 0 else "-Infinity"


@functools.lru_cache(maxsize=1024)
def _parse_data_type(document: str) -> Any:
    from zarr.dtype import parse_dtype

    return parse_dtype(json.loads(document) if document.startswith("{") else document, zarr_format=3)


@functools.lru_cache(maxsize=1024)
def _data_type_of(dtype: np.dtype[Any]) -> tuple[DataTypeJSON, Any]:
    from zarr.dtype import parse_dtype
    from zarr.errors import UnstableSpecificationWarning

    try:
        wrapped = parse_dtype(dtype, zarr_format=3)
        with warnings.catch_warnings():
            # Fixed-length strings and records: nothing is written here, and zarr warns whoever writes.
            warnings.simplefilter("ignore", UnstableSpecificationWarning)
            document = wrapped.to_json(zarr_format=3)
        return document, wrapped.to_json_scalar(wrapped.default_scalar(), zarr_format=3)
    except (ValueError, TypeError, NotImplementedError) as error:
        raise UnsupportedDataTypeError(
            f"Zarr has no data type for numpy's {dtype}. Load this variable, or drop it."
        ) from error
