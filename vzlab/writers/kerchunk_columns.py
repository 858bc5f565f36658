"""Chunk references as columns of text: the keys, urls and byte ranges that Kerchunk references are made of."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt

from vzlab.errors import MissingDependencyError, WriteError
from vzlab.manifests import ManifestArray
from vzlab.manifests.manifest import INLINE, MISSING
from vzlab.storage import local_path

try:
    import pyarrow as pa
    import pyarrow.compute as pc
except ImportError as error:  # pragma: no cover
    raise MissingDependencyError(
        "pyarrow", extra="kerchunk", purpose="Writing Kerchunk references"
    ) from error

ROWS_AT_ONCE = 100_000


@dataclass(frozen=True, kw_only=True)
class ReferencedArray:
    """One array as Kerchunk references say it."""

    zarr_format: Literal[2, 3]
    documents: Mapping[str, Mapping[str, Any]]
    """Its metadata: ``.zarray`` and ``.zattrs``, or ``zarr.json``."""
    array: ManifestArray = field(repr=False)
    unwritten: bytes | None
    """What goes in the place of missing chunks; None if they are left out."""

    @property
    def missing(self) -> npt.NDArray[np.bool_]:
        """Which chunks were never written, in C order."""
        return np.equal(self.array.manifest.source_index.reshape(-1), MISSING)


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


class ChunkKeys:
    """The keys of an array's chunks, made of columns of text."""

    def __init__(self, path: str, entry: ReferencedArray) -> None:
        self._grid_shape = entry.array.manifest.grid_shape
        self._axes = [pa.array([str(i) for i in range(n)], pa.string()) for n in self._grid_shape]
        self._is_v2 = entry.zarr_format == 2
        # Zarr v3, "Chunk key encoding", default: c/0/0, and c for an array without dimensions.
        self.prefix = f"{path}/" if self._is_v2 else f"{path}/c{'/' * bool(self._grid_shape)}"
        """What every key begins with."""

    def rest(self, flat: npt.NDArray[np.intp]) -> Any:
        """What follows the prefix in the keys of chunks, given by their position in C order."""
        if not self._axes:
            # Zarr v2, "Chunks": the one chunk of an array without dimensions is called 0.
            return pa.array(["0" if self._is_v2 else ""] * len(flat), pa.string())
        indices = np.unravel_index(flat, self._grid_shape)
        parts = [axis.take(pa.array(index)) for axis, index in zip(self._axes, indices, strict=True)]
        return pc.binary_join_element_wise(*parts, "." if self._is_v2 else "/")


def virtual_rows(path: str, entry: ReferencedArray) -> Iterator[bytes]:
    """Members of a JSON object, each with a comma behind it, for the virtual chunks of an array."""
    manifest = entry.array.manifest
    if manifest.n_virtual == 0:
        return
    index = manifest.source_index.reshape(-1)
    offsets, lengths = manifest.offsets.reshape(-1), manifest.lengths.reshape(-1)
    keys = ChunkKeys(path, entry)
    urls = [f'": [{json.dumps(fsspec_url(source.url))}, ' for source in manifest.sources]
    between = pa.array(urls, pa.string())
    opening = pa.scalar(json.dumps(keys.prefix)[:-1], pa.string())
    for start in range(0, index.size, ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        flat = np.flatnonzero(index[part] < INLINE) + start
        if flat.size == 0:
            continue
        rows = pc.binary_join_element_wise(
            opening,
            keys.rest(flat),
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


def held_chunks(path: str, entry: ReferencedArray) -> Iterator[tuple[str, bytes]]:
    """Key and bytes of each chunk that goes into the references themselves."""
    manifest = entry.array.manifest
    keys = ChunkKeys(path, entry)
    index = manifest.source_index.reshape(-1)
    held = np.flatnonzero(index == INLINE)
    if held.size:
        positions = manifest.offsets.reshape(-1)[held].tolist()
        named = zip(keys.rest(held).to_pylist(), positions, strict=True)
        yield from ((keys.prefix + key, manifest.inline[i]) for key, i in named)
    if entry.unwritten is not None:
        for key in keys.rest(np.flatnonzero(entry.missing)).to_pylist():
            yield keys.prefix + key, entry.unwritten


def inline_text(data: bytes) -> str:
    """Bytes as a Kerchunk reference holds them."""
    return "base64:" + base64.b64encode(data).decode("ascii")
