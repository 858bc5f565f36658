"""Files that moved, and files that changed: references are rewritten for those alone, in one commit."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import vzlab as vz
from tests.archives import write_daily_files
from tests.servers.s3_server import S3Server
from tests.writers.stores import array_over, read_icechunk, read_native, virtual_cube
from vzlab.errors import WriteError
from vzlab.writers import write_icechunk

# -- moved -------------------------------------------------------------------------------------------------------------


def test_a_repository_follows_its_files(files: list[Path], tmp_path: Path) -> None:
    write_icechunk(virtual_cube(files), tmp_path / "cube")
    native = read_native(files)
    moved = shutil.move(files[0].parent, tmp_path / "moved to here")
    done = vz.relocate(tmp_path / "cube", {str(files[0].parent): str(moved)})
    assert done.n_references == 48
    assert len(done.moved) == 3
    assert vz.verify(tmp_path / "cube").verdict == "PASS"
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), native)


def test_only_what_lies_under_the_prefix_moves(files: list[Path], tmp_path: Path) -> None:
    write_icechunk(virtual_cube(files), tmp_path / "cube")
    (tmp_path / "new").mkdir()
    shutil.move(files[1], tmp_path / "new" / "day.nc")
    done = vz.relocate(tmp_path / "cube", {files[1].as_uri(): (tmp_path / "new" / "day.nc").as_uri()})
    assert dict(done.moved) == {files[1].as_uri(): (tmp_path / "new" / "day.nc").as_uri()}
    xr.testing.assert_identical(
        read_icechunk(tmp_path / "cube"), read_native([files[0], tmp_path / "new" / "day.nc", files[2]])
    )


def test_from_a_disk_to_a_bucket(s3: S3Server, files: list[Path], tmp_path: Path) -> None:
    write_icechunk(virtual_cube(files), tmp_path / "cube")
    bucket = s3.bucket()
    for file in files:
        bucket.upload(file, f"archive/{file.name}")
    vz.relocate(
        tmp_path / "cube",
        {str(files[0].parent): bucket.url("archive")},
        source_options=s3.storage_options,
    )
    native = read_native(files)
    shutil.rmtree(files[0].parent)
    got = read_icechunk(tmp_path / "cube", storage_options=s3.storage_options)
    xr.testing.assert_identical(got, native)


def test_files_that_are_not_at_the_new_place_are_named(files: list[Path], tmp_path: Path) -> None:
    write_icechunk(virtual_cube(files), tmp_path / "cube")
    before = vz.open_icechunk(tmp_path / "cube").lookup_branch("main")
    new = tmp_path / "new"
    new.mkdir()
    shutil.copy(files[0], new)
    (new / files[1].name).write_bytes(b"short")
    with pytest.raises(WriteError, match=r"2 of 3 files are not at their new place.*5 bytes, and .*absent"):
        vz.relocate(tmp_path / "cube", {str(files[0].parent): str(new)})
    assert vz.open_icechunk(tmp_path / "cube").lookup_branch("main") == before


def test_a_prefix_that_nothing_has_is_refused(files: list[Path], tmp_path: Path) -> None:
    write_icechunk(virtual_cube(files), tmp_path / "cube")
    with pytest.raises(WriteError, match="No reference lies where the renaming looks"):
        vz.relocate(tmp_path / "cube", {"s3://elsewhere": "s3://there"})


# -- changed -----------------------------------------------------------------------------------------------------------


def test_changed_files_alone_are_parsed_again(files: list[Path], tmp_path: Path) -> None:
    write_icechunk(virtual_cube(files), tmp_path / "cube")
    other = write_daily_files(tmp_path / "other", n_days=3, missing_cells=False, compression_level=9)
    shutil.copyfile(other[1], files[1])
    os.utime(files[1], (2e9, 2e9))
    report = vz.verify(tmp_path / "cube")
    assert report.to_virtualize == (files[1].as_uri(),)
    done = vz.refresh(tmp_path / "cube", report)
    assert (done.urls, done.n_references) == ((files[1].as_uri(),), 16)
    assert vz.verify(tmp_path / "cube").verdict == "PASS"
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native(files))
    assert vz.refresh(tmp_path / "cube").snapshot_id is None


def test_a_changed_file_of_another_packing_is_refused(files: list[Path], tmp_path: Path) -> None:
    write_icechunk(virtual_cube(files), tmp_path / "cube")
    other = write_daily_files(tmp_path / "other", n_days=3, odd_days={1: {"scale_factor": 0.1}})
    shutil.copyfile(other[1], files[1])
    os.utime(files[1], (2e9, 2e9))
    with pytest.raises(WriteError, match=r"scale_factor: 0.01 stored, 0.1 found"):
        vz.refresh(tmp_path / "cube")
    assert vz.verify(tmp_path / "cube").to_virtualize == (files[1].as_uri(),)


def test_without_coordinates_chunks_say_the_place(tmp_path: Path) -> None:
    import h5py

    parts = []
    for i in range(3):
        with h5py.File(tmp_path / f"{i}.h5", "w") as file:
            file.create_dataset("v", data=np.arange(4, dtype="<i4") + 10 * i, chunks=(2,))
        parts.append(vz.open_virtual_dataset(tmp_path / f"{i}.h5"))
    write_icechunk(xr.concat(parts, "phony_dim_0"), tmp_path / "cube")
    with h5py.File(tmp_path / "1.h5", "w") as file:
        file.attrs["note"] = "x" * 5000
        file.create_dataset("v", data=np.arange(4, dtype="<i4") + 70, chunks=(2,))
    vz.refresh(tmp_path / "cube")
    assert read_icechunk(tmp_path / "cube").v.values.tolist() == [*range(4), *range(70, 74), *range(20, 24)]


def test_datasets_are_renamed(tmp_path: Path) -> None:
    array = array_over(tmp_path / "a.bin", np.arange(4, dtype="<i4"), (2,))
    (tmp_path / "b").mkdir()
    shutil.copy(tmp_path / "a.bin", tmp_path / "b")
    cube = xr.Dataset({"v": ("x", array)}).vzlab.rename_urls(lambda url: url.replace("/a.bin", "/b/a.bin"))
    (tmp_path / "a.bin").unlink()
    write_icechunk(cube, tmp_path / "cube")
    assert read_icechunk(tmp_path / "cube").v.values.tolist() == [0, 1, 2, 3]
