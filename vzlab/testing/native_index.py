"""References against the native library's own chunk index: every offset and length, without reading data."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.manifests import ChunkManifest
from vzlab.manifests.manifest import INLINE, MISSING
from vzlab.oracles import NativeChunks, NativeVariable
from vzlab.telling import told_of
from vzlab.testing.arrangement import Arrangement
from vzlab.testing.causes import MISSING_AS_FILL
from vzlab.testing.comparison import Finding
from vzlab.testing.native_files import NativeFiles
from vzlab.testing.record import Record
from vzlab.testing.sampling import Block
from vzlab.testing.virtual_side import VirtualVariable, place_of

_LEVEL = "L2"


@dataclass(frozen=True, kw_only=True)
class _Expected:
    """What the native library says of the chunks of a block: columns over the block."""

    present: npt.NDArray[np.bool_]
    offsets: npt.NDArray[np.uint64]
    lengths: npt.NDArray[np.uint64]


def check_native_index(
    variable: VirtualVariable,
    manifest: ChunkManifest,
    native: NativeFiles,
    arrangement: Arrangement,
    record: Record,
    sizes: Mapping[str, int],
) -> None:
    """Compare the references of a variable with where the native library says its chunks lie.

    It claims nothing where the chunk grids do not match, or where the references point to copies whose size differs.
    """
    path = variable.path
    holders = native.holders(path)
    native_urls = set(native.urls)
    for block in told_of(f"L2 {path}", arrangement.blocks(path, variable.grid, holders)):
        if not block.file or not block.n_chunks:
            continue
        expected = _expected(variable, block, native, arrangement, block.file)
        if expected is None:
            continue
        columns = _columns(manifest, block)
        sourced = columns[0] < INLINE
        # Of thousands of files, a block refers to one.
        used = {number: manifest.sources[number].url for number in np.unique(columns[0][sourced]).tolist()}
        elsewhere = {url for url in used.values() if url not in native_urls}
        here = _refers_to(columns, used, {block.file})
        is_copy = _refers_to(columns, used, elsewhere.union(block.also))
        _report(
            variable,
            manifest,
            block,
            sourced & ~here & ~is_copy & expected.present & arrangement.is_joined(path),
            "file: references point to another native file than the one that holds this place",
            "swapped file",
            record,
        )
        # Offsets must be the same in a copy that is as long as the native file.
        size = sizes.get(block.file)
        alike = {url for url in elsewhere if size is not None and sizes.get(url) == size}
        known = here | _refers_to(columns, used, alike)
        lost = expected.present & (columns[0] == np.uint32(MISSING))
        _report(
            variable,
            manifest,
            block,
            lost,
            "missing: chunks that are in the native file",
            MISSING_AS_FILL,
            record,
        )
        moved = (
            known & expected.present & ((columns[1] != expected.offsets) | (columns[2] != expected.lengths))
        )
        invented = known & ~expected.present
        cause = _why_moved(columns, moved, expected, block)
        _report(
            variable,
            manifest,
            block,
            moved,
            "range: references differ from the native chunk index",
            cause,
            record,
        )
        message = "range: references to chunks that were never written natively"
        _report(variable, manifest, block, invented, message, "", record)


def at_native_place(
    variable: VirtualVariable, block: Block, native: NativeFiles, arrangement: Arrangement
) -> npt.NDArray[np.bool_] | None:
    """Which chunks of a block are references to the very bytes that the native index gives; None if it gives none.

    Those bytes are the same on both sides, without reading them.
    """
    manifest = variable.manifest
    expected = None if manifest is None else _expected(variable, block, native, arrangement, block.file)
    if manifest is None or expected is None:
        return None
    index, offsets, lengths = _columns(manifest, block)
    numbers = [number for number, source in enumerate(manifest.sources) if source.url == block.file]
    same = (offsets == expected.offsets) & (lengths == expected.lengths)
    at_place: npt.NDArray[np.bool_] = np.isin(index, np.array(numbers, np.uint32)) & expected.present & same
    return at_place


def _columns(manifest: ChunkManifest, block: Block) -> tuple[Any, Any, Any]:
    key = np.ix_(*block.chunk_indices) if block.chunk_indices else ()
    return manifest.source_index[key], manifest.offsets[key], manifest.lengths[key]


def _refers_to(columns: Any, used: Mapping[int, str], urls: Collection[str]) -> npt.NDArray[np.bool_]:
    """Where references point to one of some files."""
    numbers = [number for number, url in used.items() if url in urls]
    found: npt.NDArray[np.bool_] = np.isin(columns[0], np.array(numbers, np.uint32))
    return found


def _expected(
    variable: VirtualVariable, block: Block, native: NativeFiles, arrangement: Arrangement, file: str
) -> _Expected | None:
    described = native.variables[file][variable.path]
    starts = [
        _starts(variable, axis, indices, arrangement) for axis, indices in enumerate(block.chunk_indices)
    ]
    if any(part is None for part in starts):
        return None
    corners = [part for part in starts if part is not None]
    lengths = [
        variable.grid.stored_lengths(axis)[indices] for axis, indices in enumerate(block.chunk_indices)
    ]
    new = [
        i for i in range(len(variable.shape)) if (axis := arrangement.axis(variable.path, i)) and axis.is_new
    ]
    kept = [i for i in range(len(variable.shape)) if i not in new]
    if len(kept) != len(described.shape):
        return None
    corners, lengths = [corners[i] for i in kept], [lengths[i] for i in kept]
    table = native[file].chunk_table(variable.path)
    if table is not None:
        found = _from_table(table, corners, lengths)
    else:
        span = native[file].contiguous_range(variable.path)
        found = None if span is None else _from_contiguous(span, described, variable, corners, lengths)
    if found is None or not new:
        return found
    shape = block.shape
    return _Expected(
        present=found.present.reshape(shape),
        offsets=found.offsets.reshape(shape),
        lengths=found.lengths.reshape(shape),
    )


def _starts(
    variable: VirtualVariable, axis: int, indices: npt.NDArray[np.int64], arrangement: Arrangement
) -> npt.NDArray[np.int64] | None:
    """First element in the native file of each chunk of a block along an axis; None where a chunk straddles files."""
    starts = variable.grid.starts(axis)
    joined = arrangement.axis(variable.path, axis)
    if joined is None:
        return starts[indices]
    first, last = starts[indices], starts[indices + 1] - 1
    if (joined.tile[first] != joined.tile[last]).any():
        return None
    if (joined.local[last] - joined.local[first] != last - first).any():
        return None
    return joined.local[first]


def _from_table(
    table: NativeChunks, corners: Sequence[npt.NDArray[np.int64]], lengths: Sequence[npt.NDArray[np.int64]]
) -> _Expected | None:
    at = []
    for corner, length, chunk, n in zip(corners, lengths, table.chunks, table.present.shape, strict=True):
        if (
            (length != chunk).any()
            or (corner % chunk).any()
            or (len(corner) and int(corner.max()) // chunk >= n)
        ):
            return None
        at.append(corner // chunk)
    key = np.ix_(*at)
    return _Expected(present=table.present[key], offsets=table.offsets[key], lengths=table.lengths[key])


def _from_contiguous(
    span: tuple[int, int],
    described: NativeVariable,
    variable: VirtualVariable,
    corners: Sequence[npt.NDArray[np.int64]],
    lengths: Sequence[npt.NDArray[np.int64]],
) -> _Expected | None:
    """Where the parts of a variable that lies in one piece are, if each of them is a run of bytes."""
    itemsize = variable.dtype.itemsize
    if span[1] != int(np.prod(described.shape, dtype=np.int64)) * itemsize:
        return None
    long = [axis for axis, length in enumerate(lengths) if (length != 1).any()]
    for axis in range(len(lengths)):
        whole = (lengths[axis] == described.shape[axis]).all()
        if long and axis > long[0] and not whole:
            return None
    offsets = np.array(span[0], np.uint64)
    size = np.array(itemsize, np.uint64)
    stride = itemsize * np.cumprod([1, *described.shape[:0:-1]], dtype=np.int64)[::-1]
    for axis, corner in enumerate(corners):
        offsets = np.add.outer(offsets, (corner * stride[axis]).astype(np.uint64))
        size = np.multiply.outer(size, lengths[axis].astype(np.uint64))
    return _Expected(present=np.ones(offsets.shape, bool), offsets=offsets, lengths=size)


def _why_moved(columns: Any, moved: npt.NDArray[np.bool_], expected: _Expected, block: Block) -> str:
    if not moved.any():
        return ""
    flat = int(np.argmax(moved))
    offset = columns[1].reshape(-1)[flat]
    match = np.flatnonzero(expected.present.reshape(-1) & (expected.offsets.reshape(-1) == offset))
    if len(match):
        if int(match[0]) == flat:
            return "a wrong length"
        return f"shifted or swapped chunk: natively these bytes are chunk {list(block.at(int(match[0])))}"
    return "a wrong offset"


def _report(
    variable: VirtualVariable,
    manifest: ChunkManifest,
    block: Block,
    wrong: npt.NDArray[np.bool_],
    message: str,
    cause: str,
    record: Record,
) -> None:
    n = int(np.count_nonzero(wrong))
    if not n:
        return
    at = block.at(int(np.argmax(wrong)))
    finding = Finding(
        level=_LEVEL, variable=variable.path, message=message, cause=cause, file=block.file, n_alike=n
    )
    record.find(finding.at_chunk(at, place_of(manifest, at)))
