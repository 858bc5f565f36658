"""Write a virtual dataset or tree to Icechunk: references, native chunks and loaded variables in one commit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import xarray as xr

from vzlab.errors import WriteError
from vzlab.writers.append import plan_add, plan_append, plan_prepend, skip_stored
from vzlab.writers.batches import finished, job_of, write_in_batches
from vzlab.writers.containers import authorization, prefixes_for
from vzlab.writers.contents import GroupContents, sources_of, take_apart
from vzlab.writers.execute import execute, quiet
from vzlab.writers.hierarchy import Hierarchy
from vzlab.writers.plan import WritePlan, plan_create
from vzlab.writers.region import RegionLike, automatic_dims, locate_region, plan_region
from vzlab.writers.sources_seen import sources_metadata
from vzlab.writers.stored import read_stored
from vzlab.writers.targets import TakenError, Target, open_target

if TYPE_CHECKING:
    from icechunk import IcechunkStore, Repository, Session, Storage

MOST_TRIES = 20
"""How often a write is planned anew because somebody else wrote to the same place meanwhile."""

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
    is_new: bool = True
    """Whether anything was written; False if all of it was there already, and `snapshot_id` is the commit that has it."""

    def __str__(self) -> str:
        if self.is_new:
            commit = (
                f"Committed {self.snapshot_id}"
                if self.snapshot_id
                else "Not committed: session.commit(...) does that"
            )
            first = f"{commit}: {self.n_virtual:,} references, {self.n_native:,} native chunks, {self.n_loaded} loaded variables."
        else:
            commit = f" The latest commit is {self.snapshot_id}." if self.snapshot_id else ""
            first = f"Nothing was new: all of it was there already, and nothing was written.{commit}"
        lines = [first]
        if self.authorization:
            lines.append(
                f"It refers to files under {', '.join(self.prefixes)}; to read them: {self.authorization}"
            )
        return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class _How:
    """What was asked for, beside the data."""

    group: str
    mode: Mode
    append_dim: str | None
    prepend_dim: str | None
    region: RegionLike | None
    existing: Literal["raise", "skip"]
    source_options: Mapping[str, Any] | None

    @property
    def along(self) -> str | None:
        """The dimension that grows."""
        return self.append_dim or self.prepend_dim


def write_icechunk(
    dataset: xr.Dataset | xr.DataTree,
    target: str | os.PathLike[str] | Storage | Repository | Session | IcechunkStore,
    *,
    group: str | None = None,
    mode: Mode | None = None,
    append_dim: str | None = None,
    prepend_dim: str | None = None,
    region: RegionLike | None = None,
    existing: Literal["raise", "skip"] = "raise",
    max_references: int | None = None,
    message: str | None = None,
    branch: str = "main",
    storage_options: Mapping[str, Any] | None = None,
    source_options: Mapping[str, Any] | None = None,
    checksums: bool = True,
) -> IcechunkWrite:
    """Write virtual variables as references, inline chunks as native ones, and loaded variables as xarray writes them.

    Everything is planned and checked before anything is written. A path, url, storage or repository gets one commit,
    or none if something fails; a repository that this call created is then removed. Commits of others meanwhile are taken
    in where they touched something else; where they touched the same, the write is planned anew on top of them.

    Parameters
    ----------
    dataset : xarray.Dataset or xarray.DataTree
    target : path, url, icechunk.Storage, Repository, writable Session or IcechunkStore
        With a session or its store the caller commits.
    group : str, optional
        Path of the group to write; None is the root.
    mode : {"w-", "w", "a"}, optional
        ``"w-"`` refuses a group that is there and not empty, ``"w"`` replaces it, ``"a"`` adds to it. None is ``"a"`` with
        `append_dim`, `prepend_dim` or `region`, else ``"w-"``.
    append_dim : str, optional
        Dimension along which the data go behind what the group holds. For a new repository: the dimension that
        later writes will append along, by which its manifests are split.
    prepend_dim : str, optional
        Dimension along which the data, whole chunks of a regular grid, go before what the group holds.
    region : mapping of dimension to slice, or "auto", optional
        Whole chunks of existing arrays to write instead. ``"auto"``, for all dimensions or for one, finds the place by the
        coordinate that is loaded in the data and in the store.
    existing : {"raise", "skip"}
        What becomes of steps along `append_dim` at the beginning of the data whose coordinate values the store has already.
    max_references : int, optional
        Commit in steps of at most so many chunks, on a branch of their own, and move `branch` when all are there. The same
        call after a kill goes on behind the last step; after the end it does nothing.
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
    how = _How(
        group=(group or "").strip("/"),
        mode=_mode(mode, append_dim, prepend_dim, region),
        append_dim=append_dim,
        prepend_dim=prepend_dim,
        region=region,
        existing=existing,
        source_options=storage_options if source_options is None else source_options,
    )
    if existing not in ("raise", "skip"):
        raise WriteError(f"Found existing={existing!r}; expected 'raise' or 'skip'")
    contents = take_apart(dataset, group)
    if how.along is not None and not any(how.along in part.sizes for part in contents):
        known = sorted({dim for part in contents for dim in part.sizes})
        raise WriteError(f"No variable has the dimension {how.along!r}; found {', '.join(known) or 'none'}")
    urls = [source.url for source in sources_of(contents)]
    prefixes_for(urls)  # refuses what nobody could read, before a repository is made
    plan_create(contents)
    if max_references is not None and max_references < 1:
        raise WriteError(f"Found max_references={max_references}; expected at least 1")
    taken: TakenError | None = None
    for _ in range(MOST_TRIES):
        try:
            with open_target(
                target,
                contents,
                urls=urls,
                branch=branch,
                append_dim=how.along,
                create=region is None,
                storage_options=storage_options,
                source_options=how.source_options,
            ) as opened:
                return _write(
                    opened,
                    contents,
                    how,
                    branch=branch,
                    message=message or _message(contents, how),
                    max_references=max_references,
                    checksums=checksums,
                    with_options=bool(storage_options or source_options),
                )
        except TakenError as error:
            taken = error
    raise WriteError(
        f"Others wrote to the same place {MOST_TRIES} times while this write was planned; nothing was written. Try again when "
        "they are done."
    ) from taken


def _write(
    opened: Target,
    contents: tuple[GroupContents, ...],
    how: _How,
    *,
    branch: str,
    message: str,
    max_references: int | None,
    checksums: bool,
    with_options: bool,
) -> IcechunkWrite:
    hierarchy = Hierarchy(opened.session.store)
    repository, snapshot, plan = opened.repository, None, WritePlan()
    in_batches = max_references is not None and repository is not None
    job = job_of(contents, how=how, max_references=max_references) if in_batches else ""
    if in_batches and repository is not None:
        snapshot = finished(repository, branch, job, only_latest=how.mode == "w")
    if snapshot is None:
        with quiet():
            plan = _plan(hierarchy, contents, how)
            if plan == WritePlan():
                snapshot = opened.session.snapshot_id if repository is not None else None
            elif repository is not None and max_references is not None:
                opened.save_containers()
                base = opened.session.snapshot_id
                snapshot = write_in_batches(
                    repository,
                    branch,
                    base,
                    plan,
                    job=job,
                    max_references=max_references,
                    message=message,
                    checksums=checksums,
                )
            else:
                execute(hierarchy, plan, checksums=checksums)
                snapshot = opened.commit(message, sources_metadata(sources_of(contents)))
    prefixes = tuple(sorted(opened.session.config.virtual_chunk_containers or {}))
    return IcechunkWrite(
        snapshot_id=snapshot,
        n_virtual=sum(write.manifest.n_virtual for write in plan.arrays),
        n_native=sum(write.manifest.n_inline for write in plan.arrays),
        n_loaded=sum(len(write.dataset.variables) for write in plan.loaded),
        prefixes=prefixes,
        authorization=authorization(opened.location, prefixes, with_options=with_options),
        is_new=plan != WritePlan(),
    )


def _mode(
    mode: Mode | None, append_dim: str | None, prepend_dim: str | None, region: RegionLike | None
) -> Mode:
    if sum(option is not None for option in (append_dim, prepend_dim, region)) > 1:
        raise WriteError(
            "Give one of append_dim, prepend_dim or region: what is appended or prepended has no place yet"
        )
    if mode is None:
        return "a" if append_dim is not None or prepend_dim is not None or region is not None else "w-"
    if mode not in ("w-", "w", "a"):
        raise WriteError(f"Found mode={mode!r}; expected 'w-', 'w' or 'a'")
    if region is not None and mode != "a":
        raise WriteError(f"A region is a part of what is there, so it needs mode='a'; found mode={mode!r}")
    return mode


def _plan(hierarchy: Hierarchy, contents: tuple[GroupContents, ...], how: _How) -> WritePlan:
    if how.mode == "w":
        return replace(plan_create(contents, append_dim=how.along), cleared=(how.group,))
    if how.mode == "w-":
        if members := hierarchy.members(contents[0].path):
            raise WriteError(
                f"The group {contents[0].path or '/'!r} is there already and holds {', '.join(members)}. mode='w' replaces it, "
                "mode='a' or append_dim='...' adds to it, group='...' writes elsewhere."
            )
        return plan_create(contents, append_dim=how.along)
    plans = [_plan_part(hierarchy, part, how) for part in contents]
    return WritePlan(
        groups={path: document for plan in plans for path, document in plan.groups.items()},
        loaded=tuple(write for plan in plans for write in plan.loaded),
        arrays=tuple(write for plan in plans for write in plan.arrays),
    )


def _plan_part(hierarchy: Hierarchy, part: GroupContents, how: _How) -> WritePlan:
    """Plan one group that may be there already."""
    if how.region is not None:
        region: Any = how.region
        if automatic := automatic_dims(part, region):
            stored = read_stored(hierarchy, part, along=part.sizes, needed=automatic)
            part, region = locate_region(part, stored, region)
        return plan_region(
            part, read_stored(hierarchy, part, along=region, source_options=how.source_options), region
        )
    if not hierarchy.arrays(part.path):
        return plan_create([part], append_dim=how.along)
    dim = how.along
    if dim is None or not any(dim in part.dims(name) for name in part.names):
        return plan_add(part, read_stored(hierarchy, part, source_options=how.source_options))
    needed = {dim}
    if how.prepend_dim is not None:
        needed |= {name for name in part.loaded if dim in part.dims(name)}
    stored = read_stored(hierarchy, part, along=(dim,), needed=needed, source_options=how.source_options)
    if how.prepend_dim is not None:
        return plan_prepend(part, stored, dim)
    if how.existing == "skip":
        part = skip_stored(part, stored, dim)
        if part.sizes[dim] == 0:
            return WritePlan()
    return plan_append(part, stored, dim)


def _message(contents: tuple[GroupContents, ...], how: _How) -> str:
    if how.along is not None:
        verb = "Append" if how.append_dim is not None else "Prepend"
        return f"{verb} along {how.along}: {contents[0].sizes.get(how.along, 0)} steps"
    if how.region == "auto":
        return "Write the region that the coordinates name"
    if how.region is not None:
        parts = (f"{d}={p if p == 'auto' else f'{p.start}:{p.stop}'}" for d, p in how.region.items())
        return f"Write region {', '.join(parts)}"
    names = [name for part in contents for name in part.names]
    return f"Write {', '.join(names[:5])}{' ...' if len(names) > 5 else ''}"
