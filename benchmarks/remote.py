"""Parse and read files that are far away: time, requests and bytes."""

from __future__ import annotations

import atexit
import io
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import cache, partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import obstore
import zarr
from obstore.store import HTTPStore

import vzlab as vz
from benchmarks.files import Files, smooth
from benchmarks.harness import Case, Contestant, Goal, Measure, Unit, require
from benchmarks.scale import Scale
from benchmarks.serving import FarServer, Traffic, far_server
from vzlab.parsers import HDF5Parser
from vzlab.storage import StoreRegistry

TOPIC = "Files that are far away"
LATENCY_S, BANDWIDTH = 0.05, 100e6
NOTE = (
    f"A server on this machine, in a process of its own, answers over HTTP {LATENCY_S * 1e3:.0f} ms after it was asked, at "
    f"{BANDWIDTH / 1e6:.0f} MB/s a connection; every measurement makes connections of its own. `whole file` fetches it in parts "
    "of 8 MB, 32 at once, and reads its metadata or values with h5py. kerchunk reads ahead 5 MB through fsspec. Several files "
    "are parsed by as many threads through one store; `one by one` is vzlab without threads. `metadata` is all of a file that "
    "is no data."
)
PART_BYTES = 8 * 2**20
AT_ONCE = 32
READ_AHEAD_BYTES = 5 * 2**20

type Parse = Callable[[Path], int]
"""Parses a file; gives the number of variables."""

type Job = Callable[[FarServer, list[Path]], Callable[[], int]]
"""Makes ready the work with files of a server's folder; the work gives what shows that it was done."""


def cases(scale: Scale, files: Files) -> Iterator[Case]:
    """Parsing of files of four kinds, and reading of many chunks."""
    n_files = min(AT_ONCE, scale.n_files)
    n, apart = scale.n_scattered, scale.bytes_apart
    one = partial(files.array, scale.array_bytes, "raw 40 KB")
    yield from _rows(
        "one variable",
        lambda: [one()],
        _parsers(n_variables=1),
        goal=_in_rounds(3),
        repeats=scale.slow_repeats,
    )
    yield from _rows(
        f"{n} datasets, {apart / 1e6:.2g} MB apart",
        lambda: [files.scattered(n, apart)],
        _parsers(n_variables=n),
        goal=_in_rounds(5),
        bytes_goal=Goal(at_most=3, times="metadata"),
        repeats=scale.slow_repeats,
    )
    yield from _rows(
        f"{n} datasets of a paged file",
        lambda: [files.scattered(n, apart // 10, page_bytes=2**16)],
        _without_kerchunk(_parsers(n_variables=n)),
        goal=_in_rounds(5),
        repeats=scale.slow_repeats,
    )
    yield from _rows(
        f"{n_files} files of 7 variables",
        lambda: [files.small(number) for number in range(n_files)],
        _without_kerchunk(_parsers(n_variables=7)) | {"one by one": _one_by_one(7)},
        goal=Goal(at_most=1 / 8, times="one by one") if n_files == AT_ONCE else None,
        repeats=scale.slow_repeats,
    )
    chunks = partial(files.array, scale.n_far_chunks * 40 * 2**10, "raw 40 KB")
    yield from _rows(
        f"read {scale.n_far_chunks:,} chunks of 40 KB",
        lambda: [chunks()],
        {"vzlab": _read_vzlab, "VirtualiZarr": _read_virtualizarr, "whole file": _read_whole},
        goal=Goal(at_most=1 / 8, times="VirtualiZarr") if scale.n_far_chunks >= 1_000 else None,
        repeats=scale.slow_repeats,
    )


def _rows(
    what: str,
    paths: Callable[[], list[Path]],
    jobs: dict[str, Job],
    *,
    goal: Goal | None = None,
    bytes_goal: Goal | None = None,
    repeats: int,
) -> Iterator[Case]:
    """Three rows of one set of measurements."""
    seen: dict[str, Traffic] = {}
    units: tuple[tuple[str, Unit], ...] = (("", "s"), (", requests", "requests"), (", sent", "bytes"))
    for tail, unit in units:
        contestants: dict[str, Contestant] = {
            name: partial(_trial, unit, name, job, paths, seen) for name, job in jobs.items()
        }
        if unit == "bytes" and bytes_goal is not None:
            contestants["metadata"] = lambda: partial(_metadata_bytes, paths()[0])
        yield Case(
            topic=TOPIC,
            title=what + tail,
            contestants=contestants,
            unit=unit,
            goal={"s": goal, "bytes": bytes_goal}.get(unit),
            repeats=repeats if unit == "s" else 1,
            warm_up=False,
        )


def _in_rounds(n: int) -> Goal:
    """Half as long again as so many rounds of requests, one after another, take."""
    return Goal(at_most=1.5 * n * LATENCY_S)


def _metadata_bytes(path: Path) -> float:
    """All of a file that is no chunk."""
    with h5py.File(path) as file:
        return float(path.stat().st_size - sum(x.id.get_storage_size() for x in file.values()))


def _trial(
    unit: Unit, name: str, job: Job, paths: Callable[[], list[Path]], seen: dict[str, Traffic]
) -> Measure:
    given = paths()
    server = _server(given[0].parent)

    def measure() -> float:
        work = job(server, given)
        server.traffic()
        began = time.perf_counter()
        done = work()
        elapsed = time.perf_counter() - began
        require(done > 0, "nothing was found")
        seen[name] = server.traffic()
        return elapsed

    def count() -> float:
        if name not in seen:
            measure()
        return float(seen[name].n_requests if unit == "requests" else seen[name].n_bytes)

    return measure if unit == "s" else count


@cache
def _server(folder: Path) -> FarServer:
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(far_server(folder, latency_s=LATENCY_S, bandwidth=BANDWIDTH))


def _parsers(*, n_variables: int) -> dict[str, Job]:
    parsers = {
        "vzlab": _parse_vzlab,
        "VirtualiZarr": _parse_virtualizarr,
        "kerchunk": _parse_kerchunk,
        "whole file": _parse_whole,
    }
    return {name: partial(_parse_all, prepare, n_variables) for name, prepare in parsers.items()}


def _one_by_one(n_variables: int) -> Job:
    return partial(_parse_all, _parse_vzlab, n_variables, threads=False)


def _parse_all(
    prepare: Callable[[FarServer], Parse],
    n_variables: int,
    server: FarServer,
    paths: list[Path],
    *,
    threads: bool = True,
) -> Callable[[], int]:
    def work() -> int:
        with ThreadPoolExecutor(len(paths) if threads else 1) as pool:
            found = list(pool.map(prepare(server), paths))
        require(found == [n_variables] * len(paths), f"found {found} variables")
        return len(found)

    return work


def _without_kerchunk(jobs: dict[str, Job]) -> dict[str, Job]:
    """The others, where it would take minutes."""
    return {name: job for name, job in jobs.items() if name != "kerchunk"}


def _store(server: FarServer) -> HTTPStore:
    return HTTPStore.from_url(server.base_url, client_options={"allow_http": True})


def _parse_vzlab(server: FarServer) -> Parse:
    registry = StoreRegistry({server.base_url: _store(server)})
    return lambda path: len(HDF5Parser()(server.url(path), registry).arrays)


def _virtualizarr_store(server: FarServer) -> Callable[[Path], Any]:
    from obspec_utils.registry import ObjectStoreRegistry
    from virtualizarr.parsers import HDFParser

    registry = ObjectStoreRegistry({server.base_url: _store(server)})
    return lambda path: HDFParser()(url=server.url(path), registry=registry)


def _parse_virtualizarr(server: FarServer) -> Parse:
    parse = _virtualizarr_store(server)
    return lambda path: len(parse(path)._group.arrays)


def _parse_kerchunk(server: FarServer) -> Parse:
    from kerchunk.hdf import SingleHdf5ToZarr
    from obstore.fsspec import FsspecStore

    make: Any = FsspecStore  # its overloads are by protocol
    far = make("http", client_options={"allow_http": True}, skip_instance_cache=True)

    def parse(path: Path) -> int:
        with (
            far.open(server.url(path), block_size=READ_AHEAD_BYTES, cache_type="readahead") as stream,
            closing(SingleHdf5ToZarr(stream, inline_threshold=0)) as translator,
        ):
            refs = translator.translate()["refs"]
        return sum(key.endswith("/.zarray") for key in refs)

    return parse


def _fetch_whole(store: HTTPStore, path: Path) -> io.BytesIO:
    size = path.stat().st_size

    def part(start: int) -> bytes:
        return bytes(obstore.get_range(store, path.name, start=start, end=min(start + PART_BYTES, size)))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return io.BytesIO(b"".join(pool.map(part, range(0, size, PART_BYTES))))


def _parse_whole(server: FarServer) -> Parse:
    store = _store(server)

    def parse(path: Path) -> int:
        with h5py.File(_fetch_whole(store, path)) as file:
            return sum(bool(x.shape or x.chunks or dict(x.attrs)) for x in file.values())

    return parse


def _read_vzlab(server: FarServer, paths: list[Path]) -> Callable[[], int]:
    registry = StoreRegistry({server.base_url: _store(server)})
    group = HDF5Parser()(server.url(paths[0]), registry)
    x = zarr.open_array(vz.ManifestStore(group, registry), path="x", mode="r")
    return lambda: _checked(x[:])


def _read_virtualizarr(server: FarServer, paths: list[Path]) -> Callable[[], int]:
    x = zarr.open_array(_virtualizarr_store(server)(paths[0]), path="x", mode="r")
    return lambda: _checked(x[:])


def _read_whole(server: FarServer, paths: list[Path]) -> Callable[[], int]:
    def work() -> int:
        with h5py.File(_fetch_whole(_store(server), paths[0])) as file:
            return _checked(file["x"][:])

    return work


def _checked(values: Any) -> int:
    require(
        np.array_equal(values[-1_000:], _expected(len(values))[-1_000:]),
        "values differ from what was written",
    )
    return len(values)


_expected = cache(smooth)
