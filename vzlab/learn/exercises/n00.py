"""Exercises of notebook 00: is everything ready."""

from __future__ import annotations

from datetime import date
from typing import Any

from vzlab.learn.exercise import Exercise

_MISSING_DAY = 9


def _missing_day(answer: Any) -> str | None:
    if isinstance(answer, str):
        return "That is text. Give the day as a number, without quotes."
    day = answer.day if isinstance(answer, date) else answer
    if day == 12:
        return "Twelve is how many files there are. Which day between the first and the last has none?"
    if day == 8:
        return (
            "There is a file of that day. Counted from 0 you may mean the right one: what does its name say?"
        )
    if day in range(1, 14) and day != _MISSING_DAY:
        return f"There is a file sst_2025-01-{day:02}.nc in the list. Which number is left out?"
    return None if day == _MISSING_DAY else "The files are of 1 to 13 January. Which of these days has none?"


EXERCISES = (
    Exercise(
        name="00-missing-day",
        asks="Which day of January has no file? Give a number.",
        judge=_missing_day,
        right="Archives have gaps more often than one thinks. vzlab will tell you of this one later.",
        hints=(
            "The names end with year, month and day. Go through the days one by one.",
            "There is a file of the 8th, and one of the 10th.",
        ),
    ),
)
