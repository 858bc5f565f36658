"""Many files on a dask cluster, and what a hundred thousand would take: ``python -m benchmarks.many_files``.

Opens files of 10 variables on two workers, measures time, bytes that travel and the client's memory at several numbers of
files, fits what a file and a reference cost, and says what larger archives would take.
"""

from __future__ import annotations

import argparse
import pickle
import resource
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np

import vzlab as vz
from benchmarks.growth import exponent
from benchmarks.table import setting
from vzlab.datasets.packed import pack
from vzlab.writers import write_icechunk

PAGE = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- many files: begin -->", "<!-- many files: end -->"
"""Between them the page has what `report` says of the latest run."""
N_VARIABLES = 10
REFERENCES_PER_COMMIT = 10_000_000
"""Of `write_icechunk`'s batches at the sizes that are asked for below."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One run over some files."""

    n_files: int
    n_references: int
    opening_s: float
    """From urls to one dataset, on the cluster."""
    client_bytes: float
    """The most that the client's process has held: runs go from few files to many."""
    writing_s: float
    """To Icechunk, commit included."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """What one more file and one more reference cost: ``fixed + per_file x files``, and bytes beside."""

    fixed_s: float
    per_file_s: float
    per_file_bytes: float
    """Of the client's memory, references apart."""
    per_reference_bytes: float
    per_reference_s: float
    """Of writing."""

    def say(self, n_files: int, n_references: int, n_workers: int) -> str:
        """One line about an archive."""
        opening = self.fixed_s + n_files * self.per_file_s * 2 / n_workers
        # Columns stand twice while parts are joined.
        memory = n_files * self.per_file_bytes + 2 * n_references * self.per_reference_bytes
        commits = -(-n_references // REFERENCES_PER_COMMIT)
        return (
            f"{n_files:,} files, {n_references:,} references, {n_workers} workers: {opening / 60:,.1f} min to open, "
            f"{memory / 1e9:,.1f} GB of the client's memory, {n_references * self.per_reference_s / 60:,.1f} min to write in "
            f"{commits} commits"
        )


def make_files(folder: Path, n_files: int) -> list[Path]:
    """Days of 10 variables over a small grid, 60 references each."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{day:06}.nc" for day in range(n_files)]
    _make(paths[0])
    for day, path in enumerate(paths[1:], 1):
        if not path.exists():
            shutil.copyfile(paths[0], path)
            with h5py.File(path, "r+") as file:
                file["time"][0] = day
                for number in range(N_VARIABLES):
                    file[f"v{number}"][...] = day % 99
    return paths


def _make(path: Path) -> None:
    if path.exists():
        return
    with h5py.File(path, "w") as file:
        scales = {
            "time": np.zeros(1, "f8"),
            "lat": np.linspace(-89, 89, 36),
            "lon": np.linspace(0, 355, 72),
        }
        for name, values in scales.items():
            file.create_dataset(name, data=values).make_scale(name)
        file["time"].attrs["units"] = "days since 2000-01-01"
        for number in range(N_VARIABLES):
            field = file.create_dataset(
                f"v{number}",
                data=np.zeros((1, 36, 72), "i2"),
                chunks=(1, 12, 36),
                compression="gzip",
            )
            field.attrs.update({"units": "K", "long_name": f"field {number}"})
            for axis, name in enumerate(scales):
                field.dims[axis].attach_scale(file[name])


def measure(paths: Sequence[Path], client: Any) -> Measured:
    """Open on a cluster and write to a repository in a temporary folder."""
    began = time.perf_counter()
    cube = vz.open_virtual_mfdataset(list(paths), parallel=client, progress=False)
    opening = time.perf_counter() - began
    client_bytes = float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        write_icechunk(cube, Path(folder) / "cube")
        writing = time.perf_counter() - began
    return Measured(
        n_files=len(paths),
        n_references=cube.vzlab.n_refs,
        opening_s=opening,
        client_bytes=client_bytes,
        writing_s=writing,
    )


def fit(runs: Sequence[Measured]) -> Model:
    """A straight line through the runs, by least squares; a reference takes 20 bytes, as `benchmarks.manifests` measures."""
    files = np.array([run.n_files for run in runs], float)
    per_file, fixed = np.polyfit(files, [run.opening_s for run in runs], 1)
    references = np.array([run.n_references for run in runs], float)
    memory = np.array([run.client_bytes for run in runs]) - 2 * 20 * references
    writing = np.polyfit(references, [run.writing_s for run in runs], 1)[0]
    return Model(
        fixed_s=max(float(fixed), 0.0),
        per_file_s=float(per_file),
        per_file_bytes=float(np.polyfit(files, memory, 1)[0]),
        per_reference_bytes=20.0,
        per_reference_s=float(writing),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    from distributed import Client, LocalCluster

    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_files", description=__doc__)
    parser.add_argument(
        "--files", type=int, default=200, help="the most that are opened; 10000 for the full form"
    )
    parser.add_argument("--write", action="store_true", help=f"put what was measured into {PAGE.name}")
    parser.add_argument("--folder", type=Path, help="where files are kept; none makes them anew")
    options = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory() as temporary,
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,  # type: ignore[no-untyped-call]
        Client(cluster) as client,  # type: ignore[no-untyped-call]
    ):
        paths = make_files(options.folder or Path(temporary), options.files)
        datasets = [vz.open_virtual_dataset(path) for path in paths[:32]]
        packed, plain = (len(pickle.dumps(value, 5)) / 32 for value in (pack(datasets), datasets))
        travelling = f"{packed:,.0f} bytes travel for a file of {datasets[0].vzlab.n_refs} references, {plain:,.0f} unpacked"
        measure(paths[:16], client)  # workers import
        runs = [measure(paths[: options.files // part], client) for part in (8, 4, 2, 1)]
    text = report(runs, travelling)
    print(text)
    if options.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def report(runs: Sequence[Measured], travelling: str) -> str:
    """The runs as a table, the line through them, and what it says of larger archives."""
    model = fit(runs)
    lines = [
        "| files | references | opened in | client's memory at most | written in |",
        "| ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {run.n_files:,} | {run.n_references:,} | {run.opening_s:.1f} s | {run.client_bytes / 1e6:,.0f} MB "
            f"| {run.writing_s:.2f} s |"
            for run in runs
        ),
        "",
        (
            f"Fitted: {model.fixed_s:.1f} s and {model.per_file_s * 1e3:.1f} ms a file on two workers, "
            f"{model.per_file_bytes:,.0f} bytes of the client's a file; {model.per_reference_s * 1e6:.2f} µs to write a "
            f"reference. Time grows with files to the power {_exponent(runs, 'opening_s'):.2f} in opening, "
            f"{_exponent(runs, 'writing_s'):.2f} in writing. {travelling[0].upper()}{travelling[1:]}. From that:"
        ),
        "",
        *(
            f"- {model.say(n_files, n_references, n_workers)}"
            for n_files, n_references, n_workers in ((10_000, 10**7, 16), (100_000, 10**8, 64))
        ),
        "",
        setting(form="Two workers of one thread each on this machine"),
    ]
    return "\n".join(lines)


def _exponent(runs: Sequence[Measured], what: Literal["opening_s", "writing_s"]) -> float:
    """The slope of seconds over files in a plot of logarithms."""
    return exponent([run.n_files for run in runs], [getattr(run, what) for run in runs])


if __name__ == "__main__":
    main()
