"""The Zarr array behind a lazy xarray variable, found without reading, where the variable is all of it."""

from __future__ import annotations

import sys
from typing import Any

import zarr

_MOST_LAYERS = 12
"""Wrappers that decoding puts around an array, and then some."""


def zarr_array_behind(variable: Any) -> zarr.Array[Any] | None:
    """The whole array that a lazy variable reads from; None if there is none, or it was indexed or computed with.

    Parameters
    ----------
    variable : xarray.Variable
    """
    data = _of_dask(variable._data)
    for _ in range(_MOST_LAYERS):
        if data is None or not _is_whole(data):
            return None
        inner = getattr(data, "_array", None)
        if isinstance(inner, zarr.Array):
            return inner if inner.shape == variable.shape else None
        data = getattr(data, "array", None)
    return None


def _is_whole(data: Any) -> bool:
    """Whether a lazy wrapper gives all of what it wraps, in its order."""
    key = getattr(data, "key", None)
    if key is None:
        return True
    parts = getattr(key, "tuple", ())
    shape = getattr(data.array, "shape", ())
    return len(parts) == len(shape) and all(
        isinstance(part, slice) and part.indices(n) == (0, n, 1) for part, n in zip(parts, shape, strict=True)
    )


def _of_dask(data: Any) -> Any:
    """What a dask array was made of by opening, if nothing was done with it since; anything else as it is."""
    dask_array = sys.modules.get("dask.array")
    if dask_array is None or not isinstance(data, dask_array.Array):
        return data
    layers = data.dask.layers
    # Opening makes two layers: the array itself, and the chunks taken from it.
    if len(layers) > 2:
        return None
    originals = [
        value
        for layer in layers.values()
        for key, value in layer.items()
        if isinstance(key, str) and key.startswith("original-")
    ]
    return getattr(originals[0], "value", originals[0]) if len(originals) == 1 else None
