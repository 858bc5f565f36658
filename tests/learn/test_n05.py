"""Wrong answers to the exercises of notebook 05 are told from each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import vzlab as vz
from vzlab.datasets import open_virtual_mfdataset
from vzlab.learn.exercise import verdict
from vzlab.learn.exercises.n05 import make_colleagues_archive

NAMES = ("scale_factor", "add_offset", "_FillValue", "units")


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (["sst_2024-02-28.nc"], "dictionary"),
        ({"sst_2024-02-28": "_FillValue"}, "with .nc"),
        ({"sst_2024-02-29.nc": "date_created"}, "harmless"),
        ({"sst_2024-02-28.nc": "_FillValue"}, "another"),
        ({"sst_2024-02-28.nc": "sst", "sst_2024-03-01.nc": "lat"}, "which of its attributes"),
        ({"sst_2024-02-28.nc": "_FillValue", "sst_2024-03-01.nc": "lon"}, "not 'lon'"),
    ],
    ids=["a list", "no suffix", "an innocent file", "one of two", "a variable", "another axis"],
)
def test_suspects(answer: Any, hint: str) -> None:
    assert hint in verdict("05-suspects", answer).says


def combined(files: Sequence[Path], **options: Any) -> xr.Dataset:
    return open_virtual_mfdataset(files, on_mismatch="reencode", progress=False, **options)


@pytest.mark.parametrize(
    ("choose", "hint"),
    [
        (lambda files: files, "A list is no cube"),
        (lambda files: combined(files, allow=["static"]), "Seven days"),
        (
            lambda files: combined([file for file in files if file.name < "sst_2024-02-28.nc"]),
            "six can be had",
        ),
        (lambda files: combined(files[:4] + files[5:]).drop_vars("ice"), "ice is missing"),
        (
            lambda files: combined(files[:4] + files[5:], loadable_variables=["time", "lat", "lon", "sst"]),
            "loaded",
        ),
        (lambda files: combined(files[:2] + files[3:], allow=["static"]), "not the right ones"),
    ],
    ids=["files", "all", "too few", "one variable", "loaded", "the wrong file left out"],
)
def test_honest(choose: Callable[[list[Path]], Any], hint: str, tmp_path: Path) -> None:
    assert hint in verdict("05-honest", choose(make_colleagues_archive(tmp_path))).says


def test_numbers_of_the_cube_are_looked_at(tmp_path: Path) -> None:
    files = make_colleagues_archive(tmp_path)
    cube = combined([file for file in files if file.name != "sst_2024-03-01.nc"])
    assert verdict("05-honest", cube).is_right
    wrong = vz.testing.faults.lost_mask(cube, "sst")
    assert "Is land of sst_2024-02-28.nc" in verdict("05-honest", wrong).says


def packings(days: Sequence[xr.Dataset], names: Sequence[str] = NAMES) -> list[list[Any]]:
    return [[day.sst.attrs.get(name) for name in names] for day in days]


def thorough(days: Sequence[xr.Dataset]) -> None:
    assert all(packing == packings(days)[0] for packing in packings(days))


def only_scale(days: Sequence[xr.Dataset]) -> None:
    assert len({day.sst.attrs.get("scale_factor") for day in days}) == 1


def all_attributes(days: Sequence[xr.Dataset]) -> None:
    assert all(day.attrs == days[0].attrs for day in days)


def by_key(days: Sequence[xr.Dataset]) -> None:
    assert all(day.sst.attrs[name] == days[0].sst.attrs[name] for day in days for name in NAMES)


def neighbours(days: Sequence[xr.Dataset]) -> None:
    assert packings(days)[-2:][0] == packings(days)[-1]


def only_says(days: Sequence[xr.Dataset]) -> bool:
    return packings(days)[0] == packings(days)[-1]


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (only_scale, "add_offset is another"),
        (all_attributes, "granule_id"),
        (by_key, "KeyError"),
        (neighbours, "first in the list"),
        (only_says, "lets through"),
        (True, "function itself"),
    ],
    ids=["scale alone", "all attributes", "by key", "the last two", "returns", "called"],
)
def test_assertion(answer: Any, hint: str) -> None:
    assert hint in verdict("05-assert", answer).says


def test_the_right_answers_are_right() -> None:
    assert verdict("05-suspects", {"sst_2024-02-28.nc": "_FillValue", "sst_2024-03-01.nc": "lat"}).is_right
    assert verdict("05-assert", thorough).is_right
