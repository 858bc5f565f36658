"""Give the references of an Icechunk repository new places, all at once: files moved, their bytes are the same."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from vzlab.errors import WriteError
from vzlab.manifests import ArrayMetadata, ChunkManifest, SourceFile
from vzlab.manifests.manifest import INLINE, MISSING
from vzlab.storage import as_registry, normalize_url
from vzlab.storage.source_files import Unavailable, look_up
from vzlab.writers.chunk_grids import with_uniform_lengths
from vzlab.writers.execute import quiet
from vzlab.writers.references import set_references
from vzlab.writers.sources_seen import sources_metadata
from vzlab.writers.stored_references import chunk_manifest
from vzlab.writers.targets import TakenError, open_target

if TYPE_CHECKING:
    from icechunk import IcechunkStore, Repository, Storage

SHOWN = 3
"""Files that an error names; more are counted."""


@dataclass(frozen=True, kw_only=True)
class Relocation:
    """What giving references new places did."""

    snapshot_id: str | None
    """The commit."""
    n_references: int
    """References rewritten."""
    moved: Mapping[str, str]
    """New url of each file, by its old one."""
    prefixes: tuple[str, ...]
    """Virtual chunk containers of the repository."""

    def __str__(self) -> str:
        return (
            f"Committed {self.snapshot_id}: {self.n_references:,} references to {len(self.moved):,} files lie at new places. "
            f"The repository refers to files under {', '.join(self.prefixes)}."
        )


def relocate(
    target: str | os.PathLike[str] | Storage | Repository,
    rename: Mapping[str, str] | Callable[[str], str],
    *,
    branch: str = "main",
    message: str | None = None,
    check: bool = True,
    storage_options: Mapping[str, Any] | None = None,
    source_options: Mapping[str, Any] | None = None,
) -> Relocation:
    """Point all references under some prefixes of urls to other prefixes, in one commit.

    Parameters
    ----------
    target : path, url, icechunk.Storage or Repository
    rename : mapping or callable
        New prefix by old one, the longest that fits a url holds; or a function from old to new url.
    branch, message
        Of the commit.
    check : bool
        Whether every file is looked up at its new place first: it must be there, and reach as far as its references do.
        What is seen of it is what readers hold it to.
    storage_options : mapping, optional
        For a url as target, as ``obstore`` names them.
    source_options : mapping, optional
        For the new places; None is `storage_options`.

    Returns
    -------
    Relocation
        How many references and files were concerned, and the commit.

    Raises
    ------
    WriteError
        If no reference is concerned, or a file is not at its new place or too short there.

    Examples
    --------
    >>> import vzlab as vz
    >>> from pathlib import Path
    >>> _ = vz.open_virtual_dataset("archive/sst_2025-01-01.nc").vzlab.to_icechunk("moving")
    >>> _ = Path("archive").rename("elsewhere")
    >>> vz.relocate("moving", {"archive": "elsewhere"}).n_references
    18
    >>> _ = Path("elsewhere").rename("archive")
    """
    new_url = rename if callable(rename) else _by_prefix(rename)
    options = storage_options if source_options is None else source_options
    taken: TakenError | None = None
    for _ in range(2):
        manifests = stored_manifests(_store_of(target, branch, storage_options))
        sources = {source.url for manifest in manifests.values() for source in manifest.sources}
        moved = {url: normalize_url(new) for url in sorted(sources) if (new := new_url(url)) != url}
        if not moved:
            known = sorted(sources)
            raise WriteError(
                f"No reference lies where the renaming looks for them; the repository refers to {len(known):,} files, such as "
                f"{', '.join(known[:SHOWN]) or 'none'}. Give their prefix as it is there."
            )
        seen = (
            _checked(manifests, moved, options)
            if check
            else {new: SourceFile(url=new) for new in moved.values()}
        )
        try:
            with open_target(
                target,
                (),
                urls=list(moved.values()),
                branch=branch,
                append_dim=None,
                create=False,
                storage_options=storage_options,
                source_options=options,
            ) as opened:
                n = 0
                for path, manifest in manifests.items():
                    part = _moved(manifest, moved, seen)
                    set_references(opened.session.store, path, part, chunk_offset=(0,) * len(part.grid_shape))
                    n += part.n_virtual
                snapshot = opened.commit(
                    message or f"Relocate {len(moved):,} files", sources_metadata(list(seen.values()))
                )
                prefixes = tuple(sorted(opened.session.config.virtual_chunk_containers or {}))
                return Relocation(snapshot_id=snapshot, n_references=n, moved=moved, prefixes=prefixes)
        except TakenError as error:
            taken = error
    raise WriteError("Others wrote to the repository meanwhile; nothing was relocated. Try again.") from taken


def stored_manifests(store: IcechunkStore) -> dict[str, ChunkManifest]:
    """Where the virtual chunks of every array of a store lie, by path; other chunks count as held."""
    manifests: dict[str, ChunkManifest] = {}
    with quiet():
        members = zarr.open_group(store, mode="r").members(max_depth=None)
        for path, node in sorted(members, key=lambda member: member[0]):
            if isinstance(node, zarr.Array):
                document = with_uniform_lengths(node.metadata.to_dict())
                grid = ArrayMetadata.from_dict(dict(document)).chunk_grid.grid_shape
                manifest, _ = chunk_manifest(store, path, grid)
                if manifest is not None:
                    manifests[path] = manifest
    return manifests


def _store_of(target: Any, branch: str, storage_options: Mapping[str, Any] | None) -> IcechunkStore:
    if hasattr(target, "readonly_session"):
        return target.readonly_session(branch).store  # type: ignore[no-any-return]
    from vzlab.writers.containers import open_icechunk

    return open_icechunk(target, storage_options=storage_options).readonly_session(branch).store


def _by_prefix(prefixes: Mapping[str, str]) -> Callable[[str], str]:
    pairs = sorted(
        ((_as_prefix(old), _as_prefix(new)) for old, new in prefixes.items()), key=lambda pair: -len(pair[0])
    )

    def new_url(url: str) -> str:
        for old, new in pairs:
            if url == old or url.startswith(old + "/"):
                return new + url[len(old) :]
        return url

    return new_url


def _as_prefix(location: str) -> str:
    return normalize_url(location).rstrip("/")


def _checked(
    manifests: Mapping[str, ChunkManifest], moved: Mapping[str, str], options: Mapping[str, Any] | None
) -> dict[str, SourceFile]:
    """What the files at the new places are; refuses those that are missing or too short."""
    reach = dict.fromkeys(moved, 0)
    for manifest in manifests.values():
        virtual = manifest.source_index < INLINE
        ends = np.zeros(len(manifest.sources), np.uint64)
        np.maximum.at(ends, manifest.source_index[virtual], (manifest.offsets + manifest.lengths)[virtual])
        for source, end in zip(manifest.urls, ends.tolist(), strict=True):
            if source in reach:
                reach[source] = max(reach[source], end)
    looked = look_up(moved.values(), as_registry(None, options))
    wrong = []
    seen = {}
    for old, new in moved.items():
        facts = looked[new]
        if isinstance(facts, Unavailable):
            wrong.append(f"{new} ({facts.state}: {facts.reason})")
        elif facts.size_bytes < reach[old]:
            wrong.append(f"{new} ({facts.size_bytes:,} bytes, and references reach to {reach[old]:,})")
        else:
            seen[new] = facts.source_file(new)
    if wrong:
        more = f" and {len(wrong) - SHOWN:,} more" if len(wrong) > SHOWN else ""
        raise WriteError(
            f"{len(wrong):,} of {len(moved):,} files are not at their new place: {', '.join(wrong[:SHOWN])}{more}. Nothing was "
            "changed. Copy them there first, or say check=False."
        )
    return seen


def _moved(
    manifest: ChunkManifest, moved: Mapping[str, str], seen: Mapping[str, SourceFile]
) -> ChunkManifest:
    """The references that move, at their new places; all other chunks missing."""
    sources = [seen[moved[source.url]] if source.url in moved else source for source in manifest.sources]
    concerned = np.array([*(source.url in moved for source in manifest.sources), False])
    index = manifest.source_index
    kept = concerned[np.minimum(index, len(manifest.sources))]
    return manifest.replace(sources=sources, source_index=np.where(kept, index, np.uint32(MISSING))).compact()
