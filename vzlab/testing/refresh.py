"""Make the references of changed files anew, of those alone, in one step."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from vzlab.datasets import is_virtual, manifest_array, open_virtual_dataset
from vzlab.detection import detect_format
from vzlab.errors import WriteError
from vzlab.manifests import ChunkManifest, SourceFile
from vzlab.storage import as_registry, normalize_url
from vzlab.testing.verification import Verification
from vzlab.testing.verify import verify
from vzlab.writers.contents import sources_of, take_apart
from vzlab.writers.sources_seen import sources_metadata

if TYPE_CHECKING:
    from icechunk import Repository, Storage


@dataclass(frozen=True, kw_only=True)
class Refresh:
    """What refreshing references did.

    Examples
    --------
    >>> import vzlab as vz
    >>> _ = vz.open_virtual_dataset("archive/sst_2025-01-01.nc").vzlab.to_icechunk("fresh")
    >>> vz.refresh("fresh").urls  # files that were parsed again
    ()
    """

    urls: tuple[str, ...]
    """Files whose references were made anew."""
    snapshot_id: str | None
    """The commit; None if there was nothing to do, or in Kerchunk references."""
    n_references: int
    """References written."""

    def __str__(self) -> str:
        if not self.urls:
            return "No file needs its references made anew."
        done = "Rewritten" if self.snapshot_id is None else f"Committed {self.snapshot_id}"
        return f"{done}: {self.n_references:,} references to {len(self.urls):,} files made anew."


def refresh(
    target: str | os.PathLike[str] | Storage | Repository,
    report: Verification | None = None,
    *,
    files: Iterable[str | os.PathLike[str]] | None = None,
    open_file: Callable[[str], xr.Dataset] | None = None,
    branch: str = "main",
    message: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    source_options: Mapping[str, Any] | None = None,
) -> Refresh:
    """Parse the files again whose references a verification found wrong, and put the new ones in their place.

    A file's place is where its coordinates are in the store; where it has none, where its chunks were. Codecs, packing,
    and everything that does not change along the place must be as before: what differs is refused, and nothing is written.

    Parameters
    ----------
    target : path, url, icechunk.Storage or Repository
        Kerchunk references too, as JSON or as a folder of Parquet: those of the files are rewritten, and nothing is changed
        if one of them does not fit. There a file's place is where its chunks were.
    report : Verification, optional
        What `verify` found; None verifies now.
    files : iterable of str, optional
        Files to parse again, whatever was found: Kerchunk references do not tell what files were when they were parsed.
    open_file : callable, optional
        Gives the virtual dataset of a url, prepared as when the repository was written; None opens it as
        `open_virtual_dataset` does.
    branch, message
        Of the commit.
    storage_options : mapping, optional
        For a url as target, as ``obstore`` names them.
    source_options : mapping, optional
        For the files; None is `storage_options`.

    Returns
    -------
    Refresh
        Which files were parsed again, how many references were replaced, and the commit.

    Raises
    ------
    WriteError
        If a file does not fit its place any more, or its place cannot be told.

    Examples
    --------
    >>> import vzlab as vz
    >>> _ = vz.open_virtual_dataset("archive/sst_2025-01-01.nc").vzlab.to_icechunk("cube")
    >>> vz.refresh("cube").n_references  # no file changed
    0
    """
    options = storage_options if source_options is None else source_options
    if files is not None:
        urls = tuple(map(normalize_url, files))
    else:
        urls = (report or verify(target, branch=branch, storage_options=options)).to_virtualize
    if not urls:
        return Refresh(urls=(), snapshot_id=None, n_references=0)
    stores = as_registry(None, options)
    if isinstance(target, str | os.PathLike) and detect_format(normalize_url(target), stores).key.startswith(
        "kerchunk"
    ):
        from vzlab.testing.refresh_references import refresh_references

        read = open_file or partial(open_virtual_dataset, loadable_variables=[], storage_options=options)
        n = refresh_references(target, urls, read, stores)
        return Refresh(urls=urls, snapshot_id=None, n_references=n)
    from vzlab.writers import write_icechunk
    from vzlab.writers.relocation import stored_manifests
    from vzlab.writers.targets import open_target

    with open_target(
        target,
        (),
        urls=urls,
        branch=branch,
        append_dim=None,
        create=False,
        storage_options=storage_options,
        source_options=options,
    ) as opened:
        manifests = stored_manifests(opened.session.store)
        n = 0
        sources: list[SourceFile] = []
        for url in urls:
            dataset = (
                open_virtual_dataset(url, storage_options=options) if open_file is None else open_file(url)
            )
            for group in _groups_with(url, manifests):
                names = {posixpath.basename(path) for path in manifests if posixpath.dirname(path) == group}
                part = dataset.drop_vars([name for name in dataset.variables if name not in names])
                region = _region(part, group, url, manifests)
                n += write_icechunk(
                    part, opened.session, group=group, region=region, source_options=options
                ).n_virtual
                sources += sources_of(take_apart(part))
        told = message or f"Refresh {len(urls):,} files"
        snapshot = opened.commit(told, sources_metadata(list(dict.fromkeys(sources))))
    return Refresh(urls=urls, snapshot_id=snapshot, n_references=n)


def _groups_with(url: str, manifests: Mapping[str, ChunkManifest]) -> list[str]:
    """Groups of the store that have references to a file."""
    return sorted({posixpath.dirname(path) for path, manifest in manifests.items() if url in manifest.urls})


def _region(dataset: xr.Dataset, group: str, url: str, manifests: Mapping[str, ChunkManifest]) -> Any:
    """Where a file belongs: by its coordinates, else by where its chunks are."""
    if any(name in dataset.dims for name in dataset.coords):
        return "auto"
    region: dict[str, slice] = {}
    for name, variable in dataset.variables.items():
        manifest = manifests[posixpath.join(group, str(name))]
        if not is_virtual(variable) or url not in manifest.urls:
            continue
        held = np.nonzero(manifest.source_index == manifest.urls.index(url))
        lengths = manifest_array(variable).chunk_grid.chunk_shape
        for dim, positions, n, chunk, size in zip(
            variable.dims, held, manifest.grid_shape, lengths, variable.shape, strict=True
        ):
            if (int(positions.min()), int(positions.max())) != (0, n - 1) or len(set(manifest.urls)) > 1:
                start = int(positions.min()) * chunk
                region.setdefault(str(dim), slice(start, start + size))
    if not region:
        region = {str(dim): slice(0, size) for dim, size in list(dataset.sizes.items())[:1]}
    if not region:
        raise WriteError(f"{url} holds no array with dimensions, so nothing says what of the store it is")
    return region
