"""Fetch the directories of a remote TIFF file before the library asks: each with what the one before it points to.

A directory says where the next one is, so that a chain of them is a chain of requests. Where they follow each other at equal
distances, as in a stack of uncompressed pages, the next ones are guessed. What is found here serves only to fetch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from vzlab.errors import VzlabError
from vzlab.storage import CachedSource
from vzlab.storage.cached_source import MAX_KEPT_BYTES

DIRECTORY_BYTES = 1024
"""Fetched where a directory begins."""
MAX_ROUNDS = 1_000
MAX_DIRECTORIES = 100_000
MAX_ENTRIES = 4_096
MOST_GUESSED = 256

_SUB_DIRECTORIES = 330
_TYPE_BYTES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
"""TIFF 6.0, section 2, "Types", and BigTIFF's 8-byte integers."""


@dataclass(frozen=True, kw_only=True)
class _Form:
    """How a file writes numbers and directories."""

    order: Literal["little", "big"]
    offset_bytes: int
    count_bytes: int
    """Of the number of entries."""

    @property
    def entry_bytes(self) -> int:
        return 4 + 2 * self.offset_bytes

    def number(self, data: bytes, at: int, length: int) -> int:
        return int.from_bytes(data[at : at + length], self.order)


@dataclass(frozen=True, kw_only=True)
class _Directory:
    following: int
    """Where the next one of the chain is; 0 behind the last."""
    values: tuple[tuple[int, int], ...]
    """Ranges of values that do not fit into their entries."""
    below: tuple[int, ...]
    """Where directories are that belong to this one."""
    lists_elsewhere: bool
    """Whether there are more of them, in a list that is not held."""


def prefetch_directories(source: CachedSource) -> int:
    """Fetch all directories and their values into the cache of a source.

    Returns
    -------
    int
        Rounds of requests.
    """
    head = source.read(0, min(16, source.size_bytes))
    form = _form(head)
    if form is None:
        return 0
    return _Walker(source, form).walk(form.number(head, form.offset_bytes, form.offset_bytes))


def _form(head: bytes) -> _Form | None:
    if len(head) < 16 or head[:2] not in (b"II", b"MM"):
        return None
    order: Literal["little", "big"] = "little" if head[:2] == b"II" else "big"
    version = int.from_bytes(head[2:4], order)
    if version == 42:
        return _Form(order=order, offset_bytes=4, count_bytes=2)
    return _Form(order=order, offset_bytes=8, count_bytes=8) if version == 43 else None


class _Walker:
    def __init__(self, source: CachedSource, form: _Form) -> None:
        self._source = source
        self._form = form
        self._chain: list[int] = []
        self._seen: set[int] = set()
        self._again: set[int] = set()
        self._n_guessed = 4

    def walk(self, first: int) -> int:
        """Everything from the first directory on; returns the number of rounds that asked for anything."""
        wanted: list[tuple[int, int]] = []
        waiting = [(first, True)]
        n_rounds = 0
        while (waiting or wanted) and n_rounds < MAX_ROUNDS and len(self._seen) < MAX_DIRECTORIES:
            wanted.extend((at, self._length(at)) for at, _ in waiting)
            wanted.extend((at, DIRECTORY_BYTES) for at in self._guesses())
            try:
                n_rounds += self._source.prefetch(wanted)
                wanted, waiting = self._follow(waiting)
            except VzlabError:
                # The library will meet it again, and tell.
                break
        return n_rounds

    def _follow(
        self, waiting: list[tuple[int, bool]]
    ) -> tuple[list[tuple[int, int]], list[tuple[int, bool]]]:
        """Go as far as what is held goes: ranges of values, and directories that are to be fetched."""
        values: list[tuple[int, int]] = []
        absent: list[tuple[int, bool]] = []
        while waiting:
            at, is_in_chain = waiting.pop()
            if not 0 < at < self._source.size_bytes - self._form.count_bytes or at in self._seen:
                continue
            if not self._source.holds(at, self._length(at)):
                absent.append((at, is_in_chain))
                continue
            directory = self._directory(at)
            values.extend(directory.values)
            if directory.lists_elsewhere and at not in self._again:
                # It says where others are once its values are there.
                self._again.add(at)
                absent.append((at, is_in_chain))
                continue
            self._seen.add(at)
            waiting.extend((below, False) for below in directory.below)
            if is_in_chain:
                self._chain.append(at)
                waiting.append((directory.following, True))
        return values, absent

    def _length(self, at: int) -> int:
        """Of a directory, if its beginning is held; else what is to be fetched of it."""
        form, left = self._form, self._source.size_bytes - at
        if not self._source.holds(at, min(form.count_bytes, left)):
            return min(DIRECTORY_BYTES, left)
        n_entries = form.number(self._source.read(at, form.count_bytes), 0, form.count_bytes)
        length = form.count_bytes + min(n_entries, MAX_ENTRIES) * form.entry_bytes + form.offset_bytes
        return min(length, left)

    def _directory(self, at: int) -> _Directory:
        """TIFF 6.0, section 2, "Image File Directory"."""
        form = self._form
        data = self._source.read(at, self._length(at))
        stop = len(data) - form.offset_bytes
        values: list[tuple[int, int]] = []
        below: list[int] = []
        lists_elsewhere = False
        for entry in range(form.count_bytes, stop, form.entry_bytes):
            tag, size = form.number(data, entry, 2), _TYPE_BYTES.get(form.number(data, entry + 2, 2), 0)
            n_bytes = size * form.number(data, entry + 4, form.offset_bytes)
            place, held = entry + 4 + form.offset_bytes, data
            if n_bytes > form.offset_bytes:
                place = form.number(data, place, form.offset_bytes)
                if n_bytes > MAX_KEPT_BYTES:
                    continue
                values.append((place, n_bytes))
                if tag == _SUB_DIRECTORIES:
                    lists_elsewhere |= not self._source.holds(place, n_bytes)
                    place, held = 0, b"" if lists_elsewhere else self._source.read(place, n_bytes)
            if tag == _SUB_DIRECTORIES:
                below.extend(form.number(held, i, size) for i in range(place, place + n_bytes, size or 1))
        return _Directory(
            following=form.number(data, stop, form.offset_bytes),
            values=tuple(values),
            below=tuple(below),
            lists_elsewhere=lists_elsewhere,
        )

    def _guesses(self) -> Iterator[int]:
        """Where the next directories would be at the distance of the last ones."""
        if len(self._chain) < 3 or self._chain[-1] - self._chain[-2] != self._chain[-2] - self._chain[-3]:
            return
        self._n_guessed = min(2 * self._n_guessed, MOST_GUESSED)
        step = self._chain[-1] - self._chain[-2]
        for k in range(1, self._n_guessed + 1):
            at = self._chain[-1] + k * step
            if 0 < at < self._source.size_bytes:
                yield at
