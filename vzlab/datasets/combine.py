"""Many files as one virtual dataset, combined only if they are found to agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, Literal

import numpy as np
import xarray as xr

from vzlab.cf import ENCODING_ATTRIBUTES
from vzlab.datasets.assemble import is_virtual
from vzlab.datasets.compatibility import check_combine, expand_sources
from vzlab.datasets.open import open_virtual_dataset
from vzlab.errors import IncompatibleFilesError
from vzlab.storage import as_registry, normalize_url, url_name


def open_virtual_mfdataset(
    urls: Any,
    *,
    combine: Literal["by_coords", "nested"] = "by_coords",
    concat_dim: str | None = None,
    preprocess: Callable[[xr.Dataset], xr.Dataset] | None = None,
    parallel: Literal["threads"] | Executor | None = None,
    progress: bool = True,
    registry: Any = None,
    storage_options: dict[str, Any] | None = None,
    **open_options: Any,
) -> xr.Dataset:
    """Open many files as one virtual dataset.

    The files are compared first (`check_combine`): what would change the meaning of a number is refused, and nothing is
    overridden silently. Attributes that are not the same in every file are dropped.

    Parameters
    ----------
    urls : str, path, or list of them
        Files, or a glob for local ones.
    combine : {"by_coords", "nested"}
        Whether the coordinate along `concat_dim` puts the files in order, or the order given stands.
    concat_dim : str, optional
        The dimension along which the files follow each other; None finds it.
    preprocess : callable, optional
        Applied to each file's virtual dataset before it is compared.
    parallel : "threads" or concurrent.futures.Executor, optional
        Open files at the same time.
    progress : bool
        Show a progress bar on stderr where that is a terminal.
    registry, storage_options, **open_options
        As for `open_virtual_dataset`.

    Raises
    ------
    IncompatibleFilesError
        With the compatibility report as ``.report``.
    """
    locations = [normalize_url(item) for item in expand_sources(urls)]
    stores = as_registry(registry, storage_options)

    def open_one(url: str) -> xr.Dataset:
        dataset = open_virtual_dataset(url, registry=stores, **open_options)
        return dataset if preprocess is None else preprocess(dataset)

    datasets = _open_all(locations, open_one, parallel, progress)
    return combine_virtual(
        datasets,
        combine=combine,
        concat_dim=concat_dim,
        registry=stores,
        names=[url_name(url) for url in locations],
    )


def combine_virtual(
    datasets: Sequence[xr.Dataset],
    *,
    combine: Literal["by_coords", "nested"] = "by_coords",
    concat_dim: str | None = None,
    registry: Any = None,
    names: Sequence[str] | None = None,
) -> xr.Dataset:
    """Compare virtual datasets and concatenate them; parameters are those of `open_virtual_mfdataset`.

    Raises
    ------
    IncompatibleFilesError
        With the compatibility report as ``.report``.
    """
    report = check_combine(list(datasets), concat_dim=concat_dim, registry=registry, names=names)
    if not report.compatible:
        raise IncompatibleFilesError(str(report), report=report)
    if len(datasets) == 1:
        return datasets[0]
    order = report.order if combine == "by_coords" else range(len(datasets))
    dim = report.concat_dim
    assert dim is not None  # the report of files without one is not compatible
    combined = xr.concat(
        [datasets[i] for i in order],
        dim,
        data_vars="minimal",
        coords="minimal",
        # Compared already, bit for bit: check_combine found no difference.
        compat="override",
        join="override",
        combine_attrs=_constant_attributes,
    )
    combined.encoding = dict(datasets[0].encoding)
    for name, variable in combined.variables.items():
        if not is_virtual(variable):
            _forget_varying_packing(variable, [dataset.variables[name].encoding for dataset in datasets])
    return combined


def _forget_varying_packing(variable: xr.Variable, encodings: Sequence[dict[Any, Any]]) -> None:
    """Leave loaded values unpacked, if no one packing held them all: packed again by the first, they would lose digits."""
    packings = {repr([encoding.get(name) for name in ENCODING_ATTRIBUTES]) for encoding in encodings}
    if len(packings) > 1:
        for name in (*ENCODING_ATTRIBUTES, "dtype"):
            variable.encoding.pop(name, None)


def _constant_attributes(
    attributes: Sequence[dict[str, Any]],
    context: Any = None,  # noqa: ARG001  xarray passes it by name
) -> dict[str, Any]:
    """Attributes that every file has with the same value."""
    first, *others = attributes
    return {
        name: value
        for name, value in first.items()
        if all(
            name in other and np.array_equal(other[name], value, equal_nan=_is_float(value))
            for other in others
        )
    }


def _is_float(value: Any) -> bool:
    return bool(np.asarray(value).dtype.kind == "f")


def _open_all(
    urls: Sequence[str],
    open_one: Callable[[str], xr.Dataset],
    parallel: Literal["threads"] | Executor | None,
    progress: bool,
) -> list[xr.Dataset]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    shown = progress and console.is_terminal and len(urls) > 1

    def tracked(datasets: Any) -> list[xr.Dataset]:
        return list(track(datasets, "Opening", total=len(urls), console=console) if shown else datasets)

    if parallel == "threads":
        with ThreadPoolExecutor() as pool:
            return tracked(pool.map(open_one, urls))
    if parallel is not None:
        return tracked(parallel.map(open_one, urls))
    return tracked(map(open_one, urls))
