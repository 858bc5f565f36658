"""Repositories and files in buckets and behind HTTP: signed, public, changed, half-written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import obstore
import pytest
import xarray as xr

import vzlab as vz
from tests.archives import write_daily_files
from tests.servers.http_server import HttpServer
from tests.servers.s3_server import S3Server
from tests.writers.stores import combine, read_icechunk, read_native
from tests.writers.test_icechunk_create import failing_dataset
from vzlab.writers import write_icechunk

KEYS = ("a b.nc", "a#b.nc", "50%/a?b.nc", "été 日本.nc")


@pytest.fixture
def day(tmp_path: Path) -> Path:
    return write_daily_files(tmp_path / "archive", n_days=1)[0]


def test_object_keys_of_every_kind(s3: S3Server, day: Path, tmp_path: Path) -> None:
    bucket = s3.bucket()
    for i, key in enumerate(KEYS):
        cube = vz.open_virtual_dataset(bucket.upload(day, key), storage_options=s3.storage_options)
        write_icechunk(cube, tmp_path / "cube", group=f"g{i}", source_options=s3.storage_options)
    assert vz.chunk_prefixes(tmp_path / "cube") == (bucket.url(),)
    for i in range(len(KEYS)):
        got = read_icechunk(tmp_path / "cube", f"g{i}", storage_options=s3.storage_options)
        xr.testing.assert_identical(got, read_native([day]))


def test_repository_in_a_bucket_beside_its_files(s3: S3Server, tmp_path: Path) -> None:
    days = write_daily_files(tmp_path / "archive", n_days=3)
    bucket = s3.bucket()
    urls = [bucket.upload(path) for path in days]
    cubes = [vz.open_virtual_dataset(url, storage_options=s3.storage_options) for url in urls]
    target = bucket.url("cubes/sst")
    result = write_icechunk(combine(cubes[:2]), target, storage_options=s3.storage_options)
    assert result.authorization == f"vz.open_icechunk('{target}', storage_options={{...}})"
    write_icechunk(cubes[2], target, append_dim="time", storage_options=s3.storage_options)
    got = read_icechunk(target, storage_options=s3.storage_options)
    xr.testing.assert_identical(got, read_native(days))


def test_public_bucket_is_read_unsigned(s3: S3Server, day: Path, tmp_path: Path) -> None:
    url = s3.bucket(public=True).upload(day)
    cube = vz.open_virtual_dataset(url, storage_options=s3.anonymous_options)
    write_icechunk(cube, tmp_path / "cube", source_options=s3.anonymous_options)
    s3.clear_requests()
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native([day]))
    assert s3.requests


def test_changed_object_raises_at_reading(s3: S3Server, day: Path, tmp_path: Path) -> None:
    bucket = s3.bucket()
    cube = vz.open_virtual_dataset(bucket.upload(day), storage_options=s3.storage_options)
    write_icechunk(cube, tmp_path / "cube", source_options=s3.storage_options)
    content = bytearray(day.read_bytes())
    content[-1] ^= 1
    bucket.put(day.name, bytes(content))
    with pytest.raises(icechunk.StorageError) as caught:
        read_icechunk(tmp_path / "cube", storage_options=s3.storage_options)
    assert caught.value.kind == icechunk.ErrorKind.VIRTUAL_CHUNK_MODIFIED


def test_one_request_a_chunk(s3: S3Server, day: Path, tmp_path: Path) -> None:
    bucket = s3.bucket()
    cube = vz.open_virtual_dataset(bucket.upload(day), storage_options=s3.storage_options)
    write_icechunk(cube, tmp_path / "cube", source_options=s3.storage_options)
    s3.clear_requests()
    read_icechunk(tmp_path / "cube", storage_options=s3.storage_options)
    assert len([r for r in s3.requests if r.method == "GET"]) == cube.vzlab.n_refs == 16


def test_one_request_a_chunk_of_many_kilobytes(s3: S3Server, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 40_000), dtype="u1")
    path = tmp_path / "noise.nc"
    xr.Dataset({"noise": (("y", "x"), noise)}).to_netcdf(
        path, engine="h5netcdf", encoding={"noise": {"chunksizes": (1, 40_000)}}
    )
    cube = vz.open_virtual_dataset(s3.bucket().upload(path), storage_options=s3.storage_options)
    write_icechunk(cube, tmp_path / "cube", source_options=s3.storage_options)
    s3.clear_requests()
    got = read_icechunk(tmp_path / "cube", storage_options=s3.storage_options)
    assert np.array_equal(got["noise"], noise)
    assert len([r for r in s3.requests if r.method == "GET"]) == 3


def test_a_server_that_is_busy_is_asked_again(
    http_server: Callable[..., HttpServer], day: Path, tmp_path: Path
) -> None:
    server = http_server(day.parent)
    write_icechunk(vz.open_virtual_dataset(server.url(day.name)), tmp_path / "cube")
    server.unavailable = 2
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native([day]))
    assert server.unavailable == 0


def test_failure_leaves_nothing_in_the_bucket(s3: S3Server, day: Path) -> None:
    bucket = s3.bucket()
    with pytest.raises(RuntimeError, match="disk is full"):
        write_icechunk(
            failing_dataset(day).drop_vars("sst"), bucket.url("cube"), storage_options=s3.storage_options
        )
    left: list[Any] = [entry["path"] for batch in obstore.list(bucket.store) for entry in batch]
    assert left == []


def test_changed_file_over_http_raises_at_reading(
    http_server: Callable[..., HttpServer], day: Path, tmp_path: Path
) -> None:
    server = http_server(day.parent)
    write_icechunk(vz.open_virtual_dataset(server.url(day.name)), tmp_path / "cube")
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native([day]))
    content = bytearray(day.read_bytes())
    content[-1] ^= 1
    day.write_bytes(content)
    with pytest.raises(icechunk.StorageError) as caught:
        read_icechunk(tmp_path / "cube")
    assert caught.value.kind == icechunk.ErrorKind.VIRTUAL_CHUNK_MODIFIED
