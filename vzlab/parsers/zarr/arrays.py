"""One array of a Zarr store: its documents and what lies below it as a virtual array."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numcodecs
import numpy as np

from vzlab.codecs import prepare_codecs
from vzlab.errors import UnsupportedCodecError, UnvirtualizableError
from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray
from vzlab.manifests.codec_axes import is_uncompressed
from vzlab.manifests.manifest import MISSING
from vzlab.parsers.base import check_bounds
from vzlab.parsers.kerchunk.columns import check_grid, chunk_positions
from vzlab.parsers.zarr.keys import ArrayPlace, StoredObjects
from vzlab.parsers.zarr.nodes import Node
from vzlab.parsers.zarr_documents import DOCUMENT_NAMES, ChunkKeys, array_from_v2, array_from_v3

MAX_RUN_LENGTHS = 10_000_000
"""Chunks along one dimension that a rectilinear grid may list."""

MAX_ELEMENT_BYTES = 64 * 2**20
"""An element of more bytes is refused."""

# Zarr v3 core specification, "Array metadata".
_V3_FIELDS = frozenset(
    {
        "zarr_format",
        "node_type",
        "shape",
        "data_type",
        "chunk_grid",
        "chunk_key_encoding",
        "fill_value",
        "codecs",
        "attributes",
        "storage_transformers",
        "dimension_names",
    }
)


def read_metadata(node: Node) -> tuple[ArrayMetadata, ChunkKeys]:
    """Metadata of an array that can be decoded here, and how its chunks are named.

    Raises
    ------
    VzlabError, ValueError, TypeError, KeyError, and others
        For whatever is wrong with the documents: these are other people's.
    """
    if node.zarr_format == 2:
        metadata, keys = array_from_v2(node.document, node.attributes)
    else:
        _check_document(node.document)
        metadata, keys = array_from_v3(node.document)
    if keys.separator not in (".", "/"):
        raise ValueError(f"Found the separator {keys.separator!r} between chunk indices; expected '.' or '/'")
    if metadata.dtype.itemsize > MAX_ELEMENT_BYTES:
        raise UnvirtualizableError(
            f"One element has {metadata.dtype.itemsize} bytes (at most {MAX_ELEMENT_BYTES})"
        )
    check_grid(metadata.chunk_grid)
    _check_codecs(metadata)
    return metadata, keys


def _check_codecs(metadata: ArrayMetadata) -> None:
    """Tell of a codec that nothing here has now, not when it is too late."""
    prepare_codecs(metadata.codecs, metadata.data_type, metadata.chunk_grid.chunk_shape, metadata.fill_value)
    for codec in metadata.codecs:
        library, _, name = str(codec["name"]).partition(".")
        if library == "numcodecs":
            try:
                numcodecs.get_codec({"id": name, **(codec.get("configuration") or {})})
            except (ValueError, TypeError, ImportError) as error:
                raise UnsupportedCodecError(
                    f"numcodecs has no codec {name!r} here ({error}): it may need a library of that name"
                ) from error


def _check_document(document: Mapping[str, Any]) -> None:
    """Refuse what a reader must understand and nobody here does, and lists too long to be true."""
    unknown = [
        name
        for name, value in document.items()
        if name not in _V3_FIELDS
        and not (isinstance(value, Mapping) and value.get("must_understand") is False)
    ]
    if unknown:
        raise UnsupportedCodecError(f"Its zarr.json has {unknown[0]!r}, which a reader must understand")
    grid = document.get("chunk_grid")
    configuration = grid.get("configuration") if isinstance(grid, Mapping) else None
    shapes = configuration.get("chunk_shapes") if isinstance(configuration, Mapping) else None
    for lengths in shapes if isinstance(shapes, list) else ():
        if isinstance(lengths, list):
            n = sum(run[1] if isinstance(run, list) else 1 for run in lengths)
            if n > MAX_RUN_LENGTHS:
                raise ValueError(f"A dimension lists {n} chunks; at most {MAX_RUN_LENGTHS} are taken")


def place_of(path: str, metadata: ArrayMetadata, keys: ChunkKeys) -> ArrayPlace:
    """Where the chunks of an array are to be looked for."""
    return ArrayPlace(path=path, grid_shape=metadata.chunk_grid.grid_shape, keys=keys)


def make_array(place: ArrayPlace, metadata: ArrayMetadata, objects: StoredObjects) -> ManifestArray:
    """The virtual array of which these are the chunks; those that are not there are missing, and read as fill.

    Raises
    ------
    CorruptFileError
        If a chunk that nothing compresses has another length than its shape says.
    """
    names = list(objects.names)
    rows = np.arange(len(names))
    # Documents lie among the chunks: without them all names are of one form, which is found out at once.
    documents = sorted(names.index(name) for name in DOCUMENT_NAMES if name in names)
    for i in reversed(documents):
        del names[i]
    rows = np.delete(rows, documents)
    shape = place.grid_shape
    if not names:
        return ManifestArray(metadata=metadata, manifest=ChunkManifest.empty(shape))
    positions, known = chunk_positions(names, place.keys, shape)
    if not known.any():
        return ManifestArray(metadata=metadata, manifest=ChunkManifest.empty(shape))
    positions, rows = positions[known], rows[known]
    order = np.argsort(positions)
    positions, rows = positions[order], rows[order]
    sources = tuple(objects.sources(rows))
    n = math.prod(shape)
    index = np.full(n, MISSING, np.uint32)
    offsets, lengths = np.zeros(n, np.uint64), np.zeros(n, np.uint64)
    index[positions] = 0 if len(sources) == 1 else np.arange(rows.size, dtype=np.uint32)
    offsets[positions], lengths[positions] = objects.offsets[rows], objects.lengths[rows]
    manifest = ChunkManifest(
        sources=sources,
        source_index=index.reshape(shape),
        offsets=offsets.reshape(shape),
        lengths=lengths.reshape(shape),
    )
    if objects.container is not None:
        metadata = replace(metadata, codecs=(*metadata.codecs, objects.container))
    return ManifestArray(
        metadata=metadata,
        manifest=check_bounds(manifest, variable=place.path, n_bytes=_chunk_bytes(metadata)),
    )


def _chunk_bytes(metadata: ArrayMetadata) -> int | None:
    """Length that every chunk must have, where nothing compresses them and all are of one shape."""
    grid = metadata.chunk_grid
    if not grid.is_regular or not is_uncompressed(metadata.codecs) or metadata.dtype.kind in "TO":
        return None
    return math.prod(grid.chunk_shape) * metadata.dtype.itemsize
