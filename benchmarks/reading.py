"""Read arrays through their references: whole, and one chunk at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import zarr

import vzlab as vz
from benchmarks.files import CHUNK_ELEMENTS, Files, smooth
from benchmarks.harness import Case, Contestant, Goal, Measure, require, timed
from benchmarks.scale import Scale
from vzlab.parsers import HDF5Parser
from vzlab.storage import as_registry, read_array

TOPIC = "Read"
NOTE = (
    "4-byte floats in one dimension, from a file in the page cache; h5py reads the same file, its chunk cache off. `zarr` "
    "is zarr as it is installed: vzlab's store brings a codec pipeline of its own, VirtualiZarr's takes zarr's. `zarr's own` "
    "is that pipeline for both, `fused` zarr's `FusedCodecPipeline`; `loaded` is how vzlab reads `loadable_variables`, "
    "without zarr. One chunk at a time: in random order, time of each; most of it is zarr's way from the call to its event "
    "loop."
)
_BATCHED = "zarr.core.codec_pipeline.BatchedCodecPipeline"
PIPELINES: dict[str, dict[str, Any]] = {
    "zarr": {},
    "zarr's own": {"codec_pipeline.path": _BATCHED, "vzlab.read_pipeline": False},
    "fused": {"codec_pipeline.path": "zarr.core.codec_pipeline.FusedCodecPipeline"},
}
"""Settings of zarr."""
SMALL_CHUNK = 16_384
"""Elements: below, one thread is faster than several."""

STEP = 2**20
"""Elements that are read at a time of what has no chunks."""

type Read = Callable[[list[slice]], list[npt.NDArray[np.float32]]]
"""Reads the regions one after another."""

WHOLE = [slice(None)]


def cases(scale: Scale, files: Files) -> Iterator[Case]:
    """Each layout, each way of reading."""
    size = f"{scale.array_bytes // 2**20} MB"
    for layout, chunk in CHUNK_ELEMENTS.items():
        path = partial(files.array, scale.array_bytes, layout)
        is_small = chunk is not None and chunk < SMALL_CHUNK
        for pipeline in PIPELINES:
            yield Case(
                topic=TOPIC,
                title=f"Whole {size}, {layout}: {pipeline}",
                contestants=_contestants(path, pipeline, _whole),
                goal=_goal(pipeline, layout, is_small=is_small),
                in_overview=pipeline == "zarr",
                repeats=scale.slow_repeats,
                warm_up=False,  # the check of the values is one
            )
        yield Case(
            topic=TOPIC,
            title=f"Whole {size}, {layout}: loaded",
            contestants={"vzlab": partial(_loaded, path), "h5py": partial(_whole, path, _h5py)},
            goal=Goal(at_most=3.0, times="h5py") if is_small else None,
            repeats=scale.slow_repeats,
        )
        if chunk is None:
            step = partial(_one_chunk, chunk=STEP, n_reads=scale.n_single_reads)
            yield Case(
                topic=TOPIC,
                title=f"A step of {4 * STEP // 2**20} MB at a time, {layout}: zarr",
                contestants=_contestants(path, "zarr", step),
                # Most of it is zarr's way to its event loop; the peer reads the whole array for each.
                goal=Goal(at_most=1 / 4, times="VirtualiZarr"),
                repeats=scale.slow_repeats,
            )
            continue
        single = partial(_one_chunk, chunk=chunk, n_reads=scale.n_single_reads)
        for pipeline in ("zarr", "fused"):
            yield Case(
                topic=TOPIC,
                title=f"One chunk at a time, {layout}: {pipeline}",
                contestants=_contestants(path, pipeline, single),
                in_overview=pipeline == "zarr",
                repeats=scale.slow_repeats,
            )


def _goal(pipeline: str, layout: str, *, is_small: bool) -> Goal | None:
    """No slower than h5py, twice as fast where zlib is in the way; three times its time for small chunks."""
    if pipeline != "zarr":
        return None
    # Of raw chunks of this size 1.1 was the best that was seen: both do nothing but copy.
    most = 3.0 if is_small else 0.5 if "deflate" in layout else 1.1 if layout.startswith("raw") else 1.0
    return Goal(at_most=most, times="h5py")


def _contestants(
    path: Callable[[], Path],
    pipeline: str,
    measure: Callable[[Callable[[], Path], Callable[[Path], Read]], Measure],
) -> dict[str, Contestant]:
    return {
        "vzlab": partial(measure, path, partial(_vzlab, pipeline)),
        "h5py": partial(measure, path, _h5py),
        "VirtualiZarr": partial(measure, path, partial(_virtualizarr, pipeline)),
    }


def _whole(path: Callable[[], Path], opened: Callable[[Path], Read]) -> Measure:
    read = opened(path())
    _check(read(WHOLE)[0])
    return timed(lambda: read(WHOLE))


def _one_chunk(
    path: Callable[[], Path], opened: Callable[[Path], Read], *, chunk: int, n_reads: int
) -> Measure:
    read = opened(path())
    n_chunks = len(read(WHOLE)[0]) // chunk
    require(n_chunks > 0, "the array is shorter than what is read of it at a time")
    order = np.random.default_rng(0).permutation(n_chunks)[:n_reads].tolist()
    regions = [slice(i * chunk, (i + 1) * chunk) for i in order]
    return timed(lambda: read(regions), per=len(regions))


def _check(values: npt.NDArray[np.float32]) -> None:
    require(np.array_equal(values, smooth(len(values))), "values differ from what was written")


def _h5py(path: Path) -> Read:
    # Without its cache, from which it would give again what it decoded in an earlier round. The file stays open as long
    # as its dataset is referred to.
    x = h5py.File(path, rdcc_nbytes=0)["x"]
    return lambda regions: [x[region] for region in regions]


def _vzlab(pipeline: str, path: Path) -> Read:
    return _through_zarr(vz.ManifestStore(HDF5Parser()(path)), pipeline)


def _virtualizarr(pipeline: str, path: Path) -> Read:
    from virtualizarr.parsers import HDFParser

    from benchmarks.virtualizarr_peer import local_registry

    return _through_zarr(HDFParser()(url=path.as_uri(), registry=local_registry()), pipeline)


def _through_zarr(store: Any, pipeline: str) -> Read:
    settings = PIPELINES[pipeline]
    with zarr.config.set(settings):
        x = zarr.open_array(store, path="x", mode="r")

    def read(regions: list[slice]) -> list[npt.NDArray[np.float32]]:
        with zarr.config.set(settings):
            return [np.asarray(x[region]) for region in regions]

    return read


def _loaded(path: Callable[[], Path]) -> Measure:
    registry = as_registry(None)
    array = HDF5Parser()(path()).arrays["x"]
    _check(read_array(array, registry))
    return timed(lambda: read_array(array, registry))
