"""First and last value of a coordinate whose chunks are held beside the references: no file is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vzlab.errors import VzlabError
from vzlab.inspection.value_steps import decode_value
from vzlab.manifests import ManifestArray
from vzlab.manifests.manifest import INLINE
from vzlab.storage import StoreRegistry
from vzlab.storage.chunk_reader import ChunkReader

MAX_CHUNK_VALUES = 100_000
"""Longer chunks are not decoded for a look at two values."""


def inline_ends(array: ManifestArray, attributes: Mapping[str, Any]) -> tuple[str, str] | None:
    """Decode the first and the last value of a one-dimensional array, in words; None where a file would have to be read.

    Parameters
    ----------
    array : ManifestArray
    attributes : mapping
        Of its variable, as the file has them.
    """
    if array.ndim != 1 or not array.shape[0]:
        return None
    grid = array.chunk_grid
    last = grid.n_chunks - 1
    begin = int(grid.starts(0)[last])
    index = array.manifest.source_index
    if grid.chunk_shape[0] > MAX_CHUNK_VALUES or index[0] != INLINE or index[last] != INLINE:
        return None
    at = array.shape[0] - 1 - begin
    places = [((slice(0, 1),), (slice(0, 1),), False), ((slice(at, at + 1),), (slice(1, 2),), False)]
    try:
        fill = array.metadata.fill_scalar
        stored = np.empty(2, array.dtype)
        ChunkReader(array, StoreRegistry()).read(np.array([[0], [last]]), places, stored, fill=fill)
        first, end = (_words(value, attributes, array.dtype, fill) for value in stored)
    except (VzlabError, ValueError, TypeError, KeyError):
        # Chunks that do not decode are told when they are read; a look at the rest goes on.
        return None
    return first, end


def _words(stored: Any, attributes: Mapping[str, Any], dtype: np.dtype[Any], fill: Any) -> str:
    """A value without its unit, which stands beside it."""
    found = decode_value(stored, attributes, dtype, fill=fill)
    return found.shown if found.encoding.is_time else found.shown.removesuffix(found.encoding.units).rstrip()
