"""The bytes of one dataset as a virtual array, whatever its storage layout.

HDF5 specification IV.A.2.i, "Data Layout Message": compact, contiguous, chunked, virtual; IV.A.2.h, "External Data Files".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from vzlab.codecs import CodecJSON, Hdf5Filter, bytes_codecs, codecs_from_filters
from vzlab.errors import UnvirtualizableError
from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray, SourceFile
from vzlab.manifests.chunk_grid import DimensionChunks
from vzlab.parsers.base import check_bounds
from vzlab.parsers.hdf5.chunk_index import read_chunk_index
from vzlab.parsers.hdf5.datatypes import StoredType, encode_fill
from vzlab.parsers.hdf5.external import external_manifest
from vzlab.parsers.hdf5.inlining import inline_text, inline_values
from vzlab.parsers.hdf5.layout_message import ChunkedLayout, find_chunked_layout
from vzlab.parsers.hdf5.library import h5py
from vzlab.parsers.hdf5.objects import DatasetNode
from vzlab.parsers.hdf5.skipped_filters import settle_skipped_filters
from vzlab.parsers.hdf5.virtual_sources import virtual_layout
from vzlab.storage import StoreRegistry

_h5d = h5py.h5d

MAX_CHUNKS = 100_000_000
"""A variable whose grid has more chunks is refused: its manifest would take 2 GB, written chunks or not."""

type Prepared = tuple[tuple[DimensionChunks, ...], tuple[CodecJSON, ...], ChunkManifest, str]
"""Chunk shape, codecs, manifest, and what decoded the chunk index."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What is needed to place one dataset's bytes."""

    node: DatasetNode
    stored: StoredType
    source_file: SourceFile
    registry: StoreRegistry

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array, the dimensions of an array datatype included."""
        return (self.node.shape or ()) + self.stored.inner_shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of one element as the file stores it."""
        assert self.stored.stored is not None
        return self.stored.stored

    @property
    def n_bytes(self) -> int:
        """Bytes of the whole array, uncompressed."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def fill_value(self) -> Any:
        """JSON form of what unwritten elements read as."""
        return _fill_value(self)

    @property
    def creation(self) -> Any:
        """``h5py.h5p.PropDCID``."""
        return self.node.creation

    @property
    def filters(self) -> tuple[Hdf5Filter, ...]:
        """The filter pipeline."""
        told = self.node.told
        return read_filters(self.creation) if told is None else told.filters

    @property
    def chunked(self) -> ChunkedLayout | None:
        """The layout message of a chunked dataset, None where that is not known."""
        told = self.node.told
        if told is None:
            return find_chunked_layout(self.node.file.file_bytes, self.node.header)
        return told.chunked


def read_array_layout(
    layout: Layout, *, attributes: Mapping[str, Any], dimension_names: Sequence[str | None]
) -> tuple[ManifestArray, str]:
    """One dataset as a virtual array, and what decoded its chunk index, if it has one.

    Raises
    ------
    UnvirtualizableError
        If no reference can express its bytes.
    UnsupportedCodecError
        If it goes through a filter that nothing here decodes.
    CorruptFileError
        If bytes lie outside of their file.
    """
    stored = layout.stored
    if stored.handling == "refuse":
        raise UnvirtualizableError(f"{stored.reason}.")
    fill = layout.fill_value
    data_type: Any = stored.data_type
    chunks: tuple[DimensionChunks, ...]
    codecs: tuple[CodecJSON, ...]
    if stored.handling == "text":
        data_type, fill, chunks, codecs, manifest = inline_text(layout.node)
        decoder = ""
    else:
        chunks, codecs, manifest, decoder = _place(layout)
    metadata = ArrayMetadata(
        shape=layout.shape,
        data_type=data_type,
        chunks=chunks,
        codecs=codecs,
        fill_value=fill,
        attributes=attributes,
        dimension_names=tuple(dimension_names),
    )
    return ManifestArray(metadata=metadata, manifest=manifest), decoder


def _place(layout: Layout) -> Prepared:
    if 0 in layout.shape:
        return _empty(layout)
    told = layout.node.told
    if told is not None:
        return _contiguous(layout) if told.chunked is None else _chunked(layout)
    kind = layout.creation.get_layout()
    if kind == _h5d.VIRTUAL:
        return virtual_layout(layout, _source_array)
    if kind == _h5d.COMPACT or layout.stored.handling == "convert":
        return (*inline_values(layout.node, layout.stored), "")
    if kind == _h5d.CHUNKED:
        return _chunked(layout)
    if kind == _h5d.CONTIGUOUS:
        return _contiguous(layout)
    raise UnvirtualizableError(f"It has a storage layout of kind {kind}, which is not known here.")


def _source_array(node: DatasetNode, registry: StoreRegistry) -> ManifestArray:
    """A source of a virtual dataset as a virtual array."""
    source = Layout(
        node=node,
        stored=node.stored_type,
        source_file=node.file.source.source_file(),
        registry=registry,
    )
    return read_array_layout(source, attributes={}, dimension_names=(None,) * len(source.shape))[0]


def _empty(layout: Layout) -> Prepared:
    """An array with a dimension of length zero has no chunks."""
    chunks = tuple(max(n, 1) for n in layout.shape)
    grid = tuple(-(-n // c) for n, c in zip(layout.shape, chunks, strict=True))
    return chunks, bytes_codecs(layout.dtype), ChunkManifest.empty(grid), ""


def _contiguous(layout: Layout) -> Prepared:
    codecs = bytes_codecs(layout.dtype, bit_field=layout.stored.bit_field)
    told = layout.node.told
    if told is None and layout.creation.get_external_count():
        chunks, manifest = external_manifest(layout)
        return chunks, codecs, manifest, ""
    grid = (1,) * len(layout.shape)
    offset = _offset(layout.node) if told is None else told.offset
    if offset is None:
        return layout.shape, codecs, ChunkManifest.empty(grid), ""
    manifest = ChunkManifest.from_ranges(
        layout.source_file, np.full(grid, offset, np.uint64), np.full(grid, layout.n_bytes, np.uint64)
    )
    return layout.shape, codecs, check_bounds(manifest, variable=layout.node.path, what="the block"), ""


def _offset(node: DatasetNode) -> int | None:
    """Where the library says that the values of a contiguous dataset begin; None where there are none."""
    # Behind a user block the library gives an offset even where there is none.
    if node.dataset_id.get_space_status() == _h5d.SPACE_STATUS_NOT_ALLOCATED:
        return None
    offset: int | None = node.dataset_id.get_offset()
    return offset


def _chunked(layout: Layout) -> Prepared:
    stored, filters, message = layout.stored, layout.filters, layout.chunked
    told = layout.node.told
    file_chunks = (
        tuple(layout.creation.get_chunk()) if told is None or message is None else message.chunk_shape
    )
    chunks = file_chunks + stored.inner_shape
    shape = layout.node.shape or ()
    file_grid = tuple(-(-n // c) for n, c in zip(shape, file_chunks, strict=True))
    grid = file_grid + (1,) * len(stored.inner_shape)
    if math.prod(grid) > MAX_CHUNKS:
        raise UnvirtualizableError(
            f"Its grid has {math.prod(grid)} chunks, more than a manifest can hold (at most {MAX_CHUNKS})."
        )
    codecs = chain_for(filters, layout.dtype, chunks, stored)
    index = read_chunk_index(
        layout.node.dataset_id,
        file_grid,
        file_chunks,
        file=layout.node.file.file_bytes,
        layout=message,
        is_filtered=bool(filters),
        is_shared=layout.node.file.is_shared,
    )
    if index is None:
        return chunks, codecs, ChunkManifest.empty(grid), ""
    manifest = ChunkManifest.from_ranges(
        layout.source_file,
        index.offsets,
        index.lengths,
        missing=index.missing,
    )
    n_bytes = None if filters else math.prod(chunks) * layout.dtype.itemsize
    manifest = check_bounds(manifest, variable=layout.node.path, n_bytes=n_bytes)
    if filters:
        settled = settle_skipped_filters(
            manifest,
            index.filter_masks,
            filters=filters,
            dtype=layout.dtype,
            shape=shape,
            chunk_shape=file_chunks,
            inner_shape=stored.inner_shape,
            source=layout.node.file.source,
            edges_unfiltered=lambda: message is not None and message.edges_unfiltered,
        )
        manifest = settled.manifest
        if settled.filters != filters:
            codecs = chain_for(settled.filters, layout.dtype, chunks, stored)
    return chunks, codecs, manifest if grid == file_grid else manifest.reshape(grid), index.decoder


def read_filters(creation: Any) -> tuple[Hdf5Filter, ...]:
    """The filter pipeline of a dataset creation property list."""
    filters = []
    for i in range(creation.get_nfilters()):
        number, flags, values, name = creation.get_filter(i)
        # The library hands values out signed or unsigned by version: a client data value has 32 bits.
        filters.append(
            Hdf5Filter(
                id=number,
                flags=flags,
                cd_values=tuple(int(v) & 0xFFFFFFFF for v in values),
                name=name.decode("utf-8", "replace"),
            )
        )
    return tuple(filters)


def chain_for(
    filters: tuple[Hdf5Filter, ...], dtype: np.dtype[Any], chunk_shape: tuple[int, ...], stored: StoredType
) -> tuple[CodecJSON, ...]:
    """The codec chain of a pipeline; the same chain is made once."""
    head = bytes_codecs(dtype, bit_field=stored.bit_field)
    return head + _filter_codecs(filters, dtype, chunk_shape) if filters else head


@lru_cache(maxsize=512)
def _filter_codecs(
    filters: tuple[Hdf5Filter, ...], dtype: np.dtype[Any], chunk_shape: tuple[int, ...]
) -> tuple[CodecJSON, ...]:
    return codecs_from_filters(filters, dtype, chunk_shape)


def _fill_value(layout: Layout) -> Any:
    """JSON form of what unwritten elements read as: HDF5 specification IV.A.2.e, "Fill Value Message"."""
    stored, told = layout.stored, layout.node.told
    if told is not None:
        return (
            stored.zero
            if told.fill is None
            else encode_fill(stored, np.frombuffer(told.fill, stored.native)[0])
        )
    creation = layout.creation
    if stored.native is None or creation.fill_value_defined() != _h5d.FILL_VALUE_USER_DEFINED:
        return stored.zero
    if creation.get_fill_time() == _h5d.FILL_TIME_NEVER or stored.handling == "text":
        # Nothing fills what was not written: readers give what their buffer held, zeros in h5py.
        return stored.zero
    value = np.zeros((), stored.native)
    creation.get_fill_value(value)
    if stored.inner_shape:
        elements = value.reshape(-1)
        if not all(element.tobytes() == elements[0].tobytes() for element in elements):
            raise UnvirtualizableError(
                "Its fill value is an array whose elements differ, which Zarr has no place for."
            )
        value = elements[0].reshape(())
    return encode_fill(stored, value)
