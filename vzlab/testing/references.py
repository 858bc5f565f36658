"""L2: every reference against its file, without reading data: sizes, overlaps, lengths, staleness, and the native index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.manifests import ChunkManifest, SourceFile
from vzlab.manifests.codec_axes import is_uncompressed
from vzlab.manifests.manifest import INLINE, MISSING
from vzlab.storage import StoreRegistry
from vzlab.storage.source_files import FileFacts, Unavailable, look_up, what_changed
from vzlab.testing.arrangement import Arrangement
from vzlab.testing.comparison import Finding
from vzlab.testing.native_files import NativeFiles
from vzlab.testing.native_index import check_native_index
from vzlab.testing.record import Record
from vzlab.testing.virtual_side import VirtualSide, VirtualVariable, place_of

_LEVEL = "L2"

STALE = "stale file: it was changed after it was parsed"
TRUNCATED = "truncated or replaced file: references reach past its end"


type Looked = Mapping[str, FileFacts | Unavailable]


def check_references(
    virtual: VirtualSide,
    native: NativeFiles,
    arrangement: Arrangement,
    registry: StoreRegistry,
    record: Record,
) -> None:
    """Check the references of every variable of which they are known, and hold them against the native library's index."""
    looked = check_against_files(virtual, registry, record)
    sizes = {url: facts.size_bytes for url, facts in looked.items() if isinstance(facts, FileFacts)}
    for path, manifest in known_manifests(virtual).items():
        if arrangement.known(path):
            check_native_index(virtual.variables[path], manifest, native, arrangement, record, sizes)


def known_manifests(virtual: VirtualSide) -> dict[str, ChunkManifest]:
    """Where the chunks of each variable lie, of those that say it."""
    return {path: v.manifest for path, v in virtual.variables.items() if v.manifest is not None}


def check_against_files(
    virtual: VirtualSide,
    registry: StoreRegistry,
    record: Record,
    *,
    seen: Mapping[str, SourceFile] | None = None,
) -> Looked:
    """Check all references against their files and each other, whole columns at a time, and give what the files are.

    Parameters
    ----------
    seen : mapping, optional
        What files were when they were parsed, by url, where manifests do not say it themselves.
    """
    manifests = known_manifests(virtual)
    recorded = {**sources_seen(manifests.values()), **(seen or {})}
    urls = tuple(dict.fromkeys([*sources_seen(manifests.values()), *(virtual.urls or ())]))
    looked = look_up(urls, registry)
    for url, facts in looked.items():
        if isinstance(facts, Unavailable):
            _find_unavailable(url, facts, record)
        elif url in recorded:
            _check_unchanged(recorded[url], facts, record)
    if not manifests:
        stored = [path for path, variable in virtual.variables.items() if variable.array is not None]
        if stored:
            where = f", but {len(urls):,} source files are there" if urls else ""
            record.impossible(_LEVEL, "", f"the virtual side does not say where its chunks lie{where}")
        return looked
    for path, manifest in manifests.items():
        variable = virtual.variables[path]
        _check_ranges(variable, manifest, looked, record)
        if variable.codecs is not None and is_uncompressed(variable.codecs):
            _check_uncompressed(variable, manifest, record)
        record.cover(_LEVEL, manifest.n_virtual, manifest.n_virtual, "references")
    _check_overlaps(
        [
            (path, manifest)
            for path, manifest in manifests.items()
            if not _share(virtual.variables[path].codecs)
        ],
        record,
    )
    return looked


def sources_seen(manifests: Iterable[ChunkManifest]) -> dict[str, SourceFile]:
    """Every file that manifests refer to, by url, each with what is known of it."""
    recorded: dict[str, SourceFile] = {}
    for manifest in manifests:
        for source in manifest.sources:
            known = recorded.get(source.url)
            if known is None or (known.etag, known.last_modified) == (None, None):
                recorded[source.url] = source
    return recorded


# -- files ------------------------------------------------------------------------------------------------------------


def _find_unavailable(url: str, file: Unavailable, record: Record) -> None:
    if file.state == "absent":
        finding = Finding(
            level=_LEVEL, variable="", message="file: it is not there", cause="the file was moved or deleted"
        )
    else:
        finding = Finding(level=_LEVEL, variable="", message=f"file: it cannot be reached ({file.reason})")
    record.find(replace(finding, source=url, file=url))


def _check_unchanged(source: SourceFile, facts: FileFacts, record: Record) -> None:
    for what, now, then in what_changed(source, facts):
        record.find(
            Finding(
                level=_LEVEL,
                variable="",
                message=f"file: its {what} is {now}, and was {then} when it was parsed. Parse it again",
                cause=STALE,
                virtual_value=then,
                native_value=now,
                source=source.url,
                file=source.url,
            )
        )


# -- ranges -----------------------------------------------------------------------------------------------------------


def _check_ranges(variable: VirtualVariable, manifest: ChunkManifest, looked: Looked, record: Record) -> None:
    index = manifest.source_index
    sourced = index < INLINE
    _report(
        variable, manifest, sourced & (manifest.lengths == 0), "length: references of zero bytes", "", record
    )
    if not manifest.sources:
        return
    unlimited = np.iinfo(np.uint64).max
    sizes = np.array(
        [
            f.size_bytes if isinstance(f := looked.get(s.url), FileFacts) else unlimited
            for s in manifest.sources
        ],
        np.uint64,
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
    """Take a finding for each file that has such chunks."""
    if not wrong.any():
        return
    flat = np.flatnonzero(wrong)
    _, first, counts = np.unique(
        manifest.source_index.reshape(-1)[flat], return_index=True, return_counts=True
    )
    for position, n in zip(flat[first].tolist(), counts.tolist(), strict=True):
        at = tuple(int(i) for i in np.unravel_index(position, wrong.shape))
        place = place_of(manifest, at)
        finding = Finding(
            level=_LEVEL, variable=variable.path, message=message, cause=cause, file=place[0], n_alike=n
        )
        record.find(finding.at_chunk(at, place))


# -- overlaps ---------------------------------------------------------------------------------------------------------


def _share(codecs: Sequence[Mapping[str, Any]] | None) -> bool:
    """Whether chunks share bytes by right: fields of one GRIB message all begin where the message does."""
    return any(codec["name"] == "vzlab.grib" for codec in codecs or ())


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
    urls = list(table)
    _, firsts, counts = np.unique(file[found], return_index=True, return_counts=True)
    for first, n in zip(found[firsts].tolist(), counts.tolist(), strict=True):
        paths = [spans[int(owner[i])][0] for i in (first, first + 1)]
        whose = (
            f"two references of {paths[0]}"
            if paths[0] == paths[1]
            else f"references of {paths[0]} and {paths[1]}"
        )
        url = urls[int(file[first])]
        shared = int(stop[first] - start[first + 1])
        record.find(
            Finding(
                level=_LEVEL,
                variable=paths[1],
                message=f"overlap: {shared:,} byte{' belongs' if shared == 1 else 's belong'} to {whose}",
                cause="a wrong offset or length",
                file=url,
                source=url,
                offset=int(start[first + 1]),
                length=int(stop[first + 1] - start[first + 1]),
                n_alike=n,
            )
        )
