"""The header of a netCDF-3 file as values: dimensions, attributes, variables, where records lie.

Specification: https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vzlab.errors import CorruptFileError, UnsupportedFormatError
from vzlab.storage import Source

MAX_HEADER_BYTES = 1 << 26
"""A longer header is refused: those of real files take kilobytes."""

_FIRST_READ_BYTES = 1 << 16
_CDF1, _CDF2, _CDF5 = 1, 2, 5
# The grammar's NC_DIMENSION, NC_VARIABLE and NC_ATTRIBUTE; 0 stands for an absent list.
_DIMENSION, _VARIABLE, _ATTRIBUTE = 0x0A, 0x0B, 0x0C

# nc_type 1 to 11; those from 7 on exist in CDF-5 only.
_TYPES = dict(
    enumerate(
        map(np.dtype, ["i1", "S1", ">i2", ">i4", ">f4", ">f8", "u1", ">u2", ">u4", ">i8", ">u8"]), start=1
    )
)
_LAST_CLASSIC_TYPE = 6


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """A dimension."""

    name: str
    length: int
    """0 for the record dimension."""


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A variable and where its bytes lie."""

    name: str
    dtype: np.dtype[Any]
    """As stored: big-endian."""
    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    is_record: bool
    """Whether its first dimension is the record dimension."""
    begin: int
    """First byte in the file."""
    n_bytes: int
    """Of all of it, or of one record, without padding."""
    attributes: dict[str, Any]

    @property
    def padded_bytes(self) -> int:
        """The same up to a multiple of 4."""
        return -(-self.n_bytes // 4) * 4


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a netCDF-3 file says of itself."""

    version: int
    """1, 2 or 5."""
    n_records: int
    record_bytes: int
    """Distance from one record to the next."""
    length: int
    """Bytes of the header itself."""
    attributes: dict[str, Any]
    variables: tuple[Variable, ...]


def read_header(source: Source) -> Header:
    """Read the header in ranges that grow, and check that it makes sense.

    Raises
    ------
    UnsupportedFormatError
        If the file is no netCDF-3 file.
    CorruptFileError
        If the header contradicts itself or the file's length.
    """
    cursor = _Cursor(source)
    magic = cursor.take(4, "the magic number") if source.size_bytes >= 4 else b""
    if magic not in (b"CDF\x01", b"CDF\x02", b"CDF\x05"):
        raise UnsupportedFormatError(
            f"{source.url} begins with {magic!r}; expected b'CDF' and 1, 2 or 5: it is no netCDF-3 file."
        )
    cursor.version = magic[3]
    n_records = cursor.count("the number of records")
    dimensions = cursor.listed("dimensions", _DIMENSION, lambda: _read_dimension(cursor))
    attributes = _read_attributes(cursor)
    read = cursor.listed("variables", _VARIABLE, lambda: _read_variable(cursor, dimensions, n_records))
    _check_names(cursor, "dimension", [dimension.name for dimension in dimensions])
    _check_names(cursor, "variable", [variable.name for variable in read])
    record_bytes = _record_bytes(read)
    if record_bytes >= 1 << 63:
        raise cursor.corrupt(
            f"each record should have {record_bytes} bytes, which is more than a file can have"
        )
    # Specification, "numrecs": all bits set stands for a file that was streamed; its length says how many there are.
    if n_records == (1 << (64 if cursor.version == _CDF5 else 32)) - 1:
        n_records = _streamed_records(source.size_bytes, read, record_bytes)
        read = [_with_records(variable, n_records) for variable in read]
    header = Header(
        version=cursor.version,
        n_records=n_records,
        record_bytes=record_bytes,
        length=cursor.position,
        attributes=attributes,
        variables=tuple(read),
    )
    _check_places(header, cursor)
    return header


class _Cursor:
    """Takes fields from the start of a source, which is read in ranges that double in length."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._limit = min(source.size_bytes, MAX_HEADER_BYTES)
        self._held = source.read(0, min(_FIRST_READ_BYTES, self._limit))
        self.position = 0
        self.version = _CDF1

    def corrupt(self, what: str) -> CorruptFileError:
        """The error for a header that makes no sense."""
        return CorruptFileError(
            f"{self._source.url} has a damaged netCDF-3 header: {what} (before byte {self.position}). Fetch it again."
        )

    def take(self, length: int, what: str) -> bytes:
        """The next bytes."""
        start, stop = self.position, self.position + length
        if stop > self._limit:
            end = (
                f"the file ends at byte {self._limit}"
                if self._limit < MAX_HEADER_BYTES
                else f"a header of over {MAX_HEADER_BYTES:,} bytes is not read"
            )
            raise self.corrupt(f"{what} should take {length:,} bytes from byte {start}, and {end}")
        if stop > len(self._held):
            to = min(max(stop, 2 * len(self._held)), self._limit)
            self._held += self._source.read(len(self._held), to - len(self._held))
        self.position = stop
        return self._held[start:stop]

    def padded(self, length: int, what: str) -> bytes:
        """The next bytes, which end on a multiple of 4; what fills them up is not looked at, as the C library does not."""
        return self.take(-(-length // 4) * 4, what)[:length]

    def integer(self, n_bytes: int, what: str) -> int:
        return int.from_bytes(self.take(n_bytes, what), "big")

    def count(self, what: str) -> int:
        """A NON_NEG: of 8 bytes in CDF-5, else of 4."""
        return self.integer(8 if self.version == _CDF5 else 4, what)

    def offset(self, what: str) -> int:
        return self.integer(4 if self.version == _CDF1 else 8, what)

    def listed[T](self, what: str, tag: int, read: Callable[[], T]) -> list[T]:
        """A list of a tag, a count and entries."""
        found = self.integer(4, f"the tag of {what}")
        n = self.count(f"the number of {what}")
        if found != tag and (found, n) != (0, 0):
            raise self.corrupt(f"a list of {n:,} {what} has the tag {found:#x}, expected {tag:#x}")
        # An entry takes two fields of 4 bytes at least: a count that cannot be true is not begun on.
        if 8 * n > self._limit - self.position:
            raise self.corrupt(f"it counts {n:,} {what}, more than it has room for")
        return [read() for _ in range(n)]

    def name(self, what: str) -> str:
        raw = self.padded(self.count(f"the length of the name of {what}"), f"the name of {what}")
        # A name that was made shorter in place keeps its length and ends with a NUL, as C has it.
        raw = raw.partition(b"\0")[0]
        if not raw:
            raise self.corrupt(f"{what} has an empty name")
        return _decoded(raw)

    def type(self, what: str) -> np.dtype[Any]:
        number = self.integer(4, f"the type of {what}")
        if number not in _TYPES or (number > _LAST_CLASSIC_TYPE and self.version != _CDF5):
            raise self.corrupt(f"{what} is of type {number}, which CDF-{self.version} does not have")
        return _TYPES[number]


def _decoded(raw: bytes) -> str:
    """Text in UTF-8, or in Latin-1 where it is none."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _read_dimension(cursor: _Cursor) -> Dimension:
    name = cursor.name("a dimension")
    return Dimension(name=name, length=cursor.count(f"the length of dimension {name!r}"))


def _read_attributes(cursor: _Cursor) -> dict[str, Any]:
    return dict(cursor.listed("attributes", _ATTRIBUTE, lambda: _read_attribute(cursor)))


def _read_attribute(cursor: _Cursor) -> tuple[str, Any]:
    """Name and value: text, a number, or a list of none or several."""
    name = cursor.name("an attribute")
    what = f"attribute {name!r}"
    dtype = cursor.type(what)
    raw = cursor.padded(cursor.count(f"the length of {what}") * dtype.itemsize, what)
    if dtype.kind == "S":
        return name, _decoded(raw.replace(b"\0", b""))
    values = np.frombuffer(raw, dtype).tolist()
    return name, values[0] if len(values) == 1 else values


def _read_variable(cursor: _Cursor, dimensions: list[Dimension], n_records: int) -> Variable:
    name = cursor.name("a variable")
    what = f"variable {name!r}"
    rank = cursor.count(f"the number of dimensions of {what}")
    width = 8 if cursor.version == _CDF5 else 4
    numbers = np.frombuffer(cursor.take(width * rank, f"the dimensions of {what}"), f">u{width}").tolist()
    if any(number >= len(dimensions) for number in numbers):
        raise cursor.corrupt(f"{what} is over dimensions {numbers}, and there are {len(dimensions)}")
    attributes = _read_attributes(cursor)
    dtype = cursor.type(what)
    # Specification, note on vsize: it is redundant, and does not hold the size of large variables.
    cursor.count(f"the size of {what}")
    begin = cursor.offset(f"the offset of {what}")
    over = [dimensions[number] for number in numbers]
    if any(dimension.length == 0 for dimension in over[1:]):
        raise cursor.corrupt(f"{what} has the record dimension behind another")
    is_record = bool(over) and over[0].length == 0
    lengths = [dimension.length for dimension in over]
    return Variable(
        name=name,
        dtype=dtype,
        dimensions=tuple(dimension.name for dimension in over),
        shape=(n_records, *lengths[1:]) if is_record else tuple(lengths),
        is_record=is_record,
        begin=begin,
        n_bytes=math.prod(lengths[1:] if is_record else lengths) * dtype.itemsize,
        attributes=attributes,
    )


def _check_names(cursor: _Cursor, what: str, names: list[str]) -> None:
    if len(set(names)) < len(names):
        twice = Counter(names).most_common(1)[0][0]
        raise cursor.corrupt(f"two {what}s are called {twice!r}")


def _record_bytes(variables: list[Variable]) -> int:
    """Specification, note on padding: each variable's part of a record is padded, unless there is but one."""
    of_records = [variable for variable in variables if variable.is_record]
    if len(of_records) == 1:
        return of_records[0].n_bytes
    return sum(variable.padded_bytes for variable in of_records)


def _streamed_records(size_bytes: int, variables: list[Variable], record_bytes: int) -> int:
    """Whole records in the file; the padding after the last one may lack."""
    of_records = [variable for variable in variables if variable.is_record]
    if not of_records:
        return 0
    last = max(variable.begin + variable.n_bytes for variable in of_records)
    return 0 if last > size_bytes else 1 + (size_bytes - last) // record_bytes


def _with_records(variable: Variable, n_records: int) -> Variable:
    return replace(variable, shape=(n_records, *variable.shape[1:])) if variable.is_record else variable


def _check_places(header: Header, cursor: _Cursor) -> None:
    """Nothing that holds values overlaps the header, or what else holds values."""
    of_records = sorted((v for v in header.variables if v.is_record), key=lambda v: v.begin)
    blocks = [(v.begin, v.n_bytes, v.name) for v in header.variables if not v.is_record]
    if header.n_records:
        parts = [(v.begin, v.n_bytes, v.name) for v in of_records]
        if parts:
            # The next record must not begin before this one ends.
            parts.append((parts[0][0] + header.record_bytes, 0, of_records[0].name))
            _check_order(parts, parts[0][0], cursor)
            of_all = (header.n_records - 1) * header.record_bytes + parts[-2][0] + parts[-2][1] - parts[0][0]
            blocks.append((parts[0][0], of_all, of_records[0].name))
    _check_order(sorted(blocks), cursor.position, cursor)


def _check_order(blocks: list[tuple[int, int, str]], end: int, cursor: _Cursor) -> None:
    before = "the header"
    for begin, n_bytes, name in blocks:
        if begin < end:
            raise cursor.corrupt(
                f"variable {name!r} should lie at byte {begin}, where {before} ends only at byte {end}"
            )
        end, before = begin + n_bytes, f"variable {name!r}"
