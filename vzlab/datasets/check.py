"""Tell before combining whether files make one honest dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import xarray as xr

from vzlab.datasets.compatibility import Rules, check_datasets
from vzlab.datasets.findings import CompatibilityReport, Finding
from vzlab.datasets.merging import check_kinds, kinds_of
from vzlab.datasets.opening import Opening, Running, open_sources
from vzlab.datasets.packed import PackedDatasets
from vzlab.datasets.parallel import RETRIES, Failure, OnError, Parallel
from vzlab.datasets.sources import Item, expand_sources
from vzlab.datasets.tiling import Tiling, as_given, nested
from vzlab.datasets.trees import check_trees
from vzlab.storage import StoreRegistry, as_registry


def check_combine(
    sources: Any,
    *,
    concat_dim: str | Sequence[str] | None = None,
    combine: str = "by_coords",
    registry: Any = None,
    storage_options: dict[str, Any] | None = None,
    names: Sequence[str] | None = None,
    rules: Rules | None = None,
    parallel: Parallel = None,
    retries: int = RETRIES,
    on_error: OnError = "raise",
    progress: bool = False,
    **open_options: Any,
) -> CompatibilityReport:
    """Compare files variable by variable, before anything is combined.

    Parameters
    ----------
    sources : str, path, dataset, group, tree, or list of them
        Urls, paths, globs (of files, or of objects: ``s3://bucket/prefix/*.nc``), virtual datasets as
        `open_virtual_dataset` gives them, `ManifestGroup`, or trees, which are compared group by group.
    concat_dim : str or list of str, optional
        The dimension along which the files follow each other, or several that they tile; None finds those whose
        coordinate differs. In a list for nested files, None merges files of different variables.
    combine : {"by_coords", "nested"}
        Whether coordinates put the files in order, or the order given stands: a list, nested once for each of several
        dimensions.
    registry, storage_options
        As for `open_virtual_dataset`. Static variables are read to be compared.
    names : list of str, optional
        What to call the sources; their file names by default.
    rules : Rules, optional
        What is asked of variables that do not follow the combined dimension, in xarray's terms.
    parallel, retries, on_error, progress
        As for `open_virtual_mfdataset`. With ``on_error="skip"``, files that cannot be opened are refused in the report, and
        the others compared.
    **open_options
        Passed to `open_virtual_dataset` for sources that are not open yet.

    Returns
    -------
    CompatibilityReport

    Raises
    ------
    SourceNotFoundError
        If a glob finds nothing.
    ValueError
        If there are no sources.

    Examples
    --------
    >>> import vzlab as vz
    >>> report = vz.check_combine(["archive/sst_2025-01-06.nc", "archive/sst_2025-01-07.nc"])
    >>> report.compatible, [finding.variable for finding in report.problems]
    (False, ['sst'])
    """
    stores = as_registry(registry, storage_options)
    items, tiling = arrange_sources(sources, stores, combine, concat_dim)
    running = Running(parallel=parallel, retries=retries, on_error=on_error, progress=progress)
    opened = open_sources(
        items, tiling, Opening(registry=stores, options=open_options, along=concat_dim), running, names
    )
    report = check_opened(
        opened.files,
        concat_dim=concat_dim,
        tiling=opened.tiling,
        registry=stores,
        names=opened.names,
        rules=rules or Rules(),
    )
    return replace(report, findings=(*map(_unreadable, opened.failures), *report.findings))


def _unreadable(failure: Failure) -> Finding:
    return Finding(
        variable="",
        facet="presence",
        kind="unreadable",
        severity="refused",
        sentence=f"{failure.name} could not be opened: {failure.reason}",
        short="not opened",
        fix='vz.open_virtual_mfdataset(files, on_error="skip")    # leaves it out, and says so',
    )


def arrange_sources(
    sources: Any, registry: StoreRegistry, combine: str, concat_dim: str | Sequence[str] | None
) -> tuple[list[Item], Tiling | None]:
    """Sources as a flat list, and their places where the order given decides them.

    Raises
    ------
    ValueError
        If there are no sources, `combine` is neither "by_coords" nor "nested", or nested lists do not fit `concat_dim`.
    """
    if combine not in ("by_coords", "nested"):
        raise ValueError(f"Found combine={combine!r}; expected 'by_coords' or 'nested'")
    if combine == "nested" and concat_dim is not None and not isinstance(concat_dim, str):
        # None merges: a dimension without a name, along which nothing is joined.
        flat, tiling = nested(sources, [dim or "" for dim in concat_dim])
        items = [item for source in flat for item in expand_sources(source, registry)]
        if len(items) != len(flat):
            raise ValueError("A glob stands for several files inside nested lists: name the files one by one")
        return items, tiling
    items = expand_sources(sources, registry)
    if not items:
        raise ValueError("There is nothing to compare or combine: no sources were given")
    if combine == "nested" and concat_dim is not None:
        return items, as_given([str(concat_dim)], len(items))
    return items, None


def check_opened(
    opened: Sequence[xr.Dataset | xr.DataTree],
    *,
    concat_dim: str | Sequence[str] | None,
    tiling: Tiling | None,
    registry: StoreRegistry,
    names: Sequence[str],
    rules: Rules,
) -> CompatibilityReport:
    """Compare datasets or trees that are open; see `check_combine`.

    Raises
    ------
    TypeError
        If datasets and trees are mixed.
    """
    if isinstance(opened, PackedDatasets):
        kinds = kinds_of(opened.outlines(()), tiling)
        if len(kinds) > 1:
            return check_kinds(opened, kinds, concat_dim, registry, names, rules)
        return check_datasets(opened, concat_dim, kinds[0].tiling, registry, names, rules)
    trees = [item for item in opened if isinstance(item, xr.DataTree)]
    if not trees:
        datasets = [item for item in opened if isinstance(item, xr.Dataset)]
        return check_datasets(datasets, concat_dim, tiling, registry, names, rules)
    if len(trees) != len(opened):
        raise TypeError(f"Found {len(trees)} trees among {len(opened)} sources: give trees or datasets alone")
    return check_trees(
        trees, concat_dim=concat_dim, tiling=tiling, registry=registry, names=names, rules=rules
    )
