"""A record of the byte ranges that were asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One range that was read from one source."""

    url: str
    offset: int
    length: int
    """Bytes asked for."""
    kind: Literal["open", "range"]
    """Whether it found out what the source is, or only read from it."""
    started_s: float
    """Seconds since the log began."""
    ended_s: float


@dataclass(eq=False)
class RequestLog:
    """Every request made through a registry, in the order in which they ended. Safe to share between threads."""

    requests: list[Request] = field(default_factory=list)
    _began: float = field(default_factory=time.perf_counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def timed(self, url: str, offset: int, length: int, kind: Literal["open", "range"]) -> Iterator[None]:
        """Record what happens inside as one request."""
        start = time.perf_counter() - self._began
        try:
            yield
        finally:
            end = time.perf_counter() - self._began
            with self._lock:
                self.requests.append(
                    Request(url=url, offset=offset, length=length, kind=kind, started_s=start, ended_s=end)
                )

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
