"""Wrong answers to the exercises of notebook 06 are told from each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from vzlab.datasets import open_virtual_dataset, open_virtual_mfdataset
from vzlab.learn.exercise import verdict
from vzlab.samples import make_daily_archive
from vzlab.testing import faults

ODD = 6


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((36, 0), "one variable"),
        ((18, 0), "one day"),
        ((75, 0), "held and not referred to"),
        ((4, 0), "Multiply"),
        ((72, 144387), "'chunks'"),
        (72, "TypeError"),
    ],
)
def test_copied(answer: Any, hint: str) -> None:
    assert hint in verdict("06-copied", answer).says


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Path]:
    return make_daily_archive(tmp_path_factory.mktemp("daily")).files


def written(parts: Sequence[Any], store: Path) -> Path:
    for n, part in enumerate(parts):
        part.vzlab.to_icechunk(store, append_dim="time" if n else None)
    return store


def odd_day(files: Sequence[Path]) -> Any:
    return open_virtual_dataset(files[ODD], loadable_variables=["time", "lat", "lon", "sst"])


def test_days_in_their_order_are_right(files: Sequence[Path], tmp_path: Path) -> None:
    parts = [open_virtual_mfdataset(files[:ODD]), odd_day(files), open_virtual_mfdataset(files[ODD + 1 :])]
    assert verdict("06-append", written(parts, tmp_path / "cube")).is_right


def test_lacking_days_are_named(files: Sequence[Path], tmp_path: Path) -> None:
    store = written([open_virtual_mfdataset(files[:4])], tmp_path / "cube")
    assert "8 days are not there yet, the first is 2025-01-05" in verdict("06-append", str(store)).says


def test_an_odd_day_that_was_left_out_is_named(files: Sequence[Path], tmp_path: Path) -> None:
    store = written([open_virtual_mfdataset([*files[:ODD], *files[ODD + 1 :]])], tmp_path / "cube")
    assert "1 day is not there yet, the first is 2025-01-07" in verdict("06-append", store).says


def test_a_scale_set_by_hand_is_seen(files: Sequence[Path], tmp_path: Path) -> None:
    odd = faults.drifted_scale(open_virtual_dataset(files[ODD]), "sst", factor=0.1)
    forced = odd.assign(sst=odd.sst.assign_attrs(scale_factor=0.01))
    parts = [open_virtual_mfdataset(files[:ODD]), forced, open_virtual_mfdataset(files[ODD + 1 :])]
    assert "changed by hand" in verdict("06-append", written(parts, tmp_path / "cube")).says


def test_a_dataset_is_no_repository(files: Sequence[Path]) -> None:
    assert "Give where the repository is" in verdict("06-append", open_virtual_dataset(files[0])).says


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ("6", "not the text"),
        (13.4349, "not its mean"),
        (4, "13.4361"),
        (7, "13.4342"),
        (12, "today"),
        (5, "No commit"),
    ],
)
def test_paper(answer: Any, hint: str) -> None:
    assert hint in verdict("06-paper", answer).says


def test_the_right_answers_are_right() -> None:
    assert verdict("06-copied", (72, 0)).is_right
    assert verdict("06-paper", 6).is_right
