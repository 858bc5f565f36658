"""A source over a network whose short reads are served from blocks that are kept."""

from __future__ import annotations

from datetime import datetime

from vzlab.storage.request_log import RequestKind
from vzlab.storage.source import HEAD_BYTES, Source


class BlockSource(Source):
    """Several readers of one file's metadata share what was fetched, so that none asks again.

    Parameters
    ----------
    source : Source
        What is asked for whole blocks of 64 KiB, and for all that is longer than one.
    """

    def __init__(self, source: Source) -> None:
        super().__init__(source.url)
        self._source = source
        self._blocks: dict[int, bytes] = {}

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
        """Read a byte range: out of blocks, unless it is long or reaches beyond the end."""
        if not 0 < length <= HEAD_BYTES or offset + length > self.size_bytes:
            return self._source.read(offset, length, kind=kind)
        first, last = offset // HEAD_BYTES, (offset + length - 1) // HEAD_BYTES
        begin = offset - first * HEAD_BYTES
        if first == last:
            return self._block(first, kind)[begin : begin + length]
        return (self._block(first, kind) + self._block(last, kind))[begin : begin + length]

    def _block(self, number: int, kind: RequestKind) -> bytes:
        found = self._blocks.get(number)
        if found is None:
            start = number * HEAD_BYTES
            length = min(HEAD_BYTES, self.size_bytes - start)
            found = self._blocks[number] = self._source.read(start, length, kind=kind)
        return found
