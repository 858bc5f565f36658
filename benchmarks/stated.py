"""What vzlab is said to take beside the libraries below it, for a check that fails when it takes more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.cases import TOPICS
from benchmarks.files import INDICES, Files
from benchmarks.harness import Case, Result
from benchmarks.scale import SMALL

CHECKED = replace(SMALL, n_chunks=(100_000,), n_files=10)
"""Large enough that what everything costs once does not count for much."""

STATED: dict[str, tuple[str, float]] = {
    **{f"100,000 chunks, {index}": ("h5py", 0.3) for index in INDICES},
    "A file of 250 KB with 7 variables, CPU": ("h5py", 1.2),
    "A file of 53 variables": ("h5py", 0.7),
    "Whole 8 MB, contiguous: zarr": ("h5py", 1.3),
    "Whole 8 MB, deflate 256 KB: zarr": ("h5py", 0.7),
    "Whole 8 MB, raw 4 KB: loaded": ("h5py", 2.0),
    "Icechunk, 100,000 references: set": ("icechunk", 1.1),
    "import, CPU": ("xarray + zarr", 0.3),
    "First look at a file, CPU": ("xarray", 0.7),
}
"""By title of the case: a contestant, and how many times what it takes vzlab takes at most."""


def checked_cases(files: Files) -> Iterator[Case]:
    """The cases of `STATED`, with no other contestants than the two."""
    for topic in TOPICS:
        for case in topic.cases(CHECKED, files):
            if case.title in STATED:
                wanted = ("vzlab", STATED[case.title][0])
                contestants = {name: one for name, one in case.contestants.items() if name in wanted}
                yield replace(case, contestants=contestants, repeats=5)


def is_worse(result: Result) -> bool:
    """Whether vzlab took more than stated in every round: by more than the spread."""
    peer, at_most = STATED[result.case.title]
    return 1 / max(result.ratios(peer)) > at_most
