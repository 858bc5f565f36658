"""What stored numbers mean: packing, missing values, fill, units and time, by the CF conventions."""

from __future__ import annotations

import base64
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from vzlab.cf import Packing, packing_of
from vzlab.inspection.words import format_value

_TIME_UNITS = re.compile(r"^\s*(\w+)\s+since\s+(\S.*?)\s*$", re.IGNORECASE)

type FillRelation = Literal["same", "differ", "only fill", "none"]


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How a stored number becomes a value with a unit."""

    formula: str
    """``value = stored × 0.01 + 273.15``; empty where stored numbers are the values."""
    resolution: str
    """Step between two values that can be told apart; empty without packing."""
    value_range: tuple[str, str] | None
    """Lowest and highest value that the packing can express, missing values apart; None without packing."""
    decoded_dtype: str
    """Data type after decoding as xarray does it; empty where it stays as stored."""
    missing: tuple[str, ...]
    """Stored values that mean "no data"."""
    fill: str | None
    """Stored value that a chunk which was never written reads as; None where nothing says so."""
    fill_meaning: str
    """That value decoded, with its unit; empty where decoding changes nothing."""
    fill_relation: FillRelation
    """Whether unwritten chunks read as missing data: the fill value is among the missing values, or is not."""
    units: str
    """As the file has them; empty where it has none."""
    time_unit: str
    """Of times: what is counted, such as ``hours``; empty for anything else."""
    time_reference: str
    """Of times: from when on; empty for durations and anything else."""
    calendar: str
    """Of times: the calendar; ``standard`` where the file does not say."""
    standard_name: str
    long_name: str
    valid_range: tuple[str, str] | None
    """Lowest and highest valid stored value as declared; None where nothing is."""
    flags: tuple[tuple[str, str], ...]
    """Values of a flag variable with their meanings (CF 1.11, section 3.5)."""
    bounds: str = ""
    """Name of the variable that holds the bounds of its cells (CF 1.11, section 7.1)."""
    grid_mapping: str = ""
    """What names the variable that says how its coordinates lie on the Earth (section 5.6)."""
    coordinates: tuple[str, ...] = ()
    """Names of its auxiliary coordinates (section 5)."""
    cell_methods: str = ""
    """How values represent their cells: ``time: mean`` (section 7.3)."""
    axis: str = ""
    """``X``, ``Y``, ``Z`` or ``T`` of a coordinate that says so (section 4)."""
    first: str | None = None
    """First decoded value, where values were loaded already or are held inline."""
    last: str | None = None
    """Last decoded value, where values were loaded already or are held inline."""

    @property
    def is_packed(self) -> bool:
        """Whether stored numbers are scaled or shifted."""
        return bool(self.formula)

    @property
    def is_time(self) -> bool:
        """Whether values count time from a date."""
        return bool(self.time_reference)


def describe_encoding(
    attributes: Mapping[str, Any],
    dtype: np.dtype[Any] | None,
    *,
    fill: Any = None,
    ends: tuple[str, str] | None = None,
) -> Encoding:
    """Put a variable's attributes and fill value into words.

    Parameters
    ----------
    attributes : mapping
        As the file has them.
    dtype : numpy.dtype or None
        Of stored values; None where it is not known.
    fill : optional
        Stored value that missing chunks read as; None where nothing says so.
    ends : tuple of str, optional
        First and last decoded value, if they are at hand.
    """
    known = {
        name: plain_missing_value(attributes.get(name), dtype) for name in ("_FillValue", "missing_value")
    }
    attributes = {**attributes, **{name: value for name, value in known.items() if value is not None}}
    packing = packing_of(attributes)
    units = _text(attributes.get("units"))
    time = _TIME_UNITS.match(units)
    missing = tuple(dict.fromkeys(format_value(value, dtype) for value in _missing_values(known)))
    relation: FillRelation = "none"
    if fill is not None:
        relation = (
            "only fill" if not missing else ("same" if format_value(fill, dtype) in missing else "differ")
        )
    return Encoding(
        formula=packing.formula,
        resolution=format_value(abs(packing.scale_factor)) if packing.formula else "",
        value_range=_value_range(packing, dtype, attributes.get("_Unsigned")) if packing.formula else None,
        decoded_dtype=_decoded_dtype(dtype, is_packed=bool(packing.formula), has_missing=bool(missing)),
        missing=missing,
        fill=None if fill is None else format_value(fill, dtype),
        fill_meaning=_meaning(fill, packing, units) if packing.formula else "",
        fill_relation=relation,
        units=units,
        time_unit=time[1] if time else "",
        time_reference=time[2] if time else "",
        calendar=(_text(attributes.get("calendar")) or "standard") if time else "",
        standard_name=_text(attributes.get("standard_name")),
        long_name=_text(attributes.get("long_name")),
        valid_range=_valid_range(attributes, dtype),
        flags=_flags(attributes),
        bounds=_text(attributes.get("bounds")) or _text(attributes.get("climatology")),
        grid_mapping=_text(attributes.get("grid_mapping")),
        coordinates=tuple(_text(attributes.get("coordinates")).split()),
        cell_methods=_text(attributes.get("cell_methods")),
        axis=_text(attributes.get("axis")),
        first=ends[0] if ends else None,
        last=ends[1] if ends else None,
    )


def _meaning(stored: Any, packing: Packing, units: str) -> str:
    """A stored number decoded, with its unit."""
    if isinstance(stored, np.ndarray | np.generic):
        stored = stored.tolist()
    if not isinstance(stored, int | float):
        return ""
    return f"{format_value(_rounded(packing.decode(stored), packing))} {units}".rstrip()


def _rounded(value: float, packing: Packing) -> float:
    """To the digits that the steps of a packing bound."""
    if not packing.scale_factor or not math.isfinite(value):
        return value
    return round(value, max(0, -math.floor(math.log10(abs(packing.scale_factor)))) + 1)


def _text(value: Any) -> str:
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value.strip("\0 ") if isinstance(value, str) else ""


def plain_missing_value(value: Any, dtype: np.dtype[Any] | None) -> Any:
    """A ``_FillValue`` as a number, also from the form in which xarray keeps it in Zarr v3 stores."""
    if isinstance(value, str) and dtype is not None and dtype.kind == "f":
        try:
            return struct.unpack("<d", base64.b64decode(value, validate=True))[0]
        except (ValueError, struct.error):
            return {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}.get(value)
    return value


def _missing_values(known: Mapping[str, Any]) -> list[Any]:
    values: list[Any] = []
    for given in known.values():
        value = given.tolist() if isinstance(given, np.ndarray | np.generic) else given
        values += [] if value is None else list(value) if isinstance(value, list | tuple) else [value]
    return values


def _value_range(packing: Packing, dtype: np.dtype[Any] | None, unsigned: Any) -> tuple[str, str] | None:
    """Values at the ends of an integer type, skipping stored values that mean "no data"."""
    if dtype is None or dtype.kind not in "iu":
        return None
    kind = {"true": "u", "false": "i"}.get(_text(unsigned).lower(), dtype.kind)
    modulus = 1 << 8 * dtype.itemsize
    # A signed _FillValue of -1 stands for 255 when bytes are read as unsigned.
    missing = {m % modulus if kind == "u" else m for m in packing.missing if math.isfinite(m)}
    low, high = (0, modulus - 1) if kind == "u" else (-modulus // 2, modulus // 2 - 1)
    while low in missing and low < high:
        low += 1
    while high in missing and high > low:
        high -= 1
    ends = sorted(stored * packing.scale_factor + packing.add_offset for stored in (low, high))
    return format_value(_rounded(ends[0], packing)), format_value(_rounded(ends[1], packing))


def _decoded_dtype(dtype: np.dtype[Any] | None, *, is_packed: bool, has_missing: bool) -> str:
    """Data type that xarray decodes to, for factors that are doubles (as attributes in JSON are)."""
    if dtype is None or dtype.kind not in "iuf":
        return ""
    if is_packed:
        return "float64" if dtype != np.dtype("f8") else ""
    if has_missing and dtype.kind in "iu":
        return "float32" if dtype.itemsize <= 2 else "float64"
    return ""


def _valid_range(attributes: Mapping[str, Any], dtype: np.dtype[Any] | None) -> tuple[str, str] | None:
    both = attributes.get("valid_range")
    if isinstance(both, np.ndarray):
        both = both.tolist()
    low, high = both if isinstance(both, list | tuple) and len(both) == 2 else (None, None)
    low, high = attributes.get("valid_min", low), attributes.get("valid_max", high)
    if low is None and high is None:
        return None
    if dtype is not None and dtype.kind == "i" and _text(attributes.get("_Unsigned")).lower() == "true":
        low, high = (_as_unsigned(end, dtype) for end in (low, high))
    return "" if low is None else format_value(low, dtype), "" if high is None else format_value(high, dtype)


def _as_unsigned(value: Any, dtype: np.dtype[Any]) -> Any:
    """A bound whose bits are read as an unsigned number (``_Unsigned`` of the NetCDF Users Guide): -6 is 65530."""
    value = value.item() if isinstance(value, np.generic) else value
    return value % (1 << 8 * dtype.itemsize) if isinstance(value, int) else value


def _flags(attributes: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    meanings = _text(attributes.get("flag_meanings")).split()
    values, masks = attributes.get("flag_values"), attributes.get("flag_masks")
    if not meanings or (values is None and masks is None):
        return ()
    given = [
        [] if listed is None else [format_value(item) for item in np.atleast_1d(np.asarray(listed)).tolist()]
        for listed in (masks, values)
    ]
    # CF 1.11, section 3.5: a mask alone says that any of its bits is set, a value beside it which of them are.
    words = [f"& {m} = {v}" for m, v in zip(*given, strict=False)] if all(given) else given[1]
    words = words or [f"& {mask}" for mask in given[0]]
    return tuple(zip(words, meanings, strict=False))
