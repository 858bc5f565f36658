"""Read many pieces of one length out of a source as rows of one array."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from vzlab.storage.ranges import merge_ranges
from vzlab.storage.source import Source


def read_rows(source: Source, offsets: npt.NDArray[np.int64], length: int) -> npt.NDArray[np.uint8]:
    """Read pieces of one length; neighbours in one read.

    Parameters
    ----------
    offsets : array of int, shape ``(n,)``
        All inside the source.
    length : int
        Bytes of each piece; those beyond the end of the source are zero.

    Returns
    -------
    array of uint8, shape ``(n, length)``

    Raises
    ------
    ShortReadError, UnreachableChunkError
        As `Source.read` does.
    """
    n = len(offsets)
    if n == 0:
        return np.zeros((0, length), np.uint8)
    lengths = np.minimum(length, source.size_bytes - offsets)
    # What lies between is read too where that is no more than the pieces themselves.
    merged = merge_ranges(np.zeros(n, np.int64), offsets, lengths, gap_bytes=length)
    begins = np.concatenate(([0], np.cumsum(merged.lengths)))
    buffer = np.zeros(int(begins[-1]) + length, np.uint8)
    view = memoryview(buffer)
    spans = list(zip(begins[:-1].tolist(), begins[1:].tolist(), strict=True))
    if source.local_path is None:
        ranges = list(zip(merged.offsets.tolist(), merged.lengths.tolist(), strict=True))
        for (begin, end), data in zip(spans, source.read_many(ranges), strict=True):
            view[begin:end] = data
    else:
        for start, (begin, end) in zip(merged.offsets.tolist(), spans, strict=True):
            source.read_into(start, view[begin:end])
    run = np.zeros(n, np.int64)
    run[merged.first[1:]] = 1
    run = np.cumsum(run)
    at = np.empty(n, np.int64)
    at[merged.order] = offsets[merged.order] - merged.offsets[run] + begins[run]
    if (at == np.arange(n) * length).all():
        return buffer[: n * length].reshape(n, length)
    rows: npt.NDArray[np.uint8] = sliding_window_view(buffer, length)[at]
    return rows
