"""The grid of a field: its dimensions, and where its points lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.codecs._eccodes import eccodes
from vzlab.codecs.grib import open_message, read_doubles
from vzlab.errors import CodecError, UnvirtualizableError
from vzlab.parsers.grib.keeping import Kept
from vzlab.parsers.grib.keys import FieldKeys, get_key

MAX_INLINE_POINTS = 4_096
"""Coordinates of more points are held as a header, out of which they are computed when they are read."""
MAX_POINTS_TRIED = 2**18
"""For a larger grid that is not regular, it is not tried whether eccodes computes its coordinates."""
MAX_POINTS_COMPUTED = 2**25
"""Regular grids of more points are computed here, out of their first and last points."""
MAX_POINTS = 2**34
"""No grid has more points: a header that says so is damaged."""

_LATLON = ("regular_ll", "regular_gg")
_KNOWN_TO_ECCODES = (
    "rotated_ll",
    "rotated_gg",
    "reduced_gg",
    "reduced_ll",
    "lambert",
    "lambert_azimuthal_equal_area",
    "mercator",
    "space_view",
    "healpix",
    "polar_stereographic",
)
_FROM_SOUTH_WEST = ("lambert", "mercator", "polar_stereographic")
"""ecCodes takes the first point of these to be the south-western one whatever the scanning mode, lists points eastward and
then northward, and reorders values, not coordinates, in its own iterator."""
_NOT_GRIDS = ("sh", "rotated_sh", "stretched_sh", "stretched_rotated_sh", "unknown")


_GRID_KEYS = ("edition", "gridType", "numberOfPoints", "md5GridSection")


@dataclass(frozen=True, kw_only=True)
class Geography:
    """The grid that fields share."""

    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    coordinates: Mapping[str, tuple[tuple[str, ...], npt.NDArray[np.float64]]] = field(default_factory=dict)
    """Dimensions and values of what is held."""
    computed: tuple[str, ...] = ()
    """Names of coordinates that are computed out of a header: ``latitude``, ``longitude``."""
    turned_row_length: int | None = None
    """Every second row, of so many values, is stored backwards."""
    unplaced: str = ""
    """Why it has no latitudes and longitudes, though there is a grid."""


_KNOWN = Kept[Geography](64)


def read_geography(keys: FieldKeys) -> Geography:
    """The grid of a field; fields on one grid share what was computed.

    Raises
    ------
    UnvirtualizableError
        If the header does not say how many values there are.
    CodecError
        If eccodes does not take the header.
    """
    grid = tuple(keys.key(name) for name in _GRID_KEYS)
    header = keys.place.header
    return _KNOWN.get(grid if keys.key("md5GridSection") else header, lambda: _read(header))


def _read(header: bytes) -> Geography:
    with open_message(header) as handle:
        return _geography(handle)


def _geography(handle: int) -> Geography:
    n_points = get_key(handle, "numberOfDataPoints", int)
    n_points = get_key(handle, "numberOfPoints", int) if n_points is None else n_points
    if not isinstance(n_points, int) or not 0 < n_points <= MAX_POINTS:
        raise UnvirtualizableError(
            f"Its header says that it has {n_points} values; expected 1 to {MAX_POINTS}. Is the file damaged?"
        )
    grid_type = get_key(handle, "gridType")
    size = _rows_and_columns(handle, grid_type, n_points)
    turned = None
    if size is not None and get_key(handle, "alternativeRowScanning", int):
        turned = size[1]
    if size is None:
        return _along(handle, ("values",), (n_points,))
    by_column = bool(get_key(handle, "jPointsAreConsecutive", int))
    if by_column:
        size, turned = size[::-1], turned and size[0]
    if grid_type in _LATLON:
        found = _separable(handle, grid_type, size, by_column=by_column)
        if found is not None:
            return Geography(
                dimensions=tuple(found),
                shape=size,
                coordinates={name: ((name,), values) for name, values in found.items()},
                turned_row_length=turned,
            )
    dimensions = ("x", "y") if by_column else ("y", "x")
    if grid_type in _FROM_SOUTH_WEST and (
        by_column or get_key(handle, "iScansNegatively", int) or not get_key(handle, "jScansPositively", int)
    ):
        reason = (
            f"ecCodes lists where points of a {grid_type} grid lie from the south-west eastward and northward; the values of "
            f"this one are scanned otherwise (mode {get_key(handle, 'scanningMode', int)}), so they would be misplaced. "
            "Compute it from the projection, which attributes of the variables give."
        )
        return Geography(dimensions=dimensions, shape=size, turned_row_length=turned, unplaced=reason)
    return _along(handle, dimensions, size, turned)


def _rows_and_columns(handle: int, grid_type: Any, n_points: int) -> tuple[int, int] | None:
    """Number of rows and columns; None for a grid that has none."""
    if grid_type in _NOT_GRIDS or str(grid_type).startswith("reduced"):
        return None
    rows, columns = get_key(handle, "Ny", int), get_key(handle, "Nx", int)
    if not rows or not columns or rows < 0 or columns < 0 or rows * columns != n_points:
        return None
    return rows, columns


def _separable(
    handle: int, grid_type: str, size: tuple[int, int], *, by_column: bool
) -> dict[str, npt.NDArray[np.float64]] | None:
    """Latitudes of the rows and longitudes of the columns, in the order of dimensions; None if they are not all alike."""
    names = ("longitude", "latitude") if by_column else ("latitude", "longitude")
    if size[0] * size[1] > MAX_POINTS_COMPUTED:
        return _evenly_spaced(handle, names, size) if grid_type == "regular_ll" else None
    found = {}
    for axis, name in enumerate(names):
        values = _computed(handle, name, size)
        if values is None:
            return None
        line = values[:, 0] if axis == 0 else values[0]
        if not (values == (line[:, None] if axis == 0 else line)).all():
            return None
        found[name] = line.copy()
    return found


def _evenly_spaced(
    handle: int, names: tuple[str, str], size: tuple[int, int]
) -> dict[str, npt.NDArray[np.float64]] | None:
    found = {}
    for name, length in zip(names, size, strict=True):
        first = get_key(handle, f"{name}OfFirstGridPointInDegrees", float)
        last = get_key(handle, f"{name}OfLastGridPointInDegrees", float)
        if first is None or last is None:
            return None
        if name == "longitude" and last < first and not get_key(handle, "iScansNegatively", int):
            last += 360
        found[name] = np.linspace(first, last, length)
    return found


def _along(
    handle: int, dimensions: tuple[str, ...], size: tuple[int, ...], turned: int | None = None
) -> Geography:
    """Coordinates with a value for each point, where eccodes knows them."""
    held: dict[str, tuple[tuple[str, ...], npt.NDArray[np.float64]]] = {}
    computed: tuple[str, ...] = ()
    n_points = int(np.prod(size, dtype=np.int64))
    if n_points > MAX_POINTS_TRIED and get_key(handle, "gridType") in _KNOWN_TO_ECCODES:
        computed = ("latitude", "longitude")
    elif n_points <= MAX_POINTS_TRIED:
        latitude, longitude = (_computed(handle, name, size) for name in ("latitude", "longitude"))
        if latitude is not None and longitude is not None:
            if n_points <= MAX_INLINE_POINTS:
                held = {"latitude": (dimensions, latitude), "longitude": (dimensions, longitude)}
            else:
                computed = ("latitude", "longitude")
    return Geography(
        dimensions=dimensions, shape=size, coordinates=held, computed=computed, turned_row_length=turned
    )


def _computed(handle: int, name: str, size: tuple[int, ...]) -> npt.NDArray[np.float64] | None:
    """Values of each point; None where eccodes does not know them, or of other points than there are."""
    try:
        values = read_doubles(handle, f"{name}s")
    except (eccodes.CodesInternalError, CodecError, MemoryError):
        return None
    if values.size != int(np.prod(size, dtype=np.int64)) or not np.isfinite(values).all():
        return None
    return values.reshape(size)
