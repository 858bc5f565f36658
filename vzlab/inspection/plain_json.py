"""Any value of the instruments as what ``json.dumps(..., allow_nan=False)`` takes, without loss of digits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def to_json(value: Any) -> Any:
    """Give dataclasses as objects, bytes in hexadecimal, and what JSON has no word for as text.

    Fields that are not shown (``repr=False``) are not told: they are what something is worked out from.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value) if field.repr}
    if isinstance(value, np.datetime64):
        return str(value)
    if isinstance(value, np.ndarray | np.generic):
        return to_json(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, complex):
        return [to_json(value.real), to_json(value.imag)]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
