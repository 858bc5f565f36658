"""A record of the byte ranges that were asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal

type RequestKind = Literal["open", "range", "chunk"]
"""Whether a request found out what a source is, read what a parser wanted, or read a chunk."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One range that was read from one source."""

    url: str
    offset: int
    length: int
    """Bytes asked for."""
    kind: RequestKind
    started_s: float
    """Seconds since the log began."""
    ended_s: float


@dataclass(eq=False)
class RequestLog:
    """Every request made through a registry, in the order in which they ended. Safe to share between threads.

    Examples
    --------
    >>> import vzlab as vz
    >>> log = vz.RequestLog()
    >>> source = vz.StoreRegistry(log=log).open("archive/sst_2025-01-01.nc")
    >>> source.read(1, 3)
    b'HDF'
    >>> [(request.offset, request.length) for request in log.requests]
    [(1, 3)]
    """

    requests: list[Request] = field(default_factory=list)
    _began: float = field(default_factory=time.perf_counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, url: str, offset: int, length: int, kind: RequestKind, *, start: float, end: float) -> None:
        """Record a request that began and ended at these readings of ``time.perf_counter``."""
        request = Request(
            url=url,
            offset=offset,
            length=length,
            kind=kind,
            started_s=start - self._began,
            ended_s=end - self._began,
        )
        with self._lock:
            self.requests.append(request)

    @contextmanager
    def listening(self) -> Iterator[RequestLog]:
        """Record the requests of every source of this process as long as the block lasts, in all its threads."""
        global _listening  # noqa: PLW0603 - a tuple that is replaced whole: readers need no lock
        with _listening_lock:
            _listening = (*_listening, self)
        try:
            yield self
        finally:
            with _listening_lock:
                _listening = tuple(log for log in _listening if log is not self)

    @property
    def total_bytes(self) -> int:
        """Bytes asked for in all."""
        return sum(request.length for request in self.requests)

    def __len__(self) -> int:
        return len(self.requests)

    def clear(self) -> None:
        """Forget all requests."""
        with self._lock:
            self.requests.clear()


_listening: tuple[RequestLog, ...] = ()
_listening_lock = threading.Lock()

inside_a_request: ContextVar[bool] = ContextVar("inside_a_request", default=False)
"""Whether what runs here is recorded already: a library below is not to be recorded for the same bytes."""


def logs_of(own: RequestLog | None) -> tuple[RequestLog, ...]:
    """The logs that a source writes to: its registry's, and those that listen to every source."""
    return _listening if own is None else (own, *(log for log in _listening if log is not own))


@contextmanager
def timed(
    logs: tuple[RequestLog, ...], url: str, offset: int, length: int, kind: RequestKind
) -> Iterator[None]:
    """Record what happens inside as one request."""
    token = inside_a_request.set(True)
    start = time.perf_counter()
    try:
        yield
    finally:
        end = time.perf_counter()
        inside_a_request.reset(token)
        for log in logs:
            log.add(url, offset, length, kind, start=start, end=end)
