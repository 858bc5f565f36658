"""Adding to what a group holds: appends and regions equal the whole, or are refused before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import icechunk
import numpy as np
import pytest
import xarray as xr

import vzlab as vz
import vzlab.writers.stored
from tests.archives import write_daily_files
from tests.writers.stores import array_over, read_icechunk, read_native, virtual_cube
from vzlab.errors import WriteError
from vzlab.writers import write_icechunk


def odd_file(folder: Path, **changes: Any) -> Path:
    """The third day, which differs."""
    return write_daily_files(folder, n_days=3, odd_days={2: changes})[2]


def without_index(**coordinates: xr.Variable) -> xr.Dataset:
    return xr.Dataset(coords=xr.Coordinates(coordinates, indexes={}))


def snapshot(path: Path) -> str:
    return vz.open_icechunk(path).lookup_branch("main")


# -- append ------------------------------------------------------------------------------------------------------------


def test_three_appends_equal_the_whole(files: list[Path], tmp_path: Path) -> None:
    for file in files:
        write_icechunk(vz.open_virtual_dataset(file), tmp_path / "cube", append_dim="time")
    got = read_icechunk(tmp_path / "cube")
    xr.testing.assert_identical(got, read_native(files))
    write_icechunk(virtual_cube(files), tmp_path / "whole")
    assert got.time.encoding["units"] == read_icechunk(tmp_path / "whole").time.encoding["units"]


def test_virtual_time_appends_too(tmp_path: Path) -> None:
    hours = np.arange(12, dtype="i4")
    for i in range(3):
        array = array_over(tmp_path / f"{i}.bin", hours[4 * i : 4 * i + 4], (4,))
        time = xr.Variable("time", array, {"units": "hours since 2024-01-01", "calendar": "standard"})
        write_icechunk(without_index(time=time), tmp_path / "cube", append_dim="time")
    expected = np.datetime64("2024-01-01", "h") + hours
    np.testing.assert_array_equal(read_icechunk(tmp_path / "cube").time, expected)


def test_virtual_time_in_other_units_is_refused(tmp_path: Path) -> None:
    for i, units in enumerate(("hours since 2024-01-01", "hours since 2024-01-02")):
        array = array_over(tmp_path / f"{i}.bin", np.arange(4, dtype="i4"), (4,))
        dataset = without_index(time=xr.Variable("time", array, {"units": units}))
        if i == 0:
            write_icechunk(dataset, tmp_path / "cube")
            continue
        with pytest.raises(
            WriteError, match="units: 'hours since 2024-01-01' stored, 'hours since 2024-01-02' found"
        ):
            write_icechunk(dataset, tmp_path / "cube", append_dim="time")


def test_trees_append_node_by_node(files: list[Path], tmp_path: Path) -> None:
    for file in files:
        cube = vz.open_virtual_dataset(file)
        tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs={"title": "t"}), "/a": cube, "/b/c": cube})
        write_icechunk(tree, tmp_path / "cube", append_dim="time")
    for group in ("a", "b/c"):
        xr.testing.assert_identical(read_icechunk(tmp_path / "cube", group), read_native(files))
    assert read_icechunk(tmp_path / "cube").attrs == {"title": "t"}


def test_append_in_other_folders_adds_their_containers(tmp_path: Path) -> None:
    days = [write_daily_files(tmp_path / f"d{i}", n_days=3)[i] for i in range(3)]
    for day in days:
        write_icechunk(vz.open_virtual_dataset(day), tmp_path / "cube", append_dim="time")
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native(days))
    assert len(vz.chunk_prefixes(tmp_path / "cube")) == 3


def test_chunks_of_another_compression_level_are_taken(tmp_path: Path) -> None:
    days = write_daily_files(tmp_path / "archive", n_days=2, odd_days={1: {"compression_level": 9}})
    for day in days:
        write_icechunk(vz.open_virtual_dataset(day), tmp_path / "cube", append_dim="time")
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native(days))


def test_months_of_different_lengths_append_to_a_rectilinear_grid(tmp_path: Path) -> None:
    values = np.arange(90, dtype="f4")
    bounds = [0, 31, 59, 90]
    for i in range(3):
        part = values[bounds[i] : bounds[i + 1]]
        array = array_over(tmp_path / f"{i}.bin", part, (len(part),), dimension_names=("time",))
        write_icechunk(xr.Dataset({"v": ("time", array)}), tmp_path / "cube", append_dim="time")
    np.testing.assert_array_equal(read_icechunk(tmp_path / "cube").v, values)


def test_first_append_makes_the_repository(files: list[Path], tmp_path: Path) -> None:
    write_icechunk(vz.open_virtual_dataset(files[0]), tmp_path / "cube", mode="a", append_dim="time")
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native(files[:1]))


def test_attributes_of_the_group_survive(files: list[Path], tmp_path: Path) -> None:
    for i, file in enumerate(files):
        cube = vz.open_virtual_dataset(file).assign_attrs(history=f"day {i}")
        write_icechunk(cube, tmp_path / "cube", append_dim="time")
    assert read_icechunk(tmp_path / "cube").attrs == {"Conventions": "CF-1.8", "history": "day 0"}


def test_inline_chunks_append(tmp_path: Path) -> None:
    first = array_over(tmp_path / "a.bin", np.arange(4, dtype="i4"), (2,), fill=-5)
    write_icechunk(xr.Dataset({"v": ("x", first)}), tmp_path / "cube", append_dim="x")
    absent = array_over(tmp_path / "b.bin", np.arange(4, dtype="i4"), (2,), fill=-5)
    later = np.concatenate([absent, np.array([8, 9], "i4")])  # type: ignore[call-overload]
    write_icechunk(xr.Dataset({"v": ("x", later)}), tmp_path / "cube", append_dim="x")
    assert read_icechunk(tmp_path / "cube").v.values.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 8, 9]


REFUSED: dict[str, tuple[Mapping[str, Any], str]] = {
    "scale_factor": ({"scale_factor": 0.1}, r"'sst'.*scale_factor: 0.01 stored, 0.1 found"),
    "add_offset": ({"add_offset": 0.0}, r"add_offset: 273.15 stored, 0.0 found"),
    "not packed": ({"scale_factor": None, "add_offset": None}, r"scale_factor: 0.01 stored, None found"),
    "missing value": ({"fill_value": -1}, r"_FillValue: -32767 stored, -1 found"),
    "units": ({"units": "degC"}, r"units: 'K' stored, 'degC' found"),
    "dtype": ({"dtype": "<i4"}, r"'sst' is stored as int16; found int32"),
    "byte order": ({"dtype": ">i2"}, r"'sst' cannot be appended to.*codecs"),
    "codecs": ({"compression_level": None}, r"'sst' cannot be appended to.*codecs"),
    "chunk shape": ({"chunks": (1, 10, 20)}, r"'sst' cannot be appended to.*chunk"),
    "grid": ({"n_lat": 20}, r"'lat' of '/' has length 10 in the store; found 20"),
    "same day again": ({"first_day": 1}, r"4 of 4 values of 'time' are in the store already"),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_append_that_would_change_values_is_refused(
    changes: Mapping[str, Any], message: str, files: list[Path], tmp_path: Path
) -> None:
    write_icechunk(virtual_cube(files[:2]), tmp_path / "cube")
    before = snapshot(tmp_path / "cube")
    with pytest.raises(WriteError, match=message):
        write_icechunk(
            vz.open_virtual_dataset(odd_file(tmp_path / "odd", **changes)),
            tmp_path / "cube",
            append_dim="time",
        )
    assert snapshot(tmp_path / "cube") == before
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native(files[:2]))


def test_earlier_times_are_refused(files: list[Path], tmp_path: Path) -> None:
    write_icechunk(virtual_cube(files[1:]), tmp_path / "cube")
    with pytest.raises(WriteError, match="come out of order"):
        write_icechunk(vz.open_virtual_dataset(files[0]), tmp_path / "cube", append_dim="time")


def test_times_that_repeat_among_themselves_are_refused(files: list[Path], tmp_path: Path) -> None:
    write_icechunk(vz.open_virtual_dataset(files[0]), tmp_path / "cube")
    with pytest.raises(WriteError, match="has values twice in the data to append, for example 2024-01-02"):
        write_icechunk(virtual_cube([files[1], files[1]]), tmp_path / "cube", append_dim="time")


@pytest.mark.parametrize("loadable", [None, ["time", "lon"]], ids=["loaded", "virtual"])
def test_static_coordinate_that_differs_is_refused(
    loadable: list[str] | None, files: list[Path], tmp_path: Path
) -> None:
    write_icechunk(virtual_cube(files[:2], loadable_variables=loadable), tmp_path / "cube")
    with h5py.File(files[2], "a") as opened:
        opened["lat"][3] += 0.5
    with pytest.raises(
        WriteError, match=r"'lat' does not depend on .* differs from what is stored \(by up to 0.5\)"
    ):
        write_icechunk(
            vz.open_virtual_dataset(files[2], loadable_variables=loadable),
            tmp_path / "cube",
            append_dim="time",
        )
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native(files[:2]))


def test_static_coordinate_that_is_equal_and_virtual_is_left_alone(files: list[Path], tmp_path: Path) -> None:
    for file in files:
        cube = vz.open_virtual_dataset(file, loadable_variables=["time", "lon"])
        write_icechunk(cube, tmp_path / "cube", append_dim="time")
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native(files))


def test_stored_values_that_cannot_be_read_are_not_guessed(files: list[Path], tmp_path: Path) -> None:
    cubes = [vz.open_virtual_dataset(file, loadable_variables=["time", "lon"]) for file in files[:2]]
    write_icechunk(cubes[0], tmp_path / "cube")
    bare = icechunk.Repository.open(icechunk.local_filesystem_storage(str(tmp_path / "cube")))
    with pytest.raises(WriteError, match=r"lat must be read to be compared, and cannot be: .*authoriz"):
        write_icechunk(cubes[1], bare, append_dim="time")
    assert snapshot(tmp_path / "cube") == bare.lookup_branch("main")


def test_large_loaded_variables_are_not_read_to_be_appended_to(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["time", "lat", "lon", "sst"]
    cubes = [vz.open_virtual_dataset(file, loadable_variables=names) for file in files]
    write_icechunk(cubes[0], tmp_path / "cube")
    asked: list[str] = []
    decoded_values = vzlab.writers.stored.decoded_values

    def recorded(hierarchy: Any, path: str, names: list[str], arrays: Any) -> Any:
        asked.extend(names)
        return decoded_values(hierarchy, path, names, arrays)

    monkeypatch.setattr("vzlab.writers.stored.decoded_values", recorded)
    write_icechunk(cubes[1], tmp_path / "cube", append_dim="time")
    assert sorted(asked) == ["lat", "lon", "time"]


def test_loaded_values_go_behind_a_partial_last_chunk(tmp_path: Path) -> None:
    days = write_daily_files(tmp_path / "archive", n_days=2, n_times=4, chunks=(3, 5, 10))
    write_icechunk(vz.open_virtual_dataset(days[0]), tmp_path / "cube")
    cube = vz.open_virtual_dataset(days[1], loadable_variables=["time", "lat", "lon", "sst"])
    write_icechunk(cube, tmp_path / "cube", append_dim="time")
    xr.testing.assert_allclose(read_icechunk(tmp_path / "cube"), read_native(days))


def test_missing_and_extra_variables_are_refused(files: list[Path], tmp_path: Path) -> None:
    cube = vz.open_virtual_dataset(files[0])
    write_icechunk(cube, tmp_path / "cube")
    later = vz.open_virtual_dataset(files[1])
    with pytest.raises(WriteError, match="'anomaly' is not in the store"):
        write_icechunk(later.assign(anomaly=later.sst), tmp_path / "cube", append_dim="time")
    with pytest.raises(WriteError, match="holds 'sst' along 'time', which the new data lack"):
        write_icechunk(later.drop_vars("sst"), tmp_path / "cube", append_dim="time")


def test_transposed_data_are_refused(files: list[Path], tmp_path: Path) -> None:
    write_icechunk(vz.open_virtual_dataset(files[0]), tmp_path / "cube")
    with pytest.raises(WriteError, match=r"'sst' has dimensions \('time', 'lat', 'lon'\) in the store"):
        write_icechunk(
            vz.open_virtual_dataset(files[1]).transpose("time", "lon", "lat"),
            tmp_path / "cube",
            append_dim="time",
        )


def test_unknown_dimension_is_refused(files: list[Path], tmp_path: Path) -> None:
    write_icechunk(vz.open_virtual_dataset(files[0]), tmp_path / "cube")
    with pytest.raises(WriteError, match="No variable has the dimension 'tim'"):
        write_icechunk(vz.open_virtual_dataset(files[1]), tmp_path / "cube", append_dim="tim")


def test_fill_of_missing_chunks_must_agree(tmp_path: Path) -> None:
    first = array_over(tmp_path / "a.bin", np.arange(4, dtype="i4"), (2,), fill=0)
    write_icechunk(xr.Dataset({"v": ("x", first)}), tmp_path / "cube")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        variable = file.create_dataset("v", shape=(4,), chunks=(2,), dtype="<i4", fillvalue=9)
        variable[:2] = 1
    with pytest.raises(WriteError, match="Unwritten chunks of 'v' read as 0 in the store, and as 9"):
        write_icechunk(
            vz.open_virtual_dataset(tmp_path / "b.h5").rename({"phony_dim_0": "x"}),
            tmp_path / "cube",
            append_dim="x",
        )


# -- add ---------------------------------------------------------------------------------------------------------------


def test_new_variables_join_a_group(files: list[Path], tmp_path: Path) -> None:
    cube = virtual_cube(files)
    write_icechunk(cube, tmp_path / "cube")
    write_icechunk(cube.rename(sst="copy"), tmp_path / "cube", mode="a")
    xr.testing.assert_identical(
        read_icechunk(tmp_path / "cube"), read_native(files).assign(copy=read_native(files).sst)
    )


def test_variables_that_are_there_are_not_overwritten(files: list[Path], tmp_path: Path) -> None:
    cube = virtual_cube(files)
    write_icechunk(cube, tmp_path / "cube")
    with pytest.raises(WriteError, match="'sst' is there already"):
        write_icechunk(cube, tmp_path / "cube", mode="a")
    with pytest.raises(WriteError, match=r"'lat' .*differs from what is stored"):
        write_icechunk(cube[["lat"]].assign_coords(lat=cube.lat + 1), tmp_path / "cube", mode="a")


# -- region ------------------------------------------------------------------------------------------------------------


def test_region_replaces_whole_chunks(files: list[Path], tmp_path: Path) -> None:
    other = write_daily_files(tmp_path / "other", n_days=3, scale_factor=0.01, missing_cells=False)
    write_icechunk(virtual_cube(files), tmp_path / "cube")
    write_icechunk(vz.open_virtual_dataset(other[1]), tmp_path / "cube", region={"time": slice(4, 8)})
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native([files[0], other[1], files[2]]))


def test_missing_chunks_of_a_region_clear_what_was_there(tmp_path: Path) -> None:
    write_icechunk(
        xr.Dataset({"v": ("x", array_over(tmp_path / "a.bin", np.arange(8, dtype="<i4"), (2,), fill=9))}),
        tmp_path / "cube",
    )
    with h5py.File(tmp_path / "b.h5", "w") as file:
        variable = file.create_dataset("v", shape=(4,), chunks=(2,), dtype="<i4", fillvalue=9)
        variable[2:] = 70
    patch = vz.open_virtual_dataset(tmp_path / "b.h5").rename({"phony_dim_0": "x"})
    write_icechunk(patch, tmp_path / "cube", region={"x": slice(2, 6)})
    assert read_icechunk(tmp_path / "cube").v.values.tolist() == [0, 1, 9, 9, 70, 70, 6, 7]


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ({"time": slice(0, 3)}, "has 4 elements along 'time', and its region 0:3 has 3"),
        ({"tim": slice(0, 4)}, "names the dimension 'tim'"),
        ({"time": slice(0, 8, 2)}, "step of 2"),
    ],
)
def test_region_that_does_not_fit_is_refused(
    region: dict[str, slice], message: str, files: list[Path], tmp_path: Path
) -> None:
    write_icechunk(virtual_cube(files), tmp_path / "cube")
    with pytest.raises(WriteError, match=message):
        write_icechunk(vz.open_virtual_dataset(files[0]), tmp_path / "cube", region=region)


def test_region_off_chunk_boundaries_is_refused(tmp_path: Path) -> None:
    whole = array_over(tmp_path / "a.bin", np.arange(8, dtype="i4"), (4,))
    part = array_over(tmp_path / "b.bin", np.arange(4, dtype="i4"), (4,))
    write_icechunk(xr.Dataset({"v": ("x", whole)}), tmp_path / "cube")
    with pytest.raises(
        WriteError,
        match=r"region 2:6 of 'v' along 'x' does not lie on chunk boundaries, which are \[0, 4, 8\]",
    ):
        write_icechunk(xr.Dataset({"v": ("x", part)}), tmp_path / "cube", region={"x": slice(2, 6)})


def test_region_needs_a_repository(files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="no Icechunk repository"):
        write_icechunk(virtual_cube(files), tmp_path / "cube", region={"time": slice(0, 12)})
    assert not (tmp_path / "cube").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"append_dim": "time", "region": {"time": slice(0, 4)}}, "append_dim, prepend_dim or region"),
        ({"mode": "r"}, "expected 'w-', 'w' or 'a'"),
        ({"mode": "w", "region": {"time": slice(0, 4)}}, "needs mode='a'"),
        ({"append_dim": "time", "existing": "overwrite"}, "expected 'raise' or 'skip'"),
    ],
)
def test_options_that_contradict_are_refused(
    options: dict[str, Any], message: str, files: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(WriteError, match=message):
        write_icechunk(virtual_cube(files), tmp_path / "cube", **options)
