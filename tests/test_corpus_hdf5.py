"""Every HDF5, netCDF4 and NWB file of the collection: each variable equals what h5py reads, or is refused with a reason.

Set VZLAB_REGENERATE=1 to write ``docs/corpus-hdf5.md`` anew.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from tests.corpus import CorpusEntry, corpus_entries, corpus_file, corpus_params, expected_values, value_hash
from vzlab.errors import VzlabError
from vzlab.manifests import ManifestArray, ManifestGroup
from vzlab.parsers import HDF5Parser
from vzlab.storage import as_registry, read_array

FORMATS = ("hdf5", "netcdf4", "nwb")
TABLE = Path(__file__).parents[1] / "docs" / "corpus-hdf5.md"

pytestmark = pytest.mark.corpus


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one variable that the independent reader gave values of."""

    path: str
    variable: str
    state: Literal["equal", "refused", "wrong", "absent"]
    reason: str = ""


@cache
def outcomes(path: str) -> tuple[Outcome, ...]:
    """What became of each variable of a file."""
    group = HDF5Parser()(corpus_file(path))
    arrays = dict(group.walk_arrays())
    told = reasons(group)
    found = []
    for name, expected in expected_values(path).hashes.items():
        if name in told:
            found.append(Outcome(path=path, variable=name, state="refused", reason=told[name]))
        elif name not in arrays:
            found.append(Outcome(path=path, variable=name, state="absent"))
        else:
            same = value_hash(as_h5py_gives(arrays[name])) == expected
            found.append(Outcome(path=path, variable=name, state="equal" if same else "wrong"))
    return tuple(found)


def reasons(group: ManifestGroup) -> dict[str, str]:
    """Path and reason of all that is refused."""
    return {
        f"{path}/{name}" if path else name: variable.reason
        for path, part in group.walk()
        for name, variable in part.unreadable.items()
    }


def as_h5py_gives(array: ManifestArray) -> Any:
    """Values of a virtual array; a scalar text as bytes, as h5py has it."""
    values = read_array(array, as_registry(None))
    if values.dtype.kind == "T" and values.ndim == 0:
        return np.asarray(values.item().encode())
    return values


@pytest.mark.parametrize(
    "entry", [p for p in corpus_params(FORMATS) if p.values[0] is None or p.values[0].expect == "native_ok"]
)
def test_every_variable_is_equal_or_refused_with_a_reason(entry: CorpusEntry) -> None:
    for outcome in outcomes(entry.path):
        assert outcome.state in ("equal", "refused"), outcome
        assert outcome.state == "equal" or outcome.reason.endswith("."), outcome


@pytest.mark.parametrize(
    "entry",
    [p for p in corpus_params(FORMATS) if p.values[0] is None or p.values[0].expect == "native_error"],
)
def test_what_h5py_cannot_open_is_refused_with_its_url(entry: CorpusEntry) -> None:
    with pytest.raises(VzlabError, match=entry.location.name):
        HDF5Parser()(entry.location)


def test_the_table_of_what_is_refused_is_up_to_date() -> None:
    corpus_file("INDEX.csv")
    text = table([outcome for entry in readable_entries() for outcome in outcomes(entry.path)])
    if os.environ.get("VZLAB_REGENERATE"):
        TABLE.write_text(text, encoding="utf-8")
    assert TABLE.read_text(encoding="utf-8") == text, (
        "Run this test with VZLAB_REGENERATE=1 and look at what changed"
    )


def readable_entries() -> list[CorpusEntry]:
    """Files that the independent reader opens."""
    return [entry for entry in corpus_entries(FORMATS) if entry.expect == "native_ok"]


def table(all_outcomes: list[Outcome]) -> str:
    """Counts, then each refused variable with its reason."""
    states = Counter(outcome.state for outcome in all_outcomes)
    n_readable = len(readable_entries())
    n_refused_files = len(corpus_entries(FORMATS)) - n_readable
    lines = [
        "# HDF5, netCDF4 and NWB files of the collection",
        "",
        f"{n_readable} files that h5py reads, and {n_refused_files} that it refuses: those raise here too.",
        "",
        "| variables | equal | refused with a reason | wrong | absent |",
        "| ---: | ---: | ---: | ---: | ---: |",
        f"| {len(all_outcomes)} | {states['equal']} | {states['refused']} | {states['wrong']} | {states['absent']} |",
        "",
        "Written by `VZLAB_REGENERATE=1 pytest -m corpus tests/test_corpus_hdf5.py`.",
        "",
    ]
    refused = [outcome for outcome in all_outcomes if outcome.state == "refused"]
    for path in dict.fromkeys(outcome.path for outcome in refused):
        lines += [f"## {path}", "", "| variable | reason |", "| --- | --- |"]
        lines += [
            f"| {_cell(outcome.variable)} | {_cell(outcome.reason)} |"
            for outcome in refused
            if outcome.path == path
        ]
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    """Text as one cell: without the place of the collection on this machine."""
    return (
        text.replace(corpus_file("INDEX.csv").parent.as_uri() + "/", "")
        .replace("|", "\\|")
        .replace("\n", " ")
    )
