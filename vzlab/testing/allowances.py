"""Tell from a difference what Zarr metadata cannot say: arithmetic of float32, and text that is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.cf import packing_of
from vzlab.testing.difference import comparable


def is_wider_arithmetic(
    ours: npt.NDArray[Any], theirs: npt.NDArray[Any], attributes: Mapping[str, Any]
) -> bool:
    """Whether packed values were decoded in float64 here and in float32 natively.

    xarray computes in the type of ``scale_factor`` and ``add_offset``. Those of a netCDF file may be float32; the JSON of
    Zarr metadata has one kind of number, which is read as float64.
    """
    packed = "scale_factor" in attributes or "add_offset" in attributes
    return packed and ours.dtype == np.float64 and theirs.dtype == np.float32


def without_rounding(
    ours: npt.NDArray[Any], theirs: npt.NDArray[Any], attributes: Mapping[str, Any]
) -> npt.NDArray[np.float32]:
    """Our values in float32: the native one wherever the two differ by no more than float32 arithmetic rounds.

    ``stored * scale_factor`` and the addition of ``add_offset`` each round by half a unit in the last place, of the product
    and of the sum (IEEE 754); with the conversion of the attributes that is within one unit of either.
    """
    offset = packing_of(attributes).add_offset
    with np.errstate(invalid="ignore", over="ignore"):
        bound = np.finfo(np.float32).eps * (np.abs(theirs) + np.abs(theirs.astype(np.float64) - offset))
        alike = np.abs(ours - theirs) <= bound
        return np.where(alike, theirs, ours.astype(np.float32))


def is_unmasked_text(ours: npt.NDArray[Any], theirs: npt.NDArray[Any], attributes: Mapping[str, Any]) -> bool:
    """Whether text was masked natively and could not be here: xarray's Zarr backend decodes no ``_FillValue`` of bytes."""
    return "_FillValue" in attributes and ours.dtype.kind == "S" and theirs.dtype.kind == "O"


def with_masked_text(ours: npt.NDArray[Any], attributes: Mapping[str, Any]) -> npt.NDArray[Any]:
    """Our text with NaN for what ``_FillValue`` says is missing, as xarray masks it natively."""
    values = comparable(ours)
    (fill,) = comparable(np.array([attributes["_FillValue"]]))
    values[values == fill] = np.nan
    return values
