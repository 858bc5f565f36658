"""What a write to Icechunk goes into: a repository opened or created, a session, and what to undo on failure."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import icechunk

from vzlab.errors import WriteError
from vzlab.storage import as_registry, local_path, normalize_url
from vzlab.storage.icechunk_storage import open_storage
from vzlab.writers.containers import (
    container_for,
    icechunk_credentials,
    prefixes_for,
    repository_config,
    single_requests,
    uncovered,
)
from vzlab.writers.contents import GroupContents
from vzlab.writers.references import n_chunks_across

if TYPE_CHECKING:
    from icechunk import Repository, RepositoryConfig, Session, Storage


class TakenError(Exception):
    """Somebody else changed the repository since the write was planned: it must be planned again."""


REFERENCES_A_MANIFEST = 100_000
"""Manifests of repositories made here are cut along the append dimension so that each holds about this many references."""


_UNFINISHED = frozenset({"chunks", "manifests", "overwritten", "snapshots", "transactions", "config.yaml"})
"""What a repository may have before it is one: it was being made by a process that was killed."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A writable session, and what its commit takes."""

    session: Session
    repository: Repository | None = None
    """Of which the session was opened here; None if the caller did and commits."""
    new_containers: bool = False
    """Whether the repository's configuration got containers that are not saved yet."""
    location: str | None = None
    """Path or url of the repository, if it was given so."""

    def commit(self, message: str, metadata: Mapping[str, Any] | None = None) -> str | None:
        """Commit, and give the snapshot; None if that is the caller's business.

        Containers are saved before: one too many does no harm, references without theirs cannot be read. Commits of others
        since the session began are taken in where they touched nothing that this one changes.

        Raises
        ------
        TakenError
            Where they did.
        """
        if self.repository is None:
            return None
        self.save_containers()
        try:
            return self.session.commit(message, dict(metadata or {}), rebase_with=icechunk.ConflictDetector())
        except (icechunk.ConflictError, icechunk.RebaseFailedError) as error:
            raise TakenError(str(error)) from error

    def save_containers(self) -> None:
        """Make containers that were added known to later readers."""
        if self.repository is not None and self.new_containers:
            self.repository.save_config()


@contextmanager
def open_target(
    target: Any,
    contents: Sequence[GroupContents],
    *,
    urls: Sequence[str],
    branch: str,
    append_dim: str | None,
    create: bool,
    storage_options: Mapping[str, Any] | None,
    source_options: Mapping[str, Any] | None,
) -> Iterator[Target]:
    """Open what was given for writing; undo on failure what this made.

    Raises
    ------
    WriteError
        If it cannot be written to, or a session lacks containers for the urls.
    """
    if isinstance(target, icechunk.IcechunkStore | icechunk.Session):
        session = target.session if isinstance(target, icechunk.IcechunkStore) else target
        _check_session(session, urls)
        yield Target(session=session)
        return
    if isinstance(target, icechunk.Repository):
        repository, added = _with_containers(target, urls, source_options)
        yield Target(session=_session(repository, branch), repository=repository, new_containers=added)
        return
    location = None if isinstance(target, icechunk.Storage) else os.fspath(target)
    path = None if location is None else local_path(normalize_url(location))
    file = None if path is None else next((p for p in (Path(path), *Path(path).parents) if p.is_file()), None)
    if file is not None:
        raise WriteError(f"{file} is a file; expected a place for a repository, which is a folder")
    storage = target if location is None else open_storage(location, storage_options)
    if icechunk.Repository.exists(storage):
        repository, added = _open(storage, urls, storage_options, source_options)
        session = _session(repository, branch)
        yield Target(session=session, repository=repository, new_containers=added, location=location)
        return
    if not create:
        raise WriteError(
            f"There is no Icechunk repository at {location or storage}, so it has no region to write to"
        )
    if branch != "main":
        raise WriteError(f"A new repository has the branch 'main' only; found branch={branch!r}")
    config = _new_config(storage, contents, urls, append_dim=append_dim, source_options=source_options)
    with _removed_on_failure(storage, location, storage_options):
        repository = _create(storage, config, location)
        yield Target(session=_session(repository, branch), repository=repository, location=location)


def _check_session(session: Session, urls: Sequence[str]) -> None:
    if session.read_only:
        raise WriteError("The session is read-only; expected one of repository.writable_session(branch)")
    prefixes = tuple(session.config.virtual_chunk_containers or {})
    if absent := uncovered(urls, prefixes):
        wanted = prefixes_for(absent)
        raise WriteError(
            f"The session's repository has no virtual chunk container for {absent[0]} ({len(absent)} files in all); it has "
            f"{', '.join(prefixes) or 'none'}. Give the repository instead of the session: the containers for "
            f"{', '.join(wanted)} are added then."
        )


def _session(repository: Repository, branch: str) -> Session:
    branches = repository.list_branches()
    if branch not in branches:
        raise WriteError(f"There is no branch {branch!r}; found {', '.join(sorted(branches))}")
    return repository.writable_session(branch)


def _with_containers(
    repository: Repository, urls: Sequence[str], source_options: Mapping[str, Any] | None
) -> tuple[Repository, bool]:
    config = repository.config
    absent = uncovered(urls, config.virtual_chunk_containers or {})
    if not absent:
        return repository, False
    _add_containers(config, absent, source_options)
    return repository.reopen(config=config), True


def _open(
    storage: Storage,
    urls: Sequence[str],
    storage_options: Mapping[str, Any] | None,
    source_options: Mapping[str, Any] | None,
) -> tuple[Repository, bool]:
    config = repository_config(storage)
    absent = uncovered(urls, config.virtual_chunk_containers or {})
    _add_containers(config, absent, source_options)
    # What is there is read where an append must know it, so the containers are authorised.
    credentials = icechunk_credentials(
        storage, storage_options=storage_options if source_options is None else source_options
    )
    return icechunk.Repository.open(storage, config=config, authorize_virtual_chunk_access=credentials), bool(
        absent
    )


def _add_containers(
    config: RepositoryConfig, urls: Sequence[str], source_options: Mapping[str, Any] | None
) -> None:
    for prefix in prefixes_for(urls):
        config.set_virtual_chunk_container(container_for(prefix, source_options))


def _new_config(
    storage: Storage,
    contents: Sequence[GroupContents],
    urls: Sequence[str],
    *,
    append_dim: str | None,
    source_options: Mapping[str, Any] | None,
) -> RepositoryConfig:
    config = icechunk.RepositoryConfig.default()
    _add_containers(config, urls, source_options)
    config.storage = single_requests(storage)
    splitting = splitting_along(contents, append_dim)
    if splitting is not None:
        config.manifest = icechunk.ManifestConfig(splitting=splitting)
    return config


def splitting_along(contents: Sequence[GroupContents], append_dim: str | None) -> Any:
    """How manifests are cut: every array along the dimension that grows, after about `REFERENCES_A_MANIFEST` references.

    The dimension is the one asked for, else the unlimited one, else that with most chunks. None if there is nothing to cut.
    """
    conditions: dict[Any, Any] = {}
    for part in contents:
        for name, array in part.virtual.items():
            dims, grid = part.dims(name), array.manifest.grid_shape
            known = [dim for dim in (append_dim, *sorted(part.unlimited_dims)) if dim in dims]
            if not dims:
                continue
            axis = dims.index(known[0]) if known else max(range(len(dims)), key=grid.__getitem__)
            per_step = max(1, n_chunks_across(grid, axis))
            path = re.escape(f"/{part.path}/{name}" if part.path else f"/{name}")
            condition = icechunk.ManifestSplitCondition.path_matches(f"^{path}$")
            dimension = icechunk.ManifestSplitDimCondition.Axis(axis)
            conditions[condition] = {dimension: max(1, REFERENCES_A_MANIFEST // per_step)}
    return icechunk.ManifestSplittingConfig.from_dict(conditions) if conditions else None


def _create(storage: Storage, config: RepositoryConfig, location: str | None) -> Repository:
    try:
        return icechunk.Repository.create(storage, config=config)
    except icechunk.IcechunkError as error:
        if icechunk.Repository.exists(storage):
            raise TakenError(str(error)) from error
        raise WriteError(f"No repository can be made at {location or storage}: {error.message}") from error


@contextmanager
def _removed_on_failure(
    storage: Storage, location: str | None, storage_options: Mapping[str, Any] | None
) -> Iterator[None]:
    """Remove what appears at a location if the block fails, unless something is in it by then."""
    path = None if location is None else local_path(normalize_url(location))
    folder = None if path is None else Path(path)
    was_there = folder is not None and folder.is_dir()
    if folder is not None and was_there and not {entry.name for entry in folder.iterdir()} <= _UNFINISHED:
        raise WriteError(
            f"{folder} holds files and is no Icechunk repository; give a path that is empty or not there"
        )
    try:
        yield
    except BaseException as error:
        if isinstance(error, TakenError) or _is_used(storage):
            raise
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
            if was_there:
                folder.mkdir(exist_ok=True)
        elif location is not None:
            _delete_objects(location, storage_options)
        raise


def _is_used(storage: Storage) -> bool:
    """Whether a repository holds more than its first, empty commit: another writer's, or steps to be taken up again."""
    if not icechunk.Repository.exists(storage):
        return False
    repository = icechunk.Repository.open(storage)
    branches = repository.list_branches()
    return branches != {"main"} or len(list(repository.ancestry(branch="main"))) > 1


def _delete_objects(location: str, storage_options: Mapping[str, Any] | None) -> None:
    import obstore

    store, key = as_registry(None, storage_options).resolve(normalize_url(location))
    for batch in obstore.list(store, prefix=key.rstrip("/") + "/"):
        obstore.delete(store, [entry["path"] for entry in batch])
