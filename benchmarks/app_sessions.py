"""The app with many people at once: ``python -m benchmarks.app_sessions``.

All sessions of a server in one process, at once: each opens a store of a million chunks and selects chunks in it. Told are
how long that takes and how much memory the process has. What a browser takes to draw it, `benchmarks.exploring` tells.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from benchmarks.table import setting
from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray, SourceFile

SESSIONS = 20
GRID = (1000, 1000)
SELECTIONS = 5
PATIENT_S = 600.0


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one crowd met with."""

    title: str
    n_sessions: int
    n_chunks: int
    open_s: Sequence[float]
    """From asking to the explorer, in each session."""
    select_s: Sequence[float]
    """From a selection to what it costs, each."""
    before_bytes: int
    peak_bytes: int
    after_bytes: int
    """Resident memory of the process that has all sessions."""
    kept_bytes: int
    """What its library counts."""


def make_store(folder: Path, name: str, grid: tuple[int, int]) -> Path:
    """Parquet references to a file of chunks of varied sizes, of which only the length is true."""
    n = grid[0] * grid[1]
    lengths = np.random.default_rng(0).integers(1_000, 9_000, n).astype(np.uint64)
    offsets = (np.cumsum(lengths) - lengths).astype(np.uint64)
    data = folder / "data.bin"
    size = int(lengths.sum())
    if not data.exists():
        with data.open("wb") as file:
            file.truncate(size)
    manifest = ChunkManifest(
        sources=[SourceFile(url=data.as_uri(), size_bytes=size)],
        source_index=np.zeros(grid, np.uint32),
        offsets=offsets.reshape(grid),
        lengths=lengths.reshape(grid),
    )
    metadata = ArrayMetadata.create(
        shape=(grid[0] * 10, grid[1] * 10),
        dtype="f4",
        chunks=(10, 10),
        codecs=({"name": "bytes", "configuration": {"endian": "little"}},
                {"name": "numcodecs.zlib", "configuration": {"level": 4}}),
        dimension_names=("y", "x"),
    )  # fmt: skip
    dataset = xr.Dataset({"a": (("y", "x"), ManifestArray(metadata=metadata, manifest=manifest))})
    target = folder / f"{name}.parquet"
    dataset.vzlab.to_kerchunk(target, format="parquet")
    return target


def resident_bytes(what: str = "VmRSS") -> int:
    """Memory of this process, as Linux tells it."""
    (kilobytes,) = re.findall(rf"{what}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) * 1024


def visit(
    app: Any, store: Path, number: int, grid: tuple[int, int], together: threading.Barrier
) -> tuple[float, list[float]]:
    """Open a store and select chunks, as one person does; gives seconds."""
    together.wait(PATIENT_S)
    began = time.perf_counter()
    app.open(str(store))
    assert app.wait(PATIENT_S), "the app does not answer"
    component = app.explore.bridge.component
    assert component.spec["grid"], app.message.object
    took = time.perf_counter() - began
    random, selects = np.random.default_rng(number), []
    for _ in range(SELECTIONS):
        row, column = map(int, random.integers(0, grid[0], 2))
        began = time.perf_counter()
        component.selection = {"variable": "a", "chunks": [[row, row + 1], [column, column + 1]]}
        assert app.wait(PATIENT_S), "the app does not answer"
        assert f"({row}, {column})" in component.detail["title"]
        selects.append(time.perf_counter() - began)
    together.wait(PATIENT_S)  # nobody leaves before all have seen theirs
    return took, selects


def crowd(folder: Path, stores: Sequence[Path], n_sessions: int, grid: tuple[int, int]) -> dict[str, Any]:
    """Let a crowd in at once: the sessions of one server, which share its library and its gate."""
    import panel as pn

    from vzlab.storage.gate import gated
    from vzlab.webapp import App, Policy
    from vzlab.webapp.library import Library

    policy, library = Policy.of(roots=[folder]), Library()
    with gated(policy):
        first = App(policy=policy, library=library)  # what every server loads once
        first.open(str(folder / "small.parquet"))
        assert first.wait(PATIENT_S)
        pn.panel(first).get_root()
        apps = [App(policy=policy, library=library) for _ in range(n_sessions)]
        roots = [pn.panel(app).get_root() for app in apps]  # what is told to browsers
        before = resident_bytes()
        together = threading.Barrier(n_sessions)
        with ThreadPoolExecutor(n_sessions) as pool:
            found = list(
                pool.map(
                    lambda n: visit(apps[n], stores[n % len(stores)], n, grid, together), range(n_sessions)
                )
            )
        assert len(roots) == n_sessions
        return {
            "open_s": [took for took, _ in found],
            "select_s": [each for _, selects in found for each in selects],
            "before_bytes": before,
            "peak_bytes": resident_bytes("VmHWM"),
            "after_bytes": resident_bytes(),
            "kept_bytes": library.n_bytes,
        }


def measure(
    folder: Path, title: str, stores: Sequence[Path], n_sessions: int, grid: tuple[int, int]
) -> Measured:
    """Measure a crowd in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.app_sessions", "--sessions", str(n_sessions), "--side", str(grid[0]),
               "--crowd", str(folder), *map(str, stores)]  # fmt: skip
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return Measured(
        title=title, n_sessions=n_sessions, n_chunks=grid[0] * grid[1], **json.loads(told.splitlines()[-1])
    )


def report(found: Sequence[Measured]) -> str:
    """The measurements as a table."""
    head = (
        "| sessions at once | chunks each | opened: median, most | selected: median, most | memory before, most, after, kept |\n"
        "| --- | ---: | ---: | ---: | ---: |"
    )
    rows = [
        f"| {m.n_sessions}, {m.title} | {m.n_chunks:,} | {statistics.median(m.open_s):.1f} s, {max(m.open_s):.1f} s | "
        f"{1000 * statistics.median(m.select_s):.0f} ms, {1000 * max(m.select_s):.0f} ms | "
        f"{m.before_bytes / 1e6:.0f}, {m.peak_bytes / 1e6:.0f}, {m.after_bytes / 1e6:.0f}, {m.kept_bytes / 1e6:.0f} MB |"
        for m in found
    ]
    return "\n".join([head, *rows])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.app_sessions", description=__doc__)
    parser.add_argument("--sessions", type=int, default=SESSIONS)
    parser.add_argument(
        "--crowd", nargs="+", type=Path, help="a folder, and stores in it: what a process of its own does"
    )
    parser.add_argument("--side", type=int, default=GRID[0], help="chunks along each side of a store")
    options = parser.parse_args(arguments)
    grid = (options.side, options.side)
    if options.crowd:
        print(json.dumps(crowd(options.crowd[0], options.crowd[1:], options.sessions, grid)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_store(folder, "small", (2, 2))
        first = make_store(folder, "store_0", grid)
        others = [folder / f"store_{number}.parquet" for number in range(1, options.sessions)]
        stores = [first, *(Path(shutil.copytree(first, other)) for other in others)]
        found = [
            measure(folder, "of one store", stores[:1], options.sessions, grid),
            measure(folder, "each of another store", stores, options.sessions, grid),
        ]
    print(f"{report(found)}\n\n{setting(form='Sessions of one process')}")


if __name__ == "__main__":
    main()
