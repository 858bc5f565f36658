"""Exercises of notebook 04: what works on virtual variables, what to load, and a file that cannot be all virtual."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from vzlab.datasets import open_virtual_dataset
from vzlab.errors import VirtualArrayError
from vzlab.learn.exercise import Exercise
from vzlab.manifests import ManifestArray
from vzlab.samples import make_daily_archive

_LETTERS: Mapping[str, tuple[Callable[[xr.Dataset, xr.Dataset], Any], str]] = {
    "a": (lambda ds, _: ds.sst.mean(), "A mean is made of values, and there are none."),
    "b": (lambda ds, _: ds.lat.mean(), "Look at the printed dataset: has lat references, or values?"),
    "c": (
        lambda ds, _: ds.sst.isel(lat=slice(30, 60)),
        "Rows 30 to 59 are whole chunks: references can be picked.",
    ),
    "d": (
        lambda ds, _: ds.sst.isel(lat=slice(40, 50)),
        "Rows 40 to 49 are the middle of chunks. Can a reference say so?",
    ),
    "e": (lambda ds, _: ds.sst * 2, "Each number would have to be read and doubled."),
    "f": (
        lambda ds, tomorrow: xr.concat([ds, tomorrow], dim="time", coords="minimal", compat="override"),
        "To put two lists of references behind each other nothing needs to be read.",
    ),
    "g": (lambda ds, _: ds.rename(sst="temperature").drop_vars("ice"), "Names are metadata."),
    "h": (lambda ds, _: ds.sst.values, "numpy holds values, so somebody would have to read them now."),
}
"""What the notebook lists under these letters, and what is worth a thought."""


def make_station(path: str | Path) -> Path:
    """Write a netCDF-4 file with a variable of profiles of different lengths, which no chunk of Zarr can hold."""
    with h5py.File(path, "w", libver=("v108", "v108")) as file:
        station = file.create_dataset("station", data=np.arange(1, 6, dtype="<i4"))
        station.make_scale("station")
        depth = file.create_dataset("depth", data=np.array([12, 80, 35, 240, 60], "<f4"))
        profile = file.create_dataset("profile", (5,), dtype=h5py.vlen_dtype(np.dtype("<f4")))
        for number, metres in enumerate(depth[:]):
            profile[number] = np.linspace(14, 6, int(metres) // 10, dtype="<f4")
        depth.attrs["units"] = "m"
        profile.attrs["units"] = "degree_C"
        for variable in (depth, profile):
            variable.dims[0].attach_scale(station)
    os.utime(path, (1735754400, 1735754400))  # of the same date whenever it is made
    return Path(path)


@cache
def _works() -> frozenset[str]:
    """The letters of what works, tried on two days made anew."""
    with tempfile.TemporaryDirectory(prefix="vzlab-") as folder:
        files = make_daily_archive(Path(folder), n_files=2, odd=-1, missing=2).files
        today, tomorrow = (open_virtual_dataset(path) for path in files)
    return frozenset(
        letter for letter, (operation, _) in _LETTERS.items() if _succeeds(operation, today, tomorrow)
    )


def _succeeds(
    operation: Callable[[xr.Dataset, xr.Dataset], Any], today: xr.Dataset, tomorrow: xr.Dataset
) -> bool:
    try:
        operation(today, tomorrow)
    except VirtualArrayError:
        return False
    return True


def _lazy(answer: Any) -> str | None:
    if isinstance(answer, Mapping):
        return "Give the letters alone, of what works: a text such as 'abc'."
    given = {str(letter).strip().lower() for letter in answer} - {"", ","}
    if unknown := sorted(given - set(_LETTERS)):
        return f"{unknown[0]!r} is none of the letters a to h."
    wrong = [letter for letter in _LETTERS if (letter in given) != (letter in _works())]
    if not wrong:
        return None
    return f"{len(_LETTERS) - len(wrong)} of {len(_LETTERS)} are right. Think again of {wrong[0]}: {_LETTERS[wrong[0]][1]}"


def _load(answer: Any) -> str | None:
    if isinstance(answer, str):
        return f"Give a list, of more than {answer!r}: naming one variable alone leaves the others virtual."
    names = list(answer)
    if "sst" in names:
        return "sst would be loaded, with all its values. In a large archive that is all of the data."
    with tempfile.TemporaryDirectory(prefix="vzlab-") as folder:
        path = make_daily_archive(Path(folder), n_files=2, odd=-1, missing=2).files[0]
        if unknown := sorted(set(names) - {"time", "lat", "lon", "ice", "sst"}):
            return f"The file has no variable {unknown[0]!r}. It has time, lat, lon, sst and ice."
        ds = open_virtual_dataset(path, loadable_variables=names)
    if _is_virtual(ds, "ice"):
        return "ice is virtual, so it has no mean. Name it."
    if "lat" not in ds.indexes:
        return (
            "ice is loaded, but lat has become virtual, so that nobody can look up 30° South in it. The list takes the place "
            "of what is loaded by itself: name the coordinates too."
        )
    if "time" in ds.indexes and "lon" in ds.indexes:
        return None
    return "That works for this line. But name all three coordinates: without them files cannot be put in order later."


def _station(answer: Any) -> str | None:
    if not isinstance(answer, Mapping):
        return f"That is a {type(answer).__name__}. Give a dictionary of arguments: {{'name_of_the_argument': [...]}}."
    with (
        tempfile.TemporaryDirectory(prefix="vzlab-") as folder,
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        ds = open_virtual_dataset(make_station(Path(folder) / "station.nc"), **answer)
    if "profile" not in ds:
        if caught:
            return "profile is still left out. The warning says which argument loads it."
        return "No warning, but no profile either: drop_variables leaves it out for good. It is to be loaded."
    if "depth" not in ds:
        return "depth is not there any more."
    return None if _is_virtual(ds, "depth") else "depth is loaded as well. It can be virtual: do not name it."


def _is_virtual(ds: xr.Dataset, name: str) -> bool:
    return isinstance(ds[name].variable._data, ManifestArray)


EXERCISES = (
    Exercise(
        name="04-lazy",
        asks="Which of a to h work on the virtual dataset? Give their letters as text, such as 'abc'.",
        judge=_lazy,
        right="What only moves references works. What needs a value is refused, and says so.",
        hints=(
            "Ask of each: could you do it with the table of places alone, without opening the file?",
            "Four of them work. lat is loaded; whole chunks can be picked; lists can be joined; names can be changed.",
        ),
    ),
    Exercise(
        name="04-load",
        asks="Which list of loadable_variables lets both lines work while sst stays virtual?",
        judge=_load,
        right="ice has values, the coordinates too, and the large variable stays a list of nine places.",
        hints=(
            "Without the argument, coordinates are loaded and nothing else. With it, what you name is loaded and nothing else.",
            "ice has to be in the list, and so have the three coordinates: time, lat and lon.",
        ),
    ),
    Exercise(
        name="04-station",
        asks="Give arguments, as a dictionary, with which profile is there with its values and depth stays virtual.",
        judge=_station,
        right="What no reference can say is loaded, by the format's own library. The rest stays virtual.",
        hints=(
            "The inspection says of profile what it is, and shows the argument that loads it.",
            "The argument is loadable_variables, and its value a list with one name.",
        ),
    ),
)
