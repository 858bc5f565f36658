"""DAP attributes as Python values. DAP4 specification, volume 1, section "Attributes"."""

from __future__ import annotations

import math
from typing import Any
from xml.etree.ElementTree import Element, tostring

import numpy as np

from vzlab.parsers.dmrpp.document import children

_INTEGERS = frozenset(
    {"Byte", "Char", "Int8", "UInt8", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64"}
)
_FLOATS = {"Float32": np.float32, "Float64": np.float64}


def read_attributes(element: Element) -> dict[str, Any]:
    """Attributes of a group or variable: numbers, texts, lists of them, and dictionaries for containers."""
    return {
        name: _value(attribute)
        for attribute in children(element, "Attribute")
        if (name := attribute.get("name"))
    }


def _value(attribute: Element) -> Any:
    kind = attribute.get("type", "String")
    if kind == "Container":
        return read_attributes(attribute)
    if kind == "OtherXML":
        return "".join(tostring(inner, encoding="unicode") for inner in attribute).strip()
    texts = [value.get("value", value.text or "") for value in children(attribute, "Value")]
    values = [_parse(kind, text) for text in texts]
    return values[0] if len(values) == 1 else values


def _parse(kind: str, text: str) -> Any:
    try:
        if kind in _INTEGERS:
            return int(text)
        if kind in _FLOATS:
            number = float(text)
            # A number of 32 bits is given as the nearest of 64, as other formats' readers do.
            return (
                float(np.float32(number))
                if kind == "Float32" and abs(number) < 3.5e38 and math.isfinite(number)
                else number
            )
    except ValueError:
        return text
    return text
