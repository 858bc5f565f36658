"""Compare virtual with native reads: all of a variable, and a sample of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr
import zarr

import vzlab as vz
from benchmarks.files import Files, Layout
from benchmarks.harness import Case, Goal, Measure, require, timed
from benchmarks.scale import Scale
from vzlab.parsers import HDF5Parser

TOPIC = "Compare"
NOTE = (
    "One variable of 4-byte floats, read through references and by h5py. `reading both once` is both reads and nothing "
    "else; `assert_allclose` is `xr.testing.assert_allclose` of the two, which loads them whole and says nothing of bytes, "
    "references and causes. `exact` is every level and every chunk, within 64 MB; `sample` what vzlab does when not asked."
)
_LIMIT = "64MB"
LAYOUTS: tuple[Layout, ...] = ("raw 4 KB", "raw 40 KB", "deflate 256 KB")


def cases(scale: Scale, files: Files) -> Iterator[Case]:
    """Layouts of small and larger chunks, exactly and by sample."""
    n_bytes = 4 * scale.array_bytes  # opening both sides, some 40 ms, is not what is measured
    size = f"{n_bytes // 2**20} MB"
    for layout in LAYOUTS:
        path = partial(files.array, n_bytes, layout)
        for how, exact in (("exact", True), ("sample", False)):
            yield Case(
                topic=TOPIC,
                title=f"{how}, {size}, {layout}",
                contestants={
                    "vzlab": partial(_vzlab, path, exact=exact),
                    "reading both once": partial(_both, path),
                    "assert_allclose": partial(_allclose, path),
                },
                goal=Goal(at_most=1.3, times="reading both once") if exact else None,
                repeats=scale.slow_repeats,
                warm_up=False,  # hundreds of chunks in each round
            )


def _vzlab(path: Callable[[], Path], *, exact: bool) -> Measure:
    file = path()
    group = HDF5Parser()(file)
    comparison = vz.compare(group, file, exact=exact, memory_limit=_LIMIT, progress=False)
    require(comparison.passed, str(comparison))
    return timed(lambda: vz.compare(group, file, exact=exact, memory_limit=_LIMIT, progress=False))


def _both(path: Callable[[], Path]) -> Measure:
    file = path()
    virtual = vz.ManifestStore(HDF5Parser()(file))

    def read() -> None:
        with h5py.File(file, rdcc_nbytes=0) as native:
            ours, theirs = zarr.open_array(virtual, path="x", mode="r")[...], native["x"][...]
        require(np.shape(ours) == theirs.shape, "shapes differ")

    return timed(read)


def _allclose(path: Callable[[], Path]) -> Measure:
    file = path()
    virtual: Any = vz.ManifestStore(HDF5Parser()(file))

    def compare() -> None:
        with (
            xr.open_dataset(virtual, engine="zarr", consolidated=False, chunks=None) as ours,
            xr.open_dataset(file, engine="h5netcdf", phony_dims="sort") as theirs,
        ):
            dims = dict(zip(theirs["x"].dims, ours["x"].dims, strict=True))
            xr.testing.assert_allclose(
                ours.drop_vars(ours.coords), theirs.drop_vars(theirs.coords).rename(dims)
            )

    return timed(compare)
