"""Encoding again, and writing what came of it, stays within its memory budget, whatever the size of the files."""

import copy
import json
import pickle
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import vzlab as vz
from tests.archives import DailyFile, write_daily_file, write_daily_files
from tests.datasets.archives_that_differ import assert_reads_as
from vzlab.datasets.assemble import references_of
from vzlab.manifests import ChunkManifest
from vzlab.manifests.concatenation import concatenate_manifests
from vzlab.manifests.inline import InlineChunks, Spill, SpilledChunk

MIB = 2**20
BUDGET = 16 * MIB
FRAME = (256, 256)

MEASURED = """
import json, re, sys
from pathlib import Path
import icechunk, vzlab as vz

def status(what):
    return 1024 * int(re.search(what + r":\\s+(\\d+)", Path("/proc/self/status").read_text()).group(1))

def reset():
    Path("/proc/self/clear_refs").write_text("5")  # proc(5): the peak starts again from what is held now
    return status("VmRSS")

if __name__ == "__main__":
    icechunk.set_logs_filter("error")
    folder, budget = Path(sys.argv[1]), int(sys.argv[2])
    files = sorted(folder.glob("*.nc"))
    options = dict(combine="nested", concat_dim="time", on_mismatch="reencode", progress=False)
    small = vz.open_virtual_mfdataset(files[:3], **options)  # what is imported, and is no work of this, counts before
    small.vzlab.to_icechunk(folder / "small")
    before = reset()
    cube = vz.open_virtual_mfdataset(files[2:], memory_bytes=budget, **options)
    encoding = status("VmHWM") - before
    before = reset()
    cube.vzlab.to_icechunk(folder / "cube")
    manifest = cube.v.variable.data.manifest
    print(json.dumps({"encoding": encoding, "writing": status("VmHWM") - before, "nbytes": manifest.nbytes,
                      "encoded": int(manifest.lengths[manifest.source_index >= 2**32 - 2].sum())}))
"""


def write_frames(path: Path, n: int, scale: float, first: int) -> None:
    """A file of `n` frames of noise, as they come, packed with a scale."""
    noise = np.random.default_rng(n).integers(-3000, 3000, FRAME, "<i2")
    with h5py.File(path, "w") as file:
        frames = file.create_dataset("v", (n, *FRAME), "<i2", chunks=(1, *FRAME))
        for i in range(n):
            frames[i] = np.roll(noise, i)
        frames.attrs["scale_factor"] = scale
        for axis, name in enumerate(("time", "y", "x")):
            file[name] = np.arange(frames.shape[axis]) + (first if name == "time" else 0)
            file[name].make_scale(name)
            frames.dims[axis].attach_scale(file[name])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
def test_peak_of_memory_stays_within_the_budget(tmp_path: Path) -> None:
    for i, (n, scale) in enumerate([(2, 0.1), (1, 0.01), (1, 0.01), (384, 0.1), (1, 0.01)]):
        write_frames(tmp_path / f"{i}.nc", n, scale, 1000 * i)
    command = [sys.executable, "-c", MEASURED, str(tmp_path), str(BUDGET)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    peak = json.loads(result.stdout)
    assert peak["encoded"] == 384 * 2 * FRAME[0] * FRAME[1] == 3 * BUDGET
    assert peak["nbytes"] <= BUDGET // 2 + 10_000
    assert peak["encoding"] <= 1.05 * BUDGET, peak  # whole pages of memory are counted
    assert peak["writing"] <= 2.1 * BUDGET, peak


def test_what_does_not_fit_is_read_back_from_a_file(tmp_path: Path) -> None:
    plain = {"chunks": (1, 5, 5), "compression_level": None, "shuffle": False}
    files = write_daily_files(tmp_path, n_days=3, **plain)
    write_daily_file(files[1], DailyFile(first_day=1), scale_factor=0.1, **plain)
    cube = vz.open_virtual_mfdataset(files, on_mismatch="reencode", memory_bytes=2_000, progress=False)
    manifest = references_of(cube.sst.variable).manifest
    assert isinstance(manifest.inline, InlineChunks)
    assert any(isinstance(part, SpilledChunk) for part in manifest.inline.parts)
    assert_reads_as(cube, files)


def test_chunks_in_a_file_go_through_joining_copying_and_pickling() -> None:
    spill = Spill(6)
    chunks = [bytes([i]) * 4 for i in range(4)]
    parts = [spill.put(chunk) for chunk in chunks]
    assert [isinstance(part, SpilledChunk) for part in parts] == [False, True, True, True]
    manifest = ChunkManifest.from_inline(parts, (4,))
    held = ChunkManifest.from_inline(chunks, (4,))
    assert manifest == held
    joined = concatenate_manifests([manifest, held, manifest], 0)
    assert list(joined.inline) == chunks * 3
    assert joined.nbytes < held.nbytes * 3
    part = joined.take((slice(2, 5),)).compact()
    assert list(part.inline[:]) == [chunks[2], chunks[3], chunks[0]]
    for copied in (copy.deepcopy(part), pickle.loads(pickle.dumps(part))):
        assert copied == part
    assert isinstance(pickle.loads(pickle.dumps(part)).inline, tuple), "another process has no such file"
