"""How processor time grows with the size of what is worked on."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import vzlab as vz
from benchmarks.files import INDICES, Files, Index
from benchmarks.harness import Case, Goal, Measure
from benchmarks.references import columns_of_files, virtual_array, virtual_dataset
from benchmarks.scale import Scale
from vzlab.manifests import ManifestGroup
from vzlab.manifests.joining import concatenate
from vzlab.parsers import HDF5Parser

TOPIC = "Growth"
NOTE = (
    "Exponents: 1 means that twice as much takes twice as long. Each is the slope of a straight line through the logarithms of "
    "processor time and size, at the three largest of the sizes in the title, the least of one to four measurements of each, "
    "as many of one as of the others, in turn. Before each, memory that is free is given back to the system: else small sizes "
    "find theirs again, and large ones, which glibc gives back by itself, do not. "
    "Small sizes are left out of the line since what everything costs once makes them flatter than they are."
)
MOST_ROUNDS = 4
ENOUGH_S = 20.0
"""Sizes of which measuring took so long are not measured again."""
N_FITTED = 3

type Work = Callable[[], object]
type MakeWork = Callable[[int], Work]
"""Makes ready the work of one size."""


def cases(scale: Scale, files: Files) -> Iterator[Case]:
    """Over chunks, variables and files."""
    for index in INDICES:
        yield _case(f"Parse chunks, {index}", _sizes(scale.growth_parsed), partial(_parse, files, index))
    yield _case("Concatenate references", _sizes(scale.growth_chunks), _concatenate)
    yield _case("Inspect chunks", _sizes(scale.growth_chunks), _inspect)
    yield _case("Write Kerchunk Parquet, references", _sizes(scale.growth_parsed), _write)
    yield _case("Open variables of one file", _sizes(scale.growth_variables), partial(_variables, files))
    yield _case("Open and combine files", _sizes(scale.growth_files), partial(_combine, files))


def _sizes(most: int) -> tuple[int, ...]:
    """From a thousandth to the most, in smaller steps at the upper end."""
    return tuple(sorted({max(1, most // part) for part in (1000, 100, 10, 5, 1)}))


def _case(what: str, sizes: Sequence[int], make: MakeWork) -> Case:
    return Case(
        topic=TOPIC,
        title=f"{what}: {', '.join(f'{n:,}' for n in sizes)}",
        contestants={"vzlab": partial(_exponent, sizes, make)},
        unit="exponent",
        goal=Goal(at_most=1.05),
        repeats=1,
        warm_up=False,
    )


def _exponent(sizes: Sequence[int], make: MakeWork) -> Measure:
    fitted = sizes[-N_FITTED:]

    def measure() -> float:
        for n in sizes[:-N_FITTED]:
            make(n)()  # warms up
        return exponent(fitted, least_seconds([make(n) for n in fitted]))

    return measure


def least_seconds(works: Sequence[Work]) -> list[float]:
    """The least of several measurements of each: of what else the machine does it has least.

    All are measured equally often and in turn: the least of more measurements is less, also of the same work.
    """
    taken = [list[float]() for _ in works]
    for _ in range(MOST_ROUNDS):
        if sum(map(sum, taken)) > ENOUGH_S:
            break
        for work, seconds in zip(works, taken, strict=True):
            gc.collect()
            _give_back()
            start = time.process_time()
            result = work()
            seconds.append(time.process_time() - start)
            del result  # what it takes to throw it away is not counted
    return [min(seconds) for seconds in taken]


def _give_back() -> None:
    """Give free memory back to the system, where the C library can."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Slope of the straight line that fits the logarithms best."""
    x, y = [math.log(n) for n in sizes], [math.log(max(s, 1e-9)) for s in seconds]
    x_mean, y_mean = sum(x) / len(x), sum(y) / len(y)
    spread = sum((a - x_mean) ** 2 for a in x)
    return sum((a - x_mean) * (b - y_mean) for a, b in zip(x, y, strict=True)) / spread


def _parse(files: Files, index: Index, n: int) -> Work:
    path = files.many_chunks(n, index)
    return lambda: HDF5Parser()(path)


def _concatenate(n: int) -> Work:
    parts = [virtual_array(columns) for columns in columns_of_files(n, 10)]
    return lambda: concatenate(parts)


def _inspect(n: int) -> Work:
    joined = concatenate([virtual_array(columns) for columns in columns_of_files(n, 10)])
    group = ManifestGroup(arrays={"x": joined})
    return lambda: vz.inspect(group)


def _write(n: int) -> Work:
    dataset = virtual_dataset(columns_of_files(n, 10))

    def write() -> None:
        with tempfile.TemporaryDirectory() as folder:
            dataset.vzlab.to_kerchunk(f"{folder}/x.parquet", format="parquet")

    return write


def _variables(files: Files, n: int) -> Work:
    path = files.scattered(n, 1_000)
    return lambda: vz.open_virtual_dataset(path)


def _combine(files: Files, n: int) -> Work:
    paths = [files.small(number) for number in range(n)]
    return lambda: vz.open_virtual_mfdataset(paths, progress=False)
