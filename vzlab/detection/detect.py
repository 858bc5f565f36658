"""Which format a file is of: its first bytes say so, its suffix only where they cannot."""

from __future__ import annotations

import sys
import warnings
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from vzlab.detection.table import FORMATS, HDF5_SIGNATURE, HEAD_BYTES, Format, is_kerchunk_json
from vzlab.errors import CorruptFileError, MissingDependencyError, SourceNotFoundError, UnsupportedFormatError
from vzlab.storage import Source, StoreRegistry, as_registry, local_path, normalize_url, url_name
from vzlab.storage.unpacking import unpack

PARSER_GROUP = "vzlab.parsers"
"""The group of entry points under which distributions list their parsers."""

_PACKED_HEAD_BYTES = 160_000
"""No block of Zstandard is longer (RFC 8878, 3.1.1.2.4: 128 KiB)."""
_NOT_YET = (
    "vzlab has no parser for it yet: give one as parser=..., any callable (url, registry) -> ManifestGroup."
)
_BY_KEY = {format_.key: format_ for format_ in FORMATS}

# Where nothing is listed: consolidated metadata alone is Kerchunk's; Icechunk's specification 2 and 1.
_REMOTE_MARKS = {
    ".zmetadata": "kerchunk-parquet",
    "repo": "icechunk",
    "refs/branch.main/ref.json": "icechunk",
}

# What lies in a directory that is a store.
_STORE_MARKS = {
    "zarr.json": "zarr",
    ".zgroup": "zarr",
    ".zarray": "zarr",
}


def detect_format(url: Any, registry: Any = None) -> Format:
    """Find out which format a file, a directory, or an object that stands for one is of.

    Parameters
    ----------
    url : str or path, dict of Kerchunk references, or object of Icechunk's
    registry : optional
        Anything that `vzlab.storage.as_registry` takes.

    Raises
    ------
    SourceNotFoundError
        If there is nothing at the url.
    UnsupportedFormatError
        If it is empty, or neither its first bytes nor its suffix say what it is.
    """
    if isinstance(url, dict):
        return _BY_KEY["kerchunk"]
    if is_icechunk(url):
        return _BY_KEY["icechunk"]
    stores = as_registry(registry)
    location = normalize_url(url)
    path = local_path(location)
    if path is not None and Path(path).is_dir():
        return _detect_directory(path)
    try:
        source = stores.open(location)
        size = source.size_bytes
    except SourceNotFoundError:
        if path is None and (found := _remote_store(location, stores)) is not None:
            return found
        raise
    head = source.read(0, min(HEAD_BYTES, size))
    if not head:
        raise UnsupportedFormatError(
            f"{location} is empty (0 bytes). It was not written or fetched to its end."
        )
    return _by_content(source, head)


def _by_content(source: Source, head: bytes) -> Format:
    """The format of a file that begins like this."""
    location = source.url
    if _is_packed_kerchunk(source, head):
        return _BY_KEY["kerchunk"]
    begun = next((format_ for format_ in FORMATS if format_.begins(head)), None)
    if begun is not None and begun.key == "kerchunk" and location.lower().endswith(".lindi.json"):
        return _BY_KEY["lindi"]
    if begun is not None and begun.parser is not None:
        return begun
    for format_ in installed_formats():
        if format_.begins(head):
            return format_
    if begun is not None:
        return begun
    if _has_hdf5_behind_user_block(source):
        return _BY_KEY["hdf5"]
    by_suffix = _by_suffix(url_name(location))
    if by_suffix is not None and not by_suffix.has_mark:
        return by_suffix
    raise UnsupportedFormatError(_unknown(location, head, by_suffix))


@cache
def installed_formats() -> tuple[Format, ...]:
    """Formats that parsers of other distributions read: what the entry points ``vzlab.parsers`` lead to has a `format`.

    Looked for once. Such a format counts where none of `FORMATS` that has a parser begins alike.
    """
    found = []
    for entry in sorted(entry_points(group=PARSER_GROUP), key=lambda entry: entry.name):
        if entry.value.startswith("vzlab."):
            continue
        try:
            format_ = getattr(entry.load(), "format", None)
        except Exception as error:  # noqa: BLE001  whatever somebody else's module does when it is imported
            warnings.warn(
                f"The parser {entry.name!r} cannot be used: importing {entry.value} failed: {error!r}. Repair or uninstall it.",
                stacklevel=2,
            )
            continue
        if isinstance(format_, Format):
            found.append(replace(format_, parser=entry.value))
    return tuple(found)


def is_icechunk(x: object) -> bool:
    """Whether it is an object of Icechunk's: a repository, session, store or storage. Imports nothing."""
    if type(x).__module__.partition(".")[0] == "icechunk":
        return True
    # Its storages do not say where they come from.
    icechunk = sys.modules.get("icechunk")
    return icechunk is not None and isinstance(x, icechunk.Storage)


def no_parser(format_: Format, url: Any = None) -> UnsupportedFormatError:
    """The error for a file of a format that is known and that nothing here parses."""
    article = "an" if format_.name[0] in "AEIOUH" and not format_.name.startswith("HDF") else "a"
    where = f" at {url}" if isinstance(url, str) else ""
    name = url_name(url) if isinstance(url, str) else ""
    inner = _by_suffix(name.rpartition(".")[0]) if name.lower().endswith(format_.suffixes or "\0") else None
    packed = f", {inner.name} by its name" if inner is not None and inner.parser is not None else ""
    return UnsupportedFormatError(
        f"Found {article} {format_.name}{packed}{where}; parsers exist for {_with_parsers()}. {format_.advice or _NOT_YET}"
    )


def _with_parsers() -> str:
    return ", ".join(format_.name for format_ in FORMATS if format_.parser is not None)


def _by_suffix(name: str) -> Format | None:
    lower = name.lower()
    return next((format_ for format_ in FORMATS if lower.endswith(format_.suffixes or ("\0",))), None)


def _unknown(url: str, head: bytes, by_suffix: Format | None) -> str:
    start = f"{url} begins with {head[:16]!r}, which is the mark of no format known here"
    expected = (
        f"; its name says {by_suffix.name}, whose mark is another: the file is damaged or misnamed"
        if by_suffix is not None
        else ""
    )
    return f"{start}{expected}. Parsers exist for {_with_parsers()}. If it is one of these, fetch it again; else give parser=..."


def _has_hdf5_behind_user_block(source: Source) -> bool:
    """HDF5 specification II.A: the signature may also be at byte 512, 1024, 2048, ..."""
    position = 512
    while position + len(HDF5_SIGNATURE) <= source.size_bytes:
        if source.read(position, len(HDF5_SIGNATURE)) == HDF5_SIGNATURE:
            return True
        position *= 2
    return False


def _detect_directory(path: str) -> Format:
    names = {entry.name for entry in Path(path).iterdir()}
    for mark, key in _STORE_MARKS.items():
        if mark in names:
            return _BY_KEY[key]
    if "snapshots" in names and names & {"refs", "repo"}:
        return _BY_KEY["icechunk"]
    if ".zmetadata" in names:
        # Consolidated metadata without a group beside it: kerchunk writes that, Zarr does not.
        return _BY_KEY["kerchunk-parquet"]
    shown = ", ".join(sorted(names)[:5]) or "nothing"
    raise UnsupportedFormatError(
        f"{path} is a directory that holds {shown}; expected a file, or a Zarr store (zarr.json, .zgroup or .zarray). Give one "
        "file, or several as a list or pattern."
    )


def _is_packed_kerchunk(source: Source, head: bytes) -> bool:
    """Whether gzip or Zstandard hold references, which are read as they are."""
    if not head.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd")):
        return False
    packed = source.read(0, min(_PACKED_HEAD_BYTES, source.size_bytes))
    try:
        return is_kerchunk_json(unpack(packed, HEAD_BYTES, url=source.url, whole=False))
    except (CorruptFileError, MissingDependencyError):
        return False


def _remote_store(url: str, registry: StoreRegistry) -> Format | None:
    """Whether keys of a Zarr store lie below a url that is no object itself."""
    for mark, key in (_STORE_MARKS | _REMOTE_MARKS).items():
        try:
            _ = registry.open(f"{url.rstrip('/')}/{mark}").size_bytes
        except (SourceNotFoundError, OSError):
            continue
        return _BY_KEY[key]
    return None
