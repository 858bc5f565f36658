"""Stored numbers of one packing as stored numbers of another, and whether anything is lost on the way."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from vzlab.cf import TIME_ATTRIBUTES, Packing, packing_of
from vzlab.errors import IncompatibleArraysError

type Values = npt.NDArray[Any]

_CALENDARS = {"gregorian": "standard"}


@dataclass(frozen=True, kw_only=True)
class Repacking:
    """From the packing, missing values, units and data type of one variable to those of another."""

    name: str
    """What to call the variable and its file in errors."""
    source: Mapping[str, Any]
    """Attributes of the variable as it is stored."""
    target: Mapping[str, Any]
    """Attributes that the result is to have."""
    dtype: np.dtype[Any]
    """Data type that the result is to have."""
    may_round: bool
    """Whether numbers may be rounded to what the target can say."""

    def apply(self, stored: Values) -> Values:
        """Stored numbers by the source's packing as those by the target's.

        Raises
        ------
        IncompatibleArraysError
            If a number would be rounded, masked or cut off, or a missing one has no number to stand for it.
        """
        if self._units_differ():
            stored = self._in_target_units(stored)
        if stored.dtype.kind not in "iufb" or self.dtype.kind not in "iufb":
            if stored.dtype != self.dtype:
                self._refuse(f"{stored.dtype} has no exact form as {self.dtype}", "Load the variable.")
            return stored
        old, new = packing_of(self.source), packing_of(self.target)
        missing = _is_missing(stored, old)
        same = _same_scale(old, new)
        result = self._cast(stored, missing) if same else self._rescale(stored, missing, old, new)
        self._check_meaning(stored, result, missing, new)
        if missing.any():
            result[missing] = self._missing_number(new)
        return result

    def _cast(self, stored: Values, missing: npt.NDArray[np.bool_]) -> Values:
        with np.errstate(invalid="ignore", over="ignore"):
            result = stored.astype(self.dtype)
            back = result.astype(stored.dtype)
        changed = ~missing & (back != stored) & ~((back != back) & (stored != stored))
        integers = self.dtype.kind in "iu"
        # A number out of the type's range does not come back as itself; nor does a NaN as an integer.
        if changed.any():
            at = tuple(np.argwhere(changed)[0])
            if integers and not self._fits(stored[at]):
                self._refuse(f"{stored[at]} does not fit in {self.dtype}", "Load the variable.")
            self._lost(stored[at], result[at])
        return result

    def _rescale(self, stored: Values, missing: npt.NDArray[np.bool_], old: Packing, new: Packing) -> Values:
        values = _decode(stored, old)
        exact = (values - new.add_offset) / new.scale_factor
        exact[missing] = 0
        if self.dtype.kind in "iu":
            bits = self.dtype if not new.unsigned else np.dtype(f"u{self.dtype.itemsize}")
            rounded = np.rint(exact, out=exact)
            limits = np.iinfo(bits)
            outside = ~missing & ~((rounded >= limits.min) & (rounded <= limits.max))
            if outside.any():
                at = tuple(np.argwhere(outside)[0])
                self._refuse(
                    f"its {values[at]:.6g} cannot be stored as {self.dtype} with scale_factor {new.scale_factor:g} and "
                    f"add_offset {new.add_offset:g}",
                    "Load the variable.",
                )
            result = rounded.astype(bits).view(self.dtype)
        else:
            result = exact.astype(self.dtype)
        del exact  # as large as all that is left: what is held at once is what blocks are cut by
        moved = _decode(result, new) - values
        lost = ~missing & (np.abs(moved, out=moved) > self._tolerance(stored, values, new))
        if lost.any():
            at = tuple(np.argwhere(lost)[0])
            self._lost(values[at], _decode(result[at], new))
        return result

    def _tolerance(self, stored: Values, values: Values, new: Packing) -> Values:
        """How far a number may move without being another: the rounding of the arithmetic and of its own data type."""
        size = np.abs(values)
        np.maximum(size, max(abs(new.add_offset), abs(new.scale_factor)), out=size)
        eps = float(np.finfo(np.float64).eps) * 8
        for dtype in (stored.dtype, self.dtype):
            if dtype.kind == "f":
                eps = max(eps, float(np.finfo(dtype).eps))
        size *= eps
        return size

    def _check_meaning(
        self, stored: Values, result: Values, missing: npt.NDArray[np.bool_], new: Packing
    ) -> None:
        masked = ~missing & _is_missing(result, new)
        if stored.dtype.kind == "f":
            masked &= ~np.isnan(stored)  # NaN means missing whatever the attributes say
        if masked.any():
            at = tuple(np.argwhere(masked)[0])
            self._refuse(
                f"its {stored[at]} would be stored as {result[at]}, which means missing in the other files",
                "Load the variable.",
            )

    def _missing_number(self, new: Packing) -> Any:
        if new.missing:
            return np.asarray(new.missing[0]).astype(self.dtype)
        if self.dtype.kind == "f":
            return math.nan
        return self._refuse(
            f"it has missing values, and the other files have no number of {self.dtype} that means missing",
            "Load the variable.",
        )

    def _fits(self, number: Any) -> bool:
        limits = np.iinfo(self.dtype)
        return bool(limits.min <= number <= limits.max)

    def _units_differ(self) -> bool:
        return any(_units(self.source).get(key) != _units(self.target).get(key) for key in TIME_ATTRIBUTES)

    def _in_target_units(self, stored: Values) -> Values:
        """Stored times counted from another date."""
        source, target = _units(self.source), _units(self.target)
        if not all(" since " in str(units.get("units", "")) for units in (source, target)):
            self._refuse(
                f"its units are {source.get('units')!r}, those of the other files {target.get('units')!r}",
                "Convert the values with preprocess=, on the loaded variable.",
            )
        if source.get("calendar", "standard") != target.get("calendar", "standard"):
            self._refuse(
                f"its calendar is {source.get('calendar', 'standard')!r}, that of the other files "
                f"{target.get('calendar', 'standard')!r}: not every date is in both",
                "Convert it with Dataset.convert_calendar, on the loaded variable.",
            )
        dims = tuple(f"d{axis}" for axis in range(stored.ndim))
        times = xr.conventions.decode_cf_variable("time", xr.Variable(dims, stored, source))
        counted = xr.conventions.encode_cf_variable(
            xr.Variable(dims, times.values, encoding={**target, "dtype": np.dtype("f8")})
        )
        return np.asarray(
            counted.values, dtype=np.float64 if self.dtype.kind == "f" else self._whole(counted.values)
        )

    def _whole(self, counted: Values) -> np.dtype[Any]:
        if not np.array_equal(counted, np.rint(counted)):
            self._lost(counted[counted != np.rint(counted)].flat[0], "a whole number")
        return np.dtype(np.int64)

    def _lost(self, before: Any, after: Any) -> None:
        if not self.may_round:
            self._refuse(
                f"its {before} would become {after}",
                'Allow it with allow=["precision"], or load the variable (on_mismatch="load").',
            )

    def _refuse(self, what: str, advice: str) -> Any:
        raise IncompatibleArraysError(
            f"{self.name} cannot be encoded as in the other files: {what}. {advice}"
        )


def _units(attributes: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: attributes[key] for key in TIME_ATTRIBUTES if key in attributes}
    if "calendar" in found:
        found["calendar"] = _CALENDARS.get(str(found["calendar"]).lower(), str(found["calendar"]).lower())
    return found


def _same_scale(a: Packing, b: Packing) -> bool:
    return (a.scale_factor, a.add_offset, a.unsigned) == (b.scale_factor, b.add_offset, b.unsigned)


def _is_missing(stored: Values, packing: Packing) -> npt.NDArray[np.bool_]:
    missing = np.zeros(stored.shape, dtype=bool)
    for number in packing.missing:
        missing |= np.isnan(stored) if number != number and stored.dtype.kind == "f" else stored == number
    if stored.dtype.kind == "f":
        missing |= np.isnan(stored)
    return missing


def _decode(stored: Values, packing: Packing) -> npt.NDArray[np.float64]:
    bits = (
        stored.view(f"u{stored.dtype.itemsize}") if packing.unsigned and stored.dtype.kind == "i" else stored
    )
    values = bits.astype(np.float64)
    values *= packing.scale_factor
    values += packing.add_offset
    return values
