"""Inspecting reads no chunk: what is told stays the same when every file with chunks is gone, and no request is made."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask
import icechunk
import numpy as np
import pytest
import xarray as xr
import zarr
from zarr.storage import LocalStore, WrapperStore

import vzlab as vz
from tests.archives import write_daily_file, write_daily_files
from vzlab.inspection import inspect
from vzlab.interop.virtualizarr import to_virtualizarr
from vzlab.storage import RequestLog

FILE = "sst.nc"


class RecordingStore(WrapperStore[LocalStore]):
    """Notes the keys that it is asked for."""

    asked: list[str]

    @classmethod
    def of(cls, path: Path) -> RecordingStore:
        store = cls(LocalStore(path, read_only=True))
        store.asked = []
        return store

    def with_read_only(self, read_only: bool = False) -> RecordingStore:
        return self

    async def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
        self.asked.append(key)
        return await super().get(key, *args, **kwargs)

    async def get_partial_values(self, prototype: Any, key_ranges: Any) -> Any:
        ranges = list(key_ranges)
        self.asked += [key for key, _ in ranges]
        return await super().get_partial_values(prototype, ranges)


def _dataset(folder: Path) -> xr.Dataset:
    return vz.open_virtual_dataset(write_daily_file(folder / FILE))


def a_group(folder: Path) -> Any:
    return vz.open_group(write_daily_file(folder / FILE))


def an_array(folder: Path) -> Any:
    return a_group(folder)["sst"]


def a_store(folder: Path) -> Any:
    return vz.open_manifest_store(write_daily_file(folder / FILE))


def a_virtual_dataset(folder: Path) -> Any:
    return _dataset(folder)


def a_virtual_data_array(folder: Path) -> Any:
    return _dataset(folder)["sst"]


def a_virtual_variable(folder: Path) -> Any:
    return _dataset(folder)["sst"].variable


def a_virtual_tree(folder: Path) -> Any:
    return xr.DataTree.from_dict({"/": xr.Dataset(), "/model/ocean": _dataset(folder)})


def a_lazy_dataset(folder: Path) -> Any:
    return xr.open_zarr(a_store(folder), consolidated=False, chunks=None)


def a_dask_dataset(folder: Path) -> Any:
    return xr.open_zarr(a_store(folder), consolidated=False, chunks={})


def a_lazy_data_array(folder: Path) -> Any:
    return a_lazy_dataset(folder)["sst"]


def a_zarr_group(folder: Path) -> Any:
    return zarr.open_group(a_store(folder), mode="r")


def a_zarr_array(folder: Path) -> Any:
    return a_zarr_group(folder)["sst"]


def kerchunk_references(folder: Path) -> Any:
    return _dataset(folder).vzlab.to_kerchunk(format="dict")


def a_virtualizarr_group(folder: Path) -> Any:
    pytest.importorskip("virtualizarr", reason="VirtualiZarr is in the group bench")
    return to_virtualizarr(a_group(folder))


def many_groups(folder: Path) -> Any:
    return [vz.open_group(path) for path in write_daily_files(folder, n_days=3)]


SUBJECTS = [
    a_group, an_array, a_store, a_virtual_dataset, a_virtual_data_array, a_virtual_variable, a_virtual_tree, a_lazy_dataset,
    a_dask_dataset, a_lazy_data_array, a_zarr_group, a_zarr_array, kerchunk_references, a_virtualizarr_group, many_groups,
]  # fmt: skip


@pytest.fixture
def no_computing() -> Iterator[None]:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("dask was asked to compute")

    with dask.config.set(scheduler=refuse):
        yield


@pytest.mark.usefixtures("no_computing")
@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda made: made.__name__)
def test_nothing_is_asked_of_files_that_are_gone(tmp_path: Path, subject: Callable[[Path], Any]):
    data = tmp_path / "data"
    data.mkdir()
    made = subject(data)
    before = inspect(made).to_dict()
    shutil.rmtree(data)
    with RequestLog().listening() as log:
        found = inspect(made)
        assert found.to_dict() == before
        assert len(found._repr_html_()) > 1000
        assert found.to_text(width=100)
    assert log.requests == []
    assert any(variable.stored_bytes for variable in found.variables.values())


def _zarr_store(path: Path) -> Path:
    values = xr.Dataset(
        {"a": (("y", "x"), np.random.default_rng(0).random((20, 20)))}, coords={"y": np.arange(20)}
    )
    values.to_zarr(path, encoding={"a": {"chunks": (10, 10)}}, consolidated=False)
    return path


@pytest.mark.parametrize("kind", ["store", "group", "array", "lazy dataset"])
def test_of_a_zarr_store_only_metadata_are_read(tmp_path: Path, kind: str):
    store = RecordingStore.of(_zarr_store(tmp_path / "a.zarr"))
    group = zarr.open_group(store, mode="r")
    made = {
        "store": lambda: store,
        "group": lambda: group,
        "array": lambda: group["a"],
        "lazy dataset": lambda: xr.open_zarr(store, consolidated=False, chunks=None),
    }[kind]()
    store.asked.clear()
    found = inspect(made)
    assert found["a"].shape == (20, 20)
    assert {key.rpartition("/")[2] for key in store.asked} <= {
        "zarr.json",
        ".zgroup",
        ".zarray",
        ".zattrs",
        ".zmetadata",
    }


@pytest.mark.parametrize("kind", ["path", "repository", "session", "store"])
def test_of_a_repository_only_metadata_are_read(tmp_path: Path, kind: str):
    place = tmp_path / "repository"
    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(str(place)))
    session = repository.writable_session("main")
    zarr.open_group(session.store).create_array(
        "a", data=np.random.default_rng(0).random((40, 40)), chunks=(20, 20)
    )
    session.commit("four chunks")
    again = repository.readonly_session("main")
    made = {"path": place, "repository": repository, "session": again, "store": again.store}[kind]
    shutil.rmtree(place / "chunks")
    found = inspect(made)["a"]
    assert found.counts is not None
    assert found.counts.present == 4
    with pytest.raises(icechunk.IcechunkError):
        zarr.open_group(again.store, mode="r")["a"][:]
