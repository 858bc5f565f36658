"""The whole job on one archive: inspect, check, combine, write, reopen, compare; with a page that shows it."""

from __future__ import annotations

import importlib
import importlib.util
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xarray as xr

from vzlab.datasets import CompatibilityReport, check_combine, combine_virtual, open_virtual_dataset
from vzlab.datasets.sources import expand_sources
from vzlab.errors import IncompatibleFilesError, MissingDependencyError, WriteError
from vzlab.inspection import inspect
from vzlab.samples import make_daily_archive
from vzlab.storage import as_registry, normalize_url, url_name
from vzlab.testing import Comparison, compare

_MARKER = "made-by-vzlab-demo"


def run(
    files: Sequence[str], to: Path, *, progress: Callable[[str], None], out: Callable[[str], None]
) -> bool:
    """Do the job and say what happens.

    Parameters
    ----------
    files : sequence of str
        Paths, globs or urls; none makes a sample archive.
    to : pathlib.Path
        Folder for what is made. One that an earlier run made is replaced.
    progress, out : callable
        Take a line of progress, and a line of result.

    Returns
    -------
    bool
        Whether the virtual datasets read the same as the originals.

    Raises
    ------
    WriteError
        If the folder is there and no earlier run made it.
    MissingDependencyError
        If a library is not installed that the job needs.
    """
    icechunk = _libraries(samples=not files)
    _prepare(to)
    # A local repository warns of commits at the same time, which there are none of here.
    icechunk.set_logs_filter("error")
    began = time.perf_counter()

    @contextmanager
    def step(title: str) -> Iterator[None]:
        start = time.perf_counter()
        progress(f"· {title} ...")
        yield
        progress(f"✓ {title} ({time.perf_counter() - start:.1f} s)")

    if files:
        urls = [normalize_url(item) for item in expand_sources(list(files))]
    else:
        with step("Make a sample archive of 12 daily netCDF4 files"):
            archive = make_daily_archive(to / "archive")
        urls = [normalize_url(path) for path in archive.files]
    names = [url_name(url) for url in urls]

    with step(f"Open {len(urls)} files as references, and inspect the first"):
        datasets = [open_virtual_dataset(url) for url in urls]
        first = inspect(urls[0])
    out(f"\n1. Inspect {names[0]}\n{first}")

    with step("Check whether they make one dataset"):
        report = check_combine(datasets, names=names)
    out(f"\n2. Check\n{report}")

    kept = _leave_out_odd(datasets, names, report)
    if len(kept) < len(urls):
        left = [name for i, name in enumerate(names) if i not in kept]
        out(
            f"   Left out here: {', '.join(left)}. Combined anyway, it would have changed the numbers of the cube."
        )

    with step(f"Combine {len(kept)} files"):
        cube = combine_virtual([datasets[i] for i in kept], names=[names[i] for i in kept])
    out(
        f"\n3. Combine\n{cube}\n   {cube.vzlab.n_refs:,} references, {cube.vzlab.nbytes / 1e3:,.1f} kB of memory"
    )

    repository, references = to / "icechunk", to / "kerchunk.json"
    with step("Write to Icechunk and to Kerchunk"):
        cube.vzlab.to_icechunk(repository, message="Written by the demo")
        cube.vzlab.to_kerchunk(references)
    originals = [urls[i] for i in kept]
    out(
        f"\n4. Write\n   {repository} ({_size(repository) / 1e3:,.1f} kB) and {references} ({_size(references) / 1e3:,.1f} kB) "
        f"refer to {sum(_bytes_of(url) for url in originals) / 1e3:,.1f} kB of originals"
    )

    receipts: list[tuple[str, Comparison]] = []
    for title, written in (("Icechunk", repository), ("Kerchunk", references)):
        with step(f"Reopen {title} and compare with the originals"):
            receipts.append((title, compare(str(written), originals)))
    for number, (title, receipt) in enumerate(receipts, start=5):
        out(f"\n{number}. Compare {title} with the originals\n{receipt}")

    from vzlab.render.demo import to_page

    page = to / "report.html"
    page.write_text(
        to_page(first=first, report=report, left_out=[n for i, n in enumerate(names) if i not in kept],
                cube=inspect(cube), receipts=receipts),
        encoding="utf-8",
    )  # fmt: skip
    out(f"\nReport: {page}   ({time.perf_counter() - began:.1f} s in all)")
    return all(receipt.verdict == "PASS" for _, receipt in receipts)


def _libraries(*, samples: bool) -> Any:
    """Give icechunk, once all is there that a later step would miss."""
    wanted = ["icechunk", "pyarrow", *(["h5py", "h5netcdf"] if samples else [])]
    absent = next((name for name in wanted if importlib.util.find_spec(name) is None), None)
    if absent:
        extra = "hdf5,icechunk,kerchunk" if samples else "icechunk,kerchunk"
        raise MissingDependencyError(absent, extra=extra, purpose="The demo")
    return importlib.import_module("icechunk")


def _prepare(to: Path) -> None:
    if to.exists() and any(to.iterdir()):
        if not (to / _MARKER).exists():
            raise WriteError(
                f"{to} is not empty, and the demo did not make it. Choose another folder: --to DIR"
            )
        shutil.rmtree(to)
    to.mkdir(parents=True, exist_ok=True)
    (to / _MARKER).write_text(json.dumps({"replaced by": "the next run"}), encoding="utf-8")


def _leave_out_odd(
    datasets: Sequence[xr.Dataset], names: Sequence[str], report: CompatibilityReport
) -> list[int]:
    """Positions of files that agree: without those that are in the minority of a problem.

    Raises
    ------
    IncompatibleFilesError
        If no few files are the odd ones, or the rest disagrees too.
    """
    odd = {i for finding in report.problems for holders in finding.holders[1:] for i in holders.files}
    kept = [i for i in range(len(datasets)) if i not in odd]
    if not report.compatible and (not odd or len(odd) * 2 >= len(datasets)):
        raise IncompatibleFilesError(str(report), report=report)
    if not odd:
        return kept
    rest = check_combine([datasets[i] for i in kept], names=[names[i] for i in kept])
    if not rest.compatible:
        raise IncompatibleFilesError(str(rest), report=rest)
    return kept


def _size(path: Path) -> int:
    return (
        path.stat().st_size
        if path.is_file()
        else sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
    )


def _bytes_of(url: str) -> int:
    return as_registry().open(url).size_bytes
