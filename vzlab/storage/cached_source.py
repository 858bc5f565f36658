"""A remote source of which what was read is kept, and what will be read can be asked for all at once."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from vzlab.storage.request_log import RequestKind
from vzlab.storage.source import HEAD_BYTES, Source

PAGE_BYTES = 1024
"""What is kept and asked for are whole pages."""
NEAR_PAGES = 16
"""So many pages between two that are wanted cost less than another request."""
MAX_KEPT_BYTES = 2**20
"""Longer reads are passed on, and not kept: they are no metadata."""
AT_ONCE = 256
"""Requests of one round that run at a time."""


class CachedSource(Source):
    """Another source, whose pages are kept from the first read on.

    Parameters
    ----------
    source : Source
    """

    def __init__(self, source: Source) -> None:
        super().__init__(source.url)
        self._source = source
        self._pages: dict[int, bytes] = {}

    @property
    def size_bytes(self) -> int:
        """Length of the whole source."""
        return self._source.size_bytes

    @property
    def etag(self) -> str | None:
        """Entity tag, as the store gives it."""
        return self._source.etag

    @property
    def last_modified(self) -> datetime:
        """Time of the last change."""
        return self._source.last_modified

    def read(self, offset: int, length: int, *, kind: RequestKind = "range") -> bytes:
        """Read a byte range; pages that are absent are fetched with their neighbourhood."""
        if length > MAX_KEPT_BYTES or length <= 0 or offset < 0 or offset + length > self.size_bytes:
            return self._source.read(offset, length)
        first, last = offset // PAGE_BYTES, (offset + length - 1) // PAGE_BYTES
        if not all(page in self._pages for page in range(first, last + 1)):
            begin = offset // HEAD_BYTES * HEAD_BYTES
            end = -(-(offset + length) // HEAD_BYTES) * HEAD_BYTES
            self._fetch(begin // PAGE_BYTES, end // PAGE_BYTES)
        held = b"".join(self._pages[page] for page in range(first, last + 1))
        start = offset - first * PAGE_BYTES
        return held[start : start + length]

    def prefetch(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Fetch the pages of ranges ``(offset, length)`` that are absent, in one parallel round; neighbours together."""
        n_pages = -(-self.size_bytes // PAGE_BYTES)
        wanted: set[int] = set()
        for offset, length in ranges:
            if offset >= 0 and length > 0:
                stop = -(-(offset + length) // PAGE_BYTES)
                wanted.update(range(offset // PAGE_BYTES, min(stop, n_pages)))
        runs: list[list[int]] = []
        for page in sorted(wanted - self._pages.keys()):
            if runs and page <= runs[-1][1] + NEAR_PAGES:
                runs[-1][1] = page + 1
            else:
                runs.append([page, page + 1])
        if len(runs) == 1:
            self._fetch(runs[0][0], runs[0][1])
        elif runs:
            with ThreadPoolExecutor(min(AT_ONCE, len(runs))) as pool:
                list(pool.map(lambda run: self._fetch(run[0], run[1]), runs))

    def _fetch(self, first: int, stop: int) -> None:
        begin = first * PAGE_BYTES
        data = self._source.read(begin, min(stop * PAGE_BYTES, self.size_bytes) - begin)
        for at in range(0, len(data), PAGE_BYTES):
            self._pages[first + at // PAGE_BYTES] = data[at : at + PAGE_BYTES]
