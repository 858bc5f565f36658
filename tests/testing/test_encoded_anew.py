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
from tests.datasets.archives_that_differ import archive_with
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


def test_a_loss_of_precision_that_was_allowed_must_be_allowed_again(tmp_path: Path) -> None:
    files = archive_with(tmp_path, n_days=3, scale_factor=0.001)
    cube = vz.open_virtual_mfdataset(files, on_mismatch="reencode", allow="precision", progress=False)
    assert vz.compare(cube, files, progress=False).verdict == "FAIL"
    comparison = vz.compare(cube, files, tolerance={"sst": 0.5001}, progress=False)
    assert comparison.verdict == "PASS", str(comparison)
