"""The app with many people at once: ``python -m benchmarks.app_sessions`` drives real sessions of a real server.

Each session opens a store of a million chunks (by default another one each) and selects chunks in it. Told are how long
that takes, and how much memory the server has.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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
    open_s: tuple[float, ...]
    """From asking to the explorer, in each session."""
    select_s: tuple[float, ...]
    """From a selection to what it costs, each."""
    before_bytes: int
    peak_bytes: int
    after_bytes: int
    """Resident memory of the server."""


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


@contextmanager
def server(folder: Path, stores: Sequence[Path]) -> Iterator[tuple[str, int]]:
    """Give url and process id of ``vzlab app``."""
    # One that is small comes first: the first is opened by every session.
    command = [
        sys.executable,
        "-m",
        "vzlab",
        "app",
        *map(str, stores),
        "--port",
        "0",
        "--no-browser",
        "--root",
        str(folder),
    ]
    log = folder / "server.log"
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            while (found := re.search(r"http://\S+", log.read_text())) is None:
                if process.poll() is not None:
                    raise RuntimeError(log.read_text())
                time.sleep(0.1)
            yield found.group(), process.pid
        finally:
            process.terminate()
            process.wait(30)


def resident_bytes(pid: int, what: str = "VmRSS") -> int:
    """Memory of a process, as Linux tells it."""
    (kilobytes,) = re.findall(rf"{what}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(kilobytes) * 1024


class Visitor:
    """One session, by Bokeh's own client."""

    def __init__(self, url: str) -> None:
        import panel.models
        from bokeh.client import pull_session

        import vzlab.webapp.explorer_component  # noqa: F401 - the client must know every model too

        assert panel.models
        self.session = pull_session(url=url.rstrip("/"))

    def close(self) -> None:
        """Leave."""
        self.session.close()

    def model(self, name: str) -> Any:
        """The first model of a kind."""
        found = [each for each in self.session.document.models if type(each).__name__ == name]
        return found[0] if found else None

    def open(self, location: Path) -> float:
        """Choose one of the locations that are offered, and wait for the explorer; gives seconds."""
        (offered,) = [
            each for each in self.session.document.models if getattr(each, "title", None) == "Offered here"
        ]
        began = time.perf_counter()
        choices = offered.options
        offered.value = next(
            each[0] if isinstance(each, tuple | list) else each
            for each in choices
            if location.name in str(each)
        )
        self._until(
            lambda: (component := self.model("AnyWidgetComponent")) is not None and component.data.spec
        )
        return time.perf_counter() - began

    def select(self, row: int, column: int) -> float:
        """Select a chunk, and wait for what is told of it; gives seconds."""
        data = self.model("AnyWidgetComponent").data
        chunks = [[row, row + 1], [column, column + 1]]
        title = f"({row}, {column})"
        began = time.perf_counter()
        data.selection = {"variable": "a", "chunks": chunks}
        self._until(lambda: title in str((data.detail or {}).get("title", "")))
        return time.perf_counter() - began

    def _until(self, test: Any) -> None:
        began = time.perf_counter()
        while not test():
            if time.perf_counter() - began > PATIENT_S:
                raise TimeoutError("the app does not answer")
            self.session.force_roundtrip()
            time.sleep(0.01)


def measure(
    folder: Path, title: str, stores: Sequence[Path], n_sessions: int, grid: tuple[int, int]
) -> Measured:
    """Let a crowd in at once."""
    with server(folder, stores) as (url, pid):
        first = Visitor(url)  # what every server loads once
        first.open(stores[0])
        first.close()
        before = resident_bytes(pid)
        together = threading.Barrier(n_sessions)

        def visit(number: int) -> tuple[float, list[float]]:
            visitor = Visitor(url)
            together.wait(PATIENT_S)
            took = visitor.open(stores[1 + number % (len(stores) - 1)])
            random = np.random.default_rng(number)
            selects = [visitor.select(*map(int, random.integers(0, grid[0], 2))) for _ in range(SELECTIONS)]
            together.wait(PATIENT_S)  # nobody leaves before all have seen theirs
            visitor.close()
            return took, selects

        with ThreadPoolExecutor(n_sessions) as pool:
            found = list(pool.map(visit, range(n_sessions)))
        return Measured(
            title=title,
            n_sessions=n_sessions,
            n_chunks=grid[0] * grid[1],
            open_s=tuple(took for took, _ in found),
            select_s=tuple(each for _, selects in found for each in selects),
            before_bytes=before,
            peak_bytes=resident_bytes(pid, "VmHWM"),
            after_bytes=resident_bytes(pid),
        )


def report(found: Sequence[Measured]) -> str:
    """The measurements as a table."""
    head = (
        "| sessions at once | chunks each | opened: median, most | a selection: median, most | memory before, most, after |\n"
        "| --- | ---: | ---: | ---: | ---: |"
    )
    rows = [
        f"| {m.n_sessions}, {m.title} | {m.n_chunks:,} | {statistics.median(m.open_s):.1f} s, {max(m.open_s):.1f} s | "
        f"{1000 * statistics.median(m.select_s):.0f} ms, {1000 * max(m.select_s):.0f} ms | "
        f"{m.before_bytes / 1e6:.0f}, {m.peak_bytes / 1e6:.0f}, {m.after_bytes / 1e6:.0f} MB |"
        for m in found
    ]
    return "\n".join([head, *rows])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.app_sessions", description=__doc__)
    parser.add_argument("--sessions", type=int, default=SESSIONS)
    parser.add_argument("--side", type=int, default=GRID[0], help="chunks along each side of a store")
    options = parser.parse_args(arguments)
    grid = (options.side, options.side)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = make_store(folder, "small", (2, 2))
        stores = [make_store(folder, f"store_{number}", grid) for number in range(options.sessions)]
        found = [
            measure(folder, "of one store", [small, stores[0]], options.sessions, grid),
            measure(folder, "each of another store", [small, *stores], options.sessions, grid),
        ]
    print(f"{report(found)}\n\n{setting(form='A server and its visitors on one machine')}")


if __name__ == "__main__":
    main()
