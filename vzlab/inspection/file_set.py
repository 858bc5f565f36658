"""What many files have in common and in what they differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Varying:
    """One thing in which files differ."""

    variable: str
    """Name; empty for the files' own attributes."""
    what: str
    """``chunks``, ``codecs``, ``packing, fill``, ``presence``."""
    sentence: str
    held: tuple[tuple[str, int], ...]
    """What they have, in words, and how many files have it: the most frequent first."""


@dataclass(frozen=True, kw_only=True)
class FileSet:
    """Many files, each like the one that is described variable by variable, but for what varies."""

    names: tuple[str, ...]
    """Of all files, in the order given."""
    described: str
    """The file that the variables are described from: the first."""
    total_bytes: int | None
    """Of all files; None where the size of one is not known."""
    min_bytes: int | None
    """Of the smallest."""
    median_bytes: int | None
    max_bytes: int | None
    """Of the largest."""
    n_chunks: int
    """Chunks of all variables in all files."""
    stored_bytes: Mapping[str, int] = field(default_factory=dict)
    """By a variable's path: what its chunks take in all files."""
    common: tuple[str, ...] = ()
    """Variables that are alike in all files: dimensions, type, chunks, codecs, packing, units and attributes."""
    varying: tuple[Varying, ...] = ()
    """In what others differ, the gravest first."""

    @property
    def n_files(self) -> int:
        """How many files there are."""
        return len(self.names)
