"""See what is in a file: inspect it, show it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import vzlab as vz
from benchmarks.files import Files
from benchmarks.harness import Case, Goal, Measure, require, timed
from benchmarks.scale import Scale
from vzlab.parsers import HDF5Parser

TOPIC = "See"
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
