"""Native files whose variables have their axes in another order than the virtual ones, shown in that order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.oracles import NativeFile, NativeVariable, Region
from vzlab.oracles.base import NativeChunks, moved

type Order = tuple[int, ...]
"""For each axis as it is shown, the axis of the file."""


def axes_order(native: NativeVariable, dims: tuple[str, ...]) -> Order | None:
    """In which order a native variable's axes come in a virtual one of some dimensions; None if as they are, or not known.

    The virtual one may have a dimension more: that along which files are joined.
    """
    wanted = [dim for dim in dims if dim in native.dims]
    if wanted == list(native.dims) or None in native.dims or len(wanted) != len(set(native.dims)):
        return None
    order = tuple(native.dims.index(dim) for dim in wanted)
    return order if len(order) == len(native.dims) else None


def in_order(native: NativeVariable, order: Order) -> NativeVariable:
    """The variable as it would be described if the file had its axes in this order."""
    return replace(
        native,
        dims=tuple(native.dims[axis] for axis in order),
        shape=tuple(native.shape[axis] for axis in order),
        chunks=None if native.chunks is None else tuple(native.chunks[axis] for axis in order),
    )


class OrderedFile(NativeFile):
    """A native file, some of whose variables are shown with their axes in another order.

    Parameters
    ----------
    file : NativeFile
    orders : mapping of str to tuple of int
        By path of a variable, the file's axis for each axis that is shown.
    """

    def __init__(self, file: NativeFile, orders: Mapping[str, Order]) -> None:
        self._file = file
        self._orders = orders

    @property
    def reader(self) -> str:
        """The library that reads it."""
        return self._file.reader

    @property
    def variables(self) -> Mapping[str, NativeVariable]:
        """Every variable by path, axes in the order asked for."""
        return {
            path: in_order(variable, self._orders[path]) if path in self._orders else variable
            for path, variable in self._file.variables.items()
        }

    @property
    def silence(self) -> str:
        """Why it may know nothing of a variable."""
        return self._file.silence

    @property
    def group_attributes(self) -> Mapping[str, Mapping[str, Any]]:
        """Attributes of every group by path."""
        return self._file.group_attributes

    def read(self, path: str, region: Region) -> npt.NDArray[Any]:
        """Stored values of a region."""
        order = self._orders.get(path)
        if order is None:
            return self._file.read(path, region)
        return self._file.read(path, moved(region, order)).transpose(order)

    def read_decoded(self, path: str, region: Region) -> npt.NDArray[Any]:
        """Decoded values of a region."""
        order = self._orders.get(path)
        if order is None:
            return self._file.read_decoded(path, region)
        return self._file.read_decoded(path, moved(region, order)).transpose(order)

    def chunk_table(self, path: str) -> NativeChunks | None:
        """Where a variable's chunks lie."""
        table, order = self._file.chunk_table(path), self._orders.get(path)
        if table is None or order is None:
            return table
        return NativeChunks(
            chunks=tuple(table.chunks[axis] for axis in order),
            present=table.present.transpose(order),
            offsets=table.offsets.transpose(order),
            lengths=table.lengths.transpose(order),
            filter_masks=table.filter_masks.transpose(order),
        )

    def stored_chunk(self, path: str, index: tuple[int, ...]) -> bytes | None:
        """The stored bytes of a chunk: its elements lie as they do in the file."""
        order = self._orders.get(path)
        if order is None:
            return self._file.stored_chunk(path, index)
        return self._file.stored_chunk(path, tuple(np.take(index, np.argsort(order)).tolist()))

    def shown(self, path: str, *, decoded: bool) -> str:
        """How the library reads the variable; transposed, it is read whole."""
        shown, order = self._file.shown(path, decoded=decoded), self._orders.get(path)
        if not shown or order is None:
            return shown
        values = ".values" if shown.startswith(("xarray.", "native[")) else "[...]"
        return f"{shown}{values}.transpose({order})"

    def contiguous_range(self, path: str) -> tuple[int, int] | None:
        """Offset and length of a variable that lies in one piece."""
        return self._file.contiguous_range(path)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
