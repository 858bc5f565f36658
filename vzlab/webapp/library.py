"""What was opened, shared by all sessions: values that nobody changes, in a bounded amount of memory."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Any

from vzlab.errors import AccessDeniedError
from vzlab.inspection import Inspection
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

_FIXED_BYTES = 2**18
_CELL_BYTES = 9 * 8
"""Of a chunk map's cell."""


@dataclass(frozen=True, kw_only=True)
class _Key:
    url: str
    version: str
    stamp: tuple[Any, ...]
    """Changes when a local file does."""


@dataclass(kw_only=True)
class _Kept:
    value: Any
    tree: Any
    """What most of its memory is in: two that have the same one take it once."""
    n_bytes: int
    since_s: float = field(default_factory=time.monotonic)


class Library:
    """Opens things once for whoever asks, and keeps them as long as there is room.

    Parameters
    ----------
    max_bytes : int
        Of references and maps.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._lock = threading.RLock()
        self._opening: dict[_Key, threading.Lock] = {}
        self._slots = threading.BoundedSemaphore(AT_ONCE)

    @property
    def n_bytes(self) -> int:
        """Bytes that are kept now."""
        with self._lock:
            return sum({id(kept.tree): kept.n_bytes for kept in self._kept.values()}.values())

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
                        found = open_explored(location, reads_through=registry, version=version)
                        check_references(found.tree)
                    self._keep(key, found, found)
            with self._lock:
                self._opening.pop(key, None)
        return replace(found, registry=registry, _arrays={})

    def hold(self, owner: Hashable, value: Any, explored: Explored) -> None:
        """Keep something for somebody who can make it anew, as long as there is room."""
        with self._lock:
            self._kept.pop(owner, None)
        self._keep(owner, value, explored)

    def held(self, owner: Hashable) -> Any:
        """What is kept for somebody; None if it had to go."""
        with self._lock:
            kept = self._kept.get(owner)
            if kept is None:
                return None
            self._kept.move_to_end(owner)
            return kept.value

    def release(self, owner: Hashable) -> None:
        """Keep nothing any more for somebody."""
        with self._lock:
            self._kept.pop(owner, None)

    def _known(self, key: _Key) -> Explored | None:
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                return None
            if local_path(key.url) is None and time.monotonic() - kept.since_s > REMOTE_KEPT_S:
                del self._kept[key]
                return None
            self._kept.move_to_end(key)
            explored: Explored = kept.value
            return explored

    def _keep(self, key: Hashable, value: Any, explored: Explored) -> None:
        n_bytes = _FIXED_BYTES + _bytes_of(explored.tree) + _map_bytes(explored.inspection)
        with self._lock:
            self._kept[key] = _Kept(value=value, tree=explored.tree, n_bytes=n_bytes)
            while len(self._kept) > 1 and self.n_bytes > self.max_bytes:
                self._kept.popitem(last=False)


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


def _bytes_of(tree: Any) -> int:
    return tree.nbytes if isinstance(tree, ManifestGroup) else 0


def _map_bytes(inspection: Inspection) -> int:
    maps = (variable.chunk_map for variable in inspection.variables.values())
    return sum(each.n_chunks.size * _CELL_BYTES for each in maps if each is not None)


def _stamp(url: str) -> tuple[Any, ...]:
    """What of a local file tells that it changed; of a directory its own time alone."""
    path = local_path(url)
    if path is None:
        return ()
    try:
        now = os.stat(path)  # noqa: PTH116 - a path out of a url
    except OSError:
        return ()
    return (now.st_ino, now.st_size, now.st_mtime_ns)
