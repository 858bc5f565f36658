"""Reference sets as directories of Parquet files: ``.zmetadata``, and ``refs.N.parq`` in a folder for each array."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.errors import CorruptFileError, MissingDependencyError, SourceNotFoundError, UnvirtualizableError
from vzlab.manifests import ChunkGrid
from vzlab.manifests.manifest import INLINE
from vzlab.parsers.kerchunk.columns import Columns, check_grid, inline_bytes
from vzlab.parsers.kerchunk.references import MAX_DOCUMENT_BYTES, References
from vzlab.parsers.zarr_documents import ChunkKeys, read_json
from vzlab.storage import StoreRegistry, normalize_url

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
except ImportError as error:  # pragma: no cover
    raise MissingDependencyError(
        "pyarrow", extra="kerchunk", purpose="Reading Kerchunk references in Parquet"
    ) from error

MAX_FILES = 100_000
"""Parquet files that the references of one array may be cut into."""

_AT_ONCE = 16


def read_parquet(url: str, registry: StoreRegistry) -> References:
    """References in a directory of Parquet files; of these only ``.zmetadata`` is read at once.

    Raises
    ------
    SourceNotFoundError
        If there is no ``.zmetadata``.
    CorruptFileError
        If it is none of Kerchunk's.
    """
    folder = url.rstrip("/")
    source = registry.open(f"{folder}/.zmetadata")
    if source.size_bytes > MAX_DOCUMENT_BYTES:
        raise CorruptFileError(
            f"{source.url} has {source.size_bytes:,} bytes; at most {MAX_DOCUMENT_BYTES:,} are read"
        )
    try:
        content = read_json(source.read(0, source.size_bytes), ".zmetadata")
    except ValueError as error:
        raise CorruptFileError(f"{url}: {error}") from error
    documents, record_size = content.get("metadata"), content.get("record_size")
    if not isinstance(documents, Mapping) or not isinstance(record_size, int) or record_size < 1:
        raise CorruptFileError(
            f"{source.url} has metadata {str(documents)[:40]} and record_size {record_size!r}; expected documents by key and a "
            "number of references in a file"
        )
    n_rows = record_size

    def columns(path: str, _: ChunkKeys, grid: ChunkGrid) -> Sequence[Columns]:
        n_files = -(-max(grid.n_chunks, 1) // n_rows)
        if not grid.n_chunks:
            return ()
        if n_files > MAX_FILES:
            raise UnvirtualizableError(
                f"Its {grid.n_chunks:,} references would be in {n_files:,} files; at most {MAX_FILES:,} are read"
            )
        check_grid(grid)
        inside = "/".join(part for part in (normalize_folder(path), "refs.{}.parq") if part)

        def one(number: int) -> Columns | None:
            start = number * n_rows
            place = f"{folder}/{inside.format(number)}"
            try:
                data = registry.open(place)
                content = data.read(0, data.size_bytes)
            except SourceNotFoundError:
                return None  # chunks without references are missing ones
            return _columns(content, start, min(n_rows, grid.n_chunks - start), place)

        if n_files == 1:
            found = [one(0)]
        else:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                found = list(pool.map(one, range(n_files)))
        return [part for part in found if part is not None]

    return References(documents=documents, columns=columns, base=f"{folder}/.zmetadata", registry=registry)


def normalize_folder(path: str) -> str:
    """The path of an array as part of a url."""
    return normalize_url(f"/{path}").removeprefix("file:///") if path else ""


def _columns(data: bytes, start: int, n_rows: int, url: str) -> Columns:
    try:
        table = pq.read_table(io.BytesIO(data), columns=None).slice(0, n_rows)
        return _of_table(table, start)
    except (pa.ArrowException, ValueError, TypeError, OSError, OverflowError) as error:
        raise CorruptFileError(f"{url} holds no references in Parquet: {error}") from error


def _of_table(table: Any, start: int) -> Columns:
    n = len(table)
    names = set(table.column_names)
    if not names & {"path", "raw"}:
        raise ValueError(f"found the columns {sorted(names)}, expected path, offset, size and raw")
    held = np.zeros(n, np.bool_)
    inline: list[bytes] = []
    if "raw" in names:
        raw = table["raw"]
        held = pc.is_valid(raw).to_numpy(zero_copy_only=False)
        inline = [inline_bytes(value) for value in raw.drop_null().to_pylist()]
    codes: npt.NDArray[np.uint32] = np.full(n, INLINE, np.uint32)
    offsets, lengths = np.zeros(n, np.uint64), np.zeros(n, np.uint64)
    urls: list[str] = []
    sourced = np.zeros(n, np.bool_)
    if "path" in names:
        column = table["path"].combine_chunks()
        paths = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        if isinstance(paths, pa.ChunkedArray):
            paths = paths.combine_chunks() if paths.num_chunks != 1 else paths.chunk(0)
        sourced = pc.is_valid(column).to_numpy(zero_copy_only=False) & ~held
        codes_of = paths.indices.fill_null(0).to_numpy(zero_copy_only=False)[sourced]
        used, codes[sourced] = np.unique(codes_of, return_inverse=True)
        urls = paths.dictionary.take(pa.array(used)).to_pylist()
        if not all(map(str.__instancecheck__, urls)):
            raise ValueError(f"found {paths.type.value_type} as path, expected text")
        for name, values in (("offset", offsets), ("size", lengths)):
            if name in names:
                numbers = (
                    pc.cast(table[name].combine_chunks(), pa.int64())
                    .fill_null(0)
                    .to_numpy(zero_copy_only=False)
                )
                if (numbers[sourced] < 0).any():
                    raise ValueError(f"found {int(numbers[sourced].min())} as {name}, expected 0 or more")
                values[sourced] = numbers[sourced]
    offsets[held] = np.arange(len(inline), dtype=np.uint64)
    lengths[held] = np.fromiter(map(len, inline), np.uint64, len(inline))
    present = sourced | held
    whole = sourced & (offsets == 0) & (lengths == 0)
    return Columns(
        positions=np.flatnonzero(present).astype(np.int64) + start,
        urls=urls,
        codes=codes[present],
        offsets=offsets[present],
        lengths=lengths[present],
        inline=inline,
        whole=whole[present],
    )
