"""Open files end to end: from a path to an xarray dataset of references."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import h5py
import xarray as xr

import vzlab as vz
from benchmarks.files import Files
from benchmarks.harness import Case, Goal, Measure, require, timed
from benchmarks.scale import Scale

TOPIC = "Open files as virtual datasets"
NOTE = (
    "Coordinates are loaded, as both do unless told otherwise. h5py is opening the file and reading shape, type, chunks, "
    "filters and all attributes of every variable, and nothing else; xarray opens the file itself. CPU is processor time "
    "of all threads. kerchunk gives references without a dataset."
)


def cases(scale: Scale, files: Files) -> Iterator[Case]:
    """A small file, a file of many variables, many files."""
    n_files = min(scale.n_files, 20)
    yield Case(
        topic=TOPIC,
        title="A file of 250 KB with 7 variables, CPU",
        contestants=_contestants(lambda: _small(files, n_files), cpu=True, per=n_files),
        # 6 ms where VirtualiZarr takes 17.8 ms: attributes make the times of files differ, and the ratio less.
        goal=Goal(at_most=1 / 3, times="VirtualiZarr"),
    )
    yield Case(
        topic=TOPIC,
        title=f"A file of {scale.n_variables + 3} variables",
        contestants=_contestants(lambda: [files.many_variables(scale.n_variables)]),
        goal=Goal(at_most=1.2, times="h5py"),
        repeats=scale.slow_repeats,
    )
    yield Case(
        topic=TOPIC,
        title=f"{scale.n_files} such small files, one by one",
        contestants={
            name: contestant
            for name, contestant in _contestants(lambda: _small(files, scale.n_files)).items()
            if name not in {"xarray", "kerchunk"}  # which the first row has
        },
        repeats=scale.slow_repeats,
        warm_up=scale.n_files < 100,  # each round is many files already
    )
    yield Case(
        topic=TOPIC,
        title=f"{scale.n_files} small files, combined by coordinates",
        contestants={
            "vzlab": lambda: _vzlab_combined(_small(files, scale.n_files)),
            "VirtualiZarr": lambda: _virtualizarr_combined(_small(files, scale.n_files)),
        },
        repeats=scale.slow_repeats,
        warm_up=scale.n_files < 100,  # each round is many files already
    )


def _small(files: Files, n: int) -> list[Path]:
    return [files.small(number) for number in range(n)]


def _contestants(
    paths: Callable[[], list[Path]], *, cpu: bool = False, per: int = 1
) -> dict[str, Callable[[], Measure]]:
    """Everyone opens the same files one after another."""
    clock = time.process_time if cpu else time.perf_counter

    def contestant(make_open: Callable[[], Callable[[Path], object]]) -> Callable[[], Measure]:
        def prepare() -> Measure:
            open_one, given = make_open(), paths()
            return timed(lambda: [open_one(path) for path in given], per=per, clock=clock)

        return prepare

    return {
        "vzlab": contestant(_vzlab),
        "h5py": contestant(lambda: _read_metadata),
        "xarray": contestant(_xarray),
        "VirtualiZarr": contestant(_virtualizarr),
        "kerchunk": contestant(_kerchunk),
    }


def _vzlab() -> Callable[[Path], xr.Dataset]:
    return vz.open_virtual_dataset


def _read_metadata(path: Path) -> list[object]:
    with h5py.File(path) as file:
        return [dict(file.attrs), *map(_metadata, file.values())]


def _metadata(variable: h5py.Dataset) -> tuple[object, ...]:
    return variable.shape, variable.dtype, variable.chunks, variable._filters, dict(variable.attrs)


def _xarray() -> Callable[[Path], None]:
    import h5netcdf  # type: ignore[import-untyped] # noqa: F401 - xarray's own complaint would not name it

    return lambda path: xr.open_dataset(path, engine="h5netcdf").close()


def _virtualizarr() -> Callable[[Path], xr.Dataset]:
    import virtualizarr
    from virtualizarr.parsers import HDFParser

    from benchmarks.virtualizarr_peer import local_registry

    registry = local_registry()
    return lambda path: virtualizarr.open_virtual_dataset(
        path.as_uri(), registry=registry, parser=HDFParser()
    )


def _kerchunk() -> Callable[[Path], object]:
    from kerchunk.hdf import SingleHdf5ToZarr

    def translate(path: Path) -> object:
        with closing(SingleHdf5ToZarr(str(path), inline_threshold=0)) as translator:
            return translator.translate()

    return translate


def _vzlab_combined(paths: Sequence[Path]) -> Measure:
    def combine() -> xr.Dataset:
        return vz.open_virtual_mfdataset(paths, progress=False)

    require(combine().sizes["time"] == len(paths), "not every file is in the dataset")
    return timed(combine)


def _virtualizarr_combined(paths: Sequence[Path]) -> Measure:
    import virtualizarr
    from virtualizarr.parsers import HDFParser

    from benchmarks.virtualizarr_peer import local_registry

    registry, urls = local_registry(), [path.as_uri() for path in paths]

    def combine() -> xr.Dataset:
        return virtualizarr.open_virtual_mfdataset(
            urls,
            registry=registry,
            parser=HDFParser(),
            combine="by_coords",
            coords="minimal",
            data_vars="minimal",
            compat="override",
            combine_attrs="drop_conflicts",
        )

    require(combine().sizes["time"] == len(paths), "not every file is in the dataset")
    return timed(combine)
