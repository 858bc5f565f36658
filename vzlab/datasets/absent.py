"""What a file lacks, as missing values: nothing is stored where the array's fill value says it already."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from xarray.core import dtypes

from vzlab.cf import packing_of
from vzlab.datasets.assemble import is_virtual
from vzlab.datasets.tiling import Tiling
from vzlab.errors import IncompatibleArraysError
from vzlab.manifests import ManifestArray
from vzlab.manifests.chunk_grid import ChunkGrid
from vzlab.manifests.joining import fill_chunks


def missing_value_of(name: Hashable, variable: xr.Variable) -> Any:
    """The stored number that means "no data" in a virtual variable.

    Raises
    ------
    IncompatibleArraysError
        If none does.
    """
    missing = packing_of(variable.attrs).missing
    if missing:
        return variable.dtype.type(missing[0])
    if variable.dtype.kind == "f":
        return variable.dtype.type(math.nan)
    raise IncompatibleArraysError(
        f"{name!r} of {variable.dtype} has no _FillValue or missing_value, so that no stored number means missing; expected one "
        'to put where a file has no data. Load the variable (on_mismatch="load"), or leave those files out.'
    )


def missing_values(datasets: Sequence[xr.Dataset]) -> dict[Hashable, Any]:
    """For each variable, what a join puts where a file has no data: as xarray's ``fill_value`` takes it."""
    first = datasets[0]
    found: dict[Hashable, Any] = {}
    for name, variable in first._variables.items():
        try:
            found[name] = missing_value_of(name, variable) if is_virtual(variable) else dtypes.NA
        except IncompatibleArraysError:
            found[name] = dtypes.NA  # raises when it is needed: references cannot hold NaN as integers
    return found


def fill_absent(datasets: Sequence[xr.Dataset], tiling: Tiling) -> list[xr.Dataset]:
    """Datasets that all have the same variables; what one lacks is missing, or taken from another if it is static."""
    templates: dict[Hashable, tuple[int, xr.Variable, bool]] = {}
    for i, dataset in enumerate(datasets):
        for name, variable in dataset._variables.items():
            templates.setdefault(name, (i, variable, name in dataset._coord_names))
    filled = []
    for dataset in datasets:
        added: dict[Hashable, Any] = {}
        coordinates = []
        for name, (i, template, is_coordinate) in templates.items():
            if name in dataset._variables:
                continue
            sizes = {**datasets[i].sizes, **dataset.sizes}
            moving = any(dim in template.dims for dim in tiling.dims)
            added[name] = _missing_like(name, template, sizes) if moving else template
            if is_coordinate:
                coordinates.append(name)
        filled.append(dataset.assign(added).set_coords(coordinates) if added else dataset)
    return filled


def _missing_like(name: Hashable, template: xr.Variable, sizes: Mapping[Hashable, int]) -> xr.Variable:
    """A variable like another, over other sizes, all of it missing."""
    shape = tuple(sizes[dim] for dim in template.dims)
    data: Any = template._data
    if isinstance(data, ManifestArray):
        return template._replace(data=_missing_array(data, shape, missing_value_of(name, template)))
    dtype, fill = dtypes.maybe_promote(template.dtype)
    values: npt.NDArray[Any] = np.full(shape, fill, dtype=dtype)
    return xr.Variable(template.dims, values, dict(template.attrs), dict(template.encoding))


def _missing_array(like: ManifestArray, shape: tuple[int, ...], value: Any) -> ManifestArray:
    """References to nothing, cut like another array, and read as a value."""
    chunks = tuple(along if isinstance(along, int) else max(along) for along in like.metadata.chunks)
    grid = ChunkGrid(shape=shape, chunks=chunks)
    empty = ManifestArray(
        metadata=like.metadata.with_layout(shape=shape, chunks=chunks),
        manifest=like.manifest.empty(grid.grid_shape),
    )
    return fill_chunks(empty, 0, np.arange(grid.grid_shape[0]), value)
