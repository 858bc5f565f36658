"""CF packing as Zarr codecs, so that any Zarr reader gets values: no attribute has to be understood."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from vzlab.cf import ENCODING_ATTRIBUTES, packing_of
from vzlab.datasets.assemble import is_virtual, references_of
from vzlab.manifests import ManifestArray
from vzlab.manifests.data_types import encode_fill_value, zarr_dtype

_RANGES = ("valid_min", "valid_max", "valid_range")


def packing_as_codecs(dataset: xr.Dataset) -> xr.Dataset:
    """A virtual dataset whose packed integers are floats behind ``scale_offset`` and ``cast_value`` codecs.

    Missing values become NaN. Values equal xarray's decoding up to the rounding of their data type: the codec divides by
    ``1 / scale_factor`` where the attribute multiplies. Times, floats, and integers read as unsigned stay as they are.

    Reading it takes zarr-python with ``cast-value-rs`` (``pip install 'vzlab[cf]'``), or another reader that knows these
    codecs of the Zarr extensions registry; Kerchunk references cannot say them.
    """
    changed = {
        name: _unpacked(variable)
        for name, variable in dataset._variables.items()
        if is_virtual(variable) and _is_packed(variable)
    }
    return dataset._replace(variables={**dataset._variables, **changed})


def _is_packed(variable: xr.Variable) -> bool:
    return (
        variable.dtype.kind in "iu"
        and any(
            name in variable.attrs for name in ("scale_factor", "add_offset", "_FillValue", "missing_value")
        )
        and not packing_of(variable.attrs).unsigned
        and " since " not in str(variable.attrs.get("units", ""))
    )


def _unpacked(variable: xr.Variable) -> xr.Variable:
    array = references_of(variable)
    metadata = array.metadata
    packing = packing_of(variable.attrs)
    # Single or double precision as xarray chooses.
    hints = {name: variable.attrs[name] for name in ("scale_factor", "add_offset") if name in variable.attrs}
    if packing.missing:
        hints["_FillValue"] = packing.missing[0]
    sample = xr.Variable(("x",), np.zeros(1, metadata.dtype), hints)
    dtype = np.dtype(xr.conventions.decode_cf_variable("sample", sample).dtype)
    data_type = zarr_dtype({4: "float32", 8: "float64"}[dtype.itemsize]).to_json(zarr_format=3)
    # https://github.com/zarr-developers/zarr-extensions: stored = (value - offset) * scale
    configuration = {"offset": packing.add_offset, "scale": 1 / packing.scale_factor}
    codecs: list[Mapping[str, Any]] = [
        {"name": "scale_offset", "configuration": configuration},
        {"name": "cast_value", "configuration": _cast(metadata.data_type, packing.missing)},
    ]
    fill = packing.decode(float(metadata.fill_scalar))
    unpacked = replace(
        metadata,
        data_type=data_type,
        codecs=(*codecs, *metadata.codecs),
        fill_value=encode_fill_value(data_type, fill),
        attributes={},
    )
    attributes = {name: value for name, value in variable.attrs.items() if name not in ENCODING_ATTRIBUTES}
    attributes |= {
        name: np.asarray([packing.decode(float(v)) for v in np.atleast_1d(variable.attrs[name])])
        .squeeze()
        .tolist()
        for name in _RANGES
        if name in variable.attrs
    }
    return xr.Variable(
        variable.dims,
        ManifestArray(metadata=unpacked, manifest=array.manifest),
        attributes,
        dict(variable.encoding),
    )


def _cast(data_type: Any, missing: tuple[float, ...]) -> dict[str, Any]:
    """From floats to stored integers and back, with the numbers that mean missing."""
    cast: dict[str, Any] = {"data_type": data_type, "rounding": "nearest-even"}
    numbers = [int(number) for number in missing if math.isfinite(number)]
    if numbers:
        cast["scalar_map"] = {
            "encode": [["NaN", numbers[0]]],
            "decode": [[number, "NaN"] for number in dict.fromkeys(numbers)],
        }
    return cast
