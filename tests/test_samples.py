"""Sample archives are what their descriptions say, and the same bytes from every run."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import eccodes
import netCDF4
import numpy as np
import pytest
import rasterio

import vzlab as vz
from tests.check import ROOT


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


def test_a_short_archive_ends_with_the_odd_file(tmp_path: Path) -> None:
    archive = vz.samples.make_daily_archive(tmp_path, n_files=3)
    assert archive.odd_file == archive.files[2]
    with netCDF4.Dataset(archive.odd_file) as file:
        assert file["sst"].scale_factor == 0.1


def digests(folder: Path) -> dict[str, str]:
    """Of every file that every maker makes in a folder."""
    for name, make in vz.samples.MAKERS.items():
        make(folder / name)
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_every_sample_is_small_and_byte_identical(tmp_path: Path) -> None:
    first = digests(tmp_path / "a")
    assert digests(tmp_path / "b") == first
    assert {name.partition("/")[0] for name in first} == set(vz.samples.MAKERS)
    for name in vz.samples.MAKERS:
        assert sum(path.stat().st_size for path in (tmp_path / "a" / name).iterdir()) < 2e6


@pytest.mark.slow
def test_another_process_makes_the_same_bytes(tmp_path: Path) -> None:
    program = (
        "import json, sys; from pathlib import Path; from tests.test_samples import digests; "
        "print(json.dumps(digests(Path(sys.argv[1]))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "b")],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo"},
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    assert json.loads(done.stdout) == digests(tmp_path / "a")


def test_february_of_a_leap_year_has_its_day(tmp_path: Path) -> None:
    archive = vz.samples.make_daily_archive(
        tmp_path, first_day=date(2024, 2, 27), n_files=4, odd=0, missing=4
    )
    assert [path.stem for path in archive.files][1:3] == ["sst_2024-02-28", "sst_2024-02-29"]


def test_the_model_run_is_staggered_and_has_groups(tmp_path: Path) -> None:
    run = vz.samples.make_model_run(tmp_path, n_files=2)
    hours = []
    for path in run.files:
        with netCDF4.Dataset(path) as file:
            assert file["temp"].dimensions == ("ocean_time", "s_rho", "y", "x")
            assert (file["u"].shape[-1], file["v"].shape[-2]) == (len(file["x"]) - 1, len(file["y"]) - 1)
            assert file.dimensions["ocean_time"].isunlimited()
            assert file["grid/h"].dimensions == ("y", "x")
            assert file["forcing/stress"].dimensions == ("ocean_time", "component")
            masked = np.ma.getmaskarray(file["temp"][0, 0])
            assert np.array_equal(masked, file["grid/mask_rho"][:] == 0)
            assert 0 < masked.sum() < masked.size / 2
            assert 0 < file["temp"][:].min() < file["temp"][:].max() < 30
            hours += file["ocean_time"][:].tolist()
    assert hours == [6.0 * n for n in range(8)]


def test_the_scan_is_packed_on_a_grid_of_angles(tmp_path: Path) -> None:
    scan = vz.samples.make_scan(tmp_path)
    assert [path.name[:30] for path in scan.files] == sorted(path.name[:30] for path in scan.files)
    with netCDF4.Dataset(scan.files[0]) as file:
        assert file["Rad"].grid_mapping in file.variables
        assert file["goes_imager_projection"].perspective_point_height == 35786023.0
        assert abs(file["x"][:]).max() < 0.2
        assert (np.diff(file["y"][:]) < 0).all()
        radiance = file["Rad"][:]
        assert 0 < radiance.min() < radiance.max() < 200
        assert np.array_equal(np.ma.getmaskarray(radiance), file["DQF"][:] == 2)


def test_the_swath_has_places_in_two_dimensions_strings_and_a_short_granule(tmp_path: Path) -> None:
    swath = vz.samples.make_swath(tmp_path)
    lines = []
    for path in swath.files:
        with netCDF4.Dataset(path) as file:
            lines.append(len(file.dimensions["line"]))
            assert file["latitude"].dimensions == ("line", "pixel")
            assert file["quality"].dtype is str
            assert set(file["quality"][:]) <= {"good", "calibration lost at both ends"}
            assert b"".join(file["mode"][1].data) in {b"NOMINAL ", b"CALIB   "}
            assert 150 < file["tb_37v"][:].min() < file["tb_37v"][:].max() < 320
    assert lines == [64, 64, 51]


def test_the_forecast_is_what_eccodes_reads(tmp_path: Path) -> None:
    forecast = vz.samples.make_forecast(tmp_path, n_steps=2)
    for hours, path in zip((0, 6), forecast.files, strict=True):
        found = []
        with path.open("rb") as stream:
            while (message := eccodes.codes_grib_new_from_file(stream)) is not None:
                found.append((eccodes.codes_get(message, "shortName"), eccodes.codes_get(message, "level")))
                assert eccodes.codes_get(message, "step") == hours
                values = eccodes.codes_get_values(message)
                assert values.size == 37 * 72
                assert np.ptp(values) > 5
                eccodes.codes_release(message)
        assert found == [("2t", 2), ("10u", 10), ("10v", 10), ("msl", 0), ("t", 850), ("t", 500)]


def test_the_scenes_are_placed_and_have_overviews(tmp_path: Path) -> None:
    scenes = vz.samples.make_cogs(tmp_path, n_files=2)
    with rasterio.open(scenes.files[0]) as file:
        assert file.overviews(1) == [2, 4]
        assert file.crs.to_epsg() == 32632
        assert file.block_shapes == [(128, 128)]
        assert file.transform[:6] == (10.0, 0.0, 399960.0, 0.0, -10.0, 5600040.0)
        assert file.nodata == 0
        assert 0 < (file.read(1) == 0).sum() < 0.2 * 512 * 512
