"""A chunk that has a reference and cannot be had raises, whoever reads; only a missing one is fill."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import obstore
import pytest
import xarray as xr
import zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from tests.manifests.virtual_arrays import BATCHED, FUSED
from tests.servers.http_server import HttpServer
from tests.servers.s3_server import S3Server
from tests.storage.groups import raw_array
from vzlab.errors import CodecError, ShortReadError, UnreachableChunkError
from vzlab.manifests import ManifestArray, ManifestGroup
from vzlab.storage import ManifestStore, StoreRegistry, normalize_url, read_array

CONTENT = np.arange(1, 9, dtype="<i4").tobytes()
IMPATIENT = {"retry_config": {"max_retries": 0, "retry_timeout": timedelta(seconds=2)}}


def _array(url: str) -> ManifestArray:
    """Four chunks of 8 bytes, the second one missing."""
    return raw_array(url, (8,), (2,), missing=((1,),), fill_value=-7, dimension_names=["x"])


def _with_zarr(pipeline: str) -> Callable[[ManifestStore], Any]:
    def read(store: ManifestStore) -> Any:
        with zarr.config.set({"codec_pipeline.path": pipeline}):
            return zarr.open_group(store, mode="r")["sst"][4:]

    return read


def _with_xarray(store: ManifestStore) -> Any:
    with xr.open_zarr(store, chunks=None) as dataset:
        return dataset["sst"].values


READERS: dict[str, Callable[[ManifestStore], Any]] = {
    "get": lambda store: sync(store.get("sst/c/3", default_buffer_prototype())),
    "get_sync": lambda store: store.get_sync("sst/c/3"),
    "zarr": _with_zarr(BATCHED),
    "zarr, fused": _with_zarr(FUSED),
    "xarray": _with_xarray,
    "read_array": lambda store: read_array(store.group.arrays["sst"], store.registry, name="sst"),
}


@pytest.fixture(params=list(READERS))
def read(request: pytest.FixtureRequest) -> Callable[[ManifestStore], Any]:
    return READERS[request.param]


def _assert_names_the_chunk(error: Exception, url: str, offset: int = 24) -> None:
    text = str(error)
    assert "'sst'" in text
    assert f"({offset // 8},)" in text
    assert f"8 bytes at {offset} of {url}" in text


def _assert_raises(
    read: Callable[[ManifestStore], Any], url: str, kind: type[Exception], registry: Any = None
) -> pytest.ExceptionInfo[Exception]:
    url = normalize_url(url)
    store = ManifestStore(ManifestGroup(arrays={"sst": _array(url)}), registry)
    with pytest.raises(UnreachableChunkError) as caught:
        read(store)
    assert type(caught.value) is kind
    assert any(f"8 bytes at {offset} of {url}" in str(caught.value) for offset in (0, 16, 24))
    assert "'sst'" in str(caught.value)
    return caught


def test_a_truncated_file(read: Callable[[ManifestStore], Any], tmp_path: Path) -> None:
    path = tmp_path / "short.bin"
    path.write_bytes(CONTENT[:28])
    caught = _assert_raises(read, str(path), ShortReadError)
    _assert_names_the_chunk(caught.value, path.as_uri())
    assert "got 4" in str(caught.value)
    assert "Parse it again" in str(caught.value)


def test_a_file_that_ends_before_the_chunk(read: Callable[[ManifestStore], Any], tmp_path: Path) -> None:
    path = tmp_path / "shorter.bin"
    path.write_bytes(CONTENT[:24])
    _assert_raises(read, str(path), ShortReadError)


def test_a_file_that_is_not_there(read: Callable[[ManifestStore], Any], tmp_path: Path) -> None:
    caught = _assert_raises(read, str(tmp_path / "gone.bin"), UnreachableChunkError)
    assert "No file" in str(caught.value)


def test_a_file_deleted_after_it_was_read(read: Callable[[ManifestStore], Any], tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    path.write_bytes(CONTENT)
    registry = StoreRegistry()
    read(ManifestStore(ManifestGroup(arrays={"sst": _array(path.as_uri())}), registry))
    path.unlink()
    _assert_raises(read, str(path), UnreachableChunkError, registry)


def test_a_directory_in_place_of_the_file(read: Callable[[ManifestStore], Any], tmp_path: Path) -> None:
    caught = _assert_raises(read, str(tmp_path), UnreachableChunkError)
    assert "directory" in str(caught.value)


def test_no_server(read: Callable[[ManifestStore], Any]) -> None:
    _assert_raises(
        read, "http://127.0.0.1:9/x.bin", UnreachableChunkError, StoreRegistry(storage_options=IMPATIENT)
    )


def test_a_server_that_does_not_answer_in_time(
    http_server: Callable[..., HttpServer], tmp_path: Path
) -> None:
    (tmp_path / "x.bin").write_bytes(CONTENT)
    server = http_server(tmp_path, latency_s=1.0)
    registry = StoreRegistry(storage_options=IMPATIENT | {"client_options": {"timeout": "200ms"}})
    _assert_raises(READERS["get_sync"], server.url("x.bin"), UnreachableChunkError, registry)


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("absent.bin", UnreachableChunkError, "404"),
        ("private.bin", UnreachableChunkError, "403"),
        ("short.bin", ShortReadError, "shorter"),
        ("shorter.bin", ShortReadError, "past its end"),
    ],
)
def test_troubles_of_http(
    read: Callable[[ManifestStore], Any],
    http_server: Callable[..., HttpServer],
    tmp_path: Path,
    name: str,
    kind: type[Exception],
    says: str,
) -> None:
    (tmp_path / "private.bin").write_bytes(CONTENT)
    (tmp_path / "short.bin").write_bytes(CONTENT[:28])
    (tmp_path / "shorter.bin").write_bytes(CONTENT[:24])
    server = http_server(tmp_path, forbidden=frozenset({"/private.bin"}))
    caught = _assert_raises(read, server.url(name), kind)
    assert says in str(caught.value)


def test_a_server_without_ranges_is_told_apart(
    http_server: Callable[..., HttpServer], tmp_path: Path
) -> None:
    (tmp_path / "data.bin").write_bytes(CONTENT)
    server = http_server(tmp_path, accept_ranges=False)
    caught = _assert_raises(READERS["get_sync"], server.url("data.bin"), UnreachableChunkError)
    assert "Copy the file to where ranges are served" in str(caught.value)


def test_troubles_of_s3(s3: S3Server) -> None:
    bucket = s3.bucket()
    bucket.put("short.bin", CONTENT[:28])
    for read in (READERS["get"], READERS["get_sync"]):
        owner = StoreRegistry(storage_options=s3.storage_options)
        _assert_raises(read, bucket.url("absent.bin"), UnreachableChunkError, owner)
        _assert_raises(read, bucket.url("short.bin"), ShortReadError, owner)
        stranger = StoreRegistry(storage_options=s3.anonymous_options)
        _assert_raises(read, bucket.url("short.bin"), UnreachableChunkError, stranger)


def test_a_url_that_nothing_serves(read: Callable[[ManifestStore], Any]) -> None:
    caught = _assert_raises(read, "gopher://host/x.bin", UnreachableChunkError)
    assert "gopher" in str(caught.value)


def test_an_object_cut_short_in_memory(read: Callable[[ManifestStore], Any]) -> None:
    registry = StoreRegistry()
    store, key = registry.resolve("memory://unreachable/short.bin")
    obstore.put(store, key, CONTENT[:28])
    _assert_raises(read, "memory://unreachable/short.bin", ShortReadError, registry)


@pytest.mark.parametrize("kind", ["local", "memory"])
def test_only_a_missing_chunk_is_fill(
    read: Callable[[ManifestStore], Any], tmp_path: Path, kind: str
) -> None:
    registry = StoreRegistry()
    if kind == "local":
        (tmp_path / "data.bin").write_bytes(CONTENT)
        url = (tmp_path / "data.bin").as_uri()
    else:
        url = "memory://unreachable/whole.bin"
        store, key = registry.resolve(url)
        obstore.put(store, key, CONTENT)
    served = ManifestStore(ManifestGroup(arrays={"sst": _array(url)}), registry)
    np.testing.assert_array_equal(
        read_array(served.group.arrays["sst"], registry), [1, 2, -7, -7, 5, 6, 7, 8]
    )
    np.testing.assert_array_equal(zarr.open_group(served, mode="r")["sst"][...], [1, 2, -7, -7, 5, 6, 7, 8])
    assert served.get_sync("sst/c/1") is None
    assert read(served) is not None


def test_bytes_that_do_not_decode_are_named(tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    path.write_bytes(b"no zlib stream")
    base = raw_array(path.as_uri(), (2,), (2,))
    codecs = (*base.codecs, {"name": "numcodecs.zlib", "configuration": {"level": 1}})
    metadata = base.metadata.with_layout(shape=(2,), chunks=(2,), codecs=codecs)
    with pytest.raises(CodecError, match=r"Chunk \(0,\) of 'sst' does not decode"):
        read_array(ManifestArray(metadata=metadata, manifest=base.manifest), StoreRegistry(), name="sst")


def test_a_chunk_of_the_wrong_length_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    path.write_bytes(CONTENT)
    base = raw_array(path.as_uri(), (2,), (2,))
    wrong = base.manifest.replace(lengths=base.manifest.lengths + np.uint64(4))
    with pytest.raises(CodecError, match="does not decode"):
        read_array(ManifestArray(metadata=base.metadata, manifest=wrong), StoreRegistry())
