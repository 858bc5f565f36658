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
NOTE = (
    "Processor time in a fresh interpreter, bytecode compiled already. The first look is everything from the start of the "
    "interpreter to the text of a small file: by `vz.inspect`, and by xarray opening it."
)

_LOOK = "import {0}; {1}; import time; print(time.process_time())"
_PROGRAM = "import time; start = time.process_time(); import {}; print(time.process_time() - start)"


def cases(scale: Scale, files: Files) -> Iterator[Case]:
    """The statement, and the first thing that is done with it."""
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
    yield Case(
        topic=TOPIC,
        title="First look at a file, CPU",
        contestants={
            "vzlab": partial(_look, files, "vzlab as vz", "str(vz.inspect({!r}))"),
            "xarray": partial(_look, files, "xarray as xr", "str(xr.open_dataset({!r}, engine='h5netcdf'))"),
        },
        goal=Goal(at_most=1.5, any_size=True),
        repeats=scale.slow_repeats,
        warm_up=False,
    )


def _look(files: Files, module: str, expression: str) -> Measure:
    program = _LOOK.format(module, expression.format(str(files.small(0))))
    return lambda: _printed(program)


def _import(*modules: str) -> Measure:
    for module in modules:
        importlib.import_module(module)  # says which one is not installed
    program = _PROGRAM.format(", ".join(modules))

    return lambda: _printed(program)


def _printed(program: str) -> float:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return float(done.stdout)
