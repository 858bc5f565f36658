"""Wrong answers to the exercises of notebook 04 are told from each other, and the right ones are right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import netCDF4
import pytest

from vzlab.learn.exercise import verdict
from vzlab.learn.exercises.n04 import make_station


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ({"a": True}, "letters alone"),
        ("bcx", "'x' is none of the letters"),
        ("abcfg", "7 of 8 are right. Think again of a: A mean"),
        ("cfg", "lat references, or values"),
        ("bfg", "whole chunks"),
        ("bcdfg", "middle of chunks"),
        ("bcefg", "doubled"),
        ("bcg", "behind each other"),
        ("bcf", "Names are metadata"),
        ("bcfgh", "read them now"),
    ],
)
def test_lazy(answer: Any, hint: str) -> None:
    said = verdict("04-lazy", answer)
    assert not said.is_right
    assert hint in said.says


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ("ice", "Give a list"),
        (["ice", "lat", "sst"], "sst would be loaded"),
        (["ice", "latitude"], "no variable 'latitude'"),
        (["time", "lat", "lon"], "ice is virtual"),
        (["ice"], "lat has become virtual"),
        (["ice", "lat"], "all three coordinates"),
    ],
)
def test_load(answer: Any, hint: str) -> None:
    assert hint in verdict("04-load", answer).says


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (["profile"], "Give a dictionary"),
        ({}, "still left out"),
        ({"drop_variables": ["profile"]}, "leaves it out for good"),
        ({"loadable_variables": ["profile"], "drop_variables": ["depth"]}, "not there any more"),
        ({"loadable_variables": ["profile", "depth"]}, "loaded as well"),
        ({"load": ["profile"]}, "TypeError"),
    ],
)
def test_station(answer: Any, hint: str) -> None:
    assert hint in verdict("04-station", answer).says


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("04-lazy", "bcfg"),
        ("04-lazy", ["b", "C", "f", "g"]),
        ("04-lazy", "b, c, f, g"),
        ("04-load", ["time", "lat", "lon", "ice"]),
        ("04-station", {"loadable_variables": ["profile"]}),
        ("04-station", {"loadable_variables": ["station", "profile"]}),
    ],
)
def test_the_right_answers_are_right(name: str, answer: Any) -> None:
    assert verdict(name, answer).is_right


def test_the_netcdf_library_reads_the_station(tmp_path: Path) -> None:
    with netCDF4.Dataset(make_station(tmp_path / "station.nc")) as file:
        assert [len(profile) for profile in file["profile"][:]] == [1, 8, 3, 24, 6]
        assert file["depth"].dimensions == ("station",)
