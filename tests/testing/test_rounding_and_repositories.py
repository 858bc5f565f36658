"""Float32 packing and masked text are no difference, a wrong scale is; references in Icechunk repositories are compared too."""

from datetime import timedelta
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest

import vzlab as vz
from tests.archives import write_daily_file, write_daily_files
from vzlab.writers import write_icechunk


@pytest.fixture
def file_packed_in_float32(tmp_path: Path) -> Path:
    path = write_daily_file(tmp_path / "day.nc")
    with h5py.File(path, "r+") as file:
        file["sst"].attrs["scale_factor"] = np.float32(0.01)
        file["sst"].attrs["add_offset"] = np.float32(273.15)
    return path


def test_rounding_of_float32_packing_is_a_note(file_packed_in_float32: Path) -> None:
    comparison = vz.compare(file_packed_in_float32, file_packed_in_float32)
    assert comparison.verdict == "PASS", str(comparison)
    assert "float32" in str(comparison)


@pytest.mark.parametrize("changed", [{"scale_factor": 0.0100005}, {"add_offset": 273.1501}])
def test_another_packing_is_no_rounding(file_packed_in_float32: Path, changed: dict) -> None:
    ds = vz.open_virtual_dataset(file_packed_in_float32)
    ds.sst.attrs.update(changed)
    comparison = vz.compare(ds, file_packed_in_float32, levels=["L5"])
    assert comparison.verdict == "FAIL"


def write_times(path: Path, values: list[float], dtype: str = "f8", **attributes: str) -> Path:
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("time", None)
        time = file.createVariable("time", dtype, ("time",))
        time.setncatts({"units": "days since 2000-01-01", "calendar": "noleap"} | attributes)
        time[:] = values
        file.createVariable("a", "f4", ("time",), chunksizes=(1,))[:] = values
    return path


@pytest.mark.parametrize(
    ("values", "dtype", "attributes"),
    [
        ([2, 3], "f8", {"calendar": "365_day"}),
        ([0, 1], "f8", {"units": "days since 2000-01-03"}),
        ([2, 3], "i4", {}),
    ],
    ids=["calendar by another name", "units", "data type"],
)
def test_times_that_later_files_count_otherwise_are_compared_as_times(
    tmp_path: Path, values: list[float], dtype: str, attributes: dict[str, str]
) -> None:
    """The store counts all as the first file does."""
    files = [
        write_times(tmp_path / "0.nc", [0, 1]),
        write_times(tmp_path / "1.nc", values, dtype, **attributes),
    ]
    cube = vz.open_virtual_mfdataset(files, progress=False)
    write_icechunk(cube, tmp_path / "cube")
    comparison = vz.compare(tmp_path / "cube", files, progress=False)
    assert comparison.verdict == "PASS", str(comparison)
    shifted = cube.assign_coords(time=[*cube.time.values[:-1], cube.time.values[-1] + timedelta(hours=1)])
    shifted.time.encoding = cube.time.encoding
    write_icechunk(shifted, tmp_path / "shifted")
    assert vz.compare(tmp_path / "shifted", files, progress=False).verdict == "FAIL"


def test_attributes_in_latin_1_are_compared_as_text(tmp_path: Path) -> None:
    path = write_daily_file(tmp_path / "day.nc")
    with h5py.File(path, "r+") as file:
        file["sst"].attrs["author"] = np.bytes_("Jos\xe9".encode("latin-1"))
    ds = vz.open_virtual_dataset(path)
    assert vz.compare(ds, path, progress=False).verdict == "PASS"
    ds.sst.attrs["author"] = "Josi"
    assert vz.compare(ds, path, progress=False).verdict == "FAIL"


def test_text_that_only_netcdf_masks_is_compared_as_if_masked(tmp_path: Path) -> None:
    path = tmp_path / "classic.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("x", 4)
        file.createVariable("flag", "S1", ("x",), fill_value=b" ")[:] = np.array([b" ", b"a", b"b", b" "])
    assert vz.compare(path, path).verdict == "PASS"
    ds = vz.open_virtual_dataset(path, loadable_variables=[])
    ds.flag.attrs["_FillValue"] = "a"
    found = vz.compare(ds, path, levels=["L5"]).findings
    assert [(finding.variable, finding.index) for finding in found] == [("flag", (0,))]


def test_references_of_a_repository_are_compared(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path / "archive", n_days=2)
    vz.open_virtual_mfdataset(files).vzlab.to_icechunk(tmp_path / "cube")
    comparison = vz.compare(tmp_path / "cube", files)
    assert comparison.verdict == "PASS", str(comparison)
    assert "references 100 %" in str(comparison)


def test_a_repository_whose_source_shrank_is_found_without_reading(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path / "archive", n_days=2)
    vz.open_virtual_mfdataset(files).vzlab.to_icechunk(tmp_path / "cube")
    copies = write_daily_files(tmp_path / "copies", n_days=2)
    files[1].write_bytes(files[1].read_bytes()[:-2000])
    comparison = vz.compare(tmp_path / "cube", copies, levels=["L2"])
    assert comparison.verdict == "FAIL"
    assert f"{files[1].name}" in str(comparison)
    assert "past the end" in str(comparison)


def test_a_source_that_nobody_can_open_is_never_a_pass(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path / "archive", n_days=2)
    vz.open_virtual_mfdataset(files).vzlab.to_icechunk(tmp_path / "cube")
    files[1].write_bytes(files[1].read_bytes()[:-2000])
    comparison = vz.compare(tmp_path / "cube", levels=["L0", "L1", "L3", "L4", "L5"])
    assert comparison.verdict == "UNVERIFIED"


def test_a_truncated_source_fails_and_the_rest_is_compared(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path / "archive", n_days=3)
    vz.open_virtual_mfdataset(files).vzlab.to_icechunk(tmp_path / "cube")
    files[1].write_bytes(files[1].read_bytes()[:-2000])
    comparison = vz.compare(tmp_path / "cube")
    assert comparison.verdict == "FAIL"
    assert {finding.level for finding in comparison.findings} == {"L2"}
    assert "past the end" in comparison.findings[0].message
    assert all(files[1].name in gap.reason for gap in comparison.gaps)
    stored = next(level for level in comparison.levels if level.level == "L4")
    assert 0 < stored.checked < stored.total
