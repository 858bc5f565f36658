"""Which store serves a url, worked out from the url or given."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase
from glob import has_magic
from typing import Any
from urllib.parse import unquote, urlsplit

from vzlab.errors import UnknownUrlError, UnreachableChunkError
from vzlab.storage.gate import current_gate, pass_gate
from vzlab.storage.listing import (
    Listing,
    directories_local,
    directories_of_objects,
    list_local,
    list_objects,
)
from vzlab.storage.request_log import RequestLog, logs_of, timed
from vzlab.storage.source import LocalSource, ObjectSource, Source
from vzlab.storage.urls import join_url, local_path, normalize_url, split_url

MAX_OPEN_SOURCES = 256
"""Sources kept open, least recently used ones closed first: well below a usual limit of 1,024 open files."""

_SCHEMES = (
    "file",
    "memory",
    "http",
    "https",
    "s3",
    "s3a",
    "gs",
    "gcs",
    "az",
    "azure",
    "abfs",
    "abfss",
    "adl",
    "r2",
)

_MEMORY: dict[str, Any] = {}
"""Stores behind ``memory://`` urls, one for each authority, shared by the whole process."""

_CONNECTED: dict[str, Any] = {}
"""Stores worked out from urls without any options, which keep their connections."""


class StoreRegistry:
    """Opens sources by url.

    Parameters
    ----------
    stores : mapping of url prefix to obstore store, optional
        Stores for urls under these prefixes; the longest prefix wins. Keys are paths below the store's own prefix.
    resolver : obspec_utils.registry.ObjectStoreRegistry, optional
        Asked for every url; a url that it does not know is refused.
    storage_options : mapping, optional
        For stores worked out from a url: anything that ``obstore.store.from_url`` takes, such as ``skip_signature``,
        ``region``, ``endpoint``, ``client_options``.
    log : RequestLog, optional
        Records every request.

    Examples
    --------
    >>> import vzlab as vz
    >>> registry = vz.StoreRegistry()
    >>> registry.open("archive/sst_2025-01-01.nc").size_bytes
    36090
    >>> vz.open_virtual_dataset("archive/sst_2025-01-01.nc", registry=registry).sizes["lat"]
    90
    """

    def __init__(
        self,
        stores: Mapping[str, Any] | None = None,
        *,
        resolver: Any = None,
        storage_options: Mapping[str, Any] | None = None,
        log: RequestLog | None = None,
    ) -> None:
        self.stores = {normalize_url(prefix): store for prefix, store in (stores or {}).items()}
        self.resolver = resolver
        self.storage_options = dict(storage_options or {})
        self.log = log
        self._made = {} if self.storage_options else _CONNECTED
        self._sources: OrderedDict[str, Source] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def reads_files(self) -> bool:
        """Whether no store was given that might stand for files of this machine."""
        return self.resolver is None and not any(url.startswith("file:") for url in self.stores)

    def open(self, location: str | os.PathLike[str]) -> Source:
        """The source at a url or path. Local files are opened now, remote objects at their first use.

        A local file that was replaced or changed is opened anew. What was seen of a remote object (its size, etag and
        first bytes) is kept as long as the registry: make another one to look again.

        Raises
        ------
        SourceNotFoundError
            If there is no such local file.
        UnknownUrlError
            If no store serves the url.
        """
        url = location if isinstance(location, str) and location in self._sources else normalize_url(location)
        with self._lock:
            source = self._sources.get(url)
            if source is not None:
                self._sources.move_to_end(url)
        if source is not None and source.is_current():
            return source
        source = self._make(url)
        with self._lock:
            self._sources[url] = source
            while len(self._sources) > MAX_OPEN_SOURCES:
                self._sources.popitem(last=False)
        return source

    def _make(self, url: str) -> Source:
        pass_gate(url)
        path = local_path(url)
        if path is not None:
            if self.resolver is not None:
                self._ask_resolver(url)  # whether it may be read; the path is the url's own
            return LocalSource(url, path, self.log)
        store, key = self.resolve(url)
        return ObjectSource(url, store, key, self.log)

    def resolve(self, url: str) -> tuple[Any, str]:
        """The obstore store that serves a url, and the key inside it.

        Raises
        ------
        UnknownUrlError
            If no store serves the url.
        """
        pass_gate(url)
        if self.resolver is not None:
            return self._ask_resolver(url)
        for prefix in sorted(self.stores, key=len, reverse=True):
            if url == prefix or url.startswith(prefix.rstrip("/") + "/"):
                return self.stores[prefix], split_url("x://x/" + url[len(prefix) :].lstrip("/"))[1]
        base, key = split_url(url)
        gate = current_gate()
        if gate is not None and base.startswith(("http:", "https:")):
            return gate.http_store(base), key
        store = self._made.get(base)
        if store is None:
            store = self._made[base] = self._make_store(base)
        return store, key

    def glob(self, pattern: str) -> list[str]:
        """The urls of all objects that match a pattern such as ``s3://bucket/prefix/**/*.nc``, sorted.

        ``*``, ``?`` and ``[...]`` stay within one segment of a key; ``**`` stands for any number of segments. One
        listing is asked for, below the last segment before the first of these.

        Raises
        ------
        UnreachableChunkError
            If the store cannot list.
        """
        scheme, _, rest = pattern.partition("://")
        segments = rest.split("/")
        n_fixed = next((i for i, part in enumerate(segments) if has_magic(part)), len(segments) - 1)
        base = normalize_url(f"{scheme}://{'/'.join(segments[:n_fixed])}")
        return sorted(
            join_url(base + "/", key)
            for key in self.list_prefix(base).names
            if _matches(key.split("/"), segments[n_fixed:])
        )

    def _ask_resolver(self, url: str) -> tuple[Any, str]:
        """Let the resolver choose the store, and take the store's own prefix off the key, segment by segment."""
        try:
            store, _ = self.resolver.resolve(url)
        except ValueError as error:
            raise UnknownUrlError(
                f"The registry has no store for {url}: register its prefix first"
            ) from error
        _, key = split_url(url)
        prefix = str(
            getattr(store, "prefix", None) or unquote(urlsplit(getattr(store, "url", "")).path)
        ).strip("/")
        if not prefix:
            return store, key
        if not key.startswith(f"{prefix}/"):
            raise UnknownUrlError(
                f"The registry gives a store below {prefix!r} for {url}, which lies elsewhere: register a store for it"
            )
        return store, key.removeprefix(f"{prefix}/")

    def _make_store(self, base: str) -> Any:
        from obstore.store import HTTPStore, MemoryStore, from_url

        scheme = base.partition(":")[0]
        if scheme not in _SCHEMES:
            raise UnknownUrlError(
                f"No store serves {base!r}: known schemes are {', '.join(_SCHEMES)}, or give a registry"
            )
        if scheme == "memory":
            return _MEMORY.setdefault(base, MemoryStore())
        if scheme == "file":
            return from_url(base + "/")
        options = dict(self.storage_options)
        client = dict(options.pop("client_options", None) or {})
        if scheme == "http" or str(options.get("endpoint", "")).startswith("http://"):
            client.setdefault("allow_http", True)
        # The default goes on for three minutes; a lost endpoint should be told within one.
        retry = options.pop("retry_config", {"max_retries": 4, "retry_timeout": timedelta(seconds=30)})
        if scheme in {"http", "https"}:
            # Never a cloud's own store, which some hosts would give: that would sign, and address buckets.
            http: Any = HTTPStore.from_url
            return http(base, client_options=client, retry_config=retry)
        make: Any = from_url  # its overloads are by store; ours is by url
        return make(base, client_options=client, retry_config=retry, **options)

    def list_prefix(self, location: str | os.PathLike[str]) -> Listing:
        """Every file below a directory, or object under a prefix, at any depth.

        Raises
        ------
        UnreachableChunkError
            If it cannot be listed: the store forbids it or, as with HTTP, has no way to.
        """
        url, path = self._directory(location)
        with timed(logs_of(self.log), url, 0, 0, "open"):
            return list_local(path) if path is not None else list_objects(*self._listable(url), url)

    def list_dir(self, location: str | os.PathLike[str]) -> list[str]:
        """Names of the directories, or prefixes, directly below a url; see `list_prefix`."""
        url, path = self._directory(location)
        with timed(logs_of(self.log), url, 0, 0, "open"):
            if path is not None:
                return directories_local(path)
            return directories_of_objects(*self._listable(url), url)

    def _directory(self, location: str | os.PathLike[str]) -> tuple[str, str | None]:
        url = normalize_url(location).rstrip("/")
        pass_gate(url)
        path = local_path(url)
        if path is not None and self.resolver is not None:
            self._ask_resolver(url)  # whether it may be read
        return url, path

    def _listable(self, url: str) -> tuple[Any, str]:
        from obstore.store import HTTPStore

        store, prefix = self.resolve(url)
        if isinstance(store, HTTPStore) or not hasattr(store, "list"):
            raise UnreachableChunkError(
                f"{url} cannot be listed: HTTP has no way to ask what lies below a url"
            )
        return store, prefix.rstrip("/")

    def with_log(self, log: RequestLog) -> StoreRegistry:
        """The same stores, with requests recorded."""
        return StoreRegistry(
            self.stores, resolver=self.resolver, storage_options=self.storage_options, log=log
        )

    def __getstate__(self) -> dict[str, Any]:
        return {"stores": self.stores, "resolver": self.resolver, "storage_options": self.storage_options}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["stores"], resolver=state["resolver"], storage_options=state["storage_options"])  # type: ignore[misc]


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the segments of a key match those of a glob."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[i:], pattern[1:]) for i in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def as_registry(registry: Any = None, storage_options: Mapping[str, Any] | None = None) -> StoreRegistry:
    """A registry from what a caller gave: nothing, options, one of ours, or an ``ObjectStoreRegistry``.

    Parameters
    ----------
    registry : StoreRegistry, obspec_utils.ObjectStoreRegistry or mapping, optional
        A mapping is of url prefixes to obstore stores.
    storage_options : mapping, optional
        For stores worked out from urls: ``skip_signature``, ``region``, ``endpoint``, ...

    Returns
    -------
    StoreRegistry
        The one that was given, where it was one.

    Raises
    ------
    TypeError
        If it is something else.
    ValueError
        If a registry and options were both given: the registry's stores have theirs already.
    """
    if registry is not None and storage_options:
        raise ValueError(
            "Give either a registry or storage_options: a registry's stores have their options already"
        )
    if isinstance(registry, StoreRegistry):
        return registry
    if isinstance(registry, Mapping):
        return StoreRegistry(registry)
    if hasattr(registry, "resolve"):
        return StoreRegistry(resolver=registry)
    if registry is not None:
        raise TypeError(
            f"Found {type(registry).__name__}; expected a registry, or a mapping of url prefixes to stores"
        )
    return StoreRegistry(storage_options=storage_options)
