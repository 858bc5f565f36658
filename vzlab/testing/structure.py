"""L0: variables, dimensions, shapes, data types and attributes, all of them, without reading data."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vzlab.cf import TIME_ATTRIBUTES
from vzlab.oracles import NativeVariable
from vzlab.testing.arrangement import Arrangement
from vzlab.testing.attributes import (
    MEANING,
    check_attributes,
    check_group_attributes,
    differing_attributes,
)
from vzlab.testing.comparison import Finding
from vzlab.testing.native_files import NativeFiles, show_files
from vzlab.testing.record import Record
from vzlab.testing.virtual_side import VirtualSide, VirtualVariable

_LEVEL = "L0"


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
        _check_shape(variable, described[0], native, holders, arrangement, record)
        _check_dtype(variable, described, holders, record)
        checked += 2 + check_attributes(variable, described, holders, record)
    checked += check_group_attributes(virtual, native, record)
    record.cover(_LEVEL, checked, checked, "facts")


def match_axes(virtual: VirtualSide, native: NativeFiles, record: Record) -> None:
    """Hold files that have the axes of a variable in another order against it dimension by dimension."""
    for path, variable in virtual.variables.items():
        files = native.show_axes_as(path, variable.dims)
        if files:
            record.note(
                f"{path} has its axes in another order in {show_files(files)}: it is compared as over "
                f"({', '.join(variable.dims)})"
            )


def mark_rewritten(virtual: VirtualSide, native: NativeFiles, record: Record) -> None:
    """Find variables that were decoded and stored anew, in another encoding: only their decoded values can be equal."""
    for path, variable in virtual.variables.items():
        holders = native.holders(path)
        if variable.array is None or not holders or virtual.has_virtual_chunks(path):
            continue
        described = native.variables[holders[0]][path]
        other_type = described.dtype is not None and not same_type(variable.dtype, described.dtype)
        changed = differing_attributes(variable.attributes, described.attributes, MEANING)
        if not other_type and not changed:
            # Times of files that count them otherwise are counted as in the first.
            changed = sorted(
                {
                    name
                    for url in holders
                    for name in _counted_otherwise(variable, native.variables[url][path])
                }
            )
        if other_type or changed:
            virtual.variables[path] = replace(variable, is_rewritten=True)
            what = ", ".join([*changed, *(["data type"] if other_type else [])])
            record.note(
                f"{path} is stored anew in another encoding ({what}): its decoded values are compared"
            )


def _counted_otherwise(variable: VirtualVariable, described: NativeVariable) -> list[str]:
    """What of the encoding of times is another in a native file; nothing of what is no time on both sides."""
    both = variable.attributes, described.attributes
    if not all(" since " in str(attributes.get("units")) for attributes in both):
        return []
    other_type = described.dtype is not None and not same_type(variable.dtype, described.dtype)
    return [*differing_attributes(*both, TIME_ATTRIBUTES), *(["data type"] if other_type else [])]


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
        elif path not in known and not native.unopened:
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
    native_files: NativeFiles,
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
            then = "they must read as fill" if not native_files.unopened else "some file was not opened"
            record.note(f"{axis.extra} of {size} positions along {axis.dim!r} are in no native file: {then}")


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
        if url in variable.reencoded:
            continue
        if native.dtype is not None and not same_type(variable.dtype, native.dtype):
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


def same_type(ours: np.dtype[Any], theirs: np.dtype[Any]) -> bool:
    """Whether stored values are of one type, byte order and padding apart."""
    if ours == theirs or ours.newbyteorder("=") == theirs.newbyteorder("="):
        return True
    if ours.kind in "OSUT" and theirs.kind in "OSUT":
        return True
    if ours.names is not None and theirs.names is not None:  # padding and byte order are not values
        return ours.names == theirs.names and all(
            same_type(ours[name].base, theirs[name].base) for name in ours.names
        )
    return ours.kind == theirs.kind == "V" and ours.itemsize == theirs.itemsize and ours.names == theirs.names


def _shaped(dims: Sequence[str | None], shape: Sequence[int]) -> str:
    return "(" + ", ".join(f"{dim or '?'}: {size}" for dim, size in zip(dims, shape, strict=True)) + ")"
