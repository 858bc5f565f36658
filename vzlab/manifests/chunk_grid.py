"""How an array is cut into chunks: regular and rectilinear grids."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

type DimensionChunks = int | tuple[int, ...]
"""One dimension's chunk lengths: a uniform length, or every length in order."""


@dataclass(frozen=True, kw_only=True)
class ChunkGrid:
    """The chunk grid of an array of known shape.

    A dimension given as an integer is cut into chunks of that length, and its last chunk is *stored* at full
    length however little of it lies inside the array. A dimension given as a tuple lists the length of every chunk; a
    tuple of equal lengths is held as the integer, so that grids that mean the same are equal.

    Raises
    ------
    ValueError
        If ranks differ, a chunk length is below 1, or listed lengths do not add up to the dimension's length.

    Examples
    --------
    >>> import vzlab as vz
    >>> vz.ChunkGrid(shape=(90, 100), chunks=(30, 40)).grid_shape
    (3, 3)
    >>> vz.ChunkGrid(shape=(90,), chunks=((31, 28, 31),)).is_regular  # months
    False
    """

    shape: tuple[int, ...]
    """Length of each dimension of the array."""

    chunks: tuple[DimensionChunks, ...]
    """Chunk lengths of each dimension."""

    def __post_init__(self) -> None:
        if len(self.shape) != len(self.chunks):
            raise ValueError(
                f"A chunk grid of {len(self.chunks)} dimensions was given for an array of {len(self.shape)} dimensions"
            )
        for axis, (extent, chunk) in enumerate(zip(self.shape, self.chunks, strict=True)):
            if isinstance(chunk, int):
                if chunk < 1:
                    raise ValueError(f"Chunk length {chunk} along axis {axis}: expected at least 1")
            elif sum(chunk) != extent or min(chunk, default=1) < 1:
                raise ValueError(
                    f"Chunk lengths along axis {axis} add up to {sum(chunk)} with a minimum of {min(chunk, default=0)}: "
                    f"expected positive lengths that add up to {extent}"
                )
        object.__setattr__(self, "chunks", tuple(map(simplify, self.shape, self.chunks)))

    @property
    def is_regular(self) -> bool:
        """Whether each dimension has one chunk length."""
        return all(isinstance(chunk, int) for chunk in self.chunks)

    @property
    def grid_shape(self) -> tuple[int, ...]:
        """Number of chunks along each dimension."""
        return tuple(
            -(-extent // chunk) if isinstance(chunk, int) else len(chunk)
            for extent, chunk in zip(self.shape, self.chunks, strict=True)
        )

    @property
    def n_chunks(self) -> int:
        """Number of chunks in the grid."""
        return math.prod(self.grid_shape)

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """Largest chunk length along each dimension; of a regular grid, the chunk shape."""
        return tuple(chunk if isinstance(chunk, int) else max(chunk, default=1) for chunk in self.chunks)

    def stored_lengths(self, axis: int) -> npt.NDArray[np.int64]:
        """Length along one axis of every chunk as stored, padding included; shape ``(n,)``."""
        chunk = self.chunks[axis]
        if isinstance(chunk, int):
            return np.full(self.grid_shape[axis], chunk, dtype=np.int64)
        return np.asarray(chunk, dtype=np.int64)

    def lengths(self, axis: int) -> npt.NDArray[np.int64]:
        """Length along one axis of the part of every chunk that lies inside the array; shape ``(n,)``."""
        lengths = self.stored_lengths(axis)
        if len(lengths):
            lengths[-1] = self.shape[axis] - int(lengths[:-1].sum())
        return lengths

    def starts(self, axis: int) -> npt.NDArray[np.int64]:
        """First array index of every chunk along one axis, and one past the last; shape ``(n + 1,)``."""
        return np.concatenate([[0], np.cumsum(self.lengths(axis))]).astype(np.int64)

    def last_is_partial(self, axis: int) -> bool:
        """Whether the last chunk along an axis is stored longer than the array reaches."""
        chunk = self.chunks[axis]
        return isinstance(chunk, int) and self.shape[axis] % chunk != 0

    def stored_shape(self, index: Sequence[int]) -> tuple[int, ...]:
        """Shape that the chunk at a grid index decodes to, padding included."""
        return tuple(
            chunk if isinstance(chunk, int) else chunk[i] for chunk, i in zip(self.chunks, index, strict=True)
        )

    def region(self, index: Sequence[int]) -> tuple[slice, ...]:
        """The part of the array that the chunk at a grid index holds."""
        region = []
        for axis, i in enumerate(index):
            chunk, extent = self.chunks[axis], self.shape[axis]
            if isinstance(chunk, int):
                region.append(slice(i * chunk, min((i + 1) * chunk, extent)))
            else:
                start = sum(chunk[:i])
                region.append(slice(start, start + chunk[i]))
        return tuple(region)

    def locate(self, axis: int, position: int) -> int:
        """Grid index along one axis of the chunk that holds an array position."""
        chunk = self.chunks[axis]
        if isinstance(chunk, int):
            return position // chunk
        return int(np.searchsorted(self.starts(axis), position, side="right")) - 1

    def to_zarr(self) -> dict[str, Any]:
        """As the ``chunk_grid`` of Zarr v3 array metadata.

        Rectilinear grids follow the Zarr extension ``chunk-grids/rectilinear`` with run-length encoded lengths.
        """
        if self.is_regular:
            return {"name": "regular", "configuration": {"chunk_shape": list(self.chunks)}}
        shapes = [chunk if isinstance(chunk, int) else _run_lengths(chunk) for chunk in self.chunks]
        return {"name": "rectilinear", "configuration": {"kind": "inline", "chunk_shapes": shapes}}

    @classmethod
    def from_zarr(cls, shape: Sequence[int], document: dict[str, Any]) -> ChunkGrid:
        """Read the ``chunk_grid`` of Zarr v3 array metadata.

        Raises
        ------
        ValueError
            If it is neither a regular nor an inline rectilinear grid.
        """
        configuration = document.get("configuration", {})
        name, kind = document.get("name"), configuration.get("kind")
        chunks: tuple[DimensionChunks, ...]
        if name == "regular":
            chunks = tuple(int(n) for n in configuration["chunk_shape"])
        elif (name, kind) == ("rectilinear", "inline"):
            chunks = tuple(
                spec if isinstance(spec, int) else _clip(_expand_run_lengths(spec), extent)
                for spec, extent in zip(configuration["chunk_shapes"], shape, strict=True)
            )
        else:
            raise ValueError(
                f"Found chunk grid {name!r}; expected 'regular', or 'rectilinear' of kind 'inline'"
            )
        return cls(shape=tuple(shape), chunks=chunks)


def simplify(extent: int, lengths: DimensionChunks | Sequence[int]) -> DimensionChunks:
    """The shortest way to say chunk lengths that are all stored as they are: an integer where they are uniform."""
    if isinstance(lengths, int):
        return lengths
    if not lengths:
        return max(extent, 1)
    if min(lengths) == max(lengths):
        return int(lengths[0])
    return tuple(map(int, lengths))


def _clip(lengths: Iterable[int], extent: int) -> DimensionChunks:
    """Listed lengths, or the one length of a uniform list, whose last chunk may overhang the array as in a regular grid.

    Other lists that overhang it are refused: how the overhang is stored would be a guess.
    """
    lengths = tuple(lengths)
    if (
        lengths
        and set(lengths) == {lengths[0]}
        and sum(lengths) - lengths[0] < max(extent, 1) <= sum(lengths)
    ):
        return int(lengths[0])
    if sum(lengths) != extent:
        raise ValueError(
            f"Rectilinear chunk lengths add up to {sum(lengths)}, and the dimension is {extent} long"
        )
    return lengths


def _run_lengths(lengths: Iterable[int]) -> list[int | list[int]]:
    """``(30, 30, 30, 31)`` as ``[[30, 3], 31]``."""
    runs: list[int | list[int]] = []
    for length, run in itertools.groupby(lengths):
        count = sum(1 for _ in run)
        runs.append(length if count == 1 else [length, count])
    return runs


def _expand_run_lengths(runs: Iterable[int | list[int]]) -> list[int]:
    """``[[30, 3], 31]`` as ``[30, 30, 30, 31]``."""
    return [length for run in runs for length in ([run] if isinstance(run, int) else [run[0]] * run[1])]
