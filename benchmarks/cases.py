"""All cases, topic by topic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks import (
    comparing,
    growth,
    importing,
    inspecting,
    manifests,
    opening,
    parsing,
    reading,
    remote,
    writing,
)
from benchmarks.files import Files
from benchmarks.harness import Case
from benchmarks.scale import Scale


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A table of the report."""

    title: str
    note: str
    cases: Callable[[Scale, Files], Iterator[Case]]


TOPICS = tuple(
    Topic(title=module.TOPIC, note=module.NOTE, cases=module.cases)
    for module in (
        parsing,
        opening,
        remote,
        manifests,
        writing,
        reading,
        comparing,
        inspecting,
        importing,
        growth,
    )
)
