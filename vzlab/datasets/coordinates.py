"""Coordinates across files: which dimension they follow, in what order, with which gaps, and what must not move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from vzlab.datasets.assemble import is_virtual, manifest_array
from vzlab.datasets.findings import Finding, Holders
from vzlab.storage import StoreRegistry, read_array

MAX_STATIC_BYTES = 64 * 2**20
"""A variable that does not follow the combined dimension is read to be compared up to this size."""


def propose_concat_dim(datasets: Sequence[xr.Dataset]) -> str | None:
    """The dimension whose coordinate differs between the files, a time before any other; None if none or several do."""
    if len(datasets) < 2:
        return next(
            (str(d) for d in datasets[0].dims if datasets[0].sizes[d] and _is_time(datasets[0], d)), None
        )
    first = datasets[0]
    differing = [
        str(dim)
        for dim in first.dims
        if any(
            dim not in other.sizes
            or other.sizes[dim] != first.sizes[dim]
            or (
                dim in first.indexes
                and dim in other.indexes
                and not first.indexes[dim].equals(other.indexes[dim])
            )
            for other in datasets[1:]
        )
    ]
    times = [dim for dim in differing if _is_time(first, dim)]
    if len(times) == 1:
        return times[0]
    return differing[0] if len(differing) == 1 else None


def propose_order(datasets: Sequence[xr.Dataset], dim: str | None) -> tuple[int, ...]:
    """Positions of the files sorted by the first value of their coordinate; as given where there is none."""
    given = tuple(range(len(datasets)))
    if dim is None or any(dim not in dataset.indexes or not dataset.sizes[dim] for dataset in datasets):
        return given
    try:
        return tuple(sorted(given, key=lambda i: datasets[i].indexes[dim][0]))
    except TypeError:
        return given


def check_concat_coordinate(
    datasets: Sequence[xr.Dataset], dim: str | None, order: Sequence[int], names: Sequence[str]
) -> list[Finding]:
    """Duplicates, overlaps, disorder and gaps along the combined dimension."""
    if len(datasets) < 2:
        return []
    if dim is None:
        sentence = "No dimension's coordinate differs between the files: are they the same file twice?"
        return [
            Finding(
                variable="",
                facet="coordinates",
                severity="refused",
                sentence=f"{sentence} Say along which dimension they follow each other.",
                fix='vz.open_virtual_mfdataset(files, concat_dim="...", combine="nested")',
            )
        ]
    if any(dim not in dataset.indexes for dataset in datasets):
        return []
    indexes = [datasets[i].indexes[dim] for i in order]
    values = np.concatenate([np.asarray(index) for index in indexes])
    owner = np.repeat(np.asarray(order), [len(index) for index in indexes])
    findings = [] if list(order) == sorted(order) else [_reordered(dim)]
    by_value = np.argsort(values, kind="stable")
    repeated = np.flatnonzero(values[by_value[1:]] == values[by_value[:-1]])
    if len(repeated):
        pair = by_value[repeated[0] : repeated[0] + 2]
        return [*findings, _out_of_order(dim, values, owner, pair, names, len(repeated), "appears twice")]
    steps = values[1:] - values[:-1]
    rising = steps > steps[:1] - steps[:1]  # a zero of the type of a difference, which may be an object
    whole_way_down = not rising.any() and all(len(index) > 1 for index in indexes)
    if not rising.all() and not whole_way_down:
        wrong = np.flatnonzero(~rising)
        pair = np.array([wrong[0], wrong[0] + 1])
        return [*findings, _out_of_order(dim, values, owner, pair, names, len(wrong), "goes back")]
    return [*findings, *(_gaps(dim, values, steps) if len(steps) > 1 else [])]


def _out_of_order(
    dim: str,
    values: npt.NDArray[Any],
    owner: npt.NDArray[np.intp],
    pair: npt.NDArray[np.intp],
    names: Sequence[str],
    times: int,
    what: str,
) -> Finding:
    """Two neighbours along the combined dimension that repeat or run backwards."""
    first, second = (f"{_show(values[i])} in {names[owner[i]]}" for i in pair)
    more = f", and {times - 1} times more" if times > 1 else ""
    return Finding(
        variable=dim,
        facet="coordinates",
        severity="refused",
        sentence=f"{dim} {what}: {first} is followed by {second}{more}.",
        holders=(Holders(value="overlaps or repeats", files=tuple(sorted({int(owner[i]) for i in pair}))),),
        short=what,
        fix="# leave out the file that repeats, or select what is new with preprocess=",
    )


def _reordered(dim: str) -> Finding:
    return Finding(
        variable=dim,
        facet="coordinates",
        severity="harmless",
        sentence=f"The files were not given in the order of {dim}; combining by coordinates puts them in order.",
        short="put in order",
    )


def _gaps(dim: str, values: npt.NDArray[Any], steps: npt.NDArray[Any]) -> list[Finding]:
    usual = np.sort(steps)[len(steps) // 2]
    # Calendar months and leap years are not gaps: half as long again as usual is.
    gaps = np.flatnonzero(np.abs(steps) > 1.5 * np.abs(usual))
    if not len(gaps):
        return []
    i = int(gaps[0])
    more = f", and {len(gaps) - 1} more" if len(gaps) > 1 else ""
    return [
        Finding(
            variable=dim,
            facet="coordinates",
            severity="harmless",
            sentence=f"{dim} has {len(gaps)} gap{'s' * (len(gaps) > 1)}: nothing between {_show(values[i])} and "
            f"{_show(values[i + 1])}{more}.",
            short=f"{len(gaps)} gap{'s' * (len(gaps) > 1)}",
        )
    ]


def check_static(
    name: str, positions: Sequence[int], datasets: Sequence[xr.Dataset], registry: StoreRegistry
) -> list[Finding]:
    """Whether a variable that does not follow the combined dimension is the same in all files, bit for bit."""
    variables = [datasets[i].variables[name] for i in positions]
    if any(v.nbytes > MAX_STATIC_BYTES for v in variables if is_virtual(v)):
        return [
            Finding(
                variable=name,
                facet="coordinates",
                severity="refused",
                sentence=f"{name} does not follow the combined dimension and is too large "
                f"({variables[0].nbytes:,} bytes a file) to be compared by reading it.",
                fix=f'vz.open_virtual_mfdataset(files, drop_variables=["{name}"])',
            )
        ]
    first = _values(variables[0], registry, name)
    odd = [
        i
        for i, variable in zip(positions[1:], variables[1:], strict=True)
        if not _equal(first, variable, registry, name)
    ]
    if not odd:
        return []
    other = _values(datasets[odd[0]].variables[name], registry, name)
    same = tuple(i for i in positions if i not in set(odd))
    return [
        Finding(
            variable=name,
            facet="coordinates",
            severity="refused",
            sentence=f"{name} differs between files although it does not follow the combined dimension{_distance(first, other)}.",
            short="differs",
            holders=(
                Holders(value="as the first file", files=same),
                Holders(value="differs", files=tuple(odd)),
            ),
            fix="# these files lie on another grid: leave them out, or combine each grid for itself",
        )
    ]


def _values(variable: xr.Variable, registry: StoreRegistry, name: str) -> npt.NDArray[Any]:
    return (
        read_array(manifest_array(variable), registry, name=name)
        if is_virtual(variable)
        else np.asarray(variable)
    )


def _equal(first: npt.NDArray[Any], variable: xr.Variable, registry: StoreRegistry, name: str) -> bool:
    other = _values(variable, registry, name)
    return first.shape == other.shape and bool(
        np.array_equal(first, other, equal_nan=first.dtype.kind in "fc")
    )


def _distance(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> str:
    if a.shape != b.shape or a.dtype.kind not in "iuf" or not a.size:
        return ""
    return f", by up to {np.nanmax(np.abs(a.astype(float) - b.astype(float))):.6g}"


def _is_time(dataset: xr.Dataset, dim: Any) -> bool:
    variable = dataset.variables.get(dim)
    if variable is None:
        return False
    return (
        variable.dtype.kind in "Mm"
        or " since " in str(variable.attrs.get("units", ""))
        or variable.dtype.kind == "O"
    )


def _show(value: Any) -> str:
    if isinstance(value, np.datetime64):
        return str(value.astype("datetime64[s]")).removesuffix("T00:00:00")
    return str(value)
