"""Values of attributes from the bytes of an object header, where those are what the library would give.

The library makes three objects for each attribute that is read, and many files hold a hundred attributes. What is kept elsewhere,
converted on the way, or not known here is left to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vzlab.errors import VzlabError
from vzlab.parsers.hdf5.datatypes import stored_type
from vzlab.parsers.hdf5.library import h5py
from vzlab.parsers.hdf5.messages import AttributeMessage, attribute_message
from vzlab.parsers.hdf5.object_header import FileBytes, Message

_h5t = h5py.h5t

_ATTRIBUTE = 0x0C
_SHARED = 2
"""Flag of a message whose data are elsewhere."""
_INTEGER, _FLOAT, _STRING, _REFERENCE, _VARIABLE_LENGTH = 0, 1, 3, 7, 9
"""Classes of datatypes."""
_IS_STRING = 1
"""Kind of a datatype of varying length."""
_MOST_COLLECTION_BYTES = 2**18
"""Longer global heap collections hold values of variables."""

type Kind = Literal["number", "text", "long text", "references", "other"]

type HeaderValues = dict[str, npt.NDArray[Any] | References]

_KINDS: dict[bytes, tuple[Kind, np.dtype[Any]]] = {}
_MOST_KINDS = 4096
_OTHER: tuple[Kind, np.dtype[Any]] = ("other", np.dtype("V"))


@dataclass(frozen=True, kw_only=True, slots=True)
class References:
    """Addresses of the objects that each element of a list of lists of references points to."""

    addresses: tuple[tuple[int, ...], ...]


@dataclass(kw_only=True, eq=False)
class HeapCollections:
    """The global heap collections of a file that were asked for (HDF5 specification III.E)."""

    file: FileBytes
    _known: dict[int, Mapping[int, bytes]] = field(default_factory=dict)

    def value(self, reference: bytes) -> bytes | None:
        """What a reference of length, collection and number leads to, and the length; None if that is not to be had."""
        file = self.file
        address, at = file.address(reference, 4), 4 + file.address_bytes
        if address not in self._known:
            self._known[address] = self._collection(address)
        return self._known[address].get(int.from_bytes(reference[at : at + 4], "little"))

    def _collection(self, address: int) -> Mapping[int, bytes]:
        file = self.file
        head = file.read(address, 8 + file.length_bytes) if 0 < address < file.size_bytes else b""
        if head[:5] != b"GCOL\1" or (n_bytes := file.length(head, 8)) > _MOST_COLLECTION_BYTES:
            return {}
        block, at = file.read(address, n_bytes), 8 + file.length_bytes
        values: dict[int, bytes] = {}
        while at + 8 + file.length_bytes <= len(block):
            number = int.from_bytes(block[at : at + 2], "little")
            if number == 0:  # free space: nothing comes behind it
                break
            length, at = file.length(block, at + 8), at + 8 + file.length_bytes
            values[number] = block[at : at + length]
            at += -(-length // 8) * 8
        return values


def header_attributes(header: Iterable[Message], heaps: HeapCollections) -> HeaderValues:
    """Values of the attributes in an object header by their names, those left out that only the library can give.

    Parameters
    ----------
    header : iterable of Message
        Its messages.
    heaps : HeapCollections
        Of the same file.

    Returns
    -------
    dict
        Arrays as h5py gives them, strings of varying length as objects of type `bytes`; lists of references as `References`.
    """
    found: HeaderValues = {}
    for kind, flags, body in header:
        if kind != _ATTRIBUTE or flags & _SHARED:
            continue
        message = attribute_message(heaps.file, body)
        if message is None or message.name in found:
            continue
        # Whatever is wrong with it the library says in its own words.
        with suppress(VzlabError, LookupError, ArithmeticError, ValueError):
            value = _value(message, heaps)
            if value is not None:
                found[message.name] = value
    return found


def _value(message: AttributeMessage, heaps: HeapCollections) -> npt.NDArray[Any] | References | None:
    kind, native = _kind(message.datatype)
    n = math.prod(message.shape)
    data = message.data
    if kind == "other" or n == 0 or len(data) < n * message.item_bytes:
        return None
    if kind == "number":
        return np.frombuffer(data, native, n).reshape(message.shape)
    if kind == "text":
        values: npt.NDArray[Any] = np.frombuffer(data, native, n)
        # The library ends a string at its first zero byte, numpy where nothing but zeros follow.
        return None if any(b"\0" in item for item in values.tolist()) else values.reshape(message.shape)
    step = message.item_bytes
    if step != 8 + heaps.file.address_bytes:
        return None
    references = [data[at : at + step] for at in range(0, n * step, step)]
    if kind == "references":
        return _references(references, heaps)
    texts = np.empty(n, object)
    for number, reference in enumerate(references):
        n_bytes, held = int.from_bytes(reference[:4], "little"), heaps.value(reference)
        if held is None or n_bytes > len(held) or b"\0" in held[:n_bytes]:
            return None
        texts[number] = held[:n_bytes]
    return texts.reshape(message.shape)


def _references(lists: list[bytes], heaps: HeapCollections) -> References | None:
    file, found = heaps.file, []
    for one in lists:
        n, held = int.from_bytes(one[:4], "little"), heaps.value(one)
        if held is None or len(held) < n * file.address_bytes:
            return None
        found.append(tuple(file.address(held, i * file.address_bytes) for i in range(n)))
    return References(addresses=tuple(found))


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
