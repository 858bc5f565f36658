"""Trees of groups are compared and combined group by group, all in one order."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import vzlab as vz
from tests.archives import DailyFile, write_daily_file
from tests.datasets.archives_that_differ import read_virtual
from vzlab.datasets import check_combine, open_virtual_mfdatatree
from vzlab.errors import IncompatibleFilesError


def tree_files(folder: Path, **odd: object) -> list[Path]:
    """Three files of two groups along time, and one group that does not follow it."""
    files = []
    for day in range(3):
        path = folder / f"{day}.nc"
        static = xr.Dataset({"depth": ("level", np.array([0.0, 10.0 + (day == 2) * odd.get("shift", 0.0)]))})
        static.attrs["day"] = day
        static.to_netcdf(path, engine="h5netcdf")
        for group in ("ocean", "ocean/surface"):
            changes = {"scale_factor": odd["scale"]} if "scale" in odd and day == 1 else {}
            part = write_daily_file(folder / "part.nc", DailyFile(first_day=day), **changes)
            with xr.open_dataset(part, engine="h5netcdf", decode_cf=False) as opened:
                dataset = opened.load()
            dataset.sst.encoding = {"chunksizes": (1, 5, 10), "zlib": True}
            dataset.to_netcdf(path, engine="h5netcdf", mode="a", group=group, unlimited_dims=["time"])
        files.append(path)
    return files


def native_group(files: list[Path], group: str) -> xr.Dataset:
    with xr.open_mfdataset(files, group=group, engine="netcdf4", data_vars="minimal") as opened:
        return opened.load()


def test_groups_are_combined_in_one_order(tmp_path: Path) -> None:
    files = tree_files(tmp_path)
    tree = open_virtual_mfdatatree(files[::-1])
    assert [node.path for node in tree.subtree] == ["/", "/ocean", "/ocean/surface"]
    for group in ("ocean", "ocean/surface"):
        cube = tree[group].to_dataset()
        expected = native_group(files, group)
        np.testing.assert_array_equal(cube.time, expected.time)
        np.testing.assert_array_equal(read_virtual(cube).sst, expected.sst)
    assert tree["depth"].shape == (2,)
    assert "day" not in tree.attrs


def test_findings_go_by_the_path_of_their_variable(tmp_path: Path) -> None:
    files = tree_files(tmp_path, scale=0.1)
    report = check_combine([vz.open_virtual_datatree(file) for file in files])
    assert {f.variable for f in report.problems} == {"ocean/sst", "ocean/surface/sst"}
    assert "ocean/surface/sst" in report.variables
    with pytest.raises(IncompatibleFilesError, match="ocean/sst"):
        open_virtual_mfdatatree(files)
    tree = open_virtual_mfdatatree(files, on_mismatch="reencode")
    cube = tree["ocean"].to_dataset(inherit=False)
    np.testing.assert_allclose(read_virtual(cube).sst, native_group(files, "ocean").sst, rtol=1e-6)


def test_a_group_that_does_not_follow_time_must_be_the_same(tmp_path: Path) -> None:
    files = tree_files(tmp_path, shift=5.0)
    with pytest.raises(IncompatibleFilesError, match=r"depth differs in 2\.nc .* by up to 5"):
        open_virtual_mfdatatree(files)
    assert open_virtual_mfdatatree(files, allow="static")["depth"].shape == (2,)


def test_a_group_that_some_files_lack_is_told(tmp_path: Path) -> None:
    files = tree_files(tmp_path)
    trees = [vz.open_virtual_datatree(file) for file in files]
    trees[1] = xr.DataTree.from_dict({"/": trees[1].to_dataset(), "/ocean": trees[1]["ocean"].to_dataset()})
    report = check_combine(trees)
    assert [f.sentence for f in report.problems] == ["The group /ocean/surface is in 2 of 3 files."]


def test_groups_are_compared_as_they_are_parsed(tmp_path: Path) -> None:
    files = tree_files(tmp_path, scale=0.1)
    report = check_combine([vz.open_group(file) for file in files])
    assert {f.variable for f in report.problems} == {"ocean/sst", "ocean/surface/sst"}
    with pytest.raises(TypeError, match="2 trees among 3"):
        check_combine([*(vz.open_group(file) for file in files[:2]), files[2]])
