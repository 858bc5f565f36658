"""The header and data unit after unit of a FITS file: FITS 4.0, sections 3 and 4."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from vzlab.errors import CorruptFileError, UnsupportedFormatError
from vzlab.parsers.fits.library import fits

BLOCK_BYTES = 2880
"""FITS 4.0, section 3.1."""

MAX_HEADER_BYTES = 10_000 * BLOCK_BYTES
"""A header that goes on for longer is refused."""

MAX_UNITS = 100_000
"""A file of more units is refused."""

_FIRST_READ = 5 * BLOCK_BYTES
_END = b"END".ljust(80)


class ByteSource(Protocol):
    """Bytes at offsets: a source, or what a compressed one unpacks to."""

    @property
    def size_bytes(self) -> int:
        """How many there are."""
        ...

    def read(self, offset: int, length: int, /) -> bytes:
        """A range of them."""
        ...


@dataclass(frozen=True, kw_only=True)
class Unpacked:
    """The bytes of a file that gzip compresses as a whole."""

    data: bytes

    @property
    def size_bytes(self) -> int:
        """Bytes once unpacked."""
        return len(self.data)

    def read(self, offset: int, length: int, /) -> bytes:
        """A range of them."""
        return self.data[offset : offset + length]


@dataclass(frozen=True, kw_only=True, eq=False)
class Unit:
    """A header, and where its data lie."""

    number: int
    header: Any
    """``astropy.io.fits.Header``"""
    data_offset: int
    data_bytes: int
    """Without the padding to whole blocks."""


def read_units(source: ByteSource, url: str) -> Iterator[Unit]:
    """Every unit of a file, in order; only headers are read.

    Raises
    ------
    UnsupportedFormatError
        If the file does not begin as FITS does.
    CorruptFileError
        If a header has no end, its counts are no counts, or its data reach past the end of the file.
    """
    offset, number = 0, 0
    while offset < source.size_bytes or not number:
        if number and _is_padding(source, offset, url):
            return
        if number >= MAX_UNITS:
            raise CorruptFileError(f"{url} has more than {MAX_UNITS} units, more than can be variables.")
        header, end = _read_header(source, offset, number, url)
        n_bytes = _data_bytes(header, number, url)
        if end + n_bytes > source.size_bytes:
            raise CorruptFileError(
                f"Unit {number} of {url} has {n_bytes} bytes of data at {end}; the file ends at {source.size_bytes}. It was "
                "truncated or damaged. Fetch it again."
            )
        yield Unit(number=number, header=header, data_offset=end, data_bytes=n_bytes)
        offset = end + -(-n_bytes // BLOCK_BYTES) * BLOCK_BYTES
        number += 1


def _is_padding(source: ByteSource, offset: int, url: str) -> bool:
    """Whether the file goes on with nothing but padding."""
    left = source.size_bytes - offset
    block = source.read(offset, min(BLOCK_BYTES, left))
    if block.startswith(b"XTENSION"):
        return False
    if left >= BLOCK_BYTES and block.strip(b" \0"):
        raise CorruptFileError(
            f"{url} goes on for {left} bytes at {offset} with {block[:8]!r}; expected b'XTENSION' or the end. The header before "
            "it is damaged, or the file is."
        )
    return True


def _read_header(source: ByteSource, offset: int, number: int, url: str) -> tuple[Any, int]:
    text = bytearray()
    at, step = offset, _FIRST_READ
    while True:
        block = source.read(at, min(step, source.size_bytes - at))
        if not text and number == 0 and not block.startswith(b"SIMPLE  ="):
            raise UnsupportedFormatError(
                f"{url} is not a FITS file: it begins with {block[:9]!r}; expected b'SIMPLE  ='. Open it with the parser of its "
                "own format."
            )
        searched = len(text)
        text += block
        for card in range(searched // 80 * 80, len(text) - 79, 80):
            if text[card : card + 80] == _END:
                end = offset + -(-(card + 80) // BLOCK_BYTES) * BLOCK_BYTES
                return _parse_header(bytes(text[: card + 80]), number, url), end
        at += len(block)
        if at >= source.size_bytes or len(text) > MAX_HEADER_BYTES:
            raise CorruptFileError(
                f"The header of unit {number} of {url} has no END card within {len(text)} bytes. The file is damaged."
            )
        step = min(2 * step, 1 << 20)


def _parse_header(text: bytes, number: int, url: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = fits.Header.fromstring(text)
            # Cards are parsed when they are first looked at.
            for card in header.cards:
                _ = card.keyword
    except (ValueError, TypeError, KeyError, IndexError, fits.VerifyError, UnicodeError) as error:
        raise CorruptFileError(f"The header of unit {number} of {url} is damaged: {error}.") from error
    return header


def integer(header: Any, keyword: str, default: int | None = None) -> int:
    """A keyword's integer.

    Raises
    ------
    ValueError
        If it is absent without a default, or no integer.
    """
    value = value_of(header, keyword)
    if value is None and default is not None:
        return default
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"{keyword} is {value!r}; expected an integer")


def value_of(header: Any, keyword: str) -> Any:
    """A keyword's value; None where it is absent, undefined or cannot be read."""
    if keyword not in header:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = header[keyword]
    except (ValueError, fits.VerifyError):
        return None
    return None if isinstance(value, fits.card.Undefined) else value


def _data_bytes(header: Any, number: int, url: str) -> int:
    """FITS 4.0, equations 1, 2 and 4."""
    try:
        bitpix, naxis = integer(header, "BITPIX"), integer(header, "NAXIS")
        lengths = [integer(header, f"NAXIS{axis}") for axis in range(1, min(max(naxis, 0), 999) + 1)]
        p_count, g_count = integer(header, "PCOUNT", 0), integer(header, "GCOUNT", 1)
    except ValueError as error:
        raise CorruptFileError(f"The header of unit {number} of {url} is damaged: {error}.") from error
    if (
        bitpix not in (8, 16, 32, 64, -32, -64)
        or naxis != len(lengths)
        or min([*lengths, p_count, g_count]) < 0
    ):
        raise CorruptFileError(
            f"The header of unit {number} of {url} is damaged: BITPIX is {bitpix}, NAXIS {naxis}, NAXISn {lengths}, PCOUNT "
            f"{p_count}, GCOUNT {g_count}."
        )
    if is_random_groups(header):
        lengths = lengths[1:]
    return abs(bitpix) // 8 * g_count * (p_count + math.prod(lengths)) if lengths else 0


def is_random_groups(header: Any) -> bool:
    """FITS 4.0, section 6."""
    return "XTENSION" not in header and value_of(header, "GROUPS") is True and value_of(header, "NAXIS1") == 0
