"""Variables sorted into groups: those on one grid, at one kind of level, with the same coordinates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from vzlab.parsers.grib.cubes import Cube
from vzlab.parsers.grib.keys import GROUP_KEYS


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """Variables that share their coordinates: what becomes one group."""

    cubes: dict[str, Cube]
    """By name."""
    level: str
    """Type of level."""
    path: str = ""
    """Of the group in the tree."""
    shared: dict[str, Any] = field(default_factory=dict)
    """Values of each coordinate, and what of the group."""


def arrange(named: Sequence[tuple[str, Cube]]) -> list[Shelf]:
    """Every variable in one group; names in a group differ.

    Parameters
    ----------
    named : sequence of (str, Cube)
        Variables with the names that they would like to have.
    """
    by_level: dict[str, list[Shelf]] = defaultdict(list)
    for name, cube in named:
        level = str(cube.first.key("typeOfLevel") or "unknown")
        shared = {**cube.coordinates(), **{key: cube.first.key(key) for key in _SHARED_KEYS}}
        full = "_".join([name, *cube.apart])
        for shelf in by_level[level]:
            if full not in shelf.cubes and shelf.shared == shared:
                shelf.cubes[full] = cube
                break
        else:
            by_level[level].append(Shelf(cubes={full: cube}, level=level, shared=shared))
    if len(by_level) == 1 and all(len(shelves) == 1 for shelves in by_level.values()):
        return [shelf for shelves in by_level.values() for shelf in shelves]
    return [
        Shelf(
            cubes=shelf.cubes, level=level, shared=shelf.shared, path="/".join(filter(None, (level, label)))
        )
        for level, shelves in by_level.items()
        for shelf, label in zip(shelves, _labels(shelves), strict=True)
    ]


_SHARED_KEYS = (*GROUP_KEYS, "md5GridSection", "gridType", "numberOfPoints")
_OF_VARIABLES = ("stepType", "dataType", "paramId")
_TELLING = (
    "stepType",
    "level",
    "step",
    "time",
    "number",
    "dataType",
    "gridType",
    "numberOfPoints",
    "edition",
    "paramId",
)
"""What groups at one kind of level are named after, where there are several: the first few that tell them apart."""


def _labels(shelves: Sequence[Shelf]) -> list[str]:
    """A name for each of several groups at one kind of level; empty where there is only one."""
    labels: list[tuple[str, ...]] = [()] * len(shelves)
    for key in _TELLING:
        if len(set(labels)) == len(shelves):
            break
        finer = [(*label, _label(shelf, key)) for label, shelf in zip(labels, shelves, strict=True)]
        if len(set(finer)) > len(set(labels)):
            labels = finer
    seen: dict[tuple[str, ...], int] = defaultdict(int)
    names = []
    for label in labels:
        seen[label] += 1
        number = () if seen[label] == 1 else (str(seen[label]),)
        names.append("_".join((*label, *number)).replace("/", "-"))
    return names


def _label(shelf: Shelf, key: str) -> str:
    if key in _OF_VARIABLES:
        told = sorted({str(cube.first.key(key)) for cube in shelf.cubes.values()})
        words = told if len(told) <= 3 else [told[0], "etc"]
        return "-".join(words)
    values = shelf.shared.get(key)
    if values is None:
        return f"no_{key}"
    if not isinstance(values, list):
        return f"{key}_{values}"
    shown = (
        [_shown(key, values[0])] if len(values) == 1 else [_shown(key, values[0]), _shown(key, values[-1])]
    )
    count = f"_n{len(values)}" if len(values) > 2 else ""
    return f"{key}_{'_to_'.join(shown)}{count}"


def _shown(key: str, value: float) -> str:
    if key == "time":
        return datetime.fromtimestamp(value, UTC).strftime("%Y%m%dT%H%M%S")
    return f"{value:g}"
