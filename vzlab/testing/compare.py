"""Compare a virtual dataset with its native files, level by level."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import xarray as xr
import zarr

from vzlab.datasets.sources import expand_sources
from vzlab.errors import VerificationError
from vzlab.oracles import NoOracleError
from vzlab.storage import StoreRegistry, as_registry, normalize_url
from vzlab.testing.announcing import announced
from vzlab.testing.arrangement import Arrangement, arrange
from vzlab.testing.checkpoint import Checkpoint, identity_of
from vzlab.testing.chunks import check_chunks, look_together
from vzlab.testing.comparison import Comparison
from vzlab.testing.coordinates import check_coordinate
from vzlab.testing.fingerprint import Fingerprint
from vzlab.testing.native_files import MAX_OPEN_FILES, NativeFiles
from vzlab.testing.options import as_levels, as_teller, as_tolerances, check_options, in_bytes
from vzlab.testing.record import Record
from vzlab.testing.reencoded import mark_reencoded
from vzlab.testing.references import check_against_files, check_references
from vzlab.testing.sampling import Sample
from vzlab.testing.structure import check_structure, mark_rewritten, match_axes
from vzlab.testing.turned import find_turned
from vzlab.testing.values import Comparer
from vzlab.testing.virtual_side import VirtualSide
from vzlab.testing.virtual_sources import virtual_side


def compare(
    virtual: Any,
    native: Any = None,
    *,
    levels: str | Iterable[str] = "all",
    sample: Sample = "auto",
    confidence: float = 0.95,
    max_bad_fraction: float = 0.01,
    seed: int = 0,
    exact: bool = False,
    memory_limit: int | str = "256MB",
    checkpoint: str | os.PathLike[str] | None = None,
    tolerance: float | Mapping[str, float] | None = None,
    drop_variables: Collection[str] = (),
    registry: Any = None,
    storage_options: Mapping[str, Any] | None = None,
    progress: bool | Callable[[str], None] = True,
) -> Comparison:
    """Compare what a virtual dataset reads with what the native files hold, without loading whole arrays.

    The native side is read by the formats' own libraries (h5py, netCDF4, xarray's decoding over them), which share
    nothing with vzlab's parsers, codecs and stores. Which native file answers for which place follows from the files'
    own coordinates, never from the references that are judged.

    Parameters
    ----------
    virtual : virtual or opened Dataset or DataTree, ManifestGroup, ManifestStore, Zarr store or group, Icechunk session or \
            repository, Kerchunk references (dict, or path of JSON or Parquet), or path or url of a file
    native : path, url, glob, list of these, Dataset, DataTree or `Fingerprint`, optional
        None takes the files that the references point to.
    levels : str or iterable of str
        ``"all"`` compares what both sides allow; levels named one by one must be possible, or the verdict is UNVERIFIED:

        - ``L0`` structure and attributes, exhaustive;
        - ``L1`` coordinates, every value;
        - ``L2`` references against file sizes, each other and the native chunk index, exhaustive, without data;
        - ``L3`` stored bytes, ``L4`` stored values bit for bit, ``L5`` decoded values: chunks drawn at random.
    sample : int, float or str
        Chunks drawn from each source file of each variable: a number, a fraction, ``"auto"`` (so many that
        `max_bad_fraction` holds for each variable over all its files, and at least one a file) or ``"each"`` (so
        many that it holds in each file of each variable). The first and last chunk of each file, the corners of
        the grid and unusual chunks are looked at in any case.
    confidence, max_bad_fraction : float
        What the sample shall show if nothing differs.
    seed : int
        Of the draw, so that it can be repeated.
    exact : bool
        Look at every chunk. Each side is read once, many chunks at a time; what follows from that is not read again: bytes
        at the place that the native index gives, decoded values of equal stored values under equal attributes.
    checkpoint : str or path, optional
        With `exact`: a file that keeps what was compared, from which the same call goes on if it was stopped.
    tolerance : float or mapping, optional
        By how much stored numbers may differ, in stored units (before ``scale_factor``): one for all variables, or by path.
        Missing values, times and text have none. Bytes of such variables are not compared. The report says it.
    memory_limit : int or str
        Bytes that regions under comparison may take, such as ``"256MB"``.
    drop_variables : collection of str
        Names or paths of native variables that the virtual dataset leaves out on purpose.
    registry, storage_options : optional
        Which store serves which url, as for `open_virtual_dataset`.
    progress : bool or callable
        Show a bar on stderr, or call with a line for each step.

    Returns
    -------
    Comparison
        Its ``verdict`` is ``"PASS"``, ``"FAIL"`` or ``"UNVERIFIED"``: what could not be compared is never passed.

    Examples
    --------
    >>> import vzlab as vz
    >>> file = "archive/sst_2025-01-01.nc"
    >>> vz.compare(vz.open_virtual_dataset(file), [file], progress=False).verdict
    'PASS'
    """
    if isinstance(native, Fingerprint):
        return native.verify(
            virtual,
            memory_limit=memory_limit,
            confidence=confidence,
            registry=registry,
            storage_options=storage_options,
        )
    began = time.perf_counter()
    chosen = as_levels(levels)
    check_options(sample, confidence, max_bad_fraction)
    if checkpoint is not None and not exact:
        raise ValueError("Found checkpoint without exact=True; a sample is small enough to be drawn again")
    stores = as_registry(registry, storage_options)
    record = Record(levels=chosen, asked_by_name=levels != "all")
    tell = as_teller(progress)
    with zarr.config.set({"array.rectilinear_chunks": True}):
        tell("Open the virtual side")
        side = virtual_side(virtual, stores)
        tolerances = as_tolerances(tolerance, side)
        tell("Open the native files")
        opened, described = _native_files(native, side, stores, record)
        if opened is None and record.wants("L2"):
            check_against_files(side, stores, record)
        elif opened is not None:
            with opened as files:
                _run(
                    side,
                    files,
                    stores,
                    record,
                    tell,
                    budget=in_bytes(memory_limit),
                    dropped=frozenset(drop_variables),
                    tolerances=tolerances,
                    sampling={
                        "sample": sample,
                        "confidence": confidence,
                        "max_bad_fraction": max_bad_fraction,
                        "seed": seed,
                        "checkpoint": _checkpoint(
                            checkpoint, side, files, (chosen, tolerances, memory_limit), stores
                        )
                        if exact
                        else None,
                    },
                )
    tell("")
    if not any(level.checked for level in record.coverage) and not record.gaps:
        record.gap(chosen[0], "", "there is nothing to compare on these levels")
    return announced(
        Comparison(
            virtual=side.description,
            native=described,
            oracles=() if opened is None else opened.readers,
            levels=record.coverage,
            findings=record.findings,
            gaps=record.gaps,
            notes=record.notes,
            strata=tuple(record.strata),
            bounds=tuple(record.bounds),
            confidence=confidence,
            max_bad_fraction=max_bad_fraction,
            seed=seed,
            exact=exact,
            attributes=tuple(record.attributes),
            tolerances=tuple(sorted(tolerances.items())),
            encoded_anew=record.encoded_anew,
            n_variables=len(side.variables),
            n_files=0 if opened is None else len(opened.urls) + len(opened.unopened),
            elapsed_s=time.perf_counter() - began,
        )
    )


def assert_virtual_equal(virtual: Any, native: Any = None, **options: Any) -> Comparison:
    """Compare as `compare` does, and raise unless the verdict is PASS.

    Parameters
    ----------
    virtual, native, **options
        As for `compare`.

    Returns
    -------
    Comparison
        That passed.

    Raises
    ------
    VerificationError
        With the report as its message and the comparison as ``.comparison``.

    Examples
    --------
    >>> import vzlab as vz
    >>> file = "archive/sst_2025-01-01.nc"
    >>> vz.testing.assert_virtual_equal(vz.open_virtual_dataset(file), file).verdict
    'PASS'
    """
    comparison = compare(virtual, native, **{"progress": False, **options})
    if not comparison.passed:
        raise VerificationError(str(comparison), comparison=comparison)
    return comparison


def read_virtual(
    virtual: Any,
    variable: str,
    region: tuple[slice, ...],
    *,
    decoded: bool = False,
    registry: Any = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Any:
    """Values of a region as `compare` reads them on the virtual side: stored, or decoded as xarray decodes them.

    Parameters
    ----------
    virtual : dataset, store, path or url
        As for `compare`.
    variable : str
        Its path.
    region : tuple of slice
        One for each dimension.
    decoded : bool
        Whether CF decoding is applied.
    registry, storage_options : optional
        As for `open_virtual_dataset`.

    Returns
    -------
    numpy.ndarray
        Of the region's shape.

    Examples
    --------
    >>> import vzlab as vz
    >>> place = (slice(0, 1), slice(40, 41), slice(80, 81))
    >>> int(vz.testing.read_virtual(vz.open_virtual_dataset("archive/sst_2025-01-01.nc"), "sst", place)[0, 0, 0])
    2752
    """
    with zarr.config.set({"array.rectilinear_chunks": True}):
        side = virtual_side(virtual, as_registry(registry, storage_options))
        if decoded or side.variables[variable].array is None:
            return side.read_decoded(variable, region)
        return side.read_raw(variable, region)


def read_native(
    native: str | os.PathLike[str],
    variable: str,
    region: tuple[slice, ...],
    *,
    decoded: bool = False,
    registry: Any = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Any:
    """Values of a region of a native file as `compare` reads them with the format's own library: stored, or decoded.

    Parameters
    ----------
    native : str or path
        A file.
    variable : str
        Its path.
    region : tuple of slice
        One for each dimension.
    decoded : bool
        Whether CF decoding is applied.
    registry, storage_options : optional
        As for `open_virtual_dataset`.

    Returns
    -------
    numpy.ndarray
        Of the region's shape.

    Examples
    --------
    >>> import vzlab as vz
    >>> place = (slice(0, 1), slice(40, 41), slice(80, 81))
    >>> int(vz.testing.read_native("archive/sst_2025-01-01.nc", "sst", place)[0, 0, 0])
    2752
    """
    url = normalize_url(os.fspath(native))
    with NativeFiles.at([url], as_registry(registry, storage_options)) as files:
        return files.read(url, variable, region, decoded=decoded)


def _run(
    virtual: VirtualSide,
    native: NativeFiles,
    stores: StoreRegistry,
    record: Record,
    tell: Callable[[str], None],
    *,
    budget: int,
    dropped: frozenset[str],
    tolerances: Mapping[str, float],
    sampling: Mapping[str, Any],
) -> None:
    match_axes(virtual, native, record)
    mark_rewritten(virtual, native, record)
    arrangement = arrange(virtual, native)
    arrangement = replace(arrangement, turned=find_turned(virtual, native, arrangement, record))
    record.encoded_anew = mark_reencoded(virtual, native, arrangement, record)
    comparer = Comparer(
        virtual=virtual,
        native=native,
        arrangement=arrangement,
        record=record,
        memory_limit=budget,
        tolerances=tolerances,
    )
    if record.wants("L0"):
        tell("L0 structure and attributes")
        check_structure(virtual, native, arrangement, record, dropped)
    if record.wants("L1"):
        tell("L1 coordinates")
        for variable in _comparable(virtual, native, arrangement):
            if variable.is_coordinate:
                check_coordinate(comparer, variable)
    if record.wants("L2"):
        tell("L2 references")
        check_references(virtual, native, arrangement, stores, record)
    levels = {level for level in ("L3", "L4", "L5") if record.wants(level)}
    if levels:
        step = ", ".join(sorted(levels))
        looking = {
            variable.path: check_chunks(variable, comparer, levels, **sampling)
            for variable in _comparable(virtual, native, arrangement)
            if not (variable.is_coordinate and variable.array is None and record.wants("L1"))
        }
        if len(native.urls) > MAX_OPEN_FILES:
            tell(f"{step} of {len(looking):,} variables")
            look_together(looking.values(), native, step)
            return
        for path, look in looking.items():
            tell(f"{step} {path}")
            look_together([look], native, f"{step} {path}")


def _comparable(virtual: VirtualSide, native: NativeFiles, arrangement: Arrangement) -> list[Any]:
    """Variables whose place in the native files is known, and whose length is the same there."""
    found = []
    for path, variable in virtual.variables.items():
        holders = native.holders(path)
        if not holders or not arrangement.known(path):
            continue
        shape = native.variables[holders[0]][path].shape
        fits = len(shape) != len(variable.shape) or all(
            arrangement.axis(path, axis) is not None or size == shape[axis]
            for axis, size in enumerate(variable.shape)
        )
        if fits:
            found.append(variable)
    return found


def _native_files(
    native: Any, side: VirtualSide, stores: StoreRegistry, record: Record
) -> tuple[NativeFiles | None, str]:
    """The native files, and what they are in words; None where no independent reader opens them."""
    if isinstance(native, xr.Dataset | xr.DataTree):
        return NativeFiles.of_dataset(native), f"opened {type(native).__name__}"
    if native is None:
        urls: list[str] = [side.location] if side.location else list(side.urls or ())
        how = "the files that the references point to"
        if not urls:
            raise ValueError("The virtual side does not say which files it refers to; give them as native")
    else:
        urls = [normalize_url(item) for item in expand_sources(native)]
        how = ""
        if not urls:
            raise FileNotFoundError(
                f"No native file matches {os.fspath(native) if isinstance(native, str) else native!r}"
            )
    described = urls[0] if len(urls) == 1 else f"{len(urls):,} files, {urls[0]} and so on"
    described = f"{described} ({how})" if how else described
    files, reason = None, ""
    try:
        files = NativeFiles.at(urls, stores)
    except NoOracleError as error:
        reason = str(error)
    except OSError as error:
        reason = f"the native reader cannot open it: {error}"
    if files is not None and not files.unopened:
        return files, described
    if files is not None:
        url, why = next(iter(files.unopened.items()))
        others = f" and {len(files.unopened) - 1:,} more" if len(files.unopened) > 1 else ""
        reason = f"the native reader cannot open {url}{others}: {why}"
    for level in record.levels:
        record.gap(level, "", reason)
    return files, described


def _checkpoint(
    path: str | os.PathLike[str] | None,
    side: VirtualSide,
    native: NativeFiles,
    options: tuple[Any, ...],
    stores: StoreRegistry,
) -> Checkpoint:
    return Checkpoint(path, "" if path is None else identity_of(side, native.urls, options, stores))
