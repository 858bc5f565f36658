"""L3: the stored bytes of a chunk against those that the native library gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vzlab.manifests.manifest import INLINE
from vzlab.oracles import Region
from vzlab.testing.comparison import Finding
from vzlab.testing.difference import show_value
from vzlab.testing.sampling import Block
from vzlab.testing.snippets import bytes_snippet
from vzlab.testing.virtual_side import VirtualVariable

if TYPE_CHECKING:
    from vzlab.testing.values import Comparer


def n_with_stored_bytes(comparer: Comparer, variable: VirtualVariable, blocks: Sequence[Block]) -> int:
    """How many chunks are stored on both sides as one and the same chunk, so that their bytes compare."""
    manifest = variable.manifest
    n = 0
    for block in blocks:
        if block.file and is_aligned(comparer, variable, block.file):
            n += block.n_chunks
            if manifest is not None and manifest.n_virtual < manifest.n_chunks:
                states = manifest.source_index[np.ix_(*block.chunk_indices) if block.chunk_indices else ()]
                n -= int(np.count_nonzero(states >= INLINE))
    return n


def is_aligned(comparer: Comparer, variable: VirtualVariable, file: str) -> bool:
    """Whether a native file has chunks of the shape of the virtual ones."""
    chunks = comparer.native.variables[file][variable.path].chunks
    ours = variable.grid.chunk_shape
    new = [
        axis
        for axis in range(len(variable.shape))
        if (joined := comparer.arrangement.axis(variable.path, axis)) is not None and joined.is_new
    ]
    return chunks == tuple(n for axis, n in enumerate(ours) if axis not in new)


def check_stored_bytes(
    comparer: Comparer, variable: VirtualVariable, index: tuple[int, ...], region: Region, file: str
) -> None:
    """Compare the stored bytes of a chunk, if it is one and the same chunk on both sides."""
    path = variable.path
    pieces = list(comparer.arrangement.pieces(path, region, file))
    if (
        len(pieces) != 1
        or not pieces[0].file
        or pieces[0].turned
        or not comparer.virtual.is_virtual_chunk(path, index)
    ):
        return
    piece = pieces[0]
    described = comparer.native.variables[piece.file][path]
    stored_shape = variable.grid.stored_shape(index)
    stored_shape = tuple(n for axis, n in enumerate(stored_shape) if axis not in piece.expand)
    if described.chunks != stored_shape or any(
        part.start % chunk for part, chunk in zip(piece.region, described.chunks, strict=True)
    ):
        return
    native_index = tuple(
        part.start // chunk for part, chunk in zip(piece.region, described.chunks, strict=True)
    )
    try:
        theirs = comparer.native[piece.file].stored_chunk(path, native_index)
        ours = comparer.virtual.read_stored(path, index)
    except Exception as error:  # noqa: BLE001 - whatever storage raises is the finding
        comparer.unreadable("L3", variable, index, region, piece, error)
        return
    comparer.record.cover("L3", 1, 0, "chunks")
    if ours == theirs:
        return
    at, virtual_value, native_value = _first_byte(ours, theirs)
    place = comparer.virtual.reference(path, index)
    finding = Finding(
        level="L3",
        variable=path,
        message=f"bytes: the stored bytes of the chunk differ, first at byte {at}",
        virtual_value=virtual_value,
        native_value=native_value,
        file=piece.file,
        snippet=bytes_snippet(piece, *place),
    )
    comparer.record.find(finding.at_chunk(index, place))


def _first_byte(ours: bytes | None, theirs: bytes | None) -> tuple[int, str, str]:
    if ours is None or theirs is None:
        return 0, _size(ours), _size(theirs)
    n = min(len(ours), len(theirs))
    left, right = np.frombuffer(ours[:n], np.uint8), np.frombuffer(theirs[:n], np.uint8)
    differ = np.flatnonzero(left != right)
    if len(differ) == 0:
        return n, f"{len(ours)} bytes", f"{len(theirs)} bytes"
    at = int(differ[0])
    return at, show_value(f"{ours[at]:#04x}"), show_value(f"{theirs[at]:#04x}")


def _size(data: bytes | None) -> str:
    return "nothing" if data is None else f"{len(data)} bytes"
