"""Chunk references as columns of text: the keys, urls and byte ranges that Kerchunk references are made of."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt

from vzlab.errors import MissingDependencyError, WriteError
from vzlab.manifests.manifest import INLINE
from vzlab.storage import local_path
from vzlab.writers.zarr_v2 import V2Array, missing_mask

try:
    import pyarrow as pa
    import pyarrow.compute as pc
except ImportError as error:  # pragma: no cover
    raise MissingDependencyError(
        "pyarrow", extra="kerchunk", purpose="Writing Kerchunk references"
    ) from error

ROWS_AT_ONCE = 100_000


def fsspec_url(url: str) -> str:
    """A url as fsspec wants it: local files as plain paths, object keys as they are, HTTP urls percent-encoded.

    Raises
    ------
    WriteError
        If fsspec cannot reach what it names.
    """
    path = local_path(url)
    if path is not None:
        return path
    if url.startswith("memory:"):
        raise WriteError(
            f"{url} lies in the memory of this process, where fsspec cannot read it. Put the file on a disk or in a bucket, and "
            "ds.vzlab.rename_urls(...)"
        )
    return url if url.startswith(("http:", "https:")) else unquote(url)


def key_parts(path: str, grid_shape: Sequence[int]) -> tuple[str, list[Any]]:
    """What every chunk key of an array begins with, and the text of each index along each axis."""
    axes = [pa.array([str(i) for i in range(n)], pa.string()) for n in grid_shape]
    return f"{path}/", axes


def chunk_keys(grid_shape: Sequence[int], axes: Sequence[Any], flat: npt.NDArray[np.intp]) -> Any:
    """Zarr v2 chunk keys, without the path, of chunks by their position in C order."""
    if not axes:
        # Zarr v2, "Chunks": the one chunk of an array without dimensions is called 0.
        return pa.array(["0"] * len(flat), pa.string())
    indices = np.unravel_index(flat, tuple(grid_shape))
    parts = [axis.take(pa.array(index)) for axis, index in zip(axes, indices, strict=True)]
    return pc.binary_join_element_wise(*parts, ".")


def virtual_rows(path: str, entry: V2Array) -> Iterator[bytes]:
    """Members of a JSON object, each with a comma behind it, for the virtual chunks of an array."""
    manifest = entry.array.manifest
    if manifest.n_virtual == 0:
        return
    index = manifest.source_index.reshape(-1)
    offsets, lengths = manifest.offsets.reshape(-1), manifest.lengths.reshape(-1)
    prefix, axes = key_parts(path, manifest.grid_shape)
    urls = [f'": [{json.dumps(fsspec_url(source.url))}, ' for source in manifest.sources]
    between = pa.array(urls, pa.string())
    opening = pa.scalar(json.dumps(prefix)[:-1], pa.string())
    for start in range(0, index.size, ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        flat = np.flatnonzero(index[part] < INLINE) + start
        if flat.size == 0:
            continue
        rows = pc.binary_join_element_wise(
            opening,
            chunk_keys(manifest.grid_shape, axes, flat),
            between.take(pa.array(index[flat])),
            pc.cast(pa.array(offsets[flat]), pa.string()),
            pa.scalar(", ", pa.string()),
            pc.cast(pa.array(lengths[flat]), pa.string()),
            pa.scalar("],\n", pa.string()),
            "",
        )
        # The values of a string array lie one after another in its last buffer.
        ends = np.frombuffer(rows.buffers()[1], np.int32)[rows.offset :]
        yield memoryview(rows.buffers()[2])[ends[0] : ends[len(rows)]].tobytes()


def held_chunks(path: str, entry: V2Array) -> Iterator[tuple[str, bytes]]:
    """Key and bytes of each chunk that goes into the references themselves."""
    manifest = entry.array.manifest
    prefix, axes = key_parts(path, manifest.grid_shape)
    index = manifest.source_index.reshape(-1)
    held = np.flatnonzero(index == INLINE)
    if held.size:
        keys = chunk_keys(manifest.grid_shape, axes, held).to_pylist()
        positions = manifest.offsets.reshape(-1)[held].tolist()
        yield from ((prefix + key, manifest.inline[i]) for key, i in zip(keys, positions, strict=True))
    if entry.unwritten is not None:
        absent = np.flatnonzero(missing_mask(entry.array))
        for key in chunk_keys(manifest.grid_shape, axes, absent).to_pylist():
            yield prefix + key, entry.unwritten


def inline_text(data: bytes) -> str:
    """Bytes as a Kerchunk reference holds them."""
    return "base64:" + base64.b64encode(data).decode("ascii")
