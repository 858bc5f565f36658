"""Icechunk repositories as virtual arrays, beside what icechunk with zarr reads of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import icechunk as ic
import numpy as np
import pytest
import xarray as xr
import zarr

import vzlab as vz
from tests.corpus import corpus_file
from tests.parsers.reference_sets import assert_same, values_of
from tests.servers.s3_server import S3Server
from vzlab.errors import CorruptFileError, SourceNotFoundError, VzlabError
from vzlab.manifests import ManifestArray
from vzlab.parsers import IcechunkParser
from vzlab.storage import RequestLog, StoreRegistry, as_registry

RAMP = np.arange(2000, dtype="f8").reshape(40, 50)


def native(store: Any) -> dict[str, Any]:
    """Values of every array, by path, that zarr reads through Icechunk."""
    group = zarr.open_group(store, mode="r")
    return {path: node[...] for path, node in group.members(max_depth=None) if isinstance(node, zarr.Array)}


@contextmanager
def rectilinear() -> Iterator[None]:
    with zarr.config.set({"array.rectilinear_chunks": True}):
        yield


def fill(repository: ic.Repository, folder: Path) -> str:
    """Commit an array of each kind of chunk, with one that has all kinds, and give the snapshot."""
    session = repository.writable_session("main")
    store = session.store
    root = zarr.open_group(store, mode="w")
    root.attrs["title"] = "all kinds"
    options: dict[str, Any] = {"compressors": None, "fill_value": -1.0}
    root.create_array("native", data=RAMP, chunks=(20, 25), dimension_names=("y", "x"))
    root.create_array("a/b/inline", data=np.arange(6, dtype=">i2"), chunks=(2,), attributes={"units": "K"})
    root.create_array("scalar", data=np.array(5.0))
    root.create_array("never", shape=(100, 100), chunks=(1, 1), dtype="u1")
    mixed = root.create_array("a/mixed", shape=(40, 50), chunks=(10, 50), dtype="f8", **options)
    mixed[:10] = RAMP[:10]
    mixed[10:20] = 7.0
    with rectilinear():
        root.create_array("uneven", data=RAMP[:, 0], chunks=((10, 25, 5),))
    content = b"junk" + RAMP[20:30].tobytes()
    (folder / "far.bin").write_bytes(content)
    store.set_virtual_ref("a/mixed/c/2/0", f"file://{folder}/far.bin", offset=4, length=4000)
    return session.commit("all kinds")


def configured(folder: Path) -> ic.RepositoryConfig:
    config = ic.RepositoryConfig.default()
    url = f"file://{folder}/"
    config.set_virtual_chunk_container(
        ic.VirtualChunkContainer(url, ic.local_filesystem_store(f"{folder}/"), name="src")
    )
    # Below the limit chunks are held in manifests.
    config.inline_chunk_threshold_bytes = 100
    return config


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "far"
    folder.mkdir()
    return folder


@pytest.fixture
def repository(tmp_path: Path, folder: Path) -> ic.Repository:
    access = {f"file://{folder}/": ic.credentials.LocalFileSystemAccess}
    storage = ic.local_filesystem_storage(str(tmp_path / "repo"))
    made = ic.Repository.create(storage, config=configured(folder), authorize_virtual_chunk_access=access)
    fill(made, folder)
    return made


def readable(values: dict[str, Any]) -> dict[str, Any]:
    return {path: array for path, array in values.items() if path != "never"}


def test_every_kind_of_chunk(repository: ic.Repository, tmp_path: Path) -> None:
    group = IcechunkParser()(tmp_path / "repo")
    assert not any(part.unreadable for _, part in group.walk())
    mixed = group["a/mixed"]
    assert isinstance(mixed, ManifestArray)
    states = [mixed.manifest.reference((i, 0)).state for i in range(4)]
    assert states == ["virtual", "virtual", "virtual", "missing"]
    sources = [source.url for source in mixed.manifest.sources]
    assert sum("/repo/chunks/" in url for url in sources) == 2
    assert sum(url.endswith("far/far.bin") for url in sources) == 1
    assert group["a/b/inline"].manifest.n_inline == 3  # type: ignore[union-attr]
    assert group.arrays["never"].manifest.n_missing == 10**4
    assert group.attributes == {"title": "all kinds"}
    assert group.arrays["native"].metadata.dimension_names == ("y", "x")
    expected = {}
    with rectilinear():
        root = zarr.open_group(repository.readonly_session("main").store, mode="r")
        for path in ("native", "a/b/inline", "scalar", "a/mixed", "uneven"):
            expected[path] = root[path][...]  # type: ignore[index]
    assert_same(values_of(group.without(["never"])), expected)


@pytest.mark.parametrize("kind", ["repository", "session", "store"])
def test_objects_with_their_place_and_without(kind: str, repository: ic.Repository, tmp_path: Path) -> None:
    session = repository.readonly_session("main")
    x = {"repository": repository, "session": session, "store": session.store}[kind]
    by_path = IcechunkParser()(tmp_path / "repo")
    assert IcechunkParser(location=tmp_path / "repo")(x) == by_path
    held = IcechunkParser()(x)
    assert held.arrays["native"].manifest.n_inline == 4
    assert held["a/mixed"].manifest.n_virtual == 1  # type: ignore[union-attr]
    assert_same(values_of(held.without(["never"])), values_of(by_path.without(["never"])))


def test_a_repository_in_memory(folder: Path) -> None:
    storage = ic.in_memory_storage()
    repository = ic.Repository.create(storage, config=configured(folder))
    fill(repository, folder)
    for x in (repository, storage):
        group = IcechunkParser(drop_variables=["never"])(x)
        np.testing.assert_array_equal(values_of(group)["native"], RAMP)


def test_native_chunks_of_an_unknown_place_are_held_up_to_a_bound(
    repository: ic.Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vzlab.parsers.icechunk.MAX_HELD_BYTES", 1000)
    group = IcechunkParser()(repository)
    assert "IcechunkParser(location=...)" in group.unreadable["native"].reason
    assert "scalar" in group.arrays


def test_uncommitted_changes_of_a_session(repository: ic.Repository) -> None:
    session = repository.writable_session("main")
    zarr.open_group(session.store, mode="a").create_array("new", data=np.arange(3))
    assert values_of(IcechunkParser(drop_variables=["never", "a"])(session))["new"].tolist() == [0, 1, 2]


def test_versions(tmp_path: Path) -> None:
    path = tmp_path / "repo"
    repository = ic.Repository.create(ic.local_filesystem_storage(str(path)))
    snapshots, times = [], []
    for value in (1, 2, 3):
        session = repository.writable_session("main")
        zarr.open_group(session.store, mode="a").create_array("x", data=np.array([value]), overwrite=True)
        snapshots.append(session.commit(str(value)))
        time.sleep(0.02)
        times.append(datetime.now(UTC))
        time.sleep(0.02)
    repository.create_tag("first", snapshots[0])
    repository.create_branch("side", snapshots[1])

    def value(**version: Any) -> int:
        return int(values_of(IcechunkParser(**version)(path))["x"][0])

    assert value() == 3
    assert value(branch="side") == 2
    assert value(tag="first") == 1
    assert value(snapshot_id=snapshots[1]) == 2
    assert value(as_of=times[0]) == 1
    assert value(branch="main", as_of=times[1]) == 2
    assert vz.open_manifest_store(path, parser=IcechunkParser(tag="first")).group.arrays["x"].shape == (1,)
    for version in (
        {"branch": "no"},
        {"tag": "no"},
        {"snapshot_id": "no"},
        {"as_of": datetime(2000, 1, 1, tzinfo=UTC)},
    ):
        with pytest.raises(VzlabError, match="repo"):
            IcechunkParser(**version)(path)
    with pytest.raises(ValueError, match="expected one of branch"):
        IcechunkParser(branch="a", tag="b")
    with pytest.raises(ValueError, match="time zone"):
        IcechunkParser(as_of=datetime(2000, 1, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="one version"):
        IcechunkParser(tag="first")(repository.readonly_session("main"))


def test_groups_and_names(repository: ic.Repository, tmp_path: Path) -> None:
    path = tmp_path / "repo"
    whole = IcechunkParser()(path)
    assert IcechunkParser(group="a/b")(path) == whole.groups["a"].groups["b"]
    assert "b" not in IcechunkParser(group="a", drop_variables=["b"])(path).groups
    with pytest.raises(KeyError, match="nowhere"):
        IcechunkParser(group="nowhere")(path)


def test_no_chunk_is_read(repository: ic.Repository, tmp_path: Path) -> None:
    log = RequestLog()
    group = IcechunkParser()(tmp_path / "repo", StoreRegistry(log=log))
    assert log.requests == []
    assert vz.inspect(group) is not None
    assert log.requests == []


def test_every_door_opens_it(repository: ic.Repository, tmp_path: Path) -> None:
    path = tmp_path / "repo"
    for x in (path, f"file://{path}", repository, repository.readonly_session("main")):
        dataset = vz.open_virtual_dataset(x, loadable_variables=["native"], drop_variables=["never"])
        np.testing.assert_array_equal(dataset.native, RAMP)
        assert "native" in str(vz.inspect(x))
        store = vz.open_manifest_store(x)
        np.testing.assert_array_equal(zarr.open_group(store, mode="r")["native"][:], RAMP)  # type: ignore[index]


def test_in_a_bucket(s3: S3Server) -> None:
    bucket = s3.bucket()
    options = s3.storage_options
    data = xr.Dataset({"x": (("y", "x"), RAMP)})
    data.vzlab.to_icechunk(bucket.url("some/repo"), storage_options=options)
    store = vz.open_manifest_store(bucket.url("some/repo"), storage_options=options)
    urls = store.group.arrays["x"].manifest.urls
    assert all(url.startswith(bucket.url("some/repo/chunks/")) for url in urls)
    assert_same(values_of(store.group, store.registry), {"x": RAMP})
    with pytest.raises(VzlabError, match="nothing"):
        IcechunkParser()(bucket.url("nothing"), as_registry(None, options))


@pytest.mark.parametrize("make", ["absent", "empty", "file", "damaged"])
def test_what_is_no_repository(make: str, repository: ic.Repository, tmp_path: Path) -> None:
    path = tmp_path / "some"
    if make == "empty":
        path.mkdir()
    elif make == "file":
        path.write_bytes(b"ICE")
    elif make == "damaged":
        path = tmp_path / "repo"
        for file in (path / "snapshots").iterdir():
            file.write_bytes(file.read_bytes()[:50])
    with pytest.raises((SourceNotFoundError, CorruptFileError), match=r"some|repo"):
        IcechunkParser()(path)
    assert make == "damaged" or not (tmp_path / "some").is_dir() or not any((tmp_path / "some").iterdir())


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["test-repo-v1", "split-repo-v2"])
def test_repositories_of_both_specifications(name: str) -> None:
    path = corpus_file(f"icechunk/earth-mover__icechunk/{name}")
    group = IcechunkParser()(path)
    store = ic.Repository.open(ic.local_filesystem_storage(str(path))).readonly_session("main").store
    root = zarr.open_group(store, mode="r")
    compared = 0
    for inner, array in group.walk_arrays():
        if all(url.startswith("file:") for url in array.manifest.urls):
            np.testing.assert_array_equal(values_of(group.without(["big_chunks"]))[inner], root[inner][...])  # type: ignore[index]
            compared += 1
    assert compared
