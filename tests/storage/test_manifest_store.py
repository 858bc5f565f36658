"""The store behaves as a normal read-only Zarr store over the same tree."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import _collect_aiterator, sync
from zarr.storage import MemoryStore
from zarr.testing.store import StoreTests

from tests.storage.groups import copy_by_zarr, group_with_awkward_names, raw_array
from vzlab.errors import WriteError
from vzlab.manifests import ManifestGroup
from vzlab.storage import ManifestStore, StoreRegistry


@pytest.fixture
def store(tmp_path: Path) -> ManifestStore:
    return ManifestStore(group_with_awkward_names(tmp_path))


@pytest.fixture
def copy(store: ManifestStore) -> MemoryStore:
    return copy_by_zarr(zarr.open_group(store, mode="r"))


class TestAsZarrTestsStores:
    """Those of zarr's own tests of stores that a store of fixed content can take."""

    store_cls = ManifestStore
    test_store_type = StoreTests.test_store_type
    test_store_eq = StoreTests.test_store_eq
    test_store_context_manager = StoreTests.test_store_context_manager
    test_getsize_raises = StoreTests.test_getsize_raises
    test_get_sync_missing = StoreTests.test_get_sync_missing
    _require_get_sync = staticmethod(StoreTests._require_get_sync)

    @pytest.fixture
    def store_kwargs(self, tmp_path: Path) -> dict[str, Any]:
        return {"group": group_with_awkward_names(tmp_path)}

    @pytest.fixture
    def open_kwargs(self, store_kwargs: dict[str, Any]) -> dict[str, Any]:
        return store_kwargs

    @pytest.fixture
    def store(self, open_kwargs: dict[str, Any]) -> ManifestStore:
        return sync(self.store_cls.open(**open_kwargs))


# Coroutines of zarr's own suite, run here without an asyncio plugin.
for _name in ("test_store_context_manager", "test_getsize_raises"):
    _coroutine = getattr(StoreTests, _name)
    if _name == "test_store_context_manager":

        def _run(self: Any, open_kwargs: dict[str, Any], _coroutine: Any = _coroutine) -> None:
            sync(_coroutine(self, open_kwargs))

    else:

        def _run(self: Any, store: Any, _coroutine: Any = _coroutine) -> None:
            sync(_coroutine(self, store))

    setattr(TestAsZarrTestsStores, _name, _run)


def test_what_it_says_of_itself(store: ManifestStore) -> None:
    assert (store.read_only, store.supports_writes, store.supports_deletes, store.supports_listing) == (
        True,
        False,
        False,
        True,
    )
    assert repr(store) == "<ManifestStore of 9 arrays>"


def test_the_tree_is_the_one_that_zarr_writes(store: ManifestStore, copy: MemoryStore) -> None:
    ours, theirs = zarr.open_group(store, mode="r"), zarr.open_group(copy, mode="r")
    assert dict(ours.attrs) == dict(theirs.attrs)
    found, expected = (dict(group.members(max_depth=None)) for group in (ours, theirs))
    assert found.keys() == expected.keys()
    assert {"c/0", "c/c", "deep/deeper/c", "deep/deeper/x", "hollow", "scalar"} <= found.keys()
    for path, node in found.items():
        assert dict(node.attrs) == dict(expected[path].attrs)
        if isinstance(node, zarr.Array):
            np.testing.assert_array_equal(node[...], expected[path][...])
            assert node.metadata.dimension_names == expected[path].metadata.dimension_names


def test_scalars_named_c_have_their_values(store: ManifestStore) -> None:
    group = zarr.open_group(store, mode="r")
    assert group["deep/deeper/c"][()] == 11
    assert group["deep/deeper/x"][()] == 12
    assert group["scalar"][()] == 21


@pytest.mark.parametrize(
    "prefix", ["", "x", "x/", "c", "c/", "c/0", "c/c/c", "deep", "hollow", "empty", "scalar"]
)
def test_listing_below_a_path(store: ManifestStore, copy: MemoryStore, prefix: str) -> None:
    found = sorted(sync(_collect_aiterator(store.list_dir(prefix))))
    assert found == sorted(sync(_collect_aiterator(copy.list_dir(prefix))))


@pytest.mark.parametrize("prefix", ["", "x/", "c/", "c/c", "deep/deeper/", "xz", "absent"])
def test_listing_by_prefix(store: ManifestStore, copy: MemoryStore, prefix: str) -> None:
    found = sorted(sync(_collect_aiterator(store.list_prefix(prefix))))
    assert found == sorted(sync(_collect_aiterator(copy.list_prefix(prefix))))
    if not prefix:
        assert found == sorted(sync(_collect_aiterator(store.list())))


WRONG_KEYS = (
    "absent/zarr.json",
    "xxzarr.json",
    "x//zarr.json",
    "/zarr.json",
    "x/.zarray",
    ".zgroup",
    "x/c",
    "x/c/0",
    "x/c/0/0/0",
    "x/c/3/0",
    "x/c/-1/0",
    "x/c/00/0",
    "x/c/+0/0",
    "x/c/ 0/0",
    "x/c/0_0/0",
    "x/c/\N{ARABIC-INDIC DIGIT ZERO}/0",
    "x/c/0/",
    "x/c/0.0",
    "x/0/0",
    "x/c/0/1",
    "scalar/c/0",
    "scalar/c/",
    "c",
    "c/c",
    "c/0/c",
    "hollow/c/0",
    "",
)


@pytest.mark.parametrize("key", WRONG_KEYS)
def test_a_wrong_name_is_absent(store: ManifestStore, copy: MemoryStore, key: str) -> None:
    assert not sync(copy.exists(key))
    assert not sync(store.exists(key))
    assert sync(store.get(key, default_buffer_prototype())) is None
    assert store.get_sync(key) is None
    with pytest.raises(FileNotFoundError):
        sync(store.getsize(key))


def test_every_listed_key_exists_and_has_its_bytes(store: ManifestStore, copy: MemoryStore) -> None:
    keys = sync(_collect_aiterator(store.list()))
    assert len(keys) == len(set(keys))
    for key in keys:
        assert sync(store.exists(key))
        value = store.get_sync(key)
        assert value is not None
        assert sync(store.getsize(key)) == len(value)
        if not key.endswith("zarr.json"):
            expected = sync(copy.get(key, default_buffer_prototype()))
            assert expected is not None
            if not key.startswith(
                ("x/", "c/c/")
            ):  # whose edge chunks zarr pads with fill, and the file does not
                assert value.to_bytes() == expected.to_bytes()


@pytest.mark.parametrize("path", ["", "x", "c", "c/", "c/0", "deep", "hollow", "x/c", "x/c/0", "absent"])
def test_the_size_below_a_path_is_that_of_its_values(store: ManifestStore, path: str) -> None:
    prefix = f"{path.strip('/')}/" if path else ""
    keys = sync(_collect_aiterator(store.list_prefix(prefix)))
    assert sync(store.getsize_prefix(path)) == sum(sync(store.getsize(key)) for key in keys)


def test_stored_bytes_are_counted_without_reading() -> None:
    array = raw_array("file:///nowhere", (1_000_000,), (1,))
    opened = zarr.open_group(ManifestStore(ManifestGroup(arrays={"x": array})), mode="r")["x"]
    assert isinstance(opened, zarr.Array)
    assert 4_000_000 < opened.nbytes_stored() < 4_002_000


def test_membership_and_wrong_names_in_a_group(store: ManifestStore, copy: MemoryStore) -> None:
    for group in (zarr.open_group(store, mode="r"), zarr.open_group(copy, mode="r")):
        assert "x" in group
        assert "c/0" in group
        assert "deep/deeper" in group
        for name in ("absent", "x/c", "xx", "c/1", "deep/deeper/absent"):
            assert name not in group
            with pytest.raises(KeyError):
                group[name]
    with pytest.raises(FileNotFoundError):
        zarr.open_group(store, path="absent", mode="r")


@pytest.mark.parametrize(
    "byte_range",
    [
        None,
        RangeByteRequest(0, 4),
        RangeByteRequest(3, 9),
        RangeByteRequest(4, 4),
        RangeByteRequest(10, 500),
        OffsetByteRequest(5),
        OffsetByteRequest(500),
        SuffixByteRequest(3),
        SuffixByteRequest(500),
    ],
)
@pytest.mark.parametrize("key", ["c/0/c/1", "zarr.json"])
def test_byte_ranges(store: ManifestStore, key: str, byte_range: Any) -> None:
    whole = store.get_sync(key)
    assert whole is not None
    memory = MemoryStore({key: whole})
    expected = sync(memory.get(key, default_buffer_prototype(), byte_range))
    assert expected is not None
    for found in (
        store.get_sync(key, byte_range=byte_range),
        sync(store.get(key, default_buffer_prototype(), byte_range)),
        sync(store.get_partial_values(default_buffer_prototype(), [(key, byte_range)]))[0],
    ):
        assert found is not None
        assert found.to_bytes() == expected.to_bytes()


def test_what_is_no_byte_range_is_refused(store: ManifestStore) -> None:
    with pytest.raises(TypeError, match="Unexpected byte_range"):
        store.get_sync("c/0/c/1", byte_range=(0, 2))  # type: ignore[arg-type]


def test_missing_chunks_read_as_fill(store: ManifestStore) -> None:
    values = zarr.open_group(store, mode="r")["x"][...]
    expected = (
        np.arange(1, 25, dtype="<i4").reshape(3, 2, 2, 2).transpose(0, 2, 1, 3).reshape(6, 4)[:5].copy()
    )
    expected[0:2, 2:4] = -7
    expected[4:5, 0:2] = -7
    np.testing.assert_array_equal(values, expected)


def test_it_cannot_be_written_to(store: ManifestStore) -> None:
    value = default_buffer_prototype().buffer.from_bytes(b"x")
    for attempt in (
        lambda: sync(store.set("x/c/0/0", value)),
        lambda: store.set_sync("x/c/0/0", value),
        lambda: sync(store.delete("x/c/0/0")),
        lambda: store.delete_sync("x/c/0/0"),
    ):
        with pytest.raises(WriteError, match=r"read-only mode and does not support writing.*to_icechunk"):
            attempt()
    with pytest.raises(ValueError, match="read-only"):
        zarr.open_group(store, mode="r+")
    with pytest.raises(ValueError, match="read-only"):
        zarr.open_group(store, mode="r")["x"][...] = 1


# -- identity ----------------------------------------------------------------------------------------------------------


def test_equality_follows_what_is_served(tmp_path: Path) -> None:
    group = group_with_awkward_names(tmp_path)
    assert ManifestStore(group) == ManifestStore(group_with_awkward_names(tmp_path))
    assert ManifestStore(group) != ManifestStore(group.without(["scalar"]))
    assert ManifestStore(group) != ManifestStore(group.rename_urls(lambda url: url + "2"))
    assert ManifestStore(group) != "something else"


def test_a_pickle_reads_the_same_and_says_the_same(store: ManifestStore) -> None:
    options = {"client_options": {"allow_http": True}}
    store = ManifestStore(store.group, StoreRegistry(storage_options=options))
    again = pickle.loads(pickle.dumps(store))
    assert again == store
    assert again.registry.storage_options == options
    assert again.read_only
    assert again.__dask_tokenize__() == store.__dask_tokenize__()
    np.testing.assert_array_equal(zarr.open_group(again, mode="r")["c/0"][...], [1, 2, 3, 4])


def test_the_token_follows_every_part_of_what_is_served(tmp_path: Path) -> None:
    url = "file:///nowhere/a.bin"
    base = raw_array(url, (4,), (2,))
    kinds = {
        "same": ManifestGroup(arrays={"x": raw_array(url, (4,), (2,))}),
        "name": ManifestGroup(arrays={"y": base}),
        "url": ManifestGroup(arrays={"x": raw_array(url + "b", (4,), (2,))}),
        "offset": ManifestGroup(arrays={"x": raw_array(url, (4,), (2,), offset=8)}),
        "missing": ManifestGroup(arrays={"x": raw_array(url, (4,), (2,), missing=((1,),))}),
        "dtype": ManifestGroup(arrays={"x": raw_array(url, (4,), (2,), dtype="<u4")}),
        "attribute": ManifestGroup(arrays={"x": base}, attributes={"a": 1}),
        "group": ManifestGroup(arrays={"x": base}, groups={"g": ManifestGroup()}),
    }
    token = ManifestStore(ManifestGroup(arrays={"x": base})).__dask_tokenize__()
    same = {name for name, group in kinds.items() if ManifestStore(group).__dask_tokenize__() == token}
    assert same == {"same"}


def _n_calls(action: Any) -> int:
    count = 0

    def profiler(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(profiler)
    try:
        action()
    finally:
        sys.setprofile(None)
    return count


def test_token_equality_and_text_take_no_step_per_chunk() -> None:
    small, large = (
        ManifestStore(ManifestGroup(arrays={"x": raw_array("file:///a", (n,), (1,))})) for n in (100, 100_000)
    )
    for action in (lambda s: s.__dask_tokenize__(), str, repr, lambda s: s == ManifestStore(s.group)):
        counts = [_n_calls(lambda s=s, action=action: action(s)) for s in (small, large)]
        assert counts[1] - counts[0] < 50  # the collector of garbage may add a few


def test_the_text_of_a_store_is_its_own_and_short(store: ManifestStore) -> None:
    other = ManifestStore(store.group)
    assert str(store) == str(store) != str(other)
    assert len(str(store)) < 40


# -- through xarray ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [None, {}])
def test_xarray_opens_it_with_and_without_dask(tmp_path: Path, chunks: Any) -> None:
    array = group_with_awkward_names(tmp_path).arrays["x"]
    with xr.open_zarr(ManifestStore(ManifestGroup(arrays={"x": array})), chunks=chunks) as dataset:
        assert dataset["x"].dims == ("y", "x")
        np.testing.assert_array_equal(dataset["x"].values[:2, :2], [[1, 2], [3, 4]])


def test_a_rectilinear_grid_opens_without_asking(tmp_path: Path) -> None:
    path = tmp_path / "months.bin"
    path.write_bytes(np.arange(90, dtype="<i4").tobytes())
    january, february, march = (
        raw_array(path.as_uri(), (n,), (n,), offset=4 * start) for start, n in ((0, 31), (31, 28), (59, 31))
    )
    year = np.concatenate([january, february, march])
    assert year.chunk_grid.chunks == ((31, 28, 31),)
    with zarr.config.set({"array.rectilinear_chunks": False}):
        opened = zarr.open_group(ManifestStore(ManifestGroup(arrays={"t": year})), mode="r")["t"]
        np.testing.assert_array_equal(opened[...], np.arange(90))


def test_attributes_are_strict_json() -> None:
    attributes = {"valid_max": float("inf"), "numbers": [float("nan"), 1.0]}
    array = raw_array("file:///a", (1,), (1,), dtype="<f4", attributes=attributes)
    document = ManifestStore(ManifestGroup(arrays={"x": array}, attributes=attributes)).get_sync("zarr.json")
    assert document is not None
    found = json.loads(document.to_bytes(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert found["attributes"] == {"valid_max": "Infinity", "numbers": ["NaN", 1.0]}


def test_groups_with_nan_in_their_attributes_are_equal() -> None:
    def group(value: float) -> ManifestGroup:
        attributes = {"missing_value": value}
        array = raw_array("file:///a", (1,), (1,), dtype="<f4", attributes=attributes)
        return ManifestGroup(arrays={"x": array}, attributes=attributes)

    assert group(float("nan")) == group(float("nan")) == pickle.loads(pickle.dumps(group(float("nan"))))
    assert group(float("nan")) != group(0.0)
