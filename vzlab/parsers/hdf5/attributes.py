"""Attributes of HDF5 objects as JSON-able values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.parsers.hdf5.datatypes import stored_type
from vzlab.parsers.hdf5.library import h5py
from vzlab.parsers.hdf5.messages import References
from vzlab.parsers.hdf5.opening import LIBRARY_ERRORS

_h5a, _h5s, _h5t = h5py.h5a, h5py.h5s, h5py.h5t

HIDDEN = frozenset(
    {
        "DIMENSION_LABELS",
        "DIMENSION_LIST",
        "REFERENCE_LIST",
        "_Netcdf4Dimid",
        "_Netcdf4Coordinates",
        "_nc3_strict",
        "_NCProperties",
    }
)
"""What netCDF4 and dimension scales write for themselves: it says names of dimensions, which are read from it."""

_NONE: Mapping[str, Any] = MappingProxyType({})

_MEMORY_TYPES: dict[int, tuple[np.dtype[Any], Any]] = {}
"""h5py's memory datatype of a numpy data type, by the identity of the latter, which is kept alive here."""


def attribute_names(object_id: Any) -> list[str]:
    """Names of all attributes of an object, in the order of its index."""
    names: list[bytes] = []
    _h5a.iterate(object_id, names.append)
    return [name.decode("utf-8", "surrogateescape") for name in names]


def read_attributes(
    object_id: Any,
    file_id: Any,
    names: Collection[str],
    *,
    hidden: Collection[str] = HIDDEN,
    known: Mapping[str, Any] = _NONE,
) -> dict[str, Any]:
    """Attributes as Python values; one that cannot be read is left out.

    Parameters
    ----------
    object_id : h5py.h5g.GroupID or h5py.h5d.DatasetID
    file_id : h5py.h5f.FileID
        For the names of what references point to.
    names : collection of str
        The attributes to read.
    hidden : collection of str
        Those to pass over.
    known : mapping
        Values that need not be asked for, as they are to be.

    Returns
    -------
    dict
        Numbers, strings, booleans, None, and lists and dicts of them. An array of one element is that element, as netCDF
        has it. Floats may be NaN or infinite; complex numbers are ``[real, imaginary]``; a reference is the path of what
        it points to; opaque bytes are hexadecimal digits.
    """
    attributes = {}
    for name in names:
        if name in hidden:
            continue
        if name in known and not isinstance(known[name], References):
            attributes[name] = known[name]
            continue
        try:
            attributes[name] = read_attribute(object_id, file_id, name)
        except LIBRARY_ERRORS:
            # Such as a 128-bit integer or a damaged message: the variable itself is none the worse for it.
            continue
    return attributes


def read_attribute(object_id: Any, file_id: Any, name: str) -> Any:
    """One attribute as a Python value; see `read_attributes`."""
    attribute = _h5a.open(object_id, name.encode("utf-8", "surrogateescape"))
    values = read_raw(attribute)
    if values is None:
        return "" if attribute.get_type().get_class() == _h5t.STRING else []
    if values.shape == (1,):
        values = values.reshape(())
    return _as_python(values, file_id)


def read_raw(attribute: Any) -> npt.NDArray[Any] | None:
    """Values of an open attribute as h5py gives them; None where its dataspace is null."""
    type_id = attribute.get_type()
    stored = stored_type(type_id)
    if stored.native is None:
        raise TypeError(stored.reason)
    space = attribute.get_space()
    if space.get_simple_extent_type() == _h5s.NULL:
        return None
    shape = space.get_simple_extent_dims()
    native = stored.native
    if native.subdtype is not None:
        element, inner = native.subdtype
        values = np.zeros(shape + inner, element)
        attribute.read(values, mtype=_h5t.py_create(native))
        return values
    values = np.zeros(shape, native)
    attribute.read(values, mtype=_memory_type(native))
    return values


def _memory_type(native: np.dtype[Any]) -> Any:
    known = _MEMORY_TYPES.get(id(native))
    if known is None:
        if len(_MEMORY_TYPES) > 1024:
            _MEMORY_TYPES.clear()
        known = _MEMORY_TYPES[id(native)] = (native, _h5t.py_create(native))
    return known[1]


def _as_python(values: npt.NDArray[Any], file_id: Any) -> Any:
    kind = values.dtype.kind
    if kind in "iub":
        return values.tolist()
    if kind == "f":
        return values.astype("f8").tolist() if values.dtype.itemsize > 8 else values.tolist()
    if kind == "S" or (kind == "O" and values.size and isinstance(values.flat[0], bytes)):
        return nested([decode_text(item) for item in values.ravel().tolist()], values.shape)
    if kind in "mM":
        return np.datetime_as_string(values).tolist() if kind == "M" else values.astype("i8").tolist()
    return nested([_item(item, file_id) for item in values.reshape(-1)], values.shape)


def _item(item: Any, file_id: Any) -> Any:
    """One element that is no plain number."""
    if isinstance(item, h5py.h5r.Reference):
        return _referenced(item, file_id)
    if isinstance(item, np.void) and item.dtype.names is not None:
        return {name: _as_python(np.asarray(item[name]), file_id) for name in item.dtype.names}
    if isinstance(item, np.void):
        return item.tobytes().hex()
    if isinstance(item, np.ndarray):
        return _as_python(item, file_id)
    if isinstance(item, bytes):
        return decode_text(item)
    if isinstance(item, np.complexfloating | complex):
        return [float(item.real), float(item.imag)]
    if isinstance(item, np.generic):
        return item.item()
    return item


def _referenced(reference: Any, file_id: Any) -> str | None:
    """Path of what a reference points to; None if it points nowhere."""
    if not reference:
        return None
    try:
        name = h5py.h5r.get_name(reference, file_id)
    except LIBRARY_ERRORS:
        return None
    return None if name is None else name.decode("utf-8", "surrogateescape")


def decode_text(raw: bytes | str) -> str:
    """Text of a string's bytes: UTF-8, or Latin-1 where they are none."""
    if isinstance(raw, str):
        return raw
    raw = raw.rstrip(b"\0")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def nested(items: list[Any], shape: tuple[int, ...]) -> Any:
    """A flat list as nested lists of a shape; the item itself for a scalar."""
    if not shape:
        return items[0]
    for length in reversed(shape[1:]):
        items = [items[i : i + length] for i in range(0, len(items), length)] if length else [[]] * shape[0]
    return items
