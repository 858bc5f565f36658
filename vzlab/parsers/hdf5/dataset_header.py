"""What an object header says of a dataset, where its own bytes say all of it.

The library makes an object for each thing that it is asked. It opens the dataset all the same, and so checks what is read here;
what is shared, old, converted on the way, or not known here is left to it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from vzlab.codecs import Hdf5Filter
from vzlab.parsers.hdf5.datatypes import StoredType, stored_type
from vzlab.parsers.hdf5.layout_message import ChunkedLayout, parse_chunked_layout
from vzlab.parsers.hdf5.library import h5py
from vzlab.parsers.hdf5.object_header import FileBytes, Message

_DATASPACE, _DATATYPE, _OLD_FILL, _FILL, _EXTERNAL, _LAYOUT, _FILTERS = (
    0x01,
    0x03,
    0x04,
    0x05,
    0x07,
    0x08,
    0x0B,
)
_TOLD = frozenset({_DATASPACE, _DATATYPE, _FILL, _LAYOUT, _FILTERS})
_SHARED = 2
"""Flag of a message whose data are elsewhere."""
_INTEGER, _FLOAT = 0, 1
"""Classes of datatypes."""
_CONTIGUOUS, _CHUNKED = 1, 2
"""Classes of layouts."""
_NEVER = 1
"""Time at which a fill value is written."""
_ENDLESS = 2**64 - 1

_FILTER_NAMES = {
    1: b"deflate",
    2: b"shuffle",
    3: b"fletcher32",
    4: b"szip",
    5: b"nbit",
    6: b"scaleoffset",
}
"""The library's names of its own filters, which version 2 of the message leaves out."""
_LONGEST_NAME = 200

_TYPES: dict[bytes, StoredType | None] = {}
_MOST_TYPES = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetHeader:
    """A dataset of plain numbers, contiguous or chunked, whose messages are all in its header."""

    shape: tuple[int, ...]
    max_shape: tuple[int | None, ...] | None
    """What it may grow to, None along dimensions without end; None where it may not."""
    stored: StoredType
    fill: bytes | None
    """The fill value as it is stored; None where what was not written is zero."""
    filters: tuple[Hdf5Filter, ...]
    chunked: ChunkedLayout | None
    offset: int | None
    """First byte in the file of all values of a contiguous dataset; None where nothing was written."""


def dataset_header(file: FileBytes, header: Iterable[Message]) -> DatasetHeader | None:
    """What the messages of an object header say of a dataset; None where the library is to be asked."""
    if file.address_bytes != 8 or file.length_bytes != 8:
        return None
    told: dict[int, bytes] = {}
    for kind, flags, body in header:
        if kind == _EXTERNAL:
            return None
        if kind in _TOLD:
            if kind in told or flags & _SHARED:
                return None
            told[kind] = body
    if not told.keys() >= _TOLD - {_FILTERS}:
        return None
    try:
        return _dataset_header(file, told)
    except (IndexError, struct.error):
        # A message that ends early.
        return None


def _dataset_header(file: FileBytes, told: dict[int, bytes]) -> DatasetHeader | None:
    stored, layout = _stored_type(told[_DATATYPE]), told[_LAYOUT]
    space = _dataspace(told[_DATASPACE])
    fill = _fill(told[_FILL])
    filters = _filters(told[_FILTERS]) if _FILTERS in told else ()
    if stored is None or space is None or fill is None or filters is None:
        return None
    assert stored.stored is not None
    chunked = address = None
    if layout[0] not in (3, 4, 5):
        return None
    if layout[1] == _CHUNKED:
        chunked = parse_chunked_layout(file, layout)
        if chunked is None or len(chunked.chunk_shape) != len(space[0]):
            return None
    elif layout[1] == _CONTIGUOUS and len(layout) >= 18:
        address = file.address(layout, 2)
    else:
        return None
    if fill and len(fill) != stored.stored.itemsize:
        return None
    return DatasetHeader(
        shape=space[0],
        max_shape=space[1],
        stored=stored,
        fill=fill or None,
        filters=filters,
        chunked=chunked,
        offset=None if address in (None, file.undefined) else file.base + address,
    )


def _stored_type(datatype: bytes) -> StoredType | None:
    """A plain number's type, by the bytes of its message (HDF5 specification IV.A.2.d); worked out by the library, once."""
    if datatype not in _TYPES:
        if len(_TYPES) >= _MOST_TYPES:
            _TYPES.clear()
        _TYPES[datatype] = _work_out(datatype)
    return _TYPES[datatype]


def _work_out(datatype: bytes) -> StoredType | None:
    if len(datatype) < 8 or datatype[0] & 15 not in (_INTEGER, _FLOAT):
        return None
    try:
        # An encoded datatype is its message behind the number of the message and a version.
        stored = stored_type(h5py.h5t.decode(b"\x03\x00" + datatype))
    except (RuntimeError, ValueError, TypeError, NotImplementedError):
        return None
    is_plain = stored.handling == "reference" and stored.bit_field is None and stored.native == stored.stored
    return stored if is_plain and stored.native is not None and stored.native.kind in "iuf" else None


def _dataspace(body: bytes) -> tuple[tuple[int, ...], tuple[int | None, ...] | None] | None:
    """Shape, and what it may grow to (IV.A.2.b)."""
    version, rank, flags = body[0], body[1], body[2]
    if version == 2:
        # Scalar or simple; a null dataspace has no values.
        if body[3] != (1 if rank else 0):
            return None
        at = 4
    elif version == 1:
        at = 8
    else:
        return None
    if flags & ~1:
        return None
    shape: tuple[int, ...] = struct.unpack_from(f"<{rank}Q", body, at)
    if not flags & 1:
        return shape, None
    greatest: tuple[int, ...] = struct.unpack_from(f"<{rank}Q", body, at + 8 * rank)
    return shape, None if greatest == shape else tuple(None if n == _ENDLESS else n for n in greatest)


def _fill(body: bytes) -> bytes | None:
    """The stored fill value, empty where zero is read (IV.A.2.e); None where that is not known."""
    version = body[0]
    if version == 3:
        flags = body[1]
        time, is_stored, at = flags >> 2 & 3, bool(flags & 32), 2
        if flags & 16 and is_stored:
            return None
    elif version == 2:
        time, is_stored, at = body[2], bool(body[3]), 4
    else:
        return None
    if time == _NEVER or not is_stored:
        # Nothing fills what was not written: readers give what their buffer held, zeros in h5py.
        return b""
    (n_bytes,) = struct.unpack_from("<I", body, at)
    value = body[at + 4 : at + 4 + n_bytes]
    return value if len(value) == n_bytes else None


def _filters(body: bytes) -> tuple[Hdf5Filter, ...] | None:
    """The filter pipeline (IV.A.2.l)."""
    version, n_filters = body[0], body[1]
    at = {1: 8, 2: 2}.get(version)
    if at is None:
        return None
    found = []
    for _ in range(n_filters):
        (number,) = struct.unpack_from("<H", body, at)
        at += 2
        name_bytes = 0
        if version == 1 or number >= 256:
            (name_bytes,) = struct.unpack_from("<H", body, at)
            at += 2
        flags, n_values = struct.unpack_from("<2H", body, at)
        at += 4
        # In version 1 the name's length is a multiple of eight, and so is that of the values.
        name = body[at : at + name_bytes].partition(b"\0")[0] or _FILTER_NAMES.get(number)
        at += name_bytes
        if name is None or name_bytes > _LONGEST_NAME or (version == 1 and name_bytes % 8):
            return None
        values = struct.unpack_from(f"<{n_values}I", body, at)
        at += 4 * n_values + (4 * (n_values % 2) if version == 1 else 0)
        found.append(
            Hdf5Filter(id=number, flags=flags, cd_values=values, name=name.decode("utf-8", "replace"))
        )
    return tuple(found)
