"""Columns of tables as virtual arrays: chunks are runs of whole rows, of which a codec takes the column's cells.

FITS 4.0, sections 7.2 (ASCII tables) and 7.3 (binary tables).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vzlab.errors import CorruptFileError
from vzlab.parsers.fits.headers import integer, value_of

MAX_FIELDS = 999

_BINARY = re.compile(r"\s*(\d*)([LXBIJKAEDCMPQ])(?:([LXBIJKAEDCM])(?:\((\d*)\))?)?\s*.*", re.DOTALL)
_ASCII = re.compile(r"\s*([AIFEDJ])(\d+)(?:\.(\d+))?\s*")
_NUMBERS = {"B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8", "C": ">c8", "M": ">c16"}
_BITPIX = {"B": 8, "I": 16, "J": 32, "K": 64}


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table."""

    number: int
    """From 1, as in keywords."""
    name: str
    code: str
    """Letter of its format."""
    repeat: int
    """Elements of a cell; for ASCII tables 1."""
    width: int
    """Bytes of a cell in its row."""
    offset: int
    """Of the cell within its row."""
    element: str = ""
    """For descriptors, the letter of what they point to."""
    is_text_number: bool = False
    """Whether it is a number written as text, as in ASCII tables."""

    @property
    def is_variable(self) -> bool:
        """Whether cells are descriptors of arrays of any length."""
        return self.code in "PQ"

    @property
    def bitpix(self) -> int:
        """As BITPIX would have it; 0 for what is no number."""
        return _BITPIX.get(self.code, 0) if not self.is_text_number else 0


def read_columns(header: Any) -> list[Column]:
    """The columns that a header declares.

    Raises
    ------
    CorruptFileError
        If a format cannot be read, or cells reach past the end of a row.
    """
    is_ascii = str(value_of(header, "XTENSION")).strip() == "TABLE"
    row_bytes = integer(header, "NAXIS1")
    n_fields = integer(header, "TFIELDS", 0)
    if not 0 <= n_fields <= MAX_FIELDS:
        raise CorruptFileError(
            f"A table has {n_fields} columns; expected at most {MAX_FIELDS}. The file is damaged."
        )
    columns: list[Column] = []
    names: set[str] = set()
    offset = 0
    for number in range(1, n_fields + 1):
        name = _unique(value_of(header, f"TTYPE{number}"), number, names)
        text = str(value_of(header, f"TFORM{number}"))
        column = (
            _ascii_column(header, number, name, text)
            if is_ascii
            else _binary_column(number, name, text, offset)
        )
        if column is None or column.offset < 0 or column.offset + column.width > row_bytes:
            raise CorruptFileError(
                f"Column {name!r} has format {text!r} and does not fit into rows of {row_bytes} bytes. The file is damaged."
            )
        offset = column.offset + column.width
        columns.append(column)
    return columns


def _unique(name: Any, number: int, taken: set[str]) -> str:
    text = str(name).strip().replace("/", "_") if isinstance(name, str) else ""
    text = text.strip(".") or f"col{number}"
    unique = text if text not in taken else f"{text}#{number}"
    taken.add(unique)
    return unique


def _binary_column(number: int, name: str, text: str, offset: int) -> Column | None:
    found = _BINARY.fullmatch(text)
    if found is None:
        return None
    repeat, code = int(found[1] or 1), found[2]
    if code in "PQ":
        width, element = (8 if code == "P" else 16) * min(repeat, 1), found[3] or ""
    else:
        bits = {"L": 8, "A": 8, "X": 1}.get(code) or 8 * np.dtype(_NUMBERS[code]).itemsize
        width, element = -(-repeat * bits // 8), ""
    return Column(
        number=number, name=name, code=code, repeat=repeat, width=width, offset=offset, element=element
    )


def _ascii_column(header: Any, number: int, name: str, text: str) -> Column | None:
    found = _ASCII.fullmatch(text)
    if found is None:
        return None
    start = integer(header, f"TBCOL{number}") - 1
    code, width = found[1], int(found[2])
    return Column(
        number=number,
        name=name,
        code=code,
        repeat=1,
        width=width,
        offset=start,
        is_text_number=code != "A",
    )


@dataclass(frozen=True, kw_only=True)
class Cells:
    """How the cells of a column read."""

    dtype: np.dtype[Any]
    """As stored; for text that is a number, as read."""
    shape: tuple[int, ...]
    """Of one cell."""
    codecs: tuple[Mapping[str, Any], ...] = ()
    """From plain numbers to the bytes of cells."""


def read_cells(header: Any, column: Column) -> Cells:
    """Data type and inner shape of a column's cells."""
    if column.is_text_number:
        dtype: np.dtype[Any] = np.dtype("<f8")
        if column.code in "IJ":
            # By width, as CFITSIO chooses the integers.
            wide = column.code == "J" or column.width > 9
            dtype = np.dtype("<i2" if column.code == "I" and column.width <= 4 else "<i8" if wide else "<i4")
        configuration: dict[str, Any] = {"kind": "number", "width": column.width, "dtype": dtype.str}
        null = value_of(header, f"TNULL{column.number}")
        if null is not None:
            configuration["null"] = str(null)
        return Cells(dtype=dtype, shape=(), codecs=(_column_codec(configuration),))
    shape = _inner_shape(header, column)
    match column.code:
        case "A":
            if shape and column.repeat:
                return Cells(dtype=np.dtype(f"S{shape[-1]}"), shape=shape[:-1])
            return Cells(dtype=np.dtype(f"S{max(column.width, 1)}"), shape=())
        case "L":
            return Cells(
                dtype=np.dtype(bool), shape=shape, codecs=(_column_codec({"kind": "logical", "width": 1}),)
            )
        case "X":
            bits = _column_codec({"kind": "bits", "width": column.repeat})
            return Cells(dtype=np.dtype(bool), shape=(column.repeat,), codecs=(bits,))
        case code:
            return Cells(dtype=np.dtype(_NUMBERS[code]), shape=shape)


def _column_codec(configuration: dict[str, Any]) -> dict[str, Any]:
    return {"name": "vzlab.fits_column", "configuration": configuration}


def _inner_shape(header: Any, column: Column) -> tuple[int, ...]:
    """Shape of a cell from TDIMn, C order, or its length; empty for one element (FITS 4.0, 7.3.2)."""
    text = value_of(header, f"TDIM{column.number}")
    if isinstance(text, str) and re.fullmatch(r"\s*\(\s*\d+(\s*,\s*\d+)*\s*\)\s*", text):
        lengths = tuple(int(n) for n in re.findall(r"\d+", text))[::-1]
        if math.prod(lengths) == column.repeat and 0 not in lengths:
            return lengths
    return () if column.repeat == 1 or column.code == "A" else (column.repeat,)
