"""Inspect an Icechunk repository, session or store, with its versions and what changed between them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from vzlab.detection import is_icechunk
from vzlab.inspection.from_manifests import inspect_group
from vzlab.inspection.history import Changes, Commit, History
from vzlab.inspection.model import Inspection
from vzlab.storage import as_registry, normalize_url, url_name

MAX_COMMITS = 200
"""Commits that are listed."""

MAX_COMPARED = 20
"""Commits of which is told what they changed: each takes reading its log of changes."""

MAX_CHUNKS_COMPARED = 1_000_000
"""Changed chunks beyond which no older commit is looked at."""

_PLACE = "icechunk://repository"
"""Where native chunks of a repository without a known place are said to lie."""


def handles(x: Any) -> bool:
    """Whether it is an object of Icechunk's."""
    return is_icechunk(x)


def inspect(
    x: Any,
    *,
    group: str | None = None,
    parser: Any = None,
    registry: Any = None,
    storage_options: Mapping[str, Any] | None = None,
    since: str | None = None,
) -> Inspection:
    """Describe a version of a repository, and the versions before it.

    Manifests and logs of changes are read, and no chunk.

    Raises
    ------
    ValueError
        If `since` is given with a session, which knows no other versions, or is none of the version's ancestors.
    """
    from vzlab.parsers.icechunk import IcechunkParser, open_repository

    stores = as_registry(registry, storage_options)
    used = parser if isinstance(parser, IcechunkParser) else IcechunkParser(group=group)
    named = isinstance(x, str | os.PathLike)
    place = used.location if used.location is not None else x if named else _PLACE
    used = replace(used, location=place)
    repository = open_repository(x, stores)
    session = used.session(repository if repository is not None else x, stores)
    found = inspect_group(
        replace(used, branch=None, tag=None, snapshot_id=None, as_of=None)(session, stores),
        kind="Icechunk repository" if repository is not None else "Icechunk session",
        open_code=_open_code(x, used) if named else _object_code(x, session, used),
        group=None if used.group else group,
        title=url_name(normalize_url(x)) if named else type(x).__name__,
        own_prefix=f"{normalize_url(place).rstrip('/')}/",
    )
    return replace(found, history=_history(repository, session, used.branch, since))


def _open_code(x: Any, used: Any) -> str:
    version = {"tag": used.tag, "snapshot_id": used.snapshot_id}
    chosen = next((f"{key}={value!r}" for key, value in version.items() if value), "")
    chosen = chosen or f"branch={used.branch or 'main'!r}"
    parsed = f"group = vz.parsers.IcechunkParser({chosen})({os.fspath(x)!r})"
    return f'import vzlab as vz\nimport zarr\n\n{parsed}\nzarr.open_group(vz.ManifestStore(group), mode="r")'


def _object_code(x: Any, session: Any, used: Any) -> str:
    """Python that opens this version of an object, by the name that such objects mostly have."""
    kind = type(x).__name__
    if kind == "IcechunkStore":
        return 'import zarr\n\nzarr.open_group(store, mode="r")'
    opened = 'zarr.open_group(session.store, mode="r")'
    if kind == "Session":
        return f"import zarr\n\n{opened}"
    # A branch goes on; its tip is what was inspected.
    version = f"tag={used.tag!r}" if used.tag else f"snapshot_id={session.snapshot_id!r}"
    opening = "" if kind == "Repository" else "repository = icechunk.Repository.open(storage)\n"
    imports = "import zarr" if kind == "Repository" else "import icechunk\nimport zarr"
    return f"{imports}\n\n{opening}session = repository.readonly_session({version})\n{opened}"


def _history(repository: Any, session: Any, branch: str | None, since: str | None) -> History:
    if repository is None:
        if since is not None:
            raise ValueError(
                f"Found since={since!r} with a session, which knows its own version only; give the repository"
            )
        return History(
            snapshot_id=session.snapshot_id,
            branch=session.branch,
            uncommitted=None if session.read_only else _changes(session.status()),
        )
    branches = {name: repository.lookup_branch(name) for name in sorted(repository.list_branches())}
    tags = {name: repository.lookup_tag(name) for name in sorted(repository.list_tags())}
    at = session.snapshot_id
    listed = list(islice(repository.ancestry(snapshot_id=at), MAX_COMMITS + 1))
    return History(
        snapshot_id=at,
        branch=branch or next((name for name in ("main", *branches) if branches.get(name) == at), None),
        branches=branches,
        tags=tags,
        commits=tuple(_commits(repository, listed[:MAX_COMMITS], branches, tags)),
        is_whole=len(listed) <= MAX_COMMITS,
        since=since,
        since_changes=None if since is None else _since(repository, since, at, branches, tags),
    )


def _commits(
    repository: Any, snapshots: list[Any], branches: Mapping[str, str], tags: Mapping[str, str]
) -> Iterator[Commit]:
    n_chunks = 0
    for position, snapshot in enumerate(snapshots):
        changes = None
        if snapshot.parent_id is None:
            changes = Changes()
        elif position < MAX_COMPARED and n_chunks <= MAX_CHUNKS_COMPARED:
            changes = _between(repository, snapshot.parent_id, snapshot.id)
            n_chunks += changes.n_chunks if changes is not None else 0
        yield Commit(
            id=snapshot.id,
            parent_id=snapshot.parent_id,
            written_at=snapshot.written_at.isoformat(),
            message=snapshot.message,
            metadata={key: value for key, value in snapshot.metadata.items() if key != "__icechunk"},
            branches=tuple(name for name, tip in branches.items() if tip == snapshot.id),
            tags=tuple(name for name, named in tags.items() if named == snapshot.id),
            changes=changes,
        )


def _between(repository: Any, older: str, newer: str) -> Changes | None:
    """What one snapshot changed; None where the log of changes is gone, as after expiry."""
    import icechunk

    try:
        return _changes(repository.diff(from_snapshot_id=older, to_snapshot_id=newer))
    except icechunk.IcechunkError:
        return None


def _since(
    repository: Any, since: str, at: str, branches: Mapping[str, str], tags: Mapping[str, str]
) -> Changes:
    import icechunk

    older = tags.get(since) or branches.get(since) or since
    try:
        return _changes(repository.diff(from_snapshot_id=older, to_snapshot_id=at))
    except icechunk.IcechunkError as error:
        known = ", ".join([*tags, *branches])
        raise ValueError(
            f"Found since={since!r}, which is not among the ancestors of {at}; give a branch, a tag or a snapshot before "
            f"it. Branches and tags here: {known}"
        ) from error


def _changes(diff: Any) -> Changes:
    def paths(found: Any) -> tuple[str, ...]:
        return tuple(sorted(path.strip("/") or "/" for path in found))

    return Changes(
        new_groups=paths(diff.new_groups),
        new_arrays=paths(diff.new_arrays),
        deleted_groups=paths(diff.deleted_groups),
        deleted_arrays=paths(diff.deleted_arrays),
        updated_groups=paths(diff.updated_groups),
        updated_arrays=paths(diff.updated_arrays),
        moved=tuple((old.strip("/"), new.strip("/")) for old, new in diff.moved_nodes),
        chunks={path.strip("/"): len(chunks) for path, chunks in sorted(diff.updated_chunks.items())},
    )
