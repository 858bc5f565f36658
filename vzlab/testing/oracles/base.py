"""What an independent reader of a native file offers, whatever the format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

type Region = tuple[slice, ...]
"""One slice with explicit bounds for each dimension."""


class Unclear(Enum):
    """Stands for an attribute's value that no other format can say, such as an object reference."""

    VALUE = "unclear"


@dataclass(frozen=True, kw_only=True)
class NativeVariable:
    """What a native file says of one of its variables."""

    path: str
    dims: tuple[str | None, ...]
    """Names of dimensions; None where the file gives none."""
    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None
    """Data type of stored values; None for one that has no fixed size, such as text."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    chunks: tuple[int, ...] | None = None
    """Chunk shape in the file; None if it is not chunked."""
    codecs: str = ""
    """Filters, in words: the codec era that a sample is stratified by."""
    identity: Any = None
    """Equal for two names of one and the same object."""


@dataclass(frozen=True, kw_only=True)
class NativeChunks:
    """Where the chunks of a variable lie, as the format's own library says."""

    chunks: tuple[int, ...]
    """Chunk shape."""
    present: npt.NDArray[np.bool_]
    """Which chunks were ever written; shape of the chunk grid."""
    offsets: npt.NDArray[np.uint64]
    lengths: npt.NDArray[np.uint64]
    filter_masks: npt.NDArray[np.uint32]
    """Filters that each chunk skipped."""


class NativeFile(Protocol):
    """One native file, open for reading."""

    @property
    def reader(self) -> str:
        """The library that reads it, with its version."""

    @property
    def variables(self) -> Mapping[str, NativeVariable]:
        """Every variable by path."""

    @property
    def group_attributes(self) -> Mapping[str, Mapping[str, Any]]:
        """Attributes of every group by path; the root's is ``""``."""

    def read(self, path: str, region: Region) -> npt.NDArray[Any]:
        """Stored values of a region."""

    def read_decoded(self, path: str, region: Region) -> npt.NDArray[Any]:
        """Values of a region as xarray decodes them."""

    def chunk_table(self, path: str) -> NativeChunks | None:
        """Where a variable's chunks lie; None where the library does not say."""

    def stored_chunk(self, path: str, index: tuple[int, ...]) -> bytes | None:
        """The stored bytes of a chunk; None where the library does not give them."""

    def contiguous_range(self, path: str) -> tuple[int, int] | None:
        """Offset and length of a variable that lies in one piece; None for any other."""

    def close(self) -> None:
        """Let go of the file."""


class NoOracleError(Exception):
    """No independent reader for a file; the message says what to install."""
