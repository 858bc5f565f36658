"""Sample archives are what their descriptions say, and the same bytes from every run."""

from pathlib import Path

import netCDF4
import numpy as np

import vzlab as vz


def test_the_archive_is_byte_identical_from_run_to_run(tmp_path: Path) -> None:
    first = vz.samples.make_daily_archive(tmp_path / "a")
    second = vz.samples.make_daily_archive(tmp_path / "b")
    assert [f.read_bytes() for f in first.files] == [f.read_bytes() for f in second.files]


def test_the_netcdf_library_reads_it(tmp_path: Path) -> None:
    archive = vz.samples.make_daily_archive(tmp_path)
    with netCDF4.Dataset(archive.files[0]) as file:
        assert {name: len(d) for name, d in file.dimensions.items()} == {"time": 1, "lat": 90, "lon": 180}
        assert file["sst"].dimensions == ("time", "lat", "lon")
        assert -1.8 <= file["sst"][:].min() < file["sst"][:].max() <= 34


def test_one_file_is_odd_and_one_day_is_missing(tmp_path: Path) -> None:
    archive = vz.samples.make_daily_archive(tmp_path)
    scales = {}
    days = []
    for path in archive.files:
        with netCDF4.Dataset(path) as file:
            scales[path] = file["sst"].scale_factor
            days.append(int(file["time"][0]))
    assert [path for path, scale in scales.items() if scale != 0.01] == [archive.odd_file]
    assert sorted(set(np.diff(days))) == [1, 2]
