"""Where in their files the chunks of a variable lie: each file as a strip, binned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.manifests.manifest import INLINE, ChunkManifest

MAX_ROWS = 32
"""More files than this share rows."""

MAX_BINS = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class ByteMap:
    """Strips of the files that a variable lies in, from their first byte to their last. Arrays: (rows, bins)."""

    first_source: tuple[int, ...]
    """Position in the inspection's sources of the first file of each row."""
    n_sources: tuple[int, ...]
    """Files that each row stands for; their strips are averaged."""
    own: npt.NDArray[np.float32]
    """Fraction of each bin that chunks of this variable cover."""
    others: npt.NDArray[np.float32]
    """Fraction that chunks of other variables cover."""
    metadata: npt.NDArray[np.float32] | None
    """Fraction that metadata cover; None where it is not known which bytes they are."""
    file_bytes: int
    """Size of all these files together."""
    own_bytes: int
    """Bytes of them in chunks of this variable."""
    other_bytes: int
    """Bytes of them in chunks of other variables."""
    metadata_bytes: int | None
    """Bytes of them that are metadata; None where it is not known which are."""

    @property
    def rest_bytes(self) -> int:
        """Bytes in no chunk: padding, free space, or variables that could not be read; metadata, where these are not known."""
        known = self.own_bytes + self.other_bytes + (self.metadata_bytes or 0)
        return max(self.file_bytes - known, 0)


@dataclass(frozen=True, kw_only=True, eq=False)
class FileLayout:
    """The rows and bins that all variables of an inspection share, and what they cover together."""

    sizes: npt.NDArray[np.float64]
    """Size of each source in bytes, shape (sources,)."""
    row_of: npt.NDArray[np.intp]
    """Row of each source."""
    n_bins: int
    covered: npt.NDArray[np.float64]
    """Fraction of each bin that chunks of any variable cover, shape (rows, bins)."""
    covered_bytes: npt.NDArray[np.float64]
    """Bytes in chunks of any variable, shape (sources,)."""
    of_variable: tuple[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]], ...]
    """For each manifest, its own fractions and bytes, as above."""
    header_bytes: int = 0
    """Where the only file has all its metadata at its begin: how many bytes; 0 where that is not known."""

    @cached_property
    def first_source(self) -> npt.NDArray[np.intp]:
        """Position of the first source of each row."""
        return np.searchsorted(self.row_of, np.arange(len(self.covered)))

    @cached_property
    def n_sources(self) -> npt.NDArray[np.intp]:
        """Sources of each row."""
        return np.bincount(self.row_of, minlength=len(self.covered))


def file_layout(
    manifests: Sequence[ChunkManifest],
    positions: Sequence[npt.NDArray[np.int32]],
    sizes: npt.NDArray[np.float64],
    *,
    header_bytes: int = 0,
) -> FileLayout:
    """Work out how the chunks of several variables cover their files.

    Parameters
    ----------
    manifests : sequence of ChunkManifest
    positions : sequence of arrays of int32
        For each manifest, where its sources are in the common table.
    sizes : array of float64, shape (sources,)
        Size of each source, as far as its chunks tell where it is not known.
    header_bytes : int
        Of one file with all its metadata at its begin: their length. Of several it is not told which has them.
    """
    n = len(sizes)
    rows = min(n, MAX_ROWS)
    row_of = np.arange(n, dtype=np.intp) * rows // max(n, 1)
    n_bins = MAX_BINS if rows <= 8 else MAX_BINS // 2
    shares = np.bincount(row_of, minlength=rows).reshape(-1, 1).astype(np.float64)
    parts = tuple(
        _coverage(manifest, position, sizes, row_of, n_bins, shares)
        for manifest, position in zip(manifests, positions, strict=True)
    )
    covered = np.zeros((rows, n_bins))
    covered_bytes = np.zeros(n)
    for fractions, n_bytes in parts:
        covered += fractions
        covered_bytes += n_bytes
    return FileLayout(
        sizes=sizes,
        row_of=row_of,
        n_bins=n_bins,
        covered=covered,
        covered_bytes=covered_bytes,
        of_variable=parts,
        header_bytes=header_bytes if n == 1 else 0,
    )


def byte_map(layout: FileLayout, variable: int) -> ByteMap | None:
    """Give the strips of the files that one variable lies in; None if it lies in none.

    Parameters
    ----------
    layout : FileLayout
    variable : int
        Position of its manifest among those that the layout was made of.
    """
    fractions, n_bytes = layout.of_variable[variable]
    used = np.flatnonzero(n_bytes)
    if used.size == 0:
        return None
    is_used = np.bincount(layout.row_of[used], minlength=len(layout.covered)) > 0
    rows = np.flatnonzero(is_used)
    in_rows = is_used[layout.row_of]
    part = fractions[rows]
    own = np.minimum(np.maximum(part, 0), 1)
    # Two variables may share bytes, by hard links for example: no bin is more than full.
    others = np.minimum(np.maximum(layout.covered[rows] - part, 0), 1 - own)
    other_bytes = float((layout.covered_bytes - n_bytes)[in_rows].sum())
    if other_bytes > 0 and layout.covered[rows].max() > 1 + 1e-6:
        bins = np.bincount(layout.row_of, weights=layout.sizes)[rows] / layout.n_bins
        other_bytes = min(other_bytes, float(others.sum(axis=1) @ bins))
    head = layout.header_bytes
    metadata = None
    if head:
        reach = head / max(layout.sizes[0], 1) * layout.n_bins - np.arange(layout.n_bins)
        metadata = np.minimum(np.clip(reach, 0, 1), 1 - own - others).astype(np.float32)
    return ByteMap(
        first_source=tuple(layout.first_source[rows].tolist()),
        n_sources=tuple(layout.n_sources[rows].tolist()),
        own=own.astype(np.float32),
        others=others.astype(np.float32),
        metadata=metadata,
        metadata_bytes=head or None,
        file_bytes=int(layout.sizes[in_rows].sum()),
        own_bytes=int(n_bytes.sum()),
        other_bytes=int(other_bytes),
    )


def source_ends(
    manifest: ChunkManifest, positions: npt.NDArray[np.int32], ends: npt.NDArray[np.float64]
) -> None:
    """Raise the known ends of sources, in place, to where the last chunk of the manifest in each ends."""
    for index, offsets, lengths in _virtual_blocks(manifest):
        last = offsets + lengths
        if len(manifest.sources) == 1:
            at = int(positions[0])
            ends[at] = max(ends[at], float(last.max()))
        else:
            np.maximum.at(ends, positions[index], last.astype(np.float64))


_BLOCK = 1 << 17
"""Chunks worked on at once: their temporary columns stay in the processor's cache."""


def _virtual_blocks(
    manifest: ChunkManifest,
) -> Iterator[tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint64], npt.NDArray[np.uint64]]]:
    """Source index, offset and length of virtual chunks, some at a time."""
    index = manifest.source_index.reshape(-1)
    offsets, lengths = manifest.offsets.reshape(-1), manifest.lengths.reshape(-1)
    all_virtual = manifest.n_virtual == manifest.n_chunks
    for start in range(0, index.size, _BLOCK):
        block = slice(start, start + _BLOCK)
        if all_virtual:
            yield index[block], offsets[block], lengths[block]
        elif (virtual := index[block] < INLINE).any():
            yield index[block][virtual], offsets[block][virtual], lengths[block][virtual]


def _coverage(
    manifest: ChunkManifest,
    positions: npt.NDArray[np.int32],
    sizes: npt.NDArray[np.float64],
    row_of: npt.NDArray[np.intp],
    n_bins: int,
    shares: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Fractions of bins, shape (rows, bins), and bytes of sources, shape (sources,), that one manifest covers."""
    n_cells = len(shares) * n_bins
    filled, n_bytes = np.zeros(n_cells), np.zeros(len(sizes))
    scale = n_bins / np.maximum(sizes, 1)
    for index, offsets, lengths in _virtual_blocks(manifest):
        first: Any
        if len(manifest.sources) == 1:
            at = int(positions[0])
            n_bytes[at] += float(lengths.sum())
            first, per_byte = int(row_of[at]) * n_bins, scale[at]
        else:
            source = positions[index]
            n_bytes += np.bincount(source, weights=lengths, minlength=len(sizes))
            first, per_byte = row_of[source] * n_bins, scale[source]
        widths = lengths * per_byte
        if widths.max() < _NARROW:
            # Chunks much narrower than a bin count for the bin of their first byte.
            key = np.minimum(offsets * per_byte, n_bins - 1).astype(np.intp) + first
            filled += np.bincount(key, weights=widths, minlength=n_cells)
        else:
            filled += _filled_from(offsets * per_byte, first, n_cells, n_bins)
            filled -= _filled_from((offsets + lengths) * per_byte, first, n_cells, n_bins)
    return filled.reshape(-1, n_bins) / shares, n_bytes


_NARROW = 1 / 512


def _filled_from(
    place: npt.NDArray[np.float64], first: Any, n_cells: int, n_bins: int
) -> npt.NDArray[np.float64]:
    """Add up, for each bin, how much of it lies behind each place of its row; places are in bins."""
    # The bytes of a range that lie in a bin are what lies behind its start less what lies behind its end; both
    # need only, for each bin, how many places fall into it and where in it on average.
    whole = np.minimum(place, n_bins - 1).astype(np.intp)
    inside = np.minimum(place - whole, 1.0)
    key = whole + first
    count = np.bincount(key, minlength=n_cells).reshape(-1, n_bins)
    part = np.bincount(key, weights=inside, minlength=n_cells)
    before = np.cumsum(count, axis=1) - count
    filled: npt.NDArray[np.float64] = (before + count).reshape(-1) - part
    return filled
