"""What an independent reader of a native file offers, whatever the format."""

from __future__ import annotations

import posixpath
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from vzlab.oracles.decoding import decode_variable

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
    """Chunk shape in the file; None if it is not chunked, or the library gives no stored bytes."""
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


class NativeFile(ABC):
    """One native file, open for reading. What its library does not say stays as it is here."""

    @property
    @abstractmethod
    def reader(self) -> str:
        """The library that reads it, with its version."""

    @property
    @abstractmethod
    def variables(self) -> Mapping[str, NativeVariable]:
        """Every variable by path."""

    @property
    def silence(self) -> str:
        """Why it may know nothing of a variable that the file has; empty if it knows them all."""
        return ""

    @property
    @abstractmethod
    def group_attributes(self) -> Mapping[str, Mapping[str, Any]]:
        """Attributes of every group by path, as far as they are stated; the root's is ``""``."""

    @abstractmethod
    def read(self, path: str, region: Region) -> npt.NDArray[Any]:
        """Stored values of a region."""

    def read_into(self, path: str, region: Region, out: npt.NDArray[Any]) -> bool:
        """Read stored values of a region into an array of its shape; False, and nothing is read, where the library cannot."""
        return False

    @abstractmethod
    def read_decoded(self, path: str, region: Region) -> npt.NDArray[Any]:
        """Values of a region as xarray decodes them."""

    def chunk_table(self, path: str) -> NativeChunks | None:
        """Where a variable's chunks lie; None where the library does not say."""
        return None

    def stored_chunk(self, path: str, index: tuple[int, ...]) -> bytes | None:
        """The stored bytes of a chunk; None where the library does not give them."""
        return None

    @abstractmethod
    def shown(self, path: str, *, decoded: bool) -> str:
        """A Python expression of the library alone that a region between brackets may follow; empty if none says it."""

    def contiguous_range(self, path: str) -> tuple[int, int] | None:
        """Offset and length of a variable that lies in one piece; None for any other, or where the library does not say."""
        return None

    @abstractmethod
    def close(self) -> None:
        """Let go of the file."""


class NoOracleError(Exception):
    """No independent reader for a file; the message says what to install."""


class Unstated(dict[str, Any]):
    """Attributes of a format that says them in words of its own: those not listed here are unclear, not absent."""

    def get(self, key: str, default: Any = None) -> Any:
        """The value that is listed, or that which stands for what cannot be said."""
        return super().get(key, Unclear.VALUE)


@dataclass(frozen=True, kw_only=True)
class Readable:
    """A variable with the functions that read it."""

    described: NativeVariable
    read: Callable[[Region], Any]
    """Stored values of a region."""
    decode: Callable[[Region], Any] | None = None
    """Decoded values; None takes xarray's decoding by the attributes, where these are stated."""
    shown: str = ""
    """Python of the library alone for its stored values, module first; empty if no expression says it."""


class ReadFile(NativeFile):
    """A native file of a library that reads regions of variables, and says nothing of where their bytes lie.

    Parameters
    ----------
    reader : str
        The library with its version.
    variables : iterable of Readable
    group_attributes : mapping
        Attributes of every group by path.
    silence : str
        Why it may know nothing of a variable; empty if it knows them all.
    close : callable
    """

    def __init__(
        self,
        reader: str,
        variables: Iterable[Readable],
        *,
        group_attributes: Mapping[str, Mapping[str, Any]] | None = None,
        silence: str = "",
        close: Callable[[], Any] = lambda: None,
    ) -> None:
        self._reader = reader
        self._readables = {variable.described.path: variable for variable in variables}
        self._group_attributes = group_attributes or {}
        self._silence = silence
        self._close = close

    @property
    def reader(self) -> str:
        """The library with its version."""
        return self._reader

    @property
    def variables(self) -> Mapping[str, NativeVariable]:
        """Every variable by path."""
        return {path: readable.described for path, readable in self._readables.items()}

    @property
    def silence(self) -> str:
        """Why it may know nothing of a variable."""
        return self._silence

    @property
    def group_attributes(self) -> Mapping[str, Mapping[str, Any]]:
        """Attributes of every group by path, as far as they are stated."""
        return self._group_attributes

    def read(self, path: str, region: Region) -> npt.NDArray[Any]:
        """Stored values of a region."""
        return np.asarray(self._readables[path].read(region))

    def read_decoded(self, path: str, region: Region) -> npt.NDArray[Any]:
        """Values of a region as xarray decodes them."""
        readable = self._readables[path]
        if readable.decode is not None:
            return np.asarray(readable.decode(region))
        attributes = readable.described.attributes
        if isinstance(attributes, Unstated):
            raise NoOracleError(f"{self._reader} gives stored values only")
        return decoded(path, self.read(path, region), attributes)

    def shown(self, path: str, *, decoded: bool) -> str:
        """How the library reads stored values."""
        return "" if decoded else self._readables[path].shown

    def close(self) -> None:
        """Let go of the file."""
        self._close()


def decoded(path: str, values: npt.NDArray[Any], attributes: Mapping[str, Any]) -> npt.NDArray[Any]:
    """Stored values as xarray decodes them by attributes that a native reader gives."""
    known = {name: value for name, value in attributes.items() if value is not Unclear.VALUE}
    dims = [f"axis_{axis}" for axis in range(values.ndim)]
    return np.asarray(decode_variable(posixpath.basename(path), xr.Variable(dims, values, known)).values)


def moved(region: Region, order: tuple[int, ...]) -> Region:
    """A region of a transposed array, in the order of the array that was transposed: axis i of the one is order[i]."""
    slices = dict(zip(order, region, strict=True))
    return tuple(slices[axis] for axis in range(len(region)))
