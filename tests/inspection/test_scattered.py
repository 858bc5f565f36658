"""What is said of a file's metadata is what a server is asked for when the file is opened."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.inspection.arrays import virtual_array
from tests.servers.http_server import HttpServer
from vzlab.inspection import Inspection, inspect
from vzlab.inspection.gaps import find_gaps
from vzlab.inspection.scattered import page_bytes_for
from vzlab.inspection.statistics import chunk_statistics
from vzlab.manifests import ManifestGroup
from vzlab.storage import BlockReader, StoreRegistry

BLOCK = 65_536


def write_scattered(path: Path, *, n_variables: int = 40, **options: object) -> Path:
    """Write many variables one after another, so that the header of each lies behind the chunks of the one before."""
    rng = np.random.default_rng(1)
    with h5py.File(path, "w", **options) as file:
        for number in range(n_variables):
            values = rng.random((4, 4096))
            dataset = file.create_dataset(f"v{number:03}", data=values, chunks=(1, 4096))
            dataset.attrs["units"] = "K"
            dataset.attrs["comment"] = "x" * 200
    return path


def repack(source: Path, target: Path, page_bytes: int) -> Path:
    """Write a file again with metadata and data on pages of their own, as ``h5repack -S PAGE -G`` does."""
    with (
        h5py.File(source) as old,
        h5py.File(target, "w", fs_strategy="page", fs_page_size=page_bytes) as new,
    ):
        for name in old:
            old.copy(name, new)
    return target


def scattered_finding(found: Inspection) -> tuple[int, int, int]:
    """Places, requests as it is, requests when gathered, as the finding says them; its remedy names a page."""
    finding = next(f for f in found.findings if "metadata" in f.text)
    places = re.search(r"in ([\d,]+) places", finding.text)
    requests = re.search(r"([\d,]+) requests.*; gathered, about ([\d,]+)", finding.consequence)
    assert places is not None
    assert requests is not None
    assert finding.remedy.startswith("h5repack -S PAGE -G ")
    return int(places[1]), int(requests[1]), int(requests[2])


def count_by_blocks(server: HttpServer, name: str) -> int:
    """Requests of h5py, given blocks of 64 KiB, for the headers and the chunk indices of a file."""
    server.clear_requests()
    source = StoreRegistry().open(server.url(name))
    with h5py.File(BlockReader(source, block_size=BLOCK)) as file:
        for dataset in file.values():
            assert dict(dataset.attrs)
            assert dataset.id.get_num_chunks() == 4
    return len(server.requests)


def test_requests_are_told_as_a_server_counts_them_before_and_after_a_repack(
    tmp_path: Path, http_server: Callable[..., HttpServer]
):
    path = write_scattered(tmp_path / "scattered.h5")
    places, predicted, gathered = scattered_finding(inspect(path))
    server = http_server(tmp_path)
    assert predicted == pytest.approx(count_by_blocks(server, "scattered.h5"), abs=2)
    assert places > 10
    # Over a network it is told as it was, not as it is expected.
    server.clear_requests()
    over_network = inspect(server.url("scattered.h5"))
    assert over_network.opening is not None
    assert over_network.opening.n_requests == len(server.requests)
    assert scattered_finding(over_network)[1] == len(server.requests)

    metadata = inspect(path).sources[0].metadata
    assert metadata is not None
    repack(path, tmp_path / "paged.h5", page_bytes_for(metadata.n_bytes))
    assert count_by_blocks(server, "paged.h5") == pytest.approx(gathered, abs=2)
    for paged in (inspect(server.url("paged.h5")), inspect(tmp_path / "paged.h5")):
        assert not any("metadata" in finding.text for finding in paged.findings)


def test_a_compact_file_is_not_complained_of(tmp_path: Path):
    found = inspect(write_scattered(tmp_path / "few.h5", n_variables=2))
    assert not any("metadata" in finding.text for finding in found.findings)


def gaps_by_loop(group: ManifestGroup) -> dict[str, tuple[int, int, int]]:
    """Places, bytes and blocks that no chunk covers, file by file, one byte range after another."""
    ranges: dict[str, list[tuple[int, int]]] = {}
    sizes: dict[str, int] = {}
    for _, array in group.walk_arrays():
        for at in np.ndindex(array.manifest.grid_shape):
            chunk = array.manifest.reference(at)
            ranges.setdefault(chunk.source.url, []).append((chunk.offset, chunk.offset + chunk.length))
            sizes[chunk.source.url] = chunk.source.size_bytes
    found = {}
    for url, of_file in ranges.items():
        places, n_bytes, blocks, position = 0, 0, set(), 0
        for start, end in [*sorted(of_file), (sizes[url], sizes[url])]:
            if start - position >= 8:
                places += 1
                n_bytes += start - position
                blocks.update(range(position // BLOCK, math.ceil(start / BLOCK)))
            position = max(position, end)
        found[url] = (places, n_bytes, len(blocks))
    return found


@pytest.mark.parametrize("gap_bytes", [0, 3, 12])
@pytest.mark.parametrize("n_sources", [1, 3])
def test_gaps_agree_with_going_through_ranges(gap_bytes, n_sources):
    one = virtual_array((60, 50), n_sources=n_sources, gap_bytes=gap_bytes, shuffled=True, file_bytes=300_000)
    other = virtual_array((7,), n_sources=n_sources, seed=3, file_bytes=300_000)
    group = ManifestGroup(arrays={"one": one, "other": other})
    found = inspect(group)
    expected = gaps_by_loop(group)
    assert {
        source.url: (source.metadata.n_places, source.metadata.n_bytes, source.metadata.n_requests)
        for source in found.sources
        if source.metadata is not None
    } == expected


def test_variables_that_take_turns_are_told_from_those_that_do_not():
    def array_at(offsets: list[int]) -> ManifestGroup:
        from vzlab.manifests import ChunkManifest, ManifestArray

        like = virtual_array((len(offsets),))
        manifest = ChunkManifest.from_ranges("file:///a.nc", offsets, [10] * len(offsets))
        return ManifestArray(metadata=like.metadata, manifest=manifest)

    turns = inspect(ManifestGroup(arrays={"a": array_at([0, 20, 40]), "b": array_at([10, 30, 50])}))
    assert (turns["a"].n_stretches, turns["b"].n_stretches) == (3, 3)
    apart = inspect(ManifestGroup(arrays={"a": array_at([0, 10, 25]), "b": array_at([40, 50, 60])}))
    assert (apart["a"].n_stretches, apart["b"].n_stretches) == (1, 1)


def test_a_file_of_unknown_size_is_not_judged():
    array = virtual_array((4,))
    _, runs = chunk_statistics(array.manifest)
    gaps = find_gaps([runs], [np.zeros(1, np.int32)], np.array([np.nan]))
    assert gaps.metadata == (None,)
    assert gaps.n_stretches == (1,)
