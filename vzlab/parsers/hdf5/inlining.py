"""Values that only the HDF5 library can decode, read now and held inside the manifest."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.codecs import CodecJSON, bytes_codecs
from vzlab.errors import UnvirtualizableError
from vzlab.manifests import ChunkManifest
from vzlab.parsers.hdf5.datatypes import StoredType
from vzlab.parsers.hdf5.library import h5py
from vzlab.parsers.hdf5.objects import DatasetNode
from vzlab.parsers.hdf5.opening import LIBRARY_ERRORS, library_message

MAX_INLINE_BYTES = 64 * 2**20
"""A variable of which more would have to be held inside the manifest is refused; it can be loaded."""

MAX_TEXT_ELEMENTS = 4 * 2**20
"""A variable of more variable-length strings is refused; it can be loaded."""

MAX_REFERENCED = 1000
"""A variable with references to more objects is refused; it can be loaded."""

_TEXT_CHUNK_ELEMENTS = 2**18
"""About how many strings go into one inline chunk."""


def inline_values(
    node: DatasetNode, stored: StoredType
) -> tuple[tuple[int, ...], tuple[CodecJSON, ...], ChunkManifest]:
    """The values of a dataset of a fixed-size type, as one inline chunk in native layout.

    Raises
    ------
    UnvirtualizableError
        If there are too many, or the library cannot read them.
    """
    assert stored.native is not None
    shape = (node.shape or ()) + stored.inner_shape
    n_bytes = math.prod(node.shape or ()) * stored.native.itemsize
    if n_bytes > MAX_INLINE_BYTES:
        raise UnvirtualizableError(
            f"Its values ({stored.description}) are stored in a form that only the HDF5 library decodes, and with "
            f"{n_bytes / 2**20:.0f} MiB they are too many to hold in the manifest (at most {MAX_INLINE_BYTES / 2**20:.0f})."
        )
    values = read_values(node.dataset_id, node.shape or (), stored.native)
    packed = packed_dtype(values.dtype)
    data = np.ascontiguousarray(values.astype(packed, copy=False)).tobytes()
    grid = (1,) * len(shape)
    return shape, bytes_codecs(packed), ChunkManifest.from_inline([data], grid)


def read_values(dataset_id: Any, shape: tuple[int, ...], native: np.dtype[Any]) -> npt.NDArray[Any]:
    """All values of a dataset as the library converts them.

    Raises
    ------
    UnvirtualizableError
        If the library cannot.
    """
    element, inner = native.subdtype or (native, ())
    values = np.zeros(shape + inner, element)
    try:
        dataset_id.read(h5py.h5s.ALL, h5py.h5s.ALL, values, h5py.h5t.py_create(native))
    except LIBRARY_ERRORS as error:
        raise UnvirtualizableError(
            f"The HDF5 library cannot read its values: {library_message(error)}."
        ) from error
    return values


def packed_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """A data type without gaps between members, in little-endian byte order."""
    if dtype.names is not None:
        return np.dtype([(name, packed_dtype(dtype[name])) for name in dtype.names])
    return dtype.newbyteorder("<")


def inline_text(
    node: DatasetNode,
) -> tuple[str, str, tuple[int, ...], tuple[CodecJSON, ...], ChunkManifest]:
    """Variable-length strings as inline chunks: data type, fill value, chunk shape, codecs, manifest.

    What is not UTF-8 is kept as bytes of variable length. A reference to an object is the path of what it points to, empty
    where it points to nothing.

    Raises
    ------
    UnvirtualizableError
        If there are too many, or the library cannot read them.
    """
    shape = node.shape or ()
    count = math.prod(shape)
    if count > MAX_TEXT_ELEMENTS:
        raise UnvirtualizableError(
            f"Its {count} strings of varying length are too many to hold in the manifest (at most {MAX_TEXT_ELEMENTS})."
        )
    rows = max(1, _TEXT_CHUNK_ELEMENTS // max(1, math.prod(shape[1:])))
    chunks = (max(1, min(rows, shape[0])), *(max(1, n) for n in shape[1:])) if shape else ()
    grid = tuple(-(-n // c) for n, c in zip(shape, chunks, strict=True))
    if count == 0:
        return "string", "", chunks, ({"name": "vlen-utf8"},), ChunkManifest.empty(grid)
    if node.dataset_id.get_type().get_class() == h5py.h5t.REFERENCE:
        strings = _referenced_paths(node.dataset_id, shape)
    else:
        raw = read_values(node.dataset_id, shape, h5py.string_dtype("utf-8")).reshape(-1).tolist()
        strings = [item if isinstance(item, bytes) else str(item or "").encode() for item in raw]
    codec, data_type = "vlen-utf8", "string"
    try:
        for item in strings:
            item.decode("utf-8")
    except UnicodeDecodeError:
        codec, data_type = "vlen-bytes", "variable_length_bytes"
    size = chunks[0] * math.prod(shape[1:]) if shape else 1
    # The last chunk is stored at full length, as Zarr has it.
    strings.extend([b""] * (-len(strings) % size))
    held = [_encode_text(strings[i : i + size]) for i in range(0, len(strings), size)]
    return data_type, "", chunks, ({"name": codec},), ChunkManifest.from_inline(held, grid)


def _referenced_paths(dataset_id: Any, shape: tuple[int, ...]) -> list[bytes]:
    """Path of what each reference points to, as h5py gives it; each object is looked for once, since the library searches."""
    # A reference to an object is its address (HDF5 specification IV.A.2.d, class 7).
    addresses = np.zeros(shape, np.uint64)
    references = np.zeros(shape, h5py.ref_dtype)
    try:
        dataset_id.read(h5py.h5s.ALL, h5py.h5s.ALL, addresses, h5py.h5t.STD_REF_OBJ)
        dataset_id.read(h5py.h5s.ALL, h5py.h5s.ALL, references, h5py.h5t.py_create(h5py.ref_dtype))
        _, first, inverse = np.unique(addresses, return_index=True, return_inverse=True)
        if len(first) > MAX_REFERENCED:
            raise UnvirtualizableError(
                f"Its references point to {len(first)} objects, too many to look for (at most {MAX_REFERENCED})."
            )
        distinct = references.reshape(-1)[first].tolist()
        paths = [h5py.h5r.get_name(one, dataset_id) or b"" if one else b"" for one in distinct]
    except LIBRARY_ERRORS as error:
        raise UnvirtualizableError(
            f"The HDF5 library cannot follow its references: {library_message(error)}."
        ) from error
    return [paths[i] for i in inverse.reshape(-1).tolist()]


def _encode_text(strings: list[bytes]) -> bytes:
    """As Zarr's ``vlen-utf8`` codec: the count, then each string's length in bytes and its bytes, little-endian."""
    parts = [len(strings).to_bytes(4, "little")]
    for item in strings:
        parts += (len(item).to_bytes(4, "little"), item)
    return b"".join(parts)
