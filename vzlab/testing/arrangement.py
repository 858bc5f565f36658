"""Which part of which native file every part of a virtual array must equal.

The order of files comes from their own coordinates as the independent reader gives them, never from the references that
are to be judged. Only where files have no coordinate along a dimension does the order in which they were given count.
"""

from __future__ import annotations

import itertools
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.manifests import ChunkGrid
from vzlab.oracles import Region
from vzlab.telling import told_of
from vzlab.testing.difference import comparable, compare_arrays
from vzlab.testing.native_files import NativeFiles
from vzlab.testing.sampling import Block
from vzlab.testing.virtual_side import VirtualSide, VirtualVariable

type AxisKey = tuple[str, str, tuple[str, ...]]
"""Group path and name of a dimension, and the files that hold parts of it."""


@dataclass(frozen=True, kw_only=True)
class JoinedAxis:
    """A dimension along which native files follow each other."""

    dim: str
    tile_of: Mapping[str, int]
    """Place of each file along the dimension; files side by side along another one share it."""
    expected_size: int
    """Length of all places together."""
    tile: npt.NDArray[np.int64]
    """Place that each position of the virtual dimension belongs to; -1 where no native file has it."""
    local: npt.NDArray[np.int64]
    """Position within the file."""
    absent: int = 0
    """Native positions that the virtual dimension lacks."""
    extra: int = 0
    """Virtual positions that no native file has."""
    reordered: bool = False
    """Whether the virtual dimension has the native positions in another order."""
    by: str = ""
    """Path of the coordinate that says the order; empty if it is the order given."""
    is_new: bool = False
    """Whether the files lack the dimension: each of them is one position."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A part of a region of a virtual array, and the part of a native file that it must equal."""

    file: str
    """Url; empty if no file holds it."""
    path: str
    region: Region
    """In the file's variable; empty slices if no file holds it."""
    inner: Region
    """In the region of the virtual array."""
    expand: tuple[int, ...] = ()
    """Axes that the native values lack and get with length 1."""
    turned: tuple[int, ...] = ()
    """Axes of the native values that run the other way."""


@dataclass(frozen=True, kw_only=True)
class Arrangement:
    """How native files make up the virtual dataset."""

    duplicates: Sequence[tuple[str, str, str]] = field(default_factory=tuple)
    """Variable and two files that answer for the same place."""
    problems: Mapping[str, str] = field(default_factory=dict)
    """Variables whose place in the native files is not known, and why."""
    _files: Mapping[str, Mapping[tuple[int, ...], tuple[str, ...]]] = field(default_factory=dict)
    _joined: Mapping[str, tuple[JoinedAxis | None, ...]] = field(default_factory=dict)
    _coordinates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    _sizes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    turned: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By native file, the coordinates that it has in the reverse order, with all that lies along them."""

    def is_joined(self, path: str) -> bool:
        """Whether files follow each other in a variable, rather than each having all of it."""
        return any(axis is not None for axis in self._joined[path])

    def axis(self, path: str, axis: int) -> JoinedAxis | None:
        """How files follow each other along an axis of a variable."""
        return self._joined[path][axis]

    def coordinates(self, path: str) -> tuple[str, ...]:
        """Paths of the coordinates that each native file has whole, axis by axis; empty where there is none."""
        return self._coordinates[path]

    def known(self, path: str) -> bool:
        """Whether the variable has a place in the native files."""
        return path in self._joined and path not in self.problems

    def pieces(self, path: str, region: Region, file: str) -> Iterator[Piece]:
        """Cut a region of a virtual array into parts that each lie in one native file.

        Parameters
        ----------
        file : str
            The file to hold it against, where several files have the same part; empty for all of these.
        """
        joined = [self.axis(path, axis) for axis in range(len(region))]
        if not any(joined):
            yield self._turned(Piece(file=file, path=path, region=region, inner=_inner(region)))
            return
        runs = [_runs(axis, part) for axis, part in zip(joined, region, strict=True)]
        expand = tuple(i for i, axis in enumerate(joined) if axis is not None and axis.is_new)
        for combination in itertools.product(*runs):
            tiles = tuple(
                tile for (tile, _, _), axis in zip(combination, joined, strict=True) if axis is not None
            )
            holders = self._files[path].get(tiles, ("",))
            for holder in (file,) if file in holders else holders:
                yield self._turned(
                    Piece(
                        file=holder,
                        path=path,
                        region=tuple(
                            native for i, (_, native, _) in enumerate(combination) if i not in expand
                        ),
                        inner=tuple(inner for _, _, inner in combination),
                        expand=expand,
                    )
                )

    def _turned(self, piece: Piece) -> Piece:
        """The piece where the file has it: counted from the other end along what runs the other way there."""
        coordinates = self.turned.get(piece.file)
        if not coordinates:
            return piece
        places = [
            (path in coordinates, size)
            for axis, (path, size) in enumerate(
                zip(self._coordinates[piece.path], self._sizes[piece.path], strict=True)
            )
            if axis not in piece.expand
        ]
        region = tuple(
            slice(size - part.stop, size - part.start) if is_turned else part
            for part, (is_turned, size) in zip(piece.region, places, strict=True)
        )
        turned = tuple(axis for axis, (is_turned, _) in enumerate(places) if is_turned)
        return replace(piece, region=region, turned=turned)

    def blocks(self, path: str, grid: ChunkGrid, holders: Sequence[str]) -> list[Block]:
        """The chunks that each native file answers for; one that straddles files belongs to the first of them."""
        whole = tuple(np.arange(n, dtype=np.int64) for n in grid.grid_shape)
        if not self.is_joined(path):
            return [Block(file=file, chunk_indices=whole) for file in holders]
        per_axis: list[list[tuple[int | None, npt.NDArray[np.int64]]]] = []
        for axis, indices in enumerate(whole):
            joined = self.axis(path, axis)
            if joined is None:
                per_axis.append([(None, indices)])
                continue
            first = joined.tile[np.minimum(grid.starts(axis)[:-1], max(len(joined.tile) - 1, 0))]
            per_axis.append(
                [(int(tile), np.flatnonzero(first == tile).astype(np.int64)) for tile in np.unique(first)]
            )
        blocks = []
        for combination in itertools.product(*per_axis):
            tiles = tuple(tile for tile, _ in combination if tile is not None)
            holder, *others = self._files[path].get(tiles, ("",))
            chosen = tuple(part for _, part in combination)
            blocks.append(Block(file=holder, also=tuple(others), chunk_indices=chosen))
        return blocks


def _inner(region: Region) -> Region:
    return tuple(slice(0, part.stop - part.start) for part in region)


def _runs(axis: JoinedAxis | None, part: slice) -> list[tuple[int, slice, slice]]:
    """Cut a range along an axis where the file changes or its positions do not follow each other."""
    if axis is None:
        return [(0, part, slice(0, part.stop - part.start))]
    tile, local = axis.tile[part], axis.local[part]
    breaks = np.flatnonzero((np.diff(tile) != 0) | ((np.diff(local) != 1) & (tile[1:] >= 0))) + 1
    bounds = [0, *breaks.tolist(), len(tile)]
    runs = []
    for start, stop in itertools.pairwise(bounds):
        if stop > start:
            begin = int(local[start])
            runs.append((int(tile[start]), slice(begin, begin + stop - start), slice(start, stop)))
    return runs


# -- working it out ---------------------------------------------------------------------------------------------------


def arrange(virtual: VirtualSide, native: NativeFiles) -> Arrangement:
    """Work out how native files make up the variables of a virtual dataset."""
    tried: dict[AxisKey, JoinedAxis | None] = {}
    joined: dict[str, tuple[JoinedAxis | None, ...]] = {}
    files: dict[str, Mapping[tuple[int, ...], tuple[str, ...]]] = {}
    problems: dict[str, str] = {}
    coordinates: dict[str, tuple[str, ...]] = {}
    duplicates: list[tuple[str, str, str]] = []
    for path, variable in virtual.variables.items():
        holders = tuple(native.holders(path))
        if not holders:
            continue
        native_rank = len(native.variables[holders[0]][path].shape)
        if any(len(native.variables[url][path].shape) != native_rank for url in holders) or (
            native_rank not in (len(variable.shape), len(variable.shape) - 1)
        ):
            problems[path] = "its number of dimensions differs from that of the native variable"
            continue
        axes: list[JoinedAxis | None] = []
        new = _new_axis(variable, native, holders, native_rank)
        for axis in range(len(variable.shape)):
            key = (posixpath.dirname(path), variable.dims[axis], holders)
            if key not in tried:
                tried[key] = _join(virtual, variable, axis, new, native, holders)
            axes.append(tried[key])
        joined[path] = tuple(axes)
        coordinates[path] = tuple(
            "" if axis else _coordinate_path(path, dim, native, holders)
            for dim, axis in zip(variable.dims, axes, strict=True)
        )
        used = [found for found in axes if found is not None]
        files[path] = _place(used, holders)
        if used and not variable.is_coordinate:  # a coordinate may well be in several files
            duplicates += [(path, same[0], other) for same in files[path].values() for other in same[1:]]
        unordered = [found for found in used if not found.by]
        if unordered and native.unopened:
            problems[path] = (
                f"no coordinate says the order of files along {unordered[0].dim!r}, and some of them cannot be opened"
            )
        elif len(unordered) > 1:
            problems[path] = (
                f"files follow each other along {len(unordered)} dimensions without a coordinate that says in which order: "
                "give native as a Dataset"
            )
    return Arrangement(
        duplicates=tuple(duplicates),
        problems=problems,
        _files=files,
        _joined=joined,
        _coordinates=coordinates,
        _sizes={path: variable.shape for path, variable in virtual.variables.items()},
    )


def _new_axis(
    variable: VirtualVariable, native: NativeFiles, holders: Sequence[str], native_rank: int
) -> int | None:
    """The axis of the virtual variable that the files lack."""
    if native_rank == len(variable.shape):
        return None
    names = native.variables[holders[0]][variable.path].dims
    return next((axis for axis, dim in enumerate(variable.dims) if dim not in names), 0)


def _native_axis(axis: int, new: int | None) -> int:
    return axis - (new is not None and axis > new)


def _join(
    virtual: VirtualSide,
    variable: VirtualVariable,
    axis: int,
    new: int | None,
    native: NativeFiles,
    holders: Sequence[str],
) -> JoinedAxis | None:
    """How files follow each other along an axis; None if each of them has all of it."""
    dim, size = variable.dims[axis], variable.shape[axis]
    if new == axis:
        tiles = {url: i for i, url in enumerate(holders)}
        return _in_given_order(dim, tiles, [1] * len(holders), size, is_new=True)
    at = _native_axis(axis, new)
    sizes = {url: native.variables[url][variable.path].shape[at] for url in holders}
    coordinate = _coordinate_path(variable.path, dim, native, holders)
    values = _coordinate_values(coordinate, native, holders, sizes) if coordinate else None
    differs = any(n != size for n in sizes.values())
    if not differs and (values is None or not _disjoint(list(values.values()))):
        return None
    if values is None:
        if len(holders) == 1:
            return None
        tiles = {url: i for i, url in enumerate(holders)}
        return _in_given_order(dim, tiles, [sizes[url] for url in holders], size)
    ours = virtual_coordinate(virtual, coordinate)
    if ours is not None and len(ours) != size:
        ours = None
    tiles, order = _sorted_tiles(values, ours)
    lengths = [len(part) for part in order]
    expected = np.concatenate(order) if order else np.zeros(0)
    position = _match(expected, ours, size)
    tile_of_native = np.repeat(np.arange(len(lengths)), lengths)
    local_of_native = np.concatenate([np.arange(n) for n in lengths]) if lengths else np.zeros(0, np.int64)
    known = position >= 0
    tile, local = np.full(size, -1, np.int64), np.zeros(size, np.int64)
    tile[known], local[known] = tile_of_native[position[known]], local_of_native[position[known]]
    present = position[known]
    return JoinedAxis(
        dim=dim,
        tile_of=tiles,
        expected_size=len(expected),
        tile=tile,
        local=local,
        absent=len(expected) - len(np.unique(present)),
        extra=int(size - known.sum()),
        reordered=bool((np.diff(present) < 0).any()),
        by=coordinate,
    )


def _in_given_order(
    dim: str, tiles: Mapping[str, int], lengths: Sequence[int], size: int, *, is_new: bool = False
) -> JoinedAxis:
    total = sum(lengths)
    tile, local = np.full(size, -1, np.int64), np.zeros(size, np.int64)
    n = min(total, size)
    tile[:n] = np.repeat(np.arange(len(lengths)), lengths)[:n]
    local[:n] = np.concatenate([np.arange(k) for k in lengths])[:n]
    return JoinedAxis(
        dim=dim,
        tile_of=tiles,
        expected_size=total,
        tile=tile,
        local=local,
        absent=max(total - size, 0),
        extra=max(size - total, 0),
        is_new=is_new,
    )


def _coordinate_path(path: str, dim: str, native: NativeFiles, holders: Sequence[str]) -> str:
    """Path of the one-dimensional variable named like the dimension, in the variable's group or one above."""
    folder = posixpath.dirname(path)
    while True:
        candidate = posixpath.join(folder, dim)
        if all(
            candidate in native.variables[url] and len(native.variables[url][candidate].shape) == 1
            for url in holders
        ):
            return candidate
        if not folder:
            return ""
        folder = posixpath.dirname(folder)


def _coordinate_values(
    path: str, native: NativeFiles, holders: Sequence[str], sizes: Mapping[str, int]
) -> dict[str, npt.NDArray[Any]] | None:
    values = {}
    for url in told_of(f"Order files by {path}", holders):
        read = native_coordinate(native, path, url)
        if read is None or len(read) != sizes[url] or len(read) == 0:
            return None
        values[url] = read
    return values


def native_coordinate(native: NativeFiles, path: str, file: str) -> npt.NDArray[Any] | None:
    """Values of a one-dimensional coordinate of a native file: decoded, else stored, else None."""
    region = (slice(0, native.variables[file][path].shape[0]),)
    for decoded in (True, False):  # whatever xarray cannot decode is taken as stored
        try:
            return comparable(native.read(file, path, region, decoded=decoded))
        except Exception:  # noqa: BLE001, S110 - what cannot be read is found when coordinates are compared
            pass
    return None


def virtual_coordinate(virtual: VirtualSide, path: str) -> npt.NDArray[Any] | None:
    """Values of a one-dimensional coordinate of the virtual side, decoded; None if they cannot be read."""
    variable = virtual.variables.get(path)
    if variable is None or len(variable.shape) != 1:
        return None
    try:
        return comparable(virtual.read_decoded(path, (slice(0, variable.shape[0]),)))
    except Exception:  # noqa: BLE001 - a coordinate that cannot be read is found when coordinates are compared
        return None


def _disjoint(parts: Sequence[npt.NDArray[Any]]) -> bool:
    """Whether there are several distinct coordinates, none reaching into another's range."""
    try:
        ranges = sorted({(_key(part.min()), _key(part.max())) for part in parts if len(part)})
    except TypeError:  # instants of several calendars have no order
        return False
    return len(ranges) > 1 and all(a[1] < b[0] for a, b in itertools.pairwise(ranges))


def _key(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) and value.dtype.kind not in "mM" else value


def _sorted_tiles(
    values: Mapping[str, npt.NDArray[Any]], ours: npt.NDArray[Any] | None
) -> tuple[dict[str, int], list[npt.NDArray[Any]]]:
    """Place of each file along the dimension, and the coordinate of each place in order."""
    groups: dict[tuple[Any, Any, int], list[str]] = {}
    for url, part in values.items():
        groups.setdefault((_key(part[0]), _key(part[-1]), len(part)), []).append(url)
    descending = _descends(list(values.values()), ours)
    keys = sorted(groups, key=lambda key: (key[0], key[1]), reverse=descending)
    tiles = {url: place for place, key in enumerate(keys) for url in groups[key]}
    return tiles, [values[groups[key][0]] for key in keys]


def _descends(parts: Sequence[npt.NDArray[Any]], ours: npt.NDArray[Any] | None) -> bool:
    for part in parts:
        if len(part) > 1:
            return bool(part[0] > part[-1])
    return ours is not None and len(ours) > 1 and bool(ours[0] > ours[-1])


def _match(expected: npt.NDArray[Any], ours: npt.NDArray[Any] | None, size: int) -> npt.NDArray[np.int64]:
    """Native position of each virtual position: by place, or by label where the labels tell another story; else -1."""
    by_place = np.full(size, -1, np.int64)
    n = min(size, len(expected))
    by_place[:n] = np.arange(n)
    if ours is None or (ours.shape == expected.shape and not compare_arrays(ours, expected).n_differing):
        return by_place
    labels = {_key(value): i for i, value in enumerate(expected)}
    if len(labels) != len(expected):
        return by_place
    by_label = np.array([labels.get(_key(value), -1) for value in ours], np.int64)
    found = by_label[by_label >= 0]
    if len(found) == 0 or len(np.unique(found)) != len(found):
        return by_place
    if size == len(expected):  # a wrong label here and there: the position still says what belongs there
        free = (by_label < 0) & ~np.isin(by_place, found)
        by_label[free] = by_place[free]
    return by_label


def _place(axes: Sequence[JoinedAxis], holders: Sequence[str]) -> dict[tuple[int, ...], tuple[str, ...]]:
    """Files by their places along the joined axes; without any, all of them are at one."""
    files: dict[tuple[int, ...], list[str]] = {}
    for url in holders:
        files.setdefault(tuple(axis.tile_of[url] for axis in axes), []).append(url)
    return {place: tuple(urls) for place, urls in files.items()}
