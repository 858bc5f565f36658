"""Loaded variables are stored encoded: see to it that what is stored decodes to the values that were loaded."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from vzlab.cf import ENCODING_ATTRIBUTES, MEANING_ATTRIBUTES, from_zarr_attributes, packing_of
from vzlab.errors import WriteError
from vzlab.manifests import ArrayMetadata

ROUNDINGS = 4
"""Packing and unpacking, in the type of the values, round a value no more often."""
_CHOICES = (*ENCODING_ATTRIBUTES, "units", "dtype")
"""What of an encoding xarray chooses without loss if nobody else does; a calendar belongs to the values."""


def with_faithful_encoding(path: str, variable: xr.Variable) -> xr.Variable:
    """The variable without the encoding that came with it, if that would change values.

    The first of several files may have counted whole days, or in 16 bits, what others count in seconds.

    Raises
    ------
    WriteError
        If no encoding keeps the values.
    """
    if not _may_change(variable):
        return variable
    stored = _encoded(variable, variable.encoding)
    asked = variable.encoding.get("units")
    if stored is not None and stored.attrs.get("units", asked) == asked and _decodes_to(stored, variable):
        return variable
    kept = {key: value for key, value in variable.encoding.items() if key not in _CHOICES}
    stored = _encoded(variable, kept)
    if stored is None or not _decodes_to(stored, variable):
        raise WriteError(
            f"The values of {path!r} ({variable.dtype}, from {variable.values.flat[0]}) cannot be stored so that they read as "
            "they are. Give it an encoding that can hold them, for dates ds[...].encoding = {'units': 'seconds since ...', "
            "'dtype': 'int64'}, or drop it."
        )
    return variable._replace(encoding=kept)


def check_fits(path: str, variable: xr.Variable, stored: ArrayMetadata) -> None:
    """Refuse loaded values that would read as others once they are encoded as an array that is there.

    Raises
    ------
    WriteError
    """
    if hasattr(variable._data, "dask") or not variable.size:
        return
    attributes = {
        k: v for k, v in from_zarr_attributes(stored.attributes, stored.dtype).items() if k != "coordinates"
    }
    like = _decoded(xr.Variable(variable.dims, np.zeros((1,) * variable.ndim, stored.dtype), attributes))
    ours, theirs = (v.attrs.get("units") for v in (variable, like))
    if None not in (ours, theirs) and ours != theirs:
        raise WriteError(
            f"{path!r} is stored in {theirs!r}; found {ours!r}: the numbers would be read in units that are not theirs. "
            f"Convert them, and set the attribute units to {theirs!r}."
        )
    calendars = [_calendar(v) for v in (like, variable)]
    if None not in calendars and calendars[0] != calendars[1]:
        raise WriteError(
            f"{path!r} holds dates of the {calendars[0]} calendar; found dates of the {calendars[1]} calendar, which are no part "
            f"of one time axis. Convert them: ds.convert_calendar({calendars[0]!r})"
        )
    encoded = _encoded(variable, like.encoding)
    written = None if encoded is None else _cast(encoded.values, stored.dtype)
    decoded = None if written is None else _values(xr.Variable(variable.dims, written, attributes))
    if decoded is None:
        raise WriteError(
            _unfit(path, variable, stored, attributes, f"{_shown(variable.values.flat[0])} cannot be said so")
        )
    wrong = ~_alike(variable.values, decoded, attributes)
    if wrong.any():
        index = tuple(int(i) for i in np.argwhere(wrong)[0])
        found, read = map(_shown, (variable.values[index], decoded[index]))
        change = f"{found} would read as {read}"
        raise WriteError(_unfit(path, variable, stored, attributes, change))


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f"'{value}'"
    return repr(value.item()) if isinstance(value, np.floating) else str(value).removesuffix(".000000000")


def _unfit(
    path: str, variable: xr.Variable, stored: ArrayMetadata, attributes: Mapping[str, Any], change: str
) -> str:
    said = {key: attributes[key] for key in MEANING_ATTRIBUTES if key in attributes}
    how = f" with {', '.join(f'{key} {value!r}' for key, value in said.items())}" if said else ""
    name = path.rpartition("/")[2]
    advice = (
        f"ds[{name!r}].encoding = {{'units': 'seconds since ...', 'dtype': 'int64'}}"
        if "since" in str(attributes.get("units"))
        else f"ds[{name!r}].encoding = {{}}"
    )
    return (
        f"{path!r} is stored as {stored.data_type}{how}, which cannot hold all of the {variable.dtype} values that would be "
        f"added: {change}. Write the group anew in an encoding that holds both: {advice} before to_icechunk(..., mode='w')."
    )


def _calendar(dates: xr.Variable) -> str | None:
    """The calendar of decoded dates, by one name each; None of other values."""
    if dates.dtype.kind == "M":
        return "proleptic_gregorian"
    if not _holds_dates(dates):
        return None
    name = str(dates.values.flat[0].calendar)
    # Dates before 1582, where these differ, are compared as values.
    return "proleptic_gregorian" if name in ("standard", "gregorian") else name


def _may_change(variable: xr.Variable) -> bool:
    """Whether storing the variable takes more than copying its bytes."""
    if (
        hasattr(variable._data, "dask")
        or not variable.size
        or (variable.dtype.kind in "OSUT" and not _holds_dates(variable))
    ):
        return False
    encoding = variable.encoding
    return (
        variable.dtype.kind in "mMO"
        or any(encoding.get(key) is not None for key in ENCODING_ATTRIBUTES)
        or np.dtype(encoding.get("dtype") or variable.dtype) != variable.dtype
    )


def _holds_dates(variable: xr.Variable) -> bool:
    return variable.dtype.kind == "O" and variable.size > 0 and hasattr(variable.values.flat[0], "calendar")


def _encoded(variable: xr.Variable, encoding: Mapping[Any, Any]) -> xr.Variable | None:
    """The variable as xarray stores it; None if it cannot."""
    copy = xr.Variable(variable.dims, variable.values, variable.attrs, encoding)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return xr.conventions.encode_cf_variable(copy)
        except (KeyError, ValueError, TypeError, OverflowError):
            return None


def _decoded(stored: xr.Variable) -> xr.Variable:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return xr.conventions.decode_cf_variable("", stored).load()


def _cast(values: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any] | None:
    """Values as they are put into an array of some type; None if they cannot."""
    with np.errstate(all="ignore"):
        try:
            return values.astype(dtype)
        except (ValueError, TypeError, OverflowError):
            return None


def _values(stored: xr.Variable) -> npt.NDArray[Any] | None:
    """What stored values decode to; None if they cannot be decoded."""
    try:
        return np.asarray(_decoded(stored).values)
    except (ValueError, OverflowError):
        return None


def _decodes_to(stored: xr.Variable, variable: xr.Variable) -> bool:
    decoded = _values(stored)
    return decoded is not None and bool(_alike(variable.values, decoded, stored.attrs).all())


def _alike(
    ours: npt.NDArray[Any], decoded: npt.NDArray[Any], attributes: Mapping[Any, Any]
) -> npt.NDArray[np.bool_]:
    """Which values came back: dates, whole numbers and text as they were, others up to the rounding of their own type."""
    kinds = ours.dtype.kind + decoded.dtype.kind
    if kinds in ("MM", "mm"):
        return np.asarray((ours == decoded) | (np.isnat(ours) & np.isnat(decoded)))
    if set(kinds) <= set("biufc"):
        with np.errstate(invalid="ignore", over="ignore"):
            alike = (ours == decoded) | ((ours != ours) & (decoded != decoded))
            if ours.dtype.kind in "fc":
                finite = np.isfinite(ours) & np.isfinite(decoded)
                size = np.abs(ours) + abs(packing_of(attributes).add_offset)
                near = np.abs(ours - decoded) <= ROUNDINGS * np.finfo(ours.dtype).eps * size
                alike |= finite & near
        return np.asarray(alike, dtype=bool)
    if "O" in kinds and set(kinds) & set("mMbiufc"):
        return np.zeros(ours.shape, dtype=bool)
    pairs = zip(ours.astype(object).flat, decoded.astype(object).flat, strict=True)
    alike = np.array([_same(a, b) for a, b in pairs], dtype=bool)
    return alike.reshape(ours.shape)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, bytes) and isinstance(b, bytes):
        return a.rstrip(b"\0") == b.rstrip(b"\0")
    return type(a) is type(b) and bool(a == b or (a != a and b != b))
