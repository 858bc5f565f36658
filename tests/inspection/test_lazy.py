"""Lazy xarray objects: what the store behind them says, as long as they are all of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

import vzlab as vz
from tests.archives import write_daily_file
from vzlab.inspection import inspect
from vzlab.storage import RequestLog, StoreRegistry


@pytest.mark.parametrize("chunks", [None, {}], ids=["numpy", "dask"])
def test_references_are_told_behind_a_lazy_dataset(tmp_path: Path, chunks):
    log = RequestLog()
    store = vz.open_manifest_store(write_daily_file(tmp_path / "sst.nc"), registry=StoreRegistry(log=log))
    lazy = xr.open_zarr(store, consolidated=False, chunks=chunks)
    log.clear()
    found, expected = inspect(lazy)["sst"], inspect(store)["sst"]
    assert log.requests == []
    assert found.held == "lazy"
    assert found.counts == expected.counts
    assert found.statistics == expected.statistics
    assert found.codecs == expected.codecs
    assert found.encoding.formula == expected.encoding.formula
    assert inspect(lazy["sst"])["sst"].stored_bytes == expected.stored_bytes
    assert inspect(lazy["sst"].variable)["variable"].stored_bytes == expected.stored_bytes


def test_a_piece_or_a_result_is_not_taken_for_the_whole(tmp_path: Path):
    store = vz.open_manifest_store(write_daily_file(tmp_path / "sst.nc"))
    lazy = xr.open_zarr(store, consolidated=False, chunks=None)
    assert inspect(lazy.isel(time=slice(1, 3)))["sst"].counts is None
    assert inspect(lazy.isel(time=slice(None, None, -1)))["sst"].counts is None
    dasked = xr.open_zarr(store, consolidated=False, chunks={})
    assert inspect(dasked * 2)["sst"].counts is None


def test_chunks_of_a_plain_store_are_counted(tmp_path: Path):
    values = xr.Dataset({"a": (("y", "x"), np.random.default_rng(0).random((20, 20)))})
    values.to_zarr(tmp_path / "a.zarr", encoding={"a": {"chunks": (10, 10)}}, consolidated=False)
    (tmp_path / "a.zarr/a/c/0/1").unlink()
    found = inspect(xr.open_zarr(tmp_path / "a.zarr", consolidated=False, chunks=None))["a"]
    stored = sum(path.stat().st_size for path in (tmp_path / "a.zarr/a/c").rglob("*") if path.is_file())
    assert found.counts is not None
    assert (found.counts.stored, found.counts.missing) == (3, 1)
    assert found.stored_bytes == stored


def test_shards_are_told_with_their_inner_chunks_and_index():
    store = zarr.storage.MemoryStore()
    array = zarr.create_array(
        store, name="s", shape=(100, 100), shards=(50, 50), chunks=(10, 25), dtype="i2", fill_value=0
    )
    array[:50, :50] = 1
    sharding = inspect(array)["s"].sharding
    assert sharding is not None
    assert (sharding.inner_chunk_shape, sharding.inner_grid_shape) == ((10, 25), (5, 2))
    assert (sharding.n_inner_chunks, sharding.index_location) == (10, "end")
    # The index is the last of the shard: its own checksum, in the last four bytes, says how long it is.
    shard = store._store_dict["s/c/0/0"].to_bytes()
    from google_crc32c import value as crc32c

    assert sharding.index_bytes is not None
    index = shard[-sharding.index_bytes :]
    assert int.from_bytes(index[-4:], "little") == crc32c(index[:-4])
