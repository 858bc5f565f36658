"""Exercises of notebook 01: a file is bytes. Answers are found by the HDF5 library, in a sample made for it."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vzlab.learn.exercise import Exercise
from vzlab.samples import make_daily_archive

_CHUNK = (30, 60)
_CORNER = ((0, 0), (0, 60), (30, 0), (30, 60))
"""Where the chunks begin that ``sst[0, 29:31, 59:61]`` touches."""


@contextmanager
def _sst() -> Iterator[tuple[bytes, Any]]:
    """The bytes of the first file, and its variable as the HDF5 library has it."""
    import h5py

    with tempfile.TemporaryDirectory(prefix="vzlab-") as folder:
        path = make_daily_archive(Path(folder), n_files=2, odd=1, missing=2).files[0]
        with h5py.File(path) as file:
            yield path.read_bytes(), file["sst"]


def _first_byte(answer: Any) -> str | None:
    if isinstance(answer, bytes):
        return "That is bytes. One byte of it, such as raw[0], is a number."
    if isinstance(answer, str):
        return "That is text. Write the number as 0x.. without quotes."
    if not isinstance(answer, int | np.integer):
        return f"A {type(answer).__name__} is not one byte: give a number from 0 to 255."
    if answer == 0x89:
        return "0x89 is what the file begins with. A chunk begins at its offset: data[chunk.offset]."
    if answer == 78:
        return "Nearly: the bytes are printed as hexadecimal digits. 78 there is 0x78 in Python."
    return (
        None
        if answer == 0x78
        else f"Not {answer:#x}. Print raw[0] for some of the chunks: it is the same for all."
    )


def _corner(answer: Any) -> str | None:
    n_chunks, n_bytes = answer
    if n_chunks == 1:
        return "Rows 29 and 30 are in different chunks, as chunks are 30 rows high. And columns 59 and 60?"
    if n_chunks == 2:
        return "Two for the rows is right, but the columns lie in two chunks as well: 59 // 60 is 0, 60 // 60 is 1."
    if n_chunks != 4:
        return "How many chunks do rows 29 and 30 lie in? And columns 59 and 60? Multiply."
    with _sst() as (_, sst):
        lengths = [sst.id.get_chunk_info_by_coord((0, *place)).size for place in _CORNER]
    if n_bytes == sum(lengths):
        return None
    if n_bytes == 8:
        return "Eight bytes is what you want. What you must fetch is all four chunks, as they are stored."
    if n_bytes == 4 * 30 * 60 * 2:
        return "That is what the four chunks hold when they are inflated. They are stored compressed: add their lengths."
    if n_bytes in lengths:
        return "That is one of the four chunks. Add the lengths of (0, 0, 0), (0, 0, 1), (0, 1, 0) and (0, 1, 1)."
    return "The number of chunks is right. Add manifest.reference((0, y, x)).length for y and x in 0, 1."


def _decode(answer: Any) -> str | None:
    if not callable(answer):
        return "Give the function itself: decode, without brackets behind it."
    with _sst() as (data, sst):
        for y in range(0, 90, 30):
            for x in range(0, 180, 60):
                place = sst.id.get_chunk_info_by_coord((0, y, x))
                raw = data[place.byte_offset : place.byte_offset + place.size]
                wrong = _wrong(answer(raw), zlib.decompress(raw), sst[0, y : y + 30, x : x + 60])
                if wrong:
                    return wrong
    return None


def _wrong(given: Any, inflated: bytes, right: Any) -> str | None:
    """What is wrong with a decoded chunk."""
    if given is None or given is ...:
        return "It gives nothing: end it with return."
    if isinstance(given, bytes):
        return "It gives bytes. np.frombuffer makes an array of them."
    array = np.asarray(given)
    if array.shape != _CHUNK and array.size != right.size:
        return f"It gives {array.size} numbers, and a chunk has {right.size}. Are bytes taken in pairs, with .view('<i2')?"
    if array.shape != _CHUNK:
        return f"It gives shape {array.shape}. End with .reshape(30, 60)."
    if np.array_equal(array, right):
        return None
    if np.array_equal(array, np.frombuffer(inflated, "<i2").reshape(_CHUNK)):
        return "Shape and type are right and the numbers are not: the unshuffle is missing."
    if np.array_equal(array, right.byteswap()):
        return "The two bytes of each number are the wrong way round: little-endian is '<i2'."
    if np.allclose(array, right * 0.01):
        return "These are degrees. decode gives stored numbers; the scale comes later."
    return "Shape and type are right, the numbers are not. Compare with the cell that did the middle chunk by hand."


EXERCISES = (
    Exercise(
        name="01-first-byte",
        asks="Which byte do all nine chunks of sst begin with? Give a number, such as 0x12.",
        judge=_first_byte,
        right="Every zlib stream that uses a window of 32 KiB begins with 0x78.",
        hints=(
            "Change index in the cell above, and look at the first of the eight bytes that are printed.",
            "The printed bytes are hexadecimal: 'ff' there is 0xff in Python, and raw[0] is the first one as a number.",
        ),
    ),
    Exercise(
        name="01-corner",
        asks="How many chunks does sst[0, 29:31, 59:61] touch, and how many stored bytes do they have together?",
        judge=_corner,
        right="Eight bytes of numbers, four whole chunks to fetch: at corners a small selection is at its most expensive.",
        hints=(
            "Row 29 is in the chunks of rows 0 to 29, row 30 in those of rows 30 to 59.",
            "vz.cost(file, 'sst', (0, slice(29, 31), slice(59, 61))) names chunks and bytes.",
        ),
    ),
    Exercise(
        name="01-decode",
        asks="Write decode(raw): from the stored bytes of any chunk of sst to its 30 x 60 numbers.",
        judge=_decode,
        right="All nine chunks are what the HDF5 library reads. You have written a codec chain.",
        hints=(
            "The three lines that decode the middle chunk work for every chunk: put them into the function.",
            "inflate with zlib.decompress, then .reshape(2, -1).T for the pairs, then .view('<i2').reshape(30, 60).",
        ),
    ),
)
