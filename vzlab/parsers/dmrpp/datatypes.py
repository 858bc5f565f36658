"""DAP types as data types of stored bytes, and fill values written as text."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from vzlab.errors import CorruptFileError, UnsupportedDataTypeError
from vzlab.parsers.dmrpp.document import children

NUMBERS = {
    "Byte": "u1",
    "UInt8": "u1",
    "Char": "u1",
    "Int8": "i1",
    "Int16": "i2",
    "UInt16": "u2",
    "Int32": "i4",
    "UInt32": "u4",
    "Int64": "i8",
    "UInt64": "u8",
    "Float32": "f4",
    "Float64": "f8",
}
TEXTS = frozenset({"String", "URL", "Url"})
VARIABLES = frozenset({*NUMBERS, *TEXTS, "Enum", "Structure", "Sequence", "Opaque"})
"""Elements that are variables."""

_KNOWN_FILLS = (9.969209968386869e36, float(np.float32(9.969209968386869e36)))
"""NC_FILL_FLOAT and NC_FILL_DOUBLE of netCDF, which documents round to six digits."""


def number_type(kind: str, byte_order: str) -> np.dtype[Any]:
    """The data type of a DAP number type."""
    return np.dtype(byte_order + NUMBERS[kind])


def record_type(structure: Element, byte_order: str, offsets: str | None) -> np.dtype[Any]:
    """The data type of a ``Structure``.

    Parameters
    ----------
    offsets : str, optional
        Attribute ``structOffset``: where the second and each further member begins, and the record's size. None where
        members lie side by side.

    Raises
    ------
    UnsupportedDataTypeError
        If a member is no number and no array of numbers.
    CorruptFileError
        If offsets do not fit the members.
    """
    names, formats = [], []
    for member in (element for element in structure if element.tag in VARIABLES):
        if member.tag not in NUMBERS:
            raise UnsupportedDataTypeError(
                f"Its member {member.get('name')!r} is a {member.tag}, whose place in the record DMR++ does not say."
            )
        inner = tuple(_extent(dim.get("size")) for dim in children(member, "Dim"))
        names.append(member.get("name", ""))
        formats.append(np.dtype((number_type(member.tag, byte_order), inner)))
    if not names or len(set(names)) != len(names):
        raise UnsupportedDataTypeError(f"Its members are called {names}; expected one name for each.")
    ends = np.cumsum([each.itemsize for each in formats]).tolist()
    if offsets is not None:
        ends = [_extent(text) for text in offsets.split()]
    starts = [0, *ends[:-1]]
    if len(ends) != len(names) or any(
        start + each.itemsize > end for start, each, end in zip(starts, formats, ends, strict=True)
    ):
        raise CorruptFileError(
            f"Members of {[each.itemsize for each in formats]} bytes do not fit structOffset {offsets!r}."
        )
    return np.dtype({"names": names, "formats": formats, "offsets": starts, "itemsize": ends[-1]})


def _extent(text: str | None) -> int:
    if text is None or not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise CorruptFileError(f"Found {text!r}; expected a number of elements or bytes")
    return int(text)


def fill_number(text: str, dtype: np.dtype[Any], exact: Iterable[Any] = ()) -> Any:
    """A fill value as a scalar of a numeric type.

    Parameters
    ----------
    exact : iterable
        Values, such as the attribute ``_FillValue``, one of which the text may stand for: it has no more than six digits.

    Raises
    ------
    CorruptFileError
        If the text is no such number.
    """
    native = dtype.newbyteorder("=")
    try:
        if native.kind in "iu":
            value = int(text) if text.lstrip("+-").isdecimal() else _whole(float(text))
            # Text of a signed type may come unsigned, and the other way round: the bits count.
            return np.array(value & ((1 << 8 * native.itemsize) - 1), f"u{native.itemsize}").view(native)[()]
        number = float(text)
    except (ValueError, OverflowError) as error:
        raise CorruptFileError(f"Its fill value is {text!r}; expected a number of type {native}.") from error
    if float(rounded := f"{number:.6g}") == number:
        same = (
            each
            for each in (*exact, *_KNOWN_FILLS)
            if isinstance(each, float | int) and f"{each:.6g}" == rounded
        )
        number = float(next(same, number))
    with np.errstate(over="ignore"):
        return native.type(number)


def _whole(number: float) -> int:
    if not math.isfinite(number) or number != int(number):
        raise ValueError(number)
    return int(number)


def fill_record(text: str, dtype: np.dtype[Any]) -> dict[str, Any]:
    """Fill value of each member: one text for each element or member, or one for all; without members of several values.

    Raises
    ------
    CorruptFileError
        If there are as many as neither.
    """
    names = dtype.names or ()
    texts = text.split()
    counts = [math.prod(dtype[name].shape) for name in names]
    if len(texts) != sum(counts):
        counts = [1] * len(names)
    if len(texts) == 1:
        texts *= len(names)
    if len(texts) != sum(counts):
        raise CorruptFileError(
            f"Its fill value has {len(texts)} parts {text!r}; expected {len(names)}, one for each member."
        )
    ends = np.cumsum(counts).tolist()
    parts = {name: set(texts[end - n : end]) for name, n, end in zip(names, counts, ends, strict=True)}
    return {name: fill_number(min(own), dtype[name].base) for name, own in parts.items() if len(own) == 1}
