"""A remote source of which what was read is kept, and what will be read can be asked for all at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cached_property

from vzlab.storage.request_log import RequestKind
from vzlab.storage.source import HEAD_BYTES, Source

PAGE_BYTES = 1024
"""What is kept and asked for are whole pages."""
NEAR_PAGES = 16
"""So many pages between two that are wanted cost less than another request."""
MAX_KEPT_BYTES = 2**20
"""Longer reads are passed on, and not kept: they are no metadata."""


class CachedSource(Source):
    """Another source, whose pages are kept from the first read on.

    Parameters
    ----------
    source : Source
    """

    def __init__(self, source: Source) -> None:
        super().__init__(source.url)
        self._source = source

    @cached_property
    def _pages(self) -> dict[int, bytes]:
        """Pages by number; the first ones came with the request that found out what the source is."""
        head = self._source.read(0, min(HEAD_BYTES, self.size_bytes))
        return {at // PAGE_BYTES: head[at : at + PAGE_BYTES] for at in range(0, len(head), PAGE_BYTES)}

    @cached_property
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
            return self._source.read(offset, length, kind=kind)
        wanted = range(offset // PAGE_BYTES, (offset + length - 1) // PAGE_BYTES + 1)
        pages = self._pages
        try:
            held = [pages[page] for page in wanted]
        except KeyError:
            begin = offset // HEAD_BYTES * HEAD_BYTES
            end = -(-(offset + length) // HEAD_BYTES) * HEAD_BYTES
            self._fetch([(begin // PAGE_BYTES, end // PAGE_BYTES)])
            held = [pages[page] for page in wanted]
        start = offset % PAGE_BYTES
        return (held[0] if len(held) == 1 else b"".join(held))[start : start + length]

    def read_many(self, ranges: Sequence[tuple[int, int]], *, kind: RequestKind = "range") -> list[bytes]:
        """Read ranges at once, of which the short ones are kept."""
        self.prefetch(bounds for bounds in ranges if bounds[1] <= MAX_KEPT_BYTES)
        passed_on = [bounds for bounds in ranges if bounds[1] > MAX_KEPT_BYTES]
        long = iter(self._source.read_many(passed_on, kind=kind))
        return [
            next(long) if length > MAX_KEPT_BYTES else self.read(offset, length) for offset, length in ranges
        ]

    def holds(self, offset: int, length: int) -> bool:
        """Whether a byte range is there without a request."""
        if offset < 0 or offset + length > self.size_bytes:
            return False
        pages = range(offset // PAGE_BYTES, -(-(offset + length) // PAGE_BYTES))
        return all(page in self._pages for page in pages)

    def prefetch(self, ranges: Iterable[tuple[int, int]]) -> bool:
        """Fetch the pages of ranges ``(offset, length)`` that are absent, in one parallel round; neighbours together.

        Returns
        -------
        bool
            Whether anything was absent.
        """
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
        self._fetch(runs)
        return bool(runs)

    def _fetch(self, runs: Sequence[Sequence[int]]) -> None:
        """Runs of pages ``[first, stop]``, all at once."""
        ranges = [
            (first * PAGE_BYTES, min(stop * PAGE_BYTES, self.size_bytes) - first * PAGE_BYTES)
            for first, stop in runs
        ]
        for (begin, _), data in zip(ranges, self._source.read_many(ranges), strict=True):
            first = begin // PAGE_BYTES
            for at in range(0, len(data), PAGE_BYTES):
                self._pages[first + at // PAGE_BYTES] = data[at : at + PAGE_BYTES]
