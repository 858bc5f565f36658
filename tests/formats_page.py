"""The support matrix ``docs/formats.md``: what is read, what that takes remotely, what became of the collection.

``python -m tests.formats_page`` prints it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import vzlab as vz
from tests.parsers.one_of_each import WRITERS
from tests.servers.http_server import serve_http
from vzlab.parsers.listing import KnownFormat

DOCS = Path(__file__).parents[1] / "docs"

IN_COLLECTION: Mapping[str, tuple[str, ...]] = {
    "hdf5": ("hdf5", "netcdf4", "nwb"),
    "netcdf3": ("netcdf3",),
    "tiff": ("tiff",),
    "grib": ("grib",),
    "fits": ("fits",),
    "hdf4": ("hdf4",),
    "dmrpp": ("dmrpp",),
    "kerchunk": ("kerchunk-json",),
    "kerchunk-parquet": ("kerchunk-parquet",),
    "safetensors": ("safetensors",),
    "zarr": ("zarr",),
    "icechunk": ("icechunk",),
    "zip": ("zarr-zip",),
}
"""What the collection of real files calls our formats."""

DAMAGES = 2000
"""Damaged files of each format that the long form of ``tests/parsers/test_bad_input.py`` goes through."""


LARGE = np.random.default_rng(7).integers(0, 1 << 16, (1000, 1500)).astype("i4")
"""Values of the files of which opening is measured: far more than what is read ahead."""


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What opening a file over HTTP took."""

    n_requests: int
    n_bytes: int
    file_bytes: int


def measure(key: str) -> Opening:
    """Open one file of a format over HTTP, and ask the server what that took; no values are read."""
    with tempfile.TemporaryDirectory() as folder:
        path = WRITERS[key](Path(folder), LARGE)
        files = [file for file in Path(folder).rglob("*") if file.is_file()]
        with serve_http(Path(folder)) as server:
            vz.open_group(server.url(path.name))
            requests = server.requests
        return Opening(
            n_requests=len(requests),
            n_bytes=sum(request.length_bytes for request in requests),
            file_bytes=sum(file.stat().st_size for file in files),
        )


def collection_counts() -> dict[str, list[int]]:
    """Numbers of the tables in ``docs/corpus`` by the collection's name of a format."""
    counts = {}
    for page in sorted((DOCS / "corpus").glob("*.md")):
        for line in page.read_text(encoding="utf-8").splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if len(cells) == 10 and all(cell.isdecimal() for cell in cells[1:]):
                counts[cells[0]] = [int(cell) for cell in cells[1:]]
    return counts


def page() -> str:
    """The whole page."""
    table = vz.formats()
    counts = collection_counts()
    lines = [
        "# Formats",
        "",
        "`vzlab formats` and `vz.formats()` show parsers with all that is said of their options. Every parser takes `group=` and",
        "`drop_variables=` too. What no reference can say is refused by name and reason, and the rest of its file stays.",
        "",
        "| format | told by | parser and options | needs |",
        "| --- | --- | --- | --- |",
        *(_row(format_) for format_ in table),
        "",
        "Known, and refused with advice: " + ", ".join(name for name, _ in table.refused) + ".",
        "",
        "## Against the formats' own readers",
        "",
        "Variables of a collection of real files, by what became of them; the peer is VirtualiZarr 2.8.0. An entry that its own",
        "reader cannot open is refused here too. What is loaded has a type that Zarr lacks, and is read by the format's own",
        "library with `loadable_variables=`. The pages in [corpus](corpus/index.md) name each variable that is refused, and why.",
        "",
        "| format | entries | raise natively | variables | equal | equal, loaded | refused | wrong | absent | of all | peer |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for format_ in table:
        named = [name for name in IN_COLLECTION.get(format_.key, ()) if name in counts]
        if named:
            sums = [sum(column) for column in zip(*(counts[name] for name in named), strict=True)]
            share = f"{100 * (sums[3] + sums[4]) / sums[2]:.1f} %" if sums[2] else ""
            cells = [*map(str, sums[:8]), share, str(sums[8])]
            lines.append(f"| {format_.name} ({', '.join(named)}) | {' | '.join(cells)} |")
    lines += [
        "",
        "## What opening takes",
        "",
        f"One array of {LARGE.shape[0]} × {LARGE.shape[1]} numbers of four bytes, opened over HTTP: requests and bytes that",
        "the server counted, of the bytes that are there. The web cannot list what a Zarr store holds, so that each of its",
        "chunks is asked for; a bucket is listed.",
        "",
        "| format | requests | bytes sent | bytes there |",
        "| --- | ---: | ---: | ---: |",
    ]
    for format_ in table:
        if format_.key in WRITERS and format_.key != "icechunk":
            took = measure(format_.key)
            lines.append(f"| {format_.name} | {took.n_requests} | {took.n_bytes:,} | {took.file_bytes:,} |")
    n = len(WRITERS) - 2
    lines += [
        "",
        "## Damaged files",
        "",
        "Each parser is given files cut short, with bits flipped, with counts set to extremes, of other formats, empty, packed,",
        f"and pages that ask to log in. The long form goes through {DAMAGES:,} damaged files of each of {n} formats",
        f"({DAMAGES * n:,} runs): every one gives an error of `vzlab.errors` or is read, within a second.",
        "",
        "Written by `VZLAB_REGENERATE=1 pytest tests/test_formats_page.py`; printed by `python -m tests.formats_page`.",
        "",
    ]
    return "\n".join(lines)


def _row(format_: KnownFormat) -> str:
    options = ", ".join(f"`{option.name}`" for option in format_.own_options)
    needs = f"extra `{format_.extra}`" if format_.extra else ""
    told = format_.mark.replace("|", "\\|")
    return f"| {format_.name} | `{told}` | `{format_.parser}`{': ' if options else ''}{options} | {needs} |"


if __name__ == "__main__":
    sys.stdout.write(page())
