"""Where every chunk of one array lies: a table of source files and three columns over the chunk grid."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.errors import UnvirtualizableError
from vzlab.manifests.columns import as_column, held_bytes, total, unrepeated
from vzlab.manifests.inline import Chunk, as_chunks, memory_of, parts_of
from vzlab.manifests.references import ChunkReference, SourceFile

MISSING = 0xFFFFFFFF
"""Source index of a chunk that was never written."""

INLINE = 0xFFFFFFFE
"""Source index of a chunk whose bytes the manifest holds; its offset column is an index into ``inline``."""

MAX_CHUNKS = 1 << 59
"""Chunks of one array: numpy numbers no more elements of eight bytes."""


class ChunkManifest:
    """The chunks of one array: virtual (url, offset, length), inline (bytes) or missing.

    Columnar and immutable: 20 bytes a chunk however long the urls are. All operations work on whole columns. Arrays of
    the right type are kept without a copy.

    Parameters
    ----------
    sources : sequence of SourceFile or str
        The distinct files that chunks lie in.
    source_index : array of uint32, shape of the chunk grid
        Position in ``sources`` for each chunk, or ``INLINE`` or ``MISSING``.
    offsets, lengths : arrays of uint64, same shape
        Byte range of each chunk. For an inline chunk the offset is a position in ``inline``.
    inline : sequence of bytes
        Chunks held here.

    Raises
    ------
    ValueError
        If column shapes differ, or an index points outside its table.

    Examples
    --------
    >>> import vzlab as vz
    >>> entries = {"0.0": {"url": "s3://bucket/a.nc", "offset": 100, "length": 20}}
    >>> manifest = vz.ChunkManifest.from_dict(entries, grid_shape=(1, 2))
    >>> manifest.reference((0, 0)).offset
    100
    >>> manifest.n_missing
    1
    """

    def __init__(
        self,
        *,
        sources: Iterable[SourceFile | str],
        source_index: npt.ArrayLike,
        offsets: npt.ArrayLike,
        lengths: npt.ArrayLike,
        inline: Iterable[Chunk] = (),
    ) -> None:
        self.sources = tuple(SourceFile(url=s) if isinstance(s, str) else s for s in sources)
        self.inline = as_chunks(inline)
        self.source_index = as_column(source_index, np.uint32)
        self.offsets = as_column(offsets, np.uint64)
        self.lengths = as_column(lengths, np.uint64)
        shapes = {self.source_index.shape, self.offsets.shape, self.lengths.shape}
        if len(shapes) != 1:
            raise ValueError(f"Columns of a manifest have different shapes: {sorted(shapes)}")
        self._has_unsourced = False
        """Whether any chunk is inline or missing."""
        self._check_indices()

    def _check_indices(self) -> None:
        index, offsets = unrepeated(self.source_index, self.offsets)
        highest = int(index.max()) if index.size else -1
        self._has_unsourced = highest >= INLINE
        if self._has_unsourced:
            virtual = index < INLINE
            inline = index == INLINE
            if inline.any() and int(offsets[inline].max()) >= len(self.inline):
                raise ValueError(f"An inline chunk points past the {len(self.inline)} inline chunks held")
            highest = int(index[virtual].max()) if virtual.any() else -1
        if highest >= len(self.sources):
            raise ValueError(f"A chunk points to source {highest}, and there are {len(self.sources)} sources")

    # -- making ---------------------------------------------------------------------------------------------------

    @classmethod
    def empty(cls, grid_shape: Sequence[int]) -> ChunkManifest:
        """A manifest of which every chunk is missing; it takes a few bytes, however many there are.

        Raises
        ------
        UnvirtualizableError
            If there are more than numpy can count.
        """
        shape = tuple(grid_shape)
        if math.prod(shape) > MAX_CHUNKS:
            raise UnvirtualizableError(
                f"A grid of {' × '.join(map(str, shape))} chunks was found; at most {MAX_CHUNKS:,} can be numbered. The file is "
                "damaged, or declares far more than was ever written: drop the variable."
            )
        zeros = np.broadcast_to(np.uint64(0), shape)
        missing = np.broadcast_to(np.uint32(MISSING), shape)
        return cls(sources=(), source_index=missing, offsets=zeros, lengths=zeros)

    @classmethod
    def from_ranges(
        cls,
        source: SourceFile | str,
        offsets: npt.ArrayLike,
        lengths: npt.ArrayLike,
        *,
        missing: npt.ArrayLike | None = None,
    ) -> ChunkManifest:
        """Chunks that all lie in one file.

        Parameters
        ----------
        offsets, lengths : arrays of shape of the chunk grid
        missing : bool array that broadcasts to it, optional
            Chunks that are not there; their offset and length are ignored.
        """
        offsets = np.asarray(offsets, dtype=np.uint64)
        absent = None if missing is None else np.broadcast_to(np.asarray(missing, dtype=bool), offsets.shape)
        if absent is None or not absent.any():
            index: npt.NDArray[np.uint32] = np.zeros(offsets.shape, np.uint32)
            return cls(sources=(source,), source_index=index, offsets=offsets, lengths=lengths)
        index = np.where(absent, np.uint32(MISSING), np.uint32(0))
        return cls(
            sources=(source,) if not absent.all() else (),
            source_index=index,
            offsets=np.where(absent, np.uint64(0), offsets),
            lengths=np.where(absent, np.uint64(0), np.asarray(lengths, dtype=np.uint64)),
        )

    @classmethod
    def from_inline(cls, chunks: Sequence[Chunk | None], grid_shape: Sequence[int]) -> ChunkManifest:
        """Chunks held in memory, in C order of the grid; None is a missing chunk."""
        held = [chunk for chunk in chunks if chunk is not None]
        present = np.array([chunk is not None for chunk in chunks], dtype=bool)
        lengths = np.array([0 if chunk is None else len(chunk) for chunk in chunks], dtype=np.uint64)
        offsets = np.where(present, np.cumsum(present) - 1, 0).astype(np.uint64)
        index = np.where(present, np.uint32(INLINE), np.uint32(MISSING))
        shape = tuple(grid_shape)
        return cls(
            sources=(),
            source_index=index.reshape(shape),
            offsets=offsets.reshape(shape),
            lengths=lengths.reshape(shape),
            inline=held,
        )

    @classmethod
    def from_dict(
        cls, references: Mapping[str, Mapping[str, Any] | bytes], *, grid_shape: Sequence[int]
    ) -> ChunkManifest:
        """A manifest written by hand.

        Parameters
        ----------
        references : mapping
            Chunk indices joined by ``.`` or ``/``, such as ``"0.3"``, to ``{"url": ..., "offset": ..., "length": ...}``
            or to bytes. Chunks that are not named are missing.
        grid_shape : sequence of int
            Number of chunks along each dimension.

        Raises
        ------
        ValueError
            If a chunk does not lie in the grid.

        Examples
        --------
        >>> m = ChunkManifest.from_dict({"0": {"url": "s3://b/a.nc", "offset": 10, "length": 4}}, grid_shape=(2,))
        >>> m.reference((0,)).offset, m.reference((1,)).state
        (10, 'missing')
        """
        shape = tuple(grid_shape)
        index = np.full(shape, MISSING, np.uint32)
        offsets, lengths = np.zeros(shape, np.uint64), np.zeros(shape, np.uint64)
        sources: dict[str, int] = {}
        inline: list[bytes] = []
        for key, value in references.items():
            at = tuple(int(part) for part in key.replace("/", ".").split(".") if part)
            if len(at) != len(shape) or any(not 0 <= i < n for i, n in zip(at, shape, strict=True)):
                raise ValueError(f"Chunk {key!r} does not lie in a chunk grid of shape {shape}")
            if isinstance(value, bytes):
                index[at], offsets[at], lengths[at] = INLINE, len(inline), len(value)
                inline.append(value)
            else:
                index[at] = sources.setdefault(value["url"], len(sources))
                offsets[at], lengths[at] = value["offset"], value["length"]
        return cls(sources=sources, source_index=index, offsets=offsets, lengths=lengths, inline=inline)

    # -- looking --------------------------------------------------------------------------------------------------

    @property
    def grid_shape(self) -> tuple[int, ...]:
        """Number of chunks along each dimension."""
        return self.source_index.shape

    @property
    def n_chunks(self) -> int:
        """Number of chunks, missing ones included."""
        return self.source_index.size

    @cached_property
    def n_virtual(self) -> int:
        """Number of chunks that are references."""
        return (
            total(self.source_index, lambda index: index < INLINE) if self._has_unsourced else self.n_chunks
        )

    @cached_property
    def n_inline(self) -> int:
        """Number of chunks held here."""
        return total(self.source_index, lambda index: index == INLINE) if self._has_unsourced else 0

    @property
    def n_missing(self) -> int:
        """Number of chunks that were never written."""
        return self.n_chunks - self.n_virtual - self.n_inline

    @cached_property
    def stored_bytes(self) -> int:
        """Bytes of all chunks as stored: what a reader fetches to read everything once."""
        return total(self.lengths)

    @property
    def nbytes(self) -> int:
        """Memory that the manifest itself takes."""
        columns = sum(held_bytes(c) for c in (self.source_index, self.offsets, self.lengths))
        return columns + sum(len(source.url) + 100 for source in self.sources) + memory_of(self.inline)

    @property
    def urls(self) -> tuple[str, ...]:
        """The distinct urls that chunks lie in."""
        return tuple(source.url for source in self.sources)

    def reference(self, index: Sequence[int]) -> ChunkReference:
        """The entry of the chunk at a grid index."""
        at = tuple(index)
        source = self.source_index.item(at)
        if source == MISSING:
            return ChunkReference(state="missing")
        offset, length = self.offsets.item(at), self.lengths.item(at)
        if source == INLINE:
            return ChunkReference(state="inline", length=length, data=self.inline[offset])
        return ChunkReference(state="virtual", source=self.sources[source], offset=offset, length=length)

    def to_dict(self) -> dict[str, dict[str, Any] | bytes]:
        """As `from_dict` takes it: for small manifests and for eyes."""
        references: dict[str, dict[str, Any] | bytes] = {}
        for at in np.ndindex(self.grid_shape):
            entry = self.reference(at)
            key = ".".join(map(str, at))
            if entry.source is not None:
                references[key] = {"url": entry.source.url, "offset": entry.offset, "length": entry.length}
            elif entry.data is not None:
                references[key] = entry.data
        return references

    def __repr__(self) -> str:
        return (
            f"<ChunkManifest grid={self.grid_shape} virtual={self.n_virtual} inline={self.n_inline} "
            f"missing={self.n_missing} sources={len(self.sources)}>"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ChunkManifest):
            return NotImplemented
        if self.grid_shape != other.grid_shape:
            return False
        theirs = other.indices_in({source: i for i, source in enumerate(self.sources)})
        if not np.array_equal(self.source_index, theirs) or not np.array_equal(self.lengths, other.lengths):
            return False
        differs = self.offsets != other.offsets
        if not self._has_unsourced:
            return not differs.any()
        sourced = self.source_index < INLINE
        if (differs & sourced).any():
            return False
        held = self.source_index == INLINE
        pairs = zip(self.offsets[held].tolist(), other.offsets[held].tolist(), strict=True)
        return all(self.inline[a] == other.inline[b] for a, b in pairs)

    __hash__ = None  # type: ignore[assignment]

    def indices_in(self, table: dict[SourceFile, int]) -> npt.NDArray[np.uint32]:
        """The source index column in terms of another table, to which is added what it lacks."""
        numbers = [table.setdefault(source, len(table)) for source in self.sources]
        if numbers == list(range(len(numbers))):
            return self.source_index
        mapping = np.array(numbers, dtype=np.uint32)
        if not self._has_unsourced:
            if len(mapping) == 1:  # repeated; np.broadcast_to takes several times as long to say so
                return np.ndarray(self.grid_shape, np.uint32, mapping, strides=(0,) * len(self.grid_shape))
            return mapping[self.source_index]
        sourced = self.source_index < INLINE
        moved = self.source_index.copy()
        moved[sourced] = mapping[self.source_index[sourced]]
        return moved

    # -- deriving -------------------------------------------------------------------------------------------------

    def replace(
        self,
        *,
        sources: Iterable[SourceFile | str] | None = None,
        source_index: npt.ArrayLike | None = None,
        offsets: npt.ArrayLike | None = None,
        lengths: npt.ArrayLike | None = None,
        inline: Iterable[Chunk] | None = None,
    ) -> ChunkManifest:
        """The manifest with what is given in place of its own.

        Examples
        --------
        >>> m = ChunkManifest.from_ranges("s3://b/a.nc", offsets=[10, 14], lengths=[4, 4])
        >>> m.replace(offsets=m.offsets + np.uint64(512)).reference((1,)).offset
        526
        """
        return ChunkManifest(
            sources=self.sources if sources is None else sources,
            source_index=self.source_index if source_index is None else source_index,
            offsets=self.offsets if offsets is None else offsets,
            lengths=self.lengths if lengths is None else lengths,
            inline=self.inline if inline is None else inline,
        )

    def map_columns(self, change: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> ChunkManifest:
        """The same tables under columns that a numpy function rearranged, each in the same way."""
        return self.replace(
            source_index=change(self.source_index),
            offsets=change(self.offsets),
            lengths=change(self.lengths),
        )

    def with_inline(self, positions: Sequence[int], chunks: Sequence[bytes]) -> ChunkManifest:
        """The manifest with chunks, by their positions in C order of the grid, replaced by bytes held here."""
        if not chunks:
            return self.compact()
        index, offsets, lengths = (
            np.array(column, order="C") for column in (self.source_index, self.offsets, self.lengths)
        )
        index.reshape(-1)[positions] = INLINE
        offsets.reshape(-1)[positions] = np.arange(len(self.inline), len(self.inline) + len(chunks))
        lengths.reshape(-1)[positions] = [len(chunk) for chunk in chunks]
        inline = (*parts_of(self.inline), *chunks)
        return self.replace(source_index=index, offsets=offsets, lengths=lengths, inline=inline).compact()

    def take(self, indexers: Sequence[slice | npt.NDArray[np.intp]]) -> ChunkManifest:
        """Chunks chosen along every dimension by a slice or by grid indices (outer indexing)."""

        def chosen(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
            for axis, indexer in enumerate(indexers):
                if not isinstance(indexer, slice) or indexer != slice(None):
                    column = column[(slice(None),) * axis + (indexer,)]
            return column

        return self.map_columns(chosen).compact()

    def take_or_missing(self, axis: int, positions: npt.ArrayLike) -> ChunkManifest:
        """Chunks at grid positions along one axis; a position of -1 gives missing chunks."""
        positions = np.asarray(positions, dtype=np.intp)
        absent = positions < 0
        if self.grid_shape[axis] == 0:
            return ChunkManifest.empty(
                (*self.grid_shape[:axis], len(positions), *self.grid_shape[axis + 1 :])
            )
        taken = self.map_columns(lambda column: np.take(column, np.where(absent, 0, positions), axis=axis))
        hole = absent.reshape((-1,) + (1,) * (len(self.grid_shape) - axis - 1))
        return taken.replace(
            source_index=np.where(hole, np.uint32(MISSING), taken.source_index),
            offsets=np.where(hole, np.uint64(0), taken.offsets),
            lengths=np.where(hole, np.uint64(0), taken.lengths),
        ).compact()

    def transpose(self, axes: Sequence[int]) -> ChunkManifest:
        """The grid with its axes permuted."""
        return self.map_columns(lambda column: column.transpose(axes))

    def reshape(self, grid_shape: Sequence[int]) -> ChunkManifest:
        """The same chunks, in C order, under another grid shape."""
        return self.map_columns(lambda column: column.reshape(tuple(grid_shape)))

    def broadcast_to(self, grid_shape: Sequence[int]) -> ChunkManifest:
        """The grid repeated along new or length-1 dimensions."""
        return self.map_columns(lambda column: np.broadcast_to(column, tuple(grid_shape)))

    def compact(self) -> ChunkManifest:
        """Without sources and inline bytes that no chunk uses."""
        if len(self.sources) <= 1 and not self.inline and self.n_chunks and not self._has_unsourced:
            return self
        sourced = self.source_index[self.source_index < INLINE]
        used = np.bincount(sourced, minlength=len(self.sources)) > 0
        held = self.source_index == INLINE
        kept = np.unique(self.offsets[held]) if self.inline else np.zeros(0, np.uint64)
        if used.all() and len(kept) == len(self.inline):
            return self
        renumbered = (np.cumsum(used) - 1).astype(np.uint32)
        index = self.source_index.copy()
        index[index < INLINE] = renumbered[sourced]
        offsets = self.offsets
        if len(kept) != len(self.inline):
            offsets = offsets.copy()
            offsets[held] = np.searchsorted(kept, offsets[held])
        return self.replace(
            sources=(source for source, keep in zip(self.sources, used, strict=True) if keep),
            source_index=index,
            offsets=offsets,
            inline=[parts_of(self.inline)[i] for i in kept.tolist()],
        )

    def rename_urls(self, rename: Mapping[str, str] | Callable[[str], str]) -> ChunkManifest:
        """The same chunks at other urls.

        What was seen of the sources (size, etag, last-modified) is kept only as far as it says something about the new
        place: the size.
        """
        new_url: Callable[[str], str] = rename if callable(rename) else (lambda url: rename.get(url, url))
        renamed = [
            source
            if (url := new_url(source.url)) == source.url
            else SourceFile(url=url, size_bytes=source.size_bytes)
            for source in self.sources
        ]
        return self.with_sources(renamed)

    def with_sources(self, sources: Sequence[SourceFile]) -> ChunkManifest:
        """The same chunks in other files, one for each of ``self.sources``; those that are the same become one.

        Raises
        ------
        ValueError
            If there are more or fewer.
        """
        if len(sources) != len(self.sources):
            raise ValueError(f"Found {len(sources)} sources; expected one for each of {len(self.sources)}")
        # As many as before: the indices, of which there may be millions, stay as they were checked.
        moved = ChunkManifest.__new__(ChunkManifest)
        moved.sources, moved.inline = tuple(sources), self.inline
        moved.source_index, moved.offsets, moved.lengths = self.source_index, self.offsets, self.lengths
        moved._has_unsourced = self._has_unsourced
        if len(set(sources)) == len(sources):
            return moved
        table: dict[SourceFile, int] = {}
        index = moved.indices_in(table)
        return moved.replace(sources=table, source_index=index)

    def __reduce__(self) -> tuple[Any, ...]:
        if not self.sources and not self.inline and not self.lengths.any() and not self.offsets.any():
            return ChunkManifest.empty, (self.grid_shape,)  # nothing is there but the shape
        columns = (np.asarray(c, order="C") for c in (self.source_index, self.offsets, self.lengths))
        return _restore, (self.sources, *columns, self.inline)


def _restore(
    sources: tuple[SourceFile, ...],
    source_index: npt.NDArray[Any],
    offsets: npt.NDArray[Any],
    lengths: npt.NDArray[Any],
    inline: Sequence[bytes],
) -> ChunkManifest:
    return ChunkManifest(
        sources=sources, source_index=source_index, offsets=offsets, lengths=lengths, inline=inline
    )
