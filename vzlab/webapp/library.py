"""What was opened, shared by all sessions: values that nobody changes, in a bounded amount of memory."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Any

from vzlab.errors import AccessDeniedError
from vzlab.manifests import ManifestGroup
from vzlab.storage import StoreRegistry, local_path, normalize_url
from vzlab.storage.gate import pass_gate
from vzlab.widgets.explored import Explored, open_explored

MAX_BYTES = 512 * 2**20
"""References kept in all; the least recently used go first."""

AT_ONCE = 2
"""Things that are parsed at the same time, by all sessions together."""

REMOTE_KEPT_S = 300.0
"""How long something remote is taken to be as it was."""

_FIXED_BYTES = 2**20
"""What one entry takes besides its references, more or less."""


@dataclass(frozen=True, kw_only=True)
class _Key:
    url: str
    version: str
    stamp: tuple[Any, ...]
    """Changes when a local file does."""


@dataclass(kw_only=True)
class _Entry:
    explored: Explored
    n_bytes: int
    opened_s: float = field(default_factory=time.monotonic)


class Library:
    """Opens things once for whoever asks, and keeps them as long as there is room.

    Parameters
    ----------
    max_bytes : int
        Of references. What alone is larger is given, and not kept.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self._entries: OrderedDict[_Key, _Entry] = OrderedDict()
        self._lock = threading.Lock()
        self._opening: dict[_Key, threading.Lock] = {}
        self._slots = threading.BoundedSemaphore(AT_ONCE)

    @property
    def n_bytes(self) -> int:
        """Bytes that are kept now."""
        with self._lock:
            return sum(entry.n_bytes for entry in self._entries.values())

    def open(self, location: str, registry: StoreRegistry, version: str = "") -> Explored:
        """Open a file, store or repository, or give what is known of it.

        Parameters
        ----------
        location : str
            Path or url, normalised or not.
        registry : StoreRegistry
            Opens it if it must be; what is given reads through it too.
        version : str
            Branch, tag or snapshot of a repository.

        Raises
        ------
        AccessDeniedError
            If it, or any file that it refers to, may not be touched.
        """
        url = normalize_url(location)
        pass_gate(url)
        key = _Key(url=url, version=version, stamp=_stamp(url))
        found = self._known(key)
        if found is None:
            with self._lock:
                alone = self._opening.setdefault(key, threading.Lock())
            with alone:  # whoever asks for the same waits, and is given the same
                found = self._known(key)
                if found is None:
                    with self._slots:
                        found = open_explored(location, registry=registry, version=version)
                        check_references(found.tree)
                    self._keep(key, found)
            with self._lock:
                self._opening.pop(key, None)
        return replace(found, registry=registry, _arrays={})

    def _known(self, key: _Key) -> Explored | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if local_path(key.url) is None and time.monotonic() - entry.opened_s > REMOTE_KEPT_S:
                del self._entries[key]
                return None
            self._entries.move_to_end(key)
            return entry.explored

    def _keep(self, key: _Key, explored: Explored) -> None:
        n_bytes = _FIXED_BYTES + (explored.tree.nbytes if isinstance(explored.tree, ManifestGroup) else 0)
        if n_bytes > self.max_bytes:
            return
        with self._lock:
            self._entries[key] = _Entry(explored=explored, n_bytes=n_bytes)
            while sum(entry.n_bytes for entry in self._entries.values()) > self.max_bytes:
                self._entries.popitem(last=False)


def check_references(tree: Any) -> None:
    """Refuse a tree with references to where nothing may be read, before any reader is led there.

    Raises
    ------
    AccessDeniedError
    """
    if not isinstance(tree, ManifestGroup):
        return
    seen: set[str] = set()
    for path, array in tree.walk_arrays():
        for url in array.manifest.urls:
            if url in seen:
                continue
            seen.add(url)
            try:
                pass_gate(url)
            except AccessDeniedError as error:
                raise AccessDeniedError(f"{path!r} refers to other files: {error}") from error


def _stamp(url: str) -> tuple[Any, ...]:
    """What of a local file tells that it changed; of a directory nothing does, so that it is looked at each time."""
    path = local_path(url)
    if path is None:
        return ()
    try:
        now = os.stat(path)  # noqa: PTH116 - a path out of a url
    except OSError:
        return ()
    return (now.st_ino, now.st_size, now.st_mtime_ns)
