"""What parsing a remote HDF5 file asks of its server: a few parallel rounds, and nothing after them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import obstore
import pytest
from obstore.store import MemoryStore

from tests.servers.http_server import HttpServer
from vzlab.manifests import ManifestGroup
from vzlab.parsers import HDF5Parser
from vzlab.parsers.hdf5.prefetching import WHOLE_FILE_BYTES, prefetch_metadata
from vzlab.storage import CachedSource, RequestLog, StoreRegistry

N_DATASETS = 60
APART = np.zeros(25_000, "f4")
"""Data of 100 KB, behind which the next object comes to lie."""


def put_apart(file: h5py.File, number: int) -> None:
    file.create_dataset(f"apart{number:02}", data=APART)
    file.flush()


def scattered(file: h5py.File) -> None:
    for number in range(N_DATASETS):
        dataset = file.create_dataset(
            f"x{number:02}", data=np.full((50, 500), number, "f4"), chunks=(25, 500)
        )
        dataset.attrs["units"] = "K"
        file.flush()


def nested_groups(file: h5py.File) -> None:
    group = file
    for number in range(4):
        put_apart(file, number)
        group = group.create_group(f"group{number}")
        group["x"] = np.arange(number + 1)
        group.attrs["level"] = number


def dense_attributes(file: h5py.File) -> None:
    for number in range(4):
        put_apart(file, number)
        dataset = file.create_dataset(f"x{number}", data=np.arange(5))
        dataset.attrs.update({f"attribute {i}": f"text {i} of {number}" * 5 for i in range(60)})


def dimension_scales(file: h5py.File) -> None:
    file["time"] = np.arange(50)
    file["time"].make_scale("time")
    scattered(file)
    for number in range(N_DATASETS):
        file[f"x{number:02}"].dims[0].attach_scale(file["time"])


def committed_types(file: h5py.File) -> None:
    file["type"] = np.dtype("f4")
    for number in range(4):
        put_apart(file, number)
        file.create_dataset(f"x{number}", (3,), file["type"])


def indices(**options: Any) -> Callable[[h5py.File], None]:
    def make(file: h5py.File) -> None:
        for number in range(4):
            put_apart(file, number)
            x = file.create_dataset(f"x{number}", (300, 40), "u1", chunks=(1, 4), **options)
            x[...] = number
        file.flush()

    return make


OLD, NEW = {"libver": "earliest"}, {"libver": "v110"}
ARCHIVES: dict[str, tuple[Callable[[h5py.File], None], dict[str, Any], int]] = {
    "old groups": (scattered, OLD, 6),
    "dense links": (scattered, NEW, 7),
    "links in order of creation": (scattered, NEW | {"track_order": True}, 7),
    "nested old groups": (nested_groups, OLD, 10),
    "nested new groups": (nested_groups, NEW, 10),
    "dense attributes": (dense_attributes, NEW, 6),
    "scales": (dimension_scales, OLD, 7),
    "committed types": (committed_types, OLD, 5),
    "user block": (scattered, OLD | {"userblock_size": 1024}, 6),
    "paged": (scattered, NEW | {"fs_strategy": "page", "fs_page_size": 65_536}, 6),
    "version 1 B-trees": (indices(), OLD, 6),
    "fixed arrays": (indices(), NEW, 6),
    "extensible arrays": (indices(maxshape=(None, 40)), NEW, 6),
    "version 2 B-trees": (indices(maxshape=(None, None)), NEW, 7),
}
"""What makes the file, how it is opened, and the rounds that it takes."""


def placed(group: ManifestGroup) -> dict[str, list[list[int]]]:
    found = {
        name: [array.manifest.offsets.ravel().tolist(), array.manifest.lengths.ravel().tolist()]
        for name, array in group.arrays.items()
    }
    for name, below in group.groups.items():
        found |= {f"{name}/{path}": columns for path, columns in placed(below).items()}
    return found


@pytest.mark.parametrize("archive", ARCHIVES)
def test_all_that_parsing_needs_is_fetched_in_rounds(tmp_path: Path, archive: str) -> None:
    make, options, most_rounds = ARCHIVES[archive]
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", **options) as file:
        make(file)
    assert path.stat().st_size > WHOLE_FILE_BYTES
    store = MemoryStore()
    obstore.put(store, "x.h5", path)
    ahead, whole = RequestLog(), RequestLog()
    source = CachedSource(StoreRegistry({"far://": store}, log=ahead).open("far:///x.h5"))
    assert prefetch_metadata(source) <= most_rounds
    remote = HDF5Parser()("far:///x.h5", StoreRegistry({"far://": store}, log=whole))

    def asked(log: RequestLog) -> list[tuple[int, int]]:
        return sorted((request.offset, request.length) for request in log.requests)

    assert asked(whole) == asked(ahead)
    assert placed(remote) == placed(HDF5Parser()(path))


def test_a_small_file_is_fetched_whole_by_two_requests(
    tmp_path: Path, http_server: Callable[..., HttpServer]
) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        for number in range(2):
            put_apart(file, number)
    server = http_server(tmp_path)
    HDF5Parser()(server.url("x.h5"))
    assert len(server.requests) == 2
    assert sum(request.length_bytes for request in server.requests) == path.stat().st_size


def test_datasets_that_lie_apart_cost_little_more_than_their_headers(
    tmp_path: Path, http_server: Callable[..., HttpServer]
) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        scattered(file)
    server = http_server(tmp_path)
    HDF5Parser()(server.url("x.h5"))
    assert len(server.requests) < 2 * N_DATASETS
    assert sum(request.length_bytes for request in server.requests) < 2**16 + N_DATASETS * 6 * 2**10


@pytest.mark.parametrize("n_bytes", [0, 7, 100, 2_000, 150_000])
def test_of_a_file_that_ends_in_zeros_nothing_is_fetched_beyond_its_end(tmp_path: Path, n_bytes: int) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", libver="v110") as file:
        dense_attributes(file)
    store = MemoryStore()
    # Behind what is left come zeros: as long as before, so that structures are followed.
    size = path.stat().st_size
    store.put("x.h5", path.read_bytes()[:n_bytes].ljust(size, b"\0"))
    log = RequestLog()
    prefetch_metadata(CachedSource(StoreRegistry({"far://": store}, log=log).open("far:///x.h5")))
    # The first request asks for a fixed length, before the object's own is known.
    assert log.requests[0].kind == "open"
    assert all(request.offset + request.length <= size for request in log.requests[1:])


def test_damaged_structures_end_the_fetching_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", libver="v110") as file:
        dense_attributes(file)
    rng = np.random.default_rng(0)
    sound = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(40):
        data = sound.copy()
        # Zeros are mostly data: what is not, is metadata.
        at = rng.choice(np.flatnonzero(data), 200)
        at = at[at >= 96]
        data[at] = rng.integers(0, 256, len(at))
        store = MemoryStore()
        store.put("x.h5", data.tobytes())
        log = RequestLog()
        registry = StoreRegistry({"far://": store}, log=log)
        prefetch_metadata(CachedSource(registry.open("far:///x.h5")))
        assert log.total_bytes < 3 * len(data)
