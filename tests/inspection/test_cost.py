"""What a selection takes, against the requests that a real read of it makes."""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given
from hypothesis import strategies as st

import vzlab as vz
from tests.archives import DailyFile, write_daily_file, write_daily_files
from tests.inspection.arrays import BYTES, virtual_array
from vzlab.inspection import Cost, compare_costs, cost
from vzlab.inspection.touched import touch_chunks
from vzlab.manifests import ArrayMetadata, ChunkGrid, ChunkManifest, ManifestArray, SourceFile
from vzlab.storage import read_array
from vzlab.storage.pipeline import ZARRS_OWN
from vzlab.storage.ranges import merge_ranges

SELECTIONS: list[Any] = [
    (),
    (0,),
    (slice(None), 3, 4),
    (slice(1, 3), slice(4, 6), slice(9, 11)),
    (slice(None, None, 3), slice(None, None, 7), slice(19, None)),
    (np.array([3, 0]), slice(None), np.array([0, 0, 19])),
    (slice(2, 2),),
    (-1, -1, -1),
]


PLAIN = DailyFile(compression_level=None, shuffle=False)
"""Of its chunks parts can be read; the last along lat and lon are stored longer than the array reaches."""


@pytest.mark.parametrize("day", [DailyFile(), PLAIN], ids=["compressed", "plain"])
@pytest.mark.parametrize("selection", SELECTIONS, ids=str)
def test_the_prediction_is_what_a_read_of_a_remote_file_requests(
    tmp_path: Path, http_server: Any, selection: Any, day: DailyFile
) -> None:
    write_daily_file(tmp_path / "x.nc", day)
    server = http_server(tmp_path)
    group = vz.open_group(server.url("x.nc"))
    predicted = cost(group, "sst", selection)
    array = zarr.open_array(vz.ManifestStore(group), path="sst", mode="r")
    server.clear_requests()
    with vz.record() as recording:
        values = array.oindex[selection]
    asked = sorted(request.range for request in server.requests)
    assert len(asked) == len(set(asked)) == len(recording) == predicted.n_requests
    assert sum(request.length_bytes for request in server.requests) == predicted.fetched_bytes
    assert recording.total_bytes == predicted.fetched_bytes
    assert predicted.asked_bytes == values.nbytes


@pytest.mark.parametrize("day", [DailyFile(), PLAIN], ids=["compressed", "plain"])
@pytest.mark.parametrize("selection", SELECTIONS, ids=str)
def test_the_prediction_is_what_a_read_of_a_local_file_requests(
    tmp_path: Path, selection: Any, day: DailyFile
) -> None:
    group = vz.open_group(write_daily_file(tmp_path / "x.nc", day))
    predicted = cost(group, "sst", selection)
    array = zarr.open_array(vz.ManifestStore(group), path="sst", mode="r")
    with vz.record() as recording:
        array.oindex[selection]
    assert len(recording) == predicted.n_requests
    assert recording.total_bytes == predicted.fetched_bytes


@pytest.mark.parametrize("day", [DailyFile(), PLAIN], ids=["compressed", "plain"])
def test_the_prediction_is_what_zarr_by_itself_requests(
    tmp_path: Path, http_server: Any, day: DailyFile
) -> None:
    write_daily_file(tmp_path / "x.nc", day)
    server = http_server(tmp_path)
    group = vz.open_group(server.url("x.nc"))
    with zarr.config.set({"vzlab.read_pipeline": False, "codec_pipeline.path": ZARRS_OWN}):
        predicted = cost(group, "sst", (slice(1, 3), 7))
        array = zarr.open_array(vz.ManifestStore(group), path="sst", mode="r")
    server.clear_requests()
    array[1:3, 7]
    assert len(server.requests) == predicted.n_requests == predicted.n_separate == 4
    assert sum(request.length_bytes for request in server.requests) == predicted.fetched_bytes
    assert predicted.fetched_bytes == predicted.stored_bytes
    assert cost(group, "sst", (slice(1, 3), 7)).n_separate == 4


def test_parts_of_plain_chunks_are_predicted_where_the_grid_is_ragged(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(bytes(1000))
    rows, columns = (3, 5, 2), (4, 4, 1, 6)
    lengths = 2 * np.multiply.outer(np.array(rows, np.uint64), np.array(columns, np.uint64))
    offsets = (np.cumsum(lengths) - lengths.reshape(-1)).reshape(lengths.shape)
    array = ManifestArray(
        metadata=ArrayMetadata.create(shape=(10, 15), dtype="i2", chunks=(rows, columns), codecs=(BYTES,)),
        manifest=ChunkManifest(
            sources=[SourceFile(url=(tmp_path / "x.bin").as_uri())],
            source_index=np.zeros((3, 4), np.uint32),
            offsets=offsets,
            lengths=lengths,
        ),
    )
    for selection in [(slice(2, 9, 3), slice(None)), (4, slice(1, 13, 2)), (slice(None), -1)]:
        predicted = cost(array, None, selection)
        opened = zarr.open_array(vz.ManifestStore(vz.ManifestGroup(arrays={"x": array})), path="x", mode="r")
        with vz.record() as recording:
            opened[selection]
        assert (len(recording), recording.total_bytes) == (predicted.n_requests, predicted.fetched_bytes)


def test_the_prediction_counts_each_file_of_a_cube(tmp_path: Path) -> None:
    paths = write_daily_files(tmp_path, n_days=5)
    cube = xr.concat(
        [vz.open_virtual_dataset(path) for path in paths], "time", combine_attrs="drop_conflicts"
    )
    selection = {"time": slice(3, 10), "lat": 2, "lon": slice(None)}
    predicted = cost(cube, "sst", selection)
    with vz.record() as recording:
        part = cube.sst.isel(time=slice(3, 10), lat=slice(0, 5))
        read_array(part.data, vz.StoreRegistry())
    assert {file.url: file.n_chunks for file in predicted.files} == {
        file.url: file.n_requests for file in recording.files
    }
    assert predicted.n_files == 3
    assert predicted.stored_bytes == recording.total_bytes


def test_chunks_that_were_never_written_or_are_inline_take_no_request() -> None:
    array = virtual_array((6, 7), n_missing=5, n_inline=4)
    everything = cost(array)
    assert (everything.n_chunks, everything.n_missing, everything.n_inline) == (42, 5, 4)
    assert everything.n_requests == 33
    assert everything.decoded_bytes == 37 * 10 * 10 * 2
    assert cost(array, None, slice(0, 0)).n_requests == 0


def test_merging_counts_gaps_and_limits() -> None:
    array = virtual_array((100,), chunk=(10,), gap_bytes=8)
    apart = cost(array, gap_bytes=7)
    assert (apart.n_requests, apart.fetched_bytes) == (100, apart.stored_bytes)
    together = cost(array, gap_bytes=8)
    assert (together.n_requests, together.fetched_bytes) == (1, together.stored_bytes + 99 * 8)
    assert together.n_separate == 100
    limited = cost(array, gap_bytes=8, max_request_bytes=1000)
    starts = array.manifest.offsets.astype(int).tolist()
    assert limited.n_requests == len({(start - starts[0]) // 1000 for start in starts})
    assert sum(file.n_requests for file in limited.files) == limited.n_requests


def test_time_and_price_follow_from_their_parts() -> None:
    array = virtual_array((100,), chunk=(10,))
    found = cost(
        array,
        latency_s=0.1,
        concurrency=30,
        bandwidth_bytes_s=1000,
        price_per_request=0.001,
        price_per_gb=1e6,
    )
    assert found.time_s == pytest.approx(4 * 0.1 + found.stored_bytes / 1000)
    assert found.price == pytest.approx(0.1 + found.stored_bytes / 1000)
    assert found.separate_price == pytest.approx(0.1 + found.stored_bytes / 1000)
    merged = cost(array, gap_bytes=0, latency_s=0.1, bandwidth_bytes_s=1000, price_per_request=0.001)
    assert (merged.time_s, merged.price) == (pytest.approx(0.1 + found.stored_bytes / 1000), 0.001)
    assert cost(array).price is None
    with pytest.raises(ValueError, match="concurrency"):
        cost(array, concurrency=0)
    with pytest.raises(ValueError, match="gap_bytes"):
        cost(array, gap_bytes=-1)


def test_amplification_is_what_a_time_series_pays() -> None:
    array = virtual_array((50, 2, 2), chunk=(1, 10, 10))
    series, image = cost(array, None, (slice(None), 3, 4)), cost(array, None, 7)
    assert series.decoded_amplification == 100
    assert image.decoded_amplification == 1
    assert series.amplification == series.stored_bytes / 100
    assert "Of every 100 values" in str(series)
    comparison = compare_costs([series, image])
    assert "takes" in str(comparison)
    assert json.dumps(comparison.to_dict(), allow_nan=False)
    with pytest.raises(ValueError, match="no cost"):
        compare_costs([])


@pytest.mark.parametrize(
    ("chunks", "codecs", "is_virtual", "reason"),
    [
        pytest.param((4, 10), "deflated", False, "went through shuffle", id="compressed"),
        pytest.param((10, 10), "deflated", True, "the chunks that the file has", id="the same"),
        pytest.param((5, 10), "raw", True, "lies together", id="rows of a raw chunk"),
        pytest.param((1, 5), "raw", True, "lies together", id="part of a raw row"),
        pytest.param((5, 5), "raw", False, "do not lie in one piece", id="a corner of a raw chunk"),
        pytest.param((3, 10), "raw", False, "do not divide", id="lengths that do not divide"),
        pytest.param((20, 10), "raw", False, "would join", id="raw chunks joined"),
        pytest.param({"lon": -1}, "raw", False, "would join", id="whole dimension"),
    ],
)
def test_other_chunks_say_whether_references_can_give_them(
    chunks: Any, codecs: str, is_virtual: bool, reason: str
) -> None:
    options = {"codecs": (BYTES,)} if codecs == "raw" else {}
    array = virtual_array((4, 6), chunk=(10, 10), dims=("lat", "lon"), **options)
    found = cost(array, None, (slice(None), 0), chunks=chunks)
    assert found.rechunking is not None
    assert found.rechunking.is_virtual is is_virtual
    assert reason in found.rechunking.reason
    assert (found.rechunking.rewrite_bytes > 0) is not is_virtual
    along = found.chunk_shape[0]
    assert found.n_requests == -(-40 // along)
    assert found.rechunking.reason in " ".join(str(found).split())


def test_what_does_not_fit_is_told() -> None:
    array = virtual_array((4, 6), dims=("lat", "lon"))
    with pytest.raises(KeyError, match="dimensions here: lat, lon"):
        cost(array, None, {"depth": 0})
    with pytest.raises(KeyError, match="depth"):
        cost(array, chunks={"depth": 3})
    with pytest.raises(IndexError, match="out of bounds"):
        cost(array, None, (40, 0))
    with pytest.raises(IndexError, match="None"):
        cost(array, None, (None, 0))
    with pytest.raises(ValueError, match="at least 1"):
        cost(array, chunks=(0, 5))
    with pytest.raises(ValueError, match="2 lengths"):
        cost(array, chunks=(5,))


def test_a_million_chunks_take_well_under_a_second() -> None:
    array = virtual_array((1000, 1000), n_sources=100, shuffled=True, n_missing=1000)
    for selection in ((), (slice(None, None, 20), slice(3, None)), (np.arange(0, 10_000, 30), slice(None))):
        began = time.process_time()
        found = cost(array, None, selection, gap_bytes=100)
        assert time.process_time() - began < 1
        assert found.n_separate > 100_000
        assert len(found._repr_html_().encode()) < 100_000
        assert len(str(found).splitlines()) < 40


indices = st.one_of(
    st.integers(-17, 16),
    st.slices(17),
    st.lists(st.integers(-17, 16), max_size=5).map(lambda numbers: np.array(numbers, int)),
)


@given(part=indices, chunks=st.sampled_from([1, 3, 5, 17, 20, (2, 5, 1, 9), (16, 1)]))
def test_chunks_touched_are_those_that_hold_a_selected_element(part: Any, chunks: Any) -> None:
    grid = ChunkGrid(shape=(17,), chunks=(chunks,))
    owner = np.repeat(np.arange(grid.grid_shape[0]), grid.lengths(0))
    found = touch_chunks(grid, part, ("x",))
    selected = np.atleast_1d(owner[part])
    assert found.take(np.arange(grid.grid_shape[0])).tolist() == np.unique(selected).tolist()
    assert found.counts == (len(np.unique(selected)),)
    assert found.n_selected == len(selected)


ranges = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 60), st.integers(1, 12)), max_size=12)


@given(ranges=ranges, gap=st.integers(0, 5))
def test_merged_ranges_cover_every_byte_once_and_gaps_no_longer_than_allowed(
    ranges: list[tuple[int, int, int]], gap: int
) -> None:
    source, offsets, lengths = (
        (np.array(column, int) for column in zip(*ranges, strict=True)) if ranges else [np.zeros(0, int)] * 3
    )
    found = merge_ranges(source, offsets, lengths, gap_bytes=gap)
    merged = list(zip(found.source.tolist(), found.offsets.tolist(), found.lengths.tolist(), strict=True))
    wanted = {(s, o + i) for s, o, n in ranges for i in range(n)}
    fetched = [(s, o + i) for s, o, n in merged for i in range(n)]
    assert wanted <= set(fetched)
    assert len(fetched) == len(set(fetched))
    assert all(
        any((s, o + k) in wanted for k in range(i, i + gap + 1)) for s, o, n in merged for i in range(n)
    )
    for (a, start, length), (b, after, _) in itertools.pairwise(merged):
        assert a < b or after > start + length + gap


GOLDEN = """\
sst[:, 3, 4]   time 4, lat 10, lon 20, chunks of 1 × 5 × 10
Reading 8 B of values takes 1 request and 1.3 kB from 1 file, about 50 ms; chunk by chunk, 4 requests and 400 B, about
50 ms. Of every 50 values that are decoded, one was asked for: the chunks lie across this selection.

selects                 4 × 1 × 1, 8 B
chunks                  4 of 16
files                   1
requests                1
fetched                 1.3 kB
decoded                 400 B
fetched per byte asked  162
decoded per byte asked  50
time                    50 ms
chunk by chunk          4 requests, 400 B, 50 ms

Requests: chunks with at most 1 kB between them together. Time: 32 requests at once, 50 ms each, 100 MB/s in all;
decoding left out."""


def test_text_is_golden(tmp_path: Path) -> None:
    day = DailyFile(compression_level=None, shuffle=False)
    found: Cost = cost(write_daily_file(tmp_path / "x.nc", day), "sst", (slice(None), 3, 4), gap_bytes=1000)
    assert found.to_text(width=118) == GOLDEN
