"""What a maker of samples gives: the folder and its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A folder of sample files.

    Examples
    --------
    >>> import vzlab as vz
    >>> archive = vz.samples.make_swath("swath")
    >>> archive.folder.name, len(archive.files)
    ('swath', 3)
    """

    folder: Path
    files: tuple[Path, ...]
    """In the order of time."""
