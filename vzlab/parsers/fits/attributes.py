"""Header cards as attributes: WCS and whatever else is not about the layout of the data."""

from __future__ import annotations

import math
import re
import warnings
from typing import Any

from vzlab.parsers.fits.headers import value_of
from vzlab.parsers.fits.library import fits

_LAYOUT = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|GROUPS|END|EXTNAME|BSCALE|BZERO|BLANK|TFIELDS|THEAP|CHECKSUM|DATASUM"
    r"|T(TYPE|FORM|UNIT|SCAL|ZERO|NULL|DIM|BCOL)\d+"
    r"|Z(IMAGE|CMPTYPE|BITPIX|NAXIS\d*|TILE\d+|NAME\d+|VAL\d+|QUANTIZ|DITHER0|BLANK|SIMPLE|EXTEND|TENSION|PCOUNT|GCOUNT)"
)
"""Keywords that say how data are laid out, or that become CF attributes."""

_TEXTS = ("COMMENT", "HISTORY")


def read_attributes(header: Any) -> dict[str, Any]:
    """Values by keyword, commentary as one text; cards that cannot be read are left out."""
    attributes: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for keyword in dict.fromkeys(header.keys()):
            if not keyword or _LAYOUT.fullmatch(keyword):
                continue
            try:
                value = "\n".join(map(str, header[keyword])) if keyword in _TEXTS else header[keyword]
            except (ValueError, KeyError, fits.VerifyError):
                continue
            if isinstance(value, bool | int | float | str):
                attributes[keyword] = value
            elif isinstance(value, complex):
                attributes[keyword] = [value.real, value.imag]
    return attributes


def packing(header: Any, *, bitpix: int, scale: str, zero: str, blank: str) -> tuple[dict[str, Any], bool]:
    """CF attributes of scaled integers and floats, and whether the data are offset integers (FITS 4.0, 4.4.2.5 and 5.2.5).

    Parameters
    ----------
    bitpix : int
        As BITPIX has it: 8 is unsigned, negative is floating point.
    scale, zero, blank : str
        Keywords, such as BSCALE, BZERO, BLANK or TSCAL3, TZERO3, TNULL3.
    """
    factor, offset, missing = (_number(value_of(header, keyword)) for keyword in (scale, zero, blank))
    attributes: dict[str, Any] = {}
    shift = -128 if bitpix == 8 else 1 << (bitpix - 1) if bitpix > 0 else None
    is_offset = factor in (None, 1) and offset is not None and offset == shift
    if isinstance(missing, int) and bitpix > 0:
        lowest, highest = (0, 255) if bitpix == 8 else (-(1 << (bitpix - 1)), (1 << (bitpix - 1)) - 1)
        if lowest <= missing <= highest:
            attributes["_FillValue"] = missing + int(offset) if is_offset and offset is not None else missing
    if not is_offset:
        if factor not in (None, 1):
            attributes["scale_factor"] = factor
        if offset not in (None, 0):
            attributes["add_offset"] = offset
    return attributes, is_offset


def _number(value: Any) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value
