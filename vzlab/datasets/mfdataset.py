"""Open many files as one virtual dataset or tree: open, compare, mend where asked, combine."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, Literal

import xarray as xr

from vzlab.datasets.absent import missing_values
from vzlab.datasets.cf_codecs import packing_as_codecs
from vzlab.datasets.check import arrange_sources, check_opened
from vzlab.datasets.combine import AttributePolicy, Manner, as_names, combine_attributes, combine_tiles
from vzlab.datasets.compatibility import Rules, VariableChoice
from vzlab.datasets.findings import CompatibilityReport, Finding, Holders
from vzlab.datasets.loading import load_mismatched
from vzlab.datasets.merging import kinds_of, merge_kinds
from vzlab.datasets.opening import Opening, Running, open_sources
from vzlab.datasets.packed import PackedDatasets
from vzlab.datasets.parallel import RETRIES, OnError, Parallel
from vzlab.datasets.reencode import (
    MEMORY_BYTES,
    ReencodingPlan,
    plan_reencoding,
    reencode,
)
from vzlab.datasets.sources import name_of
from vzlab.datasets.tiling import Tiling, propose_tiling
from vzlab.datasets.trees import nodes_of, tile_trees
from vzlab.display import terminal
from vzlab.errors import IncompatibleFilesError
from vzlab.storage import as_registry

type OnMismatch = Literal["raise", "reencode", "load"]
type Join = Literal["exact", "outer", "inner", "left", "right", "override"]
type Compat = Literal["equals", "identical", "override"]


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
    parallel: Parallel = None,
    retries: int = RETRIES,
    on_error: OnError = "raise",
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
    compat : {"equals", "identical", "override"}
        How alike variables without the combined dimension must be: bit for bit, by default; `identical` in their attributes
        too. `override` takes the first file's without looking. xarray's other words, which make new values, are refused.
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
        What `on_mismatch` may hold. Chunks that were encoded again and do not fit in half of it wait in a temporary file.
    cf : {"attributes", "codecs"}
        Whether packing stays in attributes, for readers that know the CF conventions, or becomes Zarr codecs, for readers
        that know those: `packing_as_codecs`.
    parallel : {"threads", "processes", "dask", "lithops"} or executor, optional
        Where files are opened: None in turn; a pool of threads or of new processes on this machine (scripts then need
        ``if __name__ == "__main__":``); the cluster of your ``distributed.Client``; Lithops' functions; or an executor of
        ``concurrent.futures``, a client or a ``lithops.FunctionExecutor``. What is sent there and back is pickled: with the
        references 20 bytes each, and what files share once a batch.
    retries : int
        How often a file is tried again after a fault that may pass: a lost connection, a server's error.
    on_error : {"raise", "skip"}
        Whether a file that cannot be opened ends it all, or is left out with a `SkippedFilesWarning` that names it.
    progress : bool
        Show a progress bar on stderr where that is a terminal, and there the plan of what is encoded again.
    registry, storage_options, **open_options
        As for `open_virtual_dataset`.

    Returns
    -------
    xarray.Dataset
        Virtual variables hold the references of all files, in the order of their coordinates; loaded ones hold values.

    Raises
    ------
    IncompatibleFilesError
        With the compatibility report as ``.report``.
    IncompatibleArraysError
        If numbers cannot be encoded again without loss.
    MemoryBudgetError
        If mending would hold more than `memory_bytes`.

    Examples
    --------
    >>> import vzlab as vz
    >>> files = ["archive/sst_2025-01-01.nc", "archive/sst_2025-01-02.nc"]
    >>> dict(vz.open_virtual_mfdataset(files, progress=False).sizes)
    {'time': 2, 'lat': 90, 'lon': 180}
    """
    if cf not in ("attributes", "codecs"):
        raise ValueError(f"Found cf={cf!r}; expected 'attributes' or 'codecs'")
    options = {
        "data_vars": data_vars,
        "coords": coords,
        "compat": compat,
        "join": join,
        "combine_attrs": combine_attrs,
        "attrs": attrs,
        "on_mismatch": on_mismatch,
        "allow": allow,
    }
    _manner(**options)  # refuses a word that it does not know, before any file is opened
    stores = as_registry(registry, storage_options)
    items, tiling = arrange_sources(urls, stores, combine, concat_dim)
    opening = Opening(registry=stores, options=open_options, preprocess=preprocess, along=concat_dim)
    running = Running(parallel=parallel, retries=retries, on_error=on_error, progress=progress)
    opened = open_sources(items, tiling, opening, running)
    combined = combine_virtual(
        opened.files,
        combine=combine,
        concat_dim=concat_dim,
        memory_bytes=memory_bytes,
        progress=progress,
        registry=stores,
        names=opened.names,
        tiling=opened.tiling,
        **options,
    )
    return packing_as_codecs(combined) if cf == "codecs" else combined


def open_virtual_mfdatatree(
    urls: Any,
    *,
    combine: Literal["by_coords", "nested"] = "by_coords",
    concat_dim: str | None = None,
    parallel: Parallel = None,
    retries: int = RETRIES,
    on_error: OnError = "raise",
    progress: bool = True,
    registry: Any = None,
    storage_options: dict[str, Any] | None = None,
    open_options: dict[str, Any] | None = None,
    **options: Any,
) -> xr.DataTree:
    """Open many files with all their groups as one virtual tree, combined group by group in one order.

    Parameters
    ----------
    urls, combine, concat_dim, parallel, retries, on_error, progress, registry, storage_options
        As for `open_virtual_mfdataset`. The first group whose coordinates tell puts the files in order for all.
    open_options : dict, optional
        For `open_virtual_datatree`: ``loadable_variables``, ``drop_variables``, ...
    **options
        For combining each group, as for `open_virtual_mfdataset`: ``on_mismatch``, ``allow``, ``attrs``, ...

    Returns
    -------
    xarray.DataTree
        With a node for each group, each combined over all files.

    Raises
    ------
    IncompatibleFilesError
        With the compatibility report of all groups as ``.report``.

    Examples
    --------
    >>> import vzlab as vz
    >>> tree = vz.open_virtual_mfdatatree(["archive/sst_2025-01-01.nc", "archive/sst_2025-01-02.nc"], progress=False)
    >>> tree.sizes["time"]
    2
    """
    manner, on_mismatch = _manner(**{k: v for k, v in options.items() if k != "memory_bytes"})
    stores = as_registry(registry, storage_options)
    items, tiling = arrange_sources(urls, stores, combine, concat_dim)
    opening = Opening(registry=stores, options=open_options or {}, as_tree=True)
    running = Running(parallel=parallel, retries=retries, on_error=on_error, progress=progress)
    opened = open_sources(items, tiling, opening, running)
    trees, names, tiling = opened.files, opened.names, opened.tiling
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
    if not isinstance(datasets, PackedDatasets):
        items, given = arrange_sources(datasets, stores, combine, concat_dim)
        tiling = tiling or given
        names = names or [name_of(item, i) for i, item in enumerate(items)]
        datasets = PackedDatasets.open(items)
    names = names or [name_of(dataset, i) for i, dataset in enumerate(datasets)]
    opened: Sequence[xr.Dataset] = datasets
    join = options.get("join", "exact")
    manner, on_mismatch = _manner(**options)
    kinds = kinds_of(datasets.outlines(()), tiling)
    if len(kinds) > 1:
        report = check_opened(
            datasets, concat_dim=concat_dim, tiling=tiling, registry=stores, names=names, rules=manner.rules
        )
        _refuse(report.without(allow=manner.allow, repaired_by=on_mismatch))
        parts = [
            combine_virtual(
                datasets.choose(kind.files),
                concat_dim=concat_dim,
                memory_bytes=memory_bytes,
                progress=progress,
                registry=stores,
                names=[names[i] for i in kind.files],
                tiling=kind.tiling,
                **options,
            )
            for kind in kinds
        ]
        return merge_kinds(parts, lambda attributes, context=None: combine_attributes(attributes, manner))  # noqa: ARG005
    tiling = tiling or propose_tiling(datasets.outlines(()), concat_dim)
    filled: list[Finding] = []
    if join not in ("exact", "override"):
        opened, filled = _align(list(opened), tiling, join, names)
    report = check_opened(
        opened, concat_dim=concat_dim, tiling=tiling, registry=stores, names=names, rules=manner.rules
    )
    report = replace(report, findings=(*filled, *report.findings)).without(allow=manner.allow)
    _refuse(report.without(repaired_by=on_mismatch))
    if not report.compatible and on_mismatch == "reencode":
        opened = list(opened)
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
        opened = load_mismatched(list(opened), report, stores, memory_bytes)
    return combine_tiles(opened, tiling, manner, names)


def reencode_plan(
    sources: Any,
    *,
    concat_dim: str | Sequence[str] | None = None,
    combine: Literal["by_coords", "nested"] = "by_coords",
    parallel: Parallel = None,
    retries: int = RETRIES,
    on_error: OnError = "raise",
    progress: bool = False,
    registry: Any = None,
    storage_options: dict[str, Any] | None = None,
    **open_options: Any,
) -> ReencodingPlan:
    """Tell what ``open_virtual_mfdataset(..., on_mismatch="reencode")`` would do: which chunks, how many bytes.

    Only static variables are read.

    Parameters
    ----------
    sources, concat_dim, combine, parallel, retries, on_error, progress, registry, storage_options, **open_options
        As for `check_combine`.

    Returns
    -------
    ReencodingPlan
        A step for each variable of each odd file: why, which chunks, and how many bytes are read and decoded.

    Raises
    ------
    SourceNotFoundError
        If a glob finds nothing.

    Examples
    --------
    >>> import vzlab as vz
    >>> vz.reencode_plan(["archive/sst_2025-01-06.nc", "archive/sst_2025-01-07.nc"]).n_chunks
    9
    """
    stores = as_registry(registry, storage_options)
    items, tiling = arrange_sources(sources, stores, combine, concat_dim)
    running = Running(parallel=parallel, retries=retries, on_error=on_error, progress=progress)
    opened = open_sources(
        items, tiling, Opening(registry=stores, options=open_options, along=concat_dim), running
    )
    report = check_opened(
        opened.files,
        concat_dim=concat_dim,
        tiling=opened.tiling,
        registry=stores,
        names=opened.names,
        rules=Rules(),
    )
    return plan_reencoding([d for d in opened.files if isinstance(d, xr.Dataset)], report)


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
        ("compat", compat, ("equals", "identical", "override")),
    ):
        if value in ("no_conflicts", "broadcast_equals"):
            raise ValueError(
                f"compat={value!r} makes new values of several files' variables, which references cannot hold; expected "
                "'equals', 'identical' or 'override'. Load those variables and merge them with xarray."
            )
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
    console = terminal()
    if progress and console is not None:
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
