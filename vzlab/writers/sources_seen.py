"""What files were when they were parsed, kept in the metadata of the commits that refer to them."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from vzlab.manifests import SourceFile

if TYPE_CHECKING:
    from icechunk import Repository

SOURCES = "vzlab.sources"
"""Key in the metadata of a commit."""

MOST_A_COMMIT = 20_000
"""A commit of more files keeps nothing: Icechunk reads the metadata of all commits when it lists them."""


def sources_metadata(sources: Sequence[SourceFile]) -> dict[str, Any]:
    """Size, entity tag and time of the last change of files as commit metadata; empty if there is nothing to keep."""
    told = [s for s in sources if (s.size_bytes, s.etag, s.last_modified) != (None, None, None)]
    if not told or len(told) > MOST_A_COMMIT:
        return {}
    folders = {posixpath.dirname(source.url) + "/" for source in told}
    prefix = folders.pop() if len(folders) == 1 else ""
    files = [
        [
            source.url.removeprefix(prefix),
            source.size_bytes,
            source.etag,
            None if source.last_modified is None else source.last_modified.isoformat(),
        ]
        for source in told
    ]
    return {SOURCES: {"prefix": prefix, "files": files}}


def sources_of_metadata(metadata: Mapping[str, Any]) -> dict[str, SourceFile]:
    """Files by url, out of the metadata of a commit."""
    kept = metadata.get(SOURCES)
    if kept is None:
        return {}
    return {
        (url := kept["prefix"] + suffix): SourceFile(
            url=url,
            size_bytes=size,
            etag=etag,
            last_modified=None if changed is None else datetime.fromisoformat(changed),
        )
        for suffix, size, etag, changed in kept["files"]
    }


def sources_seen(repository: Repository, branch: str = "main") -> dict[str, SourceFile]:
    """Every file that commits of a branch tell of, by url, as the latest of them saw it."""
    seen: dict[str, SourceFile] = {}
    for commit in repository.ancestry(branch=branch):
        seen = {**sources_of_metadata(commit.metadata), **seen}
    return seen
