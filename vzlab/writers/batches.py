"""Write in batches of bounded size that can be taken up again: steps on a branch of their own, then one move.

Every step is a commit that says in its metadata which step of which job it is: that is the ledger. A job that was killed
is found by its branch and goes on behind the last step there; one that was finished is found in the history of the branch
that it moved. The branch that readers look at never shows a part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from icechunk import ConflictError, IcechunkError

from vzlab.manifests import ChunkManifest, SourceFile
from vzlab.writers.contents import GroupContents
from vzlab.writers.execute import write_chunks, write_structure
from vzlab.writers.hierarchy import Hierarchy
from vzlab.writers.plan import ArrayWrite, WritePlan
from vzlab.writers.references import boxes
from vzlab.writers.sources_seen import sources_metadata
from vzlab.writers.targets import TakenError

if TYPE_CHECKING:
    from icechunk import Repository

LEDGER = "vzlab.ledger"
"""Key in the metadata of a commit."""


def job_of(contents: Sequence[GroupContents], **options: Any) -> str:
    """Name a write by all that it writes and how, the same in every process."""
    digest = hashlib.sha256(repr(sorted(options.items())).encode())
    for part in contents:
        digest.update(repr((part.path, sorted(part.document().items()))).encode())
        for name, array in sorted(part.virtual.items()):
            digest.update(repr((name, array.metadata.to_dict(), array.manifest.sources)).encode())
            for column in (array.manifest.source_index, array.manifest.offsets, array.manifest.lengths):
                digest.update(np.ascontiguousarray(column).data)
            for chunk in array.manifest.inline:
                digest.update(chunk)
        for name, variable in sorted(part.loaded.items()):
            values = variable.values
            digest.update(repr((name, variable.dims, values.dtype, values.shape, variable.attrs)).encode())
            digest.update(repr(values.tolist()).encode() if values.dtype.hasobject else values.tobytes())
    return digest.hexdigest()[:24]


def finished(repository: Repository, branch: str, job: str, *, only_latest: bool = False) -> str | None:
    """The commit with which a job was finished, if it is in a branch's history (or the latest); clears up behind it."""
    for commit in repository.ancestry(branch=branch):
        entry = commit.metadata.get(LEDGER, {})
        if entry.get("job") == job and entry["step"] == entry["last"]:
            if (name := _branch_of(job)) in repository.list_branches():
                repository.delete_branch(name)
            return str(commit.id)
        if only_latest:
            return None
    return None


def write_in_batches(
    repository: Repository,
    branch: str,
    base: str,
    plan: WritePlan,
    *,
    job: str,
    max_references: int,
    message: str,
    checksums: bool,
) -> str:
    """Write a plan step by step on a branch of its own, go on where an earlier run ended, and move the branch at the end.

    Parameters
    ----------
    base : str
        Snapshot of the branch for which the plan was made.

    Raises
    ------
    TakenError
        If somebody else moved the branch, or works on the same job.
    """
    name = _branch_of(job)
    steps = list(cut(plan, max_references))
    done = 0
    if name in repository.list_branches():
        began_at, done = _progress(repository, name, job)
        if began_at != base:
            # What was written fits a state of the branch that is no more.
            repository.delete_branch(name)
            done = 0
    if name not in repository.list_branches():
        repository.create_branch(name, base)
    for number in range(done, len(steps) + 1):
        session = repository.writable_session(name)
        hierarchy = Hierarchy(session.store)
        pieces = () if number == 0 else steps[number - 1]
        if number == 0:
            write_structure(hierarchy, plan)
        for piece in pieces:
            write_chunks(hierarchy, piece, checksums=checksums)
        entry = {"job": job, "step": number, "last": len(steps)}
        sources = sources_metadata(_sources(pieces))
        try:
            session.commit(
                f"{message} ({number} of {len(steps)})", {LEDGER: entry, **sources}, allow_empty=True
            )
        except ConflictError as error:
            raise TakenError(str(error)) from error
    _move(repository, branch, name, base)
    return repository.lookup_branch(branch)


def _move(repository: Repository, branch: str, name: str, base: str) -> None:
    tip = repository.lookup_branch(name)
    try:
        repository.reset_branch(branch, tip, from_snapshot_id=base)
    except IcechunkError as error:
        if repository.lookup_branch(branch) != tip:
            raise TakenError(str(error)) from error
    repository.delete_branch(name)


def _branch_of(job: str) -> str:
    return f"vzlab-{job}"


def _progress(repository: Repository, name: str, job: str) -> tuple[str, int]:
    """Snapshot at which a job began, and the number of its steps that are done."""
    done = 0
    for commit in repository.ancestry(branch=name):
        entry: Mapping[str, Any] = commit.metadata.get(LEDGER, {})
        if entry.get("job") != job:
            return str(commit.id), done
        done = max(done, entry["step"] + 1)
    raise AssertionError("a repository's first commit is no step of a job")


def cut(plan: WritePlan, max_references: int) -> Iterator[tuple[ArrayWrite, ...]]:
    """Pieces of a plan's arrays, gathered to steps of at most so many chunks."""
    gathered: list[ArrayWrite] = []
    n = 0
    for array in plan.arrays:
        for box in boxes(array.manifest.grid_shape, max_references):
            piece = _piece(array, box)
            if gathered and n + piece.manifest.n_chunks > max_references:
                yield tuple(gathered)
                gathered, n = [], 0
            gathered.append(piece)
            n += piece.manifest.n_chunks
    if gathered:
        yield tuple(gathered)


def _piece(array: ArrayWrite, box: tuple[slice, ...]) -> ArrayWrite:
    manifest: ChunkManifest = array.manifest.take(box) if box else array.manifest
    offset = tuple(first + part.start for first, part in zip(array.chunk_offset, box, strict=True))
    return replace(array, document=None, shift=(), manifest=manifest, chunk_offset=offset)


def _sources(pieces: Sequence[ArrayWrite]) -> tuple[SourceFile, ...]:
    return tuple(dict.fromkeys(source for piece in pieces for source in piece.manifest.sources))
