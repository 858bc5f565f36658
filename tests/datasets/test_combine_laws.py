"""Whatever files are combined, the result reads as xarray's own, or is refused with a reason."""

from pathlib import Path
from random import Random

import h5py
import numpy as np
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vzlab as vz
from tests.archives import DailyFile, write_daily_file
from tests.datasets.archives_that_differ import flip_latitude, read_virtual, transpose_variable
from vzlab.datasets import is_virtual
from vzlab.errors import VzlabError

files = st.fixed_dictionaries(
    {},
    optional={
        "n_times": st.sampled_from([1, 3, 4, 5]),
        "chunks": st.sampled_from([(1, 5, 10), (2, 5, 10), (4, 10, 20), (3, 7, 9), None]),
        "compression_level": st.sampled_from([None, 1, 6]),
        "shuffle": st.booleans(),
        "fletcher32": st.booleans(),
        "scale_factor": st.sampled_from([0.01, 0.1, None]),
        "add_offset": st.sampled_from([273.15, None]),
        "fill_value": st.sampled_from([-32767, -1, None]),
        "dtype": st.sampled_from(["<i2", ">i2", "<i4"]),
        "time_units": st.sampled_from(
            ["hours since 2024-01-01 00:00:00", "minutes since 2023-12-01 00:00:00"]
        ),
    },
)
turns = st.sampled_from([None, None, None, flip_latitude, transpose_variable])


def native(paths: list[Path]) -> xr.Dataset:
    opened = []
    for path in paths:
        with xr.open_dataset(path, engine="netcdf4") as dataset:
            opened.append(dataset.load())
    ordered = sorted(opened, key=lambda dataset: dataset.time.values[0])
    return xr.concat(
        [dataset.sel(lat=ordered[0].lat).transpose(*ordered[0].sst.dims) for dataset in ordered],
        "time", data_vars="minimal", coords="minimal", compat="override", join="exact", combine_attrs="drop_conflicts",
    )  # fmt: skip


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    common=files,
    odd=files,
    n_files=st.integers(2, 4),
    turn=turns,
    shuffled=st.randoms(use_true_random=False),
    on_mismatch=st.sampled_from(["raise", "reencode", "load"]),
)
def test_combined_files_read_as_xarray_reads_them_or_are_refused(
    tmp_path: Path, common: dict, odd: dict, n_files: int, turn: object, shuffled: Random, on_mismatch: str
) -> None:
    paths = []
    for day in range(n_files):
        changes = common | (odd if day == 1 else {})
        if "minutes" in changes.get("time_units", ""):
            # The archive's numbers are hours since its reference date, whatever the units say.
            changes = {**changes, "first_day": day * 60}
        paths.append(write_daily_file(tmp_path / f"{day}.nc", DailyFile(first_day=day), **changes))
    if callable(turn):
        turn(paths[-1])
    shuffled.shuffle(paths)
    try:
        cube = vz.open_virtual_mfdataset(paths, on_mismatch=on_mismatch)
    except VzlabError:
        return
    expected = native(paths)
    np.testing.assert_array_equal(cube.time.values, expected.time.values)
    if not is_virtual(cube.sst):
        found = cube.sst.sel(lat=expected.lat).transpose(*expected.sst.dims)
        np.testing.assert_array_equal(found.values, expected.sst.values)
        return
    mine = read_virtual(cube).sst.sel(lat=expected.lat).transpose(*expected.sst.dims)
    if on_mismatch == "raise":
        assert mine.dtype == expected.sst.dtype
        np.testing.assert_array_equal(mine.values, expected.sst.values)
    else:  # decoded in single precision where a file's own packing would give double
        np.testing.assert_allclose(mine.values, expected.sst.values, rtol=3e-7)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    hours=st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True), min_size=2, max_size=3),
)
def test_whatever_their_times_no_value_moves(tmp_path: Path, hours: list[list[int]]) -> None:
    paths = []
    for i, values in enumerate(hours):
        path = write_daily_file(tmp_path / f"{i}.nc", n_times=len(values), chunks=(1, 10, 20))
        with h5py.File(path, "r+") as file:
            file["time"][...] = np.array(values, "f8")
            file["sst"][...] = np.array(values, "i2")[:, None, None] + np.int16(100)
        paths.append(path)
    try:
        cube = vz.open_virtual_mfdataset(paths, concat_dim="time")
    except VzlabError:
        flat = sorted(hour for values in hours for hour in values)
        in_order = [hour for values in sorted(hours) for hour in values]
        backwards = [hour for values in sorted(hours, reverse=True) for hour in values]
        ways = (in_order, backwards)
        assert len(set(flat)) < len(flat) or not any(way in (flat, flat[::-1]) for way in ways)
        return
    read = read_virtual(cube)
    since = (read.time.values - np.datetime64("2024-01-01")) / np.timedelta64(1, "h")
    np.testing.assert_allclose(read.sst[:, 0, 0], (since + 100) * 0.01 + 273.15, rtol=1e-6)
    assert read.indexes["time"].is_monotonic_increasing or read.indexes["time"].is_monotonic_decreasing
    assert len(read.time) == sum(map(len, hours))
