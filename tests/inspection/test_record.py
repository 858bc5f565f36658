"""Recordings hold every request of a block, from any registry and thread, and say what came twice."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
import zarr

import vzlab as vz
from tests.archives import DailyFile, write_daily_file
from vzlab.inspection import compare_recordings, record
from vzlab.storage import Request, StoreRegistry


@pytest.fixture
def url(tmp_path: Path, http_server: Any) -> str:
    write_daily_file(tmp_path / "x.nc", DailyFile(n_lat=60, n_lon=600, chunks=(1, 30, 300)))
    server = http_server(tmp_path)
    return str(server.url("x.nc"))


def test_a_recording_holds_what_the_server_was_asked(tmp_path: Path, http_server: Any) -> None:
    write_daily_file(tmp_path / "x.nc", DailyFile(n_lat=60, n_lon=600, chunks=(1, 30, 300)))
    server = http_server(tmp_path)
    with record("all") as recording:
        store = vz.open_manifest_store(server.url("x.nc"))
        with xr.open_zarr(store, chunks=None) as opened:
            opened.sst.load()
    asked = server.requests
    assert recording.n_requests == len(asked)
    assert sorted(f"bytes={r.offset}-{r.offset + r.length - 1}" for r in recording.requests) == sorted(
        str(request.range) for request in asked
    )
    assert recording.n_metadata >= 1
    assert recording.n_data >= 1
    assert recording.n_metadata + recording.n_data == recording.n_requests
    assert [r.started_s for r in recording.requests] == sorted(r.started_s for r in recording.requests)
    assert 0 < recording.busy_s <= recording.elapsed_s


def test_nothing_before_or_after_the_block_is_recorded(url: str) -> None:
    group = vz.open_group(url)
    with record() as recording:
        pass
    zarr.open_array(vz.ManifestStore(group), path="sst", mode="r")[0]
    assert recording.n_requests == 0
    assert recording.wasted_bytes == 0
    assert str(recording).startswith("Recording: No request was made from Python.")
    assert "No request" in recording._repr_html_()


def test_recordings_nest_and_see_all_threads(url: str) -> None:
    def read() -> None:
        StoreRegistry().open(url).read(100, 10)

    with record("outer") as outer:
        read()
        with record("inner") as inner:
            thread = threading.Thread(target=read)
            thread.start()
            thread.join()
    assert [(r.offset, r.length, r.kind) for r in outer.requests] == [(100, 10, "range")] * 2
    assert len(inner) == 1


def test_a_log_of_its_own_goes_on_beside_a_recording(url: str) -> None:
    log = vz.RequestLog()
    with record() as recording:
        StoreRegistry(log=log).open(url).read(5, 7)
    assert [r.offset for r in log.requests] == [r.offset for r in recording.requests] == [5]


def test_a_block_that_fails_leaves_its_recording(url: str) -> None:
    recordings = []

    def fail() -> None:
        with record() as recording:
            recordings.append(recording)
            StoreRegistry().open(url).read(5, 7)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    StoreRegistry().open(url).read(5, 8)
    assert recordings[0].n_requests == 1


def test_bytes_that_came_before_are_wasted(url: str) -> None:
    source = StoreRegistry().open(url)
    with record() as recording:
        source.read(0, 100)
        source.read(50, 100)
        source.read(20, 60)
        source.read(500, 10)
        source.read(0, 150)
    assert recording.total_bytes == 420
    assert recording.wasted_bytes == 420 - 160
    assert recording.n_repeats == 2
    assert recording.columns.is_repeat.tolist() == [False, False, True, False, True]
    (file,) = recording.files
    assert (file.url, file.n_requests, file.n_bytes, file.wasted_bytes) == (url, 5, 420, 260)
    assert "260 B of it had come before, 2 requests for nothing else" in recording.to_text(width=200)


def test_local_files_are_recorded_too(tmp_path: Path) -> None:
    group = vz.open_group(write_daily_file(tmp_path / "x.nc"))
    with record() as recording:
        zarr.open_array(vz.ManifestStore(group), path="sst", mode="r")[...]
    assert (recording.n_data, recording.n_metadata) == (16, 0)
    assert recording.total_bytes == group["sst"].manifest.stored_bytes  # type: ignore[union-attr]


def test_two_recordings_stand_side_by_side(url: str) -> None:
    group = vz.open_group(url)
    array = zarr.open_array(vz.ManifestStore(group), path="sst", mode="r")
    with record("a map") as one:
        array[0]
    with record("a series") as other:
        array[:, 0, 0]
        array[:, 1, 1]
    both = compare_recordings([one, other])
    assert both.title == "a map and a series"
    assert "a map makes 1 request, a series 2." in str(both)
    document = json.loads(json.dumps(both.to_dict(), allow_nan=False))
    assert [r["n_repeats"] for r in document["recordings"]] == [0, 1]
    with pytest.raises(ValueError, match="no recording"):
        compare_recordings([])


def test_json_has_every_request(url: str) -> None:
    with record("r") as recording:
        StoreRegistry().open(url).read(5, 7)
    document = json.loads(json.dumps(recording.to_dict(), allow_nan=False))
    assert document["schema"] == "vzlab-recording/1"
    (request,) = document["requests"]
    assert request["offset"] == 5
    assert set(request) == set(Request.__dataclass_fields__)
