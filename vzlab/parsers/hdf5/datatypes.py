"""HDF5 datatypes: what lies in the file, and how Zarr says it."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from vzlab.codecs import BitField
from vzlab.manifests.data_types import encode_fill_value
from vzlab.parsers.hdf5.library import h5py

type Handling = Literal["reference", "convert", "text", "refuse"]

_h5t = h5py.h5t


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredType:
    """One HDF5 datatype.

    `handling` says what can be done with its bytes: ``"reference"`` them, since codecs decode them; ``"convert"``, since only
    the library decodes them to values that Zarr can say; ``"text"``, variable-length strings, and references to objects, of
    which the text is a path; ``"refuse"``.
    """

    handling: Handling
    native: np.dtype[Any] | None = None
    """As h5py gives values, byte order of the file included; None if it cannot."""
    stored: np.dtype[Any] | None = None
    """Layout in the file of one element, without the dimensions of an array datatype."""
    inner_shape: tuple[int, ...] = ()
    """Dimensions of an array datatype, which come after the dataset's own."""
    data_type: str | Mapping[str, Any] = ""
    """As Zarr v3 says it."""
    zero: Any = None
    """JSON form of its zero."""
    bit_field: BitField | None = None
    """For integers that use only some of their bits."""
    enum: Mapping[str, int] = field(default_factory=dict)
    """Names of values."""
    reason: str = ""
    """Why its bytes cannot be referenced."""
    description: str = ""
    """The datatype in words."""

    @property
    def loadable(self) -> bool:
        """Whether h5py gives values."""
        return self.native is not None


_CACHE: dict[bytes, StoredType] = {}
_CACHE_LIMIT = 4096


def stored_type(type_id: Any) -> StoredType:
    """What an ``h5py.h5t.TypeID`` is; the same datatype is worked out once."""
    try:
        key = type_id.encode()
    except (RuntimeError, ValueError, TypeError):
        return _work_out(type_id)
    known: StoredType | None = _CACHE.get(key)
    if known is None:
        if len(_CACHE) >= _CACHE_LIMIT:
            _CACHE.clear()
        known = _CACHE[key] = _work_out(type_id)
    return known


def _work_out(type_id: Any) -> StoredType:
    try:
        native: np.dtype[Any] | None = type_id.dtype
    except (TypeError, ValueError, RuntimeError, NotImplementedError):
        native = None
    kind = type_id.get_class()
    if native is None:
        return _refused(None, f"h5py has no data type for HDF5 class {_class_name(kind)}", _class_name(kind))
    if kind == _h5t.STRING and type_id.is_variable_str():
        return StoredType(
            handling="text", native=native, data_type="string", zero="", description="variable-length string"
        )
    if kind == _h5t.ARRAY:
        return _array_type(type_id, native)
    if kind == _h5t.VLEN:
        base = stored_type(type_id.get_super()).description
        return _refused(
            native, "Its elements are sequences of varying length", f"variable-length sequence of {base}"
        )
    if kind == _h5t.REFERENCE and type_id.equal(_h5t.STD_REF_OBJ):
        # As text: the path of what each points to, which is what a reference means outside of its file.
        return StoredType(
            handling="text", native=native, data_type="string", zero="", description="reference to an object"
        )
    if kind == _h5t.REFERENCE:
        # Loaded they would be handles that say nothing once the file is closed.
        return _refused(None, "Its elements are references to regions of variables", "reference to a region")
    description = _describe(type_id, native)
    if kind == _h5t.COMPOUND and native.names is not None:
        held = _unfixed_members(type_id)
        if held:
            return _refused(native, f"Its records hold {held}", description)
    try:
        data_type, zero = data_type_document(native)
    except ValueError as error:
        return _refused(native, str(error), description)
    said = {
        "native": native,
        "stored": native,
        "data_type": data_type,
        "zero": zero,
        "description": description,
    }
    if kind == _h5t.ENUM:
        names = {} if native.kind == "b" else h5py.check_enum_dtype(native) or {}
        base = type_id.get_super()
        exact = native.kind == "b" or base.equal(_h5t.py_create(np.dtype(native.str)))
        said["enum"] = {str(name): int(value) for name, value in names.items()}
        return StoredType(handling="reference" if exact else "convert", **said)
    if kind in (_h5t.INTEGER, _h5t.BITFIELD):
        return StoredType(handling="reference", bit_field=_bit_field(type_id, native), **said)
    return StoredType(handling="reference" if _same_bytes(type_id, native) else "convert", **said)


def _refused(native: np.dtype[Any] | None, reason: str, description: str) -> StoredType:
    return StoredType(handling="refuse", native=native, reason=reason, description=description)


def _array_type(type_id: Any, native: np.dtype[Any]) -> StoredType:
    """An array datatype: its dimensions follow the dataset's, if its elements can be referenced."""
    element = stored_type(type_id.get_super())
    dims = tuple(int(n) for n in type_id.get_array_dims())
    description = f"array {dims} of {element.description}"
    if element.handling not in ("reference", "convert"):
        return _refused(
            native if element.loadable else None,
            element.reason or f"Its elements are each an {description}",
            description,
        )
    return StoredType(
        handling=element.handling,
        native=native,
        stored=element.stored,
        inner_shape=dims + element.inner_shape,
        data_type=element.data_type,
        zero=element.zero,
        bit_field=element.bit_field,
        enum=element.enum,
        description=description,
    )


def _same_bytes(type_id: Any, native: np.dtype[Any]) -> bool:
    """Whether the file's bytes are the bytes of h5py's values, so that no conversion by the library is lost."""
    kind = type_id.get_class()
    if kind == _h5t.STRING:
        # A terminator or padding with blanks is undone by the library; one character has room for neither.
        padding = type_id.get_strpad()
        return bool(padding == _h5t.STR_NULLPAD or (type_id.get_size() == 1 and padding == _h5t.STR_NULLTERM))
    if kind == _h5t.OPAQUE:
        return True
    if kind == _h5t.COMPLEX:
        part = np.dtype(f"{native.byteorder}f{native.itemsize // 2}")
        return bool(type_id.get_super().equal(_h5t.py_create(part)))
    if kind == _h5t.COMPOUND:
        members = [type_id.get_member_type(i) for i in range(type_id.get_nmembers())]
        if native.names is None:  # a complex number
            part = np.dtype(f"{native.byteorder}f{native.itemsize // 2}")
            offsets = [type_id.get_member_offset(i) for i in range(2)]
            return offsets == [0, part.itemsize] and all(m.equal(_h5t.py_create(part)) for m in members)
        return all(_same_bytes(m, native[i]) for i, m in enumerate(members))
    if kind == _h5t.ENUM:
        return bool(native.kind == "b" or type_id.get_super().equal(_h5t.py_create(np.dtype(native.str))))
    if kind == _h5t.BITFIELD:
        return _bit_field(type_id, native) is None
    return bool(type_id.equal(_h5t.py_create(native)))


def _bit_field(type_id: Any, native: np.dtype[Any]) -> BitField | None:
    """HDF5 specification IV.A.2.d, "Datatype Message", fixed-point: bit offset and precision."""
    # The encoded form: two bytes, the message's class and size in eight, then bit offset and precision.
    encoded = type_id.encode()
    offset, precision = (int.from_bytes(encoded[at : at + 2], "little") for at in (10, 12))
    if precision == 8 * native.itemsize and offset == 0:
        return None
    return BitField(precision=precision, offset=offset, signed=native.kind == "i")


def _unfixed_members(type_id: Any) -> str:
    """What in a record has no fixed place or no name in Zarr; empty if all is well."""
    for i in range(type_id.get_nmembers()):
        member = type_id.get_member_type(i)
        name = type_id.get_member_name(i).decode("utf-8", "replace")
        inner = stored_type(member)
        if inner.handling == "text":
            return f"strings of varying length ({name!r})"
        if member.get_class() == _h5t.COMPOUND and (held := _unfixed_members(member)):
            return held
        if inner.handling == "refuse":
            return f"{_article(inner.description)} {inner.description} ({name!r})"
        if inner.inner_shape:
            return f"an {inner.description} ({name!r}), for which Zarr's struct has no field"
    return ""


def _article(noun: str) -> str:
    return "an" if noun[:1] in "aeiou" else "a"


def _class_name(kind: int) -> str:
    names = (
        "INTEGER",
        "FLOAT",
        "TIME",
        "STRING",
        "BITFIELD",
        "OPAQUE",
        "COMPOUND",
        "REFERENCE",
        "ENUM",
        "VLEN",
        "ARRAY",
    )
    return next((name.lower() for name in names if getattr(_h5t, name) == kind), f"number {kind}")


def _describe(type_id: Any, native: np.dtype[Any]) -> str:
    if native.names is None:
        return str(native)
    members = (
        f"{type_id.get_member_name(i).decode('utf-8', 'replace')}: {stored_type(type_id.get_member_type(i)).description}"
        for i in range(type_id.get_nmembers())
    )
    return f"compound({', '.join(members)})"


def data_type_document(dtype: np.dtype[Any]) -> tuple[str | dict[str, Any], Any]:
    """The Zarr v3 data type of a numpy one, and the JSON form of its zero.

    Raises
    ------
    ValueError
        If Zarr has none.
    """
    kind, size = dtype.kind, dtype.itemsize
    if kind in "iu":
        return f"{'u' if kind == 'u' else ''}int{8 * size}", 0
    if kind == "f" and size <= 8:
        return f"float{8 * size}", 0.0
    if kind == "b":
        return "bool", False
    if kind == "c" and size <= 16:
        return f"complex{8 * size}", [0.0, 0.0]
    if kind == "S" and size:
        return {"name": "null_terminated_bytes", "configuration": {"length_bytes": size}}, ""
    if kind in "mM" and (unit := np.datetime_data(dtype))[0] != "generic":
        name = "numpy.datetime64" if kind == "M" else "numpy.timedelta64"
        return {"name": name, "configuration": {"unit": unit[0], "scale_factor": unit[1]}}, 0
    if dtype.names is not None:
        members = {name: data_type_document(dtype[name]) for name in dtype.names}
        fields = [{"name": name, "data_type": document} for name, (document, _) in members.items()]
        return {"name": "struct", "configuration": {"fields": fields}}, {
            n: zero for n, (_, zero) in members.items()
        }
    if kind == "V" and dtype.subdtype is None and size:
        zero = base64.standard_b64encode(bytes(size)).decode()
        return {"name": "raw_bytes", "configuration": {"length_bytes": size}}, zero
    raise ValueError(f"Zarr has no data type for {dtype}")


def encode_fill(stored: StoredType, value: np.ndarray[Any, Any]) -> Any:
    """The JSON form of an HDF5 fill value, as a 0-dimensional array of the stored type."""
    scalar = value[()]
    if value.dtype.kind in "iu":
        return int(scalar)
    if value.dtype.kind == "b":
        return bool(scalar)
    if value.dtype.kind == "f" and math.isfinite(number := float(scalar)):
        return number
    return encode_fill_value(stored.data_type, scalar)
