"""Many ranges of one source are read at once, each once, and come back in the order in which they were asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from obstore.store import MemoryStore

from vzlab.errors import ShortReadError, UnreachableChunkError
from vzlab.storage import CachedSource, RequestLog, Source, StoreRegistry
from vzlab.storage.cached_source import MAX_KEPT_BYTES
from vzlab.storage.rows import read_rows
from vzlab.storage.source import LONG_READ_BYTES

DATA = np.random.default_rng(0).integers(0, 256, 3 * 2**20, "u1").tobytes()
RANGES = [
    (2_000_000, 100),
    (0, 10),
    (5, 0),
    *((70_000 + 40_000 * i, 50 + i) for i in range(25)),
    (len(DATA) - 7, 7),
    (100_000, MAX_KEPT_BYTES + 1),
]


class Wrapped:
    """A store that is none of obstore's: ranges are asked of it one by one."""

    def __init__(self, store: MemoryStore) -> None:
        self.get, self.head, self.get_range = store.get, store.head, store.get_range

    def get_ranges(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("it may merge what lies apart")


def stored(data: bytes = DATA) -> MemoryStore:
    store = MemoryStore()
    store.put("x", data)
    return store


def source(kind: str, tmp_path: Path, log: RequestLog) -> Source:
    if kind == "local":
        (tmp_path / "x").write_bytes(DATA)
        return StoreRegistry(log=log).open(tmp_path / "x")
    store: Any = Wrapped(stored()) if kind == "another's store" else stored()
    opened = StoreRegistry({"far://": store}, log=log).open("far:///x")
    return CachedSource(opened) if kind == "cached" else opened


@pytest.mark.parametrize("kind", ["local", "object", "another's store", "cached"])
def test_ranges_come_back_in_order(tmp_path: Path, kind: str) -> None:
    log = RequestLog()
    opened = source(kind, tmp_path, log)
    assert opened.size_bytes == len(DATA)
    log.clear()
    assert opened.read_many(RANGES) == [DATA[at : at + length] for at, length in RANGES]
    n_requests = len(log)
    if kind == "cached":
        assert opened.read_many(RANGES[:-1]) == [DATA[at : at + length] for at, length in RANGES[:-1]]
        assert len(log) == n_requests
    if kind in ("object", "another's store"):
        # The first 64 KB came when it was opened, and nothing is fetched for no bytes.
        assert n_requests == len(RANGES) - 2


def test_a_range_beyond_the_end_is_an_error_that_names_the_source() -> None:
    opened = StoreRegistry({"far://": stored()}).open("far:///x")
    with pytest.raises(UnreachableChunkError, match="far:///x"):
        opened.read_many([(70_000, 10), (len(DATA) + 5, 10)])


def test_what_came_with_the_first_request_is_not_fetched_again() -> None:
    log = RequestLog()
    opened = CachedSource(StoreRegistry({"far://": stored()}, log=log).open("far:///x"))
    assert opened.holds(0, 65_536)
    assert not opened.prefetch([(0, 100), (60_000, 5_000)])
    assert not opened.holds(65_536, 1)
    assert opened.prefetch([(65_536, 1)])
    assert opened.holds(65_536, 1)
    assert not opened.holds(len(DATA) - 1, 2)
    assert len(log) == 2


@pytest.mark.parametrize("kind", ["local", "cached"])
def test_rows_are_the_same_near_and_far(tmp_path: Path, kind: str) -> None:
    offsets = np.random.default_rng(1).permutation(200) * 15_000
    rows = read_rows(source(kind, tmp_path, RequestLog()), offsets, 300)
    whole = np.frombuffer(DATA + bytes(300), np.uint8)
    np.testing.assert_array_equal(rows, [whole[at : at + 300] for at in offsets])


@pytest.mark.parametrize("n_missing", [0, 1, 2**24])
def test_a_long_range_of_a_file_is_read_whole_or_refused(tmp_path: Path, n_missing: int) -> None:
    n_bytes = LONG_READ_BYTES + 12_345
    values = np.random.default_rng(0).integers(0, 256, n_bytes, dtype=np.uint8)
    (tmp_path / "x").write_bytes(values[: n_bytes - n_missing].tobytes())
    log = RequestLog()
    source = StoreRegistry(log=log).open(str(tmp_path / "x"))
    found = np.zeros(n_bytes - 7, np.uint8)
    if n_missing > 0:
        with pytest.raises(ShortReadError, match=f"asked for {n_bytes - 7} bytes at 7"):
            source.read_into(7, memoryview(found))
    else:
        source.read_into(7, memoryview(found))
        np.testing.assert_array_equal(found, values[7:])
        assert len(log) == 1
