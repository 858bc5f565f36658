"""A repository of two thousand files, compared within a minute or few and in little memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import pytest

import vzlab as vz
import vzlab.oracles.hdf5
from tests.archives import write_daily_file

_COMPARE = """
import sys
import vzlab as vz
folder, repository = sys.argv[1:]
comparison = vz.compare(repository, f"{folder}/*.nc", exact=True, progress=False)
peak_kb = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(comparison.verdict, comparison.n_files, comparison.bounds[0].n_chunks, int(peak_kb) * 1024)
"""


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_two_thousand_files_in_icechunk(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    content = write_daily_file(tmp_path / "first.nc", n_times=1).read_bytes()
    files = [folder / f"{day:04}.nc" for day in range(2_000)]
    for day, path in enumerate(files):
        path.write_bytes(content)
        with h5py.File(path, "r+") as file:
            file["time"][:] = file["time"][:] + 24 * day
            file["sst"][0, 0, 0] = day
    vz.open_virtual_mfdataset(files, progress=False).vzlab.to_icechunk(tmp_path / "cube")
    arguments = [sys.executable, "-W", "ignore", "-c", _COMPARE, str(folder), str(tmp_path / "cube")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    verdict, n_files, n_chunks, peak = done.stdout.split()
    assert (verdict, int(n_files)) == ("PASS", 2_000)
    assert int(n_chunks) >= 2_000
    assert int(peak) < 400e6


def test_variables_look_at_a_file_together_while_it_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = vz.samples.make_daily_archive(tmp_path, n_files=6, shape=(4, 8), chunk_shape=(1, 2, 4), odd=-1)
    files = list(archive.files)
    cube = vz.open_virtual_mfdataset(files, progress=False)
    with h5py.File(files[3], "r+") as file:  # another value in a place of the same length
        file["lat"][1] = 77
    one_by_one = vz.compare(cube, files, progress=False)
    opened: list[str] = []
    monkeypatch.setattr(sys.modules["vzlab.testing.compare"], "MAX_OPEN_FILES", 2)
    monkeypatch.setattr("vzlab.testing.native_files.MAX_OPEN_FILES", 2)
    open_decoded = vzlab.oracles.hdf5.open_decoded
    monkeypatch.setattr(
        "vzlab.oracles.hdf5.open_decoded",
        lambda location, **options: (opened.append(location), open_decoded(location, **options))[1],
    )
    together = vz.compare(cube, files, progress=False)
    assert one_by_one.verdict == together.verdict == "FAIL"
    assert together.findings == one_by_one.findings
    assert together.strata == one_by_one.strata
    assert together.bounds == one_by_one.bounds
    assert together.levels == one_by_one.levels
    # Once for their coordinates, which say their order, and once for all values.
    assert {path: opened.count(path) for path in opened} == {str(path): 2 for path in files}
