"""Exercises of notebook 07: requests of two selections, credentials for a private bucket, and a file that changed."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import xarray as xr

from vzlab.errors import first_line
from vzlab.learn.exercise import Exercise
from vzlab.samples import DailyArchive, make_daily_archive

N_DAYS = 8


def make_archive(folder: str | Path) -> DailyArchive:
    """Write eight daily files that agree, on a finer grid: each is more than one request brings."""
    return make_daily_archive(
        folder, n_files=N_DAYS, shape=(240, 480), chunk_shape=(1, 80, 160), odd=-1, missing=N_DAYS
    )


def reprocess(path: str | Path) -> None:
    """Write a file again as a producer does who found an error: every temperature is half a degree higher."""
    with h5py.File(path, "r+") as file:
        stored = file["sst"][...]
        file["sst"][...] = np.where(stored == file["sst"].attrs["_FillValue"][0], stored, stored + 50)


@cache
def _native(*, is_new: bool) -> npt.NDArray[Any]:
    """The map of the first day as xarray reads it, before or after it was written again."""
    with tempfile.TemporaryDirectory() as folder:
        path = make_archive(folder).files[0]
        if is_new:
            reprocess(path)
        with xr.open_dataset(path, engine="h5netcdf") as day:
            return np.asarray(day.sst[0])


def _requests(answer: Any) -> str | None:
    series, day = answer
    if (series, day) == (1, 1):
        return "One request would do if a request brought a selection. It brings a chunk: count chunks."
    if (series, day) == (9, N_DAYS):
        return (
            "The two numbers are the wrong way round: first the point on all days, then the map of one day."
        )
    if series == N_DAYS * 9:
        return "All chunks of all days? The point lies in one of the nine chunks of each day."
    if series != N_DAYS:
        return f"The point: each day is a file of its own, and the point lies in one of its chunks. There are {N_DAYS} days."
    if day == 3:
        return "The map: three chunks across, and three down."
    return None if day == 9 else "The map: a day has 240 x 480 cells, a chunk 80 x 160."


def _first_day(answer: Any) -> npt.NDArray[Any] | str:
    """What a repository reads for the first day, or why it cannot be tried."""
    if not hasattr(answer, "readonly_session"):
        return f"Give the opened repository, as vz.open_icechunk gives it, and not a {type(answer).__name__}."
    session = answer.readonly_session("main")
    with xr.open_zarr(session.store, consolidated=False, chunks=None) as cube:
        return np.asarray(cube.sst[0])


def _credentials(answer: Any) -> str | None:
    try:
        read = _first_day(answer)
    except Exception as error:  # what a store raises is the store's own  # noqa: BLE001
        return (
            f"It opens, and reading ends in {type(error).__name__}. Who asks? vz.open_icechunk takes storage_options: "
            "the owner's, not the anonymous ones."
        )
    if isinstance(read, str):
        return read
    if np.array_equal(read, _native(is_new=False), equal_nan=True):
        return None
    return "It reads, and not what is in the first file."


def _fresh(answer: Any) -> str | None:
    try:
        read = _first_day(answer)
    except Exception as error:  # what a store raises is the store's own  # noqa: BLE001
        if "checksum" in str(error):
            return (
                "The references are still those of the old file: 'checksum has changed'. vz.refresh makes them anew; "
                "open the repository again after that."
            )
        return f"Reading ends in {type(error).__name__}: {first_line(error).partition(' {')[0]}. Are the credentials given?"
    if isinstance(read, str):
        return read
    if np.array_equal(read, _native(is_new=False), equal_nan=True):
        return "That is the old first day. Is the reprocessed file in the bucket? Run the cells before this one again."
    if np.allclose(read, _native(is_new=True), equal_nan=True):
        return None
    return "It reads, and neither the old nor the new numbers of the first day. References and file do not belong together."


EXERCISES = (
    Exercise(
        name="07-requests",
        asks="How many chunks must be fetched for one point on all days, and how many for the map of one day?",
        judge=_requests,
        right="Eight requests for eight numbers, and nine for 115,200. The archive's chunks decide what is cheap.",
        hints=(
            "The first selection touches every file, the second only one.",
            "vz.cost(cube, 'sst', (slice(None), 120, 240)) names the number of chunks; (0,) is the map of the first day.",
        ),
    ),
    Exercise(
        name="07-credentials",
        asks="Open the repository so that the private bucket can be read, and give it.",
        judge=_credentials,
        right="Credentials come with each opening, and are never kept in the repository.",
        hints=(
            "vz.open_icechunk takes what vz.open_virtual_dataset takes for a bucket.",
            "vz.open_icechunk(store, storage_options=cloud.storage_options)",
        ),
    ),
    Exercise(
        name="07-fresh",
        asks="Make the references of the changed file anew, and give the repository, opened after that.",
        judge=_fresh,
        right="One file was parsed again, and one commit made. What was read before can no longer be read: the bytes are gone.",
        hints=(
            "vz.refresh takes the repository's path, and storage_options for the bucket.",
            "vz.refresh(store, source_options=cloud.storage_options), then vz.open_icechunk again, as in exercise 2.",
        ),
    ),
)
