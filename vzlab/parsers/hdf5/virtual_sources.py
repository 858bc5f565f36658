"""Virtual datasets (VDS): chunks of other datasets, referenced where they fill whole chunks of the virtual one.

HDF5 specification IV.A.2.i, "Data Layout Message", virtual; VII, "Virtual Dataset Layout" of the global heap.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vzlab.errors import CorruptFileError, SourceNotFoundError, UnvirtualizableError
from vzlab.manifests import ChunkManifest, ManifestArray
from vzlab.manifests.codec_axes import is_uncompressed
from vzlab.manifests.concatenation import concatenate_manifests
from vzlab.manifests.manifest import MISSING
from vzlab.parsers.hdf5.library import h5py
from vzlab.parsers.hdf5.objects import DatasetNode, OpenFile, find_relative, open_dataset
from vzlab.parsers.hdf5.opening import LIBRARY_ERRORS, library_message, open_hdf5
from vzlab.storage import StoreRegistry

if TYPE_CHECKING:
    from vzlab.parsers.hdf5.layouts import Layout, Prepared

_h5s = h5py.h5s

MAX_CHUNKS = 4_000_000
"""A virtual dataset that would need more chunks, since sources have to be cut, is refused; it can be loaded."""

type ReadDataset = Callable[[DatasetNode, StoreRegistry], ManifestArray]

type Positions = npt.NDArray[np.int64]
"""Selected indices along one axis, in order."""


@dataclass(frozen=True, kw_only=True)
class _Mapping:
    """A part of a source that is a part of the virtual dataset."""

    source: ManifestArray
    chunks: tuple[int, ...]
    source_axes: tuple[Positions, ...]
    virtual_axes: tuple[Positions, ...]
    paired: tuple[int | None, ...]
    """For each virtual axis, the source axis that runs along it."""


def virtual_layout(layout: Layout, read: ReadDataset) -> Prepared:
    """Chunk shape, codecs and manifest of a virtual dataset.

    Parameters
    ----------
    layout : Layout
    read : callable
        Makes a virtual array of a source dataset.

    Raises
    ------
    UnvirtualizableError
        If its sources are out of reach, or do not fill whole chunks of one shape, data type and codec chain.
    """
    shape = layout.shape
    with ExitStack() as stack:
        mappings = [_read_mapping(layout, i, stack, read) for i in range(layout.creation.get_virtual_count())]
        mappings = [m for m in mappings if all(len(axis) for axis in m.virtual_axes)]
    if not mappings:
        raise UnvirtualizableError("It is a virtual dataset without sources.")
    first = mappings[0].source.metadata
    _check_alike(mappings, layout)
    chunks = tuple(_common_chunk(mappings, axis, extent) for axis, extent in enumerate(shape))
    grid = tuple(-(-n // c) for n, c in zip(shape, chunks, strict=True))
    if math.prod(grid) > MAX_CHUNKS:
        raise UnvirtualizableError(
            f"It is a virtual dataset that needs {math.prod(grid)} chunks (at most {MAX_CHUNKS})."
        )
    parts = [_cut(mapping, chunks) for mapping in mappings]
    table = concatenate_manifests([part.reshape((part.n_chunks,)) for part in parts], 0)
    index = np.full(grid, MISSING, np.uint32)
    offsets, lengths = np.zeros(grid, np.uint64), np.zeros(grid, np.uint64)
    begin = 0
    for mapping, part in zip(mappings, parts, strict=True):
        where, taken = _aligned(mapping, chunks, shape)
        # Positions in the table of all parts, over the virtual axes.
        flat = np.arange(begin, begin + part.n_chunks).reshape(part.grid_shape)
        begin += part.n_chunks
        picked = flat[np.ix_(*taken)].transpose(_axis_order(mapping)).reshape([len(w) for w in where])
        at = np.ix_(*where)
        index[at], offsets[at], lengths[at] = (
            column[picked] for column in (table.source_index, table.offsets, table.lengths)
        )
    manifest = ChunkManifest(
        sources=table.sources, source_index=index, offsets=offsets, lengths=lengths, inline=table.inline
    )
    return chunks, first.codecs, manifest.compact(), ""


def _read_mapping(layout: Layout, i: int, stack: ExitStack, read: ReadDataset) -> _Mapping:
    creation = layout.creation
    filename, path = creation.get_virtual_filename(i), creation.get_virtual_dsetname(i)
    if "%b" in filename or "%b" in path:
        raise UnvirtualizableError(
            f"It is a virtual dataset whose sources are numbered ({filename!r}, {path!r})."
        )
    source = _source_array(layout, filename, path, stack, read)
    source_axes = _selected(creation.get_virtual_srcspace(i), source.shape)
    virtual_axes = _selected(creation.get_virtual_vspace(i), layout.shape)
    pairs = _pair([len(a) for a in source_axes], [len(a) for a in virtual_axes])
    if pairs is None:
        raise UnvirtualizableError(
            f"It is a virtual dataset that takes {tuple(len(a) for a in source_axes)} elements of {path!r} in {filename!r} for "
            f"{tuple(len(a) for a in virtual_axes)} of its own: the axes cannot be paired."
        )
    limited = list(virtual_axes)
    for axis, other in enumerate(pairs):
        if other is not None:
            # A selection without end goes as far as its source does, and no further than the virtual dataset.
            n = min(len(virtual_axes[axis]), len(source_axes[other]))
            limited[axis] = virtual_axes[axis][:n]
            source_axes = (*source_axes[:other], source_axes[other][:n], *source_axes[other + 1 :])
    chunks = []
    for chunk in source.metadata.chunks:
        if not isinstance(chunk, int):
            raise UnvirtualizableError(
                f"It is a virtual dataset, and its source {path!r} has chunks of varying length."
            )
        chunks.append(chunk)
    return _Mapping(
        source=source,
        chunks=tuple(chunks),
        source_axes=source_axes,
        virtual_axes=tuple(limited),
        paired=pairs,
    )


def _source_array(
    layout: Layout, filename: str, path: str, stack: ExitStack, read: ReadDataset
) -> ManifestArray:
    """A source dataset as a virtual array."""
    file = layout.node.file
    try:
        if filename != ".":
            source = find_relative(file.source, filename, layout.registry)
            file = OpenFile(number=-1, file_id=stack.enter_context(open_hdf5(source)), source=source)
        node = open_dataset(file, path)
    except (SourceNotFoundError, CorruptFileError) as error:
        raise UnvirtualizableError(
            f"It is a virtual dataset, and a source is out of reach. {error}"
        ) from error
    except LIBRARY_ERRORS as error:
        raise UnvirtualizableError(
            f"It is a virtual dataset, and {path!r} of {file.source.url} cannot be opened: {library_message(error)}."
        ) from error
    if node.shape is None:
        raise UnvirtualizableError(f"It is a virtual dataset, and its source {path!r} has no values.")
    return read(node, layout.registry)


def _selected(space: Any, extents: tuple[int, ...]) -> tuple[Positions, ...]:
    """Indices that a selection takes along each axis, as far as the extents go."""
    if space.get_select_type() == _h5s.SEL_ALL:
        return tuple(np.arange(n) for n in extents)
    if space.get_select_type() != _h5s.SEL_HYPERSLABS or not space.is_regular_hyperslab():
        raise UnvirtualizableError("It is a virtual dataset with a selection that is no regular hyperslab.")
    axes = []
    for extent, start, stride, count, block in zip(extents, *space.get_regular_hyperslab(), strict=True):
        # A count or block without end reaches to the extent.
        n_blocks = min(count, max(0, -(-(extent - start) // stride)))
        length = min(block, max(0, extent - start))
        indices = (start + stride * np.arange(n_blocks)[:, None] + np.arange(length)).reshape(-1)
        axes.append(indices[indices < extent])
    return tuple(axes)


def _pair(source: Sequence[int], virtual: Sequence[int]) -> tuple[int | None, ...] | None:
    """The source axis of each virtual axis; axes of one element may have none. None if they do not pair."""
    if len(source) == len(virtual):
        return tuple(range(len(source)))
    long_source = [axis for axis, n in enumerate(source) if n != 1]
    long_virtual = [axis for axis, n in enumerate(virtual) if n != 1]
    if len(long_source) != len(long_virtual):
        return None
    pairs: list[int | None] = [None] * len(virtual)
    for v, s in zip(long_virtual, long_source, strict=True):
        pairs[v] = s
    return tuple(pairs)


def _check_alike(mappings: Sequence[_Mapping], layout: Layout) -> None:
    """Refuse sources that decode differently from each other or from the virtual dataset."""
    first = mappings[0].source.metadata
    for mapping in mappings:
        other = mapping.source.metadata
        if other.data_type != layout.stored.data_type or other.data_type != first.data_type:
            raise UnvirtualizableError(
                f"It is a virtual dataset of {layout.stored.data_type}, and a source is {other.data_type}."
            )
        if other.codecs != first.codecs:
            raise UnvirtualizableError(
                f"It is a virtual dataset whose sources have different codecs: {first.codecs} and {other.codecs}."
            )
        missing = mapping.source.manifest.n_missing
        if missing and other.fill_value != layout.fill_value:
            raise UnvirtualizableError(
                f"It is a virtual dataset with fill value {layout.fill_value}, and {missing} chunks of a source were never "
                f"written, which read as {other.fill_value}."
            )


def _common_chunk(mappings: Sequence[_Mapping], axis: int, extent: int) -> int:
    """Chunk length that all sources have along a virtual axis, or can be cut into."""
    lengths = []
    for mapping in mappings:
        other = mapping.paired[axis]
        if other is None:
            lengths.append(1)
            continue
        length = mapping.chunks[other]
        if is_uncompressed(mapping.source.metadata.codecs):
            # Runs of neighbouring elements, and where they begin, bound how long a chunk can be.
            for positions in (mapping.virtual_axes[axis], mapping.source_axes[other]):
                begins = positions[np.flatnonzero(np.diff(positions, prepend=-2) != 1)]
                length = reduce(math.gcd, begins.tolist(), length)
            ends = [end for end in _run_ends(mapping.virtual_axes[axis]) if end != extent]
            length = reduce(math.gcd, ends, length)
        lengths.append(length)
    return max(1, reduce(math.gcd, lengths))


def _run_ends(positions: Positions) -> list[int]:
    last = positions[np.flatnonzero(np.diff(positions, append=positions[-1] + 2) != 1)]
    return [int(end) + 1 for end in last]


def _axis_order(mapping: _Mapping) -> list[int]:
    """Source axes in the order of the virtual axes that they run along, the rest (of one element) first."""
    used = [axis for axis in mapping.paired if axis is not None]
    return [axis for axis in range(mapping.source.ndim) if axis not in used] + used


def _cut(mapping: _Mapping, chunks: tuple[int, ...]) -> ChunkManifest:
    """The source's manifest over chunks of the common length."""
    array = mapping.source
    wanted = [1] * array.ndim
    for axis, other in enumerate(mapping.paired):
        if other is not None:
            wanted[other] = chunks[axis]
    manifest = array.manifest
    lengths = list(mapping.chunks)
    n_bytes = array.dtype.itemsize * math.prod(lengths)
    for axis, length in enumerate(wanted):
        if lengths[axis] == length:
            continue
        if not is_uncompressed(array.metadata.codecs) or any(n != 1 for n in lengths[:axis]):
            raise UnvirtualizableError(
                f"It is a virtual dataset in which chunks {mapping.chunks} of a source would have to be cut to {tuple(wanted)}."
            )
        pieces = lengths[axis] // length
        n_bytes //= pieces
        step = (np.arange(pieces) * n_bytes).astype(np.uint64)
        manifest = _split_axis(manifest, axis, step, n_bytes)
        lengths[axis] = length
    return manifest


def _split_axis(
    manifest: ChunkManifest, axis: int, step: npt.NDArray[np.uint64], n_bytes: int
) -> ChunkManifest:
    """Cut every chunk along one axis into pieces of ``n_bytes`` that begin at ``step`` within it."""
    pieces = len(step)
    grid = manifest.grid_shape
    shape = (*grid[:axis], grid[axis] * pieces, *grid[axis + 1 :])
    missing = np.repeat(manifest.source_index, pieces, axis=axis)
    along = np.tile(step, grid[axis]).reshape((-1,) + (1,) * (len(grid) - axis - 1))
    offsets = np.repeat(manifest.offsets, pieces, axis=axis) + along
    if manifest.inline:
        raise UnvirtualizableError(
            "It is a virtual dataset, and a source held inside its header would have to be cut."
        )
    return ChunkManifest(
        sources=manifest.sources,
        source_index=missing,
        offsets=np.where(missing == MISSING, np.uint64(0), offsets),
        lengths=np.where(missing == MISSING, np.uint64(0), np.full(shape, n_bytes, np.uint64)),
    )


def _aligned(
    mapping: _Mapping, chunks: tuple[int, ...], shape: tuple[int, ...]
) -> tuple[list[Positions], list[Positions]]:
    """Chunk indices that a mapping fills: along each virtual axis, and along each source axis.

    Raises
    ------
    UnvirtualizableError
        If it fills a chunk only in part, or from parts of chunks.
    """
    where: list[Positions] = []
    taken: list[Positions] = [positions[:1] for positions in mapping.source_axes]
    for axis, (other, chunk, extent) in enumerate(zip(mapping.paired, chunks, shape, strict=True)):
        positions = mapping.virtual_axes[axis]
        if other is None:
            where.append(positions)
            continue
        source = mapping.source_axes[other]
        begins = np.flatnonzero(positions % chunk == 0)
        number = positions // chunk
        held = np.diff(begins, append=len(positions))
        expected = np.minimum(chunk, extent - positions[begins])
        whole = len(begins) > 0 and begins[0] == 0 and (held == expected).all()
        shift = source - positions
        if not whole or (shift % chunk).any() or (shift != np.repeat(shift[begins], held)).any():
            raise UnvirtualizableError(
                f"It is a virtual dataset in which a source fills chunks of length {chunk} along axis {axis} only in part."
            )
        where.append(number[begins])
        taken[other] = source[begins] // chunk
    return where, taken
