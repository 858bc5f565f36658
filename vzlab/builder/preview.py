"""What a combined dataset is, before anything is written: its repr, references, bytes and cost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from vzlab.datasets import is_virtual, manifest_array
from vzlab.errors import VzlabError
from vzlab.inspection import Cost, cost
from vzlab.inspection.words import format_bytes
from vzlab.manifests import ManifestArray
from vzlab.storage import StoreRegistry, local_path


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A combined dataset in words and numbers; no chunk was read for it."""

    text: str
    """xarray's own repr."""
    n_references: int
    reference_bytes: int
    """Of memory: references, chunks held beside them, loaded variables."""
    n_files: int
    """To which references point."""
    file_bytes: int | None
    """Of all those files; None if not every size is known."""
    referenced_bytes: int
    """Of the chunks in those files."""
    prefixes: tuple[str, ...]
    """Virtual chunk containers that an Icechunk repository gets; empty if Icechunk cannot read such urls."""
    cost: Cost | None
    """Of the selection that was asked for, or of the first position of the largest variable; None where nothing is virtual."""

    def __str__(self) -> str:
        files = f"{self.n_files:,} file{'s' * (self.n_files != 1)}"
        size = "" if self.file_bytes is None else f", {format_bytes(self.file_bytes)} in all"
        lines = [
            self.text,
            "",
            f"{self.n_references:,} references to {format_bytes(self.referenced_bytes)} of chunks in {files}{size}.",
            f"The references take {format_bytes(self.reference_bytes)} of memory; nothing else is copied.",
        ]
        if self.cost is not None:
            lines.append(self.against_originals)
        return "\n".join(lines)

    @property
    def against_originals(self) -> str:
        """What the selection costs by references, and what the originals ask for before they give it."""
        if self.cost is None:
            return ""
        told = self.cost
        return (
            f"Reading {told.title}: {told.n_requests:,} requests, {format_bytes(told.fetched_bytes)}, {told.time_s:.2g} s. "
            f"Without references, {self.n_files:,} files are opened first, each time: at least "
            f"{self.n_files:,} more requests, {told.prices.time_s(self.n_files, 0):.2g} s."
        )


def preview_of(
    cube: xr.Dataset | xr.DataTree, registry: StoreRegistry, variable: str | None, selection: dict[str, Any]
) -> Preview:
    """Work out what there is to say of a combined dataset; asks for nothing but the sizes of local files."""
    from vzlab.writers.containers import prefixes_for

    arrays = _virtual(cube)
    sources = {s.url: s for a in arrays.values() for s in a.manifest.compact().sources}
    sizes = [s.size_bytes if s.size_bytes is not None else _local_size(s.url) for s in sources.values()]
    try:
        prefixes = prefixes_for(sources)
    except VzlabError:
        prefixes = ()
    told = None
    if variable is None and arrays:
        variable = max(arrays, key=lambda name: arrays[name].size)
        dims = arrays[variable].metadata.dimension_names or ()
        selection = {dims[0]: 0} if dims and dims[0] and arrays[variable].shape[0] else {}
    if variable is not None:
        told = cost(cube, variable, selection, registry=registry)
    return Preview(
        text=str(cube),
        n_references=cube.vzlab.n_refs,
        reference_bytes=cube.vzlab.nbytes,
        n_files=len(sources),
        file_bytes=sum(size for size in sizes if size is not None) if None not in sizes else None,
        referenced_bytes=sum(a.manifest.stored_bytes for a in arrays.values()),
        prefixes=tuple(prefixes),
        cost=told,
    )


def _virtual(cube: xr.Dataset | xr.DataTree) -> dict[str, ManifestArray]:
    nodes = (
        [(node.path.strip("/"), node.to_dataset(inherit=False)) for node in cube.subtree]
        if isinstance(cube, xr.DataTree)
        else [("", cube)]
    )
    return {
        f"{path}/{name}" if path else str(name): manifest_array(variable)
        for path, dataset in nodes
        for name, variable in dataset.variables.items()
        if is_virtual(variable)
    }


def _local_size(url: str) -> int | None:
    path = local_path(url)
    return Path(path).stat().st_size if path is not None and Path(path).is_file() else None
