"""What became of a versioned store: its commits, its branches and tags, and what each commit changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from vzlab.inspection.words import format_count, format_list


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What differs between two snapshots, by the paths of nodes."""

    new_groups: tuple[str, ...] = ()
    new_arrays: tuple[str, ...] = ()
    deleted_groups: tuple[str, ...] = ()
    deleted_arrays: tuple[str, ...] = ()
    updated_groups: tuple[str, ...] = ()
    """Groups whose attributes changed."""
    updated_arrays: tuple[str, ...] = ()
    """Arrays whose metadata changed: shape, attributes."""
    moved: tuple[tuple[str, str], ...] = ()
    """Paths before and after."""
    chunks: Mapping[str, int] = field(default_factory=dict)
    """By the array's path: chunks that were set or deleted."""

    @property
    def n_chunks(self) -> int:
        """Chunks that were set or deleted in all arrays."""
        return sum(self.chunks.values())

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed."""
        return not any(self.parts())

    def parts(self) -> Iterator[str]:
        """Say each kind of change in some words: ``2 new arrays: sst and mask``."""
        for verb, paths, noun in (
            ("new", self.new_groups, "group"),
            ("new", self.new_arrays, "array"),
            ("deleted", self.deleted_groups, "group"),
            ("deleted", self.deleted_arrays, "array"),
            ("updated", self.updated_groups, "group"),
            ("updated", self.updated_arrays, "array"),
        ):
            if paths:
                yield f"{format_count(len(paths), f'{verb} {noun}')}: {format_list(paths, most=4)}"
        if self.moved:
            moves = format_list([f"{old} to {new}" for old, new in self.moved], most=3)
            yield f"{format_count(len(self.moved), 'node')} moved: {moves}"
        if self.chunks:
            yield f"{format_count(self.n_chunks, 'chunk')} written in {format_list(self.chunks, most=4)}"

    def __str__(self) -> str:
        return "; ".join(self.parts()) or "nothing changed"


@dataclass(frozen=True, kw_only=True)
class Commit:
    """One snapshot of a versioned store."""

    id: str
    parent_id: str | None
    """None for the first."""
    written_at: str
    """In ISO 8601."""
    message: str
    metadata: Mapping[str, Any]
    """What the writer attached to it."""
    branches: tuple[str, ...] = ()
    """Branches of which it is the tip."""
    tags: tuple[str, ...] = ()
    """Tags that name it."""
    changes: Changes | None = None
    """Against its parent; None where that was not looked up, being long ago or very much."""


@dataclass(frozen=True, kw_only=True)
class History:
    """The versions of what was inspected."""

    snapshot_id: str
    """The one that was inspected."""
    branch: str | None = None
    """The branch that was asked for; None for a tag or a snapshot."""
    branches: Mapping[str, str] = field(default_factory=dict)
    """Snapshot that each branch ends with."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Snapshot that each tag names."""
    commits: tuple[Commit, ...] = ()
    """The snapshot and those before it, newest first; empty where only a session is at hand, which knows no others."""
    is_whole: bool = True
    """Whether `commits` goes back to the first."""
    since: str | None = None
    """Branch, tag or snapshot that `since_changes` counts from."""
    since_changes: Changes | None = None
    """All that changed from there on."""
    uncommitted: Changes | None = None
    """What a session changed and did not commit; None for a repository."""
