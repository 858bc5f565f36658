"""Exercises of notebook 05: find the files that lie, mend them, and write the assertion that catches one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from vzlab.datasets import open_virtual_dataset
from vzlab.learn.exercise import Exercise
from vzlab.manifests import ManifestArray
from vzlab.samples import make_daily_archive

_FILL, _GRID = "sst_2024-02-28.nc", "sst_2024-03-01.nc"
_DIFFERS = {_FILL: "_FillValue", _GRID: "lat"}
_PACKING = {"scale_factor": 0.1, "add_offset": 273.15, "_FillValue": np.int16(-9999), "units": "K"}


def make_colleagues_archive(folder: str | Path) -> list[Path]:
    """Write seven daily files around a leap day, two of which do not go with the others."""
    archive = make_daily_archive(folder, first_day=date(2024, 2, 26), n_files=7, odd=-1, missing=7)
    files = {path.name: path for path in archive.files}
    with h5py.File(files[_FILL], "r+") as file:
        stored = file["sst"][...]
        file["sst"][...] = np.where(stored == file["sst"].attrs["_FillValue"][0], -9999, stored)
        file["sst"].attrs["_FillValue"] = np.array([-9999], "<i2")
    with h5py.File(files[_GRID], "r+") as file:
        file["lat"][...] += 1
    return list(archive.files)


@cache
def _native() -> dict[str, xr.Dataset]:
    """The colleague's files as xarray reads them, made anew."""
    with tempfile.TemporaryDirectory() as folder:
        return {
            path.name: xr.load_dataset(path, engine="h5netcdf") for path in make_colleagues_archive(folder)
        }


def _suspects(answer: Any) -> str | None:
    if not isinstance(answer, dict):
        return f'That is a {type(answer).__name__}. Give a dictionary of names and words: {{"sst_....nc": "..."}}.'
    given = {Path(str(name)).name: str(word) for name, word in answer.items()}
    unknown = sorted(set(given) - set(_native()))
    if unknown:
        return f"There is no file {unknown[0]!r}. Give names as they are in the folder, with .nc at the end."
    innocent = sorted(set(given) - set(_DIFFERS))
    if innocent:
        return f"{innocent[0]} goes well with the others. Attributes that are true of one file only are harmless here."
    if len(given) < len(_DIFFERS):
        return "One is right, and there is another: the report has two problems, each marked !!."
    for name, word in given.items():
        if word == "sst":
            return f"sst differs in {name}, but in what? Say which of its attributes."
        if word != _DIFFERS[name]:
            return f"Both files are right. Read again what differs in {name}: not {word!r}."
    return None


def _honest(answer: Any) -> str | None:
    if not isinstance(answer, xr.Dataset):
        return f"A {type(answer).__name__} is no cube. vz.open_virtual_mfdataset gives one."
    missing = {"sst", "ice"} - set(answer.data_vars)
    if missing:
        return f"{missing.pop()} is missing. Combine the files whole."
    if answer.sizes.get("time") == 7:
        return f"Seven days: the one that lies on another grid, {_GRID}, is in it. Its numbers are of other places."
    if answer.sizes.get("time") != 6:
        return (
            f"{answer.sizes.get('time')} days; six can be had: only {_GRID} lies on another grid. "
            'The other odd file can be mended: on_mismatch="reencode".'
        )
    loaded = [name for name in ("sst", "ice") if not isinstance(answer[name].variable._data, ManifestArray)]
    if loaded:
        return f"{loaded[0]} was loaded into memory. Only the odd file's chunks need to be made anew."
    with xr.open_dataset(answer.vzlab.to_kerchunk(format="dict"), engine="vzlab") as cube:
        native = xr.concat(
            [ds for name, ds in _native().items() if name != _GRID], dim="time", data_vars="minimal"
        )
        if not np.array_equal(cube.time, native.time):
            return f"Six days, but not the right ones: leave out {_GRID}, and no other."
        if not np.allclose(cube.sst, native.sst, equal_nan=True):
            return f"Six days, and the numbers are not those of the files. Is land of {_FILL} read as a temperature?"
    return None


def _assertion(answer: Any) -> str | None:
    if not callable(answer):
        return "Give the function itself: check_packing, without brackets behind it."
    with tempfile.TemporaryDirectory() as folder:
        archive = make_daily_archive(folder, n_files=3, odd=-1, missing=3)
        days = [open_virtual_dataset(path) for path in archive.files]
        if _raised(answer, days):
            return "It raises though all files agree. granule_id and the like may differ: look at the four attributes only."
        for name, value in _PACKING.items():
            for what, changed in (
                ("is another", _with(days[2], name, value)),
                ("is missing", _with(days[2], name)),
            ):
                kind = _raised(answer, [*days[:2], changed])
                if kind is None:
                    return (
                        f"It lets through a list whose last dataset is odd: {name} {what}. Compare all of them with the first, "
                        "and use attrs.get(name), which gives None for what is not there."
                    )
                if kind is not AssertionError:
                    return f"Where {name} {what} in the last dataset it ends in {kind.__name__}, not in an AssertionError."
        if _raised(answer, [_with(days[0], "scale_factor"), *days[1:]]) is not AssertionError:
            return "It misses an odd dataset that is the first in the list."
    return None


def _raised(
    check: Callable[[Sequence[xr.Dataset]], object], days: Sequence[xr.Dataset]
) -> type[Exception] | None:
    """What kind of error a check ends in."""
    try:
        check(days)
    except Exception as error:  # a learner's function can fail in any way  # noqa: BLE001
        return type(error)
    return None


def _with(day: xr.Dataset, name: str, value: Any = None) -> xr.Dataset:
    """The same with another attribute of sst, or without it."""
    attributes = {key: old for key, old in day.sst.attrs.items() if key != name}
    return day.assign(
        sst=day.sst.variable._replace(attrs=attributes if value is None else {**attributes, name: value})
    )


EXERCISES = (
    Exercise(
        name="05-suspects",
        asks='Which two files must not be combined, and in what does each differ? {"sst_....nc": "...", ...}',
        judge=_suspects,
        right="One would have turned land into -99.99 °C, the other would have put each number two degrees from its place.",
        hints=(
            "vz.check_combine(colleague) shows what you need.",
            "Each problem, marked !!, names a variable and a file. For sst, read which attribute the files do not share.",
        ),
    ),
    Exercise(
        name="05-honest",
        asks="Give the cube: as many days as can be had honestly, with sst and ice virtual.",
        judge=_honest,
        right="Six days, nine chunks made anew, the rest references; and the numbers are those of the files.",
        hints=(
            "Two problems, two ways: what is packed otherwise can be encoded again; what lies on another grid cannot.",
            'Leave out sst_2024-03-01.nc, then vz.open_virtual_mfdataset(the_rest, on_mismatch="reencode").',
        ),
    ),
    Exercise(
        name="05-assert",
        asks="Write check_packing(datasets): an AssertionError unless sst has the same four attributes in all.",
        judge=_assertion,
        right="Three lines that would have saved the cube of section 1. Keep them near every script that concatenates.",
        hints=(
            "Make a list of the four attributes for each dataset, then compare each list with the first.",
            "[ds.sst.attrs.get(name) for name in names] is such a list; assert all(p == packings[0] for p in packings).",
        ),
    ),
)
