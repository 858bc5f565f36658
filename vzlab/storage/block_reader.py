"""A seekable file over a remote source, read in blocks that are kept."""

from __future__ import annotations

import io
from typing import Any

from vzlab.storage.source import HEAD_BYTES, Source


class BlockReader(io.RawIOBase):
    """A read-only file object for libraries that want one, such as h5py.

    Parameters
    ----------
    source : Source
    block_size : int or None
        Bytes a request, and the alignment of blocks. Small blocks suit metadata that is scattered over a file. None asks for what
        is wanted and keeps nothing: for a source that does so itself.
    """

    def __init__(self, source: Source, *, block_size: int | None = HEAD_BYTES) -> None:
        super().__init__()
        self._source = source
        self._block_size = block_size
        self._blocks: dict[int, bytes] = {}
        self._position = 0
        self._size = source.size_bytes

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Position of the next byte to be read."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position.

        Raises
        ------
        ValueError
            If it would lie before the start, or the file is closed.
        """
        self._check_open()
        if whence not in {io.SEEK_SET, io.SEEK_CUR, io.SEEK_END}:
            raise ValueError(f"Found whence {whence}; expected 0, 1 or 2")
        position = offset + (0, self._position, self._size)[whence]
        if position < 0:
            raise ValueError(f"Cannot move to position {position}: expected 0 or more")
        self._position = position
        return position

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("The file is closed: open it again")

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as the source goes."""
        self._check_open()
        view = memoryview(buffer).cast("B")
        start = self._position
        stop = min(start + len(view), self._size)
        if stop <= start:
            return 0
        if self._block_size is None:
            view[: stop - start] = self._source.read(start, stop - start)
        else:
            self._fill(view, start, stop, self._block_size)
        self._position = stop
        return stop - start

    def _fill(self, view: memoryview, start: int, stop: int, size: int) -> None:
        """Fill a buffer from blocks."""
        first, last = start // size, (stop - 1) // size
        self._fetch(first, last, size)
        for block in range(first, last + 1):
            begin = block * size
            low, high = max(start, begin), min(stop, begin + size)
            view[low - start : high - start] = self._blocks[block][low - begin : high - begin]

    def _fetch(self, first: int, last: int, size: int) -> None:
        """Fetch absent blocks, neighbours in one request."""
        block = first
        while block <= last:
            if block in self._blocks:
                block += 1
                continue
            end = block
            while end < last and end + 1 not in self._blocks:
                end += 1
            offset = block * size
            data = self._source.read(offset, min((end + 1) * size, self._size) - offset)
            for i in range(block, end + 1):
                at = (i - block) * size
                self._blocks[i] = data[at : at + size]
            block = end + 1
