"""How files follow each other: along which dimensions, and the place of each file along them."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """The place of every file along the dimensions that are combined."""

    dims: tuple[str, ...]
    """Outermost first; none if that could not be told."""
    positions: tuple[tuple[int, ...], ...]
    """Of each file along each of `dims`."""

    @property
    def n_files(self) -> int:
        """How many files there are."""
        return len(self.positions)

    @property
    def order(self) -> tuple[int, ...]:
        """The files in the order of their places."""
        return tuple(sorted(range(self.n_files), key=self.positions.__getitem__))

    def groups(self, dims: Sequence[Hashable]) -> list[tuple[int, ...]]:
        """Files that hold the same part of a variable over these dimensions, in the order of the files."""
        axes = [axis for axis, dim in enumerate(self.dims) if dim in dims]
        if not axes:
            return [tuple(range(self.n_files))]
        members: dict[tuple[int, ...], list[int]] = {}
        for i, place in enumerate(self.positions):
            members.setdefault(tuple(place[axis] for axis in axes), []).append(i)
        return [tuple(files) for files in members.values()]

    def lines(self, dim: str) -> list[tuple[int, ...]]:
        """Rows of files that follow each other along one dimension, each in order."""
        others = [other for other in self.dims if other != dim]
        axis = self.dims.index(dim)
        if not others:
            return [self.order]
        return [tuple(sorted(group, key=lambda i: self.positions[i][axis])) for group in self.groups(others)]

    @property
    def is_complete(self) -> bool:
        """Whether the places fill a box, each once."""
        if not self.dims:
            return self.n_files == 1
        counts = [len({place[axis] for place in self.positions}) for axis in range(len(self.dims))]
        return len(set(self.positions)) == self.n_files == math.prod(counts)


def as_given(dims: Sequence[str], n_files: int) -> Tiling:
    """Files that follow each other along one dimension in the order given."""
    return Tiling(dims=tuple(dims)[:1], positions=tuple((i,) if dims else () for i in range(n_files)))


def nested(items: Any, dims: Sequence[str]) -> tuple[list[Any], Tiling]:
    """Take apart a nested list, one level for each dimension, as ``xarray.combine_nested`` reads it.

    Raises
    ------
    ValueError
        If the nesting is less deep than there are dimensions, or its lists differ in length.
    """
    found = list(_walk(items, len(dims), ()))
    tiling = Tiling(dims=tuple(dims), positions=tuple(place for place, _ in found))
    if not tiling.is_complete:
        raise ValueError(
            f"A list nested {len(dims)} deep for {', '.join(dims)} has rows of different lengths; expected a full table of files"
        )
    return [item for _, item in found], tiling


def _walk(items: Any, depth: int, place: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], Any]]:
    if not depth:
        yield place, items
        return
    if not isinstance(items, list | tuple):
        raise TypeError(
            f"Found a {type(items).__name__} where a list was expected: give one level of lists for each dimension"
        )
    for i, item in enumerate(items):
        yield from _walk(item, depth - 1, (*place, i))


def propose_tiling(datasets: Sequence[xr.Dataset], concat_dim: str | Sequence[str] | None) -> Tiling:
    """Put files in place by their coordinates, along the dimensions given or found."""
    given = [concat_dim] if isinstance(concat_dim, str) else list(concat_dim or ())
    dims = given or _propose_dims(datasets)
    if len(dims) <= 1:
        ranks = _ranks_along(datasets, dims[0]) if dims else range(len(datasets))
        return Tiling(dims=tuple(dims), positions=tuple((rank,) if dims else () for rank in ranks))
    columns = [_places_along(datasets, dim) for dim in dims]
    return Tiling(dims=tuple(dims), positions=tuple(zip(*columns, strict=True)))


def _propose_dims(datasets: Sequence[xr.Dataset]) -> list[str]:
    """Dimensions whose coordinates differ: several where the files tile them, a time before any other if they do not."""
    first = datasets[0]
    if len(datasets) < 2:
        return [str(dim) for dim in first.dims if first.sizes[dim] and is_time(first, dim)][:1]
    differing = differing_dims(datasets)
    if len(differing) > 1 and all(_is_indexed(datasets, dim) for dim in differing):
        columns = [_places_along(datasets, dim) for dim in differing]
        tiling = Tiling(dims=tuple(differing), positions=tuple(zip(*columns, strict=True)))
        if tiling.is_complete and all(len(set(column)) > 1 for column in columns):
            return differing
    times = [dim for dim in differing if is_time(first, dim)]
    if len(times) == 1:
        return times
    return differing if len(differing) == 1 else []


def differing_dims(datasets: Sequence[xr.Dataset]) -> list[str]:
    """Dimensions whose labels or lengths are not the same in all files."""
    return [str(dim) for dim in datasets[0].dims if _differs(datasets, dim)]


def _differs(datasets: Sequence[xr.Dataset], dim: Hashable) -> bool:
    first = datasets[0]
    length, index = first.sizes[dim], first._indexes.get(dim)
    for other in datasets[1:]:
        if other.sizes.get(dim) != length:
            return True
        theirs = other._indexes.get(dim)
        if index is not None and theirs is not None and not index.equals(theirs):
            return True
    return False


def _is_indexed(datasets: Sequence[xr.Dataset], dim: str) -> bool:
    return all(dim in dataset._indexes and dataset.sizes[dim] for dataset in datasets)


def index_of(dataset: xr.Dataset, dim: str) -> pd.Index:
    """The labels along a dimension."""
    return dataset._indexes[dim].to_pandas_index()


def _ranks_along(datasets: Sequence[xr.Dataset], dim: str) -> list[int]:
    """Each file's place when sorted by its first label, downwards if every file runs down; as given without labels."""
    given = list(range(len(datasets)))
    if not _is_indexed(datasets, dim):
        return given
    indexes = [index_of(dataset, dim) for dataset in datasets]
    long = [index for index in indexes if len(index) > 1]
    down = bool(long) and all(index[0] > index[-1] for index in long)
    try:
        order = sorted(given, key=lambda i: indexes[i][0], reverse=down)
    except TypeError:
        return given
    ranks = [0] * len(order)
    for rank, i in enumerate(order):
        ranks[i] = rank
    return ranks


def _places_along(datasets: Sequence[xr.Dataset], dim: str) -> list[int]:
    """Each file's place among the distinct first labels; files that begin alike share one."""
    if not _is_indexed(datasets, dim):
        return [0] * len(datasets)
    indexes = [index_of(dataset, dim) for dataset in datasets]
    long = [index for index in indexes if len(index) > 1]
    down = bool(long) and all(index[0] > index[-1] for index in long)
    firsts = [index[0] for index in indexes]
    try:
        places = {label: place for place, label in enumerate(sorted(set(firsts), reverse=down))}
    except TypeError:  # labels of several kinds, such as dates of two calendars, have no order
        return [0] * len(datasets)
    return [places[label] for label in firsts]


def is_time(dataset: xr.Dataset, dim: Hashable) -> bool:
    """Whether a dimension's coordinate counts time."""
    variable = dataset.variables.get(dim)
    if variable is None:
        return False
    dtype: np.dtype[Any] = variable.dtype
    return dtype.kind in "MmO" or " since " in str(variable.attrs.get("units", ""))
