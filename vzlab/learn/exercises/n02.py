"""Exercises of notebook 02: keys, JSON and places. Answers are found by the HDF5 library, in a sample made for it."""

from __future__ import annotations

import re
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vzlab.learn.exercise import Exercise
from vzlab.samples import make_daily_archive

_CHUNK = (1, 30, 60)
_ELEMENT = (0, 75, 100)
_AT = (0, 2, 1)
_KEY = "sst/c/0/2/1"
_TIDIED = {"units": "degree_C", "scale_factor": 0.01, "_FillValue": -9999}


@cache
def native_chunks() -> dict[tuple[int, ...], tuple[int, int]]:
    """Offset and length of each chunk of ``sst`` on the first day, by its index in the grid, as HDF5 has them."""
    with tempfile.TemporaryDirectory(prefix="vzlab-") as folder:
        path = make_daily_archive(Path(folder), n_files=2, odd=1, missing=2).files[0]
        with h5py.File(path) as file:
            stored = file["sst"].id
            places = [stored.get_chunk_info(number) for number in range(stored.get_num_chunks())]
    return {
        tuple(first // length for first, length in zip(place.chunk_offset, _CHUNK, strict=True)): (
            place.byte_offset,
            place.size,
        )
        for place in places
    }


def _key(answer: Any) -> str | None:
    if isinstance(answer, tuple | list):
        return "That is a row of numbers. A key is text: the name of the array, c, and the numbers, with / between."
    if not isinstance(answer, str):
        return f"A {type(answer).__name__} is not a key. Give text, such as 'lat/c/0'."
    if answer == _KEY:
        return None
    if answer.endswith("zarr.json"):
        return "That key holds metadata. The element is in a chunk: its key has /c/ in it."
    if answer.startswith("/"):
        return "Keys do not begin with a slash."
    numbers = [int(number) for number in re.findall(r"\d+", answer)]
    if tuple(numbers) == _ELEMENT:
        return (
            "Those are the indices of the element. Divide each by the length of a chunk along that dimension."
        )
    if numbers == [0, 1, 2]:
        return "Rows come before columns: 75 is a row, and chunks are 30 rows high."
    if numbers in ([0, 3, 2], [0, 3, 1], [0, 2, 2]):
        return "Round down: chunks are counted from 0, so 75 // 30 is 2, and 100 // 60 is 1."
    if numbers == [2, 1]:
        return "One number for each dimension, and time is one: index 0 there."
    if tuple(numbers) != _AT:
        return "The numbers are not right. Divide 0, 75 and 100 by 1, 30 and 60, without remainder."
    if not answer.startswith("sst/"):
        return "The numbers are right. Put the name of the array in front: a store has several arrays."
    if "c" not in answer.split("/"):
        return "That is how Zarr v2 would say it. Here the JSON asks for the default encoding: c, then the numbers."
    return "The numbers are right. Keys have / between all parts: compare with the list in section 1."


def _repair(answer: Any) -> str | None:
    if not isinstance(answer, dict):
        return f"That is a {type(answer).__name__}. Give the whole dictionary of attributes, as it is printed as tidied."
    if "fill_value" in answer:
        return "fill_value is Zarr's entry, for chunks that are missing. The attribute that marks land is _FillValue."
    if "_FillValue" not in answer:
        return "Without _FillValue land is read as a temperature, of -327.68 °C."
    others = {
        name
        for name in answer.keys() | _TIDIED.keys()
        if name != "_FillValue" and answer.get(name) != _TIDIED.get(name)
    }
    if others:
        return f"Nothing is wrong with {', '.join(sorted(map(repr, others)))}: leave all but the faulty attribute as they are."
    return _wrong_fill(answer["_FillValue"])


def _wrong_fill(fill: Any) -> str | None:
    if isinstance(fill, str):
        return "The value is text. A stored number is never equal to a text: write it without quotes."
    if isinstance(fill, float) and np.isnan(fill):
        return "No stored number is nan: they are integers. Which integer stands for land?"
    if fill == -9999:
        return "That is the number that was there. Does it occur in the stored row of the South Pole?"
    if fill == -327.68:
        return "That is what it looks like once it is scaled. _FillValue is compared with numbers as they are stored."
    if fill == 32768:
        return "The sign is missing."
    if fill != -32768 or isinstance(fill, bool):
        return f"{fill!r} does not stand for land. Which number is stored in the southernmost row?"
    return None


def _place(answer: Any) -> str | None:
    offset, length = answer
    right_offset, right_length = native_chunks()[_AT]
    if (offset, length) == (right_offset, right_length):
        return None
    if offset == right_offset and length == right_offset + right_length:
        return "That is the first byte and the one behind the last. The second number is how many there are."
    if (length, offset) == (right_offset, right_length):
        return "Right numbers, the other way round: the first byte, then how many."
    if (offset, length) == native_chunks()[(0, 1, 2)]:
        return "That is the chunk in row 1 and column 2 of the grid. The key says 0, 2, 1."
    if (offset, length) in native_chunks().values():
        return "That is another chunk of sst. The numbers of the key are the index: (0, 2, 1)."
    if offset == 0:
        return "In the copy the chunk is a file, and begins at 0. In the netCDF file it lies somewhere in the middle."
    if offset == right_offset:
        return "It begins there. How long is it? reference.length says it."
    return "Ask store.group['sst'].manifest.reference(...) for the index that the key names, and take offset and length."


EXERCISES = (
    Exercise(
        name="02-key",
        asks="Which key holds the element sst[0, 75, 100]? Give it as text, such as 'lat/c/0'.",
        judge=_key,
        right="Two divisions, and you know what to fetch. No reader of Zarr does more.",
        hints=(
            "Chunks are 1 × 30 × 60. Divide each of 0, 75 and 100 by its chunk length, without remainder.",
            "The key of sst[0, 40, 80] was sst/c/0/1/1, from 0 // 1, 40 // 30 and 80 // 60.",
        ),
    ),
    Exercise(
        name="02-repair",
        asks="Give the dictionary of attributes, with the one that is wrong repaired.",
        judge=_repair,
        right="The land is land again, and the mean is 13.44 °C. No byte of the data was touched.",
        hints=(
            "Land is not masked: its number takes part in the mean. Which attribute says which number means land?",
            "_FillValue has to be a number that is stored where there is land. The printed row is nothing but land.",
        ),
    ),
    Exercise(
        name="02-place",
        asks="Which bytes of the netCDF file are the value of sst/c/0/2/1? Give the first byte and how many: (offset, length).",
        judge=_place,
        right="A key, a file, an offset and a length: that is a reference. In notebook 03 you write them yourself.",
        hints=(
            "A manifest looks up a place by the index of the chunk: manifest.reference((0, 1, 1)) for sst/c/0/1/1.",
            "What it gives has .offset and .length. The index of sst/c/0/2/1 is (0, 2, 1).",
        ),
    ),
)
