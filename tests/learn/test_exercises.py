"""Whatever a learner answers, something sensible is said, and nothing but the right answer passes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from vzlab.learn import exercise
from vzlab.learn.exercise import Exercise, verdict

NAMES = [name for module in exercise.modules() for name in exercise.exercises(module)]
every_exercise = pytest.mark.parametrize("name", NAMES)
ODD_ANSWERS: dict[str, Any] = {
    "None": None,
    "text": "<b>what?</b>",
    "an object": object(),
    "minus one": -1,
    "not a number": math.nan,
    "an empty list": [],
    "a tuple of text": ("a", "b"),
    "an array": np.zeros((2, 3)),
    "a function": lambda *_: None,
    "a function that fails": lambda: 1 / 0,
    "a class": int,
}


@every_exercise
@pytest.mark.parametrize("answer", ODD_ANSWERS)
def test_an_odd_answer_is_not_right_and_does_not_raise(name: str, answer: str) -> None:
    said = verdict(name, ODD_ANSWERS[answer])
    assert not said.is_right
    assert len(said.says) > 10


@every_exercise
def test_no_answer_yet_says_what_is_asked(name: str) -> None:
    for answer in (..., (1, ...)):
        said = verdict(name, answer)
        assert said.is_open
        assert not said.is_right
        assert said.says == exercise.find(name).asks  # type: ignore[union-attr]


@every_exercise
def test_exercise_has_hints_and_a_name_that_leads_to_it(name: str) -> None:
    found = exercise.find(name)
    assert found is not None
    assert len(found.hints) >= 2
    assert found.right.endswith(".")


def test_an_unknown_exercise_says_which_there_are() -> None:
    assert "01-first-byte, 01-corner, 01-decode" in verdict("01-fist-byte", 3).says
    assert "00, 01" in verdict("99-none", 3).says


def test_what_is_said_is_escaped_and_needs_no_style() -> None:
    said = verdict("01-first-byte", "<b>")
    shown = exercise.Verdict(name="x", is_right=False, says="<script>alert(1)</script>")._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "<style>" not in said._repr_html_()


def test_an_exercise_whose_judge_fails_says_of_what_type_the_answer_is() -> None:
    assert "TypeError" in verdict("01-corner", 3).says
    assert "of type int" in verdict("01-corner", 3).says
    assert isinstance(exercise.find("01-corner"), Exercise)
