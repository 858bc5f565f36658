"""Read a whole virtual array into memory."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.codecs.pipeline import prepare_codecs
from vzlab.errors import CodecError, VzlabError
from vzlab.manifests import ManifestArray
from vzlab.manifests.codec_axes import is_uncompressed
from vzlab.manifests.manifest import INLINE, MISSING
from vzlab.storage.manifest_store import name_failure
from vzlab.storage.registry import StoreRegistry
from vzlab.storage.source import Source

REMOTE_THREADS = 32
"""Requests under way at once for chunks that lie elsewhere."""

SMALL_CHUNK_BYTES = 32_768
"""Local chunks below this size are read by one thread: handing them over would take longer than decoding them."""

type Decoder = Callable[[bytes], npt.NDArray[Any]]
type Index = tuple[int, ...]


def read_array(array: ManifestArray, registry: StoreRegistry, *, name: str = "array") -> npt.NDArray[Any]:
    """Stored values of a virtual array, as an array of its shape and data type.

    Raises
    ------
    UnreachableChunkError
        If a chunk cannot be fetched whole.
    CodecError
        If a chunk does not decode.
    """
    manifest, grid = array.manifest, array.chunk_grid
    if manifest.n_missing:
        out = np.full(array.shape, array.metadata.fill_scalar, dtype=array.dtype)
    else:
        out = np.empty(array.shape, dtype=array.dtype)
    bounds = [grid.starts(axis).tolist() for axis in range(array.ndim)]
    stored = [grid.stored_lengths(axis).tolist() for axis in range(array.ndim)]
    columns = [column.reshape(-1) for column in (manifest.source_index, manifest.offsets, manifest.lengths)]
    decoders: dict[Index, Decoder] = {}

    def read_one(index: Index, data: bytes) -> None:
        shape = tuple(lengths[i] for lengths, i in zip(stored, index, strict=True))
        decode = decoders.get(shape)
        if decode is None:
            decode = decoders[shape] = _decoder(array, shape)
        try:
            chunk = decode(data)
        except CodecError as error:
            raise CodecError(f"Chunk {index} of {name!r} does not decode: {error}") from error
        region = tuple(slice(along[i], along[i + 1]) for along, i in zip(bounds, index, strict=True))
        out[region] = chunk[tuple(slice(part.stop - part.start) for part in region)]

    def read_some(part: slice) -> None:
        indices = itertools.islice(itertools.product(*map(range, grid.grid_shape)), part.start, part.stop)
        entries = (column[part].tolist() for column in columns)
        # Chunks side by side lie mostly in one file: it is asked for once, and no more than one is held open here.
        opened: Source | None = None
        opened_number = -1
        for index, source, offset, length in zip(indices, *entries, strict=True):
            if source == MISSING:
                continue
            if source == INLINE:
                read_one(index, manifest.inline[offset])
                continue
            try:
                if opened is None or source != opened_number:
                    opened, opened_number = registry.open(manifest.sources[source].url), source
                data = opened.read(offset, length, kind="chunk")
            except (VzlabError, OSError) as error:
                raise name_failure(error, name, index, manifest) from error
            read_one(index, data)

    n_threads = _n_threads(array)
    parts = _parts(manifest.n_chunks, n_threads)
    if len(parts) == 1:
        read_some(parts[0])
    else:
        with ThreadPoolExecutor(n_threads) as pool:
            for _ in pool.map(read_some, parts):
                pass
    return out


def _n_threads(array: ManifestArray) -> int:
    manifest = array.manifest
    if any(not source.url.startswith("file://") for source in manifest.sources):
        return REMOTE_THREADS
    if manifest.stored_bytes < SMALL_CHUNK_BYTES * manifest.n_chunks:
        return 1
    return os.cpu_count() or 1


def _parts(n_chunks: int, n_threads: int) -> Sequence[slice]:
    """Runs of chunks in C order, a few for each thread."""
    step = n_chunks if n_threads == 1 else max(1, n_chunks // (4 * n_threads))
    return [slice(start, min(start + step, n_chunks)) for start in range(0, n_chunks, max(step, 1))] or [
        slice(0, 0)
    ]


def _decoder(array: ManifestArray, chunk_shape: Index) -> Decoder:
    """What turns the stored bytes of a chunk into an array of its stored shape."""
    metadata = array.metadata
    prepared = prepare_codecs(metadata.codecs, metadata.data_type, chunk_shape, metadata.fill_value)
    if not is_uncompressed(metadata.codecs) or array.dtype.kind not in "iufc":
        return prepared.decode
    endian = (metadata.codecs[0].get("configuration") or {}).get("endian", "little")
    dtype = array.dtype.newbyteorder(">" if endian == "big" else "<")
    expected = int(np.prod(chunk_shape, dtype=np.int64)) * dtype.itemsize

    def view(data: bytes) -> npt.NDArray[Any]:
        if len(data) != expected:
            return prepared.decode(data)
        return np.frombuffer(data, dtype).reshape(chunk_shape)

    return view
