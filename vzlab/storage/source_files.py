"""What the files behind references are now: one request each, many at a time, and no data."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from vzlab.errors import first_line
from vzlab.manifests import SourceFile
from vzlab.storage.gate import pass_gate
from vzlab.storage.registry import StoreRegistry
from vzlab.storage.request_log import logs_of, timed
from vzlab.storage.urls import local_path
from vzlab.telling import results_of

AT_ONCE = 32
"""Files that are looked up at once."""

_MTIME_TOLERANCE_S = 1.0
"""Stores and file systems keep times to the second."""


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    """What a file is now."""

    size_bytes: int
    etag: str | None
    last_modified: datetime

    def source_file(self, url: str) -> SourceFile:
        """The file with what it is now, for a manifest."""
        return SourceFile(
            url=url, size_bytes=self.size_bytes, etag=self.etag, last_modified=self.last_modified
        )


@dataclass(frozen=True, kw_only=True)
class Unavailable:
    """A file of which nothing can be said but why."""

    state: Literal["absent", "unreachable"]
    """Whether nothing is there, or whether nobody could be asked: forbidden, a lost network."""
    reason: str


def look_up(urls: Iterable[str], registry: StoreRegistry) -> dict[str, FileFacts | Unavailable]:
    """Ask for size, entity tag and time of the last change of every file, each once."""
    distinct = tuple(dict.fromkeys(urls))
    pool = ThreadPoolExecutor(max_workers=min(AT_ONCE, max(1, len(distinct))))
    try:
        asked = [pool.submit(_state, url, registry) for url in distinct]
        return dict(zip(distinct, results_of("Look at the files", asked), strict=True))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _state(url: str, registry: StoreRegistry) -> FileFacts | Unavailable:
    try:
        return file_facts(url, registry)
    except FileNotFoundError:
        return Unavailable(state="absent", reason="it is not there")
    except Exception as error:  # noqa: BLE001 - stores raise errors of their own kinds
        return Unavailable(state="unreachable", reason=first_line(error))


def file_facts(url: str, registry: StoreRegistry) -> FileFacts:
    """Size, entity tag and time of the last change of a file or object, as they are now."""
    pass_gate(url)
    path = local_path(url)
    if path is not None:
        status = os.stat(path)  # noqa: PTH116 - a path out of a url
        if not os.access(path, os.R_OK):
            raise PermissionError(f"this process may not read {path}")
        return FileFacts(
            size_bytes=status.st_size, etag=None, last_modified=datetime.fromtimestamp(status.st_mtime, UTC)
        )
    store, key = registry.resolve(url)
    with timed(logs_of(registry.log), url, 0, 0, "open"):
        meta = _head(store, key)
    return FileFacts(size_bytes=meta["size"], etag=meta.get("e_tag"), last_modified=meta["last_modified"])


def _head(store: Any, key: str) -> Any:
    try:
        return store.head(key)
    except FileNotFoundError:
        raise
    except Exception:  # noqa: BLE001 - servers that refuse HEAD, as for signed urls, each say so in their own way
        return store.get(key, options={"range": (0, 1)}).meta


def what_changed(then: SourceFile, now: FileFacts) -> tuple[tuple[str, str, str], ...]:
    """What of a file is no longer as it was when it was parsed: name, value now, value then."""
    seen = []
    if then.size_bytes is not None and then.size_bytes != now.size_bytes:
        seen.append(("size", str(now.size_bytes), str(then.size_bytes)))
    if then.etag is not None and now.etag is not None:
        if then.etag != now.etag:
            seen.append(("entity tag", now.etag, then.etag))
    elif then.last_modified is not None and (
        abs((now.last_modified - then.last_modified).total_seconds()) > _MTIME_TOLERANCE_S
    ):
        seen.append(("time of change", now.last_modified.isoformat(), then.last_modified.isoformat()))
    return tuple(seen)
