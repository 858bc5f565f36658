"""The metadata of a field, by the names that eccodes gives it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from vzlab.codecs._eccodes import eccodes
from vzlab.codecs.grib import open_message
from vzlab.parsers.grib.keeping import Kept
from vzlab.parsers.grib.scanning import FieldPlace

GROUP_KEYS = ("edition", "centre", "subCentre")
"""What variables of one group have in common."""

VARIABLE_KEYS = (
    "paramId",
    "dataType",
    "numberOfPoints",
    "typeOfLevel",
    "stepType",
    "gridType",
    "uvRelativeToGrid",
)
"""What all fields of one variable have in common, and what becomes attributes of it."""

IDENTITY_KEYS = (
    *GROUP_KEYS,
    *VARIABLE_KEYS,
    "discipline",
    "parameterCategory",
    "parameterNumber",
    "table2Version",
    "indicatorOfParameter",
    "md5GridSection",
)
"""All that two fields of one variable must agree in: `paramId` alone is 0 for every parameter that is not known."""

_NAME_KEYS = ("shortName", "units", "name", "cfName", "cfVarName")
_MORE_KEYS = ("totalNumber", "numberOfDirections", "numberOfFrequencies", "NV", "gridDefinitionDescription")

# What the grids of one type are told apart by, for attributes.
_LATLON = (
    "Nx",
    "Ny",
    "iDirectionIncrementInDegrees",
    "iScansNegatively",
    "jDirectionIncrementInDegrees",
    "jPointsAreConsecutive",
    "jScansPositively",
    "latitudeOfFirstGridPointInDegrees",
    "latitudeOfLastGridPointInDegrees",
    "longitudeOfFirstGridPointInDegrees",
    "longitudeOfLastGridPointInDegrees",
)
_ROTATION = (
    "angleOfRotationInDegrees",
    "latitudeOfSouthernPoleInDegrees",
    "longitudeOfSouthernPoleInDegrees",
)
_PLANE = (
    "Nx",
    "Ny",
    "DxInMetres",
    "DyInMetres",
    "LaDInDegrees",
    "iScansNegatively",
    "jPointsAreConsecutive",
    "jScansPositively",
    "latitudeOfFirstGridPointInDegrees",
    "longitudeOfFirstGridPointInDegrees",
)
GRID_KEYS: Mapping[str, tuple[str, ...]] = {
    "regular_ll": _LATLON,
    "rotated_ll": (*_LATLON, *_ROTATION),
    "regular_gg": (*_LATLON, "N"),
    "rotated_gg": (*_LATLON, *_ROTATION, "N"),
    "reduced_ll": tuple(key for key in _LATLON if not key.startswith(("i", "longitude")) and key != "Nx"),
    "reduced_gg": ("N", "pl"),
    "sh": ("M", "K", "J"),
    "lambert": (
        *_PLANE,
        "LoVInDegrees",
        "Latin1InDegrees",
        "Latin2InDegrees",
        "latitudeOfSouthernPoleInDegrees",
        "longitudeOfSouthernPoleInDegrees",
    ),
    "polar_stereographic": (*_PLANE, "orientationOfTheGridInDegrees", "projectionCentreFlag"),
    "mercator": _PLANE,
}
"""Further attributes of a variable, by type of grid."""

DIMENSIONS = ("number", "time", "step", "level", "directionNumber", "frequencyNumber")
"""What tells fields of one variable apart, in the order of its dimensions."""

_STEP_SECONDS = {0: 60, 1: 3600, 2: 86400, 10: 10800, 11: 21600, 12: 43200, 13: 1, 14: 900, 15: 1800}
"""Code table 4.4 of edition 2, which table 4 of edition 1 agrees with; as eccodes has it for `stepUnits`."""
_UNKNOWN = ("undef", "unknown")
_FRACTIONS = ("topLevel", "bottomLevel")
_ATTRIBUTES = Kept[dict[str, Any]](4_096)
_NOT_GIVEN = (None, *_UNKNOWN)


@dataclass(frozen=True, kw_only=True)
class FieldKeys:
    """A field with its metadata."""

    place: FieldPlace
    identity: tuple[Any, ...]
    """Values of `IDENTITY_KEYS`."""
    coordinates: Mapping[str, float | int]
    """What is known of `DIMENSIONS`: time in seconds since 1970, step in hours."""

    def key(self, name: str) -> Any:
        """One value of the identity."""
        return self.identity[IDENTITY_KEYS.index(name)]


def read_field_keys(place: FieldPlace) -> FieldKeys:
    """What a field is, and where along which dimension it belongs.

    Raises
    ------
    CodecError
        If eccodes does not take its header.
    """
    with open_message(place.header) as handle:
        return FieldKeys(
            place=place,
            identity=tuple(get_key(handle, key) for key in IDENTITY_KEYS),
            coordinates={
                name: value for name, value in _coordinates(handle).items() if value not in _NOT_GIVEN
            },
        )


def read_attributes(place: FieldPlace) -> dict[str, Any]:
    """Attributes of a variable, from one of its fields: those of CF, and ``GRIB_`` with the name of a key."""
    return dict(_ATTRIBUTES.get(place.header, lambda: _attributes(place.header)))


def _attributes(header: bytes) -> dict[str, Any]:
    with open_message(header) as handle:
        grid = GRID_KEYS.get(get_key(handle, "gridType"), ())
        keys = (*VARIABLE_KEYS, *_NAME_KEYS, *_MORE_KEYS, *sorted(grid))
        values = {key: get_key(handle, key) for key in keys}
    told = {key: value for key, value in values.items() if value not in _UNKNOWN and value is not None}
    attributes = {f"GRIB_{key}": value for key, value in told.items()}
    attributes["GRIB_stepUnits"] = 1
    attributes["long_name"] = told.get("name", f"original GRIB paramId: {told.get('paramId', 'undef')}")
    attributes["units"] = told.get("units", "1")
    if "cfName" in told:
        attributes["standard_name"] = told["cfName"]
    return attributes


def read_group_attributes(place: FieldPlace) -> dict[str, Any]:
    """Attributes of a group, from one of its fields."""
    told = read_keys(place, (*GROUP_KEYS, "centreDescription"))
    attributes = {f"GRIB_{key}": value for key, value in told.items() if value not in _NOT_GIVEN}
    attributes["Conventions"] = "CF-1.7"
    if "GRIB_centreDescription" in attributes:
        attributes["institution"] = attributes["GRIB_centreDescription"]
    return attributes


def read_keys(place: FieldPlace, keys: Iterable[str]) -> dict[str, Any]:
    """Values of keys of a field; None for those that it does not have."""
    with open_message(place.header) as handle:
        return {key: get_key(handle, key) for key in keys}


def get_key(handle: int, key: str, kind: type | None = None) -> Any:
    """A key as a number, a text or a list; None where the message has no such key, or none that can be told."""
    try:
        if key == "pl":
            return eccodes.codes_get_array(handle, key).tolist()
        return eccodes.codes_get(handle, key, float if key in _FRACTIONS else kind)
    except (eccodes.CodesInternalError, UnicodeDecodeError):
        return None


def _coordinates(handle: int) -> dict[str, Any]:
    level = get_key(handle, "level", float)
    return {
        "number": get_key(handle, "number"),
        "time": _time(handle),
        "step": _step(handle),
        "level": level,
        "directionNumber": get_key(handle, "directionNumber"),
        "frequencyNumber": get_key(handle, "frequencyNumber"),
    }


def _time(handle: int) -> int | None:
    """Seconds from 1970 to the reference time; None where it is no time."""
    date, time = get_key(handle, "dataDate", int), get_key(handle, "hour", int)
    minute, second = get_key(handle, "minute", int), get_key(handle, "second", int)
    if date is None or time is None:
        return None
    try:
        when = datetime(
            date // 10000, date // 100 % 100, date % 100, time, minute or 0, second or 0, tzinfo=UTC
        )
    except ValueError:
        return None
    return int(when.timestamp())


def _step(handle: int) -> float | None:
    """Hours from the reference time to the end of what the field is valid for."""
    seconds = _STEP_SECONDS.get(get_key(handle, "stepUnits", int))
    end = get_key(handle, "endStep", int)
    return None if seconds is None or end is None else end * seconds / 3600
