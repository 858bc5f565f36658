"""What counts as equal: times by calendar, text, records, enumerations, masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

import vzlab as vz
import vzlab.testing as vt

_ENUM = h5py.enum_dtype({"land": 0, "sea": 1}, basetype="i1")
_RECORD = np.dtype([("a", "<i4"), ("b", ">f8"), ("name", "S4")])
KINDS: dict[str, Any] = {
    "text of fixed length": np.array([b"ab", b"c\xc3\xa9", b""], "S4"),
    "enumeration": np.array([0, 1, 1], "i1").astype(_ENUM),
    "record": np.array([(1, 2.5, b"x"), (-1, np.nan, b""), (0, -0.0, b"abcd")], _RECORD),
    "complex": np.array([1 + 2j, np.nan, 0], "c8"),
    "half": np.array([1, np.inf, -0.0], "f2"),
    "unsigned": np.array([0, 2**64 - 1, 7], "u8"),
    "boolean": np.array([True, False, True]),
}


def write(path: Path, values: np.ndarray[Any, Any]) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset("v", data=values, dtype=values.dtype, chunks=(2,))
    return path


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_equal_values_pass_and_one_that_differs_is_shown(kind: str, exact: bool, tmp_path: Path) -> None:
    values = KINDS[kind]
    path = write(tmp_path / "a.h5", values)
    same = vt.compare(vz.open_group(path), path, exact=exact, progress=False)
    assert same.verdict == "PASS", str(same)
    changed = values.copy()
    changed[1] = values[0]
    other = write(tmp_path / "b.h5", changed)
    comparison = vt.compare(vz.open_group(path), other, levels=["L4"], exact=exact, progress=False)
    (finding,) = comparison.findings
    assert (finding.index, finding.chunk) == ((1,), (0,))
    assert finding.virtual_value != finding.native_value


def daily(path: Path, calendar: str, **encoding: Any) -> Path:
    times = xr.date_range("2001-02-26", periods=4, calendar=calendar, use_cftime=True)
    ds = xr.Dataset({"v": ("time", np.arange(4.0))}, {"time": times})
    ds.to_netcdf(path, engine="h5netcdf", encoding={"time": {"units": "days since 2001-01-01", **encoding}})
    return path


@pytest.mark.parametrize("calendar", ["standard", "noleap", "360_day"])
def test_times_are_compared_as_instants_of_their_calendar(calendar: str, tmp_path: Path) -> None:
    path = daily(tmp_path / "a.nc", calendar)
    virtual = vz.open_virtual_dataset(path, loadable_variables=[])
    assert vt.compare(virtual, path, progress=False).passed
    hours = daily(tmp_path / "hours.nc", calendar, units="hours since 2001-02-01")
    assert vt.compare(virtual, hours, levels=["L1"], progress=False).passed


def test_the_same_numbers_under_another_calendar_differ(tmp_path: Path) -> None:
    path = daily(tmp_path / "a.nc", "noleap")
    wrong = vz.open_virtual_dataset(path, loadable_variables=[])
    wrong["time"].attrs["calendar"] = "360_day"
    comparison = vt.compare(wrong, path, levels=["L1", "L4"], progress=False)
    assert {finding.level for finding in comparison.findings} == {"L1"}
    assert "calendar" in comparison.findings[0].cause


def test_a_missing_value_on_one_side_is_a_difference_of_masks(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    xr.Dataset({"v": ("x", np.array([1, 2, 3], "i2"), {"_FillValue": np.int16(2)})}).to_netcdf(
        path, engine="h5netcdf"
    )
    group = vz.open_group(path)
    comparison = vt.compare(vt.faults.lost_mask(group, "v"), path, levels=["L4", "L5"], progress=False)
    (finding,) = comparison.findings
    assert (finding.level, finding.virtual_value, finding.native_value) == ("L5", "2", "nan")
    assert "lost mask" in finding.cause
