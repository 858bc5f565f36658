"""Open many files as one virtual dataset or tree: open, compare, mend where asked, combine."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import xarray as xr

from vzlab.datasets.absent import missing_values
from vzlab.datasets.assemble import is_virtual, manifest_array
from vzlab.datasets.cf_codecs import packing_as_codecs
from vzlab.datasets.check import arrange_sources, check_opened
from vzlab.datasets.combine import AttributePolicy, Manner, as_names, combine_attributes, combine_tiles
from vzlab.datasets.compatibility import Rules, VariableChoice
from vzlab.datasets.findings import CompatibilityReport, Finding, Holders
from vzlab.datasets.open import open_virtual_dataset, open_virtual_datatree
from vzlab.datasets.reencode import (
    MEMORY_BYTES,
    ReencodingPlan,
    flips_of,
    plan_reencoding,
    reencode,
    replace_variables,
)
from vzlab.datasets.sources import name_of
from vzlab.datasets.tiling import Tiling, propose_tiling
from vzlab.datasets.trees import nodes_of, tile_trees
from vzlab.errors import IncompatibleFilesError, MemoryBudgetError
from vzlab.storage import StoreRegistry, as_registry, read_array

type OnMismatch = Literal["raise", "reencode", "load"]
type Join = Literal["exact", "outer", "inner", "left", "right", "override"]
type Compat = Literal["equals", "identical", "override", "no_conflicts", "broadcast_equals"]


def open_virtual_mfdataset(
    urls: Any,
    *,
    combine: Literal["by_coords", "nested"] = "by_coords",
    concat_dim: str | Sequence[str] | None = None,
    preprocess: Callable[[xr.Dataset], xr.Dataset] | None = None,
    data_vars: VariableChoice = "minimal",
    coords: VariableChoice = "minimal",
    compat: Compat = "equals",
    join: Join = "exact",
    combine_attrs: Any = None,
    attrs: AttributePolicy = "drop_varying",
    on_mismatch: OnMismatch = "raise",
    allow: str | Collection[str] = (),
    memory_bytes: int = MEMORY_BYTES,
    cf: Literal["attributes", "codecs"] = "attributes",
    parallel: Literal["threads"] | Executor | None = None,
    progress: bool = True,
    registry: Any = None,
    storage_options: dict[str, Any] | None = None,
    **open_options: Any,
) -> xr.Dataset:
    """Open many files as one virtual dataset.

    The files are compared first (`check_combine`): what would change the meaning of a number is refused, and nothing is
    overridden silently. Arguments that xarray's ``open_mfdataset`` has go by its names, with safe defaults.

    Parameters
    ----------
    urls : str, path, or (nested) list of them
        Files, or a glob: of local files, or of objects as in ``s3://bucket/prefix/*.nc``. Datasets that are open do too.
    combine : {"by_coords", "nested"}
        Whether the coordinates put the files in order, along one dimension or several that they tile, or the order given
        stands.
    concat_dim : str or list of str, optional
        The dimension along which the files follow each other; None finds it. With ``combine="nested"`` a list of
        dimensions goes with lists nested as deep. A dimension that the files lack is added.
    preprocess : callable, optional
        Applied to each file's virtual dataset before it is compared.
    data_vars, coords : "minimal", "all", "different" or list of str
        Which variables without the combined dimension are repeated along it.
    compat : {"equals", "identical", "override", "no_conflicts", "broadcast_equals"}
        How alike variables without the combined dimension must be: bit for bit, by default. `override` takes the first
        file's without looking.
    join : {"exact", "outer", "inner", "left", "right", "override"}
        What happens where labels along other dimensions differ: they are refused, by default. A join that would put
        missing values where a file has none needs ``allow=["fill"]``.
    combine_attrs : optional
        xarray's way of combining attributes, instead of `attrs`. What gives numbers their meaning is kept in any case.
    attrs : {"drop_varying", "keep_varying", "first"}
        Attributes that not all files have alike: dropped; kept, those of the files by the file's name in
        ``varying_attributes``; or the first file's.
    on_mismatch : {"raise", "reencode", "load"}
        What happens to variables that some files encode otherwise (chunks, codecs, data type, packing, fill, order of
        axes): an error with the report; the odd files' chunks encoded as the others', as chunks of their own beside the
        virtual ones; or all of the variable in memory, decoded.
    allow : str or list of str
        Refusals to allow: "absent", "disorder", "duplicates", "fill", "overlap", "precision", "same file", "static". See
        `vzlab.datasets.findings.ALLOWABLE` for what is then done.
    memory_bytes : int
        What `on_mismatch` may hold.
    cf : {"attributes", "codecs"}
        Whether packing stays in attributes, for readers that know the CF conventions, or becomes Zarr codecs, for readers
        that know those: `packing_as_codecs`.
    parallel : "threads" or concurrent.futures.Executor, optional
        Open files at the same time.
    progress : bool
        Show a progress bar on stderr where that is a terminal, and there the plan of what is encoded again.
    registry, storage_options, **open_options
        As for `open_virtual_dataset`.

    Raises
    ------
    IncompatibleFilesError
        With the compatibility report as ``.report``.
    IncompatibleArraysError
        If numbers cannot be encoded again without loss.
    MemoryBudgetError
        If mending would hold more than `memory_bytes`.
    """
    stores = as_registry(registry, storage_options)
    items, tiling = arrange_sources(urls, stores, combine, concat_dim)

    def open_one(item: Any) -> xr.Dataset:
        opened = (
            open_virtual_dataset(item, registry=stores, **open_options) if isinstance(item, str) else item
        )
        return opened if preprocess is None else preprocess(opened)

    if cf not in ("attributes", "codecs"):
        raise ValueError(f"Found cf={cf!r}; expected 'attributes' or 'codecs'")
    combined = combine_virtual(
        _open_all(items, open_one, parallel, progress),
        combine=combine,
        concat_dim=concat_dim,
        data_vars=data_vars,
        coords=coords,
        compat=compat,
        join=join,
        combine_attrs=combine_attrs,
        attrs=attrs,
        on_mismatch=on_mismatch,
        allow=allow,
        memory_bytes=memory_bytes,
        progress=progress,
        registry=stores,
        names=[name_of(item, i) for i, item in enumerate(items)],
        tiling=tiling,
    )
    return packing_as_codecs(combined) if cf == "codecs" else combined


def open_virtual_mfdatatree(
    urls: Any,
    *,
    combine: Literal["by_coords", "nested"] = "by_coords",
    concat_dim: str | None = None,
    parallel: Literal["threads"] | Executor | None = None,
    progress: bool = True,
    registry: Any = None,
    storage_options: dict[str, Any] | None = None,
    open_options: dict[str, Any] | None = None,
    **options: Any,
) -> xr.DataTree:
    """Open many files with all their groups as one virtual tree, combined group by group in one order.

    Parameters
    ----------
    urls, combine, concat_dim, parallel, progress, registry, storage_options
        As for `open_virtual_mfdataset`. The first group whose coordinates tell puts the files in order for all.
    open_options : dict, optional
        For `open_virtual_datatree`: ``loadable_variables``, ``drop_variables``, ...
    **options
        For combining each group, as for `open_virtual_mfdataset`: ``on_mismatch``, ``allow``, ``attrs``, ...

    Raises
    ------
    IncompatibleFilesError
        With the compatibility report of all groups as ``.report``.
    """
    stores = as_registry(registry, storage_options)
    items, tiling = arrange_sources(urls, stores, combine, concat_dim)

    def open_one(item: Any) -> xr.DataTree:
        if isinstance(item, str):
            return open_virtual_datatree(item, registry=stores, **(open_options or {}))
        return item  # type: ignore[no-any-return]

    trees: list[xr.DataTree] = _open_all(items, open_one, parallel, progress)
    names = [name_of(item, i) for i, item in enumerate(items)]
    manner, on_mismatch = _manner(**{k: v for k, v in options.items() if k != "memory_bytes"})
    report = check_opened(
        trees, concat_dim=concat_dim, tiling=tiling, registry=stores, names=names, rules=manner.rules
    )
    _refuse(report.without(allow=manner.allow, repaired_by=on_mismatch))
    nodes = nodes_of(trees)
    tiling = tiling or tile_trees(nodes, concat_dim)
    return xr.DataTree.from_dict(
        {
            path: combine_virtual(
                datasets, registry=stores, names=names, tiling=tiling, progress=progress, **options
            )
            if any(set(tiling.dims) & set(dataset.dims) for dataset in datasets)
            else _first_of(datasets, manner)
            for path, datasets in nodes
        }
    )


def combine_virtual(
    datasets: Sequence[xr.Dataset],
    *,
    combine: Literal["by_coords", "nested"] = "by_coords",
    concat_dim: str | Sequence[str] | None = None,
    memory_bytes: int = MEMORY_BYTES,
    progress: bool = False,
    registry: Any = None,
    names: Sequence[str] | None = None,
    tiling: Tiling | None = None,
    **options: Any,
) -> xr.Dataset:
    """Compare virtual datasets that are open and combine them; parameters are those of `open_virtual_mfdataset`.

    `tiling` gives the places of the files, where they are known.

    Raises
    ------
    IncompatibleFilesError
        With the compatibility report as ``.report``.
    """
    stores = as_registry(registry)
    opened: list[Any] = list(datasets)
    if tiling is None:
        opened, tiling = arrange_sources(opened, stores, combine, concat_dim)
    if names is None:
        names = [name_of(item, i) for i, item in enumerate(opened)]
    join = options.get("join", "exact")
    manner, on_mismatch = _manner(**options)
    tiling = tiling or propose_tiling(opened, concat_dim)
    filled: list[Finding] = []
    if join not in ("exact", "override"):
        opened, filled = _align(opened, tiling, join, names)
    report = check_opened(
        opened, concat_dim=concat_dim, tiling=tiling, registry=stores, names=names, rules=manner.rules
    )
    report = replace(report, findings=(*filled, *report.findings)).without(allow=manner.allow)
    _refuse(report.without(repaired_by=on_mismatch))
    if not report.compatible and on_mismatch == "reencode":
        plan = plan_reencoding(opened, report)
        _show(plan, progress)
        opened = reencode(
            opened,
            plan,
            concat_dims=tiling.dims,
            registry=stores,
            memory_bytes=memory_bytes,
            may_round="precision" in manner.allow,
        )
    elif not report.compatible:
        opened = _load(opened, report, stores, memory_bytes)
    return combine_tiles(opened, tiling, manner, names)


def reencode_plan(
    sources: Any,
    *,
    concat_dim: str | Sequence[str] | None = None,
    combine: Literal["by_coords", "nested"] = "by_coords",
    registry: Any = None,
    storage_options: dict[str, Any] | None = None,
    **open_options: Any,
) -> ReencodingPlan:
    """Tell what ``open_virtual_mfdataset(..., on_mismatch="reencode")`` would do: which chunks, how many bytes.

    Parameters are those of `check_combine`. Only static variables are read.
    """
    stores = as_registry(registry, storage_options)
    items, tiling = arrange_sources(sources, stores, combine, concat_dim)
    datasets = [
        open_virtual_dataset(item, registry=stores, **open_options) if isinstance(item, str) else item
        for item in items
    ]
    names = [name_of(item, i) for i, item in enumerate(items)]
    report = check_opened(
        datasets, concat_dim=concat_dim, tiling=tiling, registry=stores, names=names, rules=Rules()
    )
    return plan_reencoding([d for d in datasets if isinstance(d, xr.Dataset)], report)


def _manner(
    *,
    data_vars: VariableChoice = "minimal",
    coords: VariableChoice = "minimal",
    compat: Compat = "equals",
    join: Join = "exact",
    combine_attrs: Any = None,
    attrs: AttributePolicy = "drop_varying",
    on_mismatch: OnMismatch = "raise",
    allow: str | Collection[str] = (),
) -> tuple[Manner, OnMismatch]:
    for name, value, known in (
        ("on_mismatch", on_mismatch, ("raise", "reencode", "load")),
        ("join", join, ("exact", "outer", "inner", "left", "right", "override")),
        ("compat", compat, ("equals", "identical", "override", "no_conflicts", "broadcast_equals")),
    ):
        if value not in known:
            raise ValueError(f"Found {name}={value!r}; expected one of {', '.join(map(repr, known))}")
    rules = Rules(data_vars=data_vars, coords=coords, compat=compat, override_indexes=join == "override")
    return Manner(rules=rules, allow=as_names(allow), attrs=attrs, combine_attrs=combine_attrs), on_mismatch


def _first_of(datasets: Sequence[xr.Dataset], manner: Manner) -> xr.Dataset:
    """The first of datasets that were found alike, with the attributes that stand for all."""
    first = datasets[0].copy()
    first.attrs = combine_attributes([dataset.attrs for dataset in datasets], manner)
    return first


def _refuse(report: CompatibilityReport) -> None:
    if not report.compatible:
        # Not folded: an error says the same whatever the terminal.
        raise IncompatibleFilesError(report.to_text(width=10_000), report=report)


def _show(plan: ReencodingPlan, progress: bool) -> None:
    from rich.console import Console

    console = Console(stderr=True)
    if progress and console.is_terminal:
        console.print(str(plan), markup=False, highlight=False, soft_wrap=True)


def _align(
    datasets: Sequence[xr.Dataset], tiling: Tiling, join: Join, names: Sequence[str]
) -> tuple[list[xr.Dataset], list[Finding]]:
    """Datasets with the same labels along all other dimensions, and where that puts missing values."""
    aligned = xr.align(
        *datasets, join=join, copy=False, exclude=tiling.dims, fill_value=missing_values(datasets)
    )
    findings = []
    for dim in dict.fromkeys(str(dim) for dataset in aligned for dim in dataset._indexes):
        if dim in tiling.dims or dim not in aligned[0]._indexes:
            continue
        labels = aligned[0]._indexes[dim].to_pandas_index()
        short = [
            i
            for i, dataset in enumerate(datasets)
            if dim in dataset._indexes and not labels.isin(dataset._indexes[dim].to_pandas_index()).all()
        ]
        if short:
            more = f" and {len(short) - 1} more" if len(short) > 1 else ""
            findings.append(
                Finding(
                    variable=dim,
                    facet="coordinates",
                    kind="fill",
                    severity="refused",
                    sentence=f"Joined with join={join!r}, {dim} has labels that {names[short[0]]}{more} lack: missing values "
                    "would stand there beside measured ones.",
                    holders=(Holders.of(f"lacks labels of {dim}", short),),
                    short="would be filled",
                    fix='vz.open_virtual_mfdataset(files, join="inner")\n# or, if that is meant: allow=["fill"]',
                )
            )
    return list(aligned), findings


def _load(
    datasets: Sequence[xr.Dataset], report: CompatibilityReport, registry: StoreRegistry, memory_bytes: int
) -> list[xr.Dataset]:
    """Datasets in which the variables that differ are in memory, decoded, of all files."""
    flips = flips_of(report)
    turned = {dim for dims in flips.values() for dim in dims}
    names = {f.variable for f in report.problems if f.kind != "flipped"} | {
        str(name)
        for d in datasets
        for name, v in d._variables.items()
        if turned & set(v.dims) and is_virtual(v)
    }
    n_bytes = sum(
        math.prod(d._variables[name].shape) * 8 for d in datasets for name in names if name in d._variables
    )
    if n_bytes > memory_bytes:
        raise MemoryBudgetError(
            f"Loading {', '.join(sorted(names))} of {len(datasets)} files would take up to {n_bytes:,} bytes; {memory_bytes:,} "
            'are allowed. Give more with memory_bytes=, or encode only the odd files again: on_mismatch="reencode".'
        )
    orders = {name: next(d._variables[name].dims for d in datasets if name in d._variables) for name in names}
    loaded = []
    for i, dataset in enumerate(datasets):
        decoded: dict[Hashable, xr.Variable] = {
            name: _decoded(name, dataset._variables[name], registry).transpose(*orders[name])
            for name in sorted(names)
            if name in dataset._variables
        }
        flipped = flips.get(i, ())
        decoded = {
            name: variable.isel({dim: slice(None, None, -1) for dim in flipped if dim in variable.dims})
            for name, variable in decoded.items()
        }
        loaded.append(replace_variables(dataset, decoded, flipped))
    return loaded


def _decoded(name: str, variable: xr.Variable, registry: StoreRegistry) -> xr.Variable:
    if not is_virtual(variable):
        return variable
    values = read_array(manifest_array(variable), registry, name=name)
    stored = xr.Variable(variable.dims, np.asarray(values), dict(variable.attrs))
    return xr.conventions.decode_cf_variable(name, stored).load()


def _open_all(
    items: Sequence[Any],
    open_one: Callable[[Any], Any],
    parallel: Literal["threads"] | Executor | None,
    progress: bool,
) -> list[Any]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    shown = progress and console.is_terminal and len(items) > 1

    def tracked(opened: Any) -> list[Any]:
        return list(track(opened, "Opening", total=len(items), console=console) if shown else opened)

    if parallel == "threads":
        with ThreadPoolExecutor() as pool:
            return tracked(pool.map(open_one, items))
    if parallel is not None:
        return tracked(parallel.map(open_one, items))
    return tracked(map(open_one, items))
