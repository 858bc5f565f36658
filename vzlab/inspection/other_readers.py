"""Requests that other libraries make while a recording lasts: through obstore, fsspec, and zarr's own local store.

Each has a few functions through which all of its reading from Python goes. They are wrapped when the first recording begins
and put back when the last one ends. What is read inside of a request that is recorded already, by vzlab's sources or by a
store above, is not counted a second time.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from vzlab.storage.request_log import RequestKind, RequestLog, inside_a_request, logs_of

_METADATA_NAMES = frozenset({"zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata"})
_DELEGATING = frozenset(
    {"ReferenceFileSystem", "DirFileSystem", "GenericFileSystem", "AsyncFileSystemWrapper"}
)
"""File systems of fsspec that read through another one, which is wrapped itself."""


class Part(NamedTuple):
    """A range of an object that was asked for."""

    url: str
    offset: int
    length: int


type Describe = Callable[[Any, tuple[Any, ...], dict[str, Any]], Sequence[Part]]
"""From the result, the positional arguments and the others of a call to the ranges that it read."""


@contextmanager
def others_listened_to() -> Iterator[None]:
    """Record what other libraries ask for as long as the block lasts, in all threads."""
    global _n_recordings  # noqa: PLW0603 - how many blocks need the wrappers
    with _lock:
        _n_recordings += 1
        if _n_recordings == 1:
            _wrap_all()
    try:
        yield
    finally:
        with _lock:
            _n_recordings -= 1
            if not _n_recordings:
                while _put_back:
                    _put_back.pop()()


_lock = threading.RLock()
_n_recordings = 0
_put_back: list[Callable[[], None]] = []


def _wrap_all() -> None:
    import obstore
    from zarr.storage import LocalStore

    for name, describe in _OBSTORE.items():
        _wrap(obstore, name, describe)
        _wrap(obstore, f"{name}_async", describe)
    _wrap(LocalStore, "get", _local_part)
    _wrap(LocalStore, "get_sync", _local_part)
    # Who never imported fsspec cannot be reading through it yet; its file systems load late.
    if "fsspec" in sys.modules:
        from fsspec.caching import BaseCache
        from fsspec.spec import AbstractFileSystem

        # As an attribute of fsspec this name is the table that the module holds.
        registry = importlib.import_module("fsspec.registry")
        _wrap_filesystems(AbstractFileSystem)
        _replace(BaseCache, "__init__", _recording_fetches(BaseCache.__init__))
        _replace(registry, "get_filesystem_class", _wrapping_what_it_gives(registry.get_filesystem_class))


def _replace(owner: Any, name: str, wrapper: Callable[..., Any]) -> None:
    original = owner.__dict__[name]
    setattr(owner, name, wrapper)
    _put_back.append(lambda: setattr(owner, name, original))


def _wrap(owner: Any, name: str, describe: Describe) -> None:
    """Put a function that reports in place of one that reads, whether it waits or is awaited."""
    function = owner.__dict__.get(name)
    if function is None or hasattr(function, "_vzlab_reports"):
        return

    @functools.wraps(function)
    def reporting(*args: Any, **kwargs: Any) -> Any:
        logs = () if inside_a_request.get() else logs_of(None)
        if not logs:
            return function(*args, **kwargs)
        token = inside_a_request.set(True)
        start = time.perf_counter()
        try:
            result = function(*args, **kwargs)
        finally:
            inside_a_request.reset(token)
        if inspect.isawaitable(result):
            return _awaited(result, start, logs, describe, args, kwargs)
        _report(logs, describe(result, args, kwargs), start)
        return result

    reporting._vzlab_reports = True  # type: ignore[attr-defined]
    _replace(owner, name, reporting)


async def _awaited(
    result: Any,
    start: float,
    logs: tuple[RequestLog, ...],
    describe: Describe,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    token = inside_a_request.set(True)
    try:
        found = await result
    finally:
        inside_a_request.reset(token)
    _report(logs, describe(found, args, kwargs), start)
    return found


def _report(logs: tuple[RequestLog, ...], parts: Sequence[Part], start: float) -> None:
    end = time.perf_counter()
    for log in logs:
        for part in parts:
            log.add(*part, _kind(part), start=start, end=end)


def _kind(part: Part) -> RequestKind:
    """A key below a Zarr array is a chunk unless it is metadata; what a range of another file holds is not known."""
    name = part.url.rsplit("/", 1)[-1]
    is_chunk = name not in _METADATA_NAMES and name.replace(".", "").removeprefix("c").isdigit()
    return "chunk" if is_chunk else "range"


# obstore --------------------------------------------------------------------------------------------------------------


def _object_url(store: Any, key: str) -> str:
    """Where an object lies, from what its store tells of itself."""
    config = getattr(store, "config", None) or {}
    scheme = {"S3Store": "s3", "GCSStore": "gs", "AzureStore": "az", "LocalStore": "file"}.get(
        type(store).__name__, "memory"
    )
    bucket = config.get("bucket") or config.get("container_name") or "" if isinstance(config, dict) else ""
    prefix = str(getattr(store, "prefix", None) or "").strip("/")
    root = getattr(store, "url", None) or f"{scheme}://{bucket}"
    if scheme == "file":
        return f"file:///{'/'.join(part for part in (prefix, key) if part)}"
    return "/".join(part for part in (str(root).rstrip("/"), prefix, key) if part)


def _whole(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Part]:
    start, stop = result.range
    return [Part(_of(args, kwargs), start, stop - start)]


def _one_range(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Part]:
    return [Part(_of(args, kwargs), int(kwargs["start"]), len(result))]


def _ranges(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Part]:
    url = _of(args, kwargs)
    return [Part(url, int(offset), len(data)) for offset, data in zip(kwargs["starts"], result, strict=True)]


def _nothing(_result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Part]:
    return [Part(_of(args, kwargs), 0, 0)]


def _of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return _object_url(args[0], args[1] if len(args) > 1 else kwargs["path"])


_OBSTORE: dict[str, Describe] = {
    "get": _whole,
    "get_range": _one_range,
    "get_ranges": _ranges,
    "head": _nothing,
}


# zarr -----------------------------------------------------------------------------------------------------------------


def _local_part(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Part]:
    store, key = args[:2]
    wanted = kwargs.get("byte_range", args[3] if len(args) > 3 else None)
    path = store.root / key
    if result is None:  # there is no such file: that was asked too
        return [Part(path.absolute().as_uri(), 0, 0)]
    if (suffix := getattr(wanted, "suffix", None)) is not None:
        offset = path.stat().st_size - suffix
    else:
        offset = getattr(wanted, "start", getattr(wanted, "offset", 0))
    return [Part(path.absolute().as_uri(), max(offset, 0), len(result))]


# fsspec ---------------------------------------------------------------------------------------------------------------


def _wrap_filesystems(base: type) -> None:
    """Wrap how each kind of file system reads a file or a part of it."""
    if base.__name__ not in _DELEGATING and not base.__module__.endswith("implementations.cached"):
        _wrap(base, "_cat_file", _file_part)
        _wrap(base, "cat_file", _file_part)
    subclasses: list[type] = base.__subclasses__()
    for subclass in subclasses:
        _wrap_filesystems(subclass)


def _wrapping_what_it_gives(get_class: Callable[..., type]) -> Callable[..., type]:
    @functools.wraps(get_class)
    def get(*args: Any, **kwargs: Any) -> type:
        found = get_class(*args, **kwargs)
        with _lock:
            if _n_recordings:
                _wrap_filesystems(found)
        return found

    return get


def _file_part(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Part]:
    filesystem, path = args[:2]
    start = kwargs.get("start", args[2] if len(args) > 2 else None) or 0
    if start < 0:
        start += int(filesystem.size(path) or 0)
    return [Part(filesystem.unstrip_protocol(path), start, len(result))]


def _recording_fetches(initialise: Callable[..., None]) -> Callable[..., None]:
    """What a file that fsspec opened asks for goes through the cache it is given."""

    @functools.wraps(initialise)
    def recording(cache: Any, blocksize: int, fetcher: Any, size: int, *args: Any, **kwargs: Any) -> None:
        initialise(cache, blocksize, fetcher, size, *args, **kwargs)
        file = getattr(fetcher, "__self__", None)
        if file is None:
            return

        def fetch(start: int, end: int, *more: Any, **others: Any) -> Any:
            logs = () if inside_a_request.get() else logs_of(None)
            began = time.perf_counter()
            data = fetcher(start, end, *more, **others)
            _report(logs, [Part(file.fs.unstrip_protocol(file.path), start, len(data))], began)
            return data

        cache.fetcher = fetch

    return recording
