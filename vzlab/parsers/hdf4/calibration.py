"""HDF4's calibration as CF's packing: the same two attributes mean another formula."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KEPT = "hdf4_add_offset"
"""Attribute under which the offset stays as the file has it."""


def follows_cf(global_attributes: Mapping[str, Any]) -> bool:
    """Whether a file says that its attributes are those of the CF conventions."""
    said = str(global_attributes.get("Conventions", global_attributes.get("conventions", ""))).upper()
    return "CF-" in said or "COARDS" in said


def as_packing(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of a dataset with its offset as CF means it.

    HDF User's Guide, "Predefined Attributes": a value is ``scale_factor * (stored - add_offset)``. CF 1.11, section 8.1: it
    is ``scale_factor * stored + add_offset``. Where the offset is 0 both are the same.
    """
    offset, scale = attributes.get("add_offset"), attributes.get("scale_factor", 1.0)
    if not (_is_number(offset) and _is_number(scale)) or offset == 0:
        return dict(attributes)
    return {**attributes, "add_offset": -scale * offset, KEPT: offset}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
