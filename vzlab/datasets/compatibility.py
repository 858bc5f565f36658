"""Tell before combining whether files make one honest dataset."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from vzlab.cf import Packing, packing_of
from vzlab.datasets.assemble import is_virtual, manifest_array
from vzlab.datasets.coordinates import (
    check_concat_coordinate,
    check_static,
    propose_concat_dim,
    propose_order,
)
from vzlab.datasets.findings import CompatibilityReport, Finding, Holders, Severity, differing
from vzlab.datasets.open import open_virtual_dataset
from vzlab.datasets.signatures import Signature, signature_of
from vzlab.storage import as_registry, normalize_url, url_name


def check_combine(
    sources: Any,
    *,
    concat_dim: str | None = None,
    registry: Any = None,
    storage_options: dict[str, Any] | None = None,
    names: Sequence[str] | None = None,
    **open_options: Any,
) -> CompatibilityReport:
    """Compare files variable by variable, before anything is combined.

    Parameters
    ----------
    sources : str, path, dataset, or list of them
        Urls, paths, globs, or virtual datasets as `open_virtual_dataset` gives them.
    concat_dim : str, optional
        The dimension along which the files follow each other; None finds the one whose coordinate differs.
    registry, storage_options
        As for `open_virtual_dataset`. Static variables are read to be compared.
    names : list of str, optional
        What to call the sources; their file names by default.
    **open_options
        Passed to `open_virtual_dataset` for sources that are not open yet.

    Returns
    -------
    CompatibilityReport
    """
    items = expand_sources(sources)
    stores = as_registry(registry, storage_options)
    datasets = [
        item if isinstance(item, xr.Dataset) else open_virtual_dataset(item, registry=stores, **open_options)
        for item in items
    ]
    if names is None:
        names = [_name_of(item, position) for position, item in enumerate(items)]
    if not datasets:
        raise ValueError("There is nothing to compare: no sources were given, or a glob found no files")
    dim = concat_dim or propose_concat_dim(datasets)
    variables = tuple(dict.fromkeys(str(name) for dataset in datasets for name in dataset.variables))
    findings: list[Finding] = []
    for variable in variables:
        holders = [i for i, dataset in enumerate(datasets) if variable in dataset.variables]
        if len(holders) < len(datasets):
            findings.append(_absent(variable, holders, len(datasets)))
        found = [signature_of(datasets[i].variables[variable]) for i in holders]
        findings += _compare(variable, holders, found, datasets, names, dim)
        static = [i for i in holders if dim not in datasets[i].variables[variable].dims]
        if len(static) > 1 and len({s.shape for s in found}) == 1:
            findings += check_static(variable, static, datasets, stores)
    order = propose_order(datasets, dim)
    findings += check_concat_coordinate(datasets, dim, order, names)
    findings += _partial_chunks(variables, datasets, dim, order, names)
    return CompatibilityReport(
        files=tuple(names),
        variables=variables,
        concat_dim=dim,
        order=order,
        findings=(*findings, *_varying_global_attributes(datasets)),
    )


def expand_sources(sources: Any) -> list[Any]:
    """A list of urls and datasets from one of them, a glob, or a list."""
    if isinstance(sources, str | os.PathLike):
        text = os.fspath(sources)
        if glob.has_magic(text) and "://" not in text and not Path(text).exists():
            return sorted(glob.glob(text, recursive=True))  # noqa: PTH207  Path.glob wants a root
        return [sources]
    if isinstance(sources, xr.Dataset):
        return [sources]
    if isinstance(sources, Iterable):
        return [item for source in sources for item in expand_sources(source)]
    raise TypeError(f"Found a {type(sources).__name__}; expected urls, paths, a glob, or virtual datasets")


def _name_of(item: Any, position: int) -> str:
    if not isinstance(item, xr.Dataset):
        return url_name(normalize_url(item))
    urls = {
        url
        for variable in item.variables.values()
        if is_virtual(variable)
        for url in manifest_array(variable).manifest.urls
    }
    return url_name(urls.pop()) if len(urls) == 1 else f"dataset {position}"


def _absent(variable: str, holders: Sequence[int], n_files: int) -> Finding:
    absent = [i for i in range(n_files) if i not in set(holders)]
    return Finding(
        variable=variable,
        facet="presence",
        severity="refused",
        sentence=f"{variable} is in {len(holders)} of {n_files} files.",
        holders=(
            Holders(value="has it", files=tuple(holders)),
            Holders(value="lacks it", files=tuple(absent)),
        ),
        fix=f'vz.open_virtual_mfdataset(files, drop_variables=["{variable}"])',
    )


def _compare(
    variable: str,
    positions: Sequence[int],
    found: Sequence[Signature],
    datasets: Sequence[xr.Dataset],
    names: Sequence[str],
    dim: str | None,
) -> list[Finding]:
    if len(set(map(_hashable, found))) == 1:
        return []
    findings: list[Finding] = []

    def compare(facet: str, values: Sequence[str], severity: Severity, sentence: str, fix: str) -> bool:
        if len(set(values)) == 1:
            return False
        groups = _holders(values, positions)
        text = sentence.format(variable=variable, odd=_odd(groups, names))
        findings.append(
            Finding(variable=variable, facet=facet, severity=severity, sentence=text, holders=groups, fix=fix)
        )
        return True

    load = f'vz.open_virtual_mfdataset(files, loadable_variables=["{variable}", ...])'
    if len({signature.virtual for signature in found}) > 1:
        compare(
            "shape, dtype",
            ["virtual" if s.virtual else "in memory" for s in found],
            "refused",
            "{variable} is virtual in some files and loaded in others.",
            load,
        )
        return findings
    compare(
        "shape, dtype",
        [s.dtype for s in found],
        "refused",
        "{variable} has another data type in {odd}.",
        load,
    )
    if compare(
        "shape, dtype",
        [str(s.dims) for s in found],
        "refused",
        "{variable} has other dimensions in {odd}.",
        load,
    ):
        return findings
    axis = found[0].dims.index(dim) if dim in found[0].dims else None
    compare(
        "shape, dtype",
        [str(_without(s.shape, axis)) for s in found],
        "refused",
        "{variable} has another shape in {odd}: only the length along the combined dimension may differ.",
        "",
    )
    compare(
        "chunks",
        [str(_without(s.chunks, axis)) for s in found],
        "re-encode",
        "{variable} is cut into other chunks in {odd}: one array has one chunk shape off the combined dimension.",
        load,
    )
    if axis is not None:
        along = [str(s.chunks[axis]) if s.chunks else "" for s in found]
        compare(
            "chunks",
            [f"{length} along {dim}" for length in along],
            "rectilinear",
            "{variable} has chunks of several lengths: they make a rectilinear chunk grid, which Icechunk keeps and "
            "Kerchunk cannot say.",
            "",
        )
    if not compare(
        "codecs",
        [s.decoding for s in found],
        "re-encode",
        "{variable} is encoded otherwise in {odd}: a chunk would be decoded with the wrong codecs.",
        load,
    ):
        compare(
            "codecs",
            [s.codecs for s in found],
            "harmless",
            "{variable} differs in how it was encoded; it decodes alike.",
            "",
        )
    compare(
        "packing, fill",
        [f"unwritten chunks read as {s.fill_value}" for s in found],
        "re-encode",
        "{variable} has another value for unwritten chunks in {odd}.",
        load,
    )
    if len({s.meaning for s in found}) > 1:
        findings.append(_packing_finding(variable, positions, found, datasets, names))
    if found[0].virtual:
        compare(
            "units",
            [s.units for s in found],
            "silently wrong elsewhere",
            "{variable} has other units in {odd}, and the first file's would be taken for all.",
            load,
        )
    else:
        compare(
            "units",
            [s.units for s in found],
            "harmless",
            "{variable} is stored in several units; it is decoded first.",
            "",
        )
    varying = sorted(
        {
            name
            for s in found
            for name in s.attributes
            if len({other.attributes.get(name) for other in found}) > 1
        }
    )
    if varying:
        findings.append(
            Finding(
                variable=variable,
                facet="attributes",
                severity="harmless",
                sentence=f"{variable}: {', '.join(varying)} differ between files and are dropped.",
            )
        )
    return findings


def _packing_finding(
    variable: str,
    positions: Sequence[int],
    found: Sequence[Signature],
    datasets: Sequence[xr.Dataset],
    names: Sequence[str],
) -> Finding:
    """The difference that other tools turn into wrong numbers, with one number as an example."""
    groups = _holders([s.meaning for s in found], positions)
    usual, odd = groups[0], groups[-1]
    attributes = [datasets[group.files[0]].variables[variable].attrs for group in (usual, odd)]
    example = _example(
        packing_of(attributes[0]), packing_of(attributes[1]), str(attributes[0].get("units", ""))
    )
    name = names[odd.files[0]]
    others = f"the other {len(usual.files)}" if len(groups) == 2 else f"{len(usual.files)} files"
    values = [group.value for group in groups]
    sentence = (
        f"{variable} in {name}{_and_more(odd)} is stored with {differing(odd.value, values)}; {others} with "
        f"{differing(usual.value, values)}. {example}"
    )
    left_out = ", ".join(repr(names[i]) for i in odd.files[:3])
    fix = (
        f"# leave {name}{_and_more(odd)} out, or read {variable} of all files into memory, decoded:\n"
        f"vz.open_virtual_mfdataset([f for f in files if Path(f).name not in {{{left_out}}}])\n"
        f'vz.open_virtual_mfdataset(files, loadable_variables=["time", "{variable}", ...])'
    )
    return Finding(
        variable=variable,
        facet="packing, fill",
        severity="silently wrong elsewhere",
        sentence=sentence,
        holders=groups,
        fix=fix,
    )


def _example(usual: Packing, odd: Packing, units: str) -> str:
    if (usual.scale_factor, usual.add_offset) != (odd.scale_factor, odd.add_offset):
        stored = 273
        right, wrong = replace(odd, missing=()).decode(stored), replace(usual, missing=()).decode(stored)
        return (
            f"A stored {stored} there means {right:.6g} {units}".rstrip()
            + f" and would read {wrong:.6g}, and nothing would say so."
        )
    lost = [value for value in odd.missing if value not in usual.missing]
    if lost:
        return f"Its missing data, stored as {lost[0]:g}, would read as a measured {usual.decode(lost[0]):.6g} {units}.".replace(
            " .", "."
        )
    return "Its numbers would be read with the wrong meaning, and nothing would say so."


def _partial_chunks(
    variables: Sequence[str],
    datasets: Sequence[xr.Dataset],
    dim: str | None,
    order: Sequence[int],
    names: Sequence[str],
) -> list[Finding]:
    """Variables whose last chunk is partial in a file that others follow."""
    findings = []
    for name in variables:
        partial = []
        for i in order[:-1]:
            variable = datasets[i].variables.get(name)
            if variable is None or not is_virtual(variable) or dim not in variable.dims:
                continue
            if manifest_array(variable).metadata.grid.last_is_partial(variable.dims.index(dim)):
                partial.append(i)
        if partial:
            findings.append(
                Finding(
                    variable=name,
                    facet="chunks",
                    severity="rectilinear",
                    sentence=f"{name} has a partial last chunk along {dim} in {names[partial[0]]} and {len(partial) - 1} more "
                    "files that others follow: it keeps its own length in a rectilinear chunk grid, which Icechunk keeps "
                    "and Kerchunk cannot say.",
                    holders=(Holders(value="partial last chunk", files=tuple(sorted(partial))),),
                )
            )
    return findings


def _varying_global_attributes(datasets: Sequence[xr.Dataset]) -> list[Finding]:
    keys = sorted({str(key) for dataset in datasets for key in dataset.attrs})
    first = datasets[0].attrs
    varying = [key for key in keys if any(not _same(d.attrs.get(key), first.get(key)) for d in datasets)]
    if not varying:
        return []
    return [
        Finding(
            variable="",
            facet="attributes",
            severity="harmless",
            sentence=f"Attributes that are true of one file only are dropped: {', '.join(varying)}.",
        )
    ]


def _same(a: Any, b: Any) -> bool:
    return bool(np.array_equal(a, b)) if not (a is None or b is None) else a is b


def _hashable(signature: Signature) -> Signature:
    return replace(signature, attributes=tuple(sorted(signature.attributes.items())))  # type: ignore[arg-type]


def _holders(values: Sequence[str], positions: Sequence[int]) -> tuple[Holders, ...]:
    """Files grouped by value, the largest group first."""
    members: dict[str, list[int]] = {}
    for value, position in zip(values, positions, strict=True):
        members.setdefault(value, []).append(position)
    counts = Counter({value: len(files) for value, files in members.items()})
    return tuple(Holders(value=value, files=tuple(members[value])) for value, _ in counts.most_common())


def _odd(groups: Sequence[Holders], names: Sequence[str]) -> str:
    odd = groups[-1]
    return f"{names[odd.files[0]]}{_and_more(odd)} ({odd.value}, not {groups[0].value})"


def _and_more(holders: Holders) -> str:
    rest = len(holders.files) - 1
    return f" and {rest} more" if rest else ""


def _without(values: tuple[Any, ...], axis: int | None) -> tuple[Any, ...]:
    return values if axis is None else values[:axis] + values[axis + 1 :]
