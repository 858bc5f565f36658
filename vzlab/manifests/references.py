"""One chunk of a manifest, and the file that it lies in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

type ChunkState = Literal["virtual", "inline", "missing"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFile:
    """A file or object that chunks lie in, as it was when it was parsed."""

    url: str
    """Absolute url, percent-encoded."""
    size_bytes: int | None = None
    """Length of the whole file."""
    etag: str | None = None
    """Entity tag that the object store gave, quotes and all."""
    last_modified: datetime | None = None
    """Time of the last change, with its time zone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChunkReference:
    """One chunk's entry in a manifest."""

    state: ChunkState
    source: SourceFile | None = None
    """Where its bytes lie, if it is virtual."""
    offset: int = 0
    """First byte within the source."""
    length: int = 0
    """Number of bytes."""
    data: bytes | None = None
    """The bytes themselves, if it is inline."""
