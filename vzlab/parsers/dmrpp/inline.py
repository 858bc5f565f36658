"""Values that a DMR++ document holds itself: compact, missing data, strings of varying length, special structures.

https://github.com/OPENDAP/bes, modules/dmrpp_module/DMZ.cc: what reads ``compact``, ``missingdata``, ``vlsa`` and
``specialstructuredata``.
"""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
import numpy.typing as npt
from numcodecs import VLenUTF8

from vzlab.errors import CorruptFileError, UnvirtualizableError
from vzlab.parsers.dmrpp.datatypes import NUMBERS, TEXTS, VARIABLES, number_type
from vzlab.parsers.dmrpp.document import children

MAX_VALUES_BYTES = 256 * 2**20
"""Inline values of a variable that would take more are refused."""


def decode_base64(text: str | None) -> bytes:
    """Bytes of base64 text, in which blanks are allowed.

    Raises
    ------
    CorruptFileError
        If it is none.
    """
    try:
        return base64.b64decode("".join((text or "").split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise CorruptFileError(f"Its values are no base64 text: {error}. The document is damaged.") from error


def inflate(packed: bytes, n_bytes: int) -> bytes:
    """Bytes of a zlib stream that must have a given length.

    Raises
    ------
    CorruptFileError
        If it is damaged or of another length.
    """
    try:
        plain = zlib.decompressobj().decompress(packed, n_bytes + 1)
    except zlib.error as error:
        raise CorruptFileError(f"Its values do not inflate: {error}. The document is damaged.") from error
    if len(plain) != n_bytes:
        raise CorruptFileError(
            f"Its values inflate to {len(plain)} bytes or more; expected {n_bytes}. The document is damaged."
        )
    return plain


def read_missing_data(text: str | None, n_bytes: int) -> bytes:
    """Values of ``missingdata``: a single one as it is, more of them deflated."""
    _check_size(n_bytes)
    packed = decode_base64(text)
    return packed if len(packed) == n_bytes and n_bytes <= 8 else inflate(packed, n_bytes)


def read_strings(vlsa: Element, count: int) -> list[str]:
    """Strings of ``vlsa``: elements ``v``, ``c`` times each, deflated where they have a size ``s``.

    Raises
    ------
    CorruptFileError
        If there are more or fewer than the variable has elements, or one is damaged.
    """
    strings: list[str] = []
    n_bytes = 0
    for element in [*children(vlsa, "v"), *children(vlsa, "dmrpp:v")]:
        text = element.text or ""
        if (size := element.get("s")) is not None:
            length = _count(size)
            _check_size(length)
            text = inflate(decode_base64(text), length).decode("utf-8", "replace")
        repeats = _count(element.get("c", "1"))
        n_bytes += repeats * (len(text) + 8)
        _check_size(n_bytes)
        if repeats > count - len(strings):
            raise CorruptFileError(f"It has more strings than its {count} elements. The document is damaged.")
        strings.extend([text] * repeats)
    if len(strings) != count:
        raise CorruptFileError(f"It has {len(strings)} strings; expected {count}. The document is damaged.")
    return strings


def encode_strings(strings: list[str]) -> bytes:
    """As Zarr's codec ``vlen-utf8`` stores them."""
    return bytes(VLenUTF8().encode(np.array(strings, dtype=object)))


def read_special_structure(structure: Element, text: str | None, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Records of ``specialstructuredata``: numbers as they are, strings base64 once more with a semicolon behind each.

    Returns
    -------
    array of records
        Strings as fixed-length bytes, as long as the longest in their member.

    Raises
    ------
    UnvirtualizableError
        If a member is itself an array, or of another type.
    CorruptFileError
        If there are fewer or more values.
    """
    count = math.prod(shape)
    data = decode_base64(text)
    _check_size(count)
    members = [element for element in structure if element.tag in VARIABLES]
    columns: list[list[bytes]] = [[] for _ in members]
    at = 0
    for member in members:
        if next(children(member, "Dim"), None) is not None or member.tag not in NUMBERS.keys() | TEXTS:
            raise UnvirtualizableError(
                f"Its member {member.get('name')!r} is an array or no number or text, for which Zarr's struct has no field."
            )
    for _ in range(count):
        for member, column in zip(members, columns, strict=True):
            if member.tag in TEXTS:
                end = data.find(b";", at)
                item, at = decode_base64(data[at:end].decode("ascii", "replace")), end + 1
            else:
                end = at + number_type(member.tag, "<").itemsize
                item, at = data[at:end], end
            if end < 0 or end > len(data):
                raise CorruptFileError(
                    f"Its values end after {len(column)} of {count} records. The document is damaged."
                )
            column.append(item)
    if at != len(data):
        raise CorruptFileError(f"{len(data) - at} bytes follow its {count} records. The document is damaged.")
    dtype = np.dtype(
        [
            (
                member.get("name", ""),
                f"S{max([1, *map(len, column)])}" if member.tag in TEXTS else number_type(member.tag, "<"),
            )
            for member, column in zip(members, columns, strict=True)
        ]
    )
    records = np.zeros(count, dtype)
    for name, column in zip(dtype.names or (), columns, strict=True):
        records[name] = (
            np.array(column) if dtype[name].kind == "S" else np.frombuffer(b"".join(column), dtype[name])
        )
    return records.reshape(shape)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 15:
        raise CorruptFileError(f"Found {text[:40]!r}; expected a count. The document is damaged.")
    return int(text)


def _check_size(n_bytes: int) -> None:
    if n_bytes > MAX_VALUES_BYTES:
        raise UnvirtualizableError(
            f"Its inline values take {n_bytes / 2**20:.0f} MiB (most: {MAX_VALUES_BYTES / 2**20:.0f}). Use the data file itself."
        )
