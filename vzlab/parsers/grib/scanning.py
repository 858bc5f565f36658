"""Where the fields of a GRIB file lie, and their headers; reads no data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vzlab.codecs.grib_sections import fields, header_only, message_length
from vzlab.errors import CodecError, CorruptFileError
from vzlab.storage import Source

MARK = b"GRIB"
MAX_GAP_BYTES = 64 * 2**20
"""So much of what is no message is looked through before, between and behind messages, and no more."""

_MANY_BYTES = 65_536
"""A request where messages are small, so that it holds several of them, and where the next one is searched for."""
_FEW_BYTES = 2_048
"""A request where messages are large: the end of one and the header of the next."""


@dataclass(frozen=True, kw_only=True)
class FieldPlace:
    """Where one field lies."""

    message: int
    """Number of its message in the file, from 0."""
    offset: int
    """First byte of its message."""
    length: int
    """Bytes from there to the end of the field, or of the message for its last field."""
    header: bytes
    """A message with its metadata and no data."""


def scan_fields(source: Source) -> Iterator[FieldPlace]:
    """Every field of a file, in order.

    Raises
    ------
    CorruptFileError
        If it holds no message, or one that contradicts itself or goes past the end of the file.
    """
    window = _Window(source)
    position, number = 0, 0
    while (found := _next_mark(window, position)) is not None:
        try:
            length = message_length(_View(window, found, window.size - found))
            message = _View(window, found, min(length, window.size - found))
            window.step = _FEW_BYTES if length > _MANY_BYTES else _MANY_BYTES
            for field in fields(message, whole=True):
                yield FieldPlace(
                    message=number, offset=found, length=field.stop, header=header_only(message, field)
                )
        except CodecError as error:
            raise CorruptFileError(
                f"{source.url}: GRIB message {number} at byte {found} is damaged or cut off: {error} Fetch the file again."
            ) from error
        position = found + length
        number += 1
        window.forget(position)
    if not number:
        raise CorruptFileError(
            f"{source.url}: found no GRIB message in {window.size} bytes. Fetch the file again, or give another parser."
        )


def _next_mark(window: _Window, position: int) -> int | None:
    """Where the next message begins; bulletin headers and padding may come before it."""
    begin = position
    while position + len(MARK) <= window.size:
        if window.read(position, position + len(MARK)) == MARK:
            return position
        if position - begin > MAX_GAP_BYTES:
            raise CorruptFileError(
                f"{window.url}: {MAX_GAP_BYTES} bytes from byte {begin} are no GRIB. Cut the messages out of the file first."
            )
        stop = min(position + _MANY_BYTES, window.size)
        at = window.read(position, stop).find(MARK)
        if at >= 0:
            return position + at
        position = max(stop - len(MARK) + 1, position + 1)
    return None


class _Window:
    """Reads a source from front to back, somewhat more at a time than is asked for."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._held: list[tuple[int, bytes]] = []
        self.url = source.url
        self.size = source.size_bytes
        self.step = _FEW_BYTES if source.local_path is not None else _MANY_BYTES

    def read(self, start: int, stop: int) -> bytes:
        """Bytes of a range that lies in the source."""
        for begin, data in reversed(self._held):
            if begin <= start and stop <= begin + len(data):
                return data[start - begin : stop - begin]
        data = self._source.read(start, min(max(stop, start + self.step), self.size) - start)
        self._held.append((start, data))
        return data[: stop - start]

    def forget(self, before: int) -> None:
        """Drop what lies before a position."""
        self._held = [(begin, data) for begin, data in self._held if begin + len(data) > before]


class _View:
    """Part of a file that is read where it is sliced."""

    def __init__(self, window: _Window, offset: int, length: int) -> None:
        self._window = window
        self._offset = offset
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, key: slice) -> bytes:
        start, stop = min(key.start, self._length), min(key.stop, self._length)
        return self._window.read(self._offset + start, self._offset + stop) if stop > start else b""
