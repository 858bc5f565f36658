"""Wrong answers to the exercises of notebook 07 are told from each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vzlab.datasets import open_virtual_mfdataset
from vzlab.learn.cloud import LocalCloud, local_s3
from vzlab.learn.exercise import verdict
from vzlab.learn.exercises.n07 import make_archive, reprocess
from vzlab.testing import refresh
from vzlab.writers import open_icechunk


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((1, 1), "count chunks"),
        ((9, 8), "wrong way round"),
        ((72, 9), "one of the nine"),
        ((3, 9), "8 days"),
        ((8, 3), "three down"),
        ((8, 1), "a chunk 80 x 160"),
        (8, "TypeError"),
    ],
)
def test_requests(answer: Any, hint: str) -> None:
    assert hint in verdict("07-requests", answer).says


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_archive(tmp_path_factory.mktemp("daily")).folder


@pytest.fixture
def cloud(archive: Path) -> Iterator[LocalCloud]:
    with local_s3(archive) as cloud:
        yield cloud


@pytest.fixture
def store(cloud: LocalCloud, tmp_path: Path) -> Path:
    cube = open_virtual_mfdataset(cloud.urls, storage_options=cloud.storage_options)
    cube.vzlab.to_icechunk(tmp_path / "cube", source_options=cloud.storage_options)
    return tmp_path / "cube"


def test_who_asks_matters(cloud: LocalCloud, store: Path) -> None:
    assert "and not a PosixPath" in verdict("07-credentials", store).says
    assert "the owner's" in verdict("07-credentials", open_icechunk(store, anonymous=True)).says
    assert verdict("07-credentials", open_icechunk(store, storage_options=cloud.storage_options)).is_right


def test_only_new_references_read_the_new_file(
    cloud: LocalCloud, store: Path, archive: Path, tmp_path: Path
) -> None:
    opened = open_icechunk(store, storage_options=cloud.storage_options)
    assert "the old first day" in verdict("07-fresh", opened).says
    changed = tmp_path / "sst_2025-01-01.nc"
    changed.write_bytes((archive / changed.name).read_bytes())
    reprocess(changed)
    cloud.upload(changed)
    assert "vz.refresh" in verdict("07-fresh", opened).says
    refresh(store, storage_options=cloud.storage_options)
    assert "credentials" in verdict("07-fresh", open_icechunk(store, anonymous=True)).says
    assert verdict("07-fresh", open_icechunk(store, storage_options=cloud.storage_options)).is_right


def test_the_right_prediction_is_right() -> None:
    assert verdict("07-requests", (8, 9)).is_right
