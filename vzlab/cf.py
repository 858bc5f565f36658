"""CF conventions on stored values: packing, missing values, and attributes as Zarr readers expect them."""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

PACKING_ATTRIBUTES = ("scale_factor", "add_offset", "_Unsigned")
MISSING_ATTRIBUTES = ("_FillValue", "missing_value", "valid_range", "valid_min", "valid_max")
TIME_ATTRIBUTES = ("units", "calendar")
ENCODING_ATTRIBUTES = (*PACKING_ATTRIBUTES, *MISSING_ATTRIBUTES)
"""Attributes that change what a stored number means (CF 1.11, sections 2.5.1, 8.1 and 4.4; NUG for ``_Unsigned``)."""


MEANING_ATTRIBUTES = (*ENCODING_ATTRIBUTES, *TIME_ATTRIBUTES)
"""Attributes without which stored numbers are only numbers."""


def meaning_of(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a variable's attributes that say what its stored numbers mean."""
    return {name: attributes[name] for name in MEANING_ATTRIBUTES if name in attributes}


def same_meaning(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two sets of attributes give stored numbers one meaning: 2 and 2.0 are one number, "2" is text."""
    ours, theirs = meaning_of(a), meaning_of(b)
    return repr(ours) == repr(theirs) or repr(_numbers(ours)) == repr(_numbers(theirs))


def _numbers(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _numbers(item) for name, item in value.items()}
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@dataclass(frozen=True, kw_only=True)
class Packing:
    """How stored numbers stand for values: ``value = stored * scale_factor + add_offset`` (CF 1.11, section 8.1)."""

    scale_factor: float
    add_offset: float
    missing: tuple[float, ...]
    """Stored values that mean "no data" (CF 1.11, section 2.5.1)."""
    unsigned: bool
    """Whether the bits are read as an unsigned number (``_Unsigned``)."""

    @property
    def formula(self) -> str:
        """``value = stored x 0.01 + 273.15``; empty if stored numbers are the values."""
        if self.scale_factor == 1 and self.add_offset == 0:
            return ""
        text = (
            f"value = stored × {_shortest(self.scale_factor)}" if self.scale_factor != 1 else "value = stored"
        )
        if self.add_offset:
            text += f" {'+' if self.add_offset > 0 else '−'} {_shortest(abs(self.add_offset))}"
        return text

    def decode(self, stored: float) -> float:
        """One stored number as its value; NaN if it means "no data"."""
        if any(stored == m or (stored != stored and m != m) for m in self.missing):
            return math.nan
        return stored * self.scale_factor + self.add_offset


def packing_of(attributes: Mapping[str, Any]) -> Packing:
    """The packing that a variable's attributes declare."""
    missing: list[float] = []
    for name in ("_FillValue", "missing_value"):
        value = attributes.get(name)
        if value is not None and not isinstance(value, str | bytes):
            missing += [v for v in np.atleast_1d(value).tolist() if isinstance(v, int | float)]
    return Packing(
        scale_factor=_number(attributes.get("scale_factor"), 1.0),
        add_offset=_number(attributes.get("add_offset"), 0.0),
        missing=tuple(missing),
        unsigned=str(attributes.get("_Unsigned", "false")).lower() == "true",
    )


def _shortest(value: float) -> str:
    """The fewest digits that tell a number apart: 273.15, not 273.14999999999998."""
    return repr(float(value)).removesuffix(".0")


def _number(value: Any, default: float) -> float:
    if value is None or isinstance(value, str):
        return default
    flat = np.atleast_1d(value)
    return float(flat[0]) if flat.size else default


def to_zarr_attributes(attributes: Mapping[str, Any], dtype: np.dtype[Any]) -> dict[str, Any]:
    """Attributes of stored values as strict JSON that xarray reads back with the same meaning.

    xarray's Zarr backend expects ``_FillValue`` of Zarr v3 arrays in a form of its own: floats as base64 of a little-endian
    double. JSON has no NaN or infinity: a NaN ``missing_value`` becomes ``_FillValue`` (to mask NaN is to keep it),
    other non-finite numbers become the strings ``"NaN"``, ``"Infinity"``, ``"-Infinity"``.

    Parameters
    ----------
    attributes : mapping
        Attributes as Python values.
    dtype : numpy.dtype
        Data type of the stored values.
    """
    plain = dict(attributes)
    missing = plain.get("missing_value")
    if isinstance(missing, float) and math.isnan(missing):
        plain.pop("missing_value")
        if dtype.kind in "fc":
            plain.setdefault("_FillValue", missing)
    document = {name: _strict(value) for name, value in plain.items() if name != "_FillValue"}
    if "_FillValue" in plain:
        value = plain["_FillValue"]
        if dtype.kind == "u" and str(plain.get("_Unsigned")).lower() == "false":
            # xarray takes it for a signed number, as the values, and fails on one that is out of range for that.
            value = np.asarray(value).astype(dtype).astype(f"i{dtype.itemsize}").tolist()
        encoded = _encode_missing(value, dtype)
        if encoded is not None:
            document["_FillValue"] = encoded
    return document


def from_zarr_attributes(attributes: Mapping[str, Any], dtype: np.dtype[Any]) -> dict[str, Any]:
    """Attributes of a Zarr v3 array as Python values: `to_zarr_attributes` undone.

    A ``_FillValue`` that is not in the form of xarray's Zarr backend stays as it is.
    """
    plain = dict(attributes)
    value = plain.get("_FillValue")
    try:
        if dtype.kind == "f" and isinstance(value, str):
            plain["_FillValue"] = _plain_double(value)
        elif dtype.kind == "c" and isinstance(value, list) and len(value) == 2:
            plain["_FillValue"] = complex(*map(_plain_double, value))
    except (ValueError, TypeError, struct.error):
        pass
    return plain


def _plain_double(text: str) -> float:
    number: float = struct.unpack("<d", base64.standard_b64decode(text))[0]
    return number


def _encode_missing(value: Any, dtype: np.dtype[Any]) -> Any:
    """``_FillValue`` in the form of xarray's Zarr backend; None where it cannot mean anything for the data type."""
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    match dtype.kind, value:
        case ("b", bool() | int()):
            return bool(value)
        case ("i" | "u", int() | float()) if math.isfinite(value):
            return int(value)
        case ("f", int() | float()):
            return _base64_double(value)
        case ("c", int() | float() | complex()):
            return [_base64_double(complex(value).real), _base64_double(complex(value).imag)]
        case ("O", str()):
            return value
    return None  # of strings too: xarray refuses to open a dataset that has one on an array of strings


def _base64_double(value: float) -> str:
    return base64.standard_b64encode(struct.pack("<d", float(value))).decode()


def _strict(value: Any) -> Any:
    """A value as strict JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    if isinstance(value, np.generic | np.ndarray):
        return _strict(value.tolist())
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, complex):
        return [_strict(value.real), _strict(value.imag)]
    return value
