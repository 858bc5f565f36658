"""What becomes of each variable of the collection: equal to the independent reader's, refused, wrong or absent."""

from __future__ import annotations

import csv
import importlib
import importlib.util
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, Literal

from tests.corpus import CORPUS, CorpusEntry, corpus_entries, expected_values, value_hash
from vzlab.datasets import open_group
from vzlab.datasets.open import native_loader
from vzlab.detection import detect_format
from vzlab.errors import VzlabError
from vzlab.manifests import ManifestArray, ManifestGroup
from vzlab.parsers import parser_for
from vzlab.storage import as_registry, normalize_url, read_array

FAMILIES: Mapping[str, tuple[str, ...]] = {
    "dmrpp": ("dmrpp",),
    "fits": ("fits",),
    "grib": ("grib",),
    "hdf4": ("hdf4",),
    "hdf5": ("hdf5", "netcdf4", "nwb"),
    "netcdf3": ("netcdf3",),
    "safetensors": ("safetensors",),
    "zarr": ("zarr", "zarr-zip"),
    "icechunk": ("icechunk",),
    "kerchunk": ("kerchunk-json", "kerchunk-parquet"),
    "tiff": ("tiff",),
}
"""Formats of the collection that are read, by family: each family has a page in ``docs/corpus``."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one variable that the independent reader gave values of."""

    path: str
    variable: str
    state: Literal["equal", "loaded", "refused", "wrong", "absent"]
    """``"equal"``: virtual, and the same values. ``"loaded"``: no reference can say it, and ``loadable_variables=`` gives the
    same values by the format's own library."""
    reason: str = ""


def family_of(format_: str) -> str:
    """The family that a format of the collection belongs to."""
    return next(family for family, formats in FAMILIES.items() if format_ in formats)


def readable_entries(formats: Iterable[str]) -> list[CorpusEntry]:
    """Entries that the independent reader opens."""
    return [entry for entry in corpus_entries(formats) if entry.expect == "native_ok"]


@cache
def outcomes(entry: CorpusEntry) -> tuple[Outcome, ...]:
    """What became of each variable of an entry; a file that is refused whole has that reason for each."""
    try:
        ours = _module(entry.format, "found", found)(entry)
    except VzlabError as refused:
        ours = dict.fromkeys(expected_values(entry.path).hashes, str(refused))
    return tuple(
        _outcome(entry, name, ours.get(name), expected)
        for name, expected in expected_values(entry.path).hashes.items()
    )


def found(entry: CorpusEntry) -> dict[str, Any]:
    """Values, or the reason of refusal, of each variable by its path in the group."""
    group = open_group(entry.location)
    as_expected: Callable[[ManifestArray], Any] = _module(entry.format, "as_expected", _values)
    wanted = expected_values(entry.path).hashes
    values = {path: as_expected(array) for path, array in group.walk_arrays() if path in wanted}
    return values | refused(entry, group)


def refused(entry: CorpusEntry, group: ManifestGroup) -> dict[str, str | Loaded]:
    """Of all that cannot be virtual the reason, or the values where they can be loaded and are those of the oracle."""
    loaded: dict[str, str | Loaded] = {}
    told = reasons(group)
    wanted = expected_values(entry.path).hashes
    for name in told:
        if not {name, name.rpartition("/")[2]} & wanted.keys():
            continue
        try:
            loaded[name] = Loaded(values=_loaded(entry, group, name), reason=told[name])
        except NotImplementedError:
            continue
    return told | loaded


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """Values that the format's own library gives when they are asked for, and why they are not virtual."""

    values: Any
    reason: str


def _loaded(entry: CorpusEntry, group: ManifestGroup, path: str) -> Any:
    """As ``loadable_variables=`` has it, without decoding."""
    head, _, name = path.rpartition("/")
    part = group[head]
    assert isinstance(part, ManifestGroup)
    url, registry = normalize_url(entry.location), as_registry(None)
    parser = parser_for(detect_format(url, registry), url)()
    return native_loader(parser, url, registry)(path, part.unreadable[name])


def reasons(group: ManifestGroup) -> dict[str, str]:
    """Path and reason of all that is refused."""
    return {
        f"{path}/{name}" if path else name: variable.reason
        for path, part in group.walk()
        for name, variable in part.unreadable.items()
    }


def _values(array: ManifestArray) -> Any:
    return read_array(array, as_registry(None))


def _module(format_: str, name: str, default: Callable[..., Any]) -> Callable[..., Any]:
    where = f"tests.corpus_formats.{family_of(format_)}"
    module: ModuleType | None = (
        importlib.import_module(where) if importlib.util.find_spec(where) is not None else None
    )
    hook: Callable[..., Any] = getattr(module, name, default)
    return hook


def _outcome(entry: CorpusEntry, name: str, ours: Any, expected: str) -> Outcome:
    if ours is None:
        return Outcome(path=entry.path, variable=name, state="absent")
    if isinstance(ours, str):
        return Outcome(path=entry.path, variable=name, state="refused", reason=ours)
    if isinstance(ours, Loaded):
        same = value_hash(ours.values) == expected
        return Outcome(
            path=entry.path, variable=name, state="loaded" if same else "wrong", reason=ours.reason
        )
    same = value_hash(ours) == expected
    return Outcome(path=entry.path, variable=name, state="equal" if same else "wrong")


@cache
def _peer() -> Mapping[str, Mapping[str, str]]:
    with (CORPUS / "PEER.csv").open(newline="", encoding="utf-8") as stream:
        return {row["path"]: row for row in csv.DictReader(stream)}


def peer_equal(entries: Iterable[CorpusEntry]) -> int:
    """Number of variables that VirtualiZarr 2.8.0 reads equal, as PEER.csv has it."""
    rows = [_peer()[entry.path] for entry in entries if entry.path in _peer()]
    return sum(int(row["vars_ok"] or 0) for row in rows)


def page(family: str, all_outcomes: Iterable[Outcome]) -> str:
    """The page of a family: counts by format, then each refused variable with its reason."""
    told = list(all_outcomes)
    lines = [
        f"# What is read of the collection: {', '.join(FAMILIES[family])}",
        "",
        "Each variable's values against those of the format's own reader; the peer is VirtualiZarr 2.8.0.",
        "Those that no reference can say and `loadable_variables=` loads are counted by themselves.",
        "",
        "| format | entries | raise, as natively | variables | equal | equal, loaded | refused | wrong | absent | peer |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for format_ in FAMILIES[family]:
        entries = readable_entries([format_])
        paths = {entry.path for entry in entries}
        of_format = [outcome for outcome in told if outcome.path in paths]
        states = Counter(outcome.state for outcome in of_format)
        n_refused_files = len(corpus_entries([format_])) - len(entries)
        counts = [states[state] for state in ("equal", "loaded", "refused", "wrong", "absent")]
        cells = [len(entries), n_refused_files, len(of_format), *counts, peer_equal(entries)]
        lines.append(f"| {format_} | {' | '.join(map(str, cells))} |")
    lines += ["", "Written by `VZLAB_REGENERATE=1 pytest -m corpus tests/test_corpus_outcomes.py`.", ""]
    not_virtual = [outcome for outcome in told if outcome.state in ("refused", "loaded")]
    for path in dict.fromkeys(outcome.path for outcome in not_virtual):
        lines += [f"## {path}", "", "| variable | | reason |", "| --- | --- | --- |"]
        lines += [
            f"| {_cell(outcome.variable)} | {outcome.state} | {_cell(outcome.reason)} |"
            for outcome in not_virtual
            if outcome.path == path
        ]
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    """Text as one cell: without the place of the collection on this machine."""
    return (
        text.replace(f"{CORPUS.as_uri()}/", "")
        .replace(f"{CORPUS}/", "")
        .replace("|", "\\|")
        .replace("\n", " ")
    )
