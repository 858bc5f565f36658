"""Where every chunk of a chunked dataset lies: its index as columns over the chunk grid."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.parsers.hdf5.indices.btree1 import LeafEntry, decode_btree1, decode_leaf
from vzlab.parsers.hdf5.indices.btree2 import decode_btree2
from vzlab.parsers.hdf5.indices.extensible_array import decode_extensible_array
from vzlab.parsers.hdf5.indices.fixed_array import decode_fixed_array, decode_implicit, decode_single
from vzlab.parsers.hdf5.indices.nodes import (
    IndexEntries,
    IndexRequest,
    UnknownIndexError,
    require,
)
from vzlab.parsers.hdf5.layout_message import (
    BTREE_V1,
    BTREE_V2,
    EXTENSIBLE_ARRAY,
    FIXED_ARRAY,
    IMPLICIT,
    SINGLE_CHUNK,
    ChunkedLayout,
)
from vzlab.parsers.hdf5.library import h5py
from vzlab.parsers.hdf5.object_header import FileBytes

LIBRARY_UP_TO = 64
"""Chunks of a grid that the library is asked for, if one node has not all: to decode levels of nodes takes longer."""

_DECODERS: dict[int, Callable[[IndexRequest], IndexEntries]] = {
    BTREE_V1: decode_btree1,
    IMPLICIT: decode_implicit,
    FIXED_ARRAY: decode_fixed_array,
    EXTENSIBLE_ARRAY: decode_extensible_array,
    BTREE_V2: decode_btree2,
}
_NAMES = {
    BTREE_V1: "version 1 B-tree",
    SINGLE_CHUNK: "single chunk",
    IMPLICIT: "implicit",
    FIXED_ARRAY: "fixed array",
    EXTENSIBLE_ARRAY: "extensible array",
    BTREE_V2: "version 2 B-tree",
}


@dataclass(frozen=True, kw_only=True)
class ChunkIndex:
    """The chunk index of one dataset; columns have the shape of the chunk grid."""

    offsets: npt.NDArray[np.uint64]
    """First byte in the file, counted from its very beginning."""
    lengths: npt.NDArray[np.uint64]
    """Bytes as stored."""
    filter_masks: npt.NDArray[np.uint32] | None
    """Bit i is set where the chunk skipped filter i; None if no chunk skipped any."""
    missing: npt.NDArray[np.bool_] | None
    """Chunks that were never written; None if there are none."""
    decoder: str
    """What decoded the index."""


def read_chunk_index(
    dataset_id: Any,
    grid_shape: tuple[int, ...],
    chunk_shape: tuple[int, ...],
    *,
    file: FileBytes,
    layout: ChunkedLayout | None,
    is_filtered: bool,
    is_shared: bool = False,
    library_up_to: int = LIBRARY_UP_TO,
) -> ChunkIndex | None:
    """Read the whole chunk index of a dataset, from its own bytes or else by the library; None where nothing was written.

    Parameters
    ----------
    dataset_id : h5py.h5d.DatasetID
        A chunked dataset.
    grid_shape : tuple of int
        Number of chunks along each dimension.
    chunk_shape : tuple of int
        Chunk lengths, in elements.
    file : FileBytes
    layout : ChunkedLayout, optional
        Its layout message, None where that is not known.
    is_filtered : bool
        Whether it has a filter pipeline.
    is_shared : bool
        Whether others in this process have the file open, and may not have written all: the library knows of a few chunks.
    library_up_to : int
        Grids of so many chunks, and an index of one node, are read by the library, which is quicker with them.

    Raises
    ------
    RuntimeError
        If the library cannot read the index.
    DamagedIndexError
        If the index is such that the library might follow it for ever.
    """
    if layout is not None and layout.chunk_shape == chunk_shape and file.address_bytes in (4, 8):
        if layout.address == file.undefined:
            return None
        if math.prod(grid_shape) <= library_up_to and not is_shared:
            index = _one_node(grid_shape, file, layout)
            if index is not None:
                return index
        if math.prod(grid_shape) > library_up_to or not _is_flat(file, layout):
            limits = dataset_id.get_space().get_simple_extent_dims(True)
            request = IndexRequest(
                file=file,
                address=layout.address,
                grid_shape=grid_shape,
                limit_grid_shape=tuple(
                    None if limit == h5py.h5s.UNLIMITED else -(-limit // length)
                    for limit, length in zip(limits, chunk_shape, strict=True)
                ),
                chunk_shape=chunk_shape,
                chunk_bytes=layout.chunk_bytes,
                is_filtered=is_filtered,
            )
            # The library has the last word on what is not as the specification has it.
            with suppress(UnknownIndexError):
                return _decode(request, layout)
    # The library counts all chunks to know this.
    if dataset_id.get_space_status() == h5py.h5d.SPACE_STATUS_NOT_ALLOCATED:
        return None

    is_extensible_array = layout is not None and layout.index_type == EXTENSIBLE_ARRAY
    with _collector_paused():
        return _iterate(dataset_id, grid_shape, chunk_shape, is_extensible_array=is_extensible_array)


def _one_node(grid_shape: tuple[int, ...], file: FileBytes, layout: ChunkedLayout) -> ChunkIndex | None:
    """A few chunks that the layout message or a single node has; None for another index, or one that is not so."""
    n_chunks = math.prod(grid_shape)
    entries: list[LeafEntry] | None = None
    if layout.index_type == BTREE_V1:
        entries = decode_leaf(file, layout.address, grid_shape, layout.chunk_shape)
    elif layout.index_type == SINGLE_CHUNK and n_chunks == 1:
        entries = [(0, layout.address, *(layout.single_chunk or (layout.chunk_bytes, 0)))]
    if entries is None:
        return None
    offsets, lengths, masks = [0] * n_chunks, [0] * n_chunks, [0] * n_chunks
    for number, address, length, mask in entries:
        offsets[number], lengths[number], masks[number] = address + file.base, length, mask
    missing = None
    if len(entries) < n_chunks:
        missing = np.ones(grid_shape, np.bool_)
        missing.reshape(-1)[[entry[0] for entry in entries]] = False
    return ChunkIndex(
        offsets=np.array(offsets, np.uint64).reshape(grid_shape),
        lengths=np.array(lengths, np.uint64).reshape(grid_shape),
        filter_masks=np.array(masks, np.uint32).reshape(grid_shape) if any(masks) else None,
        missing=missing,
        decoder=f"vzlab ({_NAMES[layout.index_type]})",
    )


def _is_flat(file: FileBytes, layout: ChunkedLayout) -> bool:
    """Whether nothing leads from the index's root to other nodes: the library may follow damaged ones for ever."""
    if layout.index_type == BTREE_V1:
        return file.read(layout.address, 6)[5:] == b"\0"
    if layout.index_type == BTREE_V2:
        return file.read(layout.address, 14)[12:] == b"\0\0"
    return layout.index_type in (SINGLE_CHUNK, IMPLICIT)


def _decode(request: IndexRequest, layout: ChunkedLayout) -> ChunkIndex:
    """The index from its own bytes."""
    if layout.index_type == SINGLE_CHUNK:
        entries = decode_single(request, layout.single_chunk)
    else:
        entries = _DECODERS[layout.index_type](request)
    base = np.uint64(request.file.base)
    n_chunks = math.prod(request.grid_shape)
    lengths, masks = entries.lengths, entries.filter_masks
    if masks is not None and not masks.any():
        masks = None
    offsets, missing = entries.addresses + base if base else entries.addresses, None
    if entries.numbers is None:
        require(len(offsets) == n_chunks, "the index has another length than the grid")
    else:
        at = entries.numbers
        written = np.zeros(n_chunks, np.bool_)
        written[at] = True
        n_written = int(np.count_nonzero(written))
        require(n_written == len(at), "the index has a chunk twice")
        offsets = _placed(offsets, at, n_chunks)
        lengths = None if lengths is None else _placed(lengths, at, n_chunks)
        masks = None if masks is None else _placed(masks, at, n_chunks)
        missing = None if n_written == n_chunks else ~written.reshape(request.grid_shape)
    if lengths is None:
        lengths = np.full(n_chunks, request.chunk_bytes, np.uint64)
        if missing is not None:
            lengths[missing.reshape(-1)] = 0
    return ChunkIndex(
        offsets=offsets.reshape(request.grid_shape),
        lengths=lengths.reshape(request.grid_shape),
        filter_masks=None if masks is None else masks.reshape(request.grid_shape),
        missing=missing,
        decoder=f"vzlab ({_NAMES[layout.index_type]})",
    )


def _placed[T: np.generic](column: npt.NDArray[T], at: npt.NDArray[np.int64], n: int) -> npt.NDArray[T]:
    placed = np.zeros(n, column.dtype)
    placed[at] = column
    return placed


def _iterate(
    dataset_id: Any,
    grid_shape: tuple[int, ...],
    chunk_shape: tuple[int, ...],
    *,
    is_extensible_array: bool,
) -> ChunkIndex:
    infos: list[tuple[tuple[int, ...], int, int, int]] = []
    # A built-in as callback: nothing in Python runs for each chunk while the library iterates.
    dataset_id.chunk_iter(infos.append)
    offsets = np.zeros(grid_shape, np.uint64)
    lengths = np.zeros(grid_shape, np.uint64)
    if not infos:
        return ChunkIndex(
            offsets=offsets,
            lengths=lengths,
            filter_masks=None,
            missing=np.ones(grid_shape, np.bool_),
            decoder="h5py",
        )
    n_chunks, rank = len(infos), len(grid_shape)
    starts, masks, addresses, sizes = zip(*infos, strict=True)
    corner = np.fromiter(chain.from_iterable(starts), np.uint64, rank * n_chunks).reshape(n_chunks, rank)
    corner //= np.asarray(chunk_shape, np.uint64)
    # Coordinates of a damaged index may be beyond all that is signed.
    position = np.minimum(corner, np.uint64(2**62)).astype(np.int64)
    if is_extensible_array:
        position = _unswizzled(position, dataset_id, chunk_shape)
    # Chunks that lie wholly outside remain in the file after an array has been shrunk.
    inside = (position < np.asarray(grid_shape)).all(axis=1)
    flat = np.ravel_multi_index(tuple(position[inside].T), grid_shape)
    offsets.reshape(-1)[flat] = np.fromiter(addresses, np.uint64, n_chunks)[inside]
    lengths.reshape(-1)[flat] = np.fromiter(sizes, np.uint64, n_chunks)[inside]
    missing = None
    if len(flat) != offsets.size:
        missing = np.ones(grid_shape, np.bool_)
        missing.reshape(-1)[flat] = False
    filter_masks = None
    if any(masks):
        filter_masks = np.zeros(grid_shape, np.uint32)
        filter_masks.reshape(-1)[flat] = np.fromiter(masks, np.uint32, n_chunks)[inside]
    return ChunkIndex(
        offsets=offsets, lengths=lengths, filter_masks=filter_masks, missing=missing, decoder="h5py"
    )


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No garbage collection: it would look at each of a million small tuples again and again, a third of all time."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _unswizzled(
    position: npt.NDArray[np.int64],
    dataset_id: Any,
    chunk_shape: tuple[int, ...],
) -> npt.NDArray[np.int64]:
    """True grid positions of chunks.

    An extensible array numbers chunks with the unlimited dimension slowest. Where that is not the first dimension, the
    library (2.0 and before) counts positions as if it were, and gives wrong ones: the number is right, and says where the
    chunk lies.
    """
    limits = dataset_id.get_space().get_simple_extent_dims(True)
    unlimited = [axis for axis, limit in enumerate(limits) if limit == h5py.h5s.UNLIMITED]
    if len(unlimited) != 1 or unlimited[0] == 0:
        return position
    slowest = unlimited[0]
    most = [
        1 if axis == slowest else -(-n // c)
        for axis, (n, c) in enumerate(zip(limits, chunk_shape, strict=True))
    ]
    # Dimensions before the unlimited one never move: it takes all that is carried to it.
    number = position[:, slowest]
    for axis in range(slowest + 1, len(most)):
        number = number * most[axis] + position[:, axis]
    true = np.empty_like(position)
    for axis in reversed([axis for axis in range(len(most)) if axis != slowest]):
        number, true[:, axis] = np.divmod(number, most[axis])
    true[:, slowest] = number
    return true
