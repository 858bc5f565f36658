"""Wrong answers to the exercises of notebook 02 are told from each other, and the right ones are right."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import h5py
import pytest
import xarray as xr

from vzlab.learn.exercise import verdict
from vzlab.samples import DailyArchive, make_daily_archive

TIDIED = {"units": "degree_C", "scale_factor": 0.01, "_FillValue": -9999}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> DailyArchive:
    return make_daily_archive(tmp_path_factory.mktemp("n02"), n_files=2, odd=1, missing=2)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((0, 2, 1), "row of numbers"),
        (3, "Give text"),
        ("sst/zarr.json", "metadata"),
        ("/sst/c/0/2/1", "begin with a slash"),
        ("sst/c/0/75/100", "indices of the element"),
        ("sst/c/0/1/2", "Rows come before columns"),
        ("sst/c/0/3/2", "Round down"),
        ("sst/c/2/1", "time is one"),
        ("sst/c/0/0/0", "without remainder"),
        ("c/0/2/1", "name of the array"),
        ("sst/0.2.1", "Zarr v2"),
        ("sst/0/2/1", "Zarr v2"),
        ("sst/c/0.2.1", "/ between all parts"),
    ],
)
def test_key(answer: Any, hint: str) -> None:
    assert hint in verdict("02-key", answer).says


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (-32768, "whole dictionary"),
        ({**TIDIED, "fill_value": -32768}, "chunks that are missing"),
        ({"units": "degree_C", "scale_factor": 0.01}, "Without _FillValue"),
        ({**TIDIED, "_FillValue": -32768, "scale_factor": 0.1}, "'scale_factor'"),
        ({**TIDIED, "_FillValue": -32768, "note": "mended"}, "'note'"),
        ({**TIDIED, "_FillValue": "-32768"}, "without quotes"),
        ({**TIDIED, "_FillValue": math.nan}, "integers"),
        (TIDIED, "number that was there"),
        ({**TIDIED, "_FillValue": -327.68}, "as they are stored"),
        ({**TIDIED, "_FillValue": 32768}, "sign"),
        ({**TIDIED, "_FillValue": 0}, "0 does not stand for land"),
    ],
)
def test_repair(answer: Any, hint: str) -> None:
    assert hint in verdict("02-repair", answer).says


def native_place(archive: DailyArchive, first: tuple[int, int, int]) -> tuple[int, int]:
    with h5py.File(archive.files[0]) as file:
        place = file["sst"].id.get_chunk_info_by_coord(first)
        return place.byte_offset, place.size


def test_place(archive: DailyArchive) -> None:
    offset, length = native_place(archive, (0, 60, 60))
    wrong = {
        (offset, offset + length): "how many there are",
        (length, offset): "other way round",
        native_place(archive, (0, 30, 120)): "row 1 and column 2",
        native_place(archive, (0, 0, 0)): "another chunk",
        (0, 2045): "In the copy",
        (offset, 1): "How long",
        (17, 4): "Ask store.group",
    }
    assert {
        answer: hint in verdict("02-place", answer).says for answer, hint in wrong.items()
    } == dict.fromkeys(wrong, True)
    assert verdict("02-place", (offset, length)).is_right


def test_the_right_answers_are_right(archive: DailyArchive, tmp_path: Path) -> None:
    with xr.open_dataset(archive.files[0], engine="h5netcdf", mask_and_scale=False, decode_times=False) as ds:
        ds[["sst"]].to_zarr(
            tmp_path / "copy.zarr",
            zarr_format=3,
            consolidated=False,
            encoding={"sst": {"chunks": (1, 30, 60)}},
        )
        fill = int(ds.sst.attrs["_FillValue"])
    assert (tmp_path / "copy.zarr" / "sst/c/0/2/1").is_file()
    assert verdict("02-key", "sst/c/0/2/1").is_right
    assert verdict("02-repair", {**TIDIED, "_FillValue": fill}).is_right
