"""One stored number to its value: sign, missing data, packing, time and flags by the CF conventions, step by step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vzlab.cf import Packing, packing_of
from vzlab.inspection.encoding import Encoding, describe_encoding, plain_missing_value
from vzlab.inspection.words import format_list, format_value, sentence_end


@dataclass(frozen=True, kw_only=True)
class ValueStep:
    """One thing that decoding does to a stored number, or decides about it."""

    title: str
    """``mask``, ``scale and offset``."""
    text: str
    """What happened, with the numbers filled in."""


@dataclass(frozen=True, kw_only=True)
class DecodedValue:
    """A stored number and what it means."""

    stored: Any
    decoded: Any
    """As xarray decodes it: NaN where it is missing, a date where it counts time."""
    shown: str
    """The decoded value in words, with its unit."""
    is_missing: bool
    rounding: float
    """How far a decoder may be off that computes in single precision."""
    steps: tuple[ValueStep, ...]
    encoding: Encoding


def decode_value(
    stored: Any, attributes: Mapping[str, Any], dtype: np.dtype[Any], *, fill: Any
) -> DecodedValue:
    """Decode one stored value by its variable's attributes.

    Parameters
    ----------
    stored
        A numpy scalar, text or bytes.
    attributes : mapping
        Of the variable, as the file has them.
    dtype : numpy.dtype
        Of stored values.
    fill
        Stored value that missing chunks read as.
    """
    known = {
        name: plain_missing_value(attributes.get(name), dtype) for name in ("_FillValue", "missing_value")
    }
    plain = {**attributes, **{name: value for name, value in known.items() if value is not None}}
    encoding, packing = describe_encoding(plain, dtype, fill=fill), packing_of(plain)
    if dtype.kind not in "iuf":
        shown = format_value(stored, dtype)
        return DecodedValue(
            stored=stored,
            decoded=stored,
            shown=shown,
            is_missing=False,
            rounding=0,
            steps=(),
            encoding=encoding,
        )
    steps: list[ValueStep] = []
    number = _signed(stored, plain, dtype, steps)
    missing = _missing_of(packing, plain, dtype)
    is_missing = _mask(number, missing, plain, dtype, steps)
    decoded: Any = number.item()
    if is_missing:
        decoded = math.nan
    elif packing.formula:
        decoded = number.item() * packing.scale_factor + packing.add_offset
        filled = packing.formula.removeprefix("value = ").replace(
            "stored", format_value(number.item(), dtype), 1
        )
        steps.append(ValueStep(title="scale, offset", text=f"{filled} = {_shown(decoded, packing, dtype)}"))
    shown = "no data" if is_missing else f"{_shown(decoded, packing, dtype)} {encoding.units}".rstrip()
    if encoding.is_time and not is_missing:
        date = _date(decoded, encoding)
        if date is not None:
            text = f"{_shown(decoded, packing, dtype)} {encoding.units} ({encoding.calendar} calendar) is {_moment(date)}"
            steps.append(ValueStep(title="time", text=text))
            decoded, shown = date, _moment(date)
    steps += _notes(number, plain, dtype, encoding)
    return DecodedValue(
        stored=stored,
        decoded=decoded,
        shown=shown,
        is_missing=is_missing,
        rounding=1e-6 * abs(packing.add_offset),
        steps=tuple(steps),
        encoding=encoding,
    )


def _signed(stored: Any, attributes: Mapping[str, Any], dtype: np.dtype[Any], steps: list[ValueStep]) -> Any:
    """The number that the bits stand for, where ``_Unsigned`` says otherwise than the data type."""
    number: Any = np.asarray(stored, dtype=dtype)[()]
    kind = {"true": "u", "false": "i"}.get(str(attributes.get("_Unsigned", "")).lower())
    if kind is None or dtype.kind not in "iu" or kind == dtype.kind:
        return number
    seen: Any = np.asarray(number).view(f"{kind}{dtype.itemsize}")[()]
    sign = "without a sign" if kind == "u" else "with a sign"
    steps.append(ValueStep(title="_Unsigned", text=f"{number.item()} read {sign} is {seen.item()}"))
    return seen


def _missing_of(packing: Packing, attributes: Mapping[str, Any], dtype: np.dtype[Any]) -> tuple[float, ...]:
    """Missing values in the terms of the number as it is read."""
    kind = {"true": "u", "false": "i"}.get(str(attributes.get("_Unsigned", "")).lower(), dtype.kind)
    if dtype.kind == "f":
        # A float32's fill of 1e20 is written in an attribute as a double, and compared as what is stored.
        with np.errstate(over="ignore"):
            return tuple(float(np.asarray(value, dtype=dtype)) for value in packing.missing)
    modulus = 1 << 8 * dtype.itemsize
    whole = [value for value in packing.missing if math.isfinite(value)]
    if kind == dtype.kind:
        return tuple(whole)
    half = modulus // 2 if kind == "i" else 0
    return tuple((int(value) + half) % modulus - half for value in whole)


def _mask(
    number: Any,
    missing: tuple[float, ...],
    attributes: Mapping[str, Any],
    dtype: np.dtype[Any],
    steps: list[ValueStep],
) -> bool:
    value = number.item()
    if dtype.kind == "f" and math.isnan(value):
        steps.append(ValueStep(title="mask", text="NaN is no data, whatever attributes say"))
        return True
    if not missing:
        return False
    is_missing = value in missing
    names = [name for name in ("_FillValue", "missing_value") if attributes.get(name) is not None]
    listed = format_list(
        dict.fromkeys(format_value(m if dtype.kind == "f" else int(m), dtype) for m in missing)
    )
    said = f"{' and '.join(names)} {listed} {'means' if len(set(missing)) == 1 else 'mean'} no data"
    end = "so this is missing" if is_missing else "and this is another number"
    steps.append(ValueStep(title="mask", text=f"{said}, {end}"))
    return is_missing


def _shown(value: float, packing: Packing, dtype: np.dtype[Any]) -> str:
    if packing.formula and packing.scale_factor and math.isfinite(value):
        digits = max(0, -math.floor(math.log10(abs(packing.scale_factor)))) + 1
        return format_value(round(value, digits))
    return format_value(value, dtype)


def _date(value: float, encoding: Encoding) -> Any:
    """A count of time as a date; None where xarray knows no such unit or calendar."""
    import xarray as xr

    attributes = {"units": encoding.units, "calendar": encoding.calendar}
    try:
        variable = xr.conventions.decode_cf_variable(
            "time", xr.Variable((), np.asarray(value), attributes), decode_timedelta=False
        )
        return variable.values[()]
    except (ValueError, OverflowError, TypeError, ImportError):
        return None


def _moment(date: Any) -> str:
    """A date without the zeros behind it."""
    if isinstance(date, np.datetime64):
        return str(date).partition(".")[0].replace("T", " ").removesuffix(" 00:00:00")
    return str(date).removesuffix(" 00:00:00")


def _notes(
    number: Any, attributes: Mapping[str, Any], dtype: np.dtype[Any], encoding: Encoding
) -> list[ValueStep]:
    notes = []
    meanings = dict(encoding.flags)
    told = meanings.get(format_value(number.item()))
    if told is not None and "flag_values" in attributes:
        notes.append(ValueStep(title="flag", text=f"{format_value(number.item())} means {told}"))
    if encoding.valid_range is not None and dtype.kind in "iuf":
        low, high = map(_bound, encoding.valid_range)
        value = float(number.item())
        if (low is not None and value < low) or (high is not None and value > high):
            said = " to ".join(filter(None, encoding.valid_range))
            text = sentence_end(f"The valid range is {said}: netCDF4 would mask this, xarray does not")
            notes.append(ValueStep(title="valid range", text=text))
    return notes


def _bound(told: str) -> float | None:
    """A bound of the valid range; None where there is none, or it is no number."""
    try:
        return float(told)
    except ValueError:
        return None
