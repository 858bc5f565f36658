"""Two inspections side by side: only what differs, and what follows from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from vzlab.cf import packing_of
from vzlab.display import Displayed
from vzlab.inspection.inspect import inspect
from vzlab.inspection.model import GroupInspection, Inspection, Severity, VariableInspection
from vzlab.inspection.plain_json import to_json
from vzlab.inspection.words import format_bytes, format_dims, format_list, format_shape, format_value

SCHEMA = "vzlab-diff/1"

_MEANING = ("scale_factor", "add_offset", "_FillValue", "missing_value", "units", "calendar", "_Unsigned")
_EXAMPLE = 273
"""A stored number that is decoded both ways."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that differs."""

    what: str
    """``codecs``, ``packing``, ``attribute history``."""
    left: str
    right: str
    consequence: str = ""
    """What follows from it, in a sentence; empty where nothing does."""
    severity: Severity = "fact"
    """A problem: numbers would be read wrongly if one stood for the other. A notice: they cannot be one array as they are."""


@dataclass(frozen=True, kw_only=True)
class VariableDiff:
    """One variable that differs, or that only one side has."""

    path: str
    side: Literal["both", "left", "right"]
    about: str = ""
    """Dimensions and data type, where only one side has it."""
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class InspectionDiff(Displayed):
    """What differs between two inspections."""

    _view: ClassVar = "diff"

    left: str
    """Title of the first."""
    right: str
    whole: tuple[Difference, ...]
    """Of the files, groups and global attributes."""
    variables: tuple[VariableDiff, ...]
    """Those that differ, most serious first."""
    n_same: int
    """Variables that are alike in everything that an inspection says."""

    @property
    def title(self) -> str:
        """``a.nc and b.nc``."""
        return f"{self.left} and {self.right}"

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs."""
        return not self.whole and not self.variables

    def __bool__(self) -> bool:
        return not self.is_empty

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form, of which ``schema`` is "vzlab-diff/1"."""
        names = ("title", "left", "right", "whole", "variables", "n_same")
        return {"schema": SCHEMA, **{name: to_json(getattr(self, name)) for name in names}}


def diff(a: Any, b: Any, **options: Any) -> InspectionDiff:
    """Compare what two things contain: their metadata, chunks, codecs and encodings, not their values.

    Parameters
    ----------
    a, b
        Anything that `inspect` takes, or what it gave.
    **options
        Of `inspect`, for both.

    Returns
    -------
    InspectionDiff
        Empty, and so false, where nothing differs.

    Examples
    --------
    >>> import xarray as xr
    >>> diff(xr.Dataset({"x": ("t", [1, 2])}), xr.Dataset({"x": ("t", [1.0, 2.0])})).variables[0].differences[0].what
    'data type'
    """
    left, right = (x if isinstance(x, Inspection) else inspect(x, **options) for x in (a, b))
    pairs = [
        (path, left.variables.get(path), right.variables.get(path))
        for path in dict.fromkeys([*left.variables, *right.variables])
    ]
    found = [_variable(path, one, other) for path, one, other in pairs]
    differing = [variable for variable in found if variable is not None]
    return InspectionDiff(
        left=left.title if left.title != right.title else f"{left.title} (first)",
        right=right.title if left.title != right.title else f"{right.title} (second)",
        whole=tuple(_whole(left, right)),
        variables=tuple(sorted(differing, key=_seriousness)),
        n_same=len(found) - len(differing),
    )


def _seriousness(variable: VariableDiff) -> int:
    order: dict[Severity, int] = {"problem": 0, "notice": 2, "fact": 3}
    return min((order[d.severity] for d in variable.differences), default=1)


def _variable(
    path: str, one: VariableInspection | None, other: VariableInspection | None
) -> VariableDiff | None:
    if one is not None and other is not None:
        differences = tuple(_differences(one, other))
        return VariableDiff(path=path, side="both", differences=differences) if differences else None
    alone = one or other
    assert alone is not None
    about = f"{format_dims(alone.dims, alone.shape)} {alone.dtype}"
    return VariableDiff(path=path, side="left" if one is not None else "right", about=about)


type _Say = Callable[[VariableInspection], str]

_ASPECTS: tuple[tuple[str, _Say, Severity, str], ...] = (
    ("dimensions", lambda v: format_dims(v.dims, v.shape), "fact", ""),
    (
        "data type",
        lambda v: v.dtype,
        "notice",
        "One array has one data type: to join them, one must be encoded again or loaded.",
    ),
    (
        "byte order",
        lambda v: f"{v.byte_order}-endian" if v.byte_order else "",
        "notice",
        "One array has one byte order: to join them, one must be encoded again or loaded.",
    ),
    ("held", lambda v: v.held, "fact", ""),
    (
        "chunks",
        lambda v: "; ".join(v.chunking.lengths) or format_shape(v.chunking.chunk_shape) or v.chunking.kind,
        "notice",
        "Joined, they make a rectilinear grid where their boundaries line up: Icechunk keeps it, Kerchunk cannot say it.",
    ),
    (
        "never written",
        lambda v: f"{v.counts.missing:,} of {v.counts.total:,} chunks" if v.counts is not None else "",
        "fact",
        "",
    ),
    (
        "unwritten chunks read as",
        lambda v: v.encoding.fill or "",
        "problem",
        "A chunk that was never written reads as another number.",
    ),
    ("stored", lambda v: "" if v.stored_bytes is None else format_bytes(v.stored_bytes), "fact", ""),
)
"""What is said of a variable by one sentence: how, how serious a difference is, and what follows from it."""


def _differences(one: VariableInspection, other: VariableInspection) -> Iterator[Difference]:
    yield from _meaning(one, other)
    for what, say, severity, consequence in _ASPECTS:
        left, right = say(one), say(other)
        if left != right:
            yield Difference(what=what, left=left, right=right, severity=severity, consequence=consequence)
    yield from _codecs(one, other)
    yield from _attributes(one.attributes, other.attributes, leave_out=_MEANING)


def _meaning(one: VariableInspection, other: VariableInspection) -> Iterator[Difference]:
    """What stored numbers mean: packing, missing values, units and calendar."""
    a, b = one.encoding, other.encoding
    units = f" {a.units}" if a.units and a.units == b.units else ""
    if a.formula != b.formula:
        means, meant = (packing_of(v.attributes).decode(_EXAMPLE) for v in (one, other))
        known = not math.isnan(means + meant) and means != meant
        yield Difference(
            what="packing",
            left=a.formula or "stored numbers are the values",
            right=b.formula or "stored numbers are the values",
            severity="problem",
            consequence=f"A stored {_EXAMPLE} means {means:.6g}{units} on the left and {meant:.6g}{units} on the right."
            if known
            else "The same stored number means two values.",
        )
    if a.missing != b.missing:
        yield Difference(
            what="missing values",
            left=format_list(a.missing) or "none",
            right=format_list(b.missing) or "none",
            severity="problem",
            consequence="What means no data on one side is a measured value on the other.",
        )
    if (a.units, a.calendar) != (b.units, b.calendar):
        left, right = (f"{e.units}, {e.calendar} calendar" if e.calendar else e.units for e in (a, b))
        yield Difference(
            what="units",
            left=left or "none",
            right=right or "none",
            severity="problem",
            consequence="The same stored number is another time."
            if a.is_time or b.is_time
            else "The same number is another quantity.",
        )


def _codecs(one: VariableInspection, other: VariableInspection) -> Iterator[Difference]:
    if not (one.codecs_known and other.codecs_known) or one.codecs == other.codecs:
        return
    alike = [codec.decoding_form for codec in one.codecs] == [codec.decoding_form for codec in other.codecs]
    yield Difference(
        what="codecs",
        left=" > ".join(map(str, one.codecs)),
        right=" > ".join(map(str, other.codecs)),
        severity="fact" if alike else "notice",
        consequence="They decode alike, and may stand in one array."
        if alike
        else "One array has one codec chain: to join them, one must be encoded again or loaded.",
    )


def _attributes(
    left: Mapping[str, Any], right: Mapping[str, Any], *, leave_out: tuple[str, ...] = ()
) -> Iterator[Difference]:
    for name in dict.fromkeys([*left, *right]):
        if name in leave_out:
            continue
        values = [format_value(side[name]) if name in side else "" for side in (left, right)]
        if values[0] != values[1]:
            yield Difference(what=f"attribute {name}", left=values[0], right=values[1])


def _whole(left: Inspection, right: Inspection) -> Iterator[Difference]:
    said: tuple[tuple[str, Callable[[Inspection], str]], ...] = (
        ("kind", lambda x: x.kind),
        ("format", lambda x: x.format),
        ("file size", lambda x: "" if x.file_bytes is None else format_bytes(x.file_bytes)),
        ("files", lambda x: f"{len(x.sources):,}"),
        ("chunk index decoded by", lambda x: x.index_decoder),
    )
    for what, say in said:
        if say(left) != say(right):
            yield Difference(what=what, left=say(left), right=say(right))
    groups = [{group.path: group for group in x.root.walk()} for x in (left, right)]
    for path in dict.fromkeys([*groups[0], *groups[1]]):
        yield from _group(path, groups[0].get(path), groups[1].get(path))
    refused = [{u.path: u for u in x.unreadable} for x in (left, right)]
    for path in sorted(refused[0].keys() ^ refused[1].keys()):
        reasons = [side[path].reason if path in side else "" for side in refused]
        yield Difference(
            what=f"{path} cannot be virtualized", left=reasons[0], right=reasons[1], severity="notice"
        )


def _group(path: str, left: GroupInspection | None, right: GroupInspection | None) -> Iterator[Difference]:
    if left is None or right is None:
        yield Difference(
            what=f"group {path}", left="there" if left else "absent", right="there" if right else "absent"
        )
        return
    prefix = f"{path}: " if path else ""
    for difference in _attributes(left.attributes, right.attributes):
        yield Difference(what=prefix + difference.what, left=difference.left, right=difference.right)
