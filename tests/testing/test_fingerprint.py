"""Fingerprints: made once, kept as JSON or in a commit, verified without the native files."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import vzlab as vz
import vzlab.testing as vt
from tests.archives import write_daily_files
from vzlab.errors import CorruptFileError, WriteError
from vzlab.testing.fingerprint import digest_of


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_daily_files(tmp_path_factory.mktemp("archive"), n_days=2)


@pytest.fixture(scope="module")
def cube(files: list[Path]) -> xr.Dataset:
    return vz.open_virtual_mfdataset(files, progress=False)


def test_it_is_kept_as_json_and_read_back_equal(cube: xr.Dataset, tmp_path: Path) -> None:
    made = vz.fingerprint(cube)
    assert vt.Fingerprint.load(made.save(tmp_path / "cube.json")) == made
    assert vt.Fingerprint.from_dict(json.loads(json.dumps(made.to_dict(), allow_nan=False))) == made


def test_digests_are_those_that_the_form_says(files: list[Path]) -> None:
    kept = vz.fingerprint(files[0]).to_dict()["variables"]["sst"]
    with h5py.File(files[0]) as file:
        sst = file["sst"]
        first = sst[tuple(slice(0, n) for n in sst.chunks)].astype("<i2").tobytes()
    expected = hashlib.blake2b(first, digest_size=16).digest()
    assert base64.b64decode(kept["digests"])[:16] == expected


@pytest.mark.parametrize("sample", ["all", 3, 0.5, "auto"])
def test_the_same_cube_passes_in_any_store_without_its_files(
    sample: str | float, cube: xr.Dataset, tmp_path: Path
) -> None:
    made = vz.fingerprint(cube, sample=sample)
    cube.vzlab.to_icechunk(tmp_path / "repo")
    cube.vzlab.to_kerchunk(tmp_path / "cube.json")
    for virtual in (tmp_path / "repo", tmp_path / "cube.json"):
        comparison = vz.compare(virtual, made)
        assert comparison.verdict == "PASS", str(comparison)
        assert "stored values 100 %" in comparison.coverage or sample != "all"


def test_values_that_were_stored_anew_in_other_chunks_pass(files: list[Path], tmp_path: Path) -> None:
    with xr.open_dataset(files[0], decode_cf=False) as opened:
        opened.load().chunk({"time": 3}).to_zarr(tmp_path / "copy.zarr", consolidated=False)
    made = vz.fingerprint(vz.open_virtual_dataset(files[0], loadable_variables=[]))
    comparison = made.verify(tmp_path / "copy.zarr")
    assert not [finding for finding in comparison.findings if finding.level == "L4"], str(comparison)
    assert next(level for level in comparison.levels if level.level == "L4").fraction == 1


def test_a_changed_value_a_lost_attribute_and_a_missing_variable_are_found(
    files: list[Path], tmp_path: Path
) -> None:
    path = Path(shutil.copy(files[0], tmp_path / "day.nc"))
    made = vz.fingerprint(path)
    with h5py.File(path, "a") as file:
        file["sst"][3, 0, 0] += 1
        del file["sst"].attrs["units"]
        del file["lat"].attrs["units"]
    comparison = made.verify(path)
    assert comparison.verdict == "FAIL"
    found = {(finding.level, finding.variable) for finding in comparison.findings}
    assert {("L0", "sst"), ("L4", "sst"), ("L0", "lat")} == found
    wrong = next(finding for finding in comparison.findings if finding.level == "L4")
    assert wrong.chunk == (3, 0, 0)
    assert wrong.source == path.as_uri()
    lacking = vz.open_virtual_dataset(files[0], drop_variables=["sst"])
    assert any("missing" in finding.message for finding in made.verify(lacking).findings)


def test_a_source_that_is_gone_fails(files: list[Path], tmp_path: Path) -> None:
    path = Path(shutil.copy(files[0], tmp_path / "day.nc"))
    group = vz.open_group(path)
    made = vz.fingerprint(group)
    path.unlink()
    comparison = made.verify(group)
    assert comparison.verdict == "FAIL"
    assert any("unreadable" in finding.message for finding in comparison.findings)


def test_it_lives_in_the_commits_of_a_repository(cube: xr.Dataset, tmp_path: Path) -> None:
    cube.vzlab.to_icechunk(tmp_path / "repo")
    repository = vz.open_icechunk(tmp_path / "repo")
    with pytest.raises(KeyError, match="fingerprint"):
        vt.Fingerprint.of_repository(repository)
    made = vz.fingerprint(repository)
    made.commit_to(repository)
    kept = vt.Fingerprint.of_repository(vz.open_icechunk(tmp_path / "repo"))
    assert kept == made
    assert kept.verify(tmp_path / "repo").passed


def test_one_too_large_for_a_commit_is_refused_with_advice(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "many.h5", "w") as file:
        file.create_dataset("x", data=np.zeros(60_000, "i1"), chunks=(1,))
    made = vz.fingerprint(vz.open_group(tmp_path / "many.h5"), memory_limit="64MB")
    with pytest.raises(WriteError, match="sample=100"):
        made.to_metadata()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": "vzlab-fingerprint/9"}'])
def test_what_is_no_fingerprint_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "f.json").write_text(content)
    with pytest.raises(CorruptFileError):
        vt.Fingerprint.load(tmp_path / "f.json")


def test_a_fingerprint_whose_digests_were_cut_is_refused(cube: xr.Dataset) -> None:
    document = vz.fingerprint(cube).to_dict()
    document["variables"]["sst"]["digests"] = document["variables"]["sst"]["digests"][:-24]
    with pytest.raises(CorruptFileError, match="digests"):
        vt.Fingerprint.from_dict(document)


def test_a_sample_says_what_it_bounds(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "many.h5", "w") as file:
        file.create_dataset("x", data=np.arange(2_000, dtype="i2"), chunks=(2,))
    made = vz.fingerprint(tmp_path / "many.h5", sample="auto")
    comparison = made.verify(tmp_path / "many.h5")
    assert comparison.passed
    assert comparison.bounds[0].bad_fraction_at_most <= 0.01
    assert made.variables["x"].n_digests < 400
    assert "between those that were looked at" in comparison.blind_spot


@given(st.lists(st.text(max_size=4), max_size=5), st.lists(st.text(max_size=4), max_size=5))
@settings(max_examples=100, deadline=None)
def test_lists_of_text_have_one_digest_only_if_they_are_one(a: list[str], b: list[str]) -> None:
    left, right = ([item.rstrip("\0") for item in items] for items in (a, b))
    same = digest_of(np.array(a, dtype=object)) == digest_of(np.array(b, dtype=object))
    assert same == (left == right)


def test_bits_count_and_byte_order_and_padding_do_not() -> None:
    assert digest_of(np.array([0.0])) != digest_of(np.array([-0.0]))
    assert digest_of(np.arange(3, dtype=">i4")) == digest_of(np.arange(3, dtype="<i4"))
    packed = np.zeros(2, np.dtype([("a", "i1"), ("b", ">f8")]))
    padded = packed.astype(np.dtype([("a", "i1"), ("b", "<f8")], align=True))
    padded.view(np.uint8)[3] = 7
    assert digest_of(packed) == digest_of(padded)
