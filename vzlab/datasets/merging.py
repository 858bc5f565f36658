"""Files that hold different variables: each kind combined for itself, then merged where their coordinates agree."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from vzlab.datasets.compatibility import Rules, check_datasets
from vzlab.datasets.findings import CompatibilityReport, Finding, Holders
from vzlab.datasets.packed import PackedDatasets
from vzlab.datasets.static import check_static
from vzlab.datasets.tiling import Tiling, propose_tiling
from vzlab.storage import StoreRegistry


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Files that are combined for themselves before they are merged with others."""

    files: tuple[int, ...]
    """Positions among all."""
    tiling: Tiling | None
    """Their places, where the order given decides them."""


def kinds_of(outlines: Sequence[xr.Dataset], tiling: Tiling | None) -> list[Kind]:
    """Files grouped by what ``None`` in a nested `concat_dim` merges, or by their variables where no two groups share one."""
    everything = Kind(files=tuple(range(len(outlines))), tiling=tiling)
    if tiling is not None:
        merged = [axis for axis, dim in enumerate(tiling.dims) if not dim]
        return _by_place(tiling, merged) if merged else [everything]
    members: dict[frozenset[Hashable], list[int]] = {}
    for i, outline in enumerate(outlines):
        members.setdefault(frozenset(outline.data_vars), []).append(i)
    distinct = set().union(*members)
    if len(members) < 2 or not all(members) or len(distinct) < sum(map(len, members)):
        return [everything]
    return [Kind(files=tuple(files), tiling=None) for files in members.values()]


def _by_place(tiling: Tiling, merged: Sequence[int]) -> list[Kind]:
    kept = [axis for axis in range(len(tiling.dims)) if axis not in merged]
    members: dict[tuple[int, ...], list[int]] = {}
    for i, place in enumerate(tiling.positions):
        members.setdefault(tuple(place[axis] for axis in merged), []).append(i)
    return [
        Kind(
            files=tuple(files),
            tiling=Tiling(
                dims=tuple(tiling.dims[axis] for axis in kept),
                positions=tuple(tuple(tiling.positions[i][axis] for axis in kept) for i in files),
            ),
        )
        for files in members.values()
    ]


def check_kinds(
    datasets: PackedDatasets,
    kinds: Sequence[Kind],
    concat_dim: str | Sequence[str] | None,
    registry: StoreRegistry,
    names: Sequence[str],
    rules: Rules,
) -> CompatibilityReport:
    """Compare each kind of files for itself, then their coordinates and variables with each other."""
    findings: list[Finding] = []
    variables: dict[str, None] = {}
    tilings: list[Tiling] = []
    for kind in kinds:
        chosen = datasets.choose(kind.files)
        outlines = chosen.outlines(())
        # One file follows no other.
        alone = Tiling(dims=(), positions=((),)) if len(kind.files) == 1 else None
        tilings.append(kind.tiling or alone or propose_tiling(outlines, concat_dim))
        here = [names[i] for i in kind.files]
        report = check_datasets(chosen, concat_dim, tilings[-1], registry, here, rules)
        findings += [_renumbered(finding, kind.files) for finding in report.findings]
        variables |= dict.fromkeys(report.variables)
    firsts = {kind.files[0]: datasets[kind.files[0]] for kind in kinds}
    findings.append(_merged(kinds, firsts))
    findings += _check_merge(datasets, kinds, tilings, firsts, registry, names)
    dims = next((tiling.dims for tiling in tilings if tiling.dims), ())
    positions: list[tuple[int, ...]] = [(0,) * len(dims)] * len(datasets)
    for kind, tiling in zip(kinds, tilings, strict=True):
        for i, place in zip(kind.files, tiling.positions, strict=True):
            positions[i] = place if tiling.dims == dims else positions[i]
    return CompatibilityReport(
        files=tuple(names),
        variables=tuple(variables),
        concat_dims=dims,
        positions=tuple(positions) if dims else (),
        findings=tuple(dict.fromkeys(findings)),
    )


def _merged(kinds: Sequence[Kind], firsts: Mapping[int, xr.Dataset]) -> Finding:
    """Say that several datasets are made and then merged, which of unrelated files nobody wants."""
    held = [
        Holders.of(", ".join(map(str, firsts[kind.files[0]].data_vars)), sorted(kind.files)) for kind in kinds
    ]
    return Finding(
        variable="",
        facet="presence",
        kind="absent",
        severity="harmless",
        sentence=f"The files are of {len(kinds)} kinds, which have no variable in common: each is combined for itself, and the "
        "results are merged.",
        holders=tuple(held),
        short=f"{len(kinds)} kinds",
    )


def _renumbered(finding: Finding, files: Sequence[int]) -> Finding:
    holders = tuple(Holders.of(held.value, [files[i] for i in held]) for held in finding.holders)
    return replace(finding, holders=holders)


def _check_merge(
    datasets: PackedDatasets,
    kinds: Sequence[Kind],
    tilings: Sequence[Tiling],
    firsts: Mapping[int, xr.Dataset],
    registry: StoreRegistry,
    names: Sequence[str],
) -> list[Finding]:
    findings = []
    outlines = datasets.outlines(())
    held: dict[str, list[int]] = {}
    for number, kind in enumerate(kinds):
        for name in outlines[kind.files[0]]._variables:
            held.setdefault(str(name), []).append(number)
    for name, numbers in held.items():
        if len(numbers) < 2:
            continue
        first, *others = (kinds[number].files[0] for number in numbers)
        if name in outlines[first].data_vars:
            findings.append(
                _refused(name, names[first], names[others[0]], "is in both, and neither is better")
            )
            continue
        along = [_labels(outlines, name, kinds[number], tilings[number]) for number in numbers]
        if along[0] is not None and all(each is not None for each in along):
            odd = [i for i, each in zip(others, along[1:], strict=True) if not _same(along[0], each)]
            if odd:
                findings.append(_refused(name, names[first], names[odd[0]], "differs"))
        elif not any(dim in tilings[number].dims for number in numbers for dim in outlines[first][name].dims):
            findings += [
                replace(finding, kind="shape")  # not to be allowed: there is no first file to take it from
                for finding in check_static(name, [first, *others], _Table(firsts), names, registry)
            ]
        else:
            findings.append(
                _refused(name, names[first], names[others[0]], "follows the combined dimension in both")
            )
    return findings


class _Table(list[xr.Dataset]):
    """Some datasets by their positions among all."""

    def __init__(self, chosen: Mapping[int, xr.Dataset]) -> None:
        super().__init__()
        self._chosen = chosen

    def __getitem__(self, i: Any) -> Any:
        return self._chosen[i]


def _labels(outlines: Sequence[xr.Dataset], name: str, kind: Kind, tiling: Tiling) -> npt.NDArray[Any] | None:
    """All labels along a dimension once files of a kind are combined; None if they are not loaded."""
    if any(name not in outlines[i]._indexes for i in kind.files):
        return None
    line = tiling.lines(name)[0] if name in tiling.dims else (0,)
    return np.concatenate(
        [np.asarray(outlines[kind.files[i]]._indexes[name].to_pandas_index()) for i in line]
    )


def _same(a: Any, b: Any) -> bool:
    return a.shape == b.shape and bool(np.all(a == b))


def _refused(name: str, one: str, other: str, how: str) -> Finding:
    return Finding(
        variable=name,
        facet="coordinates",
        kind="shape",
        severity="refused",
        sentence=f"{name} of the files like {one} and of those like {other}, which hold different variables, {how}: they are not "
        "merged, since one would have no values where the other has some.",
        short="differs",
        fix="# combine the files of each variable for themselves, or leave out those that have no partner",
    )


def merge_kinds(parts: Sequence[xr.Dataset], combine_attrs: Any) -> xr.Dataset:
    """One dataset of combined ones whose coordinates were found to agree."""
    merged = xr.merge(parts, compat="override", join="override", combine_attrs=combine_attrs)
    merged.encoding = dict(parts[0].encoding)
    return merged
