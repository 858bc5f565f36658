"""The chunks of one variable of a DMR++ document as a manifest.

https://github.com/OPENDAP/bes, modules/dmrpp_module: elements ``chunks``, ``chunk``, ``block``, ``chunkDimensionSizes``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
import numpy.typing as npt

from vzlab.codecs import CodecJSON, Hdf5Filter, codecs_from_filters, reencode_chunk
from vzlab.codecs.hdf5_filters import DEFLATE, FLETCHER32, SHUFFLE
from vzlab.errors import CorruptFileError, UnsupportedCodecError, UnvirtualizableError
from vzlab.manifests import ChunkManifest, SourceFile
from vzlab.manifests.chunk_grid import DimensionChunks, simplify
from vzlab.manifests.manifest import MISSING
from vzlab.parsers.base import check_bounds
from vzlab.parsers.dmrpp.document import child, children
from vzlab.storage import StoreRegistry

MAX_CHUNKS = 20_000_000
"""A variable whose grid has more chunks is refused: its manifest would take 400 MB, written chunks or not."""

MAX_INLINE_BYTES = 64 * 2**20
"""A variable of which more would have to be held inside the manifest is refused."""

MAX_NUMBER = 2**50
"""An offset or length above a petabyte is damage; sums of smaller ones do not overflow."""

_FILTERS = {"deflate": DEFLATE, "shuffle": SHUFFLE, "fletcher32": FLETCHER32}
_LEGACY_ORDER = ("shuffle", "deflate", "fletcher32")
_SEPARATORS = str.maketrans("[],", "   ")
_LINKED = ("LinkedBlockIndex", "LBIndex")


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where the chunks of a variable lie, and what they went through."""

    chunks: tuple[DimensionChunks, ...]
    filters: tuple[CodecJSON, ...]
    manifest: ChunkManifest


@dataclass(frozen=True, kw_only=True)
class ChunkReader:
    """Reads the chunk elements of one variable."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    """As stored."""
    find: Callable[[str], SourceFile]
    """The file of an ``href``."""
    default_href: str
    registry: StoreRegistry
    ordered_filters: bool
    """Whether the document has a ``dmrpp:version``: without one, filters are listed in any order."""

    @property
    def n_bytes(self) -> int:
        """Of the whole variable, uncompressed."""
        return math.prod(self.shape) * self.dtype.itemsize

    def read(self, variable: Element) -> Placed:
        """The chunks under the variable's element ``chunks``, or the one chunk directly under it.

        Raises
        ------
        CorruptFileError
            If they do not fit the variable or their file.
        UnvirtualizableError
            If nothing says where they lie, or no reference can.
        UnsupportedCodecError
            If they went through a filter that is not known here.
        """
        listing = child(variable, "dmrpp:chunks")
        owner = variable if listing is None else listing
        pieces = list(children(owner, "dmrpp:chunk"))
        blocks = list(children(owner, "dmrpp:block"))
        if listing is None and not pieces:
            raise UnvirtualizableError("The document does not say where its values lie.")
        sizes = child(owner, "dmrpp:chunkDimensionSizes")
        compression = owner.get("compressionType", "")
        if sizes is None:
            whole = tuple(max(n, 1) for n in self.shape)
            filters = self._filters(compression, owner.get("deflateLevel", ""))
            codecs = codecs_from_filters(filters, self.dtype, self.shape)
            if 0 in self.shape or not (pieces or blocks):
                return Placed(
                    chunks=whole, filters=codecs, manifest=ChunkManifest.empty(_grid(self.shape, whole))
                )
            return self._contiguous(
                blocks or pieces, codecs, masked=any(piece.get("fm", "0") != "0" for piece in pieces)
            )
        chunk_shape = tuple(_integers(sizes.text or "", "chunkDimensionSizes").tolist())
        # A scalar may be said to be one chunk of one element.
        if len(chunk_shape) != len(self.shape) and not (self.shape == () and chunk_shape == (1,)):
            raise CorruptFileError(
                f"Its chunks have dimensions {chunk_shape}; expected {len(self.shape)}, as it has."
            )
        if 0 in chunk_shape:
            raise CorruptFileError(f"Its chunks have shape {chunk_shape}; expected lengths above zero.")
        chunk_shape = chunk_shape if self.shape else ()
        filters = self._filters(compression, owner.get("deflateLevel", ""))
        codecs = codecs_from_filters(filters, self.dtype, chunk_shape)
        grid = _grid(self.shape, chunk_shape)
        if math.prod(grid) > MAX_CHUNKS:
            raise UnvirtualizableError(
                f"Its grid has {math.prod(grid)} chunks, too many for a manifest (at most {MAX_CHUNKS})."
            )
        if 0 in self.shape or not pieces:
            manifest = ChunkManifest.empty(grid)
        else:
            manifest = self._chunked(
                pieces, filters, chunk_shape, grid, linked=owner.get("LBChunk") == "true"
            )
        return Placed(chunks=chunk_shape, filters=codecs, manifest=manifest)

    def _filters(self, compression: str, levels: str) -> tuple[Hdf5Filter, ...]:
        """The filters in the order in which they encoded."""
        names = compression.split()
        unknown = [name for name in names if name not in _FILTERS]
        if unknown:
            raise UnsupportedCodecError(
                f"It went through {', '.join(unknown)}, and DMR++ does not say with which parameters; expected "
                f"{', '.join(_FILTERS)}. Use the data file itself."
            )
        if not self.ordered_filters:
            names = [name for name in _LEGACY_ORDER if name in names]
        given = iter(_integers(levels, "deflateLevel").tolist())
        return tuple(
            Hdf5Filter(id=_FILTERS[name], cd_values=(next(given, 6),) if name == "deflate" else ())
            for name in names
        )

    # -- contiguous and linked blocks -------------------------------------------------------------------------------

    def _contiguous(
        self, pieces: Sequence[Element], codecs: tuple[CodecJSON, ...], *, masked: bool
    ) -> Placed:
        """One block of bytes, or several that follow each other in the array (HDF4 reference manual, "Linked blocks")."""
        if masked:
            raise UnvirtualizableError(
                "A chunk of it skipped filters, and is the only one. Use the data file itself."
            )
        hrefs = {piece.get("href", self.default_href) for piece in pieces}
        offsets, lengths = _column(pieces, "offset"), _column(pieces, "nBytes")
        if len(hrefs) > 1:
            raise UnvirtualizableError(
                f"Its blocks lie in {len(hrefs)} files: {', '.join(sorted(hrefs)[:3])}."
            )
        source = self.find(hrefs.pop())
        offsets, lengths = _merge(offsets, lengths)
        if not codecs:
            # The last linked block is allocated at full length, used or not.
            ends = np.cumsum(lengths)
            offsets, lengths = offsets[ends - lengths < self.n_bytes], lengths[ends - lengths < self.n_bytes]
            if len(lengths) and len(pieces) > 1:
                lengths[-1] -= max(int(lengths.sum()) - self.n_bytes, 0)
        if len(lengths) > 1:
            return self._several(source, offsets, lengths, codecs)
        grid = (1,) * len(self.shape)
        manifest = ChunkManifest.from_ranges(source, offsets.reshape(grid), lengths.reshape(grid))
        expected = None if codecs else self.n_bytes
        manifest = check_bounds(manifest, variable=self.name, n_bytes=expected, what="the block")
        return Placed(chunks=self.shape, filters=codecs, manifest=manifest)

    def _several(
        self,
        source: SourceFile,
        offsets: npt.NDArray[np.int64],
        lengths: npt.NDArray[np.int64],
        codecs: tuple[CodecJSON, ...],
    ) -> Placed:
        """Blocks apart from each other: one chunk for each where they hold whole rows, else read now."""
        row = self.n_bytes // self.shape[0] if self.shape else self.n_bytes
        if not codecs and int(lengths.sum()) != self.n_bytes:
            raise CorruptFileError(
                f"Its {len(lengths)} blocks have {int(lengths.sum())} bytes; expected {self.n_bytes}."
            )
        grid = (len(lengths), *(1,) * (len(self.shape) - 1))
        columns = ChunkManifest.from_ranges(source, offsets.reshape(grid), lengths.reshape(grid))
        check_bounds(columns, variable=self.name, what="block")
        if not codecs and self.shape and not (lengths % row).any():
            chunks = (simplify(self.shape[0], (lengths // row).tolist()), *self.shape[1:])
            return Placed(chunks=chunks, filters=codecs, manifest=columns)
        data = self._read_joined(source, offsets, lengths)
        return Placed(
            chunks=self.shape,
            filters=codecs,
            manifest=ChunkManifest.from_inline([data], (1,) * len(self.shape)),
        )

    def _read_joined(
        self, source: SourceFile, offsets: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
    ) -> bytes:
        check_inline(int(lengths.sum()), "lie in linked blocks that hold no whole rows")
        opened = self.registry.open(source.url)
        return b"".join(opened.read(at, n) for at, n in zip(offsets.tolist(), lengths.tolist(), strict=True))

    # -- chunked ----------------------------------------------------------------------------------------------------

    def _chunked(
        self,
        pieces: list[Element],
        filters: tuple[Hdf5Filter, ...],
        chunk_shape: tuple[int, ...],
        grid: tuple[int, ...],
        *,
        linked: bool,
    ) -> ChunkManifest:
        at = self._positions(pieces, chunk_shape, grid)
        offsets, lengths = _column(pieces, "offset"), _column(pieces, "nBytes")
        hrefs = [piece.get("href", self.default_href) for piece in pieces]
        table = {href: i for i, href in enumerate(dict.fromkeys(hrefs))}
        files = [self.find(href) for href in table]
        source_index = np.fromiter(map(table.__getitem__, hrefs), np.int64, len(hrefs))
        inline: dict[int, bytes] = {}
        if linked or any(piece.get(key) is not None for key in _LINKED for piece in pieces):
            at, source_index, offsets, lengths, inline = self._join(at, source_index, offsets, lengths, files)
        elif len(np.unique(at)) != len(at):
            raise CorruptFileError(
                "Two of its chunks have the same place in the array. The document is damaged."
            )
        columns: list[npt.NDArray[Any]] = [
            np.full(grid, MISSING, np.uint32),
            np.zeros(grid, np.uint64),
            np.zeros(grid, np.uint64),
        ]
        written = lengths > 0
        for column, values in zip(columns, (source_index, offsets, lengths), strict=True):
            column.reshape(-1)[at[written]] = values[written]
        manifest = ChunkManifest(
            sources=files, source_index=columns[0], offsets=columns[1], lengths=columns[2]
        )
        n_bytes = None if filters else math.prod(chunk_shape) * self.dtype.itemsize
        manifest = check_bounds(manifest, variable=self.name, n_bytes=None if inline else n_bytes)
        masks = (
            _column(pieces, "fm", "0") if filters and any("fm" in piece.attrib for piece in pieces) else None
        )
        if masks is not None and masks.any():
            if len(masks) != len(at):
                raise UnvirtualizableError(
                    "Chunks of it skipped filters and lie in several ranges. Use the data file itself."
                )
            inline |= self._unfiltered(manifest, at, masks, filters, chunk_shape)
        if any(n_bytes is not None and len(data) != n_bytes for data in inline.values()):
            raise CorruptFileError(
                f"The linked blocks of a chunk have another length than its {n_bytes} bytes."
            )
        return manifest.with_inline(list(inline), list(inline.values()))

    def _positions(
        self, pieces: list[Element], chunk_shape: tuple[int, ...], grid: tuple[int, ...]
    ) -> npt.NDArray[np.int64]:
        """Place of each chunk in the grid, counted in C order."""
        if not grid:
            if len(pieces) > 1:
                raise CorruptFileError(f"It is a scalar, and has {len(pieces)} chunks.")
            return np.zeros(1, np.int64)
        texts = [piece.get("chunkPositionInArray", "") for piece in pieces]
        if texts == [""] and math.prod(grid) == 1:
            return np.zeros(1, np.int64)
        starts = _integers(" ".join(texts).translate(_SEPARATORS), "chunkPositionInArray")
        if starts.size != len(pieces) * len(grid):
            # Documents are edited by hand: the rest of this one may be sound.
            raise UnvirtualizableError(
                f"Its {len(pieces)} chunks have {starts.size} positions; expected {len(grid)} for each. The document is wrong."
            )
        starts = starts.reshape(len(pieces), len(grid))
        places, rest = np.divmod(starts, np.array(chunk_shape))
        wrong = (rest != 0).any(axis=1) | (places >= np.array(grid)).any(axis=1)
        if wrong.any():
            bad = starts[int(np.argmax(wrong))].tolist()
            raise CorruptFileError(
                f"A chunk begins at {bad}; expected multiples of {chunk_shape} inside of {self.shape}."
            )
        return np.asarray(np.ravel_multi_index(tuple(places.T), grid), np.int64)

    def _join(
        self,
        at: npt.NDArray[np.int64],
        source_index: npt.NDArray[np.int64],
        offsets: npt.NDArray[np.int64],
        lengths: npt.NDArray[np.int64],
        files: list[SourceFile],
    ) -> tuple[
        npt.NDArray[np.int64],
        npt.NDArray[np.int64],
        npt.NDArray[np.int64],
        npt.NDArray[np.int64],
        dict[int, bytes],
    ]:
        """Chunks in several ranges: one range where these are adjacent, else read now."""
        order = np.argsort(at, kind="stable")
        at, source_index, offsets, lengths = at[order], source_index[order], offsets[order], lengths[order]
        same = (
            (at[1:] == at[:-1])
            & (source_index[1:] == source_index[:-1])
            & (offsets[1:] == offsets[:-1] + lengths[:-1])
        )
        first = np.flatnonzero(np.concatenate([[True], ~same]))
        lengths = np.add.reduceat(lengths, first)
        at, source_index, offsets = at[first], source_index[first], offsets[first]
        repeated = np.concatenate([[False], at[1:] == at[:-1]])
        apart = np.isin(at, at[repeated])
        check_inline(int(lengths[apart].sum()), "lie in chunks of several ranges apart from each other")
        parts: dict[int, list[bytes]] = {}
        for place, number, offset, length in zip(
            at[apart].tolist(),
            source_index[apart].tolist(),
            offsets[apart].tolist(),
            lengths[apart].tolist(),
            strict=True,
        ):
            parts.setdefault(place, []).append(self.registry.open(files[number].url).read(offset, length))
        kept = ~apart
        held = {place: b"".join(data) for place, data in parts.items()}
        return at[kept], source_index[kept], offsets[kept], lengths[kept], held

    def _unfiltered(
        self,
        manifest: ChunkManifest,
        at: npt.NDArray[np.int64],
        masks: npt.NDArray[np.int64],
        filters: tuple[Hdf5Filter, ...],
        chunk_shape: tuple[int, ...],
    ) -> dict[int, bytes]:
        """Chunks that skipped filters, as the whole pipeline would store them."""
        odd = np.flatnonzero(masks)
        check_inline(
            len(odd) * math.prod(chunk_shape) * self.dtype.itemsize, "lie in chunks that skipped filters"
        )
        held = {}
        for i in odd.tolist():
            entry = manifest.reference(np.unravel_index(int(at[i]), manifest.grid_shape))  # type: ignore[arg-type]
            if entry.source is None:
                continue
            raw = self.registry.open(entry.source.url).read(entry.offset, entry.length)
            held[int(at[i])] = reencode_chunk(
                raw, filters=filters, filter_mask=int(masks[i]), dtype=self.dtype, chunk_shape=chunk_shape
            )
        return held


def _grid(shape: tuple[int, ...], chunks: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(-(-n // c) for n, c in zip(shape, chunks, strict=True))


def _column(pieces: Sequence[Element], attribute: str, default: str = "") -> npt.NDArray[np.int64]:
    return _integers(" ".join(piece.get(attribute, default) or "-" for piece in pieces), attribute)


def _integers(text: str, what: str) -> npt.NDArray[np.int64]:
    """Whole numbers that are not negative, between blanks."""
    try:
        numbers = np.array(list(map(int, text.split())), np.int64)
    except (ValueError, OverflowError) as error:
        raise CorruptFileError(
            f"Found {text[:60]!r} as {what}; expected whole numbers. The document is damaged."
        ) from error
    if numbers.size and int(numbers.min()) < 0:
        raise CorruptFileError(
            f"Found {int(numbers.min())} as {what}; expected no negative number. The document is damaged."
        )
    if numbers.size and int(numbers.max()) > MAX_NUMBER:
        raise CorruptFileError(
            f"Found {int(numbers.max())} as {what}; no file is that long. The document is damaged."
        )
    return numbers


def _merge(
    offsets: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Ranges that follow each other as one."""
    first = np.flatnonzero(np.concatenate([[True], offsets[1:] != offsets[:-1] + lengths[:-1]]))
    return offsets[first], np.add.reduceat(lengths, first)


def check_inline(n_bytes: int, why: str) -> None:
    """Refuse to hold more than `MAX_INLINE_BYTES` of a variable."""
    if n_bytes > MAX_INLINE_BYTES:
        raise UnvirtualizableError(
            f"{n_bytes / 2**20:.0f} MiB of it {why}: too many to hold in the manifest (at most {MAX_INLINE_BYTES / 2**20:.0f})."
        )
