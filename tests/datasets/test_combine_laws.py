"""Whatever files are combined, the result reads as xarray's own, or is refused with a reason."""

from pathlib import Path

import numpy as np
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vzlab as vz
from tests.archives import DailyFile, write_daily_file
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


def native(paths: list[Path]) -> xr.Dataset:
    opened = [xr.open_dataset(path, engine="netcdf4").load() for path in paths]
    for dataset in opened:
        dataset.close()
    return xr.concat(
        sorted(opened, key=lambda dataset: dataset.time.values[0]), "time", data_vars="minimal",
        coords="minimal", compat="override", join="exact", combine_attrs="drop_conflicts",
    )  # fmt: skip


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(common=files, odd=files, n_files=st.integers(2, 4), shuffled=st.randoms(use_true_random=False))
def test_combined_files_read_as_xarray_reads_them_or_are_refused(
    tmp_path: Path, common: dict, odd: dict, n_files: int, shuffled: object
) -> None:
    paths = []
    for day in range(n_files):
        changes = common | (odd if day == 1 else {})
        if "minutes" in changes.get("time_units", ""):
            # The archive's numbers are hours since its reference date, whatever the units say.
            changes = {**changes, "first_day": day * 60}
        paths.append(write_daily_file(tmp_path / f"{day}.nc", DailyFile(first_day=day), **changes))
    shuffled.shuffle(paths)  # type: ignore[attr-defined]
    try:
        cube = vz.open_virtual_mfdataset(paths)
    except VzlabError:
        return
    group = vz.datasets.dataset_to_group(cube)
    with xr.set_options(keep_attrs=True):
        mine = xr.open_zarr(vz.ManifestStore(group), chunks=None)
    expected = native(paths)
    np.testing.assert_array_equal(cube.time.values, expected.time.values)
    assert mine.sst.dtype == expected.sst.dtype
    np.testing.assert_array_equal(mine.sst.values, expected.sst.values)
