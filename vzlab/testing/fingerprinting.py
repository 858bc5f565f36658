"""Make fingerprints, and verify what something reads now against one."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import zarr

from vzlab.cf import to_zarr_attributes
from vzlab.errors import first_line
from vzlab.storage import as_registry
from vzlab.testing.attributes import MEANING, PLUMBING
from vzlab.testing.comparison import Bound, Comparison, Finding
from vzlab.testing.fingerprint import DIGEST_BYTES, Fingerprint, VariableFingerprint, digest_of
from vzlab.testing.options import in_bytes
from vzlab.testing.record import Record
from vzlab.testing.regions import Region, region_of, shape_of, slabs
from vzlab.testing.sampling import Block, Sample, draw_chunks, upper_bound
from vzlab.testing.virtual_side import VirtualSide, VirtualVariable
from vzlab.testing.virtual_sources import virtual_side

_COPIES = 4
_LEVELS = {"stored": "L4", "decoded": "L5"}


def fingerprint(
    x: Any,
    *,
    sample: Sample = "all",
    seed: int = 0,
    memory_limit: int | str = "256MB",
    registry: Any = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Fingerprint:
    """Record structure and digests of values, to verify them later without the native files.

    Parameters
    ----------
    x : anything that `compare` takes as virtual
    sample : int, float or str
        Chunks to digest of each variable: ``"all"``, a number, a fraction, or ``"auto"`` (so many that 1% of differing
        chunks would be seen with 95% confidence). The first, the last and the corners are among them.
    seed : int
        Of the draw.
    memory_limit : int or str
        Bytes that may be read at once.
    registry, storage_options : optional
        As for `compare`.

    Returns
    -------
    Fingerprint
        To be kept: ``vz.fingerprint("cube").save("cube.fingerprint.json")``.

    Examples
    --------
    >>> import vzlab as vz
    >>> ds = vz.open_virtual_dataset("archive/sst_2025-01-01.nc")
    >>> kept = vz.fingerprint(ds)
    >>> vz.compare(ds, kept, progress=False).verdict
    'PASS'
    """
    with zarr.config.set({"array.rectilinear_chunks": True}):
        side = virtual_side(x, as_registry(registry, storage_options))
        limit = in_bytes(memory_limit)
        return Fingerprint(
            subject=side.description,
            seed=seed,
            groups={
                path: _attributes(attributes, np.dtype(object))
                for path, attributes in side.group_attributes.items()
            },
            variables={
                path: _of_variable(side, variable, sample, seed, limit)
                for path, variable in side.variables.items()
            },
        )


def _of_variable(
    side: VirtualSide, variable: VirtualVariable, sample: Sample, seed: int, limit: int
) -> VariableFingerprint:
    grid = variable.grid
    chosen: tuple[int, ...] | None = None
    n_always = grid.n_chunks
    if sample != "all":
        block = Block(file="", chunk_indices=tuple(np.arange(n, dtype=np.int64) for n in grid.grid_shape))
        (draw,) = draw_chunks(
            [block],
            grid_shape=grid.grid_shape,
            sample=sample,
            confidence=0.95,
            max_bad_fraction=0.01,
            seed=(seed,),
        )
        chosen, n_always = tuple(sorted({*draw.always, *draw.drawn})), len(draw.always)
    kept = VariableFingerprint(
        dims=variable.dims,
        shape=variable.shape,
        dtype=str(variable.dtype),
        attributes=_attributes(variable.attributes, variable.dtype),
        chunk_grid=grid.to_zarr(),
        values="decoded" if variable.array is None else "stored",
        chunks=chosen,
        n_always=n_always,
        digests=b"",
    )
    digests = dict(_digests(side, variable, kept, limit))
    return replace(kept, digests=b"".join(digests[flat] for flat in sorted(digests)))


def _digests(
    side: VirtualSide, variable: VirtualVariable, kept: VariableFingerprint, limit: int
) -> Iterator[tuple[int, bytes]]:
    """The digest of each chunk that is kept, counted in C order, many chunks read at a time where all of them are."""
    grid = kept.grid
    read = side.read_raw if kept.values == "stored" else side.read_decoded
    boxes: Sequence[Region]
    if kept.chunks is None:
        chunk_bytes = math.prod(grid.chunk_shape) * max(variable.dtype.itemsize, 8)
        whole = tuple(np.arange(n, dtype=np.int64) for n in grid.grid_shape)
        boxes = list(slabs(whole, limit // (_COPIES * chunk_bytes))) if grid.n_chunks else []
    else:
        at = (np.unravel_index(flat, grid.grid_shape) for flat in kept.chunks)
        boxes = [tuple(slice(int(i), int(i) + 1) for i in index) for index in at]
    for box in boxes:
        region = region_of(grid, box)
        values = read(variable.path, region)
        for index in np.ndindex(*shape_of(box)):
            place = tuple(i + part.start for i, part in zip(index, box, strict=True))
            inner = tuple(
                slice(part.start - whole.start, part.stop - whole.start)
                for part, whole in zip(grid.region(place), region, strict=True)
            )
            flat = int(np.ravel_multi_index(place, grid.grid_shape)) if place else 0
            yield flat, digest_of(values[inner])


def _attributes(attributes: Mapping[str, Any], dtype: np.dtype[Any]) -> dict[str, Any]:
    kept = {name: value for name, value in attributes.items() if name not in PLUMBING}
    return dict(to_zarr_attributes(kept, dtype))


# -- verifying --------------------------------------------------------------------------------------------------------


def check_fingerprint(
    x: Any,
    expected: Fingerprint,
    *,
    memory_limit: int | str = "256MB",
    confidence: float = 0.95,
    registry: Any = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Comparison:
    """Compare what something reads now with a fingerprint: structure (L0), stored values (L4) or decoded ones (L5)."""
    began = time.perf_counter()
    used = {_LEVELS[variable.values] for variable in expected.variables.values()}
    record = Record(levels=("L0", *sorted(used)), asked_by_name=False)
    with zarr.config.set({"array.rectilinear_chunks": True}):
        side = virtual_side(x, as_registry(registry, storage_options))
        _check_groups(side, expected, record)
        for path in side.variables.keys() - expected.variables.keys():
            record.find(
                Finding(level="L0", variable=path, message="extra: the fingerprint lacks this variable")
            )
        for path, kept in expected.variables.items():
            variable = side.variables.get(path)
            if variable is None:
                why = side.unusable.get(path, "")
                message = f"missing: the fingerprint has this variable{'; ' + why if why else ''}"
                record.find(Finding(level="L0", variable=path, message=message))
            elif _check_structure(variable, kept, record):
                _check_digests(side, variable, kept, record, in_bytes(memory_limit), confidence)
    return Comparison(
        virtual=side.description,
        native=f"{expected.title}: {expected.extent}",
        oracles=("the fingerprint",),
        levels=record.coverage,
        findings=record.findings,
        gaps=record.gaps,
        notes=record.notes,
        strata=(),
        bounds=tuple(record.bounds),
        confidence=confidence,
        max_bad_fraction=0.01,
        seed=expected.seed,
        exact=all(variable.chunks is None for variable in expected.variables.values()),
        n_variables=len(side.variables),
        n_files=0,
        elapsed_s=time.perf_counter() - began,
    )


def _check_groups(side: VirtualSide, expected: Fingerprint, record: Record) -> None:
    for path in sorted(side.group_attributes.keys() | expected.groups.keys()):
        ours = _attributes(side.group_attributes.get(path, {}), np.dtype(object))
        _check_attributes(path, ours, expected.groups.get(path, {}), frozenset(), record)


def _check_structure(variable: VirtualVariable, kept: VariableFingerprint, record: Record) -> bool:
    """Compare what is said of a variable; gives whether its values can be compared."""
    skip = MEANING if kept.values == "decoded" else frozenset()
    attributes = _attributes(variable.attributes, variable.dtype)
    _check_attributes(variable.path, attributes, kept.attributes, skip, record)
    facts: list[tuple[str, Any, Any]] = [
        ("dimensions", variable.dims, kept.dims),
        ("shape", variable.shape, kept.shape),
    ]
    if kept.values == "stored" and variable.array is not None:
        facts.append(("data type", str(variable.dtype), kept.dtype))
    for what, ours, theirs in facts:
        if ours != theirs:
            message = f"{what}: not as recorded"
            _differs(variable.path, message, str(ours), str(theirs), record)
    record.cover("L0", len(facts), len(facts), "facts")
    return variable.shape == kept.shape


def _check_attributes(
    path: str, ours: Mapping[str, Any], theirs: Mapping[str, Any], skip: frozenset[str], record: Record
) -> None:
    names = (ours.keys() | theirs.keys()) - skip
    record.cover("L0", len(names), len(names), "facts")
    for name in sorted(names):
        if name not in ours or name not in theirs or ours[name] != theirs[name]:
            found, expected = (repr(side[name]) if name in side else "nothing" for side in (ours, theirs))
            message = f"attribute {name!r}: not as recorded"
            _differs(path, message, found, expected, record)


def _differs(path: str, message: str, found: str, expected: str, record: Record) -> None:
    record.find(
        Finding(level="L0", variable=path, message=message, virtual_value=found, native_value=expected)
    )


def _check_digests(
    side: VirtualSide,
    variable: VirtualVariable,
    kept: VariableFingerprint,
    record: Record,
    limit: int,
    confidence: float,
) -> None:
    level = _LEVELS[kept.values]
    record.cover(level, 0, kept.n_chunks, "chunks")
    if kept.values == "stored" and variable.array is None:
        record.gap(
            level,
            variable.path,
            "stored values are out of reach: it is in memory, or lazy over a computation",
        )
        return
    order = {flat: n for n, flat in enumerate(kept.chunks)} if kept.chunks is not None else None
    n_checked = n_differing = 0
    try:
        for flat, digest in _digests(side, variable, kept, limit):
            at = (flat if order is None else order[flat]) * DIGEST_BYTES
            n_checked += 1
            if digest != kept.digests[at : at + DIGEST_BYTES]:
                n_differing += 1
                _find(side, variable, kept, level, flat, record)
    except Exception as error:  # noqa: BLE001 - whatever a reader raises on the virtual side is the finding
        message = f"unreadable: {first_line(error)}"
        record.find(Finding(level=level, variable=variable.path, message=message))
    record.cover(level, n_checked, 0, "chunks")
    rest, n_drawn = kept.n_chunks - kept.n_always, kept.n_digests - kept.n_always
    most = n_differing + upper_bound(rest, n_drawn, min(n_differing, n_drawn), confidence)
    record.bounds.append(
        Bound(
            variable=variable.path,
            codecs="any",
            n_files=0,
            n_chunks=kept.n_chunks,
            n_checked=n_checked,
            n_differing=n_differing,
            n_bad_at_most=most,
            worst_file_fraction=0.0,
        )
    )


def _find(
    side: VirtualSide,
    variable: VirtualVariable,
    kept: VariableFingerprint,
    level: str,
    flat: int,
    record: Record,
) -> None:
    place = tuple(int(i) for i in np.unravel_index(flat, kept.grid.grid_shape)) if kept.shape else ()
    region = kept.grid.region(place)
    is_cut_alike = variable.grid == kept.grid
    box = ", ".join(f"{part.start}:{part.stop}" for part in region)
    finding = Finding(
        level=level,
        variable=variable.path,
        message=f"digest: values of [{box}] are not those that were recorded",
        cause="values changed since the fingerprint was made, or are read otherwise",
        index=tuple(part.start for part in region),
        virtual_value="another digest",
        native_value="the digest that was kept",
    )
    if is_cut_alike:
        finding = finding.at_chunk(place, side.reference(variable.path, place))
    record.find(finding)
