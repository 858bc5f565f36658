"""Hold stored values against a native file slab by slab: each is compared while it is in the processor's cache."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy.typing as npt

from vzlab.oracles import NativeFile, NativeVariable, Region
from vzlab.testing.difference import same_bytes

SLAB_BYTES = 2**20
"""To read a slab of this size, and the next into the same memory, takes half as long as to read all of a large region."""


def are_the_same(
    values: npt.NDArray[Any], file: NativeFile, variable: NativeVariable, region: Region
) -> bool:
    """Whether a native file holds the very bytes of an array; False also where only a comparison of the whole can tell.

    Parameters
    ----------
    values : array
        What the virtual side reads.
    variable : NativeVariable
        The file's.
    region : tuple of slice
        Of the file's variable.
    """
    if not file.reads_parts or not region or variable.dtype is None or variable.dtype.hasobject:
        return False
    for slab in _slabs(variable, region):
        theirs = file.read(variable.path, slab)
        ours = values[slab[0].start - region[0].start :][: len(theirs)]
        # Bytes in another order would be other numbers.
        if theirs.dtype != ours.dtype or not same_bytes(ours, theirs):
            return False
    return True


def _slabs(variable: NativeVariable, region: Region) -> Iterator[Region]:
    """Whole chunks of the first axis at a time."""
    rows, *others = region
    assert variable.dtype is not None
    row_bytes = math.prod(part.stop - part.start for part in others) * variable.dtype.itemsize
    chunk = variable.chunks[0] if variable.chunks else 1
    step = max(SLAB_BYTES // max(row_bytes, 1) // chunk, 1) * chunk
    start = rows.start
    while start < rows.stop:
        stop = min(start // chunk * chunk + step, rows.stop)
        yield (slice(start, stop), *others)
        start = stop
