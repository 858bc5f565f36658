"""One value as the format's own library reads it from the local file, found by the bytes it lies in."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vzlab.cf import MEANING_ATTRIBUTES
from vzlab.errors import first_line
from vzlab.storage import StoreRegistry, local_path, url_name
from vzlab.storage.gate import pass_gate


@dataclass(frozen=True, kw_only=True)
class NativeValue:
    """What the native library reads, or why it could not be asked."""

    reader: str = ""
    """The library with its version; empty where nothing was read."""
    file: str = ""
    """Name of the file."""
    path: str = ""
    """Of the variable in the file."""
    index: tuple[int, ...] = ()
    """In that variable."""
    stored: Any = None
    decoded: Any = None
    """As xarray decodes it by the attributes that the library reads; None of anything but a number."""
    decoder: str = ""
    """``xarray``; empty where nothing decoded it."""
    reason: str = ""
    """Why there is no value; empty where there is one."""


@dataclass(frozen=True, kw_only=True)
class BytePlace:
    """Where an element lies in a file, for finding it again without any name."""

    url: str
    offset: int
    """Of the chunk."""
    element: int
    """Number of the element in the decompressed chunk."""
    is_raw: bool
    """Whether stored bytes are the elements and nothing else, so that a reference may begin inside a native chunk."""
    itemsize: int


def read_native_value(
    *, url: str | None, path: str, index: tuple[int, ...], shape: tuple[int, ...], place: BytePlace | None
) -> NativeValue:
    """Read one value with the format's own library, and decode it with xarray.

    Parameters
    ----------
    url : str or None
        Of the file that has the variable at `path` with this `shape`, if it is known: it is asked by name.
    path : str
        Of the variable.
    index : tuple of int
        In the variable.
    shape : tuple of int
    place : BytePlace or None
        Where the element lies: an HDF5 file that was joined into a cube, or a variable that was renamed, is asked by it.
        Other libraries do not say where their values lie: they are asked by name alone.
    """
    asked = url if url is not None else place.url if place is not None else None
    if asked is None:
        return NativeValue(reason="The chunk is not in a file, so that there is none to ask")
    pass_gate(asked)
    local = local_path(asked)
    if local is None:
        return NativeValue(
            file=url_name(asked),
            reason="The file is not on this machine, and asking it would take more requests",
        )
    try:
        if _is_hdf5(local):
            found = _read_hdf5(local, path, index, shape, None if url is not None else place)
        elif url is not None:
            found = _read_by_name(url, path, index, shape)
        else:
            found = NativeValue(
                reason="Only h5py finds a value by its bytes, and this file is not HDF5 or h5py is not installed: "
                "trace the file itself, by the variable's name"
            )
    except Exception as error:  # noqa: BLE001 - libraries of many formats raise what they like
        found = NativeValue(reason=f"The native library does not read it: {first_line(error)}")
    return replace(found, file=url_name(asked))


def _is_hdf5(local: str) -> bool:
    if importlib.util.find_spec("h5py") is None:
        return False
    import h5py

    return bool(h5py.is_hdf5(local))


def _read_by_name(url: str, path: str, index: tuple[int, ...], shape: tuple[int, ...]) -> NativeValue:
    from vzlab.oracles import NoOracleError, open_native  # with xarray, which a first look does without

    try:
        file = open_native(url, StoreRegistry())
    except NoOracleError as error:
        return NativeValue(reason=str(error))
    try:
        variable = file.variables.get(path)
        if variable is None:
            return NativeValue(reason=file.silence or f"{file.reader} sees no variable {path!r}")
        if variable.shape != shape:
            return NativeValue(reason=f"{file.reader} sees {path!r} with another shape: {variable.shape}")
        region = tuple(slice(at, at + 1) for at in index)
        stored = file.read(path, region).reshape(-1)[0]
        decoded = None
        if np.asarray(stored).dtype.kind in "iuf":
            # What xarray does not open or decode has its stored value told.
            with contextlib.suppress(Exception):
                decoded = file.read_decoded(path, region).reshape(-1)[0]
        return NativeValue(
            reader=file.reader,
            path=path,
            index=index,
            stored=stored,
            decoded=decoded,
            decoder="" if decoded is None else "xarray",
        )
    finally:
        file.close()


def _read_hdf5(
    local: str, path: str, index: tuple[int, ...], shape: tuple[int, ...], place: BytePlace | None
) -> NativeValue:
    import h5py

    if importlib.util.find_spec("hdf5plugin"):
        import hdf5plugin  # noqa: F401 - registers filters with HDF5
    with _open(local) as file:
        if place is None:
            dataset = file[path]
            found_shape = (*dataset.shape, *dataset.dtype.shape)
            if found_shape != shape:
                return NativeValue(reason=f"h5py sees {path!r} with another shape: {found_shape}")
        else:
            found = next(_candidates(file, path, place), None)
            if found is None:
                return NativeValue(reason="No dataset of the file has its bytes at this place")
            dataset, index = found
        # Elements may be arrays themselves: their indices come last.
        stored = dataset[index[: dataset.ndim]]
        if dataset.dtype.shape:
            stored = stored[index[dataset.ndim :]]
        if isinstance(stored, h5py.Reference) and not isinstance(stored, h5py.RegionReference):
            # A reference is read as the path of what it points to, as the parser has it.
            stored = (file[stored].name or "") if stored else ""
        is_number = np.asarray(stored).dtype.kind in "iuf"
        return NativeValue(
            reader=f"h5py {h5py.version.version}",
            path=dataset.name.strip("/"),
            index=index,
            stored=stored,
            decoded=_decoded(stored, dataset.attrs) if is_number else None,
            decoder="xarray" if is_number else "",
        )


def _open(local: str) -> Any:
    import h5py

    try:
        return h5py.File(local, "r", locking=False)
    except OSError as error:
        # HDF5 opens a file that this process has open already only with the same flag as then: xarray's is the default.
        if "flag values" not in str(error):
            raise
        return h5py.File(local, "r")


def _candidates(file: Any, path: str, place: BytePlace) -> Iterator[tuple[Any, tuple[int, ...]]]:
    """Datasets that have the element at its place, that of the same name first."""
    import h5py

    datasets: list[Any] = [file[path]] if isinstance(file.get(path), h5py.Dataset) else []
    with contextlib.suppress(RuntimeError, OSError, KeyError):  # an object somewhere that does not open
        file.visititems(lambda _, item: datasets.append(item) if isinstance(item, h5py.Dataset) else None)
    name = posixpath.basename(path)
    datasets.sort(key=lambda dataset: posixpath.basename(dataset.name) != name)
    for dataset in datasets:
        if dataset.shape is None or dataset.is_virtual or dataset.external:
            continue
        index = _index_at(dataset, place, file.userblock_size)
        if index is not None:
            yield dataset, index


def _index_at(dataset: Any, place: BytePlace, user_block: int) -> tuple[int, ...] | None:
    """Index of the element that lies at a place; None if it is none of this dataset."""
    wanted = place.offset + (place.element * place.itemsize if place.is_raw else 0)
    start: int | None
    if dataset.chunks is None:
        start, size = dataset.id.get_offset(), dataset.id.get_storage_size()
        corner, shape = (0,) * dataset.ndim, dataset.shape
    else:
        found: list[Any] = []

        def visit(info: Any) -> bool | None:
            # Versions of the library differ in whether positions count the user block.
            if any(at <= wanted < at + info.size for at in (info.byte_offset, info.byte_offset + user_block)):
                found.append(info)
                return True
            return None

        dataset.id.chunk_iter(visit)
        if not found:
            return None
        start, size = found[0].byte_offset, found[0].size
        corner, shape = found[0].chunk_offset, dataset.chunks
    if start is None:
        return None
    if not start <= wanted < start + size:
        start += user_block
    if not start <= wanted < start + size or (not place.is_raw and wanted != start):
        return None
    element = (wanted - start) // place.itemsize if place.is_raw else place.element
    inside_shape = (*shape, *dataset.dtype.shape)
    if element >= math.prod(inside_shape):
        return None
    inside = np.unravel_index(element, inside_shape) if inside_shape else ()
    corner = (*corner, *(0 for _ in dataset.dtype.shape))
    index = tuple(int(a + b) for a, b in zip(corner, inside, strict=True))
    return index if all(i < n for i, n in zip(index, dataset.shape, strict=False)) else None


def _decoded(stored: Any, attributes: Mapping[str, Any]) -> Any:
    """A number as xarray decodes it by the attributes that h5py reads; None where it does not."""
    import xarray as xr

    from vzlab.oracles.decoding import decode_variable

    plain = {name: _attribute(attributes[name]) for name in MEANING_ATTRIBUTES if name in attributes}
    with contextlib.suppress(ValueError, OverflowError, TypeError, KeyError):
        return decode_variable("value", xr.Variable((), np.asarray(stored), plain)).values[()]
    return None


def _attribute(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
