"""Values of attributes from the bytes of an object header, where those are what the library would give.

The library makes three objects for each attribute that is read, and many files hold a hundred attributes. What is kept elsewhere,
converted on the way, or not known here is left to it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np

from vzlab.errors import VzlabError
from vzlab.parsers.hdf5.attributes import decode_text, nested
from vzlab.parsers.hdf5.datatypes import stored_type
from vzlab.parsers.hdf5.library import h5py
from vzlab.parsers.hdf5.messages import References, attribute_message, values_start
from vzlab.parsers.hdf5.object_header import FileBytes, Message

_h5t = h5py.h5t

_ATTRIBUTE, _ATTRIBUTE_INFO = 0x0C, 0x15
_SHARED = 2
"""Flag of a message whose data are elsewhere."""
_INTEGER, _FLOAT, _STRING, _REFERENCE, _VARIABLE_LENGTH = 0, 1, 3, 7, 9
"""Classes of datatypes."""
_IS_STRING = 1
"""Kind of a datatype of varying length."""
_MOST_COLLECTION_BYTES = 2**18
"""Longer global heap collections hold values of variables."""
_MOST_HEADS, _LONGEST_HEAD = 4096, 512

_HEAP_REFERENCES = {4: struct.Struct("<III"), 8: struct.Struct("<IQI")}
"""Length, collection, and number in it of a value of varying length, by the bytes of an address."""
_HEAP_OBJECTS = {4: struct.Struct("<H6xI"), 8: struct.Struct("<H6xQ")}
"""Number and length before a value in a collection, by the bytes of a length."""

_FORMATS = {
    "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q", "f2": "e", "f4": "f", "f8": "d",
}  # fmt: skip
"""How `struct` calls numpy's numbers."""

type Kind = Literal["number", "text", "long text", "references", "other"]


@dataclass(frozen=True, kw_only=True, slots=True)
class HeaderAttributes:
    """Attributes that an object header has; there may be more attributes, which the library knows."""

    values: Mapping[str, Any]
    """As `read_attributes` gives them; lists of references as `References`."""
    names: list[str] | None
    """All that there are, in the order of the library's index by names; None where the library is to be asked."""


@dataclass(kw_only=True, eq=False)
class HeapCollections:
    """The global heap collections of a file that were asked for (HDF5 specification III.E)."""

    file: FileBytes
    _known: dict[int, Mapping[int, bytes]] = field(default_factory=dict)

    def value(self, address: int, number: int) -> bytes | None:
        """A value by its collection and number; None if that is not to be had."""
        known = self._known.get(address)
        if known is None:
            known = self._known[address] = self._collection(address)
        return known.get(number)

    def _collection(self, address: int) -> Mapping[int, bytes]:
        file = self.file
        head = file.read(address, 8 + file.length_bytes) if 0 < address < file.size_bytes else b""
        if head[:5] != b"GCOL\1" or (n_bytes := file.length(head, 8)) > _MOST_COLLECTION_BYTES:
            return {}
        block, at = file.read(address, n_bytes), 8 + file.length_bytes
        prefix = _HEAP_OBJECTS[file.length_bytes]
        stop = len(block) - prefix.size
        values: dict[int, bytes] = {}
        while at <= stop:
            number, length = prefix.unpack_from(block, at)
            if number == 0:  # free space: nothing comes behind it
                break
            at += prefix.size
            values[number] = block[at : at + length]
            at += length + 7 & ~7
        return values


type _Decode = Callable[[bytes, HeapCollections], Any]
"""Gives the value of an attribute message, or None where only the library can."""

_DECODERS: dict[tuple[int, int, bytes], tuple[str, _Decode | None]] = {}
"""Name and decoder by bytes of an address, bytes of a length, and all of a message that is no value: files repeat it."""


def header_attributes(header: Collection[Message], heaps: HeapCollections) -> HeaderAttributes:
    """The attributes in an object header, values left out that only the library can give.

    Parameters
    ----------
    header : collection of Message
        Its messages; none where they are not known.
    heaps : HeapCollections
        Of the same file.
    """
    found: dict[str, Any] = {}
    file, are_all = heaps.file, bool(header)
    for kind, flags, body in header:
        if kind != _ATTRIBUTE:
            are_all &= kind != _ATTRIBUTE_INFO or _are_in_header(file, body)
            continue
        if flags & _SHARED or len(body) < 8:
            are_all = False
            continue
        head = body[: values_start(body)]
        key = (file.address_bytes, file.length_bytes, head)
        known = _DECODERS.get(key)
        if known is None:
            known = _decoder(file, body)
            if len(head) <= _LONGEST_HEAD:
                if len(_DECODERS) >= _MOST_HEADS:
                    _DECODERS.clear()
                _DECODERS[key] = known
        name, decode = known
        try:
            value = None if decode is None or name in found else decode(body, heaps)
        except (VzlabError, LookupError, ArithmeticError, ValueError, struct.error):
            # Whatever is wrong with it the library says in its own words.
            value = None
        if value is None:
            are_all = False
        else:
            found[name] = value
    names = sorted(found, key=lambda name: name.encode("utf-8", "surrogateescape")) if are_all else None
    return HeaderAttributes(values=found, names=names)


def _are_in_header(file: FileBytes, body: bytes) -> bool:
    """Whether an attribute info message says that no heap has attributes (HDF5 specification IV.A.2.v)."""
    at = 2 + 2 * (body[1] & 1) if len(body) > 1 else 2
    return len(body) >= at + file.address_bytes and file.address(body, at) == file.undefined


def _decoder(file: FileBytes, body: bytes) -> tuple[str, _Decode | None]:
    """The name in an attribute message, and what decodes messages that differ from it in their values alone."""
    message = attribute_message(file, body)
    if message is None:
        return "", None
    kind, native = _kind(message.datatype)
    n, start = math.prod(message.shape), values_start(body)
    # An array of one element is that element, as netCDF has it.
    shape = () if message.shape == (1,) else message.shape
    decode: _Decode | None = None
    if n == 0 or kind == "other":
        pass
    elif kind == "number":
        decode = _number(native, start, n, shape)
    elif kind == "text":
        decode = partial(_text, size=native.itemsize, start=start, n=n, shape=shape)
    elif message.item_bytes == 8 + file.address_bytes and file.address_bytes in _HEAP_REFERENCES:
        if kind == "references":
            decode = partial(_lists, start=start, n=n)
        elif shape:
            decode = partial(_long_texts, start=start, n=n, shape=shape)
        else:
            decode = _long_text(start, _HEAP_REFERENCES[file.address_bytes])
    return message.name, decode


def _number(native: np.dtype[Any], start: int, n: int, shape: tuple[int, ...]) -> _Decode:
    if shape or native.itemsize > 8:
        # Python has no longer numbers.
        kind = "f8" if native.itemsize > 8 else native.newbyteorder("=")
        return lambda body, _: np.frombuffer(body, native, n, start).astype(kind).reshape(shape).tolist()
    order = ">" if native.str[0] == ">" else "<"
    unpack_from = struct.Struct(order + _FORMATS[native.str[1:]]).unpack_from
    return lambda body, _: unpack_from(body, start)[0]


def _text(body: bytes, _: HeapCollections, *, size: int, start: int, n: int, shape: tuple[int, ...]) -> Any:
    stop = start + n * size
    if stop > len(body):
        return None
    texts = [body[at : at + size].rstrip(b"\0") for at in range(start, stop, size)]
    # The library ends a string at its first zero byte.
    return None if any(b"\0" in text for text in texts) else _shaped(texts, shape)


def _long_text(start: int, reference: struct.Struct) -> _Decode:
    """One text, which is what most attributes are."""
    unpack_from = reference.unpack_from

    def decode(body: bytes, heaps: HeapCollections) -> Any:
        n_bytes, address, number = unpack_from(body, start)
        held = heaps.value(address, number)
        if held is None or n_bytes > len(held) or b"\0" in (text := held[:n_bytes]):
            return None
        return decode_text(text)

    return decode


def _long_texts(body: bytes, heaps: HeapCollections, *, start: int, n: int, shape: tuple[int, ...]) -> Any:
    texts = []
    for n_bytes, held in _held(body, heaps, start, n):
        if held is None or n_bytes > len(held) or b"\0" in held[:n_bytes]:
            return None
        texts.append(held[:n_bytes])
    return _shaped(texts, shape)


def _lists(body: bytes, heaps: HeapCollections, *, start: int, n: int) -> References | None:
    file, found = heaps.file, []
    for length, held in _held(body, heaps, start, n):
        if held is None or len(held) < length * file.address_bytes:
            return None
        found.append(tuple(file.address(held, i * file.address_bytes) for i in range(length)))
    return References(addresses=tuple(found))


def _held(body: bytes, heaps: HeapCollections, start: int, n: int) -> Iterator[tuple[int, bytes | None]]:
    """Length and bytes of each value of varying length."""
    reference = _HEAP_REFERENCES[heaps.file.address_bytes]
    for at in range(start, start + n * reference.size, reference.size):
        length, address, number = reference.unpack_from(body, at)
        yield length, heaps.value(address, number)


def _shaped(texts: list[bytes], shape: tuple[int, ...]) -> Any:
    return nested([decode_text(text) for text in texts], shape)


_KINDS: dict[bytes, tuple[Kind, np.dtype[Any]]] = {}
_MOST_KINDS = 4096
_OTHER: tuple[Kind, np.dtype[Any]] = ("other", np.dtype("V"))


def _kind(datatype: bytes) -> tuple[Kind, np.dtype[Any]]:
    """What the values of a datatype are, by the bytes of its message; worked out by the library, once."""
    known = _KINDS.get(datatype)
    if known is None:
        if len(_KINDS) >= _MOST_KINDS:
            _KINDS.clear()
        known = _KINDS[datatype] = _work_out(datatype)
    return known


def _work_out(datatype: bytes) -> tuple[Kind, np.dtype[Any]]:
    kind = datatype[0] & 15  # HDF5 specification IV.A.2.d
    if kind == _VARIABLE_LENGTH:
        base = datatype[8:]
        if datatype[1] & 15 == _IS_STRING:
            return "long text", np.dtype(object)
        return (
            ("references", np.dtype(object))
            if base[:1] and base[0] & 15 == _REFERENCE and not base[1] & 15
            else _OTHER
        )
    if kind not in (_INTEGER, _FLOAT, _STRING):
        return _OTHER
    try:
        # An encoded datatype is its message behind the number of the message and a version.
        type_id = _h5t.decode(b"\x03\x00" + datatype)
        stored = stored_type(type_id)
    except (RuntimeError, ValueError, TypeError, NotImplementedError):
        return _OTHER
    native = stored.native
    if native is None:
        return _OTHER
    if kind == _STRING:
        return ("text", native) if type_id.get_strpad() != _h5t.STR_SPACEPAD else _OTHER
    is_plain = stored.handling == "reference" and stored.bit_field is None and native.kind in "iuf"
    return ("number", native) if is_plain else _OTHER
