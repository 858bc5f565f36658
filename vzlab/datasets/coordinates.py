"""The coordinate along which files follow each other: repeats, overlaps, disorder and gaps."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from vzlab.datasets.findings import Finding, Holders, Kind
from vzlab.datasets.tiling import Tiling, index_of
from vzlab.manifests import ManifestArray

GAP = 1.5
"""Steps longer than this many usual ones are gaps; months and leap years are not."""


def check_tiling(
    tiling: Tiling,
    names: Sequence[str],
    repeated: Sequence[Sequence[int]],
    differing: Sequence[str],
    first: xr.Dataset,
) -> list[Finding]:
    """Whether a dimension was found, the files fill a table along all of them, and none is there twice.

    `differing` are the dimensions whose coordinates differ; `first` shows which coordinates are loaded.
    """
    if tiling.n_files < 2:
        return []
    findings = [_same_file(group, names) for group in repeated]
    if not tiling.dims:
        loaded = [str(name) for name in first._indexes]
        unloaded = [str(dim) for dim in first.dims if dim in first._variables and dim not in first._indexes]
        fix = 'vz.open_virtual_mfdataset(files, concat_dim="...", combine="nested")'
        if len(differing) > 1:
            sentence = (
                f"{' and '.join(differing)} differ from file to file, and the files do not fill a table over them. Tiles of a "
                "staggered grid are combined one grid at a time: leave out the variables of the others (drop_variables). Say "
                "along which dimension they follow each other."
            )
        elif unloaded and not differing:
            sentence = (
                f"{' and '.join(unloaded)} {'are' if len(unloaded) > 1 else 'is'} not loaded, so that nothing tells how the "
                "files follow each other. Name the coordinates in loadable_variables too, or say along which dimension."
            )
            fix = f"vz.open_virtual_mfdataset(files, loadable_variables={[*loaded, *unloaded]})"
        else:
            sentence = (
                "No dimension was found along which the files follow each other: are they the same file twice? Say along which "
                "dimension they follow each other."
            )
        findings.append(
            Finding(
                variable="",
                facet="coordinates",
                kind="no dimension",
                severity="refused",
                sentence=sentence,
                fix=fix,
            )
        )
    elif not tiling.is_complete:
        findings.append(
            Finding(
                variable="",
                facet="coordinates",
                kind="no dimension",
                severity="refused",
                sentence=f"{tiling.n_files} files do not fill a table over {' and '.join(tiling.dims)}: a tile is missing, or "
                "there twice.",
                fix="# combine what makes a full table, then the rest",
            )
        )
    return findings


def source_key(dataset: xr.Dataset) -> tuple[Any, ...]:
    """What datasets have alike that refer to the very same chunks; empty where there are none."""
    return tuple(
        (name, data.manifest.urls, int(data.manifest.offsets.sum()), data.manifest.stored_bytes)
        for name, variable in dataset._variables.items()
        if isinstance(data := variable._data, ManifestArray) and data.manifest.n_virtual
    )


def same_files(keys: Iterable[tuple[Any, ...]]) -> list[list[int]]:
    """Groups of datasets, by their `source_key`, that refer to the very same chunks."""
    members: dict[Any, list[int]] = {}
    for i, key in enumerate(keys):
        if key:
            members.setdefault(key, []).append(i)
    return [files for files in members.values() if len(files) > 1]


def _same_file(files: Sequence[int], names: Sequence[str]) -> Finding:
    return Finding(
        variable="",
        facet="coordinates",
        kind="same file",
        severity="refused",
        sentence=f"{names[files[0]]} is there {len(files)} times.",
        holders=(Holders.of("the same chunks", files),),
        short="the same file",
        fix='files = list(dict.fromkeys(files))    # or, if that is meant: allow=["same file"]',
    )


def check_concat_coordinate(
    datasets: Sequence[xr.Dataset],
    tiling: Tiling,
    names: Sequence[str],
    repeated: Sequence[Sequence[int]],
) -> list[Finding]:
    """Order, duplicates, overlaps, disorder and gaps along each combined dimension."""
    findings: list[Finding] = []
    if list(tiling.order) != sorted(tiling.order):
        findings.append(_reordered(tiling))
    again = {i for group in repeated for i in group[1:]}
    for dim in tiling.dims:
        if any(dim not in dataset._indexes for dataset in datasets):
            continue
        line = [i for i in tiling.lines(dim)[0] if i not in again]
        if line:
            findings += _check_line(datasets, dim, line, names)
    return findings


def _check_line(
    datasets: Sequence[xr.Dataset], dim: str, line: Sequence[int], names: Sequence[str]
) -> list[Finding]:
    indexes = [index_of(datasets[i], dim) for i in line]
    members: dict[str, list[int]] = {}
    for i, index in zip(line, indexes, strict=True):
        if len(index):
            members.setdefault(_kind_of_labels(index), []).append(i)
    if len(members) > 1:
        return [_of_several_kinds(dim, members, names)]
    values = np.concatenate([np.asarray(index) for index in indexes])
    owner = np.repeat(np.asarray(line), [len(index) for index in indexes])
    if len(values) < 2:
        return []
    by_value = np.argsort(values, kind="stable")
    repeated = np.flatnonzero(values[by_value[1:]] == values[by_value[:-1]])
    findings: list[Finding] = []
    if len(repeated):
        pair = by_value[repeated[0] : repeated[0] + 2]
        findings.append(_wrong(dim, values, owner, pair, names, len(repeated), "duplicates"))
    if values.dtype.kind in "SUT" or (values.dtype.kind == "O" and isinstance(values[0], str)):
        return findings
    steps = values[1:] - values[:-1]
    zero = steps[:1] - steps[:1]  # of the type of a difference, which may be an object
    ahead = steps > zero
    falls = steps < zero
    if falls.sum() > ahead.sum():
        ahead, falls = falls, ahead
    backwards = np.flatnonzero(falls)
    if len(backwards):
        pair = np.array([backwards[0], backwards[0] + 1])
        kind: Kind = "disorder" if _apart(indexes) else "overlap"
        findings.append(_wrong(dim, values, owner, pair, names, len(backwards), kind))
    return findings or _gaps(dim, values, steps, owner, names)


def _kind_of_labels(index: Any) -> str:
    """In words, so that labels of one kind can be put in order."""
    if index.dtype.kind == "O":
        calendar = getattr(index[0], "calendar", None)
        return "text" if calendar is None else f"dates of the calendar {calendar}"
    return {"M": "dates of the standard calendar", "U": "text", "S": "text"}.get(index.dtype.kind, "numbers")


def _of_several_kinds(dim: str, members: Mapping[str, Sequence[int]], names: Sequence[str]) -> Finding:
    """Labels that have no order among them."""
    ranked = sorted(members.items(), key=lambda item: -len(item[1]))
    (most, _), (odd, files) = ranked[0], ranked[-1]
    more = f" and {len(files) - 1:,} more" if len(files) > 1 else ""
    return Finding(
        variable=dim,
        facet="units",
        kind="units",
        severity="refused",
        sentence=f"{dim} of {names[files[0]]}{more} counts {odd}, and of the others {most}: these have no order among them, and "
        "no reader could follow one coordinate of both.",
        holders=tuple(Holders.of(kind, sorted(held)) for kind, held in ranked),
        short=" and ".join(kind for kind, _ in ranked),
        fix="# combine the files of each kind for themselves",
    )


def _apart(indexes: Sequence[Any]) -> bool:
    """Whether files cover stretches that do not overlap, so that another order would mend it."""
    ends = sorted((min(index[0], index[-1]), max(index[0], index[-1])) for index in indexes if len(index))
    return all(before[1] < after[0] for before, after in itertools.pairwise(ends))


_WORDS: dict[Kind, tuple[str, str]] = {
    "duplicates": ("appears twice", "files = ...    # leave out the file that repeats"),
    "overlap": ("goes back, because files overlap", "files = ...    # leave out the file that overlaps"),
    "disorder": (
        "goes back",
        'vz.open_virtual_mfdataset(files, combine="by_coords")    # puts files in order',
    ),
}


def _wrong(
    dim: str,
    values: npt.NDArray[Any],
    owner: npt.NDArray[np.intp],
    pair: npt.NDArray[np.intp],
    names: Sequence[str],
    times: int,
    kind: Kind,
) -> Finding:
    """Two neighbours along the combined dimension that repeat or run backwards."""
    first, second = (f"{show(values[i])} in {names[owner[i]]}" for i in pair)
    more = f", and {times - 1} times more" if times > 1 else ""
    words, fix = _WORDS[kind]
    return Finding(
        variable=dim,
        facet="coordinates",
        kind=kind,
        severity="refused",
        sentence=f"{dim} {words}: {first} is followed by {second}{more}.",
        holders=(Holders.of("overlaps or repeats", sorted({int(owner[i]) for i in pair})),),
        short=words.partition(",")[0],
        fix=f'{fix}\n# or, if that is meant: allow=["{kind}"]',
    )


def _reordered(tiling: Tiling) -> Finding:
    return Finding(
        variable=tiling.dims[0] if len(tiling.dims) == 1 else "",
        facet="coordinates",
        kind="order",
        severity="harmless",
        sentence=f"The files were not given in the order of {' and '.join(tiling.dims)}; combining by coordinates puts them in "
        "order.",
        short="put in order",
    )


def _gaps(
    dim: str,
    values: npt.NDArray[Any],
    steps: npt.NDArray[Any],
    owner: npt.NDArray[np.intp],
    names: Sequence[str],
) -> list[Finding]:
    usual = np.sort(steps)[len(steps) // 2]
    gaps = np.flatnonzero(np.abs(steps) > GAP * np.abs(usual))
    # Two steps cannot tell which of them is the usual one; an uneven grid of space has no gaps.
    if len(steps) < 3 or not len(gaps) or len(gaps) > len(steps) / 4:
        return []
    i = int(gaps[0])
    more = f", and {len(gaps) - 1} more" if len(gaps) > 1 else ""
    plural = "s" * (len(gaps) > 1)
    between = f"{show(values[i])} in {names[owner[i]]} and {show(values[i + 1])} in {names[owner[i + 1]]}"
    return [
        Finding(
            variable=dim,
            facet="coordinates",
            kind="gap",
            severity="harmless",
            sentence=f"{dim} has {len(gaps)} gap{plural}: nothing between {between}{more}.",
            short=f"{len(gaps)} gap{plural}",
        )
    ]


def show(value: Any) -> str:
    """One label as a reader writes it."""
    if isinstance(value, np.datetime64):
        return str(value.astype("datetime64[s]")).removesuffix("T00:00:00")
    return str(value)
