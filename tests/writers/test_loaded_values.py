"""Loaded variables read from a store as they were written, whatever encoding they or the store came with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsspec
import netCDF4
import numpy as np
import pytest
import xarray as xr

import vzlab as vz
from tests.writers.stores import read_icechunk
from vzlab.errors import WriteError
from vzlab.writers import write_icechunk, write_kerchunk


def times(
    values: Any, units: str = "days since 2000-01-01", dtype: str = "f8", calendar: str = "standard"
) -> xr.Variable:
    stored = xr.Variable("time", np.array(values, dtype), {"units": units, "calendar": calendar})
    return xr.conventions.decode_cf_variable("time", stored).load()


def numbers(values: Any, **encoding: Any) -> xr.Variable:
    return xr.Variable("time", np.array(values), encoding=encoding)


def dataset(**variables: xr.Variable) -> xr.Dataset:
    return xr.Dataset(coords=xr.Coordinates(variables, indexes={}))


def write_times(path: Path, values: Any, units: str, dtype: str) -> Path:
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("time", None)
        time = file.createVariable("time", dtype, ("time",))
        time.units = units
        time[:] = values
        file.createVariable("a", "f4", ("time",), chunksizes=(1,))[:] = np.arange(len(values))
    return path


FINER = {
    "microseconds after days": (
        (range(3), "days since 2000-01-01", "f8"),
        ([10**12 + 1], "microseconds since 2000-01-01", "i8"),
    ),
    "seconds after float32 days": (
        (range(3), "days since 1970-01-01", "f4"),
        ([864_000_001], "seconds since 1970-01-01", "i4"),
    ),
    "16 bits after 8": (
        (range(3), "days since 2000-01-01", "i1"),
        ([127, 128], "days since 2000-01-01", "i2"),
    ),
    "noon after whole days": (
        (range(3), "days since 2000-01-01", "i4"),
        ([9.5], "days since 2000-01-01", "f8"),
    ),
}


@pytest.mark.parametrize(("first", "second"), FINER.values(), ids=FINER)
def test_times_finer_than_the_first_files_units_are_kept(tmp_path: Path, first: Any, second: Any) -> None:
    files = [write_times(tmp_path / "0.nc", *first), write_times(tmp_path / "1.nc", *second)]
    cube = vz.open_virtual_mfdataset(files, progress=False)
    with xr.open_mfdataset(files, chunks=None) as native:
        write_icechunk(cube, tmp_path / "cube")
        np.testing.assert_array_equal(read_icechunk(tmp_path / "cube").time, native.time)
        references = fsspec.filesystem("reference", fo=write_kerchunk(cube, format="dict")).get_mapper("")
        with xr.open_zarr(references, consolidated=False, chunks=None) as got:
            np.testing.assert_array_equal(got.time, native.time)
    assert vz.compare(tmp_path / "cube", files, progress=False).verdict == "PASS"


def test_units_of_one_file_that_keep_its_times_stay(tmp_path: Path) -> None:
    file = write_times(tmp_path / "0.nc", [0, 0.1, 1 / 3], "days since 2000-01-01", "f8")
    write_icechunk(vz.open_virtual_dataset(file), tmp_path / "cube")
    encoding = read_icechunk(tmp_path / "cube").time.encoding
    assert (encoding["units"], encoding["dtype"]) == ("days since 2000-01-01", np.dtype("f8"))


def test_months_of_thirty_days_are_stored_in_units_that_xarray_can_write(tmp_path: Path) -> None:
    time = times([0, 1, 2.5], "months since 2000-01-01", calendar="360_day")
    write_icechunk(dataset(time=time), tmp_path / "cube")
    assert read_icechunk(tmp_path / "cube").time.values.tolist() == time.values.tolist()


LOST = {
    "noon into whole days": (
        times([0, 1], dtype="i4"),
        times([2.5]),
        "2000-01-03T12:00.* would read as 2000-03-01",
    ),
    "hours into whole days": (times([0], dtype="i4"), times([60], "hours since 2000-01-01"), "would read as"),
    "microseconds into float days": (
        times([0, 1]),
        times([10**12 + 1], "microseconds since 2000-01-01", "i8"),
        "would read as",
    ),
    "seconds into float32 days": (
        times([10000], dtype="f4"),
        times([10001 * 86400 + 7], "seconds since 2000-01-01"),
        "float32",
    ),
    "past 32 bits": (
        times([2**31 - 3], "seconds since 1900-01-01", "i4"),
        times([2**31 + 5], "seconds since 1900-01-01", "i8"),
        "1968-01-20.* would read as 1831-12-13",
    ),
    "another calendar": (
        times([58], calendar="noleap"),
        times([60], calendar="360_day"),
        "the noleap calendar; found dates of",
    ),
    "another kind of date": (
        times([58], calendar="noleap"),
        times([60]),
        "the noleap calendar; found dates of the proleptic",
    ),
    "not a multiple of the scale": (
        numbers([1.0, 2.0], dtype="i2", scale_factor=0.5, _FillValue=-9),
        numbers([3.25]),
        "scale_factor 0.5.* 3.25 would read as 3",
    ),
    "a measured number that means missing": (
        numbers([1.0], dtype="i2", _FillValue=-9),
        numbers([-9.0]),
        "-9.0 would read as nan",
    ),
    "an integer past 16 bits": (numbers([1], dtype="i2"), numbers([70000]), "70000 would read as 4464"),
    "a fraction into integers": (numbers([1]), numbers([0.5]), "0.5 would read as 0"),
    "64 bits into 32": (numbers(np.array([1], "f4")), numbers([0.1]), "0.1 would read as 0.100000001"),
    "a number into text": (numbers(["a"]), numbers([1]), "1 would read as '1'"),
    "text longer than there is room": (numbers(["a"]), numbers(["longer"]), "'longer' would read as 'l'"),
    "other units": (
        xr.Variable("time", [1.0], {"units": "m"}),
        xr.Variable("time", [1.0], {"units": "mm"}),
        "stored in 'm'; found 'mm'",
    ),
}


@pytest.mark.parametrize(("stored", "added", "message"), LOST.values(), ids=LOST)
@pytest.mark.parametrize("how", ["append", "region"])
def test_values_that_the_stored_encoding_cannot_hold_are_refused(
    tmp_path: Path, stored: xr.Variable, added: xr.Variable, message: str, how: str
) -> None:
    """The writer of xarray takes them all, and stores other numbers."""
    write_icechunk(dataset(q=stored), tmp_path / "cube")
    before = vz.open_icechunk(tmp_path / "cube").lookup_branch("main")
    where: dict[str, Any] = (
        {"append_dim": "time"} if how == "append" else {"region": {"time": slice(0, added.size)}}
    )
    with pytest.raises(WriteError, match=message):
        write_icechunk(dataset(q=added), tmp_path / "cube", **where)
    assert vz.open_icechunk(tmp_path / "cube").lookup_branch("main") == before


HELD = {
    "whole days into days": (times([0, 1], dtype="i4"), times([48.0], "hours since 2000-01-01")),
    "the same packing in float32": (
        numbers(
            np.array([0.1, 0.2], "f4"), dtype="i2", scale_factor=np.float32(0.1), add_offset=np.float32(270)
        ),
        numbers(np.array([270.3], "f4")),
    ),
    "missing values": (numbers([1.0, np.nan], dtype="i2", _FillValue=-9), numbers([np.nan, 5.0])),
    "integers into floats": (numbers([0.5]), numbers([2**40])),
    "text": (numbers(np.array(["a"], "O")), numbers(np.array(["longer"], "O"))),
    "dates of a calendar": (times([58], calendar="360_day"), times([59, 60], calendar="360_day")),
}


@pytest.mark.parametrize(("stored", "added"), HELD.values(), ids=HELD)
def test_values_that_the_stored_encoding_holds_are_appended(
    tmp_path: Path, stored: xr.Variable, added: xr.Variable
) -> None:
    write_icechunk(dataset(q=stored), tmp_path / "cube")
    write_icechunk(dataset(q=added), tmp_path / "cube", append_dim="time")
    got = read_icechunk(tmp_path / "cube").q.values[stored.size :]
    if added.dtype.kind == "f":
        np.testing.assert_allclose(got, added.values, rtol=1e-6)
    else:
        assert got.tolist() == added.values.tolist()
