"""Exercises of notebook 08: the largest chunk, and a builder whose cube is whole and true."""

from __future__ import annotations

import tempfile
from functools import cache
from typing import Any

import h5py

from vzlab.builder import Builder
from vzlab.errors import VzlabError, first_line
from vzlab.learn.exercise import Exercise
from vzlab.samples import make_daily_archive

_N_DAYS = 4


@cache
def _stored_bytes() -> dict[tuple[int, ...], int]:
    """Lengths of the chunks of sst in the first file, by their place in the grid, as the HDF5 library tells them."""
    with tempfile.TemporaryDirectory() as folder, h5py.File(make_daily_archive(folder).files[0]) as file:
        sst = file["sst"]
        chunks = [sst.id.get_chunk_info(n) for n in range(sst.id.get_num_chunks())]
        return {
            tuple(at // n for at, n in zip(chunk.chunk_offset, sst.chunks, strict=True)): chunk.size
            for chunk in chunks
        }


def _largest(answer: Any) -> str | None:
    place = tuple(int(at) for at in answer)
    lengths = _stored_bytes()
    largest, smallest = max(lengths, key=lengths.__getitem__), min(lengths, key=lengths.__getitem__)
    if place == largest:
        return None
    if len(place) == 2:
        return "Three numbers: time comes first, and has one chunk, number 0."
    if place == smallest:
        return (
            "That is the smallest one. What takes few bytes is compressed well: much land, or smooth water."
        )
    if place not in lengths:
        return f"There is no chunk {place}: the grid has 1 × 3 × 3 chunks, counted from 0."
    return f"That one takes {lengths[place]:,} bytes; another takes more. Click on each, or set the colours to size."


def _build(answer: Any) -> str | None:
    if not isinstance(answer, Builder):
        return f"Give the builder, stepper.builder, and not a {type(answer).__name__}."
    if len(answer.files) != _N_DAYS:
        return f"It takes {len(answer.files)} files, and all {_N_DAYS} can be had: take_back(...) what was left out."
    if answer.choices.on_mismatch == "load":
        return "That loads sst of all days into memory. Only the odd day's chunks need to be made anew."
    if answer.problems:
        return f"A problem is left: {answer.problems[0].sentence}"
    try:
        days = answer.cube.sizes.get("time", 0)
    except VzlabError as error:
        return f"Combining ends in: {first_line(error)}"
    return None if days == _N_DAYS else f"The cube has {days} days; four can be had."


EXERCISES = (
    Exercise(
        name="08-largest",
        asks="Which chunk of sst takes the most bytes? Give its place, such as (0, 1, 1).",
        judge=_largest,
        right="Little land, and water that changes much from cell to cell: that is hardest to compress.",
        hints=(
            "Click on a chunk in the map: its number of bytes is told below.",
            "vz.open_group(file)['sst'].manifest.lengths is an array of the nine lengths.",
        ),
    ),
    Exercise(
        name="08-build",
        asks="Give the builder whose cube has all four days and true numbers.",
        judge=_build,
        right="Four days, nine chunks made anew. The program below does the same.",
        hints=(
            "The check names one file. Of the ways to mend it, which keeps all days and copies least?",
            "stepper.builder.choose(on_mismatch='reencode').combine()",
        ),
    ),
)
