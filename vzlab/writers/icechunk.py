"""Write a virtual dataset or tree to Icechunk: references, native chunks and loaded variables in one commit."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import xarray as xr
import zarr
from zarr.errors import UnstableSpecificationWarning

from vzlab.errors import WriteError
from vzlab.storage import as_registry, read_array
from vzlab.writers.append import plan_add, plan_append, plan_region
from vzlab.writers.containers import authorization, prefixes_for
from vzlab.writers.contents import GroupContents, sources_of, take_apart
from vzlab.writers.hierarchy import Hierarchy
from vzlab.writers.plan import LoadedWrite, Region, StoredGroup, WritePlan, plan_create
from vzlab.writers.references import missing_keys, native_chunks, set_references
from vzlab.writers.sources_seen import sources_metadata
from vzlab.writers.targets import open_target

if TYPE_CHECKING:
    from icechunk import IcechunkStore, Repository, Session, Storage

type Mode = Literal["w-", "w", "a"]


@dataclass(frozen=True, kw_only=True)
class IcechunkWrite:
    """What a write to Icechunk did."""

    snapshot_id: str | None
    """The commit; None if the caller commits the session."""
    n_virtual: int
    """References written."""
    n_native: int
    """Chunks whose bytes were written; those of loaded variables are not counted."""
    n_loaded: int
    """Loaded variables written."""
    prefixes: tuple[str, ...]
    """Virtual chunk containers of the repository."""
    authorization: str
    """The call that opens the repository with its virtual chunks readable; empty if there are none."""

    def __str__(self) -> str:
        commit = (
            f"Committed {self.snapshot_id}"
            if self.snapshot_id
            else "Not committed: session.commit(...) does that"
        )
        lines = [
            f"{commit}: {self.n_virtual:,} references, {self.n_native:,} native chunks, {self.n_loaded} loaded variables."
        ]
        if self.authorization:
            lines.append(
                f"It refers to files under {', '.join(self.prefixes)}; to read them: {self.authorization}"
            )
        return "\n".join(lines)


def write_icechunk(
    dataset: xr.Dataset | xr.DataTree,
    target: str | os.PathLike[str] | Storage | Repository | Session | IcechunkStore,
    *,
    group: str | None = None,
    mode: Mode | None = None,
    append_dim: str | None = None,
    region: Region | None = None,
    message: str | None = None,
    branch: str = "main",
    storage_options: Mapping[str, Any] | None = None,
    source_options: Mapping[str, Any] | None = None,
    checksums: bool = True,
) -> IcechunkWrite:
    """Write virtual variables as references, inline chunks as native ones, and loaded variables as xarray writes them.

    Everything is planned and checked before anything is written. A path, url, storage or repository gets one commit,
    or none if something fails; a repository that this call created is then removed.

    Parameters
    ----------
    dataset : xarray.Dataset or xarray.DataTree
    target : path, url, icechunk.Storage, Repository, writable Session or IcechunkStore
        With a session or its store the caller commits.
    group : str, optional
        Path of the group to write; None is the root.
    mode : {"w-", "w", "a"}, optional
        ``"w-"`` refuses a group that is there and not empty, ``"w"`` replaces it, ``"a"`` adds to it. None is ``"a"`` with
        `append_dim` or `region`, else ``"w-"``.
    append_dim : str, optional
        Dimension along which the data go behind what the group holds. For a new repository: the dimension that
        later writes will append along, by which its manifests are split.
    region : mapping of dimension to slice, optional
        Whole chunks of existing arrays to write instead.
    message : str, optional
        Of the commit.
    branch : str
        To commit to.
    storage_options : mapping, optional
        For a url as target, as ``obstore`` names them.
    source_options : mapping, optional
        Where buckets of the referenced files are (``region``, ``endpoint``, ``skip_signature``, ...); None is
        `storage_options`. They become part of the repository, credentials excepted.
    checksums : bool
        Whether entity tags or times of change seen when files were parsed go along, so that reading refuses files that
        change.

    Raises
    ------
    WriteError
        If it would lose or change data, or Icechunk cannot express it.
    """
    mode = _mode(mode, append_dim, region)
    contents = take_apart(dataset, group)
    if append_dim is not None and not any(append_dim in part.sizes for part in contents):
        known = sorted({dim for part in contents for dim in part.sizes})
        raise WriteError(f"No variable has the dimension {append_dim!r}; found {', '.join(known) or 'none'}")
    urls = [source.url for source in sources_of(contents)]
    prefixes_for(urls)  # refuses what nobody could read, before a repository is made
    plan_create(contents)
    options = storage_options if source_options is None else source_options
    with open_target(
        target,
        contents,
        urls=urls,
        branch=branch,
        append_dim=append_dim,
        create=region is None,
        storage_options=storage_options,
        source_options=options,
    ) as opened:
        store = opened.session.store
        with _quiet():
            hierarchy = Hierarchy(store)
            plan = _plan(
                hierarchy, contents, mode=mode, append_dim=append_dim, region=region, source_options=options
            )
            if mode == "w":
                hierarchy.clear((group or "").strip("/"))
            n_native = execute(hierarchy, plan, checksums=checksums)
        snapshot = opened.commit(
            message or _message(contents, append_dim, region), sources_metadata(sources_of(contents))
        )
        prefixes = tuple(sorted(opened.session.config.virtual_chunk_containers or {}))
    return IcechunkWrite(
        snapshot_id=snapshot,
        n_virtual=sum(write.manifest.n_virtual for write in plan.arrays),
        n_native=n_native,
        n_loaded=sum(len(write.dataset.variables) for write in plan.loaded),
        prefixes=prefixes,
        authorization=authorization(
            opened.location, prefixes, with_options=bool(storage_options or source_options)
        ),
    )


def _mode(mode: Mode | None, append_dim: str | None, region: Region | None) -> Mode:
    if append_dim is not None and region is not None:
        raise WriteError("Give append_dim or region: what is appended has no place yet")
    if mode is None:
        return "a" if append_dim is not None or region is not None else "w-"
    if mode not in ("w-", "w", "a"):
        raise WriteError(f"Found mode={mode!r}; expected 'w-', 'w' or 'a'")
    if region is not None and mode != "a":
        raise WriteError(f"A region is a part of what is there, so it needs mode='a'; found mode={mode!r}")
    return mode


def _plan(
    hierarchy: Hierarchy,
    contents: tuple[GroupContents, ...],
    *,
    mode: Mode,
    append_dim: str | None,
    region: Region | None,
    source_options: Mapping[str, Any] | None,
) -> WritePlan:
    if mode == "w":
        return plan_create(contents, append_dim=append_dim)
    if mode == "w-":
        if members := hierarchy.members(contents[0].path):
            raise WriteError(
                f"The group {contents[0].path or '/'!r} is there already and holds {', '.join(members)}. mode='w' replaces it, "
                "mode='a' or append_dim='...' adds to it, group='...' writes elsewhere."
            )
        return plan_create(contents, append_dim=append_dim)
    plans = []
    for part in contents:
        arrays = hierarchy.arrays(part.path)
        if not arrays and region is None:
            plans.append(plan_create([part], append_dim=append_dim))
            continue
        stored = _stored(hierarchy, part, arrays, append_dim, region, source_options)
        if region is not None:
            plans.append(plan_region(part, stored, region))
        elif append_dim is not None and any(append_dim in part.dims(name) for name in part.names):
            plans.append(plan_append(part, stored, append_dim))
        else:
            plans.append(plan_add(part, stored))
    return WritePlan(
        groups={path: document for plan in plans for path, document in plan.groups.items()},
        loaded=tuple(write for plan in plans for write in plan.loaded),
        arrays=tuple(write for plan in plans for write in plan.arrays),
    )


def _stored(
    hierarchy: Hierarchy,
    part: GroupContents,
    arrays: Mapping[str, Any],
    append_dim: str | None,
    region: Region | None,
    source_options: Mapping[str, Any] | None,
) -> StoredGroup:
    """What the group holds, with the values that must be compared."""
    from icechunk import IcechunkError

    along = {append_dim} if append_dim else set(region or ())
    static = [
        name
        for name in part.virtual
        if name in arrays and not along & set(part.dims(name)) and (append_dim or region)
    ]
    compared = [
        name
        for name in part.loaded
        if name in arrays and (name == append_dim or not along & set(part.dims(name)))
    ]
    fresh = {
        name: xr.Variable(
            part.dims(name), read_array(part.virtual[name], as_registry(None, source_options), name=name)
        )
        for name in static
    }
    try:
        values = _decoded_values(hierarchy, part.path, compared, arrays)
        encoded = zarr.open_group(hierarchy.store, path=part.path, mode="r")
        values |= {name: xr.Variable(part.dims(name), encoded[name][...]) for name in static}  # type: ignore[index]
    except IcechunkError as error:
        raise WriteError(
            f"What the group {part.path or '/'!r} holds of {', '.join([*compared, *static])} must be read to be compared, and "
            f"cannot be: {error.message} Open the repository with its virtual chunks authorised (vz.open_icechunk), or drop them."
        ) from error
    return StoredGroup(arrays=arrays, values=values, fresh=fresh)


def _decoded_values(
    hierarchy: Hierarchy, path: str, names: list[str], arrays: Mapping[str, Any]
) -> dict[str, xr.Variable]:
    if not names:
        return {}
    others = [name for name in arrays if name not in names]
    decoded = xr.open_zarr(
        hierarchy.store, group=path or None, consolidated=False, chunks=None, drop_variables=others
    )
    return {name: decoded.variables[name].load() for name in names}


def execute(hierarchy: Hierarchy, plan: WritePlan, *, checksums: bool = True) -> int:
    """Write what was planned into an open session, and give the number of native chunks written."""
    for write in plan.loaded:
        hierarchy.make_groups(write.path)
        _write_loaded(hierarchy, write)
    for path, document in plan.groups.items():
        hierarchy.make_groups(path)
        hierarchy.set_document(path, document)
    n_native = 0
    for array in plan.arrays:
        if array.document is not None:
            hierarchy.set_document(array.path, array.document)
        set_references(
            hierarchy.store, array.path, array.manifest, chunk_offset=array.chunk_offset, checksums=checksums
        )
        if array.manifest.n_inline:
            n_native += hierarchy.set(native_chunks(array.path, array.manifest, array.chunk_offset))
        if array.replaces and array.manifest.n_missing:
            hierarchy.delete(missing_keys(array.path, array.manifest, array.chunk_offset))
    return n_native


def _write_loaded(hierarchy: Hierarchy, write: LoadedWrite) -> None:
    target: dict[str, Any] = {"store": hierarchy.store, "group": write.path or None, "consolidated": False}
    group = hierarchy.document(write.path)
    if write.region is not None:
        write.dataset.to_zarr(**target, mode="r+", region=dict(write.region))
    elif write.append_dim is not None:
        write.dataset.to_zarr(**target, mode="a", append_dim=write.append_dim)
    else:
        write.dataset.to_zarr(**target, mode="a", zarr_format=3)
    # xarray puts the dataset's attributes, of which there are none, in the place of the group's.
    hierarchy.set_document(write.path, json.dumps(group).encode())


@contextmanager
def _quiet() -> Iterator[None]:
    """Allow rectilinear grids, and data types that Zarr v3 has no final word on: the file has them, nobody can choose."""
    with warnings.catch_warnings(), zarr.config.set({"array.rectilinear_chunks": True}):
        warnings.simplefilter("ignore", UnstableSpecificationWarning)
        yield


def _message(contents: tuple[GroupContents, ...], append_dim: str | None, region: Region | None) -> str:
    if append_dim is not None:
        return f"Append along {append_dim}: {contents[0].sizes.get(append_dim, 0)} steps"
    if region is not None:
        return f"Write region {', '.join(f'{dim}={part.start}:{part.stop}' for dim, part in region.items())}"
    names = [name for part in contents for name in part.names]
    return f"Write {', '.join(names[:5])}{' ...' if len(names) > 5 else ''}"
