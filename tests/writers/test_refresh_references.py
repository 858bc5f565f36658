"""Kerchunk references of changed files are made anew in JSON and Parquet: those alone, all of them or none."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import vzlab as vz
from tests.archives import write_daily_files
from tests.servers.s3_server import S3Server
from tests.writers.stores import read_kerchunk, read_native, virtual_cube
from vzlab.errors import WriteError
from vzlab.writers import write_kerchunk

KINDS = {
    "JSON": ("refs.json", {"format": "json"}),
    "JSON of Zarr v3": ("refs.json", {"format": "json", "zarr_format": 3}),
    "Parquet": ("refs.parq", {"format": "parquet"}),
}


def write(cube: xr.Dataset, folder: Path, kind: str) -> Path:
    name, options = KINDS[kind]
    write_kerchunk(cube, folder / name, **options)
    return folder / name


def content(target: Path) -> Any:
    """All that a set of references consists of."""
    if target.is_file():
        return json.loads(target.read_bytes())["refs"]
    return {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()}


def replace_second(files: list[Path], folder: Path, **changes: Any) -> None:
    """Put a file of other bytes, and perhaps another encoding, in the place of the second."""
    other = write_daily_files(
        folder, n_days=3, **({"missing_cells": False, "compression_level": 9} | changes)
    )
    shutil.copyfile(other[1], files[1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loaded", [True, False], ids=["times held", "times virtual"])
def test_references_of_a_changed_file_are_made_anew(
    kind: str, loaded: bool, files: list[Path], tmp_path: Path
) -> None:
    target = write(virtual_cube(files, **({} if loaded else {"loadable_variables": []})), tmp_path, kind)
    before = content(target)
    replace_second(files, tmp_path / "other")
    done = vz.refresh(target, files=[files[1]])
    assert (done.urls, done.snapshot_id) == ((files[1].as_uri(),), None)
    assert done.n_references == 16 + (not loaded)
    assert str(done).startswith("Rewritten: ")
    assert vz.verify(target).verdict == "PASS"
    xr.testing.assert_equal(read(target), read_native(files))
    after = content(target)
    assert before.keys() == after.keys()
    changed = {key for key in before if before[key] != after[key]}
    if target.is_file():
        assert changed <= {key for key in before if str(files[1]) in str(before[key])}
        assert not list(tmp_path.glob(".refs*")), "nothing is left beside it"
    else:
        assert changed == {"sst/refs.0.parq", *(() if loaded else ("time/refs.0.parq",))}


def read(target: Path) -> xr.Dataset:
    with xr.open_dataset(target, engine="vzlab") as opened:
        return opened.load()


@pytest.mark.parametrize("kind", ["JSON", "Parquet"])
def test_fsspec_reads_what_was_made_anew(kind: str, files: list[Path], tmp_path: Path) -> None:
    target = write(virtual_cube(files), tmp_path, kind)
    replace_second(files, tmp_path / "other")
    vz.refresh(target, files=[files[1]])
    options = {"remote_protocol": "file"} if kind == "Parquet" else {}
    xr.testing.assert_equal(read_kerchunk(target, **options), read_native(files))


def test_a_verification_names_the_file_that_shrank(files: list[Path], tmp_path: Path) -> None:
    target = write(virtual_cube(files), tmp_path, "JSON")
    replace_second(files, tmp_path / "other", compression_level=9, missing_cells=True)
    smaller = files[1].stat().st_size
    assert smaller != files[0].stat().st_size
    found = vz.verify(target)
    done = vz.refresh(target, found)
    assert done.urls == found.to_virtualize
    assert vz.refresh(target).urls == ()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale_factor": 0.1}, r"scale_factor: 0.01 stored, 0.1 found"),
        ({"chunks": (1, 10, 10)}, "chunk shape"),
        ({"shuffle": False}, "codecs"),
        ({"dtype": "<i4"}, "data type"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_file_that_does_not_fit_any_more_changes_nothing(
    kind: str, changes: dict[str, Any], message: str, files: list[Path], tmp_path: Path
) -> None:
    target = write(virtual_cube(files), tmp_path, kind)
    before = content(target)
    replace_second(files, tmp_path / "other", **changes)
    with pytest.raises(WriteError, match=message):
        vz.refresh(target, files=[files[0], files[1]])
    assert content(target) == before


def test_a_file_of_another_day_is_refused(files: list[Path], tmp_path: Path) -> None:
    target = write(virtual_cube(files), tmp_path, "JSON")
    shutil.copyfile(files[2], files[1])
    with pytest.raises(WriteError, match="'time': its coordinates are others"):
        vz.refresh(target, files=[files[1]])


def test_references_with_generators_are_not_changed_in_part(files: list[Path], tmp_path: Path) -> None:
    target = write(virtual_cube(files), tmp_path, "JSON")
    document = json.loads(target.read_bytes())
    document["gen"] = [{"key": "x/{{i}}", "url": "u", "offset": "1", "length": "1", "dimensions": {"i": [0]}}]
    target.write_text(json.dumps(document))
    os.utime(files[1], (2e9, 2e9))
    with pytest.raises(WriteError, match="generators"):
        vz.refresh(target, files=[files[1]])


@pytest.mark.parametrize("name", ["refs.json", "refs.parq"])
def test_references_in_a_bucket_are_made_anew(
    name: str, s3: S3Server, files: list[Path], tmp_path: Path
) -> None:
    bucket = s3.bucket()
    urls = [bucket.upload(path) for path in files]
    target, options = bucket.url(f"references/{name}"), {"storage_options": s3.storage_options}
    cube = vz.open_virtual_mfdataset(urls, **options)
    cube.vzlab.to_kerchunk(target, format="json" if name.endswith("json") else "parquet", **options)
    replace_second(files, tmp_path / "other")
    bucket.upload(files[1])
    done = vz.refresh(target, files=[urls[1]], **options)
    assert done.n_references == 16
    assert vz.verify(target, **options).verdict == "PASS"
    opened = vz.open_manifest_store(target, **options)
    xr.testing.assert_equal(xr.open_zarr(opened, consolidated=False, chunks=None).load(), read_native(files))
