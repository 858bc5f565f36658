"""Verify references against their files without reading data: bounds, overlaps, lengths, counts, staleness, portability."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from typing import Any

import zarr

from vzlab.codecs import describe_chain
from vzlab.datasets import open_group
from vzlab.detection import detect_format
from vzlab.manifests import SourceFile
from vzlab.storage import StoreRegistry, as_registry, normalize_url
from vzlab.storage.source_files import FileFacts, Unavailable
from vzlab.testing.comparison import Finding
from vzlab.testing.record import Record
from vzlab.testing.references import STALE, check_against_files, known_manifests, sources_seen
from vzlab.testing.verification import Verification, VerifiedArray, VerifiedFile
from vzlab.testing.virtual_side import VirtualSide, VirtualVariable
from vzlab.testing.virtual_sources import virtual_side

_LEVEL = "L2"
_KERCHUNK = "Kerchunk references"
_WORST_FIRST = ("absent", "unreachable", "stale", "wrong")


def verify(
    x: Any,
    *,
    branch: str = "main",
    registry: Any = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Verification:
    """Check every reference against the file that it points to. Asks for sizes and tags of files, and reads no data.

    What it finds: references past the end of their file, of zero bytes, that overlap others, of another length than an
    uncompressed chunk has, or outside of the chunk grid; files that changed since they were parsed, that are gone, or
    that cannot be reached. What it cannot see is bytes that changed while size, entity tag and time stayed: `compare` reads
    them.

    Parameters
    ----------
    x : Dataset, DataTree, ManifestGroup, ManifestStore, Zarr store or group, Icechunk repository, session or store, Kerchunk \
            references (dict, or path of JSON or Parquet), or the path or url of a repository, of references or of a file
    branch : str
        Of a repository.
    registry, storage_options : optional
        Which store serves which url, as for `open_virtual_dataset`.

    Returns
    -------
    Verification
        Its ``to_virtualize`` names the files whose references must be made anew: `refresh` does that.

    Examples
    --------
    >>> import vzlab as vz
    >>> vz.verify(vz.open_virtual_dataset("archive/sst_2025-01-01.nc")).verdict
    'PASS'
    """
    began = time.perf_counter()
    stores = as_registry(registry, storage_options)
    record = Record(levels=(_LEVEL,), asked_by_name=True)
    with zarr.config.set({"array.rectilinear_chunks": True}):
        opened, seen, description = _opened(x, branch, storage_options, stores)
        side = virtual_side(opened, stores)
        looked = check_against_files(side, stores, record, seen=seen)
        n_probes, n_unrecorded = _check_by_store(side, {**sources_of(side), **seen}, looked, record)
    _check_outside(side.variables.values(), record)
    unusable = {**side.unusable, **(side.left_out if description.startswith(_KERCHUNK) else {})}
    for path, reason in unusable.items():
        record.gap(_LEVEL, path, reason)
    n_local = sum(url.startswith("file:") for url in looked)
    return Verification(
        subject=description or side.description,
        arrays=tuple(
            _array(variable) for variable in side.variables.values() if variable.manifest is not None
        ),
        n_files=len(looked),
        n_unrecorded=n_unrecorded,
        files=_files(record.findings, looked),
        findings=record.findings,
        gaps=record.gaps,
        n_requests=len(looked) - n_local + n_probes,
        elapsed_s=time.perf_counter() - began,
    )


def sources_of(side: VirtualSide) -> dict[str, SourceFile]:
    """Every file that the references of a virtual side point to."""
    return sources_seen(known_manifests(side).values())


def _opened(
    x: Any, branch: str, storage_options: Mapping[str, Any] | None, registry: StoreRegistry
) -> tuple[Any, dict[str, SourceFile], str]:
    """What to look at, what its commits say that files were, and its name."""
    name = ""
    if isinstance(x, str | os.PathLike):
        from vzlab.writers.containers import open_icechunk

        location = os.fspath(x)
        format_key = detect_format(normalize_url(location), registry).key
        if format_key.startswith("kerchunk"):
            return open_group(location, registry=registry), {}, f"{_KERCHUNK} {location}"
        if format_key != "icechunk":
            return x, {}, ""
        name = f"Icechunk repository {location}"
        x = open_icechunk(location, storage_options=storage_options)
    if not hasattr(x, "readonly_session"):
        return x, {}, ""
    from vzlab.writers.sources_seen import sources_seen as seen_by_commits

    return x.readonly_session(branch).store, seen_by_commits(x, branch), name


def _check_by_store(
    side: VirtualSide,
    known: Mapping[str, SourceFile],
    looked: Mapping[str, FileFacts | Unavailable],
    record: Record,
) -> tuple[int, int]:
    """Let Icechunk say of files that nobody kept anything of whether they are as they were; give requests and files left."""
    unknown = {
        url
        for url, facts in looked.items()
        if isinstance(facts, FileFacts)
        and (
            (source := known.get(url)) is None
            or (source.size_bytes, source.etag, source.last_modified) == (None, None, None)
        )
    }
    variables = [variable for variable in side.variables.values() if variable.manifest is not None]
    store = getattr(variables[0].array, "store", None) if variables else None
    if not unknown or not hasattr(store, "array_chunk_iterator"):
        return 0, len(unknown)
    from vzlab.writers.containers import authorization_needs
    from vzlab.writers.stored_references import changed_files

    manifests = {v.array.path: v.manifest for v in variables if v.manifest is not None}
    stale, refused, n = changed_files(store, manifests, unknown)
    for url in stale:
        message = "file: Icechunk refuses to read it, since it was changed after its references were written. Parse it again"
        record.find(Finding(level=_LEVEL, variable="", message=message, cause=STALE, source=url, file=url))
    assert store is not None
    for url, reason in refused.items():
        advice = authorization_needs(store.session.config.virtual_chunk_containers or {})
        text = f"Icechunk cannot read it, so nobody knows whether it changed: {reason}. {advice}"
        record.gap(_LEVEL, url, text)
    return n, 0


def _check_outside(variables: Iterable[VirtualVariable], record: Record) -> None:
    for variable in variables:
        if variable.n_outside:
            grid = variable.grid.grid_shape
            message = f"grid: {variable.n_outside} references lie outside of the chunk grid {grid}, where nothing reads them"
            record.find(Finding(level=_LEVEL, variable=variable.path, message=message))


def _array(variable: VirtualVariable) -> VerifiedArray:
    manifest = variable.manifest
    assert manifest is not None
    chain = None if variable.codecs is None else describe_chain(variable.codecs)
    readers: tuple[str, ...] = ()
    if chain:
        readers = tuple(name for name in chain[0].readers if all(name in codec.readers for codec in chain))
    return VerifiedArray(
        path=variable.path,
        n_virtual=manifest.n_virtual,
        n_held=manifest.n_inline,
        n_missing=manifest.n_missing,
        n_outside=variable.n_outside,
        codecs=None if chain is None else tuple(codec.name for codec in chain),
        readers=readers,
    )


def _files(
    findings: Iterable[Finding], looked: Mapping[str, FileFacts | Unavailable]
) -> tuple[VerifiedFile, ...]:
    worst: dict[str, VerifiedFile] = {}
    for finding in findings:
        facts = looked.get(finding.file)
        if facts is None:
            continue
        state = facts.state if isinstance(facts, Unavailable) else _state(finding)
        known = worst.get(finding.file)
        if known is None or _WORST_FIRST.index(state) < _WORST_FIRST.index(known.state):
            where = f"{finding.variable}: " if finding.variable else ""
            worst[finding.file] = VerifiedFile(
                url=finding.file, state=state, reason=where + finding.message.partition(": ")[2]
            )
    return tuple(worst[url] for url in sorted(worst))


def _state(finding: Finding) -> str:
    return "stale" if finding.cause == STALE else "wrong"
