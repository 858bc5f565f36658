"""Hold and combine references: concatenate, rename, pickle, memory."""

from __future__ import annotations

import pickle
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from benchmarks.files import Files
from benchmarks.harness import Case, Goal, Measure, require, timed
from benchmarks.references import columns_of_files, virtual_array
from benchmarks.scale import Scale
from vzlab.manifests.joining import concatenate

TOPIC = "Hold and combine references"
NOTE = (
    "Urls of 90 characters. Memory is what Python and numpy allocate and keep while the arrays are joined, the columns of the "
    "parts not counted; pickles are of protocol 5. `floor` is numpy putting the same columns together."
)


def cases(scale: Scale, _files: Files) -> Iterator[Case]:
    """The same references in both, from one set of columns."""
    n_chunks, n_files = max(scale.n_chunks), scale.n_manifests

    def case(title: str, action: Callable[[Any], Measure], **more: Any) -> Case:
        return Case(
            topic=TOPIC,
            title=title,
            contestants={
                "vzlab": lambda: action(_vzlab(n_chunks, n_files)),
                "VirtualiZarr": lambda: action(_virtualizarr(n_chunks, n_files)),
            },
            **more,
        )

    what = f"{n_chunks:,} references"
    concatenation = case(
        f"Concatenate {n_files} arrays to {what}", partial(_concat, n_chunks), goal=Goal(at_most=5e-3)
    )
    floor = {"floor": lambda: _copy_columns(n_chunks, n_files)}
    yield replace(concatenation, contestants={**concatenation.contestants, **floor})
    yield case(
        "Memory of one of them",
        partial(_memory, n_chunks),
        unit="bytes",
        goal=Goal(at_most=20.5, any_size=True),
        repeats=1,
    )
    yield case(f"Pickle of {what}, size", _pickle_size, unit="bytes", goal=Goal(at_most=25e6), repeats=1)
    yield case(
        f"Pickle {what} and load them",
        _pickle_time,
        goal=Goal(at_most=20e-3),
        repeats=scale.slow_repeats,
    )
    yield case(f"Rename the urls of {what}", _rename, goal=Goal(at_most=1e-3), repeats=scale.slow_repeats)


class _Vzlab:
    """What each side does with its arrays."""

    def __init__(self, parts: list[Any]) -> None:
        self.parts = parts

    def concat(self) -> Any:
        return concatenate(self.parts)

    def n_chunks(self, joined: Any) -> int:
        return int(joined.manifest.n_virtual)

    def rename(self, joined: Any) -> Any:
        return joined.rename_urls(_moved)


class _VirtualiZarr(_Vzlab):
    def concat(self) -> Any:
        return np.concatenate(self.parts, axis=0)

    def n_chunks(self, joined: Any) -> int:
        return len(joined.manifest)

    def rename(self, joined: Any) -> Any:
        return joined.rename_paths(_moved)


def _vzlab(n_chunks: int, n_files: int) -> _Vzlab:
    return _Vzlab([virtual_array(columns) for columns in columns_of_files(n_chunks, n_files)])


def _virtualizarr(n_chunks: int, n_files: int) -> _VirtualiZarr:
    from benchmarks import virtualizarr_peer

    return _VirtualiZarr(
        [virtualizarr_peer.virtual_array(columns) for columns in columns_of_files(n_chunks, n_files)]
    )


def _moved(url: str) -> str:
    return url.replace("file:///archive/", "s3://archive/")


def _concat(n_chunks: int, side: _Vzlab) -> Measure:
    require(side.n_chunks(side.concat()) == n_chunks, "references were lost")
    return timed(side.concat)


def _copy_columns(n_chunks: int, n_files: int) -> Measure:
    """Offsets and lengths of 8 bytes and numbers of urls of 4 of every part, into new memory."""
    columns = [
        [np.ones(n_chunks // n_files, kind) for _ in range(n_files)]
        for kind in (np.uint64, np.uint64, np.uint32)
    ]
    return timed(lambda: [np.concatenate(parts) for parts in columns])


def _memory(n_chunks: int, side: _Vzlab) -> Measure:
    def held() -> float:
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            joined = side.concat()
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        del joined
        return (after - before) / n_chunks

    return held


def _pickle_size(side: _Vzlab) -> Measure:
    joined = side.concat()
    return lambda: len(pickle.dumps(joined, protocol=5))


def _pickle_time(side: _Vzlab) -> Measure:
    joined = side.concat()
    return timed(lambda: pickle.loads(pickle.dumps(joined, protocol=5)))


def _rename(side: _Vzlab) -> Measure:
    joined = side.concat()
    return timed(lambda: side.rename(joined))
