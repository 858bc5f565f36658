"""How large the input of the cases is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The sizes of one form of the run."""

    n_chunks: tuple[int, ...]
    """Of files to parse; the largest number of references is written."""
    n_manifests: int
    """To concatenate to the largest number of chunks."""
    n_files: int
    """To open one after another."""
    n_variables: int
    """Of the file of many variables, beside its three coordinates."""
    array_bytes: int
    """Of arrays to read whole."""
    n_single_reads: int
    """Reads of one chunk that are timed together."""
    growth_parsed: int
    """Most chunks that are parsed, and references that are written, to see how time grows."""
    growth_chunks: int
    """Most references that are only held."""
    growth_variables: int
    """Most variables of one file."""
    growth_files: int
    """Most files that are combined."""
    n_scattered: int
    """Datasets of a file far away."""
    bytes_apart: int
    """Between the headers of two of them."""
    n_far_chunks: int
    """To read from far away."""
    repeats: int
    """Rounds of quick cases; slow ones take `slow_repeats`."""
    slow_repeats: int


FULL = Scale(
    n_chunks=(100_000, 1_000_000),
    n_manifests=100,
    n_files=200,
    n_variables=200,
    array_bytes=32 * 2**20,
    n_single_reads=200,
    growth_parsed=1_000_000,
    growth_chunks=10_000_000,
    growth_variables=2_000,
    growth_files=1_000,
    n_scattered=203,
    bytes_apart=900_000,
    n_far_chunks=1_024,
    repeats=7,
    slow_repeats=2,
)

SMALL = Scale(
    n_chunks=(10_000, 100_000),
    n_manifests=100,
    n_files=20,
    n_variables=50,
    array_bytes=8 * 2**20,
    n_single_reads=100,
    growth_parsed=100_000,
    growth_chunks=1_000_000,
    growth_variables=200,
    growth_files=40,
    n_scattered=60,
    bytes_apart=300_000,
    n_far_chunks=256,
    repeats=5,
    slow_repeats=3,
)

TINY = Scale(
    n_chunks=(1_000,),
    n_manifests=10,
    n_files=2,
    n_variables=3,
    array_bytes=4 * 2**20,
    n_single_reads=4,
    growth_parsed=10_000,
    growth_chunks=10_000,
    growth_variables=4,
    growth_files=4,
    n_scattered=4,
    bytes_apart=50_000,
    n_far_chunks=4,
    repeats=1,
    slow_repeats=1,
)
"""To see that every case runs: its figures mean nothing."""
