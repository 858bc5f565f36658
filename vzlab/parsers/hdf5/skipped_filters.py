"""Chunks that skipped filters of their pipeline, made to fit one codec chain."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.codecs import Hdf5Filter, active_filters, codecs_from_filters, decode_chunk_bytes, prepare_codecs
from vzlab.errors import CodecError, UnsupportedCodecError, UnvirtualizableError
from vzlab.manifests import ChunkManifest
from vzlab.manifests.manifest import INLINE
from vzlab.parsers.hdf5.inlining import MAX_INLINE_BYTES
from vzlab.storage import Source


@dataclass(frozen=True, kw_only=True)
class SettledFilters:
    """One pipeline for all chunks, and the chunks."""

    filters: tuple[Hdf5Filter, ...]
    manifest: ChunkManifest


def settle_skipped_filters(
    manifest: ChunkManifest,
    filter_masks: npt.NDArray[np.uint32] | None,
    *,
    filters: tuple[Hdf5Filter, ...],
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    chunk_shape: tuple[int, ...],
    inner_shape: tuple[int, ...],
    source: Source,
    edges_unfiltered: Callable[[], bool],
) -> SettledFilters:
    """Choose the pipeline that most chunks went through; the others are read, and held inline as it would store them.

    Parameters
    ----------
    filter_masks : array of uint32, shape of the chunk grid
        Bit i is set where the chunk skipped filter i; None if no index entry says so.
    shape, chunk_shape : tuple of int
        Of the dataset, without the dimensions of an array datatype.
    edges_unfiltered : callable
        Whether the file says that partial chunks at the array's edge go through no filter (HDF5 specification IV.A.2.i,
        version 4, flag ``DONT_FILTER_PARTIAL_BOUND_CHUNKS``); asked only where that may be.

    Raises
    ------
    UnvirtualizableError
        If too many bytes would be held inline.
    UnsupportedCodecError
        If a chunk's own pipeline cannot be decoded, or the common one cannot be encoded.
    """
    n_bytes = math.prod(chunk_shape + inner_shape) * dtype.itemsize
    masks = filter_masks
    partial = _partial_edges(manifest, shape, chunk_shape)
    # Edge chunks that a file leaves unfiltered have the size of a whole chunk, each and every one.
    if partial.any() and (manifest.lengths[partial] == np.uint64(n_bytes)).all() and edges_unfiltered():
        masks = np.where(partial, np.uint32((1 << len(filters)) - 1), 0 if masks is None else masks)
    if masks is None:
        return SettledFilters(filters=filters, manifest=manifest)
    virtual = manifest.source_index < INLINE
    kinds, counts = np.unique(masks[virtual], return_counts=True)
    common = int(kinds[np.argmax(counts)])
    chosen = active_filters(filters, common)
    odd = np.flatnonzero((virtual & (masks != common)).reshape(-1)).tolist()
    if not odd:
        return SettledFilters(filters=chosen, manifest=manifest)
    if len(odd) * n_bytes > MAX_INLINE_BYTES:
        raise UnvirtualizableError(
            f"{len(odd)} of its {manifest.n_chunks} chunks skipped filters that the others went through. To hold them in the "
            f"manifest would take {len(odd) * n_bytes / 2**20:.0f} MiB (at most {MAX_INLINE_BYTES / 2**20:.0f})."
        )
    labels = ", ".join(f.label for f in chosen)
    codecs = codecs_from_filters(chosen, dtype, chunk_shape + inner_shape)
    encoder = prepare_codecs([{"name": "bytes"}, *codecs], "uint8", (n_bytes,))
    held = []
    for at in odd:
        raw = source.read(manifest.offsets.reshape(-1).item(at), manifest.lengths.reshape(-1).item(at))
        plain = decode_chunk_bytes(
            raw,
            filters=filters,
            filter_mask=int(masks.reshape(-1)[at]),
            dtype=dtype,
            chunk_shape=chunk_shape + inner_shape,
        )
        try:
            encoded = encoder.encode(np.frombuffer(plain, np.uint8))
            same = encoder.decode(encoded).tobytes() == plain
        except CodecError as error:
            raise UnsupportedCodecError(
                f"A chunk skipped filters, and [{labels}] cannot encode it: {error}"
            ) from error
        if not same:
            raise UnsupportedCodecError(
                f"A chunk skipped filters, and [{labels}] would lose some of its values."
            )
        held.append(encoded)
    return SettledFilters(filters=chosen, manifest=manifest.with_inline(odd, held))


def _partial_edges(
    manifest: ChunkManifest, shape: tuple[int, ...], chunk_shape: tuple[int, ...]
) -> npt.NDArray[np.bool_]:
    """Which chunks reach over the edge of the array."""
    partial = np.zeros(manifest.grid_shape, np.bool_)
    for axis, (extent, length) in enumerate(zip(shape, chunk_shape, strict=True)):
        if extent % length:
            partial[(slice(None),) * axis + (-1,)] = True
    return partial & (manifest.source_index < INLINE)
