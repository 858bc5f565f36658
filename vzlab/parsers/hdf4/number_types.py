"""HDF4 number types as numpy data types. HDF User's Guide, table 2F; hntdefs.h of the library."""

from __future__ import annotations

from typing import Any

import numpy as np

from vzlab.errors import UnsupportedDataTypeError
from vzlab.parsers.hdf4.descriptors import NT, Elements

_KINDS = {
    3: "u1",
    4: "S1",
    5: "f4",
    6: "f8",
    20: "i1",
    21: "u1",
    22: "i2",
    23: "u2",
    24: "i4",
    25: "u4",
    26: "i8",
    27: "u8",
}
_NATIVE, _CUSTOM, _LITTLE_ENDIAN = 0x1000, 0x2000, 0x4000
_BIG_CLASSES = frozenset({0, 1})
_LITTLE_CLASS = 4

_DEFAULT_FILLS = {
    "i1": -127,
    "u1": 129,
    "i2": -32767,
    "u2": 32769,
    "i4": -2147483647,
    "u4": 2147483649,
    "f4": 9.969209968386869e36,
    "f8": 9.969209968386869e36,
}
"""What the library reads where nothing was written and no fill value is set (mfhdf's netcdf.h, FILL_...)."""


def number_type(code: int) -> np.dtype[Any]:
    """The data type of a number type, by its code with flags.

    Raises
    ------
    UnsupportedDataTypeError
        If numpy has none, or its byte order is that of the machine that wrote it.
    """
    kind = _KINDS.get(code & 0xFFF)
    if kind is None or code & _CUSTOM or (code & _NATIVE and kind[1:] != "1"):
        raise UnsupportedDataTypeError(f"It has HDF4 number type {code}, which has no numpy equivalent.")
    return np.dtype(("<" if code & _LITTLE_ENDIAN else ">") + kind)


def read_number_type(elements: Elements, ref: int) -> np.dtype[Any]:
    """The data type of an element NT: version, type, bits, class.

    Raises
    ------
    UnsupportedDataTypeError
        If numbers are stored as no machine of today does: VAX, Cray, Convex.
    """
    _version, code, bits, order = elements.cursor((NT, ref)).take("BBBB")
    dtype = number_type(code)
    if dtype.itemsize == 1:
        return dtype
    if bits != 8 * dtype.itemsize or order not in _BIG_CLASSES | {_LITTLE_CLASS}:
        raise UnsupportedDataTypeError(
            f"Its numbers have type {code} with {bits} bits in byte order {order}, which numpy has not."
        )
    return dtype.newbyteorder("<") if order == _LITTLE_CLASS else dtype


def default_fill(dtype: np.dtype[Any]) -> Any:
    """The library's own fill value of a type."""
    native = dtype.newbyteorder("=")
    return native.type(_DEFAULT_FILLS.get(f"{native.kind}{native.itemsize}", 0))
