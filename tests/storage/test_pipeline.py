"""The read pipeline: what it gives equals numpy and zarr's own pipeline; what it asks for is what is needed."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.core.codec_pipeline import BatchedCodecPipeline
from zarr.errors import ChunkNotFoundError
from zarr.storage import MemoryStore

import vzlab as vz
from tests.manifests.virtual_arrays import Bytes, array_pairs, kinds
from tests.servers.http_server import HttpServer
from tests.storage.groups import raw_array
from vzlab.errors import CodecError, ShortReadError
from vzlab.storage import as_registry, read_array
from vzlab.storage.chunk_reader import SMALL_CHUNK_BYTES
from vzlab.storage.pipeline import PATH, ManifestPipeline
from vzlab.storage.source import BUFFERS_A_RUN


def opened(array: vz.ManifestArray, registry: Any = None) -> zarr.Array[Any]:
    store = vz.ManifestStore(vz.ManifestGroup(arrays={"x": array}), registry)
    found = zarr.open_array(store, path="x", mode="r")
    assert isinstance(found.async_array.codec_pipeline, ManifestPipeline)
    return found


def basic_selections(shape: Sequence[int]) -> st.SearchStrategy[tuple[Any, ...]]:
    def along(n: int) -> st.SearchStrategy[Any]:
        numbers = [st.integers(-n, n - 1)] if n else []
        return st.one_of(st.slices(n).filter(lambda part: part.step is None or part.step > 0), *numbers)

    return st.tuples(*map(along, shape))


@given(data=st.data())
def test_any_basic_selection_is_what_numpy_gives(data: st.DataObject) -> None:
    source = Bytes()
    array, values = data.draw(array_pairs(source=source, kind=data.draw(kinds)))
    found = opened(array, source.readable())
    selection = data.draw(basic_selections(values.shape))
    native = values.astype(values.dtype.newbyteorder("="))
    assert np.array_equal(found[selection], native[selection])


@given(data=st.data())
def test_any_orthogonal_or_point_selection_is_what_numpy_gives(data: st.DataObject) -> None:
    source = Bytes()
    kind = data.draw(kinds)
    shape = tuple(data.draw(st.lists(st.integers(1, 7), min_size=1, max_size=3)))
    array, values = data.draw(array_pairs(source=source, kind=kind, shape=shape))
    found = opened(array, source.readable())
    native = values.astype(values.dtype.newbyteorder("="))
    axes = [np.array(data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=5))) for n in shape]
    assert np.array_equal(found.oindex[tuple(axes)], native[np.ix_(*axes)])
    points = min(map(len, axes))
    at = tuple(axis[:points] for axis in axes)
    assert np.array_equal(found.vindex[at], native[at])
    mask = data.draw(st.lists(st.booleans(), min_size=shape[0], max_size=shape[0]))
    if any(mask):
        rest = tuple(slice(None) for _ in shape[1:])
        assert np.array_equal(found.oindex[(np.array(mask), *rest)], native[np.array(mask)])


@given(data=st.data())
def test_raw_chunks_of_a_file_are_found_in_whatever_order_they_lie(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 8), min_size=1, max_size=3)))
    chunks = tuple(data.draw(st.integers(1, n)) for n in shape)
    grid = tuple(-(-n // c) for n, c in zip(shape, chunks, strict=True))
    stored = np.dtype(data.draw(st.sampled_from(["<i4", ">i4"])))
    # Of the places in the file two are left free: most chunks follow each other, some do not.
    n_places = math.prod(grid) + 2
    places = np.array(data.draw(st.permutations(range(n_places))))[: n_places - 2]
    if data.draw(st.booleans()):
        places.sort()
    content = np.arange(n_places * math.prod(chunks), dtype=stored).reshape(n_places, *chunks)
    path = tmp_path_factory.getbasetemp() / "chunks-in-any-order.bin"
    path.write_bytes(content.tobytes())
    endian = {"name": "bytes", "configuration": {"endian": "big" if stored == ">i4" else "little"}}
    length = np.uint64(content[0].nbytes)
    array = vz.ManifestArray(
        metadata=vz.ArrayMetadata.create(shape=shape, dtype="i4", chunks=chunks, codecs=[endian]),
        manifest=vz.ChunkManifest.from_ranges(
            path.as_uri(), places.reshape(grid).astype(np.uint64) * length, np.full(grid, length)
        ),
    )
    whole = np.zeros([n * c for n, c in zip(grid, chunks, strict=True)], "i4")
    for place, index in zip(places, np.ndindex(*grid), strict=True):
        whole[tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, chunks, strict=True))] = content[place]
    values = whole[tuple(map(slice, shape))]
    selection = data.draw(basic_selections(shape))
    assert np.array_equal(opened(array)[selection], values[selection])
    assert np.array_equal(read_array(array, as_registry(None)), values)


def test_more_chunks_that_follow_each_other_than_one_call_to_the_system_takes(tmp_path: Path) -> None:
    values = np.arange(3 * BUFFERS_A_RUN - 1, dtype="<i4")
    path = tmp_path / "x.bin"
    path.write_bytes(values.tobytes())
    assert np.array_equal(opened(raw_array(path.as_uri(), values.shape, (1,)))[...], values)


@pytest.mark.parametrize("n_elements", [10, 20_000])
def test_of_chunks_that_are_read_together_the_one_beyond_the_end_is_named(
    tmp_path: Path, n_elements: int
) -> None:
    values = np.arange(10 * n_elements, dtype="<i4")
    path = tmp_path / "x.bin"
    path.write_bytes(values.tobytes()[:-1])
    found = opened(raw_array(path.as_uri(), values.shape, (n_elements,)))
    with pytest.raises(ShortReadError, match=rf"Chunk \(9,\) of 'x' \({4 * n_elements} bytes at "):
        found[...]
    assert np.array_equal(found[: 9 * n_elements], values[: 9 * n_elements])


def test_each_chunk_is_recorded_by_itself_where_somebody_records(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(bytes(400))
    found = opened(raw_array(path.as_uri(), (100,), (10,)))
    with vz.record() as recording:
        found[...]
    assert [(request.offset, request.length) for request in recording.requests] == [
        (40 * i, 40) for i in range(10)
    ]


def test_only_the_needed_bytes_of_an_uncompressed_chunk_are_read(tmp_path: Path) -> None:
    values = np.arange(4 * 300 * 100, dtype="<i4").reshape(4, 300, 100)
    path = tmp_path / "x.bin"
    path.write_bytes(values.tobytes())
    found = opened(raw_array(path.as_uri(), values.shape, values.shape))
    with vz.record() as recording:
        assert np.array_equal(found[2], values[2])
        assert np.array_equal(found[1, 10:20, 5], values[1, 10:20, 5])
    whole, column = recording.requests
    assert (whole.offset, whole.length) == (2 * 300 * 100 * 4, 300 * 100 * 4)
    assert (column.offset, column.length) == (((300 + 10) * 100 + 5) * 4, (9 * 100 + 1) * 4)
    assert whole.length > SMALL_CHUNK_BYTES  # read straight into the output


@pytest.mark.server
def test_neighbours_in_a_remote_object_are_read_together(
    http_server: Callable[..., HttpServer], tmp_path: Path
) -> None:
    values = np.arange(600, dtype="<i4").reshape(20, 30)
    chunks = values.reshape(10, 2, 3, 10).swapaxes(1, 2)
    (tmp_path / "x.bin").write_bytes(bytes(100_000) + chunks.tobytes())
    server = http_server(tmp_path)
    found = opened(raw_array(server.url("x.bin"), (20, 30), (2, 10), offset=100_000))
    with vz.record() as recording:
        assert np.array_equal(found[...], values)
    assert recording.n_requests == len(server.requests) == 1
    assert vz.cost(found.store, "x").n_requests == recording.n_requests


@pytest.mark.server
def test_of_a_merged_request_that_fails_the_chunk_is_named(
    http_server: Callable[..., HttpServer], tmp_path: Path
) -> None:
    (tmp_path / "x.bin").write_bytes(np.arange(100, dtype="<i4").tobytes())
    # The last chunk lies after the end of the object.
    found = opened(raw_array(http_server(tmp_path).url("x.bin"), (110,), (10,)))
    with pytest.raises(ShortReadError, match=r"Chunk \(10,\) of 'x' \(40 bytes at 400 of http"):
        found[...]
    assert np.array_equal(found[:100], np.arange(100))


def test_a_chunk_that_does_not_decode_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(bytes(80))
    array = raw_array(path.as_uri(), (20,), (10,))
    codecs = (*array.metadata.codecs, {"name": "numcodecs.zlib", "configuration": {"level": 1}})
    damaged = vz.ManifestArray(
        metadata=vz.ArrayMetadata.from_dict({**array.metadata.to_dict(), "codecs": list(codecs)}),
        manifest=array.manifest,
    )
    with pytest.raises(CodecError, match=r"Chunk \(0,\) of 'x' does not decode"):
        opened(damaged)[...]


def test_missing_chunks_are_reported_to_zarr(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(np.arange(20, dtype="<i4").tobytes())
    array = raw_array(path.as_uri(), (20,), (5,), missing=((1,),), fill_value=-1)
    assert opened(array)[3:8].tolist() == [3, 4, -1, -1, -1]
    with zarr.config.set({"array.read_missing_chunks": False}):
        strict = opened(array)
    with pytest.raises(ChunkNotFoundError, match="c/1"):
        strict[...]


def test_arrays_of_other_stores_keep_the_pipeline_of_zarr(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(bytes(40))
    assert opened(raw_array(path.as_uri(), (10,), (5,)))[:].sum() == 0
    other = zarr.create_array(MemoryStore(), shape=(4,), chunks=(2,), dtype="i4")
    assert type(other.async_array.codec_pipeline) is BatchedCodecPipeline
    other[:] = [1, 2, 3, 4]
    assert other[1:3].tolist() == [2, 3]


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(bytes(40))
    group = vz.ManifestGroup(arrays={"x": raw_array(path.as_uri(), (10,), (5,))})
    batched = f"{BatchedCodecPipeline.__module__}.{BatchedCodecPipeline.__qualname__}"
    with zarr.config.set({"codec_pipeline.path": batched, "vzlab.read_pipeline": False}):
        array = zarr.open_array(vz.ManifestStore(group), path="x", mode="r")
        assert type(array.async_array.codec_pipeline) is BatchedCodecPipeline
        assert array[:].sum() == 0


def test_it_can_be_chosen_by_hand_before_any_store_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(zarr.registry._pipeline_registry, PATH, raising=False)
    path = tmp_path / "x.bin"
    path.write_bytes(np.arange(10, dtype="<i4").tobytes())
    with zarr.config.set({"codec_pipeline.path": PATH}):
        assert opened(raw_array(path.as_uri(), (10,), (5,)))[:].tolist() == list(range(10))


def test_an_array_survives_a_pickle(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(np.arange(10, dtype="<i4").tobytes())
    found = opened(raw_array(path.as_uri(), (10,), (5,)))
    assert pickle.loads(pickle.dumps(found))[:].tolist() == list(range(10))
