"""Behind a partial last chunk, before the first one, at a place found by coordinates: all equal what the files hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import vzlab as vz
from tests.archives import write_daily_files
from tests.writers.stores import array_over, read_icechunk, read_native, virtual_cube
from vzlab.errors import WriteError
from vzlab.writers import write_icechunk


def numbers(folder: Path, name: str, values: Any, chunk: int) -> xr.Dataset:
    array = array_over(folder / name, np.asarray(values, "<i4"), (chunk,), dimension_names=("x",), fill=-1)
    return xr.Dataset({"v": ("x", array)})


# -- behind ------------------------------------------------------------------------------------------------------------


def test_append_goes_behind_a_partial_last_chunk(tmp_path: Path) -> None:
    days = write_daily_files(tmp_path / "archive", n_days=3, n_times=4, chunks=(3, 5, 10))
    for day in days:
        write_icechunk(vz.open_virtual_dataset(day), tmp_path / "cube", append_dim="time")
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native(days))


def test_append_goes_behind_a_partial_chunk_of_uncompressed_data(tmp_path: Path) -> None:
    for i in range(3):
        write_icechunk(
            numbers(tmp_path, f"{i}.bin", np.arange(5) + 10 * i, 2), tmp_path / "cube", append_dim="x"
        )
    assert read_icechunk(tmp_path / "cube").v.values.tolist() == [
        *range(5),
        *range(10, 15),
        *range(20, 25),
    ]


def test_partial_chunk_before_chunks_of_another_length_is_refused(tmp_path: Path) -> None:
    write_icechunk(numbers(tmp_path, "a.bin", np.arange(5), 2), tmp_path / "cube")
    with pytest.raises(WriteError, match="'v' cannot be appended to"):
        write_icechunk(numbers(tmp_path, "b.bin", np.arange(3), 3), tmp_path / "cube", append_dim="x")
    assert read_icechunk(tmp_path / "cube").v.values.tolist() == [*range(5)]


def test_steps_that_are_there_are_skipped_on_request(files: list[Path], tmp_path: Path) -> None:
    write_icechunk(virtual_cube(files[:2]), tmp_path / "cube", append_dim="time")
    done = write_icechunk(virtual_cube(files), tmp_path / "cube", append_dim="time", existing="skip")
    assert done.n_virtual == vz.open_virtual_dataset(files[2]).vzlab.n_refs
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native(files))
    again = write_icechunk(virtual_cube(files), tmp_path / "cube", append_dim="time", existing="skip")
    assert (again.snapshot_id, again.n_virtual, again.is_new) == (done.snapshot_id, 0, False)
    assert str(again).startswith(
        "Nothing was new: all of it was there already, and nothing was written. The latest"
    )


def test_skipping_does_not_reorder(files: list[Path], tmp_path: Path) -> None:
    write_icechunk(virtual_cube(files[1:2]), tmp_path / "cube")
    with pytest.raises(WriteError, match="not all at the beginning of the data"):
        write_icechunk(virtual_cube(files), tmp_path / "cube", append_dim="time", existing="skip")


def test_unsorted_times_are_refused(files: list[Path], tmp_path: Path) -> None:
    write_icechunk(virtual_cube(files[:1]), tmp_path / "cube")
    with pytest.raises(WriteError, match=r"not in the data to add. Sort them first: ds.sortby\('time'\)"):
        write_icechunk(virtual_cube([files[2], files[1]]), tmp_path / "cube", append_dim="time")


def test_virtual_coordinates_are_compared_too(tmp_path: Path) -> None:
    def hours(name: str, first: int) -> xr.Dataset:
        array = array_over(tmp_path / name, np.arange(first, first + 4, dtype="<i4"), (4,))
        time = xr.Variable("time", array, {"units": "hours since 2024-01-01"})
        return xr.Dataset(coords=xr.Coordinates({"time": time}, indexes={}))

    write_icechunk(hours("a.bin", 0), tmp_path / "cube")
    with pytest.raises(WriteError, match="2 of 4 values of 'time' are in the store already"):
        write_icechunk(hours("b.bin", 2), tmp_path / "cube", append_dim="time")


# -- before ------------------------------------------------------------------------------------------------------------


def test_earlier_files_go_before(files: list[Path], tmp_path: Path) -> None:
    write_icechunk(vz.open_virtual_dataset(files[2]), tmp_path / "cube", append_dim="time")
    for file in (files[1], files[0]):
        write_icechunk(vz.open_virtual_dataset(file), tmp_path / "cube", prepend_dim="time")
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native(files))


def test_native_chunks_move_with_references(files: list[Path], tmp_path: Path) -> None:
    later = numbers(tmp_path, "b.bin", [4, 5], 2)
    mixed = np.concatenate([later.v.data, np.array([6, 7, 8], "i4")])  # type: ignore[call-overload]
    write_icechunk(xr.Dataset({"v": ("x", mixed)}), tmp_path / "cube")
    write_icechunk(numbers(tmp_path, "a.bin", [0, 1, 2, 3], 2), tmp_path / "cube", prepend_dim="x")
    assert read_icechunk(tmp_path / "cube").v.values.tolist() == [*range(9)]


PREPEND_REFUSED = {
    "partial chunk": (5, 2, "only whole chunks can go before"),
    "other chunks": (3, 3, "chunks of regular grids only"),
}


@pytest.mark.parametrize(("n", "chunk", "message"), PREPEND_REFUSED.values(), ids=PREPEND_REFUSED)
def test_prepending_what_does_not_fit_is_refused(n: int, chunk: int, message: str, tmp_path: Path) -> None:
    write_icechunk(numbers(tmp_path, "a.bin", np.arange(4), 2), tmp_path / "cube")
    with pytest.raises(WriteError, match=message):
        write_icechunk(numbers(tmp_path, "b.bin", np.arange(n), chunk), tmp_path / "cube", prepend_dim="x")
    assert read_icechunk(tmp_path / "cube").v.values.tolist() == [*range(4)]


def test_later_times_do_not_go_before(files: list[Path], tmp_path: Path) -> None:
    write_icechunk(virtual_cube(files[:2]), tmp_path / "cube")
    with pytest.raises(WriteError, match=r"come out of order.*append_dim"):
        write_icechunk(vz.open_virtual_dataset(files[2]), tmp_path / "cube", prepend_dim="time")


# -- in place ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("region", ["auto", {"time": "auto"}], ids=["all", "one"])
def test_coordinates_find_the_place(region: Any, files: list[Path], tmp_path: Path) -> None:
    other = write_daily_files(tmp_path / "other", n_days=3, missing_cells=False)
    write_icechunk(virtual_cube(files), tmp_path / "cube")
    write_icechunk(vz.open_virtual_dataset(other[1]), tmp_path / "cube", region=region)
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native([files[0], other[1], files[2]]))


def test_coordinates_that_are_not_there_are_refused(files: list[Path], tmp_path: Path) -> None:
    write_icechunk(virtual_cube(files[:2]), tmp_path / "cube")
    with pytest.raises(
        WriteError, match=r"4 values of 'time', from 2024-01-03.* do not stand one after another"
    ):
        write_icechunk(vz.open_virtual_dataset(files[2]), tmp_path / "cube", region="auto")


@pytest.mark.parametrize("resolution", ["s", "us"])
def test_automatic_region_knows_times_of_another_resolution(
    resolution: str, files: list[Path], tmp_path: Path
) -> None:
    write_icechunk(virtual_cube(files), tmp_path / "cube")
    day = vz.open_virtual_dataset(files[1])
    day = day.assign_coords(time=day.time.values.astype(f"M8[{resolution}]"))
    write_icechunk(day, tmp_path / "cube", region="auto")
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native(files))


def test_automatic_region_needs_a_coordinate(tmp_path: Path) -> None:
    write_icechunk(numbers(tmp_path, "a.bin", np.arange(4), 2), tmp_path / "cube")
    with pytest.raises(WriteError, match="none in the data"):
        write_icechunk(numbers(tmp_path, "b.bin", [8, 9], 2), tmp_path / "cube", region={"x": "auto"})
