"""One file or object to read ranges from, with reads that never come back short."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from functools import cached_property
from io import FileIO
from typing import Any, Literal

from vzlab.errors import ShortReadError, SourceNotFoundError, UnreachableChunkError
from vzlab.manifests.manifest import SourceFile
from vzlab.storage.request_log import RequestLog

HEAD_BYTES = 65_536
"""The first request to a remote object asks for this much: it tells size and etag, and metadata often lies there."""


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
    def read(self, offset: int, length: int) -> bytes:
        """Read a byte range.

        Raises
        ------
        ShortReadError
            If the source ends before the range does.
        UnreachableChunkError
            If it cannot be read: forbidden, gone, or the network failed.
        """

    async def read_async(self, offset: int, length: int) -> bytes:
        """Read a byte range without blocking, where the source can."""
        return self.read(offset, length)

    def source_file(self) -> SourceFile:
        """What is known of the source now, for a manifest."""
        return SourceFile(
            url=self.url, size_bytes=self.size_bytes, etag=self.etag, last_modified=self.last_modified
        )

    def _checked(self, data: bytes, offset: int, length: int) -> bytes:
        if len(data) != length:
            raise ShortReadError(
                f"{self.url}: asked for {length} bytes at {offset}, got {len(data)}. The file is shorter than its references "
                "say: it was truncated or replaced after it was parsed. Parse it again."
            )
        return data

    def _timed(
        self, offset: int, length: int, kind: Literal["open", "range"] = "range"
    ) -> AbstractContextManager[None]:
        return nullcontext() if self._log is None else self._log.timed(self.url, offset, length, kind)


class LocalSource(Source):
    """A file on this machine, read with ``pread``."""

    def __init__(self, url: str, path: str, log: RequestLog | None = None) -> None:
        super().__init__(url, log)
        self.local_path = path
        try:
            self._file = FileIO(path)
        except FileNotFoundError as error:
            raise SourceNotFoundError(f"No file at {path}") from error
        except OSError as error:
            raise UnreachableChunkError(f"{path} cannot be opened: {error.strerror}") from error
        self._stat = os.fstat(self._file.fileno())

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

    def read(self, offset: int, length: int) -> bytes:
        """Read a byte range."""
        if self._log is None:
            data = os.pread(self._file.fileno(), length, offset)
        else:
            with self._timed(offset, length):
                data = os.pread(self._file.fileno(), length, offset)
        while 0 < len(data) < length:  # pread stops at 2 GiB on Linux
            more = os.pread(self._file.fileno(), length - len(data), offset + len(data))
            if not more:
                break
            data += more
        return self._checked(data, offset, length)


class ObjectSource(Source):
    """An object in a store, read through obstore."""

    def __init__(self, url: str, store: Any, key: str, log: RequestLog | None = None) -> None:
        super().__init__(url, log)
        self._store = store
        self._key = key
        self._lock = threading.Lock()

    @cached_property
    def _head(self) -> tuple[dict[str, Any], bytes]:
        """Metadata and the first bytes, in one request."""
        import obstore
        from obstore.exceptions import BaseError

        try:
            with self._timed(0, HEAD_BYTES, "open"):
                try:
                    result = obstore.get(self._store, self._key, options={"range": (0, HEAD_BYTES)})
                    return dict(result.meta), bytes(result.bytes())
                except FileNotFoundError:
                    raise
                except BaseError:
                    # An empty object has no first byte to range over.
                    meta = obstore.head(self._store, self._key)
                    if meta["size"]:
                        raise
                    return dict(meta), b""
        except FileNotFoundError as error:
            raise SourceNotFoundError(f"No object at {self.url}") from error
        except (BaseError, OSError) as error:
            raise UnreachableChunkError(f"{self.url} cannot be opened: {_first_line(error)}") from error

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
        if "_head" in self.__dict__ and offset + length <= len(self._head[1]):
            return self._head[1][offset : offset + length]
        return None

    def read(self, offset: int, length: int) -> bytes:
        """Read a byte range."""
        import obstore
        from obstore.exceptions import BaseError

        held = self._held(offset, length)
        if held is not None or length == 0:
            return held or b""
        try:
            with self._timed(offset, length):
                data = bytes(obstore.get_range(self._store, self._key, start=offset, length=length))
        except (BaseError, OSError) as error:
            raise self._unreachable(error, offset, length) from error
        return self._checked(data, offset, length)

    async def read_async(self, offset: int, length: int) -> bytes:
        """Read a byte range without blocking."""
        import obstore
        from obstore.exceptions import BaseError

        held = self._held(offset, length)
        if held is not None or length == 0:
            return held or b""
        try:
            with self._timed(offset, length):
                data = bytes(
                    await obstore.get_range_async(self._store, self._key, start=offset, length=length)
                )
        except (BaseError, OSError) as error:
            raise self._unreachable(error, offset, length) from error
        return self._checked(data, offset, length)

    def _unreachable(self, error: Exception, offset: int, length: int) -> UnreachableChunkError:
        return UnreachableChunkError(
            f"{self.url}: {length} bytes at {offset} could not be read: {_first_line(error)}"
        )


def _first_line(error: BaseException) -> str:
    """The telling part of an object store's error, which goes on with a debug print."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
