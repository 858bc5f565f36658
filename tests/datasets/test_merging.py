"""Files of different variables, dimensions that some lack, staggered tiles: merged where safe, else refused with the reason."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import vzlab as vz
from tests.datasets.archives_that_differ import native, read_virtual
from vzlab.datasets import check_combine
from vzlab.errors import IncompatibleFilesError


def write(path: Path, name: str, *, day: int, n_lon: int = 3, fill: float = 0.0) -> Path:
    """A file of two days of one variable over time and longitude."""
    time = ("time", np.arange(2 * day, 2 * day + 2), {"units": "days since 2000-01-01"})
    values = np.arange(2.0 * n_lon).reshape(2, n_lon) + 100 * day + fill
    dataset = xr.Dataset({name: (("time", "lon"), values)}, {"time": time, "lon": np.arange(float(n_lon))})
    dataset.to_netcdf(path, engine="h5netcdf", encoding={name: {"chunksizes": (1, n_lon)}})
    return path


@pytest.fixture
def table(tmp_path: Path) -> list[list[Path]]:
    """Give two days of each of two variables, a list for each variable."""
    return [
        [write(tmp_path / f"{name}{day}.nc", name, day=day, fill=ord(name)) for day in range(2)]
        for name in "ab"
    ]


def assert_same(cube: xr.Dataset, files: Sequence[Path]) -> None:
    expected, read = native(files, combine="by_coords"), read_virtual(cube)
    assert set(read.variables) == set(expected.variables)
    for name in expected.variables:
        np.testing.assert_array_equal(read[name], expected[name])


def test_files_of_different_variables_are_merged(table: list[list[Path]]) -> None:
    files = [path for row in table for path in row][::-1]
    report = check_combine(files)
    assert report.compatible
    assert report.concat_dims == ("time",)
    assert set(report.variables) == {"a", "b", "time", "lon"}
    (told,) = (finding for finding in report.findings if finding.kind == "absent")
    assert told.sentence.startswith("The files are of 2 kinds, which have no variable in common")
    assert sorted(held.value for held in told.holders) == ["a", "b"]
    assert_same(vz.open_virtual_mfdataset(files), files)


@pytest.mark.parametrize("merged_first", [False, True])
def test_none_in_nested_lists_merges(table: list[list[Path]], merged_first: bool) -> None:
    nested = [list(row) for row in zip(*table, strict=True)] if merged_first else table
    dims = ["time", None] if merged_first else [None, "time"]
    cube = vz.open_virtual_mfdataset(nested, combine="nested", concat_dim=dims)
    assert_same(cube, [path for row in table for path in row])


def test_variables_on_other_coordinates_are_not_merged(table: list[list[Path]], tmp_path: Path) -> None:
    other = write(tmp_path / "b1.nc", "b", day=5)
    files = [*table[0], table[1][0], other]
    with pytest.raises(
        IncompatibleFilesError, match=r"time of the files like a0\.nc and of those like b0\.nc, .* differs"
    ):
        vz.open_virtual_mfdataset(files)
    with pytest.raises(IncompatibleFilesError, match="time of the files like"):
        vz.open_virtual_mfdataset(files, allow="static")
    wide = [write(tmp_path / f"w{day}.nc", "b", day=day, n_lon=4) for day in range(2)]
    with pytest.raises(IncompatibleFilesError, match="lon of the files like"):
        vz.open_virtual_mfdataset([*table[0], *wide])


def test_a_variable_that_is_in_both_is_not_merged(table: list[list[Path]]) -> None:
    with pytest.raises(IncompatibleFilesError, match=r"a of the files like .* is in both"):
        vz.open_virtual_mfdataset([table[0], table[0]], combine="nested", concat_dim=[None, "time"])


def test_a_dimension_that_some_files_lack_is_told(tmp_path: Path) -> None:
    full = write(tmp_path / "full.nc", "a", day=0)
    time = ("time", np.arange(2, 4), {"units": "days since 2000-01-01"})
    xr.Dataset({"a": ("time", np.zeros(2))}, {"time": time}).to_netcdf(
        tmp_path / "flat.nc", engine="h5netcdf"
    )
    report = check_combine([full, tmp_path / "flat.nc"])
    finding = report.cell("a", "shape, dtype")
    assert finding is not None
    assert finding.severity == "refused"
    assert "a has other dimensions in flat.nc (over (time), not over (time, lon))" in finding.sentence
    assert [(held.value, held.files) for held in finding.holders] == [
        ("over (time, lon)", (0,)),
        ("over (time)", (1,)),
    ]
    with pytest.raises(IncompatibleFilesError, match="other dimensions"):
        vz.open_virtual_mfdataset([full, tmp_path / "flat.nc"])


def test_tiles_of_a_staggered_grid_are_combined_grid_by_grid(tmp_path: Path) -> None:
    files = []
    for tile in range(2):
        x = np.arange(3.0) + 3 * tile
        fields = {
            "t": (("y", "x"), np.full((2, 3), 1.0 + tile)),
            "u": (("y", "x_u"), np.full((2, 3), 5.0 + tile)),
        }
        dataset = xr.Dataset(fields, {"x": x, "x_u": x - 0.5, "y": [0.0, 1.0]})
        encoding = {name: {"chunksizes": (2, 3)} for name in fields}
        dataset.to_netcdf(tmp_path / f"{tile}.nc", engine="h5netcdf", encoding=encoding)
        files.append(tmp_path / f"{tile}.nc")
    with pytest.raises(
        IncompatibleFilesError, match=r"x and x_u differ from file to file, .* one grid at a time"
    ):
        vz.open_virtual_mfdataset(files)
    for name, others in (("t", ["u", "x_u"]), ("u", ["t", "x"])):
        cube = vz.open_virtual_mfdataset(files, drop_variables=others)
        expected = xr.combine_by_coords([xr.open_dataset(file).load().drop_vars(others) for file in files])
        np.testing.assert_array_equal(read_virtual(cube)[name], expected[name])


def test_identical_asks_for_attributes_too(table: list[list[Path]], tmp_path: Path) -> None:
    files = table[0]
    with xr.open_dataset(files[1], decode_times=False) as opened:
        changed = opened.load()
    changed.lon.attrs["comment"] = "another"
    changed.to_netcdf(files[1], engine="h5netcdf", encoding={"a": {"chunksizes": (1, 3)}})
    assert vz.open_virtual_mfdataset(files).sizes["time"] == 4
    with pytest.raises(IncompatibleFilesError, match="lon has other attributes in some files"):
        vz.open_virtual_mfdataset(files, compat="identical")


@pytest.mark.parametrize("compat", ["no_conflicts", "broadcast_equals"])
def test_ways_that_make_new_values_are_refused_by_name(table: list[list[Path]], compat: str) -> None:
    with pytest.raises(ValueError, match=f"compat='{compat}' makes new values"):
        vz.open_virtual_mfdataset(table[0], compat=compat)
