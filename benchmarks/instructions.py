"""Instructions of the hot kernels, which a busy machine changes little: ``python -m benchmarks.instructions``.

The program runs under callgrind, which counts only while a kernel runs; ``callgrind_control`` switches that on and off.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.files import INDICES, Files
from benchmarks.references import columns_of_files, virtual_array

N_CHUNKS = 100_000
MOST_A_CHUNK: dict[str, float] = {
    "parse, v1 B-tree": 540,
    "parse, fixed array": 240,
    "parse, extensible array": 380,
    "parse, v2 B-tree": 860,
    "concatenate": 60,
    "merge ranges": 730,
}
"""Instructions: half as many again as were seen. Parsing has the fixed part of a file in it, and waiting for the counter."""

type Kernel = Callable[[], object]


def kernels(files: Files) -> Iterator[tuple[str, Kernel]]:
    """What is counted, each on as many chunks."""
    import numpy as np

    from vzlab.manifests.joining import concatenate
    from vzlab.parsers import HDF5Parser
    from vzlab.storage.ranges import merge_ranges

    parse = HDF5Parser()
    for index in INDICES:
        path = files.many_chunks(N_CHUNKS, index)
        yield f"parse, {index}", partial(parse, path)
    parts = [virtual_array(columns) for columns in columns_of_files(N_CHUNKS, 10)]
    yield "concatenate", partial(concatenate, parts)
    offsets = np.random.default_rng(0).permutation(N_CHUNKS) * 4096
    lengths, source = np.full(N_CHUNKS, 1000), np.zeros(N_CHUNKS, np.int64)
    yield "merge ranges", partial(merge_ranges, source, offsets, lengths, gap_bytes=100)


def count(folder: Path) -> dict[str, float]:
    """Instructions a chunk of every kernel, counted in a process under valgrind.

    Raises
    ------
    FileNotFoundError
        If valgrind is not installed.
    """
    if shutil.which("valgrind") is None or shutil.which("callgrind_control") is None:
        raise FileNotFoundError("valgrind is not installed: instructions cannot be counted")
    list(kernels(Files(folder=folder)))  # makes the files
    command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--vgdb-poll=1000"]
    with tempfile.TemporaryDirectory() as dumps:
        command += [f"--callgrind-out-file={dumps}/out", sys.executable, "-m", "benchmarks.instructions"]
        environment = {
            **os.environ,
            "PYTHONHASHSEED": "0",
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        subprocess.run(
            [*command, str(folder), dumps], check=True, env=environment, capture_output=True, timeout=900
        )
        found = {}
        for number, (name, _) in enumerate(kernels(Files(folder=folder)), start=1):
            text = Path(dumps, f"out.{number}").read_text(encoding="utf-8")
            totals = re.search(r"^(?:totals|summary): (\d+)", text, flags=re.MULTILINE)
            assert totals is not None
            found[name] = int(totals[1]) / N_CHUNKS
        return found


def _run_counted(folder: Path) -> None:
    """Run each kernel once uncounted, then counted; the dump of each is numbered."""
    ready = [kernel for _, kernel in kernels(Files(folder=folder))]
    for kernel in ready:
        kernel()
    _control("--instr=on")
    for kernel in ready:
        _control("--zero")
        kernel()
        _control("--dump")


def _control(what: str) -> None:
    """Tell the valgrind that runs this process; it listens only while the process does something."""
    process = subprocess.Popen(
        ["callgrind_control", what, str(os.getpid())], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while process.poll() is None:
        time.sleep(0.01)


def main(arguments: list[str]) -> int:
    """Count, print, and give 1 if a kernel takes more than it may; with two arguments be what is counted."""
    if len(arguments) == 2:
        _run_counted(Path(arguments[0]))
        return 0
    over = 0
    for name, instructions in count(Files.in_temporary_folder().folder).items():
        over += instructions > MOST_A_CHUNK[name]
        print(f"{name:25} {instructions:10,.0f} instructions a chunk (at most {MOST_A_CHUNK[name]:,.0f})")
    return int(over > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
