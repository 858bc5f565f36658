"""The bar of a terminal says how many files are done, how fast, how long still, and how many failed."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

import vzlab as vz
from tests.archives import write_daily_files
from vzlab.datasets import progress
from vzlab.datasets.progress import counting


class Screen:
    """A terminal that keeps what is written to it, with a clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.console = Console(
            file=io.StringIO(), force_terminal=True, width=120, get_time=lambda: self.now, color_system=None
        )

    @property
    def lines(self) -> list[str]:
        """What stood on the bar's line, each text once, without its bar and what moves the cursor."""
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|[━╸╺]", "", self.console.file.getvalue())  # type: ignore[attr-defined]
        shown = (" ".join(line.split()) for line in re.split(r"[\r\n]+", text))
        return [line for line, _ in itertools.groupby(filter(None, shown))]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    screen = Screen()
    monkeypatch.setattr(progress, "terminal", lambda: screen.console)
    return screen


def pass_time(screen: Screen, advance: Callable[[int, int], None], *steps: tuple[float, int, int]) -> None:
    """Let seconds go by, then some files be done, of which some failed; again for each step."""
    for seconds, n, failed in steps:
        screen.now += seconds
        advance(n, failed)


def test_half_way_the_bar_tells_rate_and_remaining_time(screen: Screen) -> None:
    with counting(20, shown=True) as advance:
        pass_time(screen, advance, (0, 0, 0), (2, 5, 0), (2, 5, 0))
    assert screen.lines[-1] == "Opening 10/20 2.5 files/s 0:00:04"


def test_files_that_failed_are_counted(screen: Screen) -> None:
    with counting(20, shown=True) as advance:
        pass_time(screen, advance, (0, 0, 0), (2, 5, 1), (2, 5, 2))
    assert screen.lines[-1] == "Opening 10/20 2.5 files/s 0:00:04 3 failed"


def test_in_the_end_no_time_remains(screen: Screen) -> None:
    with counting(3_000, shown=True, label="Comparing") as advance:
        pass_time(screen, advance, (0, 0, 0), (1, 1_500, 0), (1, 1_500, 0))
    assert screen.lines[-1] == "Comparing 3000/3000 1,500.0 files/s 0:00:00"


def test_at_first_nothing_is_claimed(screen: Screen) -> None:
    with counting(20, shown=True):
        pass
    assert screen.lines[-1] == "Opening 0/20 -:--:--"


@pytest.mark.parametrize(("n_files", "shown"), [(20, False), (1, True)], ids=["switched off", "one file"])
def test_no_bar_is_shown(screen: Screen, n_files: int, shown: bool) -> None:
    with counting(n_files, shown=shown) as advance:
        advance(1, 0)
    assert screen.lines == []


def test_opening_many_files_shows_it(screen: Screen, tmp_path: Path) -> None:
    files = write_daily_files(tmp_path, n_days=4)
    files[2].write_bytes(b"no netCDF at all")
    with pytest.warns(vz.errors.SkippedFilesWarning):
        vz.open_virtual_mfdataset(files, on_error="skip")
    assert screen.lines[-1].startswith("Opening 4/4")
    assert screen.lines[-1].endswith("1 failed")
