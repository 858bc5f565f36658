"""How to cut plain bytes into chunks of one size: by divisors, so that no chunk is left over."""

from __future__ import annotations

import math
from collections.abc import Sequence

TARGET_BYTES = 4 << 20
"""Chunks of plain bytes take up to this much."""

PLANES_BYTES = 1 << 18
"""Planes of an image of more dimensions are read together only up to this much."""


def largest_divisor(length: int, at_most: int) -> int:
    """The largest divisor of a length that is no more than a limit; 1 if there is no other."""
    if length <= at_most:
        return max(length, 1)
    divisors = {d for n in range(1, math.isqrt(length) + 1) if length % n == 0 for d in (n, length // n)}
    return max((d for d in divisors if d <= at_most), default=1)


def even_chunks(shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """Chunk lengths of an array in C order of which each chunk is one run of bytes, and none is partial.

    A plane of the last two dimensions is one chunk if it takes at most `TARGET_BYTES`, else some of its rows are.
    """
    chunks = [1] * len(shape)
    n_bytes = itemsize
    for axis in reversed(range(len(shape))):
        target = TARGET_BYTES if axis >= len(shape) - 2 else PLANES_BYTES
        chunks[axis] = largest_divisor(shape[axis], max(target // max(n_bytes, 1), 1))
        n_bytes *= chunks[axis]
        if chunks[axis] != shape[axis]:
            break
    return tuple(chunks)
