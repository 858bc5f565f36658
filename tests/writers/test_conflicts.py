"""Several writers at once: what does not touch is merged, what does is planned anew, nothing is lost or half there."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import icechunk
import numpy as np
import pytest
import xarray as xr

import vzlab as vz
from tests.servers.s3_server import S3Server
from tests.writers.stores import read_icechunk, read_native
from vzlab.errors import WriteError
from vzlab.writers import write_icechunk
from vzlab.writers.targets import Target

ROOT = Path(__file__).parents[2]


def meanwhile(monkeypatch: pytest.MonkeyPatch, write: Any, times: int = 1) -> list[int]:
    """Let another writer commit just before this one does; count the commits that were tried."""
    real = Target.commit
    tried: list[int] = []
    inside = [False]

    def commit(self: Target, message: str, metadata: Any = None) -> Any:
        if inside[0]:
            return real(self, message, metadata)
        tried.append(1)
        if len(tried) <= times:
            inside[0] = True
            write(len(tried) - 1)
            inside[0] = False
        return real(self, message, metadata)

    monkeypatch.setattr(Target, "commit", commit)
    return tried


def test_commits_that_do_not_touch_are_merged(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cubes = [vz.open_virtual_dataset(file) for file in files]
    write_icechunk(cubes[0], tmp_path / "cube", group="a")
    tried = meanwhile(monkeypatch, lambda _: write_icechunk(cubes[1], tmp_path / "cube", group="b"))
    write_icechunk(cubes[2], tmp_path / "cube", group="c")
    assert len(tried) == 1
    for group, file in zip("abc", files, strict=True):
        xr.testing.assert_identical(read_icechunk(tmp_path / "cube", group), read_native([file]))


def test_appends_to_the_same_array_come_one_after_the_other(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cubes = [vz.open_virtual_dataset(file) for file in files]
    write_icechunk(cubes[0], tmp_path / "cube", append_dim="time")
    tried = meanwhile(monkeypatch, lambda _: write_icechunk(cubes[1], tmp_path / "cube", append_dim="time"))
    write_icechunk(cubes[2], tmp_path / "cube", append_dim="time")
    assert len(tried) == 2
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native(files))


def test_the_same_append_twice_at_once_is_there_once(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cubes = [vz.open_virtual_dataset(file) for file in files[:2]]
    write_icechunk(cubes[0], tmp_path / "cube", append_dim="time")
    meanwhile(monkeypatch, lambda _: write_icechunk(cubes[1], tmp_path / "cube", append_dim="time"))
    with pytest.raises(WriteError, match="in the store already"):
        write_icechunk(cubes[1], tmp_path / "cube", append_dim="time")
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native(files[:2]))


def test_whoever_comes_second_at_creating_does_not_remove_the_first(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cubes = [vz.open_virtual_dataset(file) for file in files[:2]]
    real = icechunk.Repository.create
    once = [True]

    def create(*args: Any, **options: Any) -> Any:
        if once.pop() if once else False:
            write_icechunk(cubes[0], tmp_path / "cube", append_dim="time")
        return real(*args, **options)

    monkeypatch.setattr(icechunk.Repository, "create", create)
    write_icechunk(cubes[1], tmp_path / "cube", append_dim="time")
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native(files[:2]))


@pytest.mark.slow
def test_two_processes_append_to_one_repository_in_a_bucket(s3: S3Server, tmp_path: Path) -> None:
    bucket = s3.bucket()
    options = s3.storage_options
    target = bucket.url("cube")
    urls = []
    for i in range(3):
        with h5py.File(tmp_path / f"{i}.h5", "w") as file:
            file.create_dataset("v", data=np.arange(4, dtype="<i4") + 10 * i, chunks=(2,))
            file["v"].dims[0].label = "x"
            file.create_dataset("x", data=np.arange(4) + 10 * i).make_scale("x")
            file["v"].dims[0].attach_scale(file["x"])
        urls.append(bucket.upload(tmp_path / f"{i}.h5"))
    first = vz.open_virtual_dataset(urls[0], storage_options=options)
    write_icechunk(first, target, group="g", append_dim="x", storage_options=options)
    go = tmp_path / "go"
    started = []
    for i in (1, 2):
        arguments = [target, json.dumps(options), urls[i], "g", str(tmp_path / f"ready{i}"), str(go)]
        started.append(
            subprocess.Popen([sys.executable, "-m", "tests.writers.appending_writer", *arguments], cwd=ROOT)
        )
    deadline = time.monotonic() + 60
    while not all((tmp_path / f"ready{i}").exists() for i in (1, 2)) and time.monotonic() < deadline:
        time.sleep(0.05)
    go.touch()
    codes = [process.wait(timeout=60) for process in started]
    got = read_icechunk(target, "g", storage_options=options)
    values = got.v.values.tolist()
    # Whoever came second was planned anew: behind the first, or refused because it would come out of order.
    if codes == [0, 0]:
        assert values == [*range(4), *range(10, 14), *range(20, 24)]
    else:
        assert codes == [1, 0]
        assert values == [*range(4), *range(20, 24)]
    assert got.x.values.tolist() == values
