"""A cube with an odd file repaired reads the same; what was encoded anew is judged by its decoded values alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import icechunk
import numpy as np
import pytest
import xarray as xr
import zarr

import vzlab as vz
import vzlab.testing as vt
from tests.archives import write_daily_files
from tests.datasets.archives_that_differ import archive_with, flip_latitude, transpose_variable
from vzlab.codecs.pipeline import encode_chunk
from vzlab.datasets.assemble import references_of
from vzlab.manifests.manifest import INLINE
from vzlab.samples import DailyArchive, make_daily_archive


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> DailyArchive:
    """The demo's archive on a coarse grid: one file has another scale_factor."""
    return make_daily_archive(
        tmp_path_factory.mktemp("demo"), n_files=5, odd=2, shape=(30, 60), chunk_shape=(1, 15, 30)
    )


@pytest.fixture(scope="module")
def repaired(archive: DailyArchive) -> xr.Dataset:
    return vz.open_virtual_mfdataset(list(archive.files), on_mismatch="reencode", progress=False)


def with_one_value_changed(cube: xr.Dataset) -> xr.Dataset:
    """The cube with one number of its last native chunk one step higher."""
    array = references_of(cube.sst.variable)
    manifest, metadata = array.manifest, array.metadata
    at = tuple(np.argwhere(manifest.source_index == INLINE)[-1].tolist())
    position = int(manifest.offsets[at])
    group = vz.datasets.dataset_to_group(cube)
    values = zarr.open_array(vz.ManifestStore(group), path="sst", mode="r")[metadata.chunk_grid.region(at)]
    measured = np.argwhere(values != metadata.fill_scalar)[0]
    values[tuple(measured)] += 1
    chunk = encode_chunk(
        values, codecs=metadata.codecs, data_type=metadata.data_type,
        fill_value=metadata.fill_value, chunk_shape=values.shape,
    )  # fmt: skip
    inline = list(manifest.inline)
    inline[position] = chunk
    lengths = manifest.lengths.copy()
    lengths[at] = len(chunk)
    changed = type(manifest)(
        sources=manifest.sources,
        source_index=manifest.source_index,
        offsets=manifest.offsets,
        lengths=lengths,
        inline=inline,
    )
    return cube.assign(sst=cube.sst.variable._replace(data=replace(array, manifest=changed)))


@pytest.mark.parametrize("exact", [False, True], ids=["sample", "exact"])
def test_a_repaired_cube_passes_and_says_what_was_encoded_anew(
    archive: DailyArchive, repaired: xr.Dataset, exact: bool
) -> None:
    comparison = vz.compare(repaired, list(archive.files), exact=exact, progress=False)
    assert comparison.verdict == "PASS", str(comparison)
    assert comparison.encoded_anew == (("sst", 4),)
    assert "4 chunks of sst encoded anew" in str(comparison).partition("virtual  ")[0]
    assert any(archive.odd_file.name in note and "scale_factor" in note for note in comparison.notes)
    levels = {level.level: level for level in comparison.levels}
    assert levels["L4"].total == levels["L5"].total - 4, "no claim is made of their stored numbers"
    assert all(level.checked == level.total for level in comparison.levels)


def test_a_repaired_cube_in_a_repository_passes(
    archive: DailyArchive, repaired: xr.Dataset, tmp_path: Path
) -> None:
    repaired.vzlab.to_icechunk(tmp_path / "cube")
    comparison = vz.compare(tmp_path / "cube", list(archive.files), progress=False)
    assert comparison.verdict == "PASS", str(comparison)
    assert ("sst", 4) in comparison.encoded_anew


@pytest.mark.parametrize("exact", [False, True], ids=["sample", "exact"])
@pytest.mark.parametrize("written", [False, True], ids=["in memory", "icechunk"])
def test_one_wrong_number_in_one_native_chunk_fails(
    archive: DailyArchive, repaired: xr.Dataset, written: bool, exact: bool
) -> None:
    virtual: object = with_one_value_changed(repaired)
    if written:
        storage = icechunk.in_memory_storage()
        virtual.vzlab.to_icechunk(storage)  # type: ignore[attr-defined]
        credentials = vz.icechunk_credentials(storage)
        virtual = icechunk.Repository.open(storage, authorize_virtual_chunk_access=credentials)
    comparison = vz.compare(virtual, list(archive.files), exact=exact, progress=False)
    assert comparison.verdict == "FAIL"
    (finding,) = comparison.findings
    assert (finding.level, finding.variable) == ("L5", "sst")
    assert finding.message == "values: 1 of 450 values differ"
    assert finding.file.endswith(archive.odd_file.name)


def test_stored_values_alone_do_not_vouch_for_what_was_encoded_anew(
    archive: DailyArchive, repaired: xr.Dataset
) -> None:
    comparison = vz.compare(repaired, list(archive.files), levels=["L0", "L4"], progress=False)
    assert comparison.verdict == "UNVERIFIED"
    assert "L5" in comparison.gaps[0].reason


def test_another_packing_of_references_is_still_a_difference(archive: DailyArchive) -> None:
    honest = vz.open_virtual_dataset(archive.odd_file)
    attributes = {**honest.sst.attrs, "scale_factor": 0.01}
    wrong = honest.assign(sst=honest.sst.assign_attrs(attributes))
    comparison = vz.compare(wrong, archive.odd_file, progress=False)
    assert comparison.verdict == "FAIL"
    assert not comparison.encoded_anew


@pytest.mark.parametrize(
    "changes",
    [
        {"add_offset": 200.15},
        {"fill_value": -999},
        {"dtype": "<i4"},
        {"dtype": ">i2"},
        {"chunks": (1, 10, 10)},
    ],
    ids=str,
)
def test_whatever_was_repaired_passes(tmp_path: Path, changes: dict) -> None:
    files = archive_with(tmp_path, n_days=3, **changes)
    cube = vz.open_virtual_mfdataset(files, on_mismatch="reencode", progress=False)
    comparison = vz.compare(cube, files, progress=False)
    assert comparison.verdict == "PASS", str(comparison)


@pytest.mark.parametrize("how", ["reencode", "load"])
@pytest.mark.parametrize("exact", [False, True])
def test_a_file_that_was_turned_round_is_compared_place_by_place(
    tmp_path: Path, how: str, exact: bool
) -> None:
    files = write_daily_files(tmp_path, n_days=3)
    flip_latitude(files[1])
    cube = vz.open_virtual_mfdataset(files, on_mismatch=how, progress=False)
    comparison = vz.compare(cube, files, exact=exact, progress=False)
    assert comparison.verdict == "PASS", str(comparison)
    assert "lat runs the other way in sst_20240102.nc" in str(comparison)


def test_one_value_of_a_file_that_was_turned_round_is_found_where_it_is(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path, n_days=3)
    flip_latitude(files[1])
    cube = vz.open_virtual_mfdataset(files, on_mismatch="load", progress=False)
    cube.sst[5, 2, 7] += 1  # each file has four times
    comparison = vz.compare(cube, files, progress=False)
    assert comparison.verdict == "FAIL"
    (finding,) = comparison.findings
    assert (finding.index, finding.file) == ((5, 2, 7), files[1].as_uri())
    names = {"virtual": cube}
    exec(finding.snippet, names)
    assert (~np.isclose(names["ours"], names["native"], equal_nan=True)).sum() == 1


def test_a_file_joined_upside_down_is_no_file_that_was_turned_round(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path, n_days=3)
    flip_latitude(files[1])
    days = [vz.open_virtual_dataset(file) for file in files]
    cube = xr.concat(
        days, dim="time", data_vars="minimal", coords="minimal", compat="override", join="override"
    )
    comparison = vz.compare(cube, files, progress=False)
    assert comparison.verdict == "FAIL"
    assert "lat" in {finding.variable for finding in comparison.findings}


@pytest.mark.parametrize("how", ["reencode", "load"])
def test_a_file_of_transposed_variables_is_compared_dimension_by_dimension(tmp_path: Path, how: str) -> None:
    files = write_daily_files(tmp_path, n_days=3)
    transpose_variable(files[1])
    cube = vz.open_virtual_mfdataset(files, on_mismatch=how, progress=False)
    comparison = vz.compare(cube, files, progress=False)
    assert comparison.verdict == "PASS", str(comparison)
    assert "sst has its axes in another order in sst_20240102.nc" in str(comparison)


@pytest.mark.parametrize("exact", [False, True])
def test_a_transposed_cube_is_compared_dimension_by_dimension(tmp_path: Path, exact: bool) -> None:
    files = write_daily_files(tmp_path, n_days=3)
    cube = vz.open_virtual_mfdataset(files, progress=False).transpose("lon", "time", "lat")
    comparison = vz.compare(cube, files, exact=exact, progress=False)
    assert comparison.verdict == "PASS", str(comparison)
    damaged = vt.faults.swapped_chunks(vz.datasets.dataset_to_group(cube), "sst")
    comparison = vz.compare(damaged, files, exact=exact, progress=False)
    assert {finding.level for finding in comparison.findings} >= {"L2", "L3", "L4"}
    finding = next(finding for finding in comparison.findings if finding.level == "L4")
    names = {"virtual": damaged}
    exec(finding.snippet, names)
    assert names["ours"].shape == names["native"].shape
    assert (names["ours"] != names["native"]).any()


def test_a_transposed_file_of_the_same_shape_that_was_joined_as_it_is_fails(tmp_path: Path) -> None:
    square = xr.Dataset(
        {"sst": (("time", "y", "x"), np.arange(16.0).reshape(1, 4, 4))},
        {"time": [0.0], "y": np.arange(4.0), "x": np.arange(4.0)},
    )
    files = [tmp_path / "a.nc", tmp_path / "b.nc"]
    square.to_netcdf(files[0], engine="h5netcdf")
    square.assign_coords(time=[1.0]).transpose("time", "x", "y").to_netcdf(files[1], engine="h5netcdf")
    first, second = (vz.open_virtual_dataset(file, decode_times=False) for file in files)
    second["sst"] = second.sst.variable._replace(dims=("time", "y", "x"))
    comparison = vz.compare(xr.concat([first, second], dim="time"), files, progress=False)
    assert comparison.verdict == "FAIL"
    assert {finding.file for finding in comparison.findings} == {files[1].as_uri()}


def test_a_loss_of_precision_that_was_allowed_must_be_allowed_again(tmp_path: Path) -> None:
    files = archive_with(tmp_path, n_days=3, scale_factor=0.001)
    cube = vz.open_virtual_mfdataset(files, on_mismatch="reencode", allow="precision", progress=False)
    assert vz.compare(cube, files, progress=False).verdict == "FAIL"
    comparison = vz.compare(cube, files, tolerance={"sst": 0.5001}, progress=False)
    assert comparison.verdict == "PASS", str(comparison)
