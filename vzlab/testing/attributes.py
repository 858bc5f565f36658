"""L0: attributes of the virtual side against those of every source file: constant, varying or conflicting."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from vzlab.cf import ENCODING_ATTRIBUTES, TIME_ATTRIBUTES
from vzlab.oracles import NativeVariable, Unclear
from vzlab.telling import told_of
from vzlab.testing.comparison import AttributeFact, Finding
from vzlab.testing.difference import show_value
from vzlab.testing.native_files import NativeFiles
from vzlab.testing.record import Record
from vzlab.testing.virtual_side import VirtualSide, VirtualVariable

_LEVEL = "L0"
MEANING = frozenset({*ENCODING_ATTRIBUTES, *TIME_ATTRIBUTES})
"""Attributes that say what stored numbers mean."""
PLUMBING = frozenset(
    {
        "coordinates",
        "_ARRAY_DIMENSIONS",
        "_NCProperties",
        "_nc3_strict",
        "_Netcdf4Dimid",
        "_Netcdf4Coordinates",
    }
)
"""Attributes of the containers: xarray moves ``coordinates`` about, the others say how a file is built."""
_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
ABSENT = object()
"""Stands for an attribute that is not there."""
_MAX_VALUES = 3
"""Values of a varying attribute that are shown."""


def check_attributes(
    variable: VirtualVariable, described: Sequence[NativeVariable], holders: Sequence[str], record: Record
) -> int:
    """Compare the attributes of a variable with those in every file that has it; gives how many were compared."""
    skip = set(PLUMBING)
    if not variable.has_stored_values:  # what its values mean is compared as values
        skip |= MEANING | {"dtype", "bounds"}
    return _compare_attributes(
        variable.path,
        variable.attributes,
        {url: native.attributes for url, native in zip(holders, described, strict=True)},
        skip,
        variable.implied_fill,
        record,
        variable.reencoded,
    )


def check_group_attributes(virtual: VirtualSide, native: NativeFiles, record: Record) -> int:
    """Compare the attributes of groups with those of every file; gives how many were compared."""
    checked = 0
    for path, attributes in virtual.group_attributes.items():
        theirs = {url: groups[path] for url, groups in native.group_attributes.items() if path in groups}
        if theirs:
            checked += _compare_attributes(path, attributes, theirs, set(PLUMBING), None, record)
    return checked


def _compare_attributes(
    path: str,
    ours: Mapping[str, Any],
    theirs: Mapping[str, Mapping[str, Any]],
    skip: Collection[str],
    implied_fill: Any,
    record: Record,
    reencoded: Collection[str] = (),
) -> int:
    """Compare attributes of one variable or group with those of every native file; gives how many were compared.

    Files in `reencoded` may say something else of what stored numbers mean: theirs were encoded anew.
    """
    names = dict.fromkeys([*ours, *(name for attributes in theirs.values() for name in attributes)])
    checked = 0
    for name in told_of(f"L0 {path or '/'}", names):
        if name in skip:
            continue
        found = ours.get(name, ABSENT)
        if found is ABSENT and name == "_FillValue" and implied_fill is not None:
            found = implied_fill
        values = {url: attributes.get(name, ABSENT) for url, attributes in theirs.items()}
        if any(value is Unclear.VALUE for value in values.values()):
            continue
        checked += 1
        may_be_nan = name in {"_FillValue", "missing_value"}
        different = [
            url
            for url, value in values.items()
            if not (name in MEANING and url in reencoded)
            and not same_attribute(found, value, may_be_nan=may_be_nan)
        ]
        first = next(iter(values.values()))
        varies = any(not same_attribute(first, value) for value in values.values())
        if len(values) > 1:
            record.attributes.append(_fact(path, name, found, list(values.values()), varies))
        if not different:
            continue
        if found is ABSENT and varies and name not in MEANING:
            record.note(
                f"{_named(path)} differs between native files in {name!r}, which the virtual dataset leaves out"
            )
            continue
        record.find(_attribute_finding(path, name, found, values, different, varies))
    return checked


def _fact(path: str, name: str, found: Any, values: Sequence[Any], varies: bool) -> AttributeFact:
    counts = Counter(map(_shown, values if varies else values[:1]))
    most = counts.most_common(_MAX_VALUES)
    return AttributeFact(
        variable=path,
        name=name,
        kind=("conflicting" if name in MEANING else "varying") if varies else "constant",
        n_files=len(values),
        n_values=len(counts),
        values=tuple((value, n if varies else len(values)) for value, n in most),
        virtual_value=_shown(found),
    )


def _attribute_finding(
    path: str, name: str, found: Any, values: Mapping[str, Any], different: Sequence[str], varies: bool
) -> Finding:
    url = different[0]
    cause = ""
    if varies and name in MEANING:
        cause = f"files differ in {name!r}: their numbers mean different things under one attribute"
    elif varies:
        cause = "an attribute of some files that the whole dataset claims"
    many = f" in {len(different)} of {len(values)} native files" if len(values) > 1 else ""
    return Finding(
        level=_LEVEL,
        variable=path,
        message=f"attribute {name!r}: {_verb(found, values[url])}{many}",
        cause=cause,
        virtual_value=_shown(found),
        native_value=_shown(values[url]),
        file=url,
    )


def _verb(found: Any, native: Any) -> str:
    if found is ABSENT:
        return "lost"
    return "not there" if native is ABSENT else "another value"


def differing_attributes(
    ours: Mapping[str, Any], theirs: Mapping[str, Any], names: Collection[str]
) -> list[str]:
    """Those of some attributes that are not alike on both sides."""
    return [
        name
        for name in sorted({*ours, *theirs} & set(names))
        if not same_attribute(ours.get(name, ABSENT), theirs.get(name, ABSENT), may_be_nan=True)
    ]


def same_attribute(a: Any, b: Any, *, may_be_nan: bool = False) -> bool:
    """Whether two values of an attribute are one, whatever container or text type they came in."""
    if a is ABSENT or b is ABSENT:
        # To mask NaN is to keep it: an attribute that does so may come and go.
        present = b if a is ABSENT else a
        return a is b or (may_be_nan and all(item != item for item in _flat(present)))
    if type(a) is type(b) is str and a == b:  # most are, of thousands of files
        return True
    left, right = _flat(a), _flat(b)
    return len(left) == len(right) and all(_same_item(x, y) for x, y in zip(left, right, strict=True))


def _flat(value: Any) -> list[Any]:
    """An attribute as a list of Python scalars: netCDF does not tell a scalar from a list of one."""
    if isinstance(value, Mapping):
        return [value]
    if isinstance(value, complex | np.complexfloating):  # as JSON has them
        return [float(value.real), float(value.imag)]
    if isinstance(value, list | tuple):
        return [item for part in value for item in _flat(part)]
    if isinstance(value, np.ndarray):
        return [item for part in value.reshape(-1).tolist() for item in _flat(part)]
    if isinstance(value, np.generic):
        return [_plain_text(value.item())]
    return [_plain_text(value)]


def _plain_text(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            return value.rstrip(b"\0").decode()
        except UnicodeDecodeError:
            return value.rstrip(b"\0").decode("latin-1")  # as all parsers read text that is no UTF-8
    return value.rstrip("\0") if isinstance(value, str) else value


def _same_item(a: Any, b: Any) -> bool:
    if isinstance(a, str) != isinstance(b, str):
        a, b = (_NON_FINITE.get(x, x) if isinstance(x, str) else x for x in (a, b))
    return bool(a == b or (a != a and b != b))


def _shown(value: Any) -> str:
    if value is ABSENT:
        return "nothing"
    flat = _flat(value)
    return show_value(flat[0]) if len(flat) == 1 else show_value(str(flat))


def _named(path: str) -> str:
    return path or "The dataset"
