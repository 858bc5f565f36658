"""How a variable's bytes are arranged: in one run, in plain pieces, or in pieces that must be read whole."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from vzlab.codecs import CodecDescription
from vzlab.inspection.model import Layout
from vzlab.inspection.statistics import ChunkStatistics
from vzlab.inspection.subjects import Subject
from vzlab.manifests import ChunkGrid, ChunkManifest

_PLAIN = ("bytes", "transpose")
"""Codecs that leave each value its own bytes."""

_FILL_RATIO = 50
"""Values that vary are rarely made this many times smaller without loss."""


def is_compressed(codecs: Sequence[CodecDescription]) -> bool:
    """Whether some codec makes bytes of bytes, so that a chunk must be read whole."""
    return any(codec.name not in _PLAIN for codec in codecs)


def storage_layout(
    subject: Subject,
    grid: ChunkGrid | None,
    statistics: ChunkStatistics | None,
    codecs: Sequence[CodecDescription],
) -> Layout:
    """Tell plain values in one run from plain values in chunks, and both from what is compressed."""
    if subject.codecs is None:
        return "unknown"
    if is_compressed(codecs):
        return "compressed"
    if grid is None:
        return "unknown"
    manifest = subject.manifest
    if grid.n_chunks == 1:
        # A chunk that reaches beyond the array holds more than its values.
        partial = any(grid.last_is_partial(axis) for axis in range(len(grid.shape)))
        return "chunked" if partial else "contiguous"
    in_one_run = (
        manifest is not None
        and statistics is not None
        and manifest.n_virtual == manifest.n_chunks
        and statistics.n_runs == 1
        and statistics.in_order
        and not statistics.n_overlapping
    )
    return "contiguous" if in_one_run and _cut_like_its_bytes(grid) else "chunked"


def _cut_like_its_bytes(grid: ChunkGrid) -> bool:
    """Whether chunks one after another are the values in C order: nothing is cut behind a dimension that is whole or 1."""
    first = next((axis for axis, n in enumerate(grid.grid_shape) if n > 1), len(grid.shape))
    lengths = grid.chunk_shape
    cut = [axis for axis, n in enumerate(grid.grid_shape) if n > 1]
    return not cut or (
        all(lengths[axis] == 1 for axis in range(first, cut[-1]))
        and not any(grid.last_is_partial(axis) for axis in cut)
    )


def count_grown(manifest: ChunkManifest | None, raw_chunk_bytes: int | None) -> int | None:
    """Chunks that take more bytes than the values in them."""
    if manifest is None or raw_chunk_bytes is None or not manifest.n_chunks:
        return None
    return int(np.count_nonzero(manifest.lengths > raw_chunk_bytes))


def suspect_all_fill(statistics: ChunkStatistics | None, raw_chunk_bytes: int | None) -> int | None:
    """Chunks that seem to hold one value only: all of the smallest size, far below that of their values."""
    if statistics is None or raw_chunk_bytes is None:
        return None
    constant = statistics.n_smallest > 1 and statistics.min_bytes * _FILL_RATIO < raw_chunk_bytes
    return statistics.n_smallest if constant else 0


def decoded_chunk_bytes(shape: Sequence[int], chunk_shape: Sequence[int], raw_bytes: int | None) -> float:
    """Bytes of the values of one whole chunk; 0 where they have no fixed size."""
    n_values = math.prod(shape)
    return math.prod(chunk_shape) * raw_bytes / n_values if raw_bytes and n_values else 0
