"""Manifests as one Arrow table, a row for each chunk, ready for DuckDB, Parquet or pandas."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from vzlab.errors import MissingDependencyError
from vzlab.manifests.manifest import INLINE, MISSING, ChunkManifest

try:
    import pyarrow as pa
except ImportError as error:
    raise MissingDependencyError("pyarrow", extra="kerchunk", purpose="A manifest as a table") from error

SCHEMA = pa.schema(
    {
        "variable": pa.dictionary(pa.int32(), pa.string()),
        "chunk": pa.list_(pa.int64()),
        "url": pa.dictionary(pa.int32(), pa.string()),
        "offset": pa.uint64(),
        "length": pa.uint64(),
        "state": pa.dictionary(pa.int32(), pa.string()),
    }
)
"""Path of the variable; indices in the chunk grid, one for each dimension; where the bytes lie; and whether the chunk is
virtual, inline or missing. Url and offset are null for chunks that lie in no file, the length for those that are missing."""

_STATES = pa.array(["virtual", "inline", "missing"], pa.string())


def to_arrow(manifests: Iterable[tuple[str, ChunkManifest]]) -> pa.Table:
    """Give the chunks of manifests, those of each in C order, as a table of `SCHEMA`.

    Parameters
    ----------
    manifests : iterable of pairs
        The path of each variable with its manifest.

    Examples
    --------
    >>> manifest = ChunkManifest.from_ranges("file:///a.nc", offsets=[100, 150], lengths=[50, 60])
    >>> to_arrow([("sst", manifest)]).select(["chunk", "offset", "length"]).to_pylist()
    [{'chunk': [0], 'offset': 100, 'length': 50}, {'chunk': [1], 'offset': 150, 'length': 60}]
    """
    tables = [_table(path, manifest) for path, manifest in manifests]
    return pa.concat_tables(tables).unify_dictionaries() if tables else SCHEMA.empty_table()


def _table(path: str, manifest: ChunkManifest) -> pa.Table:
    index = manifest.source_index.ravel()
    n, n_dimensions = index.size, manifest.source_index.ndim
    elsewhere = index >= INLINE
    chunks = np.indices(manifest.source_index.shape, dtype=np.int64).reshape(n_dimensions, n).T
    ends = np.arange(n + 1, dtype=np.int32) * n_dimensions
    urls = pa.array([source.url for source in manifest.sources], pa.string())
    states = np.where(index == INLINE, 1, np.where(index == MISSING, 2, 0)).astype(np.int32)
    sources = np.where(elsewhere, 0, index).astype(np.int32)
    columns = [
        pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([path], pa.string())),
        pa.ListArray.from_arrays(pa.array(ends), pa.array(chunks.ravel())),
        pa.DictionaryArray.from_arrays(pa.array(sources, mask=elsewhere), urls),
        pa.array(manifest.offsets.ravel(), mask=elsewhere),
        pa.array(manifest.lengths.ravel(), mask=index == MISSING),
        pa.DictionaryArray.from_arrays(pa.array(states), _STATES),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)
