"""xarray's arguments, with its names and safe defaults: tiles, joins, repeated variables, what files lack."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

import vzlab as vz
from tests.archives import DailyFile, write_daily_file, write_daily_files
from tests.datasets.archives_that_differ import assert_reads_as, native, read_virtual
from tests.servers.s3_server import S3Server
from tests.writers.stores import read_icechunk
from vzlab.datasets import check_combine, is_virtual
from vzlab.datasets.assemble import references_of
from vzlab.errors import IncompatibleFilesError, SourceNotFoundError, VirtualArrayError
from vzlab.writers import write_icechunk


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return write_daily_files(tmp_path, n_days=3)


def tiles(folder: Path, *, n_times: int = 2, n_lats: int = 2) -> list[list[Path]]:
    """A table of files that tile time and latitude, and a field over both staggered and plain latitudes."""
    rows = []
    for t in range(n_times):
        row = []
        for y in range(n_lats):
            path = write_daily_file(folder / f"{t}-{y}.nc", DailyFile(first_day=t))
            with h5py.File(path, "r+") as file:
                file["lat"][...] = np.linspace(-45 + 50 * y, -5 + 50 * y, 10)
                file["sst"][...] += np.int16(100 * y)
            row.append(path)
        rows.append(row)
    return rows


@pytest.mark.parametrize("option", ["compat", "join", "on_mismatch"])
@pytest.mark.parametrize("open_many", [vz.open_virtual_mfdataset, vz.open_virtual_mfdatatree])
def test_an_unknown_word_is_refused_before_any_file_is_opened(open_many: Any, option: str) -> None:
    with pytest.raises(ValueError, match=f"Found {option}='sometimes'; expected one of"):
        open_many(["absent.nc", "absent too.nc"], **{option: "sometimes"})


# -- sources -----------------------------------------------------------------------------------------------------------


def test_a_glob_is_expanded_in_order(files: list[Path], tmp_path: Path) -> None:
    assert check_combine(str(tmp_path / "sst_*.nc")).files == tuple(file.name for file in files)
    assert check_combine(f"file://{tmp_path}/sst_*.nc").files == tuple(file.name for file in files)
    with pytest.raises(SourceNotFoundError, match="No files match"):
        check_combine(str(tmp_path / "*.grib"))


def test_a_glob_of_objects_is_one_listing(s3: S3Server, files: list[Path]) -> None:
    bucket = s3.bucket()
    urls = [bucket.upload(file) for file in files]
    folder = urls[0].rpartition("/")[0]
    s3.clear_requests()
    report = check_combine(f"{folder}/*.nc", storage_options=s3.storage_options)
    assert report.files == tuple(file.name for file in files)
    assert report.compatible
    with pytest.raises(SourceNotFoundError, match="No objects match"):
        check_combine(f"{folder}/*.grib", storage_options=s3.storage_options)


def test_datasets_and_groups_are_compared_as_files_are(files: list[Path]) -> None:
    datasets = [vz.open_virtual_dataset(file) for file in files]
    groups = [vz.open_group(file) for file in files]
    assert (
        check_combine(datasets).to_dict() == check_combine(files).to_dict() == check_combine(groups).to_dict()
    )


# -- tiles -------------------------------------------------------------------------------------------------------------


def test_tiles_find_their_places_by_their_coordinates(tmp_path: Path) -> None:
    flat = [path for row in tiles(tmp_path) for path in row]
    report = check_combine(flat[::-1])
    assert report.concat_dims == ("time", "lat")
    assert report.compatible
    cube = vz.open_virtual_mfdataset(flat[::-1])
    assert dict(cube.sizes) == {"time": 8, "lat": 20, "lon": 20}
    assert_reads_as(cube, flat)


def test_tiles_are_nested_as_they_are_given(tmp_path: Path) -> None:
    table = tiles(tmp_path)
    cube = vz.open_virtual_mfdataset(table, combine="nested", concat_dim=["time", "lat"])
    expected = native(table, combine="nested", concat_dim=["time", "lat"])  # type: ignore[arg-type]
    np.testing.assert_array_equal(read_virtual(cube).sst, expected.sst)
    with pytest.raises(ValueError, match="rows of different lengths"):
        vz.open_virtual_mfdataset([table[0], table[1][:1]], combine="nested", concat_dim=["time", "lat"])


def test_a_tile_that_is_missing_is_told(tmp_path: Path) -> None:
    flat = [path for row in tiles(tmp_path) for path in row]
    with pytest.raises(IncompatibleFilesError, match="3 files do not fill a table over time and lat"):
        vz.open_virtual_mfdataset(flat[:3], concat_dim=["time", "lat"])


def test_a_staggered_grid_keeps_its_grids_apart(tmp_path: Path) -> None:
    paths = []
    for day in range(3):
        time = np.arange(2 * day, 2 * day + 2) * 6
        dataset = xr.Dataset(
            {
                "t": (("time", "y", "x"), np.full((2, 4, 6), day * 1.0)),
                "u": (("time", "y", "x_u"), np.full((2, 4, 7), day + 0.5)),
                "v": (("time", "y_v", "x"), np.full((2, 5, 6), day + 0.25)),
            },
            {"time": ("time", time, {"units": "hours since 2000-01-01"}), "y": np.arange(4.0), "x": np.arange(6.0),
             "y_v": np.arange(5) - 0.5, "x_u": np.arange(7) - 0.5},
        )  # fmt: skip
        chunks = {name: {"chunksizes": (1, *dataset[name].shape[1:])} for name in "tuv"}
        dataset.to_netcdf(tmp_path / f"{day}.nc", engine="h5netcdf", encoding=chunks)
        paths.append(tmp_path / f"{day}.nc")
    cube = vz.open_virtual_mfdataset(paths)
    read, expected = read_virtual(cube), native(paths)
    for name in "tuv":
        np.testing.assert_array_equal(read[name], expected[name])


def test_a_dimension_that_no_file_has_is_added(files: list[Path]) -> None:
    members = [
        vz.open_virtual_dataset(files[0]),
        vz.open_virtual_dataset(files[0]).vzlab.rename_urls(lambda url: url + ".copy"),
    ]
    cube = vz.open_virtual_mfdataset(members, combine="nested", concat_dim="member")
    assert cube.sst.dims == ("member", "time", "lat", "lon")


# -- variables ---------------------------------------------------------------------------------------------------------


def with_static(paths: Sequence[Path], *, differ: bool) -> Sequence[Path]:
    """Add a variable over latitude and longitude."""
    for i, path in enumerate(paths):
        with h5py.File(path, "r+") as file:
            depth = file.create_dataset("depth", data=np.full((10, 20), 5.0 + (differ and i == 2), "f4"))
            for axis, name in enumerate(("lat", "lon")):
                depth.dims[axis].attach_scale(file[name])
    return paths


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)], ids=["in-order", "shuffled"])
def test_a_scalar_says_where_its_file_belongs(tmp_path: Path, order: tuple[int, ...]) -> None:
    """Not a coordinate by any attribute: a bare scalar of the name of the dimension."""
    files = []
    for i in order:
        files.append(tmp_path / f"{len(files)}.nc")
        time = ((), np.float64(i), {"units": "days since 2000-01-01"})
        xr.Dataset({"time": time, "a": ("x", np.arange(4.0) + i)}).to_netcdf(files[-1])
    cube = vz.open_virtual_mfdataset(files, concat_dim="time", progress=False)
    write_icechunk(cube, tmp_path / "cube")
    got = read_icechunk(tmp_path / "cube")
    assert got.indexes["time"].is_monotonic_increasing
    np.testing.assert_array_equal(got.a, np.arange(4.0) + np.arange(3)[:, None])
    with xr.open_dataset(files[0]) as first:
        first.assign(a=first.a + 1).to_netcdf(tmp_path / "again.nc")
    with pytest.raises(IncompatibleFilesError, match="time appears twice"):
        vz.open_virtual_mfdataset([*files, tmp_path / "again.nc"], concat_dim="time", progress=False)
    as_stored = vz.open_virtual_mfdataset(files, concat_dim="time", progress=False, decode_times=False)
    assert as_stored.time.dtype == np.float64


def test_text_of_one_length_is_combined(tmp_path: Path) -> None:
    files = []
    for i in range(2):
        files.append(tmp_path / f"{i}.h5")
        with h5py.File(files[-1], "w") as file:
            file["time"] = np.arange(2.0) + 2 * i
            file["time"].make_scale("time")
            file["station"] = np.array([b"a", b"bcd"])
            file["station"].dims[0].attach_scale(file["time"])
    cube = vz.open_virtual_mfdataset(files, progress=False)
    assert read_virtual(cube).station.values.tolist() == [b"a", b"bcd"] * 2


def test_a_static_variable_is_taken_once(files: list[Path]) -> None:
    cube = vz.open_virtual_mfdataset(with_static(files, differ=False))
    assert cube.depth.dims == ("lat", "lon")
    assert references_of(cube.depth.variable).manifest.n_virtual == 1


def test_a_static_variable_that_differs_is_refused_or_repeated_or_allowed(files: list[Path]) -> None:
    with_static(files, differ=True)
    with pytest.raises(IncompatibleFilesError, match=r"depth differs in sst_20240103\.nc .* by up to 1"):
        vz.open_virtual_mfdataset(files)
    assert vz.open_virtual_mfdataset(files, allow="static").depth.dims == ("lat", "lon")
    assert vz.open_virtual_mfdataset(files, compat="override").depth.dims == ("lat", "lon")
    for choice in ("all", ["depth"], "different"):
        cube = vz.open_virtual_mfdataset(files, data_vars=choice)
        assert cube.depth.dims == ("time", "lat", "lon")
        np.testing.assert_array_equal(read_virtual(cube).depth[:, 0, 0], np.repeat([5, 5, 6], 4))


def test_a_variable_that_some_files_lack_is_filled_on_request(files: list[Path]) -> None:
    for path in files[::2]:
        with h5py.File(path, "r+") as file:
            file.copy("sst", "ice")
            for axis, name in enumerate(("time", "lat", "lon")):
                file["ice"].dims[axis].attach_scale(file[name])
    with pytest.raises(IncompatibleFilesError, match="ice is in 2 of 3 files"):
        vz.open_virtual_mfdataset(files)
    cube = vz.open_virtual_mfdataset(files, allow="absent")
    manifest = references_of(cube.ice.variable).manifest
    assert (manifest.n_virtual, manifest.n_missing) == (32, 16)
    read = read_virtual(cube).ice
    assert np.isnan(read[4:8]).all()
    np.testing.assert_array_equal(read[:4], read_virtual(cube).sst[:4])


def test_preprocess_comes_before_the_comparison(tmp_path: Path) -> None:
    files = write_daily_files(
        tmp_path, n_days=3, odd_days={1: {"attributes": {"comment": "x"}, "name": "sst"}}
    )
    seen = []

    def drop(dataset: xr.Dataset) -> xr.Dataset:
        seen.append(dataset.sizes["time"])
        return dataset.drop_vars("lon")

    cube = vz.open_virtual_mfdataset(files, preprocess=drop)
    assert seen == [4, 4, 4]
    assert "lon" not in cube.coords


# -- joins -------------------------------------------------------------------------------------------------------------


def shifted(files: list[Path]) -> list[Path]:
    """The second file's latitudes begin five rows, a chunk, later."""
    with h5py.File(files[1], "r+") as file:
        file["lat"][...] = file["lat"][...] + 5 * np.diff(file["lat"][:2])[0]
    return files


def shifted_datasets(files: list[Path]) -> list[xr.Dataset]:
    lat = np.arange(10.0)
    return [
        vz.open_virtual_dataset(file).assign_coords(lat=lat + (5 if i == 1 else 0))
        for i, file in enumerate(files)
    ]


def test_labels_that_differ_are_refused(files: list[Path]) -> None:
    with pytest.raises(IncompatibleFilesError, match=r"lat differs in sst_20240102\.nc.*of its step"):
        vz.open_virtual_mfdataset(shifted(files))


def test_labels_in_common_are_selected(files: list[Path]) -> None:
    cube = vz.open_virtual_mfdataset(shifted_datasets(files), join="inner")
    np.testing.assert_array_equal(cube.lat, np.arange(5.0, 10))
    read = read_virtual(cube).sst
    np.testing.assert_array_equal(read[4:8], DailyFile(first_day=1).decoded_values()[:, :5])
    np.testing.assert_array_equal(read[:4], DailyFile().decoded_values()[:, 5:])


def test_an_outer_join_that_would_put_missing_values_is_refused_unless_allowed(files: list[Path]) -> None:
    datasets = shifted_datasets(files)
    with pytest.raises(IncompatibleFilesError, match=r"lat has labels that sst_20240101\.nc and 2 more lack"):
        vz.open_virtual_mfdataset(datasets, join="outer")
    cube = vz.open_virtual_mfdataset(datasets, join="outer", allow="fill")
    read = read_virtual(cube).sst
    assert read.shape == (12, 15, 20)
    assert np.isnan(read[4:8, :5]).all()
    np.testing.assert_array_equal(read[4:8, 5:], DailyFile(first_day=1).decoded_values())


def test_a_join_inside_chunks_is_refused(files: list[Path]) -> None:
    lat = np.arange(10.0)
    datasets = [
        vz.open_virtual_dataset(f).assign_coords(lat=lat + (3 if i else 0)) for i, f in enumerate(files)
    ]
    with pytest.raises(VirtualArrayError):
        vz.open_virtual_mfdataset(datasets, join="inner")


def test_labels_of_the_first_file_are_taken_when_asked(files: list[Path]) -> None:
    cube = vz.open_virtual_mfdataset(shifted(files), join="override")
    with xr.open_dataset(files[0], engine="h5netcdf") as first:
        np.testing.assert_array_equal(cube.lat, first.lat)
    assert is_virtual(cube.sst)


def test_an_unknown_choice_is_told(files: list[Path]) -> None:
    with pytest.raises(ValueError, match="join='both'"):
        vz.open_virtual_mfdataset(files, join="both")
    with pytest.raises(ValueError, match="on_mismatch='guess'"):
        vz.open_virtual_mfdataset(files, on_mismatch="guess")
    with pytest.raises(ValueError, match="combine='sideways'"):
        vz.open_virtual_mfdataset(files, combine="sideways")
