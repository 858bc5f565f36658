"""Recordings see what other libraries ask for: checked against what a server was asked, and counted once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import obstore
import pytest
import zarr
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractBufferedFile
from obstore.store import HTTPStore
from zarr.abc.store import RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import FsspecStore, LocalStore, ObjectStore, StorePath

import vzlab as vz
from vzlab.inspection import Recording, record


@pytest.fixture
def a_zarr_array(tmp_path: Path) -> Path:
    array = zarr.create_array(tmp_path / "a.zarr", shape=(4, 6), chunks=(2, 3), dtype="i4", compressors=None)
    array[...] = np.arange(24).reshape(4, 6)
    return tmp_path


def _parts(recording: Recording) -> list[tuple[str, int, int]]:
    return sorted((r.url.rsplit("/", 1)[-1], r.offset, r.length) for r in recording.requests)


def test_zarr_through_obstore_asks_the_server_what_is_recorded(a_zarr_array: Path, http_server: Any) -> None:
    server = http_server(a_zarr_array)
    store = ObjectStore(
        HTTPStore.from_url(server.url(""), client_options={"allow_http": True}), read_only=True
    )
    with record("zarr") as recording:
        array = zarr.open_array(store, path="a.zarr", mode="r", zarr_format=3)
        np.testing.assert_array_equal(array[:2], np.arange(12).reshape(2, 6))
    asked = [request for request in server.requests if request.status < 400]
    assert recording.n_requests == len(asked) == 3
    assert recording.n_data == 2
    assert {r.url for r in recording.requests} == {server.url(request.path.lstrip("/")) for request in asked}
    assert sorted(r.length for r in recording.requests)[:2] == [24, 24]


def test_ranges_of_an_object_are_recorded_each(a_zarr_array: Path, http_server: Any) -> None:
    server = http_server(a_zarr_array)
    store = HTTPStore.from_url(server.url("a.zarr/c/0"), client_options={"allow_http": True})
    with record() as recording:
        obstore.get_ranges(store, "0", starts=[0, 20], lengths=[4, 4])
        store.get_range("1", start=8, length=8)
        obstore.head(store, "1")
    assert _parts(recording) == [("0", 0, 4), ("0", 20, 4), ("1", 0, 0), ("1", 8, 8)]


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_local_stores_of_zarr(tmp_path: Path, zarr_format: Any) -> None:
    array = zarr.create_array(tmp_path / "a", shape=4, chunks=2, dtype="i4", zarr_format=zarr_format)
    array[:2] = 5
    with record() as recording:
        assert zarr.open_array(LocalStore(tmp_path / "a", read_only=True), mode="r")[...].tolist() == [
            5,
            5,
            0,
            0,
        ]
    assert recording.n_data == 2, "the missing chunk was asked for as well"
    assert {r.length for r in recording.requests if r.kind == "chunk"} == {
        0,
        max(path.stat().st_size for path in (tmp_path / "a").rglob("*") if path.name == "0"),
    }


def test_parts_of_a_local_key(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(range(10)))
    store = LocalStore(tmp_path, read_only=True)
    prototype = default_buffer_prototype()
    with record() as recording:
        path = StorePath(store, "x")
        zarr.core.sync.sync(path.get(prototype, RangeByteRequest(2, 5)))
        zarr.core.sync.sync(path.get(prototype, SuffixByteRequest(4)))
    assert _parts(recording) == [("x", 2, 3), ("x", 6, 4)]


def test_zarr_through_fsspec_is_counted_once(a_zarr_array: Path) -> None:
    with record() as recording:
        store = FsspecStore.from_url(f"file://{a_zarr_array}/a.zarr", read_only=True)
        assert zarr.open_array(store, mode="r", zarr_format=3)[0, 0] == 0
    chunks = [r for r in recording.requests if r.kind == "chunk"]
    assert [(r.url.rsplit("a.zarr/", 1)[1], r.length) for r in chunks] == [("c/0/0", 24)]


class _FileOnDisk(AbstractBufferedFile):
    """Ranges of a real file, fetched as fsspec's remote files fetch them."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        with Path(self.path).open("rb") as file:
            return os.pread(file.fileno(), end - start, start)


class _Ranges(LocalFileSystem):
    protocol = "ranges"
    cachable = False

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        return _FileOnDisk(self, path, size=Path(path).stat().st_size, cache_type="readahead", block_size=8)


def test_what_files_of_fsspec_fetch_is_recorded_with_its_readahead(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(range(100)))
    with record() as recording, _Ranges().open(str(tmp_path / "x")) as file:
        assert file.read(4) == bytes(range(4))
        assert file.read(4) == bytes(range(4, 8))
    assert _parts(recording) == [("x", 0, 12)]


def test_file_systems_that_load_inside_the_block_are_seen(tmp_path: Path) -> None:
    with record() as recording:
        filesystem = fsspec.filesystem("memory")
        filesystem.pipe_file("/some", b"abcdef")
        assert filesystem.cat_file("/some", start=1, end=3) == b"bc"
    filesystem.rm("/some")
    assert _parts(recording) == [("some", 1, 2)]


def test_vzlab_over_obstore_is_counted_once(a_zarr_array: Path, http_server: Any) -> None:
    server = http_server(a_zarr_array)
    with record() as recording:
        vz.StoreRegistry().open(server.url("a.zarr/zarr.json")).read(0, 10)
    assert recording.n_requests == len(server.requests)


def test_everything_is_put_back_when_the_last_block_ends() -> None:
    before = (obstore.get, LocalStore.get, LocalFileSystem.__mro__[1].cat_file)
    with record():
        with pytest.raises(ZeroDivisionError), record():
            raise ZeroDivisionError
        assert obstore.get is not before[0]
    assert (obstore.get, LocalStore.get, LocalFileSystem.__mro__[1].cat_file) == before
