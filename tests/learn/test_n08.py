"""Wrong answers to the exercises of notebook 08 are told from each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from vzlab.builder import Builder
from vzlab.learn.exercise import verdict
from vzlab.samples import make_daily_archive


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((1, 2), "time comes first"),
        ((0, 2, 0), "smallest"),
        ((0, 30, 120), "There is no chunk"),
        ((0, 0, 0), "takes 1,518 bytes"),
        (2128, "TypeError"),
    ],
)
def test_largest(answer: Any, hint: str) -> None:
    assert hint in verdict("08-largest", answer).says


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Path]:
    return make_daily_archive(tmp_path_factory.mktemp("daily")).files[4:8]


@pytest.mark.parametrize(
    ("take", "hint"),
    [
        (lambda builder: builder.cube, "and not a Dataset"),
        (lambda builder: builder.leave_out("sst_2025-01-07.nc").combine(), "3 files"),
        (lambda builder: builder.choose(on_mismatch="load").combine(), "into memory"),
        (lambda builder: builder.check(), "A problem is left: sst in sst_2025-01-07.nc"),
    ],
    ids=["the cube", "left out", "loaded", "checked"],
)
def test_build(take: Callable[[Builder], Any], hint: str, files: Sequence[Path]) -> None:
    first = Builder().sources(files)
    given = take(first.choose(on_mismatch="reencode") if hint == "and not a Dataset" else first)
    assert hint in verdict("08-build", given).says


def test_the_right_answers_are_right(files: Sequence[Path]) -> None:
    assert verdict("08-largest", (0, 1, 2)).is_right
    assert verdict("08-build", Builder().sources(files).choose(on_mismatch="reencode").combine()).is_right
