"""Parse a file of many chunks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import h5py

from benchmarks.files import INDICES, Files, Index
from benchmarks.harness import Case, Goal, Measure, require, timed
from benchmarks.scale import Scale
from vzlab.parsers import HDF5Parser

TOPIC = "Parse an HDF5 file of many chunks"
NOTE = (
    "One variable, from opening the file to having every reference. h5py is its own `chunk_iter` with a callback that does "
    "nothing: the least that any reader costs that asks the library chunk by chunk."
)
MOST_S_A_CHUNK: dict[Index, float] = {
    "v1 B-tree": 250e-9,
    "fixed array": 50e-9,
    "extensible array": 50e-9,
    "v2 B-tree": 150e-9,
}
"""Seconds."""
KERCHUNK_UP_TO = 100_000
"""Chunks, in a v1 B-tree: it asks the library chunk by chunk whatever the index is, and takes its time."""


def cases(scale: Scale, files: Files) -> Iterator[Case]:
    """Each kind of index, each number of chunks."""
    for n_chunks in scale.n_chunks:
        for index in INDICES:
            parsers = {"vzlab": _vzlab, "h5py": _h5py, "VirtualiZarr": _virtualizarr}
            if n_chunks <= KERCHUNK_UP_TO and index == "v1 B-tree":
                parsers["kerchunk"] = _kerchunk
            yield Case(
                topic=TOPIC,
                title=f"{n_chunks:,} chunks, {index}",
                contestants={name: partial(ready, files, n_chunks, index) for name, ready in parsers.items()},
                goal=Goal(at_most=MOST_S_A_CHUNK[index] * n_chunks) if n_chunks == 1_000_000 else None,
                repeats=scale.slow_repeats,
                warm_up=False,  # the check that every chunk is found is one
            )


def _vzlab(files: Files, n_chunks: int, index: Index) -> Measure:
    path = files.many_chunks(n_chunks, index)
    parse = HDF5Parser()
    x = parse(path).arrays["x"]
    require(x.manifest.n_virtual == n_chunks, "not every chunk was found")
    return timed(lambda: parse(path))


def _h5py(files: Files, n_chunks: int, index: Index) -> Measure:
    path = files.many_chunks(n_chunks, index)

    def ignore(info: object) -> None:
        pass

    def iterate() -> None:
        with h5py.File(path) as file:
            file["x"].id.chunk_iter(ignore)

    return timed(iterate)


def _virtualizarr(files: Files, n_chunks: int, index: Index) -> Measure:
    from virtualizarr.parsers import HDFParser

    from benchmarks.virtualizarr_peer import local_registry

    parse, registry = HDFParser(), local_registry()
    url = files.many_chunks(n_chunks, index).as_uri()

    def check(store: Any) -> None:
        grid = store._group.arrays["x"].manifest.shape_chunk_grid
        require(grid[0] * grid[1] == n_chunks, "not every chunk was found")

    return timed(lambda: parse(url=url, registry=registry), check=check)


def _kerchunk(files: Files, n_chunks: int, index: Index) -> Measure:
    from kerchunk.hdf import SingleHdf5ToZarr

    path = files.many_chunks(n_chunks, index)

    def translate() -> dict[str, dict[str, object]]:
        with closing(SingleHdf5ToZarr(str(path), inline_threshold=0)) as translator:
            found: dict[str, dict[str, object]] = translator.translate()
        return found

    def check(translated: dict[str, dict[str, object]]) -> None:
        found = sum(key.startswith("x/") and not key.startswith("x/.z") for key in translated["refs"])
        require(found == n_chunks, f"{found} of {n_chunks} chunks were found")

    return timed(translate, check=check)
