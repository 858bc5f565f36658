"""One exercise: what is asked, how an answer is judged, and what to say of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from vzlab.errors import first_line
from vzlab.render.html import Markup, Tone, callout, card, join, strong

_EXERCISES = "vzlab.learn.exercises"


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """A question whose answer is judged by a function."""

    name: str
    """The number of the notebook and a word: ``01-offset``."""
    asks: str
    """What the answer is, in one sentence: shown while there is none."""
    judge: Callable[[Any], str | None]
    """Takes an answer; gives None where it is right, else a hint that is aimed at the mistake. It may raise: an answer
    can be anything."""
    right: str
    """What is worth knowing now, said of a right answer."""
    hints: tuple[str, ...] = ()
    """For `vzlab.learn.hint`: each says more than the one before."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is said of an answer, as text and as HTML."""

    name: str
    is_right: bool
    is_open: bool = False
    """Whether there is no answer yet."""
    says: str

    def __str__(self) -> str:
        return f"{self._mark} {self.name}: {self._word} {self.says}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        tone: Tone = "good" if self.is_right else "info" if self.is_open else "warn"
        return card(callout(self.to_line(), tone=tone), upgrade=False)

    def to_line(self) -> Markup:
        """The sentence with its first word set off."""
        return join([self._mark, strong(self._word), self.says])

    @property
    def _mark(self) -> str:
        return "✓" if self.is_right else "…" if self.is_open else "✗"

    @property
    def _word(self) -> str:
        return "Right." if self.is_right else "Your turn." if self.is_open else "Not yet."


def verdict(name: str, answer: Any) -> Verdict:
    """Judge an answer, whatever it is.

    Parameters
    ----------
    name : str
        Of the exercise.
    answer
        ``...``, or a tuple with it, is no answer yet.
    """
    exercise = find(name)
    if exercise is None:
        return Verdict(name=name, is_right=False, says=_unknown(name))
    if answer is ... or (isinstance(answer, tuple) and any(part is ... for part in answer)):
        return Verdict(name=name, is_right=False, is_open=True, says=exercise.asks)
    try:
        wrong = exercise.judge(answer)
    except Exception as error:  # an answer can be anything, a function that fails too  # noqa: BLE001
        wrong = (
            f"Looking at the answer, which is of type {type(answer).__name__}, ended in {type(error).__name__}: "
            f"{first_line(error)}. {exercise.asks}"
        )
    return Verdict(name=name, is_right=wrong is None, says=exercise.right if wrong is None else wrong)


def find(name: str) -> Exercise | None:
    """Give the exercise of a name; None if there is none."""
    return _exercises_beside(name).get(name)


def _unknown(name: str) -> str:
    near = ", ".join(_exercises_beside(name)) or ", ".join(module.removeprefix("n") for module in modules())
    return f"There is no exercise {name!r}. There are: {near}."


def exercises(module: str) -> dict[str, Exercise]:
    """Give the exercises of a module of `vzlab.learn.exercises` by their names."""
    found: tuple[Exercise, ...] = import_module(f"{_EXERCISES}.{module}").EXERCISES
    return {exercise.name: exercise for exercise in found}


def modules() -> list[str]:
    """Give the names of the modules that hold exercises, sorted."""
    return sorted(module.name for module in iter_modules(import_module(_EXERCISES).__path__))


def _exercises_beside(name: str) -> dict[str, Exercise]:
    """Those of the same notebook or tutorial."""
    prefix = str(name).partition("-")[0]
    module = f"n{prefix}" if prefix.isdecimal() else prefix
    return exercises(module) if module in modules() else {}
