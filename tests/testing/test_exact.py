"""Every chunk compared: once on each side, within the memory allowed, and again from where it was stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import vzlab as vz
import vzlab.testing as vt
from tests.archives import write_daily_files
from tests.testing.cubes import join_in_order
from vzlab.storage import RequestLog, StoreRegistry
from vzlab.testing import exact, native_files

LIMIT = 200_000
"""Bytes: 12 chunks of `many_chunks` a time."""


@pytest.fixture(scope="module")
def many_chunks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ninety-six chunks of one variable, of which some have never been written."""
    path = tmp_path_factory.mktemp("exact") / "many.h5"
    with h5py.File(path, "w") as file:
        x = file.create_dataset("x", (96, 16, 32), "f4", chunks=(1, 16, 32), compression="gzip", fillvalue=-1)
        x[:90] = np.random.default_rng(0).normal(size=(90, 16, 32))
    return path


def chunk_requests(log: RequestLog) -> list[tuple[int, int]]:
    return [(request.offset, request.length) for request in log.requests if request.kind == "chunk"]


def test_each_chunk_is_fetched_once(many_chunks: Path) -> None:
    log = RequestLog()
    group = vz.open_group(many_chunks)
    comparison = vt.compare(
        group, many_chunks, exact=True, memory_limit=LIMIT, registry=StoreRegistry(log=log)
    )
    assert comparison.verdict == "PASS", str(comparison)
    assert all(level.checked == level.total for level in comparison.levels)
    requests = chunk_requests(log)
    assert len(set(requests)) == 90
    assert len(requests) <= 90 + 4  # the first and the last chunk are decoded and their bytes read too
    assert sum("were not read" in note for note in comparison.notes) == 1


_STOPPED = """
import os, signal, sys
import vzlab as vz
from vzlab.storage import RequestLog, StoreRegistry

class KilledAtTheSeventieth(RequestLog):
    def add(self, *args, **kwargs):
        super().add(*args, **kwargs)
        if sum(request.kind == "chunk" for request in self.requests) == 70:
            os.kill(os.getpid(), signal.SIGKILL)

path, checkpoint, limit = sys.argv[1:]
vz.compare(
    vz.open_group(path), path, exact=True, memory_limit=int(limit), checkpoint=checkpoint, progress=False,
    registry=StoreRegistry(log=KilledAtTheSeventieth()),
)
"""


def test_a_comparison_that_was_killed_goes_on_and_reads_nothing_twice(
    many_chunks: Path, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "kept.jsonl"
    arguments = [
        sys.executable,
        "-W",
        "ignore",
        "-c",
        _STOPPED,
        str(many_chunks),
        str(checkpoint),
        str(LIMIT),
    ]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    kept = [json.loads(line)[0] for line in checkpoint.read_text().splitlines()[1:]]
    assert 1 <= len(kept) <= 8
    with checkpoint.open("a") as file:
        file.write('["x[48:60')  # what a process leaves that is killed as it writes
    rows = {row for key in kept for row in range(*map(int, key[2:].partition(",")[0].split(":")))}
    manifest = vz.open_group(many_chunks).arrays["x"].manifest
    earlier = {(int(manifest.offsets[row, 0, 0]), int(manifest.lengths[row, 0, 0])) for row in rows - {0}}

    log = RequestLog()
    options = {"exact": True, "memory_limit": LIMIT}
    resumed = vt.compare(
        vz.open_group(many_chunks),
        many_chunks,
        checkpoint=checkpoint,
        registry=StoreRegistry(log=log),
        **options,
    )
    assert not earlier & set(chunk_requests(log))
    assert resumed == vt.compare(vz.open_group(many_chunks), many_chunks, **options)
    again = RequestLog()
    vt.compare(
        vz.open_group(many_chunks),
        many_chunks,
        checkpoint=checkpoint,
        registry=StoreRegistry(log=again),
        **options,
    )
    assert chunk_requests(again) == []


def test_findings_come_back_from_a_checkpoint(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path, n_days=2)
    wrong = vt.faults.swapped_chunks(join_in_order(files), "sst")
    first, second = (
        vt.compare(wrong, files, exact=True, checkpoint=tmp_path / "kept.jsonl") for _ in range(2)
    )
    assert first == second
    assert first.verdict == "FAIL"


def test_the_checkpoint_of_another_comparison_is_refused(many_chunks: Path, tmp_path: Path) -> None:
    group = vz.open_group(many_chunks)
    vt.compare(group, many_chunks, exact=True, checkpoint=tmp_path / "kept.jsonl")
    moved = vt.faults.wrong_offset(group, "x")
    with pytest.raises(ValueError, match="not the checkpoint of this comparison"):
        vt.compare(moved, many_chunks, exact=True, checkpoint=tmp_path / "kept.jsonl")
    with pytest.raises(ValueError, match="exact=True"):
        vt.compare(group, many_chunks, checkpoint=tmp_path / "kept.jsonl")


def test_one_wrong_value_among_all_is_found_with_its_place(many_chunks: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.h5"
    other.write_bytes(many_chunks.read_bytes())
    with h5py.File(other, "a") as file:
        file["x"][41, 3, 5] += 1
    comparison = vt.compare(vz.open_group(other), many_chunks, exact=True, memory_limit=LIMIT)
    found = next(finding for finding in comparison.findings if finding.level == "L4")
    assert (found.index, found.chunk) == ((41, 3, 5), (41, 0, 0))
    assert "1 of 512 values" in found.message
    assert comparison.bounds[0].n_differing == 1


@pytest.fixture
def memory_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is with large boxes: a second thread reads ahead, into the memory of boxes before."""
    monkeypatch.setattr(exact, "WORTH_A_THREAD", 1)
    monkeypatch.setattr(native_files, "WORTH_KEEPING", 1)


@pytest.mark.usefixtures("memory_is_used_again")
def test_values_of_a_box_are_not_taken_for_those_of_another(many_chunks: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.h5"
    other.write_bytes(many_chunks.read_bytes())
    rows = (0, 12, 13, 41, 89, 93)
    with h5py.File(other, "a") as file:
        for row in rows:
            # What the box before it has at this place.
            file["x"][row, 3, 5] = file["x"][row - 12, 3, 5]
    comparison = vt.compare(vz.open_group(other), many_chunks, exact=True, memory_limit=LIMIT)
    assert comparison.bounds[0].n_differing == len(rows)
    assert vt.compare(vz.open_group(other), other, exact=True, memory_limit=LIMIT).passed


@pytest.mark.usefixtures("memory_is_used_again")
def test_memory_is_used_again_for_every_type(tmp_path: Path) -> None:
    path = tmp_path / "types.h5"
    n = 96
    numbers = np.random.default_rng(1).integers(0, 100, n)
    columns = {
        "big": numbers.astype(">i2"),
        "half": numbers.astype("f2"),
        "flags": numbers > 50,
        "fixed": numbers.astype("S3"),
        "pairs": np.array([(i, i / 2) for i in numbers.tolist()], [("a", "<i4"), ("b", ">f8")]),
    }
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            file.create_dataset(name, data=values, chunks=(8,))
        file.create_dataset("text", data=[f"{i} and more" for i in numbers], dtype=h5py.string_dtype())
        file["scalar"] = 5
    group = vz.open_group(path)
    compared = vt.compare(group, path, exact=True, memory_limit=10_000, levels=["L4"])
    assert compared.passed, str(compared)
    other = tmp_path / "other.h5"
    other.write_bytes(path.read_bytes())
    with h5py.File(other, "a") as file:
        unlike = int(np.flatnonzero(columns["flags"] != columns["flags"][70])[0])
        for name in columns:
            file[name][70] = file[name][unlike]
    differing = vt.compare(vz.open_group(other), path, exact=True, memory_limit=10_000, levels=["L4"])
    assert {
        bound.variable: bound.n_differing for bound in differing.bounds if bound.n_differing
    } == dict.fromkeys(columns, 1)


def test_numbers_within_the_tolerance_pass_and_the_report_says_so(many_chunks: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.h5"
    with h5py.File(many_chunks) as source, h5py.File(other, "w") as file:
        x = file.create_dataset("x", data=source["x"][:], chunks=(1, 16, 32), fillvalue=-1)
        x[7, 0, 0] += 0.25
    group = vz.open_group(other)
    within = vt.compare(group, many_chunks, exact=True, tolerance=0.5, levels=["L4", "L5"])
    assert within.verdict == "PASS", str(within)
    assert "within 0.5 of stored units" in str(within)
    assert any("1 elements differ by no more" in note for note in within.notes)
    assert vt.compare(group, many_chunks, exact=True, tolerance={"x": 0.1}, levels=["L4"]).verdict == "FAIL"
    with pytest.raises(ValueError, match="no variables"):
        vt.compare(group, many_chunks, tolerance={"y": 1})


def test_a_missing_value_is_within_no_tolerance(tmp_path: Path) -> None:
    for name, value in (("a", 1.0), ("b", np.nan)):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["x"] = np.array([0.0, value])
    comparison = vt.compare(vz.open_group(tmp_path / "a.h5"), tmp_path / "b.h5", levels=["L4"], tolerance=9)
    assert comparison.verdict == "FAIL"


_MEASURED = """
import sys
import vzlab as vz

path, limit = sys.argv[1:]


def peak() -> int:
    return 1024 * int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))


vz.compare(path, path, sample=1, progress=False)  # what is imported and kept whatever the size
before = peak()
comparison = vz.compare(path, path, exact=True, memory_limit=int(limit), progress=False)
print(comparison.verdict, peak() - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize("packed", [False, True])
def test_everything_is_compared_within_the_memory_allowed(tmp_path: Path, *, packed: bool) -> None:
    limit = 40_000_000
    path = tmp_path / "large.h5"
    with h5py.File(path, "w") as file:
        x = file.create_dataset("x", (160, 512, 512), "f4", chunks=(1, 512, 512))
        for row in range(160):
            x[row] = row
        if packed:  # of two attributes that JSON does not tell apart: both sides are decoded
            x.attrs["scale_factor"] = np.float32(0.5)
    arguments = [sys.executable, "-W", "ignore", "-c", _MEASURED, str(path), str(limit)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    verdict, grown = done.stdout.split()
    assert verdict == "PASS"
    assert int(grown) <= limit  # of the 168 MB that each side is
