"""L0: variables, dimensions, shapes, data types and attributes, all of them, without reading data."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vzlab.cf import ENCODING_ATTRIBUTES, TIME_ATTRIBUTES
from vzlab.testing.arrangement import Arrangement
from vzlab.testing.comparison import Finding
from vzlab.testing.difference import show_value
from vzlab.testing.native_files import NativeFiles
from vzlab.testing.oracles import NativeVariable, Unclear
from vzlab.testing.record import Record
from vzlab.testing.virtual_side import VirtualSide, VirtualVariable

_LEVEL = "L0"
_MEANING = frozenset({*ENCODING_ATTRIBUTES, *TIME_ATTRIBUTES})
_PLUMBING = frozenset(
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
_ABSENT = object()


def check_structure(
    virtual: VirtualSide,
    native: NativeFiles,
    arrangement: Arrangement,
    record: Record,
    dropped: Collection[str],
) -> None:
    """Compare what both sides say of themselves."""
    _check_presence(virtual, native, record, dropped)
    for path, reason in arrangement.problems.items():
        if "number of dimensions" in reason:
            first = native.variables[native.holders(path)[0]][path]
            record.find(
                Finding(
                    level=_LEVEL,
                    variable=path,
                    message=f"shape: {reason}",
                    virtual_value=_shaped(virtual.variables[path].dims, virtual.variables[path].shape),
                    native_value=_shaped(first.dims, first.shape),
                )
            )
        else:
            record.gap(_LEVEL, path, reason)
    for path, one, other in arrangement.duplicates:
        record.find(
            Finding(
                level=_LEVEL,
                variable=path,
                message=f"duplicate: two native files answer for the same place, {one} and {other}",
                cause="the same file twice, or files that overlap",
                file=other,
            )
        )
    checked = 0
    for path, variable in virtual.variables.items():
        holders = native.holders(path)
        if not holders or not arrangement.known(path):
            continue
        described = [native.variables[url][path] for url in holders]
        _check_shape(variable, described[0], holders, arrangement, record)
        _check_dtype(variable, described, holders, record)
        checked += 2 + _check_attributes(variable, described, holders, record)
    checked += _check_group_attributes(virtual, native, record)
    record.cover(_LEVEL, checked, checked, "facts")


def mark_rewritten(virtual: VirtualSide, native: NativeFiles, record: Record) -> None:
    """Find variables that were decoded and stored anew, in another encoding: only their decoded values can be equal."""
    for path, variable in virtual.variables.items():
        holders = native.holders(path)
        if variable.array is None or not holders or virtual.has_virtual_chunks(path):
            continue
        described = native.variables[holders[0]][path]
        other_type = described.dtype is not None and not _same_type(variable.dtype, described.dtype)
        changed = [
            name
            for name in sorted(_MEANING & {*variable.attributes, *described.attributes})
            if not _same_attribute(
                variable.attributes.get(name, _ABSENT),
                described.attributes.get(name, _ABSENT),
                may_be_nan=True,
            )
        ]
        if other_type or changed:
            virtual.variables[path] = replace(variable, is_rewritten=True)
            what = ", ".join([*changed, *(["data type"] if other_type else [])])
            record.note(f"{path} is stored anew, with another {what}: its decoded values are compared")


# -- which variables --------------------------------------------------------------------------------------------------


def _check_presence(
    virtual: VirtualSide, native: NativeFiles, record: Record, dropped: Collection[str]
) -> None:
    known = {path: url for url in reversed(native.urls) for path in native.variables[url]}
    shown = {
        native.variables[url][path].identity for path in virtual.variables for url in native.holders(path)
    }
    for path, url in known.items():
        name = path.rpartition("/")[2]
        if path in virtual.variables or {path, name} & set(dropped):
            continue
        if path in virtual.left_out:
            record.note(f"{path} is left out, and says so: {virtual.left_out[path]}")
        elif path in virtual.unusable:
            record.find(
                Finding(
                    level=_LEVEL,
                    variable=path,
                    message=f"unreadable: {virtual.unusable[path]}",
                    cause="codec or data type",
                    file=url,
                )
            )
        elif native.variables[url][path].identity not in shown:
            record.find(
                Finding(
                    level=_LEVEL,
                    variable=path,
                    message="missing: the native files have this variable, the virtual dataset does not. "
                    f"If that is meant, say drop_variables=[{name!r}]",
                    file=url,
                )
            )
    for path in virtual.variables:
        if path not in known and native.silence:
            record.gap(_LEVEL, path, f"the native reader says nothing of it: {native.silence}")
        elif path not in known:
            record.find(
                Finding(level=_LEVEL, variable=path, message="extra: no native file has this variable")
            )
    for path in virtual.variables:
        holders = native.holders(path)
        if holders and len(holders) < len(native.urls) and _expected_everywhere(path, holders, native):
            lacking = [url for url in native.urls if url not in set(holders)]
            record.note(
                f"{path} is in {len(holders)} of {len(native.urls)} native files; {lacking[0]} lacks it"
            )


def _expected_everywhere(path: str, holders: Sequence[str], native: NativeFiles) -> bool:
    """Whether files that lack a variable are otherwise like those that have it."""
    like = set(native.variables[holders[0]]) - {path}
    return any(like <= set(native.variables[url]) for url in native.urls if url not in set(holders))


# -- shape and type ---------------------------------------------------------------------------------------------------


def _check_shape(
    variable: VirtualVariable,
    native: NativeVariable,
    holders: Sequence[str],
    arrangement: Arrangement,
    record: Record,
) -> None:
    new = next(
        (i for i in range(len(variable.shape)) if (a := arrangement.axis(variable.path, i)) and a.is_new),
        None,
    )
    names = [dim for i, dim in enumerate(variable.dims) if i != new]
    if any(
        theirs is not None and theirs != ours and not _made_up(theirs, ours)
        for ours, theirs in zip(names, native.dims, strict=True)
    ):
        record.find(
            Finding(
                level=_LEVEL,
                variable=variable.path,
                message="dimensions: names differ",
                virtual_value=_shaped(variable.dims, variable.shape),
                native_value=_shaped(native.dims, native.shape),
                file=holders[0],
            )
        )
    for i, size in enumerate(variable.shape):
        axis = arrangement.axis(variable.path, i)
        if axis is None:
            at = i - (new is not None and i > new)
            if native.shape[at] != size:
                _differs_in_length(variable, i, native.shape[at], holders[0], record)
        elif axis.absent or (axis.extra and not axis.by):
            _differs_in_length(variable, i, axis.expected_size, "", record)
        elif axis.extra:
            record.note(
                f"{axis.extra} of {size} positions along {axis.dim!r} are in no native file: they must read as fill"
            )


def _made_up(theirs: str, ours: str) -> bool:
    return theirs.startswith("phony_dim_") and ours.startswith("phony_dim_")


def _differs_in_length(
    variable: VirtualVariable, axis: int, expected: int, file: str, record: Record
) -> None:
    size = variable.shape[axis]
    record.find(
        Finding(
            level=_LEVEL,
            variable=variable.path,
            message=f"length: {size} along {variable.dims[axis]!r}, and {expected} natively",
            cause="a source file is missing from one side"
            if size < expected
            else "positions that no native file has",
            virtual_value=str(size),
            native_value=str(expected),
            file=file,
        )
    )


def _check_dtype(
    variable: VirtualVariable, described: Sequence[NativeVariable], holders: Sequence[str], record: Record
) -> None:
    if not variable.has_stored_values:
        return
    for native, url in zip(described, holders, strict=True):
        if native.dtype is not None and not _same_type(variable.dtype, native.dtype):
            record.find(
                Finding(
                    level=_LEVEL,
                    variable=variable.path,
                    message="data type: stored values differ in type",
                    virtual_value=str(variable.dtype),
                    native_value=str(native.dtype),
                    file=url,
                )
            )
            return


def _same_type(ours: np.dtype[Any], theirs: np.dtype[Any]) -> bool:
    if ours == theirs or ours.newbyteorder("=") == theirs.newbyteorder("="):
        return True
    if ours.kind in "OSUT" and theirs.kind in "OSUT":
        return True
    if ours.names is not None and theirs.names is not None:  # padding and byte order are not values
        return ours.names == theirs.names and all(
            _same_type(ours[name].base, theirs[name].base) for name in ours.names
        )
    return ours.kind == theirs.kind == "V" and ours.itemsize == theirs.itemsize and ours.names == theirs.names


# -- attributes -------------------------------------------------------------------------------------------------------


def _check_attributes(
    variable: VirtualVariable, described: Sequence[NativeVariable], holders: Sequence[str], record: Record
) -> int:
    skip = set(_PLUMBING)
    if not variable.has_stored_values:  # what its values mean is compared as values
        skip |= _MEANING | {"dtype", "bounds"}
    return _compare_attributes(
        variable.path,
        variable.attributes,
        {url: native.attributes for url, native in zip(holders, described, strict=True)},
        skip,
        variable.implied_fill,
        record,
    )


def _check_group_attributes(virtual: VirtualSide, native: NativeFiles, record: Record) -> int:
    checked = 0
    for path, attributes in virtual.group_attributes.items():
        theirs = {url: groups[path] for url, groups in native.group_attributes.items() if path in groups}
        if theirs:
            checked += _compare_attributes(path, attributes, theirs, set(_PLUMBING), None, record)
    return checked


def _compare_attributes(
    path: str,
    ours: Mapping[str, Any],
    theirs: Mapping[str, Mapping[str, Any]],
    skip: Collection[str],
    implied_fill: Any,
    record: Record,
) -> int:
    """Compare attributes of one variable or group with those of every native file; gives how many were compared."""
    names = dict.fromkeys([*ours, *(name for attributes in theirs.values() for name in attributes)])
    checked = 0
    for name in names:
        if name in skip:
            continue
        found = ours.get(name, _ABSENT)
        if found is _ABSENT and name == "_FillValue" and implied_fill is not None:
            found = implied_fill
        values = {url: attributes.get(name, _ABSENT) for url, attributes in theirs.items()}
        if any(value is Unclear.VALUE for value in values.values()):
            continue
        checked += 1
        may_be_nan = name in {"_FillValue", "missing_value"}
        different = [
            url for url, value in values.items() if not _same_attribute(found, value, may_be_nan=may_be_nan)
        ]
        if not different:
            continue
        first = next(iter(values.values()))
        varies = any(not _same_attribute(first, value) for value in values.values())
        if found is _ABSENT and varies and name not in _MEANING:
            record.note(
                f"{_named(path)} differs between native files in {name!r}, which the virtual dataset leaves out"
            )
            continue
        record.find(_attribute_finding(path, name, found, values, different, varies))
    return checked


def _attribute_finding(
    path: str, name: str, found: Any, values: Mapping[str, Any], different: Sequence[str], varies: bool
) -> Finding:
    url = different[0]
    cause = ""
    if varies and name in _MEANING:
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
    if found is _ABSENT:
        return "lost"
    return "not there" if native is _ABSENT else "another value"


def _same_attribute(a: Any, b: Any, *, may_be_nan: bool = False) -> bool:
    if a is _ABSENT or b is _ABSENT:
        # To mask NaN is to keep it: an attribute that does so may come and go.
        present = b if a is _ABSENT else a
        return a is b or (may_be_nan and all(item != item for item in _flat(present)))
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
        return value.rstrip(b"\0").decode("utf-8", "backslashreplace")
    return value.rstrip("\0") if isinstance(value, str) else value


def _same_item(a: Any, b: Any) -> bool:
    if isinstance(a, str) != isinstance(b, str):
        a, b = (_NON_FINITE.get(x, x) if isinstance(x, str) else x for x in (a, b))
    return bool(a == b or (a != a and b != b))


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return "nothing"
    flat = _flat(value)
    return show_value(flat[0]) if len(flat) == 1 else show_value(str(flat))


def _named(path: str) -> str:
    return path or "The dataset"


def _shaped(dims: Sequence[str | None], shape: Sequence[int]) -> str:
    return "(" + ", ".join(f"{dim or '?'}: {size}" for dim, size in zip(dims, shape, strict=True)) + ")"
