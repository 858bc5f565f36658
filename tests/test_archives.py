"""The archives that tests are made of, held against netCDF4 and xarray's own decoding."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from tests.archives import DailyFile, daily_specs, write_daily_file, write_daily_files


@pytest.mark.parametrize(
    "spec",
    [
        DailyFile(),
        DailyFile(dtype=">i2", compression_level=None, fletcher32=True),
        DailyFile(dtype="<f4", scale_factor=None, add_offset=None, fill_value=None, chunks=(4, 10, 20)),
        DailyFile(chunks=None, compression_level=None),
        DailyFile(chunks=(3, 7, 9), driver_options={"libver": "earliest", "userblock_size": 512}),
    ],
    ids=["packed", "big-endian-checksummed", "plain-float", "contiguous", "partial-edges-user-block"],
)
def test_daily_file_reads_as_specified(tmp_path: Path, spec: DailyFile) -> None:
    path = write_daily_file(tmp_path / "day.nc", spec)
    with netCDF4.Dataset(path) as dataset:
        variable = dataset["sst"]
        assert variable.dimensions == ("time", "lat", "lon")
        assert variable.chunking() == ("contiguous" if spec.chunks is None else list(spec.chunks))
        assert variable.endian() == ("big" if spec.dtype.startswith(">") else "little")
        assert dataset.dimensions["time"].isunlimited() == (spec.chunks is not None)
        variable.set_auto_maskandscale(False)
        np.testing.assert_array_equal(variable[...], spec.stored_values())
    with xr.open_dataset(path, engine="netcdf4", mask_and_scale=True) as dataset:
        np.testing.assert_allclose(dataset["sst"], spec.decoded_values(), rtol=1e-6)


def test_daily_files_differ_where_asked(tmp_path: Path) -> None:
    odd = {2: {"scale_factor": 0.02}}
    paths = write_daily_files(tmp_path / "a b", n_days=4, missing_days=frozenset({1}), odd_days=odd)
    assert [path.name for path in paths] == ["sst_20240101.nc", "sst_20240103.nc", "sst_20240104.nc"]
    specs = list(daily_specs(n_days=4, missing_days=frozenset({1}), odd_days=odd))
    assert [spec.scale_factor for spec in specs] == [0.01, 0.02, 0.01]
    expected = np.concatenate([spec.decoded_values() for spec in specs])
    with xr.open_mfdataset(paths, engine="netcdf4", combine="by_coords") as dataset:
        assert dataset.sizes == {"time": 12, "lat": 10, "lon": 20}
        assert str(dataset["time"].values[4])[:10] == "2024-01-03"
        np.testing.assert_allclose(dataset["sst"].values, expected, rtol=1e-6)
    assert max(path.stat().st_size for path in paths) < 40_000
