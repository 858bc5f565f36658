"""The JSON form of an inspection: its fields by their names, and what follows from them."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vzlab.inspection.chunk_map import ChunkMap

if TYPE_CHECKING:
    from vzlab.inspection.model import Inspection


def inspection_to_dict(inspection: Inspection, *, map_cells: int) -> dict[str, Any]:
    """Give everything as dicts, lists, numbers and text that ``json.dumps(..., allow_nan=False)`` takes."""
    from vzlab.inspection.model import SCHEMA

    totals = {
        name: getattr(inspection, name)
        for name in ("n_groups", "n_chunks", "raw_bytes", "stored_bytes", "file_bytes")
    }
    return {
        "schema": SCHEMA,
        **{field.name: _json(getattr(inspection, field.name), map_cells) for field in fields(inspection)},
        "totals": {"n_variables": len(inspection.variables), **totals},
    }


def _json(value: Any, map_cells: int) -> Any:
    if isinstance(value, ChunkMap) and map_cells:
        value = value.rebin(map_cells)
    if is_dataclass(value) and not isinstance(value, type):
        left_out = ("slicer",) if map_cells else ("chunk_map", "byte_map")
        return {
            field.name: _json(getattr(value, field.name), map_cells)
            for field in fields(value)
            if field.name not in left_out
        }
    if isinstance(value, Mapping):
        return {str(key): _json(item, map_cells) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item, map_cells) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return _json(_short(value).tolist(), map_cells)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, complex):
        return [_json(value.real, map_cells), _json(value.imag, map_cells)]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(value).decode()}
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _short(value: Any) -> Any:
    """Fractions to four digits: more of them say nothing in a picture."""
    array = np.asarray(value)
    return np.round(array.astype(np.float64), 4) if array.dtype == np.float32 else array
