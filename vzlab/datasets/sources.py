"""What can be compared and combined: urls, paths, globs (local or in a bucket), datasets, groups, trees."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import xarray as xr

from vzlab.datasets.assemble import assemble_dataset, is_virtual, references_of
from vzlab.errors import SourceNotFoundError
from vzlab.manifests import ManifestGroup, UnreadableVariable
from vzlab.storage import StoreRegistry, as_registry, normalize_url, read_array, url_name
from vzlab.storage.gate import pass_gate

type Item = str | xr.Dataset | xr.DataTree
"""A normalised url, or what is open already."""


def expand_sources(sources: Any, registry: StoreRegistry | None = None) -> list[Item]:
    """A flat list of urls, datasets and trees from one of them, a glob, a group, or any nesting of lists.

    Parameters
    ----------
    sources
        Paths, urls, globs (``/data/*.nc``, ``s3://bucket/prefix/*.nc``), virtual datasets, `ManifestGroup` or DataTree.
    registry
        Lists buckets for globs; None works the store out from the url.

    Raises
    ------
    SourceNotFoundError
        If a glob finds nothing.
    TypeError
        If something else is among them.
    """
    if isinstance(sources, str | os.PathLike):
        return list(_expand_url(os.fspath(sources), registry))
    if isinstance(sources, xr.Dataset | xr.DataTree):
        return [sources]
    if isinstance(sources, ManifestGroup):
        return [open_manifest_group(sources, registry or as_registry())]
    if isinstance(sources, Iterable):
        return [item for source in sources for item in expand_sources(source, registry)]
    raise TypeError(
        f"Found a {type(sources).__name__}; expected urls, paths, a glob, virtual datasets, trees or groups"
    )


def _expand_url(text: str, registry: StoreRegistry | None) -> Iterable[str]:
    if not glob.has_magic(text) or text.startswith(("http://", "https://")):
        return [normalize_url(text)]
    if "://" not in text:
        if Path(text).exists():
            return [normalize_url(text)]
        found = sorted(glob.glob(text, recursive=True))  # noqa: PTH207  Path.glob wants a root
        if not found:
            raise SourceNotFoundError(f"No files match {text!r}: expected at least one")
        urls = list(map(normalize_url, found))
        for url in urls:
            pass_gate(url)
        return urls
    found = (registry or as_registry()).glob(text)
    if not found:
        raise SourceNotFoundError(f"No objects match {text!r}: expected at least one")
    return found


def name_of(item: Item, position: int) -> str:
    """What to call a source in reports: its file's name where there is one."""
    if isinstance(item, str):
        return url_name(item)
    datasets = [node.dataset for node in item.subtree] if isinstance(item, xr.DataTree) else [item]
    urls = {
        url
        for dataset in datasets
        for variable in dataset.variables.values()
        if is_virtual(variable)
        for url in references_of(variable).manifest.urls
    }
    return url_name(urls.pop()) if len(urls) == 1 else f"dataset {position}"


def open_manifest_group(
    group: ManifestGroup, registry: StoreRegistry, loadable_variables: Any = None
) -> xr.Dataset | xr.DataTree:
    """A group as a dataset, or with its subgroups as a tree; index coordinates are loaded."""

    def assemble(part: ManifestGroup, path: str) -> xr.Dataset:
        return assemble_dataset(
            part,
            read=lambda name, array: read_array(array, registry, name=name),
            load_unreadable=_refuse,
            loadable_variables=loadable_variables,
            decode_times=None,
            path=path,
        )

    if not group.groups:
        return assemble(group, "")
    return xr.DataTree.from_dict({"/" + path: assemble(part, path) for path, part in group.walk()})


def _refuse(name: str, variable: UnreadableVariable) -> Any:
    raise NotImplementedError(
        f"{name!r} cannot be loaded: {variable.reason} Open the file by its url instead."
    )
