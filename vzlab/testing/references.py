"""L2: every reference against its file, without reading data: sizes, overlaps, lengths, staleness, and the native index."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.manifests import ChunkManifest, SourceFile
from vzlab.manifests.codec_axes import is_uncompressed
from vzlab.manifests.manifest import INLINE, MISSING
from vzlab.storage import StoreRegistry, local_path
from vzlab.testing.arrangement import Arrangement
from vzlab.testing.comparison import Finding
from vzlab.testing.native_files import NativeFiles
from vzlab.testing.native_index import check_native_index
from vzlab.testing.record import Record
from vzlab.testing.virtual_side import VirtualSide, VirtualVariable

_LEVEL = "L2"
_MTIME_TOLERANCE_S = 1.0
"""Stores and file systems keep times to the second."""

STALE = "stale file: it was changed after it was parsed"
TRUNCATED = "truncated or replaced file: references reach past its end"


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    """What a file is now."""

    size_bytes: int
    etag: str | None
    last_modified: datetime


def check_references(
    virtual: VirtualSide,
    native: NativeFiles,
    arrangement: Arrangement,
    registry: StoreRegistry,
    record: Record,
) -> None:
    """Check the references of every variable of which they are known, whole columns at a time."""
    manifests = {
        path: variable.manifest
        for path, variable in virtual.variables.items()
        if variable.manifest is not None
    }
    facts: dict[str, FileFacts | None] = {}
    recorded: dict[str, SourceFile] = {}
    for manifest in manifests.values():
        for source in manifest.sources:
            known = recorded.get(source.url)
            if known is None or (known.etag, known.last_modified) == (None, None):
                recorded[source.url] = source
    urls = tuple(recorded) or virtual.urls or ()
    for url in urls:
        facts[url] = _look_up(url, registry, record)
        if facts[url] is not None and url in recorded:
            _check_unchanged(recorded[url], facts[url], record)
    if not manifests:
        stored = [path for path, variable in virtual.variables.items() if variable.array is not None]
        if stored:
            where = f", but {len(urls):,} source files are there" if urls else ""
            record.impossible(_LEVEL, "", f"the virtual side does not say where its chunks lie{where}")
        return
    spans = []
    for path, manifest in manifests.items():
        variable = virtual.variables[path]
        _check_ranges(variable, manifest, facts, record)
        if variable.codecs is not None and is_uncompressed(variable.codecs):
            _check_uncompressed(variable, manifest, record)
        spans.append((path, manifest))
        n = manifest.n_virtual
        record.cover(_LEVEL, n, n, "references")
        if arrangement.known(path):
            check_native_index(
                variable,
                manifest,
                native,
                arrangement,
                record,
                {u: f.size_bytes for u, f in facts.items() if f},
            )
    _check_overlaps(spans, record)


# -- files ------------------------------------------------------------------------------------------------------------


def _look_up(url: str, registry: StoreRegistry, record: Record) -> FileFacts | None:
    try:
        return file_facts(url, registry)
    except FileNotFoundError:
        cause = "the file was moved or deleted"
        record.find(
            Finding(
                level=_LEVEL, variable="", message="file: it is not there", cause=cause, source=url, file=url
            )
        )
    except Exception as error:  # noqa: BLE001 - stores raise errors of their own kinds
        message = f"file: it cannot be reached ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
        record.find(Finding(level=_LEVEL, variable="", message=message, source=url, file=url))
    return None


def file_facts(url: str, registry: StoreRegistry) -> FileFacts:
    """Size, entity tag and time of the last change of a file or object, as they are now."""
    path = local_path(url)
    if path is not None:
        status = os.stat(path)  # noqa: PTH116 - a path out of a url
        return FileFacts(
            size_bytes=status.st_size, etag=None, last_modified=datetime.fromtimestamp(status.st_mtime, UTC)
        )
    import obstore

    store, key = registry.resolve(url)
    meta = obstore.head(store, key)
    return FileFacts(size_bytes=meta["size"], etag=meta.get("e_tag"), last_modified=meta["last_modified"])


def _check_unchanged(source: SourceFile, facts: FileFacts | None, record: Record) -> None:
    assert facts is not None
    seen: list[tuple[str, Any, Any]] = []
    if source.size_bytes is not None and source.size_bytes != facts.size_bytes:
        seen.append(("size", facts.size_bytes, source.size_bytes))
    if source.etag is not None and facts.etag is not None and source.etag != facts.etag:
        seen.append(("entity tag", facts.etag, source.etag))
    elif source.etag is None and source.last_modified is not None:
        later = abs((facts.last_modified - source.last_modified).total_seconds()) > _MTIME_TOLERANCE_S
        if later:
            seen.append(("time of change", facts.last_modified.isoformat(), source.last_modified.isoformat()))
    for what, now, then in seen:
        record.find(
            Finding(
                level=_LEVEL,
                variable="",
                message=f"file: its {what} is {now}, and was {then} when it was parsed. Parse it again",
                cause=STALE,
                virtual_value=str(then),
                native_value=str(now),
                source=source.url,
                file=source.url,
            )
        )


# -- ranges -----------------------------------------------------------------------------------------------------------


def _check_ranges(
    variable: VirtualVariable, manifest: ChunkManifest, facts: dict[str, FileFacts | None], record: Record
) -> None:
    index = manifest.source_index
    sourced = index < INLINE
    _report(
        variable, manifest, sourced & (manifest.lengths == 0), "length: references of zero bytes", "", record
    )
    if not manifest.sources:
        return
    unlimited = np.iinfo(np.uint64).max
    sizes = np.array(
        [f.size_bytes if (f := facts.get(s.url)) else unlimited for s in manifest.sources], np.uint64
    )
    size = sizes[np.where(sourced, index, 0)]
    # offset + length may not fit into 64 bits: what is left of the file is compared instead.
    past = sourced & (
        (manifest.offsets > size) | (manifest.lengths > size - np.minimum(manifest.offsets, size))
    )
    _report(variable, manifest, past, "range: references reach past the end of their file", TRUNCATED, record)


def _check_uncompressed(variable: VirtualVariable, manifest: ChunkManifest, record: Record) -> None:
    lengths = np.array(variable.dtype.itemsize, np.uint64)
    for axis in range(len(variable.shape)):
        lengths = np.multiply.outer(lengths, variable.grid.stored_lengths(axis).astype(np.uint64))
    present = manifest.source_index != np.uint32(MISSING)
    wrong = present & (manifest.lengths != lengths)
    _report(
        variable,
        manifest,
        wrong,
        "length: uncompressed chunks of another length than their shape says",
        "",
        record,
    )


def _report(
    variable: VirtualVariable,
    manifest: ChunkManifest,
    wrong: npt.NDArray[np.bool_],
    message: str,
    cause: str,
    record: Record,
) -> None:
    n = int(np.count_nonzero(wrong))
    if not n:
        return
    at = tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong)), wrong.shape))
    entry = manifest.reference(at)
    url = entry.source.url if entry.source else "(inline)"
    record.find(
        Finding(
            level=_LEVEL,
            variable=variable.path,
            message=message,
            cause=cause,
            file=url,
            chunk=at,
            source=url,
            offset=entry.offset,
            length=entry.length,
            n_alike=n,
        )
    )


# -- overlaps ---------------------------------------------------------------------------------------------------------


def _check_overlaps(spans: list[tuple[str, ChunkManifest]], record: Record) -> None:
    """Find references that share bytes with another one without being the same range."""
    table: dict[str, int] = {}
    files, starts, stops, owners = [], [], [], []
    for number, (_, manifest) in enumerate(spans):
        numbers = np.array(
            [table.setdefault(source.url, len(table)) for source in manifest.sources], np.int64
        )
        sourced = manifest.source_index < INLINE
        if not len(numbers) or not sourced.any():
            continue
        files.append(numbers[manifest.source_index[sourced]])
        starts.append(manifest.offsets[sourced])
        stops.append(manifest.offsets[sourced] + manifest.lengths[sourced])
        owners.append(np.full(len(files[-1]), number, np.int32))
    if not files:
        return
    file, start, stop, owner = (np.concatenate(column) for column in (files, starts, stops, owners))
    order = np.lexsort((stop, start, file))
    file, start, stop, owner = file[order], start[order], stop[order], owner[order]
    neighbours = (file[1:] == file[:-1]) & (start[1:] < stop[:-1])
    same = (start[1:] == start[:-1]) & (stop[1:] == stop[:-1])
    found = np.flatnonzero(neighbours & ~same)
    if not len(found):
        return
    first = int(found[0])
    urls = list(table)
    paths = [spans[int(owner[i])][0] for i in (first, first + 1)]
    record.find(
        Finding(
            level=_LEVEL,
            variable=paths[1],
            message=f"overlap: {int(stop[first] - start[first + 1])} bytes belong to references of {paths[0]} and {paths[1]}",
            cause="a wrong offset or length",
            file=urls[int(file[first])],
            source=urls[int(file[first])],
            offset=int(start[first + 1]),
            length=int(stop[first + 1] - start[first + 1]),
            n_alike=len(found),
        )
    )
