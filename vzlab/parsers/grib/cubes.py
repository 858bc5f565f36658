"""Fields sorted into variables: which belong together, along which dimensions, and where each one goes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.parsers.grib.keys import DIMENSIONS, FieldKeys, read_keys

MAX_EMPTY = 1_000
"""A variable may have so many places for each of its fields; sparser ones are taken apart."""
_FEW_PLACES = 100_000

DECREASING = ("isobaricInhPa", "isobaricInPa")
"""Levels that are listed from the ground up, which is from the highest pressure down."""

APART_KEYS = (
    "startStep",
    "topLevel",
    "bottomLevel",
    "typeOfFirstFixedSurface",
    "typeOfSecondFixedSurface",
    "derivedForecast",
    "percentileValue",
    "probabilityType",
    "lowerThreshold",
    "upperThreshold",
    "lowerLimit",
    "upperLimit",
    "typeOfStatisticalProcessing",
    "lengthOfTimeRange",
    "constituentType",
    "aerosolType",
    "sourceSinkChemicalPhysicalProcess",
    "spatialProcess",
    "satelliteSeries",
    "satelliteNumber",
    "instrumentType",
    "channelNumber",
    "typeOfEnsembleForecast",
    "typeOfGeneratingProcess",
    "generatingProcessIdentifier",
    "backgroundProcess",
    "experimentVersionNumber",
    "marsClass",
    "marsStream",
    "marsType",
    "systemNumber",
    "methodNumber",
    "clusterNumber",
    "tileIndex",
    "tileAttribute",
    "typeOfWaveDirectionSequence",
)
"""What may tell fields apart that have the same place in a variable, the most telling first."""


@dataclass(frozen=True, kw_only=True)
class Cube:
    """The fields of one variable, each at its place along the dimensions."""

    fields: tuple[FieldKeys, ...]
    apart: tuple[str, ...] = ()
    """What tells it from another that would have the same name: to be added to its name."""

    @property
    def first(self) -> FieldKeys:
        """The field that is first in the file."""
        return self.fields[0]

    def values(self, dimension: str) -> list[float | int] | None:
        """Values along a dimension in their order; None where the fields have none."""
        if dimension not in self.first.coordinates:
            return None
        decreasing = dimension == "level" and self.first.key("typeOfLevel") in DECREASING
        return sorted({field.coordinates[dimension] for field in self.fields}, reverse=decreasing)

    def coordinates(self) -> dict[str, list[float | int]]:
        """Every dimension that the fields have a value of, and the values."""
        found = {name: self.values(name) for name in DIMENSIONS}
        return {name: values for name, values in found.items() if values is not None}

    def places(self, dimensions: Sequence[str]) -> tuple[npt.NDArray[np.intp], ...]:
        """Index of each field along each of these dimensions."""
        columns = []
        for name in dimensions:
            order = {value: i for i, value in enumerate(self.values(name) or ())}
            columns.append(np.array([order[field.coordinates[name]] for field in self.fields], np.intp))
        return tuple(columns)


def sort_into_cubes(fields: Iterable[FieldKeys]) -> list[Cube]:
    """Every field in one variable; two never have the same place in one."""
    groups: dict[Any, list[FieldKeys]] = defaultdict(list)
    for field in fields:
        groups[field.identity, tuple(field.coordinates)].append(field)
    return [
        cube
        for group in groups.values()
        for unique in _without_duplicates(Cube(fields=tuple(group)))
        for cube in _dense(unique)
    ]


def _without_duplicates(cube: Cube) -> list[Cube]:
    """A variable taken apart until no two fields have the same place, by what distinguishes such two."""
    counts = Counter(_place(field) for field in cube.fields)
    doubled = [field for field in cube.fields if counts[_place(field)] > 1]
    if not doubled:
        return [cube]
    told = {id(field): read_keys(field.place, APART_KEYS) for field in doubled}
    for key in APART_KEYS:
        by_place: dict[Any, set[str]] = defaultdict(set)
        for field in doubled:
            by_place[_place(field)].add(str(told[id(field)][key]))
        if any(len(values) > 1 for values in by_place.values()):
            values = [read_keys(field.place, [key])[key] for field in cube.fields]
            parts = _split(cube, [f"{key}_{value}" for value in values])
            return [part for whole in parts for part in _without_duplicates(whole)]
    # The same field several times, or several that nothing known tells apart: by their order in the file.
    seen: Counter[Any] = Counter()
    labels = []
    for field in cube.fields:
        seen[_place(field)] += 1
        labels.append(str(seen[_place(field)]))
    return _split(cube, labels)


def _split(cube: Cube, labels: Sequence[str]) -> list[Cube]:
    parts: dict[str, list[FieldKeys]] = defaultdict(list)
    for field, label in zip(cube.fields, labels, strict=True):
        parts[label].append(field)
    # The first of those that differ in nothing else keeps the plain name.
    return [
        replace(cube, fields=tuple(part), apart=cube.apart if label == "1" else (*cube.apart, label))
        for label, part in parts.items()
    ]


def _dense(cube: Cube) -> list[Cube]:
    """A variable taken apart by its longest dimension for as long as nearly all of its places would be empty."""
    lengths = {name: len(values) for name, values in cube.coordinates().items()}
    n_places = int(np.prod(list(lengths.values()), dtype=object)) if lengths else 1
    if n_places <= max(_FEW_PLACES, MAX_EMPTY * len(cube.fields)):
        return [cube]
    longest = max(lengths, key=lambda name: lengths[name])
    parts = _split(cube, [f"{longest}_{field.coordinates[longest]:g}" for field in cube.fields])
    return [dense for part in parts for dense in _dense(part)]


def _place(field: FieldKeys) -> tuple[Any, ...]:
    return tuple(field.coordinates.values())


def matches(field: FieldKeys, wanted: Mapping[str, Any]) -> bool:
    """Whether a field has these values of keys; one of several where a list is given."""
    told = read_keys(field.place, wanted) if wanted else {}
    return all(
        told[key] in (value if isinstance(value, list | tuple | set | frozenset) else (value,))
        for key, value in wanted.items()
    )
