"""Big-endian numbers and texts out of a few bytes, with an error where they end too soon."""

from __future__ import annotations

import struct
from typing import Any

from vzlab.errors import CorruptFileError


class Cursor:
    """A position in the bytes of one element."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._at = 0
        self._what = what

    def take(self, form: str) -> tuple[Any, ...]:
        """Numbers, as `struct` describes them; big-endian."""
        size = struct.calcsize(f">{form}")
        if self._at + size > len(self._data):
            raise CorruptFileError(
                f"{self._what} has {len(self._data)} bytes; expected {self._at + size} or more. The file is damaged."
            )
        values = struct.unpack_from(f">{form}", self._data, self._at)
        self._at += size
        return values

    def one(self, form: str) -> int:
        """One number."""
        return int(self.take(form)[0])

    def many(self, count: int, form: str) -> tuple[int, ...]:
        """Numbers of one kind.

        Raises
        ------
        CorruptFileError
            If there are not so many.
        """
        if not 0 <= count <= len(self._data):
            raise CorruptFileError(
                f"{self._what} should have {count} entries in {len(self._data)} bytes. The file is damaged."
            )
        return self.take(f"{count}{form}")

    def raw(self, count: int) -> bytes:
        """Bytes as they are."""
        if not 0 <= count <= len(self._data):
            raise CorruptFileError(
                f"{self._what} should have {count} bytes in {len(self._data)}. The file is damaged."
            )
        return bytes(self.take(f"{count}s")[0])

    def text(self, form: str = "H") -> str:
        """A text with its length before it."""
        return decode_text(self.raw(self.one(form)))

    @property
    def left(self) -> int:
        """Bytes that remain."""
        return len(self._data) - self._at


def decode_text(raw: bytes) -> str:
    """Text up to the first NUL: UTF-8, or Latin-1 where it is none."""
    raw = raw.split(b"\0", 1)[0]
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
