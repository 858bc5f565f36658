"""What lies below a url: the files of a directory, or the objects under a prefix."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.errors import UnreachableChunkError, first_line

_PAGE = 10_000
"""Objects that a store is asked to hand over at once; its own pages are smaller."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Files below a url, as columns in no particular order."""

    names: Sequence[str]
    """Where each lies below the url, parts joined by ``/``, not percent-encoded."""
    sizes: npt.NDArray[np.uint64]
    """Lengths in bytes, shape ``(n,)``."""
    etags: Sequence[str | None]
    """Entity tags, where the store gives them."""
    changed: Sequence[datetime | float]
    """Times of the last change; a number is seconds since 1970."""

    def last_modified(self, i: int) -> datetime:
        """Time of the last change of one file."""
        changed = self.changed[i]
        return changed if isinstance(changed, datetime) else datetime.fromtimestamp(changed, UTC)


def list_local(path: str) -> Listing:
    """Every file below a directory; each directory is entered once, whatever links lead to it.

    Below a directory that is not there are no files, as in a bucket.

    Raises
    ------
    UnreachableChunkError
        If a directory cannot be read.
    """
    names: list[str] = []
    stats: list[os.stat_result] = []
    entered: set[tuple[int, int]] = set()
    waiting = [("", path)]
    while waiting:
        prefix, directory = waiting.pop()
        for entry in _scan(directory):
            try:
                status = entry.stat()
            except OSError:  # a link that leads nowhere
                continue
            if not entry.is_dir():
                names.append(prefix + entry.name)
                stats.append(status)
            elif (place := (status.st_dev, status.st_ino)) not in entered:
                entered.add(place)
                waiting.append((f"{prefix}{entry.name}/", entry.path))
    return Listing(
        names=names,
        sizes=np.fromiter((status.st_size for status in stats), np.uint64, len(stats)),
        etags=(None,) * len(names),
        changed=[status.st_mtime for status in stats],
    )


def directories_local(path: str) -> list[str]:
    """Names of the directories directly in a directory; a link to a directory above is none."""
    above = os.path.realpath(path)
    return sorted(
        entry.name
        for entry in _scan(path)
        if entry.is_dir()
        and not (entry.is_symlink() and f"{above}/".startswith(f"{os.path.realpath(entry.path)}/"))
    )


def list_objects(store: Any, prefix: str, url: str) -> Listing:
    """Every object below a prefix of a store.

    Raises
    ------
    UnreachableChunkError
        If the store cannot list, or does not allow it.
    """
    import obstore

    start = len(prefix) + 1 if prefix else 0
    names: list[str] = []
    sizes: list[int] = []
    etags: list[str | None] = []
    changed: list[datetime | float] = []
    try:
        for page in obstore.list(store, prefix or None, chunk_size=_PAGE):
            names += [item["path"][start:] for item in page]
            sizes += [item["size"] for item in page]
            etags += [item["e_tag"] for item in page]
            changed += [item["last_modified"] for item in page]
    except Exception as error:
        raise _unlistable(url, error) from error
    return Listing(names=names, sizes=np.array(sizes, np.uint64), etags=etags, changed=changed)


def directories_of_objects(store: Any, prefix: str, url: str) -> list[str]:
    """Names of the prefixes directly below a prefix of a store.

    Raises
    ------
    UnreachableChunkError
        If the store cannot list, or does not allow it.
    """
    import obstore

    start = len(prefix) + 1 if prefix else 0
    try:
        found = obstore.list_with_delimiter(store, prefix or None)["common_prefixes"]
    except Exception as error:
        raise _unlistable(url, error) from error
    return sorted(str(path)[start:] for path in found)


def _scan(directory: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            yield from entries
    except FileNotFoundError:
        return
    except OSError as error:
        raise UnreachableChunkError(f"{directory} cannot be listed: {error.strerror}") from error


def _unlistable(url: str, error: Exception) -> UnreachableChunkError:
    return UnreachableChunkError(f"{url} cannot be listed: {first_line(error)}")
