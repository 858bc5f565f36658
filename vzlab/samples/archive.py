"""What a maker of samples gives: the folder and its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A folder of sample files."""

    folder: Path
    files: tuple[Path, ...]
    """In the order of time."""
