"""Batches with a ledger: killed anywhere and run again, the result is the same and nothing is there twice."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import icechunk
import numpy as np
import pytest
import xarray as xr

import vzlab as vz
from tests.archives import write_daily_files
from tests.writers.stores import array_over, read_icechunk, read_native, virtual_cube
from vzlab.manifests import ChunkManifest
from vzlab.writers import write_icechunk
from vzlab.writers.batches import LEDGER, cut
from vzlab.writers.plan import ArrayWrite, WritePlan

ROOT = Path(__file__).parents[2]


def steps(path: Path) -> list[tuple[int, int]]:
    """The ledger of a repository's main branch, oldest first."""
    entries = [c.metadata.get(LEDGER) for c in vz.open_icechunk(path).ancestry(branch="main")]
    return [(entry["step"], entry["last"]) for entry in reversed(entries) if entry]


def branches(path: Path) -> set[str]:
    return set(vz.open_icechunk(path).list_branches())


def run(target: Path, how: str, point: str, files: list[Path]) -> int:
    command = [sys.executable, "-m", "tests.writers.batched_write", str(target), how, point, *map(str, files)]
    return subprocess.run(command, check=False, cwd=ROOT, timeout=120, capture_output=True).returncode


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return write_daily_files(tmp_path / "archive", n_days=2)


def test_steps_hold_no_more_than_they_may(files: list[Path], tmp_path: Path) -> None:
    done = write_icechunk(virtual_cube(files), tmp_path / "cube", max_references=6)
    assert steps(tmp_path / "cube") == [(i, 8) for i in range(9)]
    assert branches(tmp_path / "cube") == {"main"}
    assert done.n_virtual == 32
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native(files))


def test_a_finished_job_is_not_done_again(files: list[Path], tmp_path: Path) -> None:
    for _ in range(2):
        done = write_icechunk(virtual_cube(files), tmp_path / "cube", max_references=16)
        assert done.snapshot_id == vz.open_icechunk(tmp_path / "cube").lookup_branch("main")
    assert steps(tmp_path / "cube") == [(0, 2), (1, 2), (2, 2)]


POINTS = ("commit:1:before", "commit:4:after", "reset_branch:1:before", "reset_branch:1:after")


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_killed_and_run_again(point: str, files: list[Path], tmp_path: Path) -> None:
    target = tmp_path / "cube"
    assert run(target, "create", point, files) == -signal.SIGKILL
    before = steps(target)
    assert before in ([], [(i, 8) for i in range(9)])  # readers see nothing of it, or all of it
    assert run(target, "create", "", files) == 0
    assert steps(target) == [(i, 8) for i in range(9)]
    assert branches(target) == {"main"}
    xr.testing.assert_identical(read_icechunk(target), read_native(files))


@pytest.mark.slow
def test_killed_while_appending_and_run_again(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path / "archive", n_days=3)
    target = tmp_path / "cube"
    write_icechunk(vz.open_virtual_dataset(files[0]), target, append_dim="time")
    assert run(target, "append", "commit:3:after", files[1:]) == -signal.SIGKILL
    xr.testing.assert_identical(read_icechunk(target), read_native(files[:1]))
    for _ in range(2):
        assert run(target, "append", "", files[1:]) == 0
    xr.testing.assert_identical(read_icechunk(target), read_native(files))


class _LostError(Exception):
    """Stands for whatever ends a process between two steps."""


def interrupt(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    real = icechunk.Session.commit
    left = [after]

    def commit(self: icechunk.Session, *args: object, **options: object) -> str:
        if left[0] == 0:
            raise _LostError
        left[0] -= 1
        return real(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(icechunk.Session, "commit", commit)


@pytest.mark.parametrize("after", [0, 1, 3])
def test_what_is_left_of_a_job_is_taken_up(
    after: int, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupt(patch, after)
        with pytest.raises(_LostError):
            write_icechunk(virtual_cube(files), tmp_path / "cube", max_references=8)
    write_icechunk(virtual_cube(files), tmp_path / "cube", max_references=8)
    assert steps(tmp_path / "cube") == [(i, 4) for i in range(5)]
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native(files))


def test_a_branch_that_moved_meanwhile_is_planned_for_anew(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cube = virtual_cube(files)
    write_icechunk(cube[["lat"]], tmp_path / "cube", group="first")
    with monkeypatch.context() as patch:
        interrupt(patch, 2)
        with pytest.raises(_LostError):
            write_icechunk(cube, tmp_path / "cube", group="second", max_references=8)
    write_icechunk(cube[["lon"]], tmp_path / "cube", group="third")
    write_icechunk(cube, tmp_path / "cube", group="second", max_references=8)
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube", "second"), read_native(files))
    assert "lon" in read_icechunk(tmp_path / "cube", "third").variables
    assert branches(tmp_path / "cube") == {"main"}


@pytest.mark.parametrize("shape", [(), (0, 3), (7,), (4, 5), (2, 3, 50)])
@pytest.mark.parametrize("most", [1, 6, 1000])
def test_pieces_make_up_the_grid(shape: tuple[int, ...], most: int) -> None:
    offsets = np.arange(int(np.prod(shape)), dtype=np.uint64).reshape(shape)
    manifest = ChunkManifest.from_ranges("file:///x", offsets, np.ones(shape, np.uint64))
    array = ArrayWrite(path="v", document=b"{}", manifest=manifest, chunk_offset=(0,) * len(shape))
    covered = np.zeros(shape, int)
    for step in cut(WritePlan(arrays=(array,)), most):
        assert sum(piece.manifest.n_chunks for piece in step) <= most
        for piece in step:
            box = tuple(
                slice(first, first + n)
                for first, n in zip(piece.chunk_offset, piece.manifest.grid_shape, strict=True)
            )
            covered[box] += 1
            np.testing.assert_array_equal(piece.manifest.offsets, offsets[box])
    assert (covered == 1).all()


def test_inline_chunks_go_in_batches_too(tmp_path: Path) -> None:
    virtual = array_over(tmp_path / "a.bin", np.arange(4, dtype="<i4"), (2,))
    mixed = np.concatenate([virtual, np.arange(4, 9, dtype="i4")])  # type: ignore[call-overload]
    write_icechunk(xr.Dataset({"v": ("x", mixed)}), tmp_path / "cube", max_references=2)
    assert read_icechunk(tmp_path / "cube").v.values.tolist() == [*range(9)]
