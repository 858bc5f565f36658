"""Sources read what lies there, are counted as servers count, and neither leak nor go stale."""

from __future__ import annotations

import asyncio
import gc
import io
import os
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import h5py
import numpy as np
import obstore
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obspec_utils.registry import ObjectStoreRegistry
from obspec_utils.wrappers import CachingReadableStore, SplittingReadableStore
from obstore.store import HTTPStore, LocalStore, MemoryStore, S3Store

from tests.servers.http_server import HttpServer
from tests.servers.s3_server import S3Server
from tests.storage.groups import raw_array
from tests.storage.test_urls import AWKWARD_NAMES
from vzlab.errors import SourceNotFoundError, UnknownUrlError, UnreachableChunkError
from vzlab.storage import BlockReader, RequestLog, StoreRegistry, as_registry, normalize_url, read_array
from vzlab.storage.registry import MAX_OPEN_SOURCES


def _content(name: str) -> bytes:
    return name.encode() * 5


# -- names ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", AWKWARD_NAMES)
def test_local_names(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a #1" / name
    path.parent.mkdir()
    path.write_bytes(_content(name))
    for location in (path, str(path), path.as_uri()):
        source = StoreRegistry().open(location)
        assert source.read(0, source.size_bytes) == _content(name)
        assert source.local_path == str(path)


def test_names_on_a_web_server(http_server: Callable[..., HttpServer], tmp_path: Path) -> None:
    for name in AWKWARD_NAMES:
        (tmp_path / name).write_bytes(_content(name))
    server, registry = http_server(tmp_path), StoreRegistry()
    for name in AWKWARD_NAMES:
        source = registry.open(server.url(name))
        assert source.read(0, source.size_bytes) == _content(name)
    assert {request.path for request in server.requests} == {f"/{name}" for name in AWKWARD_NAMES}


def test_a_query_goes_to_the_web_server_as_it_is(
    http_server: Callable[..., HttpServer], tmp_path: Path
) -> None:
    (tmp_path / "a b.nc").write_bytes(b"content")
    server = http_server(tmp_path)
    assert StoreRegistry().open(f"{server.base_url}/a b.nc?token=x%2Fy&n=1").read(0, 3) == b"con"
    assert [(r.path, r.query) for r in server.requests] == [("/a b.nc", "token=x%2Fy&n=1")]


def test_names_in_a_bucket(s3: S3Server) -> None:
    bucket = s3.bucket()
    registry = StoreRegistry(storage_options=s3.storage_options)
    for name in AWKWARD_NAMES:
        bucket.put(f"days/{name}", _content(name))
        source = registry.open(f"s3://{bucket.name}/days/{quote(name)}")
        assert source.read(0, source.size_bytes) == _content(name)
    assert {r.path for r in s3.requests if r.method == "GET"} == {
        f"/{bucket.name}/days/{n}" for n in AWKWARD_NAMES
    }


def test_hosts_of_clouds_are_plain_web_servers() -> None:
    for host in (
        "https://noaa-goes16.s3.amazonaws.com",
        "https://s3.us-west-2.amazonaws.com",
        "https://a.blob.core.windows.net",
    ):
        store, key = StoreRegistry().resolve(f"{host}/bucket/a b.nc")
        assert type(store).__name__ == "HTTPStore"
        assert key == "bucket/a b.nc"


# -- registries ------------------------------------------------------------------------------------------------------------


def _memory(**objects: bytes) -> MemoryStore:
    store = MemoryStore()
    for key, content in objects.items():
        obstore.put(store, key, content)
    return store


def test_a_mapping_serves_by_the_longest_whole_prefix() -> None:
    registry = as_registry(
        {
            "s3://bucket/data": _memory(x=b"data"),
            "s3://bucket/database": _memory(x=b"base"),
            "s3://bucket/data/deep/": _memory(x=b"deep"),
            "s3://bucket/with blank": _memory(x=b"blank"),
        }
    )
    for url, expected in {
        "s3://bucket/data/x": b"data",
        "s3://bucket/database/x": b"base",
        "s3://bucket/data/deep/x": b"deep",
        "s3://bucket/with%20blank/x": b"blank",
    }.items():
        assert registry.open(url).read(0, len(expected)) == expected


@pytest.mark.parametrize("prefix", ["data", "data/", "da ta"])
def test_the_prefix_of_an_object_store_registry_is_taken_off_whole(s3: S3Server, prefix: str) -> None:
    bucket = s3.bucket()
    bucket.put(f"{prefix.strip('/')}/x", b"right")
    bucket.put(f"{prefix.strip('/')}/base/x", b"wrong")
    bucket.put("database/x", b"other")
    store = S3Store(bucket.name, prefix=prefix, **s3.storage_options)
    registry = as_registry(ObjectStoreRegistry({f"s3://{bucket.name}": store}))
    assert registry.open(f"s3://{bucket.name}/{prefix.strip('/')}/x").read(0, 5) == b"right"
    with pytest.raises(UnknownUrlError, match="lies elsewhere"):
        registry.open(f"s3://{bucket.name}/database/x")
    with pytest.raises(UnknownUrlError, match="register its prefix"):
        registry.open("s3://another/x")


def test_an_object_store_registry_says_which_local_files_may_be_read(tmp_path: Path) -> None:
    for folder in ("open", "closed"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x").write_bytes(folder.encode())
    store = LocalStore(tmp_path / "open")
    registry = as_registry(ObjectStoreRegistry({(tmp_path / "open").as_uri(): store}))
    assert registry.open(tmp_path / "open" / "x").read(0, 4) == b"open"
    with pytest.raises(UnknownUrlError):
        registry.open(tmp_path / "closed" / "x")


def test_a_web_server_below_a_folder_in_an_object_store_registry(
    http_server: Callable[..., HttpServer], tmp_path: Path
) -> None:
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "x").write_bytes(b"content")
    base = f"{http_server(tmp_path).base_url}/a%20b"
    store = HTTPStore.from_url(base, client_options={"allow_http": True})
    assert as_registry(ObjectStoreRegistry({base: store})).open(f"{base}/x").read(0, 3) == b"con"


@pytest.mark.parametrize("wrap", [CachingReadableStore, SplittingReadableStore])
def test_stores_that_are_wrapped(wrap: Any) -> None:
    source = as_registry({"s3://bucket/data": wrap(_memory(x=b"content"))}).open("s3://bucket/data/x")
    # In a thread of its own: a browser under test keeps a loop running in this one.
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(lambda: asyncio.run(source.read_async(0, 3))).result()
    assert (source.size_bytes, source.read(3, 4), first) == (7, b"tent", b"con")


def test_what_a_registry_can_be_made_of() -> None:
    ours = StoreRegistry()
    assert as_registry(ours) is ours
    assert as_registry(None, {"skip_signature": True}).storage_options == {"skip_signature": True}
    with pytest.raises(TypeError, match="Found int"):
        as_registry(3)
    with pytest.raises(ValueError, match="either"):
        as_registry(ours, {"region": "x"})
    with pytest.raises(UnknownUrlError, match="known schemes"):
        as_registry().open("gopher://host/x")


def test_a_registry_is_pickled_with_its_options_and_without_its_connections(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    registry = StoreRegistry(
        {"s3://b": S3Store("b", region="eu-west-1")}, storage_options={"region": "x"}, log=RequestLog()
    )
    registry.open(tmp_path / "x").read(0, 1)
    again = pickle.loads(pickle.dumps(registry))
    assert again.storage_options == registry.storage_options
    assert again.stores == registry.stores
    assert again.open(tmp_path / "x").read(0, 3) == b"abc"


def test_stores_of_different_options_do_not_mix(s3: S3Server) -> None:
    bucket = s3.bucket()
    bucket.put("x", b"abc")
    assert StoreRegistry(storage_options=s3.storage_options).open(bucket.url("x")).read(0, 3) == b"abc"
    with pytest.raises(UnreachableChunkError):
        StoreRegistry(storage_options=s3.anonymous_options).open(bucket.url("x")).read(0, 3)


# -- freshness ---------------------------------------------------------------------------------------------------------------


def test_a_replaced_file_is_read_anew(tmp_path: Path) -> None:
    path, registry = tmp_path / "x", StoreRegistry()
    path.write_bytes(b"old content")
    assert registry.open(path).read(0, 3) == b"old"
    (tmp_path / "y").write_bytes(b"new")
    (tmp_path / "y").replace(path)
    source = registry.open(path)
    assert (source.read(0, 3), source.size_bytes) == (b"new", 3)
    path.unlink()
    with pytest.raises(SourceNotFoundError):
        registry.open(path)


def test_a_changed_object_is_seen_by_the_next_registry(
    http_server: Callable[..., HttpServer], tmp_path: Path
) -> None:
    server = http_server(tmp_path)
    for content in (b"first", b"second one"):
        (tmp_path / "x").write_bytes(content)
        source = as_registry().open(server.url("x"))
        assert (source.size_bytes, source.read(0, 3)) == (len(content), content[:3])


# -- counting ----------------------------------------------------------------------------------------------------------------


def test_the_log_has_what_the_server_saw(http_server: Callable[..., HttpServer], tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(200_000))
    server, log = http_server(tmp_path), RequestLog()
    source = StoreRegistry(log=log).open(server.url("x"))
    assert source.size_bytes == 200_000
    source.read(10, 100)  # in what the first request brought
    source.read(100_000, 50)
    source.read(199_999, 1)
    source.read(5, 0)
    assert [(r.kind, r.offset, r.length) for r in log.requests] == [
        ("open", 0, 65_536),
        ("range", 100_000, 50),
        ("range", 199_999, 1),
    ]
    assert [(r.offset, r.offset + r.length) for r in log.requests] == [r.byte_range for r in server.requests]
    assert log.total_bytes == sum(r.length_bytes for r in server.requests)
    assert all(0 <= r.started_s <= r.ended_s for r in log.requests)


def test_an_empty_object_has_a_size(http_server: Callable[..., HttpServer], tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"")
    server, log = http_server(tmp_path), RequestLog()
    assert StoreRegistry(log=log).open(server.url("x")).size_bytes == 0
    assert len(log) == len(server.requests)


def test_a_log_counts_the_reads_of_an_array(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(np.arange(100, dtype="<i4").tobytes())
    log = RequestLog()
    array = raw_array(path.as_uri(), (100,), (10,), missing=((3,),))
    read_array(array, as_registry().with_log(log))
    assert [(r.offset, r.length) for r in log.requests] == [(40 * i, 40) for i in range(10) if i != 3]


# -- blocks ------------------------------------------------------------------------------------------------------------------

_seeks = st.tuples(st.just("seek"), st.integers(-60, 300), st.sampled_from([0, 1, 2]))
_reads = st.tuples(st.just("read"), st.integers(0, 120), st.just(0))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(1, 70), st.lists(st.one_of(_seeks, _reads), max_size=12))
def test_a_block_reader_is_a_file(content: bytes, block_size: int, steps: list[tuple[str, int, int]]) -> None:
    registry = StoreRegistry({"memory://blocks": _memory(x=content)})
    reader, expected = (
        BlockReader(registry.open("memory://blocks/x"), block_size=block_size),
        io.BytesIO(content),
    )
    for name, number, whence in steps:
        if name == "read":
            assert reader.read(number) == expected.read(number)
        elif number + (0, expected.tell(), len(content))[whence] < 0:
            with pytest.raises(ValueError, match="position"):
                reader.seek(number, whence)
        else:
            assert reader.seek(number, whence) == expected.seek(number, whence)
        assert reader.tell() == expected.tell()
    reader.seek(0)
    assert reader.read() == content


def test_blocks_are_asked_for_once_and_neighbours_together(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(range(256)))
    log = RequestLog()
    reader = BlockReader(StoreRegistry(log=log).open(tmp_path / "x"), block_size=16)
    reader.seek(20)
    reader.read(4)
    reader.seek(0)
    assert reader.read(100) == bytes(range(100))
    reader.seek(0)
    reader.read(100)
    assert [(r.offset, r.length) for r in log.requests] == [(16, 16), (0, 16), (32, 80)]


def test_a_closed_block_reader_says_so(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    reader = BlockReader(StoreRegistry().open(tmp_path / "x"))
    reader.close()
    with pytest.raises(ValueError, match="closed"):
        reader.read(1)
    with pytest.raises(ValueError, match="closed"):
        reader.seek(0)


def test_h5py_reads_through_blocks(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=np.arange(5000), chunks=(100,), compression="gzip")
    reader = BlockReader(StoreRegistry().open(tmp_path / "x.h5"), block_size=512)
    with h5py.File(reader, "r") as file:
        np.testing.assert_array_equal(file["x"][...], np.arange(5000))


# -- many files ----------------------------------------------------------------------------------------------------------------


def _open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a Path would list it just so


@pytest.fixture
def thousand_files(tmp_path: Path) -> list[str]:
    for i in range(1000):
        (tmp_path / f"{i}.bin").write_bytes(i.to_bytes(4, "little"))
    return [normalize_url(tmp_path / f"{i}.bin") for i in range(1000)]


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="counts descriptors where the system lists them"
)


@needs_proc
def test_a_thousand_files_hold_no_more_descriptors_than_allowed(thousand_files: list[str]) -> None:
    gc.collect()
    before = _open_descriptors()
    registry = StoreRegistry()
    for i, url in enumerate(thousand_files):
        assert registry.open(url).read(0, 4) == i.to_bytes(4, "little")
    gc.collect()
    assert _open_descriptors() - before <= MAX_OPEN_SOURCES
    del registry
    gc.collect()
    assert _open_descriptors() <= before


def test_threads_read_while_files_are_put_away(thousand_files: list[str]) -> None:
    registry = StoreRegistry()

    def read_all(seed: int) -> int:
        order = np.random.default_rng(seed).permutation(1000)
        return sum(registry.open(thousand_files[i]).read(0, 4) != int(i).to_bytes(4, "little") for i in order)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read_all, range(8))) == [0] * 8


def test_a_source_in_use_outlives_its_place(thousand_files: list[str]) -> None:
    registry = StoreRegistry()
    first = registry.open(thousand_files[0])
    for url in thousand_files[1 : MAX_OPEN_SOURCES + 20]:
        registry.open(url)
    assert first.read(0, 4) == bytes(4)


def test_many_threads_ask_for_the_head_once(http_server: Callable[..., HttpServer], tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    server = http_server(tmp_path, latency_s=0.05)
    source: Any = StoreRegistry().open(server.url("x"))
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: source.size_bytes, range(8))) == {3}
    assert len(server.requests) == 1
