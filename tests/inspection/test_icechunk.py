"""Icechunk repositories, sessions and stores: what their versions are, and what changed, as icechunk says it."""

from __future__ import annotations

import json
from pathlib import Path

import icechunk
import numpy as np
import pytest
import zarr

import vzlab as vz
from tests.archives import write_daily_file
from vzlab.inspection import inspect
from vzlab.parsers import IcechunkParser
from vzlab.storage import normalize_url


def _commit(repository: icechunk.Repository, message: str, change) -> str:
    session = repository.writable_session("main")
    change(zarr.open_group(session.store))
    return session.commit(message, metadata={"by": "a test"})


@pytest.fixture
def repository() -> icechunk.Repository:
    """Two arrays of which one loses a chunk's worth of values, gets an attribute, and the other goes."""
    made = icechunk.Repository.create(icechunk.in_memory_storage())
    first = _commit(made, "two arrays", _two_arrays)
    made.create_tag("v1", first)
    second = _commit(made, "a corner", lambda root: root["sst"].set_basic_selection(np.s_[:5, :5], 9))
    made.create_branch("trial", second)
    _commit(made, "tidy", _tidy)
    return made


def _two_arrays(root: zarr.Group) -> None:
    rng = np.random.default_rng(1)
    root.create_array("sst", data=rng.integers(0, 9, (10, 10)), chunks=(5, 5))
    root.create_array("deep/mask", data=np.ones(4, "i1"), chunks=(4,))


def _tidy(root: zarr.Group) -> None:
    root["sst"].attrs["units"] = "K"
    del root["deep/mask"]


def test_history_is_what_icechunk_tells(repository):
    history = inspect(repository).history
    assert history is not None
    listed = list(repository.ancestry(branch="main"))
    assert [c.id for c in history.commits] == [s.id for s in listed]
    assert [c.message for c in history.commits] == ["tidy", "a corner", "two arrays", listed[-1].message]
    assert [c.written_at for c in history.commits] == [s.written_at.isoformat() for s in listed]
    assert history.commits[0].metadata == {"by": "a test"}
    assert history.branches == {name: repository.lookup_branch(name) for name in ("main", "trial")}
    assert history.tags == {"v1": listed[2].id}
    assert (history.commits[1].branches, history.commits[2].tags) == (("trial",), ("v1",))
    assert (history.branch, history.is_whole) == ("main", True)


def test_what_each_commit_changed(repository):
    history = inspect(repository).history
    assert history is not None
    tidy, corner, made, _ = (commit.changes for commit in history.commits)
    assert made.new_arrays == ("deep/mask", "sst")
    assert made.chunks == {"deep/mask": 1, "sst": 4}
    assert corner.chunks == {"sst": 1}
    assert not corner.updated_arrays
    assert tidy.updated_arrays == ("sst",)
    assert tidy.deleted_arrays == ("deep/mask",)


@pytest.mark.parametrize("older", ["v1", "trial", "id"])
def test_what_changed_since_a_version(repository, older):
    name = repository.lookup_tag("v1") if older == "id" else older
    history = inspect(repository, since=name).history
    assert history is not None
    given = repository.diff(
        from_snapshot_id=repository.lookup_branch("trial")
        if older == "trial"
        else repository.lookup_tag("v1"),
        to_branch="main",
    )
    found = history.since_changes
    assert found is not None
    assert set(found.updated_arrays) == {path.strip("/") for path in given.updated_arrays}
    assert set(found.deleted_arrays) == {path.strip("/") for path in given.deleted_arrays}
    assert found.chunks.get("sst", 0) == len(given.updated_chunks.get("/sst", []))


def test_what_is_no_ancestor_is_refused(repository):
    with pytest.raises(ValueError, match=r"not among the ancestors.*v1, main, trial"):
        inspect(repository, parser=IcechunkParser(tag="v1"), since="main")


def test_another_version_is_inspected_by_its_parser(repository):
    found = inspect(repository, parser=IcechunkParser(tag="v1"))
    assert list(found.variables) == ["sst", "deep/mask"]
    assert found.history is not None
    assert found.history.snapshot_id == repository.lookup_tag("v1")
    assert len(found.history.commits) == 2


def test_a_session_says_what_is_not_committed(repository):
    session = repository.writable_session("main")
    zarr.open_group(session.store)["sst"][5:, 5:] = 7
    for thing in (session, session.store):
        found = inspect(thing)
        assert found.history is not None
        assert found.history.uncommitted is not None
        assert found.history.uncommitted.chunks == {"sst": 1}
        assert (found.history.branch, found.history.commits) == ("main", ())
    readonly = inspect(repository.readonly_session("main"))
    assert readonly.history is not None
    assert readonly.history.uncommitted is None
    with pytest.raises(ValueError, match="its own version only"):
        inspect(session, since="v1")


def test_native_inline_and_virtual_chunks_are_told_apart(tmp_path: Path):
    source = write_daily_file(tmp_path / "sst.nc")
    dataset = vz.open_virtual_dataset(source)
    dataset.vzlab.to_icechunk(tmp_path / "store")
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(tmp_path / "store")))
    values = np.random.default_rng(0).random((100, 100))
    _commit(repository, "native", lambda root: root.create_array("big", data=values, chunks=(50, 50)))
    for thing in (repository, tmp_path / "store"):
        found = inspect(thing)
        big, sst = found["big"], found["sst"]
        assert big.counts is not None
        assert (big.counts.stored, big.counts.virtual, big.counts.inline) == (4, 0, 0)
        assert sst.counts is not None
        assert (sst.counts.stored, sst.counts.virtual) == (0, 16)
        assert big.stored_bytes == sum(
            path.stat().st_size for path in (tmp_path / "store" / "chunks").iterdir()
        )
        assert normalize_url(source) in [found.sources[i].url for i in sst.sources]


def test_no_chunk_is_read_of_a_repository_given_as_an_object(tmp_path: Path):
    storage = icechunk.local_filesystem_storage(str(tmp_path / "store"))
    repository = icechunk.Repository.create(storage)
    values = np.random.default_rng(0).random((100, 100))
    _commit(repository, "native", lambda root: root.create_array("big", data=values, chunks=(50, 50)))
    for chunk in (tmp_path / "store" / "chunks").iterdir():
        chunk.unlink()
    found = inspect(repository)["big"]
    assert found.counts is not None
    assert found.counts.stored == 4


def test_versions_are_shown_and_put_into_json(repository):
    found = inspect(repository, since="v1")
    text = found.to_text(width=120, max_lines=0)
    assert "4 snapshots · 2 branches: main and trial · 1 tag: v1" in text
    assert (
        "changed since v1: 1 deleted array: deep/mask; 1 updated array: sst; 1 chunk written in sst" in text
    )
    markup = found._repr_html_()
    assert "Versions" in markup
    assert "a corner" in markup
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert document["history"]["commits"][1]["changes"]["chunks"] == {"sst": 1}


def test_a_hostile_message_is_only_text():
    made = icechunk.Repository.create(icechunk.in_memory_storage())
    _commit(
        made, "<img src=x onerror=alert(1)>\x1b[31m", lambda root: root.create_array("a", data=np.ones(3))
    )
    found = inspect(made)
    assert "<img src=x" not in found._repr_html_()
    assert "\x1b" not in found.to_text()
