"""Write references in a process of its own, to see its memory: ``python -m benchmarks.memory icechunk 1000000 set``."""

from __future__ import annotations

import gc
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from benchmarks.references import Columns, columns_of_files

N_FILES = 100
BATCH = 1_000_000
"""References between two commits."""

type Work = Literal["set", "batches"]
"""All references before a commit, or a commit after each batch of them, to a repository on disk."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What work took, once its input was there."""

    seconds: float
    n_bytes: int
    """By which the process grew at most."""


@cache
def taken(contestant: str, n_references: int, work: Work) -> Taken:
    """Have a process do it; once in a run."""
    command = [sys.executable, "-m", "benchmarks.memory", contestant, str(n_references), work]
    folder = Path(__file__).parent.parent
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["it was ended"])[-1])
    return Taken(**json.loads(done.stdout))


def _vzlab(parts: list[Columns], work: Work) -> Callable[[], object]:
    from benchmarks import references
    from benchmarks.writing import session_in_memory
    from vzlab.writers import write_icechunk

    dataset = references.virtual_dataset(parts)
    if work == "set":
        session = session_in_memory()
        return lambda: write_icechunk(dataset, session)
    folder = tempfile.TemporaryDirectory()
    return lambda: write_icechunk(dataset, f"{folder.name}/repository", max_references=BATCH, checksums=False)


def _icechunk(parts: list[Columns], work: Work) -> Callable[[], object]:
    """Its own bulk call, given lists of urls that are ready; manifests are split where a batch ends."""
    import icechunk
    import zarr

    from benchmarks.writing import bulk_call, repository_in, session_in_memory

    if work == "set":
        session, set_references = session_in_memory(), bulk_call(parts)
        return lambda: set_references(session)
    folder = tempfile.TemporaryDirectory()
    rows, shape = parts[0].offsets.shape[0], parts[0].shape
    per_batch = max(1, BATCH // parts[0].offsets.size)
    urls = [[columns.url] * columns.offsets.size for columns in parts]

    def write() -> None:
        storage = icechunk.local_filesystem_storage(f"{folder.name}/repository")
        repository = repository_in(storage, rows_split=rows * per_batch)
        session = repository.writable_session("main")
        zarr.create_array(
            session.store,
            name="x",
            shape=(rows * len(parts), shape[1]),
            chunks=parts[0].chunk_shape,
            dtype="u1",
            compressors=None,
            dimension_names=parts[0].dimension_names,
        )
        session.commit("Structure")
        for first in range(0, len(parts), per_batch):
            session = repository.writable_session("main")
            for number in range(first, min(first + per_batch, len(parts))):
                columns = parts[number]
                session.store.set_virtual_refs_arr(
                    "/x",
                    columns.offsets.shape,
                    urls[number],
                    columns.offsets.reshape(-1),
                    columns.lengths.reshape(-1),
                    arr_offset=(number * rows, 0),
                    validate_containers=True,
                )
            session.commit("References")

    return write


def _virtualizarr(parts: list[Columns], work: Work) -> Callable[[], object]:
    import icechunk

    from benchmarks import virtualizarr_peer
    from benchmarks.writing import repository_in, session_in_memory

    dataset = virtualizarr_peer.virtual_dataset(parts)
    if work == "set":
        session = session_in_memory()
        return lambda: dataset.vz.to_icechunk(session.store)
    folder = tempfile.TemporaryDirectory()

    def write() -> None:
        session = repository_in(icechunk.local_filesystem_storage(folder.name)).writable_session("main")
        dataset.vz.to_icechunk(session.store)
        session.commit("References")

    return write


_CONTESTANTS: dict[str, Callable[[list[Columns], Work], Callable[[], object]]] = {
    "vzlab": _vzlab,
    "icechunk": _icechunk,
    "VirtualiZarr": _virtualizarr,
}


def _resident_bytes(what: Literal["VmRSS", "VmHWM"]) -> int:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    found = re.search(rf"^{what}:\s+(\d+) kB$", status, flags=re.MULTILINE)
    if found is None:
        raise OSError(f"the system does not say {what}")
    return 1024 * int(found[1])


def main(contestant: str, n_references: int, work: Work) -> None:
    """Do one thing and print what it took."""
    # A small write first, so that modules and threads are there.
    _CONTESTANTS[contestant](columns_of_files(1_000, 10), work)()
    write = _CONTESTANTS[contestant](columns_of_files(n_references, N_FILES), work)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the most so far is what there is now
    before, start = _resident_bytes("VmRSS"), time.perf_counter()
    write()
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "n_bytes": _resident_bytes("VmHWM") - before}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])  # type: ignore[arg-type]
