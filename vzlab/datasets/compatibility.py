"""Compare open datasets variable by variable: few distinct signatures, however many files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from vzlab.cf import packing_of
from vzlab.datasets.coordinates import check_concat_coordinate, check_tiling, same_files, show, source_key
from vzlab.datasets.facets import LOADED, Variants, compare_attributes, compare_variants
from vzlab.datasets.findings import CompatibilityReport, Finding, Holders
from vzlab.datasets.packed import PackedDatasets
from vzlab.datasets.signatures import Signatures, value_words
from vzlab.datasets.static import check_static
from vzlab.datasets.tiling import Tiling, differing_dims, propose_tiling
from vzlab.storage import StoreRegistry
from vzlab.telling import told_of

type VariableChoice = Literal["minimal", "all", "different"] | Collection[str]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What is asked of files, in xarray's terms."""

    data_vars: VariableChoice = "minimal"
    """Which data variables without a combined dimension get one."""
    coords: VariableChoice = "minimal"
    """Which coordinates without a combined dimension get one."""
    compat: Literal["equals", "identical", "override"] = "equals"
    """How alike variables must be that stay without: `override` takes the first file's unseen."""
    override_indexes: bool = False
    """Whether labels along other dimensions are taken from the first file unseen."""
    adds_dimension: bool = True
    """Whether a combined dimension that no file has is given to all data variables, so that they may differ."""

    def gets_dimension(self, name: str, *, is_coordinate: bool) -> bool:
        """Whether a variable without the combined dimension is repeated along it, however it differs."""
        choice = self.coords if is_coordinate else self.data_vars
        return choice == "all" if isinstance(choice, str) else name in choice

    def may_get_dimension(self, *, is_coordinate: bool) -> bool:
        """Whether it is if it differs."""
        return (self.coords if is_coordinate else self.data_vars) == "different"


def check_datasets(
    datasets: Sequence[xr.Dataset],
    concat_dim: str | Sequence[str] | None,
    tiling: Tiling | None,
    registry: StoreRegistry,
    names: Sequence[str],
    rules: Rules,
) -> CompatibilityReport:
    """Compare datasets that are open; `tiling` says their places, None to find them. See `check_combine`."""
    if isinstance(datasets, PackedDatasets):
        keys: Iterable[tuple[Any, ...]] = datasets.source_keys
        tiling = tiling or propose_tiling(datasets.outlines(()), concat_dim)
        datasets = datasets.outlines(tiling.dims)
    else:
        keys = map(source_key, datasets)
        tiling = tiling or propose_tiling(datasets, concat_dim)
    table = Signatures()
    columns: dict[str, npt.NDArray[np.int32]] = {}
    for i, dataset in enumerate(told_of("Compare files", datasets)):
        for name, variable in dataset._variables.items():
            column = columns.get(str(name))
            if column is None:
                column = columns[str(name)] = np.full(len(datasets), -1, np.int32)
            column[i] = table.number_of(variable)
    repeated = same_files(keys)
    differing = () if tiling.dims else differing_dims(datasets)
    findings = check_tiling(tiling, names, repeated, differing, datasets[0])
    for name, column in told_of("Compare variables", columns.items()):
        findings += _check_variable(name, column, table, datasets, tiling, registry, names, rules)
    findings += check_concat_coordinate(datasets, tiling, names, repeated)
    return CompatibilityReport(
        files=tuple(names),
        variables=tuple(columns),
        concat_dims=tiling.dims,
        positions=tiling.positions if tiling.dims else (),
        findings=(*findings, *_check_attributes(datasets)),
    )


def _check_variable(
    name: str,
    column: npt.NDArray[np.int32],
    table: Signatures,
    datasets: Sequence[xr.Dataset],
    tiling: Tiling,
    registry: StoreRegistry,
    names: Sequence[str],
    rules: Rules,
) -> list[Finding]:
    """All that is to be said about one variable; `column` numbers its signature in each file, -1 where it lacks."""
    findings: list[Finding] = []
    numbers = np.unique(column)
    if numbers[0] < 0:
        findings.append(_absent(name, column))
        numbers = numbers[1:]
    found = [table.values[number] for number in numbers.tolist()]
    dims = found[0].dims
    if len(found) > 1:
        variants = Variants(
            variable=name,
            signatures=found,
            files=[np.flatnonzero(column == number) for number in numbers],
            names=names,
            packings=lambda i: packing_of(datasets[i]._variables[name].attrs),
            time_example=lambda usual, odd: _time_example(
                datasets[usual]._variables[name], datasets[odd]._variables[name]
            ),
        )
        findings += compare_variants(variants, tiling.dims)
    if any(dim in tiling.dims and signature.partial and signature.partial[axis]
           for signature in found for axis, dim in enumerate(signature.dims)):  # fmt: skip
        findings += _partial_chunks(name, column, table, tiling, names)
    holders = frozenset(np.flatnonzero(column >= 0).tolist())
    is_coordinate = name in datasets[min(holders)]._coord_names
    alike = len({(s.shape, s.dims, s.dtype, s.meaning, s.units if s.virtual else "") for s in found}) == 1
    if (
        all(dim in dims for dim in tiling.dims)
        or not alike
        or rules.compat == "override"
        or (
            rules.adds_dimension
            and not is_coordinate
            and not all(dim in datasets[0].dims for dim in tiling.dims)
        )
        or rules.gets_dimension(name, is_coordinate=is_coordinate)
        or (rules.override_indexes and dims == (name,))
    ):
        return findings
    if rules.compat == "identical" and len({signature.attributes for signature in found}) > 1:
        findings.append(_not_identical(name, column, numbers, table))
    for group in tiling.groups(dims):
        members = [i for i in group if i in holders]
        if len(members) > 1:
            found_static = check_static(name, members, datasets, names, registry)
            if found_static and rules.may_get_dimension(is_coordinate=is_coordinate):
                found_static = [f for f in found_static if f.kind != "static"]
            if found_static:
                return findings + found_static
    return findings


def _not_identical(
    name: str, column: npt.NDArray[np.int32], numbers: npt.NDArray[np.int32], table: Signatures
) -> Finding:
    members: dict[str, list[int]] = {}
    for number in numbers.tolist():
        words = ", ".join(f"{key} {value}" for key, value in table.values[number].attributes) or "none"
        members.setdefault(words, []).extend(np.flatnonzero(column == number).tolist())
    return Finding(
        variable=name,
        facet="attributes",
        kind="static",
        severity="refused",
        sentence=f"{name} has other attributes in some files, and compat='identical' asks for the same.",
        holders=tuple(Holders.of(words, sorted(files)) for words, files in members.items()),
        fix='vz.open_virtual_mfdataset(files, compat="equals")    # compares values alone',
    )


def _absent(name: str, column: npt.NDArray[np.int32]) -> Finding:
    has, lacks = np.flatnonzero(column >= 0), np.flatnonzero(column < 0)
    return Finding(
        variable=name,
        facet="presence",
        kind="absent",
        severity="refused",
        sentence=f"{name} is in {len(has)} of {len(column)} files.",
        holders=tuple(
            sorted(
                (Holders.of("has it", has.tolist()), Holders.of("lacks it", lacks.tolist())),
                key=lambda holders: -holders.n_files,
            )
        ),
        fix=f'vz.open_virtual_mfdataset(files, drop_variables=["{name}"])\n'
        'vz.open_virtual_mfdataset(files, allow=["absent"])    # missing values where a file lacks it',
    )


def _partial_chunks(
    name: str, column: npt.NDArray[np.int32], table: Signatures, tiling: Tiling, names: Sequence[str]
) -> list[Finding]:
    """Files in which the last chunk is partial along a dimension on which others follow them."""
    findings = []
    for dim in tiling.dims:
        partial = []
        shorn = False
        for line in tiling.lines(dim):
            present = [i for i in line if column[i] >= 0]
            for i in present[:-1]:
                signature = table.values[column[i]]
                if (
                    dim in signature.dims
                    and signature.partial
                    and signature.partial[signature.dims.index(dim)]
                ):
                    partial.append(i)
                    shorn |= bool(signature.shorn and signature.shorn[signature.dims.index(dim)])
        if not partial:
            continue
        partial.sort()
        more = f" and {len(partial) - 1} more files" if len(partial) > 1 else ""
        if shorn:
            findings.append(
                Finding(
                    variable=name,
                    facet="chunks",
                    kind="encoding",
                    severity="needs re-encoding",
                    sentence=f"{name} ends inside of a chunk of its last shard along {dim} in {names[partial[0]]}{more} that "
                    "others follow: Zarr wants whole chunks in every shard, so nothing can follow it.",
                    holders=(Holders.of("partial last shard", partial),),
                    short=f"partial shards ×{len(partial)}",
                    fix=f'vz.open_virtual_mfdataset(files, on_mismatch="load")    # {name} of all files into memory',
                    repairs=LOADED,
                )
            )
            continue
        findings.append(
            Finding(
                variable=name,
                facet="chunks",
                kind="partial",
                severity="needs a rectilinear grid",
                sentence=f"{name} has a partial last chunk along {dim} in {names[partial[0]]}{more} that others follow: it keeps "
                "its own length in a rectilinear chunk grid, which Icechunk keeps and Kerchunk cannot say.",
                holders=(Holders.of("partial last chunk", partial),),
                short=f"partial ×{len(partial)}",
            )
        )
    return findings


def _time_example(usual: xr.Variable, odd: xr.Variable) -> str:
    """One stored time by its own units and by another file's."""
    stored = 10.0
    try:
        right, wrong = (
            show(
                xr.conventions.decode_cf_variable(
                    "time", xr.Variable((), stored, _time_attributes(v))
                ).values[()]
            )
            for v in (odd, usual)
        )
    except (ValueError, OverflowError):
        return ""
    return f"A stored {stored:g} there means {right} and would read {wrong}."


def _time_attributes(variable: xr.Variable) -> dict[str, Any]:
    return {name: variable.attrs[name] for name in ("units", "calendar") if name in variable.attrs}


def _check_attributes(datasets: Sequence[xr.Dataset]) -> list[Finding]:
    """What differs in the attributes of the datasets themselves."""
    first = datasets[0].attrs
    if all(dataset.attrs is first or _same_attributes(dataset.attrs, first) for dataset in datasets):
        return []
    keys = {str(key) for dataset in datasets for key in dataset.attrs}
    members: dict[tuple[tuple[str, str], ...], list[int]] = {}
    varying = {key for key in keys if not _is_constant(datasets, key)}
    for i, dataset in enumerate(datasets):
        words = tuple(
            sorted((key, value_words(value)) for key, value in dataset.attrs.items() if key in varying)
        )
        members.setdefault(words, []).append(i)
    return compare_attributes(
        [dict(words) for words in members], [np.array(files) for files in members.values()]
    )


def _is_constant(datasets: Sequence[xr.Dataset], key: str) -> bool:
    first = datasets[0].attrs.get(key)
    return all(key in d.attrs and same_value(d.attrs[key], first) for d in datasets)


def _same_attributes(a: Mapping[Any, Any], b: Mapping[Any, Any]) -> bool:
    return a.keys() == b.keys() and all(same_value(value, b[name]) for name, value in a.items())


def same_value(a: Any, b: Any) -> bool:
    """Whether two attributes have the same value; a NaN is like any other."""
    if isinstance(a, str) or isinstance(b, str):
        return bool(isinstance(a, str) and isinstance(b, str) and a == b)
    both = np.asarray(a), np.asarray(b)
    floats = all(array.dtype.kind in "fc" for array in both)
    return np.array_equal(*both, equal_nan=floats)
