"""Measure contestants in turn and keep medians, spreads and ratios."""

from __future__ import annotations

import gc
import statistics
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

OURS = "vzlab"
"""The contestant that every ratio is against."""

LONG_S = 1.5
"""A peer is not run again once it took so long: what it took stands in every round."""

ENOUGH_S = 0.8
"""Further rounds are had of what is quick, for so long."""

type Measure = Callable[[], float]
"""One measurement: a number of the case's unit."""

type Contestant = Callable[[], Measure]
"""Makes ready what is to be measured, and checks that it gives the right answer; its own time does not count."""

type Unit = Literal["s", "bytes", "requests", "exponent"]


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What vzlab is to reach."""

    at_most: float
    """Of the case's unit; with `times`, a multiple."""
    times: str | None = None
    """Name of the contestant whose measurement is multiplied; None for an absolute goal."""
    any_size: bool = False
    """Whether an absolute goal holds for smaller input too; ratios always do."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row of the table."""

    topic: str
    title: str
    contestants: Mapping[str, Contestant]
    """By name, in the order of measuring; the first is vzlab."""
    unit: Unit = "s"
    goal: Goal | None = None
    repeats: int | None = None
    """Of each contestant, at least; None for as many as the run asks for. What never varies is measured once."""
    warm_up: bool = True
    """Whether each is run once before the first round."""
    in_overview: bool = True
    """Whether it is what users meet, and counts in the overview."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a case gave."""

    case: Case
    samples: Mapping[str, tuple[float, ...]]
    """Measurements by contestant, in order: those at one position were taken one after another."""
    failures: Mapping[str, str]
    """Why a contestant has no measurements, in a few words."""

    def median(self, name: str) -> float:
        """The median measurement of a contestant."""
        return statistics.median(self.samples[name])

    def ratios(self, name: str) -> tuple[float, ...]:
        """How many times what vzlab takes a contestant takes, round by round."""
        return tuple(
            theirs / ours for theirs, ours in zip(self.samples[name], self.samples[OURS], strict=True)
        )

    def reaches_goal(self, *, full_size: bool) -> bool | None:
        """Whether the median reaches the goal; None if there is none, or none for this size or without a peer."""
        goal = self.case.goal
        if goal is None or OURS in self.failures:
            return None
        if goal.times is not None:
            if goal.times in self.failures:
                return None
            return 1 / statistics.median(self.ratios(goal.times)) <= goal.at_most
        return self.median(OURS) <= goal.at_most if full_size or goal.any_size else None


def run(cases: Iterable[Case], *, repeats: int) -> Iterator[Result]:
    """Measure case by case."""
    for case in cases:
        yield measure(case, repeats=repeats)


def measure(case: Case, *, repeats: int) -> Result:
    """Measure the contestants of one case in turn: A B C A B C ...

    Before the first round each is usually run once unmeasured, so that imports, caches and the files' pages are warm for all. One
    that raises is left out, with its error kept; what the others do goes on. Of what is quick there are more rounds than a case
    asks for, up to `repeats`.
    """
    least = case.repeats or repeats
    most = 1 if least == 1 else max(least, repeats)
    ready: dict[str, Measure] = {}
    failures: dict[str, str] = {}
    samples: dict[str, list[float]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, contestant in case.contestants.items():
            try:
                prepared = contestant() if name == OURS else once_if_long(contestant())
                if case.warm_up:
                    prepared()
            except Exception as error:  # noqa: BLE001 - whatever a peer raises is its result
                failures[name] = _said(error)
            else:
                ready[name] = prepared
                samples[name] = []
        began = time.perf_counter()
        for number in range(most):
            if number >= least and time.perf_counter() - began > ENOUGH_S:
                break
            if number == 1:
                began = time.perf_counter()  # the first round is the one of those that take long
            for name, prepared in ready.items():
                if name in failures:
                    continue
                gc.collect()
                try:
                    samples[name].append(prepared())
                except Exception as error:  # noqa: BLE001
                    failures[name] = _said(error)
    measured = {name: tuple(values) for name, values in samples.items() if name not in failures}
    return Result(case=case, samples=measured, failures=failures)


def once_if_long(measure: Measure) -> Measure:
    """The measurement, which gives what it gave before if that took longer than `LONG_S`."""
    kept: list[float] = []

    def one() -> float:
        if kept:
            return kept[0]
        start = time.perf_counter()
        value = measure()
        if time.perf_counter() - start > LONG_S:
            kept.append(value)
        return value

    return one


def _said(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"no {error.name}"
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0][:80]}"


def wall[T, R](
    action: Callable[[T], R],
    prepare: Callable[[], T],
    *,
    per: int = 1,
    clock: Callable[[], float] = time.perf_counter,
    check: Callable[[R], object] | None = None,
) -> Measure:
    """Time an action on what is freshly prepared for each measurement.

    Parameters
    ----------
    per : int
        The time is divided by this number of equal parts of the action.
    clock : callable
        ``time.process_time`` counts the processor time of all threads instead.
    check : callable, optional
        Looks, each time, at what the action gave: for peers that take too long to be run for a check alone.
    """

    def one() -> float:
        given = prepare()
        start = clock()
        result = action(given)
        elapsed = clock() - start
        if check is not None:
            check(result)
        del result  # what it takes to throw the result away is not counted
        return elapsed / per

    return one


def timed[R](
    action: Callable[[], R],
    *,
    per: int = 1,
    clock: Callable[[], float] = time.perf_counter,
    check: Callable[[R], object] | None = None,
) -> Measure:
    """Time an action; parameters are those of `wall`."""
    return wall(lambda _: action(), lambda: None, per=per, clock=clock, check=check)


def require(condition: bool, what: str) -> None:
    """Refuse to measure what gives a wrong answer.

    Raises
    ------
    AssertionError
        Saying what is wrong.
    """
    if not condition:
        raise AssertionError(what)
