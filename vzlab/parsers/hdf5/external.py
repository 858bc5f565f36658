"""External raw storage: a contiguous dataset whose bytes lie in other files, one segment after another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vzlab.errors import SourceNotFoundError, UnvirtualizableError
from vzlab.manifests import ChunkManifest, SourceFile
from vzlab.manifests.chunk_grid import DimensionChunks, simplify
from vzlab.parsers.hdf5.objects import find_relative

if TYPE_CHECKING:
    from vzlab.parsers.hdf5.layouts import Layout


def external_manifest(layout: Layout) -> tuple[tuple[DimensionChunks, ...], ChunkManifest]:
    """References into external files: one chunk for each segment, cut along the first axis.

    HDF5 specification IV.A.2.h, "External Data Files Message": names are resolved against the directory of the file.

    Raises
    ------
    UnvirtualizableError
        If a file is out of reach or too short, or a segment ends inside a row.
    """
    sources, offsets, lengths = _segments(layout)
    shape = layout.shape
    if len(lengths) == 1:
        chunks: tuple[DimensionChunks, ...] = shape
    else:
        row_bytes = layout.n_bytes // shape[0] if shape else layout.n_bytes
        if any(length % row_bytes for length in lengths):
            raise UnvirtualizableError(
                f"It lies in {len(lengths)} external segments of {lengths} bytes, and one ends inside a row of {row_bytes} bytes."
            )
        chunks = (simplify(shape[0], [length // row_bytes for length in lengths]), *shape[1:])
    grid = (len(lengths), *(1,) * (len(shape) - 1)) if shape else ()
    table = list(dict.fromkeys(sources))
    return chunks, ChunkManifest(
        sources=table,
        source_index=np.array([table.index(source) for source in sources], np.uint32).reshape(grid),
        offsets=np.array(offsets, np.uint64).reshape(grid),
        lengths=np.array(lengths, np.uint64).reshape(grid),
    )


def _segments(layout: Layout) -> tuple[list[SourceFile], list[int], list[int]]:
    """Source, offset and length of each segment that the dataset reaches."""
    sources: list[SourceFile] = []
    offsets: list[int] = []
    lengths: list[int] = []
    left = layout.n_bytes
    for i in range(layout.creation.get_external_count()):
        raw_name, offset, size = layout.creation.get_external(i)
        name = raw_name.decode("utf-8", "surrogateescape")
        length = min(left, size)
        if length == 0:
            continue
        try:
            source = find_relative(layout.node.file.source, name, layout.registry)
        except SourceNotFoundError as error:
            raise UnvirtualizableError(f"Its bytes lie in another file. {error}") from error
        if offset + length > source.size_bytes:
            raise UnvirtualizableError(
                f"Its bytes {offset} to {offset + length} lie in {source.url}, which has {source.size_bytes} bytes; "
                "the HDF5 library reads zeros there."
            )
        sources.append(source.source_file())
        offsets.append(offset)
        lengths.append(length)
        left -= length
    if left:
        raise UnvirtualizableError(f"Its external segments lack {left} of its {layout.n_bytes} bytes.")
    return sources, offsets, lengths
