"""How a reader asks for the chunks of a selection: one by one, merged, or parts of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vzlab.inspection.touched import Touched
from vzlab.manifests import ChunkGrid, ManifestArray
from vzlab.storage.chunk_reader import ChunkReader
from vzlab.storage.ranges import REMOTE_GAP_BYTES, REMOTE_REQUEST_BYTES


@dataclass(frozen=True, kw_only=True)
class ReadingPlan:
    """How a reader asks for chunks."""

    gap_bytes: int | None
    """Ranges with at most this much between them are asked for together; None where each chunk is asked for alone."""
    max_request_bytes: int | None
    takes_parts: bool
    """Whether of uncompressed chunks only the bytes from the first to the last selected value are fetched."""
    is_sharded: bool


def plan_of(
    reader: ChunkReader, array: ManifestArray, gap_bytes: int | None, max_request_bytes: int | None
) -> ReadingPlan:
    """Tell how vzlab reads an array; with `gap_bytes`, how one reads that merges whole chunks."""
    from vzlab.storage.pipeline import reads_together

    sharded = any(codec["name"] == "sharding_indexed" for codec in array.metadata.codecs)
    # zarr reads shards by itself.
    own_reader = reads_together() and not sharded and gap_bytes is None
    if own_reader and not reader.is_local:
        gap_bytes, max_request_bytes = REMOTE_GAP_BYTES, REMOTE_REQUEST_BYTES
    return ReadingPlan(
        gap_bytes=gap_bytes,
        max_request_bytes=max_request_bytes,
        takes_parts=own_reader,
        is_sharded=sharded,
    )


def narrow(
    grid: ChunkGrid,
    touched: Touched,
    wanted: npt.NDArray[np.bool_],
    offsets: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.int64],
    itemsize: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Offsets and lengths of what raw chunks have from their first to their last selected element."""
    if touched.spans is None:
        return offsets, lengths
    first, last, n_elements = (np.zeros(touched.counts, np.int64) for _ in range(3))
    n_elements += 1
    whole = np.ones(touched.counts, bool)
    for axis, (span, indexer) in enumerate(zip(touched.spans, touched.indexers, strict=True)):
        shape = [-1 if other == axis else 1 for other in range(len(touched.counts))]
        stored = grid.stored_lengths(axis)[indexer].reshape(shape)
        first = first * stored + span.first.reshape(shape)
        last = last * stored + span.last.reshape(shape)
        n_elements *= stored
        whole &= span.is_complete.reshape(shape)
    is_part = ~whole[wanted] & (n_elements[wanted] * itemsize == lengths)
    begin, end = first[wanted] * itemsize, (last[wanted] + 1) * itemsize
    return np.where(is_part, offsets + begin, offsets), np.where(is_part, end - begin, lengths)
