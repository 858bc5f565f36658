"""L1: every value of the coordinates, against every native file."""

from __future__ import annotations

import math

from vzlab.errors import first_line
from vzlab.telling import told_of
from vzlab.testing.comparison import Finding
from vzlab.testing.regions import cut, shape_of
from vzlab.testing.values import Comparer
from vzlab.testing.virtual_side import VirtualVariable

_COPIES = 8
"""Arrays of the size of a region that are held at once: both sides, their masks, what decoding makes."""


def check_coordinate(comparer: Comparer, variable: VirtualVariable) -> None:
    """Compare all values of a coordinate with every native file."""
    path = variable.path
    holders = comparer.native.holders(path)
    files = [""] if comparer.arrangement.is_joined(path) else holders
    decoded = not variable.has_stored_values or _decodes(comparer, path, holders[0])
    n_elements = comparer.memory_limit // (_COPIES * max(variable.dtype.itemsize, 8))
    regions = list(cut(variable.grid, n_elements))
    checked = total = 0
    for region in regions:
        n = math.prod(shape_of(region))
        total += n * len(files)
        for file in told_of(f"L1 {path}", files):
            checked += n * comparer.compare_region("L1", variable, region, None, file, decoded=decoded)
    comparer.record.cover("L1", checked, total, "elements")
    for axis in range(len(variable.shape)):
        joined = comparer.arrangement.axis(path, axis)
        if joined is not None and joined.reordered and joined.by == path:
            comparer.record.find(
                Finding(
                    level="L1",
                    variable=path,
                    message="order: the virtual coordinate has the native values in another order",
                    cause="files were combined in another order than their coordinate's",
                )
            )


def _decodes(comparer: Comparer, path: str, file: str) -> bool:
    """Whether xarray opens a variable on both sides; some HDF5 has a structure that it refuses."""
    # Of no element at all, times of some calendars cannot be decoded.
    first = tuple(slice(0, min(n, 1)) for n in comparer.native.variables[file][path].shape)
    for read, side in (
        (comparer.native[file].read_decoded, "natively"),
        (comparer.virtual.read_decoded, "virtually"),
    ):
        try:
            read(path, first)
        except Exception as error:  # noqa: BLE001 - whatever xarray or its engines raise
            reason = f"xarray does not read it {side} ({first_line(error)})"
            comparer.record.note(f"L1 {path} is compared as stored: {reason}")
            return False
    return True
