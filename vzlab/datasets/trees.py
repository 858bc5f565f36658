"""Trees, compared and combined group by group, all in one order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import xarray as xr

from vzlab.datasets.compatibility import Rules, check_datasets
from vzlab.datasets.findings import CompatibilityReport, Finding, Holders
from vzlab.datasets.tiling import Tiling, propose_tiling
from vzlab.storage import StoreRegistry

type Node = tuple[str, list[xr.Dataset]]
"""Path of a group, and that group of each tree; empty where a tree lacks it."""


def nodes_of(trees: Sequence[xr.DataTree]) -> list[Node]:
    """Every group of any of the trees, parents first, without what it inherits."""
    parts = [{node.path: node.to_dataset(inherit=False) for node in tree.subtree} for tree in trees]
    paths = dict.fromkeys(path for part in parts for path in part)
    return [(path, [part.get(path, xr.Dataset()) for part in parts]) for path in paths]


def tile_trees(nodes: Sequence[Node], concat_dim: str | Sequence[str] | None) -> Tiling:
    """Place the files by the first group whose coordinates do it: the other groups follow."""
    found = [propose_tiling(datasets, concat_dim) for _, datasets in nodes]
    for (_, datasets), tiling in zip(nodes, found, strict=True):
        if tiling.dims and all(dim in dataset._indexes for dim in tiling.dims for dataset in datasets):
            return tiling
    return next((tiling for tiling in found if tiling.dims), found[0])


def check_trees(
    trees: Sequence[xr.DataTree],
    *,
    concat_dim: str | Sequence[str] | None,
    tiling: Tiling | None,
    registry: StoreRegistry,
    names: Sequence[str],
    rules: Rules,
) -> CompatibilityReport:
    """Compare trees group by group; variables go by their paths in the report."""
    nodes = nodes_of(trees)
    tiling = tiling or tile_trees(nodes, concat_dim)
    findings: list[Finding] = []
    variables: list[str] = []
    for path, datasets in nodes:
        here = [i for i, tree in enumerate(trees) if path in _paths(tree)]
        if len(here) < len(trees):
            findings.append(_absent_group(path, here, len(trees)))
            continue
        # A group that does not follow the combined dimension stays without it.
        here_rules = replace(rules, adds_dimension=False)
        report = check_datasets(datasets, concat_dim, tiling, registry, names, here_rules)
        prefix = "" if path == "/" else f"{path.strip('/')}/"
        variables += [prefix + name for name in report.variables]
        findings += [_below(prefix, finding) for finding in report.findings]
    unique = dict.fromkeys(findings)  # order, repetition and attributes alike are told once
    return CompatibilityReport(
        files=tuple(names),
        variables=tuple(variables),
        concat_dims=tiling.dims,
        positions=tiling.positions if tiling.dims else (),
        findings=tuple(unique),
    )


def _paths(tree: xr.DataTree) -> frozenset[str]:
    return frozenset(node.path for node in tree.subtree)


def _below(prefix: str, finding: Finding) -> Finding:
    if not finding.variable:
        return finding
    name = finding.variable
    sentence = finding.sentence
    if prefix and sentence.startswith(name):
        sentence = prefix + sentence
    return replace(finding, variable=prefix + name, sentence=sentence)


def _absent_group(path: str, here: Sequence[int], n_trees: int) -> Finding:
    lacking = [i for i in range(n_trees) if i not in set(here)]
    groups = (Holders.of("has it", here), Holders.of("lacks it", lacking))
    return Finding(
        variable=path,
        facet="presence",
        kind="no group",
        severity="refused",
        sentence=f"The group {path} is in {len(here)} of {n_trees} files.",
        holders=tuple(sorted(groups, key=lambda holders: -holders.n_files)),
        fix=f'vz.open_virtual_mfdatatree(files, drop_variables=["{path.strip("/")}"])',
    )
