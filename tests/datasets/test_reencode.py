"""The odd files' chunks are encoded as the others', beside references, without loss or not at all."""

import json
from pathlib import Path

import h5py
import icechunk
import numpy as np
import pytest
import xarray as xr

import vzlab as vz
from tests.archives import DailyFile, write_daily_file, write_daily_files
from tests.datasets.archives_that_differ import (
    archive_with,
    assert_reads_as,
    flip_latitude,
    native,
    read_virtual,
    transpose_variable,
)
from tests.writers.stores import read_icechunk
from vzlab.datasets import ReencodingPlan, is_virtual, reencode_plan
from vzlab.datasets.assemble import references_of
from vzlab.errors import IncompatibleArraysError, IncompatibleFilesError, MemoryBudgetError


def mended(files: list[Path], **options: object) -> xr.Dataset:
    return vz.open_virtual_mfdataset(files, on_mismatch="reencode", **options)


@pytest.mark.parametrize(
    "changes",
    [
        {"scale_factor": 0.1},
        {"add_offset": 200.15},
        {"fill_value": -999},
        {"dtype": "<i4"},
        {"dtype": ">i2"},
        {"shuffle": False},
        {"compression_level": None},
        {"fletcher32": True},
        {"chunks": (1, 10, 10)},
        {"chunks": (4, 10, 20)},
        {"chunks": None, "compression_level": None},
    ],
    ids=str,
)
def test_chunks_of_the_odd_file_become_inline_ones_that_read_as_before(tmp_path: Path, changes: dict) -> None:
    files = archive_with(tmp_path, n_days=3, **changes)
    with pytest.raises(IncompatibleFilesError):
        vz.open_virtual_mfdataset(files)
    cube = mended(files)
    manifest = references_of(cube.sst.variable).manifest
    assert manifest.n_inline == 16, "one file of 4 times in chunks of (1, 5, 10)"
    assert manifest.n_virtual == 32
    assert_reads_as(cube, files)


def test_the_one_file_that_is_not_packed_is_packed(tmp_path: Path) -> None:
    files = archive_with(
        tmp_path, dtype="<f4", scale_factor=None, add_offset=None, fill_value=None, missing_cells=False
    )
    measured = DailyFile(first_day=1).decoded_values().astype("f4")
    with h5py.File(files[1], "r+") as file:
        file["sst"][...] = measured
    cube = mended(files)
    assert references_of(cube.sst.variable).dtype == np.dtype("i2")
    np.testing.assert_allclose(read_virtual(cube).sst[4:8], measured, rtol=1.2e-7)
    with h5py.File(files[1], "r+") as file:
        file["sst"][0, 0, 1] += 0.003
    with pytest.raises(IncompatibleArraysError, match="would become"):
        mended(files)


def test_virtual_and_native_chunks_stand_side_by_side_in_icechunk(tmp_path: Path) -> None:
    files = archive_with(tmp_path / "archive", n_days=3, scale_factor=0.1)
    storage = icechunk.in_memory_storage()
    written = mended(files).vzlab.to_icechunk(storage)
    assert (written.n_virtual, written.n_native) == (32, 16)
    np.testing.assert_allclose(read_icechunk(storage).sst, native(files).sst, rtol=1e-6)


def test_the_plan_says_what_will_be_done(tmp_path: Path) -> None:
    files = archive_with(tmp_path, n_days=3, scale_factor=0.1, shuffle=False)
    plan = reencode_plan(files)
    assert isinstance(plan, ReencodingPlan)
    with h5py.File(files[1]) as file:
        stored = sum(file["sst"].id.get_chunk_info(i).size for i in range(16))
    assert (plan.n_chunks, plan.stored_bytes, plan.decoded_bytes) == (16, stored, 4 * 10 * 20 * 2)
    assert "16 chunks of 1 of 3 files" in str(plan)
    assert "sst in sst_20240102.nc: 16 chunks (codecs, packing)" in str(plan)
    assert "codecs, packing" in plan._repr_html_()
    assert "sst_20240102.nc" in plan.to_html(tmp_path / "plan.html").read_text()
    assert max(map(len, plan.to_text(width=60).splitlines())) <= 60
    assert json.loads(json.dumps(plan.to_dict()))["steps"][0]["like"] == "sst_20240101.nc"


def test_equal_files_need_no_plan(tmp_path: Path) -> None:
    plan = reencode_plan(write_daily_files(tmp_path, n_days=2))
    assert str(plan) == "Nothing to encode again."
    assert "Nothing to encode again." in plan._repr_html_()


def test_a_loss_of_precision_is_refused_unless_allowed(tmp_path: Path) -> None:
    files = archive_with(tmp_path, scale_factor=0.001)
    with pytest.raises(IncompatibleArraysError, match=r"'sst' of sst_20240102.nc.*would become.*precision"):
        mended(files)
    cube = mended(files, allow="precision")
    expected = native(files).sst.values
    np.testing.assert_allclose(read_virtual(cube).sst.values, expected, atol=0.00501)


def test_numbers_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    files = archive_with(tmp_path, scale_factor=1.0)
    with pytest.raises(IncompatibleArraysError, match=r"cannot be stored as int16 with scale_factor 0\.01"):
        mended(files, allow="precision")


def test_a_number_that_would_be_masked_is_refused(tmp_path: Path) -> None:
    files = archive_with(tmp_path, fill_value=-1)
    with h5py.File(files[1], "r+") as file:
        file["sst"][0, 3, 3] = -32767
    with pytest.raises(IncompatibleArraysError, match="-32767, which means missing in the other files"):
        mended(files)


def test_missing_values_need_a_number_that_says_so(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path, n_days=3, fill_value=None)
    write_daily_file(files[1], DailyFile(first_day=1))
    with pytest.raises(IncompatibleArraysError, match="no number of int16 that means missing"):
        mended(files)


def test_units_of_a_quantity_are_not_converted(tmp_path: Path) -> None:
    files = archive_with(tmp_path, units="degree_C")
    with pytest.raises(IncompatibleFilesError, match="other units"):
        mended(files)


def test_a_virtual_time_is_counted_from_the_others_date(tmp_path: Path) -> None:
    files = archive_with(tmp_path, n_days=3, first_day=0, time_units="hours since 2024-01-02 00:00:00")
    options = {"loadable_variables": [], "concat_dim": "time", "combine": "nested"}
    with pytest.raises(IncompatibleFilesError, match="stored 10 there means 2024-01-02T10:00:00"):
        vz.open_virtual_mfdataset(files, **options)
    cube = read_virtual(mended(files, **options))
    np.testing.assert_array_equal(cube.time.values, native(files).time.values)


def test_calendars_are_not_mixed(tmp_path: Path) -> None:
    files = archive_with(tmp_path, n_days=3, calendar="noleap")
    with pytest.raises(IncompatibleArraysError, match=r"'noleap'.*'standard'"):
        mended(files, loadable_variables=[], concat_dim="time", combine="nested")


def test_only_what_was_never_written_differs(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path, n_days=3)
    for i, fill in enumerate((7, 9, 9)):
        with h5py.File(files[i], "r+") as file:
            attributes = dict(file["sst"].attrs)
            del file["sst"]
            variable = file.create_dataset(
                "sst", (4, 10, 20), "<i2", chunks=(1, 5, 10), maxshape=(None, 10, 20), fillvalue=fill
            )
            variable[1:] = DailyFile(first_day=i).stored_values()[1:]
            for axis, name in enumerate(("time", "lat", "lon")):
                variable.dims[axis].attach_scale(file[name])
            variable.attrs.update(
                {k: attributes[k] for k in ("_FillValue", "scale_factor", "add_offset", "units")}
            )
    plan = reencode_plan(files)
    assert (len(plan.steps), plan.n_chunks, plan.stored_bytes) == (1, 0, 0)
    cube = mended(files)
    assert references_of(cube.sst.variable).manifest.n_virtual == 36, "every written chunk stays where it is"
    assert_reads_as(cube, files)


def test_a_transposed_file_is_found_explained_and_turned(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path, n_days=3)
    transpose_variable(files[2])
    report = vz.check_combine(files)
    finding = report.cell("sst", "shape, dtype")
    assert finding.severity == "needs re-encoding"
    assert "axes in another order in sst_20240103.nc (over (time, lon, lat)" in finding.sentence
    assert_reads_as(mended(files), files)


def test_an_upside_down_file_is_found_explained_and_turned_round(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path, n_days=3)
    expected = native(files)
    flip_latitude(files[1])
    report = vz.check_combine(files)
    finding = report.cell("lat", "coordinates")
    assert finding.severity == "needs re-encoding"
    assert (
        "lat runs the other way in sst_20240102.nc: from 45.0 to -45.0, not from -45.0 to 45.0"
        in finding.sentence
    )
    cube = mended(files)
    np.testing.assert_array_equal(cube.lat, expected.lat)
    np.testing.assert_array_equal(read_virtual(cube).sst, expected.sst)
    loaded = vz.open_virtual_mfdataset(files, on_mismatch="load")
    np.testing.assert_array_equal(loaded.sst, expected.sst)


def test_memory_is_bounded(tmp_path: Path) -> None:
    files = archive_with(tmp_path, scale_factor=0.1)
    with pytest.raises(MemoryBudgetError, match="memory_bytes"):
        mended(files, memory_bytes=1_000)
    with pytest.raises(MemoryBudgetError, match="memory_bytes"):
        vz.open_virtual_mfdataset(files, on_mismatch="load", memory_bytes=1_000)
    chunk_by_chunk = mended(files, memory_bytes=6_000)
    assert references_of(chunk_by_chunk.sst.variable).manifest.n_inline == 16
    assert_reads_as(chunk_by_chunk, files)


def test_what_differs_is_loaded_when_asked_and_the_rest_stays_virtual(tmp_path: Path) -> None:
    files = archive_with(tmp_path, scale_factor=0.001)
    with h5py.File(files[0]) as file:
        shape = file["sst"].shape
    for path in files:
        with h5py.File(path, "r+") as file:
            mask = file.create_dataset("mask", data=np.ones(shape, "i1"), chunks=(1, 5, 10))
            for axis, name in enumerate(("time", "lat", "lon")):
                mask.dims[axis].attach_scale(file[name])
    cube = vz.open_virtual_mfdataset(files, on_mismatch="load")
    assert not is_virtual(cube.sst)
    assert is_virtual(cube.mask)
    np.testing.assert_array_equal(cube.sst, native(files).sst)
    assert "scale_factor" not in cube.sst.encoding
