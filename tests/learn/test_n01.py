"""Wrong answers to the exercises of notebooks 00 and 01 are told from each other."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from vzlab.learn.exercise import verdict


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (b"\x78", "raw[0]"),
        ("0x78", "without quotes"),
        (0x89, "at its offset"),
        (78, "hexadecimal"),
        (0x01, "Not 0x1"),
    ],
)
def test_first_byte(answer: Any, hint: str) -> None:
    assert hint in verdict("01-first-byte", answer).says


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((1, 1622), "Rows 29 and 30"),
        ((2, 3000), "59 // 60"),
        ((9, 3000), "Multiply"),
        ((4, 8), "what you must fetch is all four"),
        ((4, 14400), "compressed"),
        ((4, 1), "number of chunks is right"),
    ],
)
def test_corner(answer: Any, hint: str) -> None:
    assert hint.lower() in verdict("01-corner", answer).says.lower()


def decoded(raw: bytes) -> np.ndarray[Any, Any]:
    pairs = np.frombuffer(zlib.decompress(raw), np.uint8).reshape(2, -1).T
    return np.ascontiguousarray(pairs).view("<i2").reshape(30, 60)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda _: None, "return"),
        (zlib.decompress, "np.frombuffer"),
        (lambda raw: np.frombuffer(zlib.decompress(raw), np.uint8), "pairs"),
        (lambda raw: decoded(raw).ravel(), "reshape"),
        (lambda raw: np.frombuffer(zlib.decompress(raw), "<i2").reshape(30, 60), "unshuffle is missing"),
        (lambda raw: decoded(raw).byteswap(), "little-endian"),
        (lambda raw: decoded(raw) * 0.01, "degrees"),
        (lambda raw: decoded(raw) + 1, "by hand"),
        (decoded(zlib.compress(bytes(3600))), "function itself"),
        (lambda: None, "TypeError"),
    ],
    ids=[
        "nothing",
        "bytes",
        "no pairs",
        "flat",
        "no unshuffle",
        "big-endian",
        "scaled",
        "off",
        "called",
        "no argument",
    ],
)
def test_decode(answer: Callable[..., Any], hint: str) -> None:
    assert hint in verdict("01-decode", answer).says


def test_the_right_answers_are_right() -> None:
    assert verdict("01-first-byte", 0x78).is_right
    assert verdict("01-decode", decoded).is_right
    assert verdict("00-missing-day", 9).is_right


@pytest.mark.parametrize(
    ("answer", "hint"), [("9", "quotes"), (12, "how many files"), (8, "Counted from 0"), (3, "in the list")]
)
def test_missing_day(answer: Any, hint: str) -> None:
    assert hint in verdict("00-missing-day", answer).says
