"""Bytes of inline chunks, in memory or, once they are many, in a temporary file that goes with the last of them."""

from __future__ import annotations

import tempfile
import threading
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, overload


class Spill:
    """Takes chunks: the first ones into memory, the others into a file without a name.

    Parameters
    ----------
    memory_bytes : int
        What chunks may take in memory.
    """

    def __init__(self, memory_bytes: int) -> None:
        self._free = memory_bytes
        self._end = 0
        self._file: IO[bytes] | None = None
        self._lock = threading.Lock()

    def put(self, chunk: bytes) -> Chunk:
        """What stands for a chunk in `ChunkManifest.from_inline`."""
        with self._lock:
            if len(chunk) <= self._free:
                self._free -= len(chunk)
                return chunk
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="vzlab-")  # noqa: SIM115 - closed with the last chunk in it
                weakref.finalize(self, self._file.close)
            self._file.seek(self._end)
            self._file.write(chunk)
            self._end += len(chunk)
            return SpilledChunk(spill=self, offset=self._end - len(chunk), length=len(chunk))

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the file."""
        assert self._file is not None
        with self._lock:
            self._file.seek(offset)
            return self._file.read(length)


@dataclass(frozen=True, kw_only=True, slots=True)
class SpilledChunk:
    """A chunk in a temporary file."""

    spill: Spill = field(repr=False, compare=False)
    offset: int
    length: int

    def __len__(self) -> int:
        return self.length

    def read(self) -> bytes:
        """The bytes."""
        return self.spill.read(self.offset, self.length)


type Chunk = bytes | SpilledChunk
"""An inline chunk as it is held."""


class InlineChunks(Sequence[bytes]):
    """Chunks of which some lie in a temporary file; each is read when it is asked for.

    Pickled, they are all in memory: a file without a name is of no use to another process.
    """

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        self.parts = tuple(chunks)

    def __len__(self) -> int:
        return len(self.parts)

    @overload
    def __getitem__(self, key: int) -> bytes: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[bytes, ...]: ...
    def __getitem__(self, key: int | slice) -> bytes | tuple[bytes, ...]:
        if isinstance(key, slice):
            return tuple(map(_bytes_of, self.parts[key]))
        return _bytes_of(self.parts[key])

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple, (list(self),)

    def __deepcopy__(self, memo: object) -> InlineChunks:
        return self


def _bytes_of(part: Chunk) -> bytes:
    return part.read() if isinstance(part, SpilledChunk) else part


def as_chunks(chunks: Iterable[Chunk]) -> Sequence[bytes]:
    """Chunks in the form that a manifest holds."""
    if isinstance(chunks, tuple | InlineChunks):
        return chunks
    parts = list(chunks)
    if any(isinstance(part, SpilledChunk) for part in parts):
        return InlineChunks(parts)
    return tuple(parts)  # type: ignore[arg-type]  # all of them are bytes


def parts_of(chunks: Sequence[bytes]) -> Sequence[Chunk]:
    """Chunks as they are held, without reading those in a file."""
    return chunks.parts if isinstance(chunks, InlineChunks) else chunks


def memory_of(chunks: Sequence[bytes]) -> int:
    """Bytes of memory that chunks take."""
    return sum(len(part) for part in parts_of(chunks) if not isinstance(part, SpilledChunk))
