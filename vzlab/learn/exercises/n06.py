"""Exercises of notebook 06: what a commit copies, an honest append, and the version that a paper read."""

from __future__ import annotations

import tempfile
from functools import cache
from os import PathLike
from typing import Any

import numpy as np
import xarray as xr

from vzlab.learn.exercise import Exercise
from vzlab.samples import make_daily_archive

_PAPER = "13.4349"


@cache
def _native() -> xr.Dataset:
    """The twelve days as xarray reads them, made anew."""
    with tempfile.TemporaryDirectory() as folder:
        days = [xr.load_dataset(path, engine="h5netcdf") for path in make_daily_archive(folder).files]
    return xr.concat(days, dim="time", data_vars="minimal", combine_attrs="drop_conflicts")


def _copied(answer: Any) -> str | None:
    n_references, n_copied = answer
    if n_references == 36:
        return "That is one variable: 4 days of 9 chunks. The cube has two, sst and ice."
    if n_references == 18:
        return "That is one day of both variables. The cube has four."
    if n_references == 75:
        return "75 chunks were written, but three of them are those of time, lat and lon, which are held and not referred to."
    if n_references != 72:
        return "Multiply: days, variables, chunks of a variable on one day. Or ask first.n_virtual."
    if n_copied == 0:
        return None
    return f"72 is right. But {n_copied} bytes copied? Look for a folder 'chunks' in the repository."


def _append(answer: Any) -> str | None:
    if not isinstance(answer, str | PathLike):
        return f"Give where the repository is, store, and not a {type(answer).__name__}."
    from vzlab.writers import open_icechunk

    native = _native()
    session = open_icechunk(answer).readonly_session("main")
    with xr.open_zarr(session.store, consolidated=False, chunks=None) as cube:
        days, wanted = cube.time.values, native.time.values
        lacking = [str(day)[:10] for day in wanted if day not in days]
        if lacking:
            n = len(lacking)
            return f"{n} day{'s are' if n > 1 else ' is'} not there yet, the first is {lacking[0]}. Append in the order of time."
        if len(days) > len(wanted):
            return "Some days are there twice. existing='skip' leaves out what is there. Run all from the top again."
        if not np.array_equal(days, wanted):
            return "All days are there, but not in the order of time: the odd day comes seventh. Run the notebook from the top."
        if not np.allclose(cube.sst, native.sst, equal_nan=True):
            return "Twelve days, and the numbers of sst are not those of the files. Was the scale of the odd day changed by hand?"
    return None


def _paper(answer: Any) -> str | None:
    if isinstance(answer, str):
        return "Give the number of days, not the text."
    if isinstance(answer, float) and not answer.is_integer():
        return "Give the number of days of that version, .sizes['time'], not its mean."
    if answer == 4:
        return "Four days have a mean of 13.4361, which is near, and not what the paper says. Compare all four digits."
    if answer == 7:
        return "Seven days have a mean of 13.4342. Compare all four digits."
    if answer == 12:
        return "That is the cube of today. Which commit gives 13.4349?"
    n_days = next(n for n in range(1, 13) if f"{float(_native().sst[:n].mean()):.4f}" == _PAPER)
    return (
        None if answer == n_days else "No commit has that many days. Go through repo.ancestry(branch='main')."
    )


EXERCISES = (
    Exercise(
        name="06-copied",
        asks="How many references did the commit write, and how many bytes of the archive's chunks did it copy?",
        judge=_copied,
        right="4 days × 2 variables × 9 chunks, and not one byte copied.",
        hints=("A day has 9 chunks of sst and 9 of ice.", "first.n_virtual is the number of references."),
    ),
    Exercise(
        name="06-append",
        asks="Give the repository's path, store, when it holds all twelve days.",
        judge=_append,
        right="Twelve days, and the numbers of the files. Only nine chunks were written anew: those of the odd day.",
        hints=(
            "First the odd day, opened with sst loaded; then files[7:] together. Both with append_dim='time'.",
            "odd.vzlab.to_icechunk(store, append_dim='time', existing='skip'), and the same for the rest.",
        ),
    ),
    Exercise(
        name="06-paper",
        asks="How many days did the cube have whose mean is 13.4349 °C?",
        judge=_paper,
        right="The version of January 6. Nobody had to keep a copy, only the commit.",
        hints=(
            "Open each commit: cube_at(snapshot_id=commit.id), and print the mean of its sst with four digits.",
            "The oldest commit of all is empty: skip the one without parent_id.",
        ),
    ),
)
