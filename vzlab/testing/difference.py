"""Where two arrays differ, bit for bit; reads nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

_BITS = {2: np.uint16, 4: np.uint32, 8: np.uint64}
_MAX_SHOWN = 60


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What comparing two arrays of one shape found."""

    n_elements: int
    n_differing: int
    """Elements whose values differ; NaN of any payload equals NaN, and zero of any sign equals zero."""
    n_masked: int = 0
    """Of these, elements that are NaN (or NaT) on one side only."""
    n_nan_payloads: int = 0
    """Elements that are NaN on both sides with different bits."""
    n_signed_zeros: int = 0
    """Elements that are zero on both sides with different signs."""
    n_within: int = 0
    """Elements whose values differ by no more than the tolerance."""
    index: tuple[int, ...] | None = None
    """Position of the first differing element."""
    virtual_value: str = ""
    native_value: str = ""


def compare_arrays(
    virtual: npt.NDArray[Any], native: npt.NDArray[Any], *, tolerance: float = 0.0
) -> Difference:
    """Compare two arrays element by element.

    Values of one data type are compared by their bits, numbers of two types in the type that holds both exactly, text as
    text without trailing NULs, records field by field, times as instants.

    Parameters
    ----------
    tolerance : float
        By how much numbers may differ, in the arrays' own units; a missing value equals nothing but another one.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if virtual.shape != native.shape:
        raise ValueError(f"Found arrays of shapes {virtual.shape} and {native.shape}; expected one shape")
    a, b = comparable(virtual), comparable(native)
    if a.dtype.names is not None and a.dtype.names == b.dtype.names:
        return _compare_records(a, b)
    if a.dtype != b.dtype:
        a, b = _in_one_type(a, b)
    if a.dtype == b.dtype and not a.dtype.hasobject and _same_bytes(a, b):
        return Difference(n_elements=a.size, n_differing=0)
    differs, masked, payloads, zeros = _masks(a, b)
    n_within = 0
    if tolerance and a.dtype.kind in "iufc" and b.dtype.kind in "iufc":
        within = differs & (np.abs(a.astype(np.clongdouble) - b.astype(np.clongdouble)) <= tolerance)
        n_within = int(np.count_nonzero(within))
        differs &= ~within
    return replace(_found(differs, virtual, native, masked, payloads, zeros), n_within=n_within)


def comparable(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The values in native byte order, text as objects of type str."""
    if values.dtype.kind in "OSUT":
        return _as_text(values)
    if not values.dtype.isnative:
        return values.astype(values.dtype.newbyteorder("="))
    return values


def _as_text(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    out = np.empty(values.shape, dtype=object)
    flat = out.reshape(-1)
    for i, item in enumerate(values.reshape(-1).tolist()):
        flat[i] = _text(item)
    return out


def _text(item: Any) -> Any:
    if isinstance(item, bytes):
        return item.rstrip(b"\0").decode("utf-8", "surrogateescape")
    return item.rstrip("\0") if isinstance(item, str) else item


def _in_one_type(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Both in a type that holds the values of either exactly, where there is one."""
    kinds = {a.dtype.kind, b.dtype.kind}
    if kinds <= set("biufc"):
        if any(
            x.dtype.kind in "iu" and x.dtype.itemsize == 8 for x in (a, b)
        ):  # more digits than a double has
            return a.astype(object), b.astype(object)
        common = np.result_type(a.dtype, b.dtype)
        return a.astype(common), b.astype(common)
    if kinds in ({"M"}, {"m"}):
        common = np.promote_types(a.dtype, b.dtype)
        return a.astype(common), b.astype(common)
    return a.astype(object), b.astype(object)


def _same_bytes(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> bool:
    left, right = (np.ascontiguousarray(x).reshape(-1).view(np.uint8) for x in (a, b))
    if len(left) % 8 == 0:  # eight at a time, with an eighth of the memory
        left, right = left.view(np.uint64), right.view(np.uint64)
    return bool(np.array_equal(left, right))


def _masks(
    a: npt.NDArray[Any], b: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_] | None, int, int]:
    """Where values differ, where one side only is missing, and how many NaN payloads and signed zeros differ."""
    kind = a.dtype.kind
    if kind == "O":
        return _object_differs(a, b), None, 0, 0
    if kind in "Mm":
        missing_a, missing_b = np.isnat(a), np.isnat(b)
        masked = missing_a ^ missing_b
        return ((a != b) & ~(missing_a & missing_b)) | masked, masked, 0, 0
    if kind in "fc":
        missing_a, missing_b = np.isnan(a), np.isnan(b)
        both = missing_a & missing_b
        masked = missing_a ^ missing_b
        differs = (a != b) & ~both
        bits = _bits_differ(a, b)
        return differs, masked, int((bits & both).sum()), int((bits & (a == 0) & (b == 0)).sum())
    if kind == "V":
        width = a.dtype.itemsize
        left, right = (np.ascontiguousarray(x).reshape(-1).view(np.uint8).reshape(-1, width) for x in (a, b))
        return (left != right).any(axis=1).reshape(a.shape), None, 0, 0
    return np.asarray(a != b), None, 0, 0


def _bits_differ(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    itemsize = a.dtype.itemsize if a.dtype.kind == "f" else a.dtype.itemsize // 2
    if itemsize not in _BITS:  # long double has padding, whose bits mean nothing
        return np.zeros(a.shape, bool)
    left, right = (np.ascontiguousarray(x).reshape(-1).view(_BITS[itemsize]) for x in (a, b))
    differ = left != right
    if a.dtype.kind == "c":
        differ = differ.reshape(-1, 2).any(axis=1)
    return np.asarray(differ.reshape(a.shape))


def _object_differs(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    differs = np.zeros(a.size, bool)
    for i, (x, y) in enumerate(zip(a.reshape(-1), b.reshape(-1), strict=True)):
        differs[i] = not _same_object(x, y)
    return differs.reshape(a.shape)


def _same_object(x: Any, y: Any) -> bool:
    if isinstance(x, np.ndarray) or isinstance(y, np.ndarray):
        return bool(np.array_equal(np.asarray(x), np.asarray(y)))
    missing = (x is None or x != x, y is None or y != y)
    try:
        return missing == (True, True) or bool(missing == (False, False) and x == y)
    except TypeError:  # instants of two calendars
        return False


def _compare_records(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> Difference:
    differs = np.zeros(a.shape, bool)
    payloads = zeros = 0
    for name in a.dtype.names or ():
        left, right = comparable(a[name]), comparable(b[name])
        if left.dtype.names is not None and left.dtype.names == right.dtype.names:
            inner = _compare_records(left, right)
            payloads, zeros = payloads + inner.n_nan_payloads, zeros + inner.n_signed_zeros
            field_differs = np.array(
                [_record_differs(x, y) for x, y in zip(left.flat, right.flat, strict=True)]
            )
            field_differs = field_differs.reshape(left.shape)
        elif left.shape != right.shape:
            return _found(np.ones(a.shape, bool), a, b, None, 0, 0)
        else:
            if left.dtype != right.dtype:
                left, right = _in_one_type(left, right)
            field_differs, _, p, z = _masks(left, right)
            payloads, zeros = payloads + p, zeros + z
        extra = tuple(range(a.ndim, field_differs.ndim))
        differs |= field_differs.any(axis=extra) if extra else field_differs
    return _found(differs, a, b, None, payloads, zeros)


def _record_differs(x: Any, y: Any) -> bool:
    return _compare_records(np.asarray(x), np.asarray(y)).n_differing > 0


def _found(
    differs: npt.NDArray[np.bool_],
    virtual: npt.NDArray[Any],
    native: npt.NDArray[Any],
    masked: npt.NDArray[np.bool_] | None,
    payloads: int,
    zeros: int,
) -> Difference:
    n = int(np.count_nonzero(differs))
    at = tuple(int(i) for i in np.unravel_index(int(np.argmax(differs)), differs.shape)) if n else None
    return Difference(
        n_elements=differs.size,
        n_differing=n,
        n_masked=0 if masked is None else int(np.count_nonzero(masked & differs)),
        n_nan_payloads=payloads,
        n_signed_zeros=zeros,
        index=at,
        virtual_value="" if at is None else show_value(virtual[at]),
        native_value="" if at is None else show_value(native[at]),
    )


def show_value(value: Any) -> str:
    """One value for a reader's eyes, numbers with all their digits."""
    if isinstance(value, np.datetime64 | np.timedelta64):
        return str(value)
    if isinstance(value, np.generic):
        value = value.item()
    text = repr(value) if isinstance(value, str | bytes | float | complex) else str(value)
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"
