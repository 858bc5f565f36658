"""Import, each time in a fresh interpreter."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from functools import partial

from benchmarks.files import Files
from benchmarks.harness import Case, Goal, Measure
from benchmarks.scale import Scale

TOPIC = "Import"
NOTE = "Processor time of the `import` statement in a fresh interpreter, bytecode compiled already."

_PROGRAM = "import time; start = time.process_time(); import {}; print(time.process_time() - start)"


def cases(scale: Scale, _files: Files) -> Iterator[Case]:
    """One case."""
    yield Case(
        topic=TOPIC,
        title="import, CPU",
        contestants={
            "vzlab": partial(_import, "vzlab"),
            "xarray + zarr": partial(_import, "xarray", "zarr"),
            "VirtualiZarr": partial(_import, "virtualizarr"),
            "kerchunk": partial(_import, "kerchunk.hdf"),
        },
        goal=Goal(at_most=1.3, times="xarray + zarr"),
        repeats=scale.slow_repeats,
        warm_up=False,
    )


def _import(*modules: str) -> Measure:
    for module in modules:
        importlib.import_module(module)  # says which one is not installed
    program = _PROGRAM.format(", ".join(modules))

    def fresh() -> float:
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        return float(done.stdout)

    return fresh
