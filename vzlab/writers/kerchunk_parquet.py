"""Kerchunk references as Parquet, in the layout of fsspec's ``LazyReferenceMapper``."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vzlab.errors import WriteError
from vzlab.manifests.manifest import INLINE
from vzlab.storage import as_registry, local_path, normalize_url
from vzlab.storage.gate import pass_gate
from vzlab.writers.kerchunk import References, replacing
from vzlab.writers.kerchunk_columns import ReferencedArray, fsspec_url, inline_text

RECORD_SIZE = 100_000
"""References in one Parquet file."""


def write_parquet(
    references: References, path: str | os.PathLike[str], storage_options: Mapping[str, Any] | None
) -> None:
    """Write a directory of Parquet files, ``.zmetadata`` last.

    Raises
    ------
    WriteError
        If there is something at the path that is not a set of references.
    """
    url = normalize_url(path)
    pass_gate(url)
    target = local_path(url)
    if target is None:
        import obstore

        store, key = as_registry(None, storage_options).resolve(url)
        for name, content in parquet_files(references):
            obstore.put(store, f"{key.rstrip('/')}/{name}", content)
        return
    folder = Path(target)
    if folder.exists() and not _holds_references(folder):
        raise WriteError(
            f"{folder} is there already and is no set of Parquet references; give another path, or remove it"
        )
    with replacing(folder) as temporary:
        for name, content in parquet_files(references):
            file = temporary / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)


def _holds_references(folder: Path) -> bool:
    """Whether a folder is such a set, and no consolidated Zarr v2 store, whose index has the same name."""
    try:
        document = json.loads((folder / ".zmetadata").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and "record_size" in document


def parquet_files(references: References) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file."""
    for path, entry in references.arrays.items():
        for record in range(-(-entry.array.manifest.n_chunks // RECORD_SIZE)):
            yield f"{path}/refs.{record}.parq", _file(_virtual_table(entry, record * RECORD_SIZE))
    for path, chunks in _by_array(references).items():
        for record in range(-(-len(chunks) // RECORD_SIZE)):
            part = chunks[record * RECORD_SIZE : (record + 1) * RECORD_SIZE]
            yield f"{path}/refs.{record}.parq", _file(_inline_table(part))
    metadata = {"metadata": references.documents, "record_size": RECORD_SIZE}
    yield ".zmetadata", json.dumps(metadata, allow_nan=False).encode()


def _by_array(references: References) -> dict[str, list[bytes | None]]:
    """Chunks of each loaded variable, in C order of its grid."""
    lists: dict[str, list[bytes | None]] = {}
    grids: dict[str, tuple[int, ...]] = {}
    for key, document in references.documents.items():
        path, _, name = key.rpartition("/")
        if name == ".zarray" and path not in references.arrays:
            lengths = zip(document["shape"], document["chunks"], strict=True)
            grids[path] = tuple(-(-extent // chunk) for extent, chunk in lengths)
            lists[path] = [None] * int(np.prod(grids[path], dtype=int))
    for key, data in references.chunks.items():
        path, _, name = key.rpartition("/")
        index = tuple(map(int, name.split("."))) if grids[path] else ()
        lists[path][int(np.ravel_multi_index(index, grids[path])) if grids[path] else 0] = data
    return lists


def _virtual_table(entry: ReferencedArray, start: int) -> pa.Table:
    """References of the chunks from a position in C order on: url, offset, size, and bytes where chunks are held."""
    manifest = entry.array.manifest
    part = slice(start, min(start + RECORD_SIZE, manifest.n_chunks))
    index = manifest.source_index.reshape(-1)[part]
    offsets, lengths = manifest.offsets.reshape(-1)[part], manifest.lengths.reshape(-1)[part]
    virtual = index < INLINE
    used, codes = np.unique(index[virtual], return_inverse=True)
    indices = np.zeros(len(index), np.int32)
    indices[virtual] = codes
    urls = pa.array([fsspec_url(manifest.sources[i].url) for i in used.tolist()], pa.string())
    columns: dict[str, Any] = {
        "path": pa.DictionaryArray.from_arrays(pa.array(indices, mask=~virtual), urls),
        "offset": pa.array(np.where(virtual, offsets, np.uint64(0)).astype(np.int64)),
        "size": pa.array(np.where(virtual, lengths, np.uint64(0)).astype(np.int64)),
    }
    held = np.flatnonzero(index == INLINE)
    absent = np.flatnonzero(entry.missing[part]) if entry.unwritten is not None else held[:0]
    if held.size or absent.size:
        raw = np.full(len(index), None, dtype=object)
        raw[held] = np.array(
            [*(_raw(manifest.inline[i]) for i in offsets[held].tolist()), None], dtype=object
        )[:-1]
        raw[absent] = None if entry.unwritten is None else _raw(entry.unwritten)
        columns["raw"] = pa.array(raw, pa.binary())
    return _table(columns)


def _inline_table(chunks: Sequence[bytes | None]) -> pa.Table:
    n = len(chunks)
    zeros = pa.array(np.zeros(n, np.int64))
    return _table(
        {
            "path": pa.nulls(n, pa.string()),
            "offset": zeros,
            "size": zeros,
            "raw": pa.array([None if data is None else _raw(data) for data in chunks], pa.binary()),
        }
    )


def _raw(data: bytes) -> bytes:
    """Bytes as they go into the column: those that readers would take for base64 are made such."""
    return inline_text(data).encode() if data.startswith(b"base64:") else data


def _table(columns: Mapping[str, Any]) -> pa.Table:
    fields = [
        pa.field(name, column.type, nullable=name in {"path", "raw"}) for name, column in columns.items()
    ]
    return pa.table(list(columns.values()), schema=pa.schema(fields))


def _file(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    # fastparquet makes floats of integers unless their statistics count no nulls.
    statistics = ["offset", "size"]
    pq.write_table(table, sink, compression="zstd", use_dictionary=["path"], write_statistics=statistics)
    return sink.getvalue()
