"""One file or object to read ranges from, with reads that never come back short."""

from __future__ import annotations

import itertools
import os
import stat
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from datetime import UTC, datetime
from typing import Any

from vzlab.errors import ShortReadError, SourceNotFoundError, UnreachableChunkError, first_line
from vzlab.manifests import SourceFile
from vzlab.storage.request_log import RequestKind, RequestLog, logs_of, timed

HEAD_BYTES = 65_536
"""The first request to a remote object asks for this much: it tells size and etag, and metadata often lies there."""

AT_ONCE = 32
"""Threads that read many ranges of one source."""

LONG_READ_BYTES = 16 * 2**20
"""A file's range of no less is read by all cores into a buffer: most of the time goes into memory that is new."""

BUFFERS_A_RUN = 1_000
"""Most buffers that `Source.read_run` takes: Linux fills no more than 1,024 in one call."""

RANGES_A_CALL = 10
"""Ranges that obstore asks for at once in one call."""

_REPLACED = "The file is shorter than its references say: it was truncated or replaced after it was parsed. Parse it again."


class Source(ABC):
    """A file or object at a url."""

    def __init__(self, url: str, log: RequestLog | None = None) -> None:
        self.url = url
        self._log = log

    local_path: str | None = None
    """Where it lies on this machine, if it does."""

    @property
    @abstractmethod
    def size_bytes(self) -> int:
        """Length of the whole source."""

    @property
    @abstractmethod
    def etag(self) -> str | None:
        """Entity tag, as the store gives it."""

    @property
    @abstractmethod
    def last_modified(self) -> datetime:
        """Time of the last change."""

    @abstractmethod
    def read(self, offset: int, length: int, *, kind: RequestKind = "range") -> bytes:
        """Read a byte range; `kind` is what logs say of it.

        Raises
        ------
        ShortReadError
            If the source ends before the range does.
        UnreachableChunkError
            If it cannot be read: forbidden, gone, or the network failed.
        """

    def read_into(self, offset: int, target: memoryview, *, kind: RequestKind = "range") -> None:
        """Read as many bytes as a buffer has into it; raises what `read` does."""
        target[:] = self.read(offset, len(target), kind=kind)

    def read_run(self, offset: int, targets: Sequence[memoryview]) -> bool:
        """Fill buffers with what follows each other, in one go, and say whether that was possible.

        Where it was not, each is to be read by itself: `read_into` says what is wrong, and logs have a line for each.
        """
        return False

    def read_many(self, ranges: Sequence[tuple[int, int]], *, kind: RequestKind = "range") -> list[bytes]:
        """Read ranges ``(offset, length)`` that lie apart from each other, all at once; raises what `read` does."""
        return self._at_once(lambda wanted: self.read(*wanted, kind=kind), ranges)

    @staticmethod
    def _at_once[T, R](read: Callable[[T], R], items: Sequence[T]) -> list[R]:
        if len(items) < 2:
            return [read(item) for item in items]
        with ThreadPoolExecutor(min(AT_ONCE, len(items))) as pool:
            return list(pool.map(read, items))

    def is_current(self) -> bool:
        """Whether it is still what its url names; only local files are looked at."""
        return True

    async def read_async(self, offset: int, length: int, *, kind: RequestKind = "range") -> bytes:
        """Read a byte range without blocking, where the source can."""
        return self.read(offset, length, kind=kind)

    def source_file(self) -> SourceFile:
        """What is known of the source now, for a manifest."""
        return SourceFile(
            url=self.url, size_bytes=self.size_bytes, etag=self.etag, last_modified=self.last_modified
        )

    def _checked(self, data: bytes, offset: int, length: int) -> bytes:
        if len(data) != length:
            raise ShortReadError(
                f"{self.url}: asked for {length} bytes at {offset}, got {len(data)}. {_REPLACED}"
            )
        return data

    def _unreachable(self, error: Exception, offset: int, length: int) -> UnreachableChunkError:
        text = first_line(error)
        if "Range Not Satisfiable" in text or "Invalid range" in text:
            return ShortReadError(
                f"{self.url}: asked for {length} bytes at {offset}, which is past its end. {_REPLACED}"
            )
        advice = " Copy the file to where ranges are served." if "Range request not supported" in text else ""
        return UnreachableChunkError(
            f"{self.url}: {length} bytes at {offset} could not be read: {text}{advice}"
        )

    def _timed(self, offset: int, length: int, kind: RequestKind) -> AbstractContextManager[None]:
        logs = logs_of(self._log)
        return timed(logs, self.url, offset, length, kind) if logs else nullcontext()


class LocalSource(Source):
    """A file on this machine, read with ``pread``."""

    def __init__(self, url: str, path: str, log: RequestLog | None = None) -> None:
        super().__init__(url, log)
        self.local_path: str = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError as error:
            raise SourceNotFoundError(f"No file at {path}") from error
        except OSError as error:
            raise UnreachableChunkError(f"{path} cannot be opened: {error.strerror}") from error
        # Whoever still reads keeps the source alive, and with it the descriptor.
        weakref.finalize(self, os.close, self._descriptor)
        self._stat = os.fstat(self._descriptor)
        if stat.S_ISDIR(self._stat.st_mode):
            raise UnreachableChunkError(f"{path} is a directory; expected a file")

    def is_current(self) -> bool:
        """Whether the path still names the same, unchanged file."""
        try:
            now = os.stat(self.local_path)  # noqa: PTH116 - on every read: a Path costs as much again
        except OSError:
            return False
        then = self._stat
        return (now.st_ino, now.st_size, now.st_mtime_ns, now.st_dev) == (
            then.st_ino,
            then.st_size,
            then.st_mtime_ns,
            then.st_dev,
        )

    @property
    def size_bytes(self) -> int:
        """Length of the file when it was opened."""
        return self._stat.st_size

    @property
    def etag(self) -> str | None:
        """Files have no entity tag."""
        return None

    @property
    def last_modified(self) -> datetime:
        """Modification time when it was opened."""
        return datetime.fromtimestamp(self._stat.st_mtime, UTC)

    def read(self, offset: int, length: int, *, kind: RequestKind = "range") -> bytes:
        """Read a byte range."""
        logs = logs_of(self._log)
        try:
            if not logs:
                data = os.pread(self._descriptor, length, offset)
            else:
                with timed(logs, self.url, offset, length, kind):
                    data = os.pread(self._descriptor, length, offset)
            while 0 < len(data) < length:  # pread stops at 2 GiB on Linux
                more = os.pread(self._descriptor, length - len(data), offset + len(data))
                if not more:
                    break
                data += more
        except (OSError, OverflowError, ValueError) as error:
            raise self._unreachable(error, offset, length) from error
        return data if len(data) == length else self._checked(data, offset, length)

    def read_into(self, offset: int, target: memoryview, *, kind: RequestKind = "range") -> None:
        """Read as many bytes as a buffer has into it, without a copy between."""
        parts = [(offset, target)]
        if len(target) >= LONG_READ_BYTES:
            step = -(-len(target) // (os.cpu_count() or 1))
            parts = [(offset + at, target[at : at + step]) for at in range(0, len(target), step)]
        try:
            with self._timed(offset, len(target), kind):
                if len(parts) == 1:
                    n_read = self._fill(*parts[0])
                else:
                    with ThreadPoolExecutor(len(parts)) as pool:
                        n_read = sum(pool.map(self._fill, *zip(*parts, strict=True)))
        except (OSError, OverflowError, ValueError) as error:
            raise self._unreachable(error, offset, len(target)) from error
        if n_read != len(target):
            raise ShortReadError(
                f"{self.url}: asked for {len(target)} bytes at {offset}, got {n_read}. {_REPLACED}"
            )

    def read_run(self, offset: int, targets: Sequence[memoryview]) -> bool:
        """Fill buffers with what follows each other, in one call to the system."""
        if logs_of(self._log):
            return False
        try:
            return os.preadv(self._descriptor, targets, offset) == sum(map(len, targets))
        except (OSError, OverflowError, ValueError):
            return False

    def _fill(self, offset: int, target: memoryview) -> int:
        """Read into a buffer, and say how many bytes there were."""
        n_read = 0
        while n_read < len(target):  # preadv stops at 2 GiB on Linux
            n_more = os.preadv(self._descriptor, [target[n_read:]], offset + n_read)
            if not n_more:
                break
            n_read += n_more
        return n_read


class ObjectSource(Source):
    """An object in a store, read through obstore or anything else with obspec's ``get`` and ``get_range``."""

    def __init__(self, url: str, store: Any, key: str, log: RequestLog | None = None) -> None:
        super().__init__(url, log)
        self._store = store
        self._key = key
        self._lock = threading.Lock()
        self._seen: tuple[dict[str, Any], bytes] | None = None

    @property
    def _head(self) -> tuple[dict[str, Any], bytes]:
        """Metadata and the first bytes, in one request."""
        with self._lock:
            if self._seen is None:
                self._seen = self._look()
            return self._seen

    def _look(self) -> tuple[dict[str, Any], bytes]:
        try:
            try:
                with self._timed(0, HEAD_BYTES, "open"):
                    result = self._store.get(self._key, options={"range": (0, HEAD_BYTES)})
                    return dict(result.meta), bytes(result.buffer())
            except FileNotFoundError:
                raise
            except Exception:
                # An empty object has no first byte to range over.
                with self._timed(0, 0, "open"):
                    meta = dict(self._store.head(self._key))
                if meta["size"]:
                    raise
                return meta, b""
        except FileNotFoundError as error:
            raise SourceNotFoundError(f"No object at {self.url}") from error
        except Exception as error:
            raise UnreachableChunkError(f"{self.url} cannot be opened: {first_line(error)}") from error

    @property
    def size_bytes(self) -> int:
        """Length of the object."""
        return int(self._head[0]["size"])

    @property
    def etag(self) -> str | None:
        """Entity tag, quotes and all."""
        return self._head[0].get("e_tag")

    @property
    def last_modified(self) -> datetime:
        """Time of the last change."""
        return self._head[0]["last_modified"]  # type: ignore[no-any-return]

    def _held(self, offset: int, length: int) -> bytes | None:
        """Bytes that need no request."""
        if length == 0:
            return b""
        if self._seen is not None and offset + length <= len(self._seen[1]):
            return self._seen[1][offset : offset + length]
        return None

    def read(self, offset: int, length: int, *, kind: RequestKind = "range") -> bytes:
        """Read a byte range."""
        held = self._held(offset, length)
        if held is not None:
            return held
        try:
            with self._timed(offset, length, kind):
                data = bytes(self._store.get_range(self._key, start=offset, length=length))
        except Exception as error:
            raise self._unreachable(error, offset, length) from error
        return self._checked(data, offset, length)

    def read_many(self, ranges: Sequence[tuple[int, int]], *, kind: RequestKind = "range") -> list[bytes]:
        """Read ranges that lie apart from each other, all at once."""
        from obstore.store import ObjectStoreMethods

        # Others may merge what lies far apart, or ask for one after another.
        if not isinstance(self._store, ObjectStoreMethods):
            return super().read_many(ranges, kind=kind)
        held = [self._held(*bounds) for bounds in ranges]
        wanted = [bounds for bounds, data in zip(ranges, held, strict=True) if data is None]
        calls = [wanted[at : at + RANGES_A_CALL] for at in range(0, len(wanted), RANGES_A_CALL)]
        fetched = itertools.chain.from_iterable(
            self._at_once(lambda some: self._read_together(some, kind), calls)
        )
        return [next(fetched) if data is None else data for data in held]

    def _read_together(self, ranges: Sequence[tuple[int, int]], kind: RequestKind) -> list[bytes]:
        """As many ranges as one call asks for at once."""
        try:
            with ExitStack() as stack:
                for offset, length in ranges:
                    stack.enter_context(self._timed(offset, length, kind))
                offsets, lengths = zip(*ranges, strict=True)
                found = self._store.get_ranges(self._key, starts=offsets, lengths=lengths, coalesce=0)
        except Exception as error:
            raise self._unreachable(error, *ranges[0]) from error
        return [self._checked(bytes(data), *bounds) for data, bounds in zip(found, ranges, strict=True)]

    async def read_async(self, offset: int, length: int, *, kind: RequestKind = "range") -> bytes:
        """Read a byte range without blocking."""
        held = self._held(offset, length)
        if held is not None:
            return held
        try:
            with self._timed(offset, length, kind):
                data = bytes(await self._store.get_range_async(self._key, start=offset, length=length))
        except Exception as error:
            raise self._unreachable(error, offset, length) from error
        return self._checked(data, offset, length)
