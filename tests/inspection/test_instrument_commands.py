"""The commands ``vzlab trace`` and ``vzlab cost``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.archives import write_daily_file


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vzlab", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_daily_file(tmp_path_factory.mktemp("day") / "day.nc")


def test_trace_prints_the_way_of_a_value_and_writes_a_page(day: Path, tmp_path: Path) -> None:
    done = run("trace", day, "sst", "1,3,-13", "--html", tmp_path / "page.html")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("sst[1, 3, 7] is 285.1 K: the native library reads the same.")
    assert "<title>sst[1, 3, 7]</title>" in (tmp_path / "page.html").read_text()


def test_trace_prints_json(day: Path) -> None:
    done = run("trace", day, "sst", "-1,-1,-1", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["agrees"] is True
    assert document["index"] == [3, 9, 19]


def test_cost_compares_selections_and_chunks(day: Path) -> None:
    done = run("cost", day, "sst", "0", ":,3,4", "--chunks", "4,2,2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("4 ways to read sst")
    assert "have to be written again" in " ".join(done.stdout.split())
    one = run("cost", day, "sst", "..., ::2", "--json")
    assert json.loads(one.stdout)["selected_shape"] == [4, 10, 10]


def test_places_are_given_by_names_of_dimensions(day: Path) -> None:
    done = run("trace", day, "sst", "lon=-13,time=1,lat=3")
    assert done.stdout.startswith("sst[1, 3, 7] is 285.1 K"), done.stderr
    done = run("cost", day, "sst", "lat=::2", "--json")
    assert json.loads(done.stdout)["selected_shape"] == [4, 5, 20], done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["trace", "{day}", "sst", "0,1"], "expected 3"),
        (["trace", "{day}", "absent", "0"], "absent"),
        (["cost", "{day}", "sst", "0,x"], "expected integers and slices"),
        (["cost", "{day}", "sst", "99"], "out of bounds"),
        (["cost", "{day}", "sst", "time=0,3"], "a name for each part"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_unusable(day: Path, arguments: list[str], told: str) -> None:
    done = run(*(argument.format(day=day) for argument in arguments))
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
