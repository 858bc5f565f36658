"""Say in words why values differ, by trying what usually goes wrong."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.cf import MISSING_ATTRIBUTES, PACKING_ATTRIBUTES, TIME_ATTRIBUTES
from vzlab.testing.difference import Difference, compare_arrays, show_value

MISSING_AS_FILL = "missing read as fill: the reference to this chunk is lost"
BYTE_ORDER = "byte order: the same bytes the other way round"
CORRUPTION = "a few values of the chunk differ: bytes were changed where the reference points to"

type Neighbour = Callable[[tuple[int, ...]], npt.NDArray[Any] | None]
"""Reads native values of the same extent, some whole chunks away; None outside the array."""


def why_stored_differ(
    virtual: npt.NDArray[Any],
    native: npt.NDArray[Any],
    difference: Difference,
    *,
    fill: Any,
    is_missing: bool,
    neighbour: Neighbour | None,
) -> str:
    """The likely cause of a difference in stored values."""
    if is_missing or (_is_all(virtual, fill) and difference.n_differing > 1):
        return MISSING_AS_FILL
    if _is_swapped(virtual, native):
        return BYTE_ORDER
    if neighbour is not None and (step := _find_neighbour(virtual, neighbour)) is not None:
        return f"shifted chunk: these are the native values {_away(step)}"
    if _same_bytes_in_other_order(virtual, native):
        return "codec: the same bytes in another order, as after a shuffle that was not undone"
    if difference.n_differing * 10 <= difference.n_elements:
        return CORRUPTION
    return "the bytes of another chunk or file, or a codec that decodes differently"


def _is_all(values: npt.NDArray[Any], fill: Any) -> bool:
    if fill is None or values.dtype.hasobject or values.dtype.names is not None or values.size == 0:
        return False
    wanted = np.full(values.shape, fill, dtype=values.dtype)
    return compare_arrays(values, wanted).n_differing == 0


def _is_swapped(virtual: npt.NDArray[Any], native: npt.NDArray[Any]) -> bool:
    if (
        virtual.dtype.kind not in "iufc"
        or virtual.dtype.itemsize == 1
        or virtual.dtype.kind != native.dtype.kind
    ):
        return False
    return compare_arrays(virtual.byteswap(), native).n_differing == 0


def _find_neighbour(virtual: npt.NDArray[Any], neighbour: Neighbour) -> tuple[int, ...] | None:
    if virtual.size < 2:
        return None
    for distance, axis in itertools.product((1, -1, 2, -2), range(virtual.ndim)):
        step = tuple(distance if i == axis else 0 for i in range(virtual.ndim))
        other = neighbour(step)
        if (
            other is not None
            and other.shape == virtual.shape
            and compare_arrays(virtual, other).n_differing == 0
        ):
            return step
    return None


def _away(step: tuple[int, ...]) -> str:
    axis = next(i for i, n in enumerate(step) if n)
    n = abs(step[axis])
    return f"{n} chunk{'s' * (n != 1)} {'further on' if step[axis] > 0 else 'before'} along dimension {axis}"


def _same_bytes_in_other_order(virtual: npt.NDArray[Any], native: npt.NDArray[Any]) -> bool:
    if (
        virtual.dtype.hasobject
        or virtual.dtype != native.dtype
        or virtual.dtype.itemsize == 1
        or virtual.size < 4
    ):
        return False
    left, right = (
        np.bincount(np.ascontiguousarray(x).reshape(-1).view(np.uint8), minlength=256)
        for x in (virtual, native)
    )
    return bool(np.array_equal(left, right))


def why_decoded_differ(
    difference: Difference, ours: Mapping[str, Any], theirs: Mapping[str, Any], *, stored_differ: bool | None
) -> str:
    """The likely cause of a difference in decoded values.

    Parameters
    ----------
    ours, theirs : mapping
        Attributes of the virtual variable and of the variable in the native file.
    stored_differ : bool or None
        Whether stored values differ there too; None if they were not compared.
    """
    if stored_differ:
        return "the stored values differ already"
    packing = [
        name
        for name in (*PACKING_ATTRIBUTES, *TIME_ATTRIBUTES)
        if not _agree(ours.get(name), theirs.get(name))
    ]
    missing = [name for name in MISSING_ATTRIBUTES if not _agree(ours.get(name), theirs.get(name))]
    if difference.n_masked == difference.n_differing and missing:
        return f"lost mask: {_pairs(missing, ours, theirs)}"
    if packing:
        kind = "scale" if set(packing) & set(PACKING_ATTRIBUTES) else "time units"
        return f"{kind} of another file: {_pairs(packing, ours, theirs)}"
    if missing:
        return f"lost mask: {_pairs(missing, ours, theirs)}"
    if difference.n_masked == difference.n_differing:
        return "missing values are masked on one side only, though attributes agree"
    return ""


def _agree(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    try:
        return bool(
            np.array_equal(np.ravel(np.asarray(_plain(a))), np.ravel(np.asarray(_plain(b))))
            or (a != a and b != b)
        )
    except (TypeError, ValueError):
        return False


def _plain(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _pairs(names: list[str], ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{name} is {_show(theirs.get(name))} in the file and {_show(ours.get(name))} in the virtual dataset"
        for name in names
    )


def _show(value: Any) -> str:
    if value is None:
        return "absent"
    flat = np.ravel(np.asarray(_plain(value)))
    return show_value(flat[0]) if flat.size == 1 else show_value(str(flat.tolist()))
