"""See what is in a file: inspect it, show it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import vzlab as vz
from benchmarks.files import Files
from benchmarks.harness import Case, Goal, Measure, require, timed
from benchmarks.scale import Scale
from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray, ManifestGroup, SourceFile
from vzlab.parsers import HDF5Parser

TOPIC = "See"
_CODECS = (
    {"name": "bytes", "configuration": {"endian": "little"}},
    {"name": "numcodecs.zlib", "configuration": {"level": 4}},
)
NOTE = "No peer has this. The first two begin with a file that is parsed already."


def cases(scale: Scale, files: Files) -> Iterator[Case]:
    """The model, the text, the page, of the file of most chunks."""
    n_chunks = max(scale.n_chunks)
    what = f"{n_chunks:,} chunks"
    for title, measure, goal in (
        (f"Inspect {what}", _inspect, Goal(at_most=0.4)),
        (f"Inspect {what}, as text and HTML", _show, None),
        (f"Inspect a file of {what}, v1 B-tree", _inspect_file, None),
    ):
        yield Case(
            topic=TOPIC,
            title=title,
            contestants={"vzlab": partial(measure, files, n_chunks)},
            goal=goal,
            repeats=scale.slow_repeats,
        )

    for title, make, seconds in (
        (f"Inspect {10 * n_chunks:,} chunks in 100 files", partial(_many_chunks, 10 * n_chunks), 3.0),
        ("Inspect 1,000 variables of 1,000 chunks", _many_variables, 1.0),
    ):
        yield Case(
            topic=TOPIC,
            title=title,
            contestants={"vzlab": partial(_inspect_made, make)},
            goal=Goal(at_most=seconds),
            repeats=scale.slow_repeats,
        )

    yield Case(
        topic=TOPIC,
        title=f"HTML of {what} in 100 files, size",
        contestants={"vzlab": partial(_html_size, partial(_many_chunks, n_chunks))},
        unit="bytes",
        goal=Goal(at_most=1e5, any_size=True),
        repeats=1,
    )

    for title, make in (
        ("HTML of 1,000 chunks", partial(_many_chunks, 1_000)),
        (f"HTML of {what} in 100 files", partial(_many_chunks, n_chunks)),
        ("HTML of 1,000 variables", _many_variables),
    ):
        yield Case(
            topic=TOPIC, title=title, contestants={"vzlab": partial(_draw, make)}, repeats=scale.slow_repeats
        )


def _draw(make: Callable[[], ManifestGroup]) -> Measure:
    """The view of what is inspected already, which keeps to 100 KB."""
    found = vz.inspect(make())
    require(len(found._repr_html_().encode()) <= 100_000, "the view is too large for a notebook")
    return timed(found._repr_html_)


def _html_size(make: Callable[[], ManifestGroup]) -> Measure:
    found = vz.inspect(make())
    return lambda: float(len(found._repr_html_().encode()))


def _inspect_made(make: Callable[[], ManifestGroup]) -> Measure:
    group = make()
    return timed(lambda: vz.inspect(group))


def _array(n_chunks: int, n_files: int) -> ManifestArray:
    """Chunks of varied sizes, one after another in each file."""
    lengths = np.random.default_rng(0).integers(1_000, 9_000, n_chunks).astype(np.uint64)
    index = (np.arange(n_chunks) * n_files // n_chunks).astype(np.uint32)
    ends = np.cumsum(lengths)
    before = np.concatenate(([0], ends[np.searchsorted(index, np.arange(1, n_files)) - 1]))
    offsets = ends - lengths - before[index].astype(np.uint64)
    grid = (n_chunks // 1_000, 1_000)
    manifest = ChunkManifest(
        sources=[SourceFile(url=f"s3://bucket/part_{i}.nc", size_bytes=1 << 40) for i in range(n_files)],
        source_index=index.reshape(grid),
        offsets=offsets.reshape(grid),
        lengths=lengths.reshape(grid),
    )
    metadata = ArrayMetadata.create(shape=(grid[0] * 10, 10_000), dtype="f4", chunks=(10, 10), codecs=_CODECS)
    return ManifestArray(metadata=metadata, manifest=manifest)


def _many_chunks(n_chunks: int) -> ManifestGroup:
    return ManifestGroup(arrays={"sst": _array(n_chunks, 100)})


def _many_variables() -> ManifestGroup:
    return ManifestGroup(arrays={f"v{number:03}": _array(1_000, 10) for number in range(1_000)})


def _group(files: Files, n_chunks: int) -> Any:
    return HDF5Parser()(files.many_chunks(n_chunks, "v1 B-tree"))


def _inspect(files: Files, n_chunks: int) -> Measure:
    group = _group(files, n_chunks)
    require(f"{n_chunks:,}" in str(vz.inspect(group)), "the number of chunks is not said")
    return timed(lambda: vz.inspect(group))


def _show(files: Files, n_chunks: int) -> Measure:
    group = _group(files, n_chunks)

    def show() -> tuple[str, str]:
        found = vz.inspect(group)
        return str(found), found._repr_html_()

    return timed(show)


def _inspect_file(files: Files, n_chunks: int) -> Measure:
    path = files.many_chunks(n_chunks, "v1 B-tree")
    return timed(lambda: vz.inspect(path))
