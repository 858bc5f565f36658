"""The virtual side of a comparison: what it says of itself, and regions of it as stored and as decoded values."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
import zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from vzlab.manifests import ChunkGrid, ChunkManifest
from vzlab.oracles.decoding import read_region

type Region = tuple[slice, ...]


@dataclass(frozen=True, kw_only=True)
class VirtualVariable:
    """One variable of the virtual side."""

    path: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    """Of stored values; of a variable in memory, what it holds."""
    attributes: Mapping[str, Any]
    """Stored attributes; of a variable that was decoded, what is left of them."""
    grid: ChunkGrid
    """How it is cut into chunks; one chunk for a variable in memory."""
    array: Any = None
    """The ``zarr.Array`` with its stored values; None if they are out of reach."""
    decoded: xr.Variable | None = None
    """Decoded values, if not to be had by opening the store with xarray: in memory, or lazy."""
    manifest: ChunkManifest | None = None
    """Where its chunks lie, if known."""
    n_outside: int = 0
    """References to places outside of its chunk grid."""
    codecs: tuple[Mapping[str, Any], ...] | None = None
    """Zarr v3 codec chain, if there is one."""
    implied_fill: Any = None
    """What xarray takes for ``_FillValue`` though no attribute says it (Zarr v2)."""
    is_coordinate: bool = False
    is_rewritten: bool = False
    """Whether its values were decoded and stored anew, in another encoding."""
    reencoded: frozenset[str] = frozenset()
    """Native files whose part of it was decoded and encoded as the other parts."""

    @property
    def has_stored_values(self) -> bool:
        """Whether stored values are to be had, and are meant to be those of the native file."""
        return self.array is not None and not self.is_rewritten


@dataclass(eq=False, kw_only=True)
class VirtualSide:
    """A virtual dataset of any kind, ready to be compared."""

    description: str
    variables: dict[str, VirtualVariable]
    group_attributes: Mapping[str, Mapping[str, Any]]
    open_group: Callable[[str], xr.Dataset] | None = None
    """Opens a group of the store with xarray, decoded."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Variables that it says it leaves out, and why."""
    unusable: Mapping[str, str] = field(default_factory=dict)
    """Variables that cannot be opened, and why."""
    urls: tuple[str, ...] | None = None
    """Files that its references point to, if known."""
    location: str = ""
    """Url of the one file that it was made from, if that is so."""
    _opened: dict[str, xr.Dataset | Exception] = field(default_factory=dict)

    def read_raw(self, path: str, region: Region, *, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """Stored values of a region; where `out` is given, which has its shape and their data type, they are read into it."""
        array = self.variables[path].array
        if out is None:
            return np.asarray(array[region])
        buffer = default_buffer_prototype().nd_buffer.from_numpy_array(out)
        return np.asarray(array.get_orthogonal_selection(region, out=buffer))

    def read_decoded(self, path: str, region: Region) -> npt.NDArray[Any]:
        """Values of a region as xarray decodes them."""
        variable = self.variables[path].decoded
        if variable is None:
            folder, name = posixpath.split(path)
            variable = self._group(folder).variables[name]
        return read_region(variable, region)

    def _group(self, folder: str) -> xr.Dataset:
        if folder not in self._opened:
            assert self.open_group is not None
            try:
                self._opened[folder] = self.open_group(folder)
            except Exception as error:  # noqa: BLE001 - whatever xarray raises is why it cannot be opened
                self._opened[folder] = error
        opened = self._opened[folder]
        if isinstance(opened, Exception):
            raise opened
        return opened

    def read_stored(self, path: str, index: tuple[int, ...]) -> bytes | None:
        """Stored bytes of a chunk; None if it was never written."""
        array: zarr.Array[Any] = self.variables[path].array
        key = array.metadata.encode_chunk_key(index)
        full = f"{array.path}/{key}" if array.path else key
        buffer = sync(array.store.get(full, default_buffer_prototype()))
        return None if buffer is None else buffer.to_bytes()

    def reference(self, path: str, index: tuple[int, ...]) -> tuple[str, int | None, int | None]:
        """Url, offset and length of a chunk; empty and None where they are not known."""
        manifest = self.variables[path].manifest
        if manifest is None or len(index) != len(manifest.grid_shape):
            return "", None, None
        return place_of(manifest, index)

    def is_virtual_chunk(self, path: str, index: tuple[int, ...]) -> bool:
        """Whether a chunk is a reference into a source file."""
        variable = self.variables[path]
        if variable.manifest is not None:
            return variable.manifest.reference(index).state == "virtual"
        session: Any = getattr(getattr(variable.array, "store", None), "session", None)
        if not hasattr(session, "chunk_type"):
            return False
        return str(session.chunk_type("/" + variable.array.path, index)).lower().endswith("virtual")

    def has_virtual_chunks(self, path: str) -> bool:
        """Whether a variable refers to source files; of a repository, whether its first or last chunk does."""
        variable = self.variables[path]
        if variable.manifest is not None:
            return variable.manifest.n_virtual > 0
        grid = variable.grid.grid_shape
        if variable.array is None or 0 in grid:
            return False
        return any(
            self.is_virtual_chunk(path, corner) for corner in ((0,) * len(grid), tuple(n - 1 for n in grid))
        )


def place_of(manifest: ChunkManifest, index: tuple[int, ...]) -> tuple[str, int | None, int | None]:
    """Url, offset and length of a chunk; its state in brackets and no offset where it lies in no file."""
    entry = manifest.reference(index)
    if entry.source is None:
        return f"({entry.state})", None, entry.length or None
    return entry.source.url, entry.offset, entry.length
