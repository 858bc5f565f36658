"""Follow one value from its bytes to its number."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from vzlab.display import Displayed
from vzlab.inspection.decoding_steps import DecodingStep, PlaceInChunk, Window, locate_element
from vzlab.inspection.native_value import BytePlace, NativeValue, read_native_value
from vzlab.inspection.plain_json import to_json
from vzlab.inspection.resolve import ResolvedArray, resolve_array
from vzlab.inspection.subjects import name_dtype
from vzlab.inspection.traced_chunk import fetch_chunk
from vzlab.inspection.value_steps import DecodedValue, ValueStep, decode_value
from vzlab.manifests.references import ChunkReference, ChunkState
from vzlab.storage import Request, url_name

SCHEMA = "vzlab-trace/1"
"""Name and version of the JSON form."""


@dataclass(frozen=True, kw_only=True)
class ChunkPlace:
    """The chunk that holds the value."""

    index: tuple[int, ...]
    """In the chunk grid."""
    grid_shape: tuple[int, ...]
    shape: tuple[int, ...]
    """As it is decoded, padding included."""
    region: tuple[tuple[int, int], ...]
    """Start and stop along each dimension of what it holds of the array."""
    state: ChunkState
    url: str | None = None
    offset: int = 0
    length: int = 0

    @property
    def file(self) -> str:
        """Name of the file it lies in; empty where it lies in none."""
        return url_name(self.url) if self.url is not None else ""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Trace(Displayed):
    """One value, from its bytes to its number. Notebooks show it as HTML, terminals as text.

    Examples
    --------
    >>> import vzlab as vz
    >>> trace = vz.trace("archive/sst_2025-01-01.nc", "sst", (0, 40, 80))
    >>> trace.value.shown, trace.agrees
    ('27.52 degree_C', True)
    >>> [step.title for step in trace.steps]
    ['inflate', 'unshuffle', 'read as numbers']
    """

    _view: ClassVar = "trace"

    variable: str
    index: tuple[int, ...]
    dims: tuple[str | None, ...]
    shape: tuple[int, ...]
    dtype: str
    """In words."""
    chunk: ChunkPlace
    requests: tuple[Request, ...]
    """What was fetched of the chunk: nothing where it is inline or missing, or came when its file was opened."""
    head: Window | None
    """The first stored bytes; None of a missing chunk."""
    steps: tuple[DecodingStep, ...]
    """Codecs in decoding order; none of a missing chunk."""
    place: PlaceInChunk
    element: Window | None
    """Stored bytes around the element, where compression leaves them a place of their own."""
    value: DecodedValue
    native: NativeValue | None
    """None where it was not asked for."""

    @property
    def title(self) -> str:
        """``sst[0, 3, 7]``."""
        return f"{self.variable}[{', '.join(map(str, self.index))}]" if self.index else self.variable

    @property
    def stored(self) -> Any:
        """The stored value."""
        return self.value.stored

    @property
    def decoded(self) -> Any:
        """The value as xarray decodes it."""
        return self.value.decoded

    @property
    def agrees(self) -> bool | None:
        """Whether the native library reads the same; None where it could not be asked."""
        if self.native is None or self.native.reason:
            return None
        if not _same(self.value.stored, self.native.stored):
            return False
        if not self.native.decoder:
            return True
        return _same(self.value.decoded, self.native.decoded, 1e-6, self.value.rounding)

    @property
    def value_steps(self) -> tuple[ValueStep, ...]:
        """From the stored number to the value."""
        return self.value.steps

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form, of which ``schema`` is "vzlab-trace/1"."""
        document: dict[str, Any] = to_json(self)
        return {"schema": SCHEMA, "title": self.title, "agrees": self.agrees, **document}


def trace(
    x: Any,
    variable: str | None = None,
    index: int | Sequence[int] | Mapping[str, int] = (),
    *,
    group: str | None = None,
    registry: Any = None,
    storage_options: Mapping[str, Any] | None = None,
    native: bool = True,
) -> Trace:
    """Follow one value from its bytes to its number.

    One chunk is fetched, and of a large one that is not compressed only a few bytes. Of a file's own metadata is read
    what parsing reads.

    Parameters
    ----------
    x
        A path or url of a file, a virtual array, group or store, or a virtual xarray object, joined ones too.
    variable : str, optional
        Name, or path in the tree; None where `x` is one array.
    index : int, sequence of int or mapping
        Position of the value along each dimension, negative ones from the end; or positions by the names of dimensions, of
        which those that are one long may be left out: ``{"lat": 40, "lon": 80}``.
    group : str, optional
        Path of the group that `variable` is in.
    registry, storage_options : optional
        As `vzlab.open_virtual_dataset` takes them.
    native : bool
        Whether to read the value with the format's own library too, if the file is on this machine.

    Returns
    -------
    Trace
        The chunk and its bytes, each step of decoding, the value, and what the native library reads.

    Raises
    ------
    IndexError
        If the index does not fit the array.
    KeyError
        If there is no such variable or dimension.
    VirtualArrayError
        If the variable is not virtual.
    UnreachableChunkError
        If the chunk cannot be fetched.
    CodecError
        If it does not decode.

    Examples
    --------
    >>> import vzlab as vz
    >>> vz.trace("archive/sst_2025-01-01.nc", "sst", (0, 40, 80)).agrees
    True
    >>> vz.trace("archive/sst_2025-01-01.nc", "sst", {"lat": 40, "lon": -100}).title
    'sst[0, 40, 80]'
    """
    resolved = resolve_array(x, variable, group=group, registry=registry, storage_options=storage_options)
    array, grid = resolved.array, resolved.array.chunk_grid
    at = _position(index, array.shape, resolved.dims, resolved.path)
    chunk_index = tuple(grid.locate(axis, position) for axis, position in enumerate(at))
    region = grid.region(chunk_index)
    shape = grid.stored_shape(chunk_index)
    inside = tuple(position - part.start for position, part in zip(at, region, strict=True))
    reference = array.manifest.reference(chunk_index)
    place = locate_element(array.codecs, inside, shape, array.dtype)
    fetched = fetch_chunk(resolved, reference, chunk_index, shape, place)
    value = decode_value(fetched.value, resolved.attributes, array.dtype, fill=array.metadata.fill_scalar)
    return Trace(
        variable=resolved.path,
        index=at,
        dims=resolved.dims,
        shape=array.shape,
        dtype=name_dtype(array.dtype),
        chunk=ChunkPlace(
            index=chunk_index,
            grid_shape=grid.grid_shape,
            shape=shape,
            region=tuple((part.start, part.stop) for part in region),
            state=reference.state,
            url=reference.source.url if reference.source is not None else None,
            offset=reference.offset,
            length=reference.length,
        ),
        requests=fetched.requests,
        head=fetched.head,
        steps=fetched.steps,
        place=fetched.place,
        element=fetched.element,
        value=value,
        native=_native(resolved, reference, at, place) if native else None,
    )


def _native(
    resolved: ResolvedArray, reference: ChunkReference, index: tuple[int, ...], place: PlaceInChunk
) -> NativeValue:
    by_bytes = None
    if reference.source is not None and place.element is not None:
        by_bytes = BytePlace(
            url=reference.source.url,
            offset=reference.offset,
            element=place.element,
            is_raw=all(
                codec["name"] in {"bytes", "transpose", "vzlab.crop"} for codec in resolved.array.codecs
            ),
            itemsize=place.itemsize,
        )
    return read_native_value(
        url=resolved.url, path=resolved.path, index=index, shape=resolved.array.shape, place=by_bytes
    )


def _position(
    index: int | Sequence[int] | Mapping[str, int],
    shape: tuple[int, ...],
    dims: tuple[str | None, ...],
    path: str,
) -> tuple[int, ...]:
    """The index of one value, counted from the start."""
    if isinstance(index, Mapping):
        given = _in_order(index, shape, dims, path)
    else:
        given = tuple(index) if isinstance(index, Sequence | np.ndarray) else (index,)
    try:
        position = tuple(map(operator.index, given))
    except TypeError as error:
        raise IndexError(
            f"Found index {index!r}; expected one integer for each dimension of {path!r}: a trace follows one value"
        ) from error
    if len(position) != len(shape):
        raise IndexError(
            f"Found {len(position)} indices for {path!r} of shape {shape}; expected {len(shape)}{_named(dims)}"
        )
    counted = tuple(i + n if i < 0 else i for i, n in zip(position, shape, strict=True))
    if not all(0 <= i < n for i, n in zip(counted, shape, strict=True)):
        raise IndexError(f"Index {position} is outside of {path!r} of shape {shape}{_named(dims)}")
    return counted


def _in_order(
    index: Mapping[str, int], shape: tuple[int, ...], dims: tuple[str | None, ...], path: str
) -> tuple[int, ...]:
    """Positions by names of dimensions in the order of the array; 0 along those that have no other."""
    if unknown := [name for name in index if name not in dims]:
        raise KeyError(f"{path!r} has no dimension {unknown[0]!r}; it has {', '.join(map(repr, dims))}")
    if lacking := [str(name) for name, n in zip(dims, shape, strict=True) if name not in index and n != 1]:
        raise IndexError(
            f"Found no index along {', '.join(lacking)} of {path!r} of shape {shape}{_named(dims)}: a trace follows one value, "
            "and only a dimension that is one long may be left out"
        )
    return tuple(0 if name is None else index.get(name, 0) for name in dims)


def _named(dims: tuple[str | None, ...]) -> str:
    return f" along {', '.join(map(str, dims))}" if dims and None not in dims else ""


def _same(ours: Any, theirs: Any, relative: float = 0, absolute: float = 0) -> bool:
    """Whether two values are the same, NaN and "no date" being like themselves."""
    ours, theirs = _plain(ours), _plain(theirs)
    if isinstance(ours, tuple | list) and isinstance(theirs, tuple | list):
        return len(ours) == len(theirs) and all(map(_same, ours, theirs))
    if isinstance(ours, int | float) and isinstance(theirs, int | float):
        if math.isnan(ours) or math.isnan(theirs):
            return math.isnan(ours) and math.isnan(theirs)
        return math.isclose(ours, theirs, rel_tol=relative, abs_tol=absolute)
    # NaN is how a missing date is told.
    if isinstance(ours, float) and math.isnan(ours):
        return str(theirs) == "NaT"
    return bool(ours == theirs)


def _plain(value: Any) -> Any:
    if isinstance(value, np.datetime64):
        return str(value.astype("datetime64[us]"))
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    # What text is padded with, each library shows or leaves out.
    return value.rstrip("\0 ") if isinstance(value, str) else value
