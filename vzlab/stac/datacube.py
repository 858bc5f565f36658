"""Dimensions and variables of a dataset, in the terms of STAC's datacube extension."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from vzlab.datasets import is_virtual
from vzlab.datasets.assemble import references_of
from vzlab.stac.extents import as_datetime, axis_of

DATACUBE = "https://stac-extensions.github.io/datacube/v2.2.0/schema.json"
MAX_VALUES = 100
"""Labels of a dimension that are neither place nor time are listed up to so many."""


def datacube_of(dataset: xr.Dataset) -> dict[str, Any]:
    """``cube:dimensions`` and ``cube:variables``; extents of loaded coordinates only."""
    return {
        "cube:dimensions": {str(dim): _dimension(dataset, str(dim)) for dim in dataset.dims},
        "cube:variables": {
            str(name): _variable(variable, is_data=name not in dataset.coords)
            for name, variable in dataset.variables.items()
            if name not in dataset.dims
        },
    }


def _dimension(dataset: xr.Dataset, dim: str) -> dict[str, Any]:
    variable = dataset.variables.get(dim)
    if variable is None or is_virtual(variable) or variable.ndim != 1 or not variable.size:
        return {"type": "index", "extent": [0, dataset.sizes[dim] - 1]}
    values = np.asarray(variable.values)
    axis = axis_of(dim, variable)
    described = {"description": str(variable.attrs["long_name"])} if "long_name" in variable.attrs else {}
    if axis == "t":
        extent: list[Any] = [as_text(values.min()), as_text(values.max())]
        return {"type": "temporal", "extent": extent, **described}
    if values.dtype.kind not in "iuf":
        return {"type": "label", "values": [str(value) for value in values[:MAX_VALUES]], **described}
    extent = [float(np.nanmin(values)), float(np.nanmax(values))]
    unit = {"unit": str(variable.attrs["units"])} if "units" in variable.attrs else {}
    if axis in ("x", "y"):
        return {"type": "spatial", "axis": axis, "extent": extent, "reference_system": 4326, **described}
    if axis == "z":
        return {"type": "spatial", "axis": "z", "extent": extent, **unit, **described}
    return {"type": "number", "extent": extent, **unit, **described}


def _variable(variable: xr.Variable, *, is_data: bool) -> dict[str, Any]:
    described: dict[str, Any] = {
        "dimensions": [str(dim) for dim in variable.dims],
        "type": "data" if is_data else "auxiliary",
        "shape": list(variable.shape),
    }
    if is_virtual(variable):
        described["chunks"] = [
            along if isinstance(along, int) else list(along)
            for along in references_of(variable).metadata.chunks
        ]
    for key, attribute in (("description", "long_name"), ("unit", "units")):
        if attribute in variable.attrs:
            described[key] = str(variable.attrs[attribute])
    return described


def as_text(value: Any) -> str:
    """A time as STAC writes it."""
    return as_datetime(value).isoformat().replace("+00:00", "Z")
