"""Say numbers, sizes, shapes and values in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


def format_bytes(n_bytes: float) -> str:
    """Say a size in decimal units with three digits or so: ``401.8 MB``."""
    size = float(n_bytes)
    for unit in _UNITS:
        if abs(size) < 999.95 or unit == _UNITS[-1]:
            if unit == "B":
                return f"{size:.0f} B" if size == int(size) else f"{size:.1f} B"
            return f"{size:.1f} {unit}".replace(".0 ", " ")
        size /= 1000
    raise AssertionError("the last unit returns")


def format_count(count: int, noun: str, plural: str | None = None) -> str:
    """Say a number of things: ``1 chunk``, ``20,090 chunks``."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def format_percent(fraction: float) -> str:
    """Say a fraction in percent, never as 0 or 100 if it is not."""
    percent = 100 * fraction
    if 0 < percent < 0.1:
        return "under 0.1 %"
    if percent < 10 and abs(percent - round(percent)) >= 0.05:
        return f"{percent:.1f} %"
    if 99.5 <= percent < 100:
        return f"{math.floor(percent * 10) / 10:.1f} %"
    return f"{percent:.0f} %"


def format_ratio(stored_bytes: float, raw_bytes: float) -> str:
    """Say what compression made of raw bytes: ``2.2 times smaller``."""
    if not raw_bytes or not stored_bytes:
        return ""
    factor = raw_bytes / stored_bytes
    if 0.995 <= factor <= 1.005:
        return "not compressed"
    if factor > 1:
        return f"{factor:.3g} times smaller"
    return f"{1 / factor:.3g} times larger"


def format_shape(shape: Sequence[int]) -> str:
    """Say a shape: ``31 × 1800 × 3600``; a scalar's is ``scalar``."""
    return " × ".join(f"{n}" for n in shape) if shape else "scalar"


def format_dims(dims: Sequence[str | None], shape: Sequence[int]) -> str:
    """Say named dimensions with their lengths: ``time 31, lat 1800``."""
    if not shape:
        return "scalar"
    return ", ".join(f"{dim} {n}" if dim else f"{n}" for dim, n in zip(dims, shape, strict=True))


def format_list(items: Iterable[str], *, most: int = 6) -> str:
    """Say names one after another, with how many are left out beyond `most`."""
    names = list(items)
    if len(names) > most:
        return f"{', '.join(names[: most - 1])} and {len(names) - most + 1:,} more"
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def format_value(value: Any, dtype: np.dtype[Any] | None = None) -> str:
    """Say a value as short as its data type can tell it apart.

    Parameters
    ----------
    value
        A number, text, bytes, or a sequence of them.
    dtype : numpy.dtype, optional
        Of the variable that the value belongs to: a float32's 0.1 is not 0.10000000149011612.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        if len(value) == 1:
            return format_value(value[0], dtype)
        return "[" + ", ".join(format_value(item, dtype) for item in value) + "]"
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int | float) and dtype is not None and dtype.kind == "f" and dtype.itemsize < 8:
        # Some values, such as 1e40, have no place in a float32: they stay as they are.
        with np.errstate(over="ignore"):
            narrow = dtype.type(value)
        if np.isfinite(narrow) or not math.isfinite(value):
            return _trimmed(str(narrow))
    if isinstance(value, float):
        return _trimmed(repr(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace").rstrip("\0") or '""'
    if isinstance(value, str):
        return value or '""'
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {format_value(item)}" for key, item in value.items()) + "}"
    return str(value)


def _trimmed(number: str) -> str:
    """Leave out what says nothing: ``1.0`` is ``1``."""
    if number.lstrip("-") in ("nan", "inf"):
        return {"nan": "NaN", "-nan": "NaN", "inf": "infinity", "-inf": "-infinity"}[number]
    return number.removesuffix(".0").replace("e+", "e")


def shorten(text: str, length: int) -> str:
    """Cut text to a length, saying so with an ellipsis."""
    return text if len(text) <= length else text[: max(length - 1, 0)] + "…"


def sentence_end(text: str) -> str:
    """End with a full stop unless something ends it already."""
    text = text.rstrip()
    return text if not text or text.endswith((".", "!", "?", "…")) else text + "."
