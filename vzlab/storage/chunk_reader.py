"""Read parts of chunks of one array into place: ranges planned as columns, fetched together, decoded in parallel."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from vzlab.codecs.fast import FastDecoder, fast_decoder
from vzlab.codecs.pipeline import prepare_codecs
from vzlab.errors import CodecError, ShortReadError, UnreachableChunkError, VzlabError
from vzlab.manifests import ChunkGrid, ChunkManifest, ManifestArray
from vzlab.manifests.codec_axes import is_uncompressed
from vzlab.manifests.manifest import INLINE, MISSING
from vzlab.storage.ranges import REMOTE_GAP_BYTES, REMOTE_REQUEST_BYTES, merge_ranges
from vzlab.storage.raw_parts import Selection, element_span, view_of_span
from vzlab.storage.registry import StoreRegistry
from vzlab.storage.source import BUFFERS_A_RUN, Source

if TYPE_CHECKING:
    from vzlab.codecs.prepared import PreparedCodecs

REMOTE_THREADS = 32
"""Requests under way at once for chunks that lie elsewhere."""

IN_FLIGHT_BYTES = 256 * 2**20
"""Most bytes that are fetched at once and not yet decoded."""

SMALL_CHUNK_BYTES = 32_768
"""Local chunks below this size are read by one thread: handing them over would take longer than decoding them."""

SMALL_RAW_BYTES = 2 * 2**20
"""Raw local chunks of fewer bytes together are read by one thread: copying them takes no longer than beginning others."""

type Part = tuple[Selection, Selection, bool]
"""What to take of a chunk, where it goes in the output, and whether it is the whole chunk."""
type Index = tuple[int, ...]


class ChunkReader:
    """Reads chunks of one virtual array.

    Parameters
    ----------
    array : ManifestArray
    registry : StoreRegistry
    name : str
        Path of the array, for messages.
    """

    def __init__(self, array: ManifestArray, registry: StoreRegistry, *, name: str = "array") -> None:
        self._array = array
        self._registry = registry
        self._name = name
        self._decoders: dict[Index, _Decoder] = {}

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the array's values."""
        return self._array.dtype

    @cached_property
    def is_local(self) -> bool:
        """Whether every chunk lies in a file that is read by this process itself, not through a store that was given."""
        return self._registry.reads_files and all(
            source.url.startswith("file://") for source in self._array.manifest.sources
        )

    @cached_property
    def raw_itemsize(self) -> int:
        """Bytes of an element where chunks are their elements and nothing else, so that a part can be read; else 0."""
        dtype = self._array.dtype
        return dtype.itemsize if is_uncompressed(self._array.metadata.codecs) and not dtype.hasobject else 0

    def read(
        self,
        coordinates: npt.NDArray[np.int64],
        parts: Sequence[Part],
        out: npt.NDArray[Any],
        *,
        fill: Any,
        drop_axes: tuple[int, ...] = (),
    ) -> npt.NDArray[np.bool_]:
        """Read parts of chunks into an array, and say which chunks were missing.

        Parameters
        ----------
        coordinates : array of int64, shape ``(n, ndim)``
            Indices of the chunks in the chunk grid.
        parts : sequence of `Part`, of length n
        out : array
        fill : scalar
            What missing chunks read as.
        drop_axes : tuple of int
            Axes of what is taken of a chunk that the output does not have.

        Raises
        ------
        UnreachableChunkError, ShortReadError
            If a chunk cannot be fetched whole; the message names it.
        CodecError
            If a chunk does not decode.
        """
        manifest = self._array.manifest
        flat = tuple(coordinates.T)
        source, offsets, lengths = (
            column[flat].reshape(-1) if self._array.ndim else column.reshape(-1)[: len(parts)]
            for column in (manifest.source_index, manifest.offsets, manifest.lengths)
        )
        work = _Work(indices=coordinates, parts=parts, out=out, drop_axes=drop_axes)
        if (source >= INLINE).any():
            for k in np.flatnonzero(source == MISSING).tolist():
                out[parts[k][1]] = fill
            for k in np.flatnonzero(source == INLINE).tolist():
                self._place(work, k, manifest.inline[int(offsets[k])])
        wanted = np.flatnonzero(source < INLINE)
        if wanted.size:
            columns = [column[wanted].astype(np.int64) for column in (source, offsets, lengths)]
            if self.raw_itemsize:
                self._narrow(work, wanted, columns[1], columns[2])
            if self.is_local:
                self._read_local(work, wanted.tolist(), *(column.tolist() for column in columns))
            else:
                self._read_remote(work, wanted, *columns)
        missing: npt.NDArray[np.bool_] = source == MISSING
        return missing

    def _narrow(
        self,
        work: _Work,
        wanted: npt.NDArray[np.int64],
        offsets: npt.NDArray[np.int64],
        lengths: npt.NDArray[np.int64],
    ) -> None:
        """Keep of each raw chunk the bytes from the first to the last element that is taken."""
        itemsize = self.raw_itemsize
        for n, k in enumerate(wanted.tolist()):
            taken, _, is_complete = work.parts[k]
            if is_complete:
                continue
            shape = self._decoder(work.indices[k]).shape
            span = element_span(taken, shape)
            if span is not None and lengths[n] == math.prod(shape) * itemsize:
                work.narrowed.add(k)
                offsets[n] += span[0] * itemsize
                lengths[n] = (span[1] - span[0]) * itemsize

    def _read_local(
        self, work: _Work, wanted: list[int], source: list[int], offsets: list[int], lengths: list[int]
    ) -> None:
        def read_some(numbers: range) -> None:
            opened: Source | None = None
            opened_number = -1
            run: list[tuple[int, memoryview]] = []
            run_ends = -1
            tries_small = True  # until one does not fit: its neighbours will not either
            for n in numbers:
                k = wanted[n]
                target: memoryview | None = None
                is_next = source[n] == opened_number and offsets[n] == run_ends and len(run) < BUFFERS_A_RUN
                if run and not is_next:
                    read_run(opened, run)
                    run = []
                try:
                    # Chunks side by side lie mostly in one file: it is asked for once.
                    if opened is None or source[n] != opened_number:
                        url = self._array.manifest.sources[source[n]].url
                        opened, opened_number = self._registry.open(url), source[n]
                    if lengths[n] >= SMALL_CHUNK_BYTES or tries_small:
                        target = self._raw_target(work, k, lengths[n])
                        tries_small = target is not None
                    if target is not None:
                        run.append((n, target))
                        run_ends = offsets[n] + lengths[n]
                        continue
                    data = opened.read(offsets[n], lengths[n], kind="chunk")
                except (VzlabError, OSError) as error:
                    raise self._failure(error, work.indices[k]) from error
                self._place(work, k, data)
            read_run(opened, run)

        def read_run(opened: Source | None, run: list[tuple[int, memoryview]]) -> None:
            """Read raw chunks that follow each other in a file straight into the output."""
            if not run or opened is None:
                return
            if len(run) > 1 and opened.read_run(offsets[run[0][0]], [target for _, target in run]):
                return
            for n, target in run:
                try:
                    opened.read_into(offsets[n], target, kind="chunk")
                except (VzlabError, OSError) as error:
                    raise self._failure(error, work.indices[wanted[n]]) from error

        n_bytes = sum(lengths)
        is_small = n_bytes < SMALL_CHUNK_BYTES * len(wanted) or (
            self.raw_itemsize and n_bytes < SMALL_RAW_BYTES
        )
        n_threads = 1 if is_small or len(wanted) == 1 else os.cpu_count() or 1
        step = len(wanted) if n_threads == 1 else max(1, len(wanted) // (4 * n_threads))
        runs = [range(start, min(start + step, len(wanted))) for start in range(0, len(wanted), step)]
        _run(read_some, runs, min(n_threads, len(runs)))

    def _read_remote(
        self,
        work: _Work,
        wanted: npt.NDArray[np.int64],
        source: npt.NDArray[np.int64],
        offsets: npt.NDArray[np.int64],
        lengths: npt.NDArray[np.int64],
    ) -> None:
        merged = merge_ranges(
            source, offsets, lengths, gap_bytes=REMOTE_GAP_BYTES, max_bytes=REMOTE_REQUEST_BYTES
        )
        ends = [*merged.first[1:].tolist(), len(wanted)]

        def read_one(number: int) -> None:
            start, length = int(merged.offsets[number]), int(merged.lengths[number])
            members = merged.order[merged.first[number] : ends[number]].tolist()
            url = self._array.manifest.sources[int(merged.source[number])].url
            try:
                data = memoryview(self._registry.open(url).read(start, length, kind="chunk"))
            except (VzlabError, OSError):
                self._read_apart(work, url, members, wanted, offsets, lengths)
                return
            for n in members:
                at = int(offsets[n]) - start
                self._place(work, int(wanted[n]), data[at : at + int(lengths[n])])

        largest = int(merged.lengths.max())
        n_threads = min(REMOTE_THREADS, max(1, IN_FLIGHT_BYTES // max(largest, 1)), len(merged))
        _run(read_one, range(len(merged)), n_threads)

    def _read_apart(
        self,
        work: _Work,
        url: str,
        members: Sequence[int],
        wanted: npt.NDArray[np.int64],
        offsets: npt.NDArray[np.int64],
        lengths: npt.NDArray[np.int64],
    ) -> None:
        """Read the chunks of a request that failed one by one: the error then names the one that cannot be read."""
        for n in members:
            k = int(wanted[n])
            try:
                data = self._registry.open(url).read(int(offsets[n]), int(lengths[n]), kind="chunk")
            except (VzlabError, OSError) as error:
                raise self._failure(error, work.indices[k]) from error
            self._place(work, k, data)

    # -- one chunk --------------------------------------------------------------------------------------------------

    def _raw_target(self, work: _Work, k: int, length: int) -> memoryview | None:
        """The memory of the output that the bytes of a raw chunk may be read into as they are."""
        _, goes_to, is_complete = work.parts[k]
        if not self.raw_itemsize or not (is_complete or k in work.narrowed):
            return None
        target = _view(work.out, goes_to)
        if target is None or target.dtype != self._decoder(work.indices[k]).stored_dtype:
            return None
        # As many bytes as elements that are taken: they follow each other.
        is_one_run = target.nbytes == length and target.flags.c_contiguous
        return memoryview(target.reshape(-1).view(np.uint8)) if is_one_run else None

    def _place(self, work: _Work, k: int, data: bytes | memoryview) -> None:
        taken, goes_to, is_complete = work.parts[k]
        decoder = self._decoder(work.indices[k])
        try:
            if is_complete and not work.drop_axes:
                target = _view(work.out, goes_to)
                if target is not None and target.shape == decoder.shape and decoder.decode_into(data, target):
                    return
            if k in work.narrowed:
                chunk = view_of_span(data, taken, decoder.shape, decoder.stored_dtype)
            else:
                chunk = decoder.decode(data)[taken]
        except CodecError as error:
            raise CodecError(
                f"Chunk {tuple(work.indices[k].tolist())} of {self._name!r} does not decode: {error}"
            ) from error
        work.out[goes_to] = chunk.squeeze(axis=work.drop_axes) if work.drop_axes else chunk

    def _decoder(self, index: npt.NDArray[np.int64]) -> _Decoder:
        if self._regular is not None:
            return self._regular
        shape = self._grid.stored_shape(index.tolist())
        decoder = self._decoders.get(shape)
        if decoder is None:
            decoder = self._decoders[shape] = _Decoder(self._array, shape)
        return decoder

    @cached_property
    def _grid(self) -> ChunkGrid:
        return self._array.chunk_grid

    @cached_property
    def _regular(self) -> _Decoder | None:
        """The decoder of every chunk, where all are stored in one shape."""
        return _Decoder(self._array, self._grid.chunk_shape) if self._grid.is_regular else None

    def _failure(self, error: Exception, index: npt.NDArray[np.int64]) -> Exception:
        return name_failure(error, self._name, tuple(index.tolist()), self._array.manifest)


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What one call reads."""

    indices: npt.NDArray[np.int64]
    parts: Sequence[Part]
    out: npt.NDArray[Any]
    drop_axes: tuple[int, ...]
    narrowed: set[int] = field(default_factory=set)
    """Chunks of which only the bytes that are taken are fetched."""


class _Decoder:
    """How chunks of one stored shape decode: the fast way where there is one, else codec by codec."""

    def __init__(self, array: ManifestArray, shape: Index) -> None:
        metadata = array.metadata
        self.shape = shape
        self._fast: FastDecoder | None = fast_decoder(metadata.codecs, array.dtype, shape)
        self._array = array
        endian = (metadata.codecs[0].get("configuration") or {}).get("endian")
        # Strings of any length have no byte order to change.
        order: Literal["<", ">"] = ">" if endian == "big" else "<"
        self.stored_dtype = array.dtype if array.dtype.kind == "T" else array.dtype.newbyteorder(order)

    @cached_property
    def _prepared(self) -> PreparedCodecs:
        metadata = self._array.metadata
        return prepare_codecs(metadata.codecs, metadata.data_type, self.shape, metadata.fill_value)

    def decode(self, data: bytes | memoryview) -> npt.NDArray[Any]:
        values = self._fast.decode(data) if self._fast is not None else None
        return self._prepared.decode(bytes(data)) if values is None else values

    def decode_into(self, data: bytes | memoryview, target: npt.NDArray[Any]) -> bool:
        return self._fast is not None and self._fast.decode_into(data, target)


def name_failure(error: Exception, path: str, index: Index, manifest: ChunkManifest) -> Exception:
    """The failure to fetch a chunk, saying which chunk of which array, and where it should lie."""
    reference = manifest.reference(index)
    assert reference.source is not None
    kind = ShortReadError if isinstance(error, ShortReadError) else UnreachableChunkError
    return kind(
        f"Chunk {index} of {path!r} ({reference.length} bytes at {reference.offset} of {reference.source.url}) cannot be read. "
        f"{error}"
    )


def _view(out: npt.NDArray[Any], goes_to: Selection) -> npt.NDArray[Any] | None:
    """A region of the output, to write into; None where the selection gives a copy."""
    target: Any = out[goes_to]
    return target if isinstance(target, np.ndarray) and target.base is not None else None


def _run[T](work: Callable[[T], None], items: Iterable[T], n_threads: int) -> None:
    if n_threads <= 1:
        for item in items:
            work(item)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        for _ in pool.map(work, items):
            pass
