"""Exercises of notebook 03: a manifest by hand, what wrong references do, and finding one. HDF5 has the answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vzlab.learn.exercise import Exercise
from vzlab.learn.exercises.n02 import native_chunks

_EFFECTS = {
    "length is 10 bytes short": (
        "error",
        "A deflate stream knows where it ends. If the end is cut off, inflating it fails.",
    ),
    "the chunk of the next day's file": (
        "wrong",
        "That is a perfectly good chunk, of the same array in another file. Who should notice the day?",
    ),
    "a file that is not there": (
        "error",
        "A chunk without a reference is a hole. A reference without a file is not: vzlab refuses it. (Not all readers do.)",
    ),
    "shuffle left out of the codecs": (
        "wrong",
        "You left it out in notebook 01: the bytes fit all the same. What came of it?",
    ),
}
_EXCHANGED = {"0.0.2", "0.1.0"}
"""What the notebook draws with seed 3."""
_WORDS = ("error", "hole", "wrong")


def _key(index: tuple[int, ...]) -> str:
    return ".".join(map(str, index))


def _manifest(answer: Any) -> str | None:
    if not isinstance(answer, Mapping):
        return f"That is a {type(answer).__name__}. Give the dictionary: nine keys, each with url, offset and length."
    right = {_key(index): place for index, place in native_chunks().items()}
    if any(not isinstance(key, str) for key in answer):
        return "Keys are text, such as '0.1.1'. Join the numbers: '.'.join(map(str, index))."
    if "0.30.60" in answer or "0.60.120" in answer:
        return (
            "Those are indices of elements. Divide each by the length of a chunk: 0 // 1, 30 // 30, 60 // 60."
        )
    if len(answer) == 1:
        return (
            "One entry: is it made anew in each turn of the loop, or was the dictionary set up inside of it?"
        )
    if unknown := sorted(set(answer) - set(right)):
        return f"{unknown[0]!r} is no chunk of a grid of 1 × 3 × 3. Keys go from '0.0.0' to '0.2.2'."
    if missing := sorted(set(right) - set(answer)):
        return f"{len(missing)} of the nine are not there, {missing[0]!r} first. They would be holes."
    for key, (offset, length) in right.items():
        if wrong := _wrong_entry(answer[key], offset, length):
            return f"{key!r}: {wrong}"
    return None


def _wrong_entry(entry: Any, offset: int, length: int) -> str | None:
    if not isinstance(entry, Mapping) or entry.keys() != {"url", "offset", "length"}:
        return "an entry has url, offset and length, and nothing else."
    if not str(entry["url"]).startswith("file://"):
        return "the url is that of the file with file:// in front, as in url. A manifest has no working directory."
    if Path(str(entry["url"])).name != "sst_2025-01-01.nc":
        return f"{Path(str(entry['url'])).name} is another file."
    if (entry["offset"], entry["length"]) == (offset, length):
        return None
    if entry["length"] == offset + length:
        return "length is how many bytes there are, not where they end."
    if (entry["offset"], entry["length"]) in native_chunks().values():
        return "those bytes are another chunk's. Are rows and columns exchanged?"
    return "offset is .byte_offset and length is .size of that chunk."


def _effects(answer: Any) -> str | None:
    if not isinstance(answer, Mapping):
        return f"That is a {type(answer).__name__}. Give a dictionary: each of the four mistakes, and one of {', '.join(_WORDS)}."
    if unknown := [name for name in answer if name not in _EFFECTS]:
        return f"{unknown[0]!r} is none of the four. They are: {'; '.join(_EFFECTS)}."
    if missing := [name for name in _EFFECTS if name not in answer]:
        return f"And {missing[0]!r}?"
    if odd := [word for word in answer.values() if word not in _WORDS]:
        return f"{odd[0]!r} is none of the three words: {', '.join(_WORDS)}."
    wrong = [why for name, (word, why) in _EFFECTS.items() if answer[name] != word]
    return f"{len(_EFFECTS) - len(wrong)} of {len(_EFFECTS)} are right. {wrong[0]}" if wrong else None


def _exchanged(answer: Any) -> str | None:
    if isinstance(answer, str):
        return "That is one key. Two chunks were exchanged: give a set of both."
    if not all(isinstance(key, str) for key in answer):
        return "Give keys as text: '0.1.1' for the chunk that the report calls [0, 1, 1]."
    given = {key.replace("/", ".").removeprefix("c.") for key in answer}
    if given == _EXCHANGED:
        return None
    if given == {"0.1.1", "0.1.2"}:
        return "Those are the two of section 4. Compare suspect_store."
    if len(given) != 2:
        return f"That is {len(given)} of them; two were exchanged."
    if given & _EXCHANGED:
        return (
            "One of them is right. The likely cause in the report names the chunk that its bytes belong to."
        )
    return "These two are where they belong. Have vz.compare look at suspect_store, and read which chunks it names."


EXERCISES = (
    Exercise(
        name="03-manifest",
        asks="Give the dictionary references: nine keys from '0.0.0' to '0.2.2', each with url, offset and length.",
        judge=_manifest,
        right="Every entry is what the HDF5 library says. With this dictionary the file is a Zarr store.",
        hints=(
            "Go through chunks. chunk.chunk_offset is the first element; divide by (1, 30, 60) to get the index in the grid.",
            "The second one, with element (0, 0, 60), is in the grid at (0 // 1, 0 // 30, 60 // 60): its key is '0.0.1'.",
        ),
    ),
    Exercise(
        name="03-effects",
        asks="Give a dictionary: each of the four mistakes, and what a reader sees of it: 'error', 'hole' or 'wrong'.",
        judge=_effects,
        right="What does not fit is an error. What fits and is not meant is wrong numbers.",
        hints=(
            "Ask of each: can the bytes be fetched, and can they be decoded? If so there is no error.",
            "The names are the keys of mistakes, in the next cell. Two of the four are errors, and none is a hole.",
        ),
    ),
    Exercise(
        name="03-exchanged",
        asks="Which two chunks of suspect were exchanged? Give the set of their keys, such as {'0.0.0', '0.0.1'}.",
        judge=_exchanged,
        right="Two good chunks in two wrong places. Only a comparison with the file itself can find that.",
        hints=(
            "vz.compare(suspect_store, file, levels='L2') names a chunk, and as likely cause the chunk whose bytes it has.",
            "A chunk that the report calls [0, 1, 1] has the key '0.1.1'.",
        ),
    ),
)
