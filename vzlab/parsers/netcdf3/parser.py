"""netCDF-3 files as virtual arrays, read from their header alone."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from vzlab.codecs import bytes_codecs
from vzlab.errors import CorruptFileError, UnvirtualizableError
from vzlab.manifests import (
    ArrayMetadata,
    ChunkManifest,
    ManifestArray,
    ManifestGroup,
    UnreadableVariable,
)
from vzlab.parsers.base import LoadedVariable, Parser
from vzlab.parsers.contiguous import MIN_CHUNK_BYTES, Block, block_array
from vzlab.parsers.netcdf3.header import Header, Variable, read_header
from vzlab.storage import Source, StoreRegistry, as_registry, read_array

MAX_CHUNKS = 100_000_000
"""A variable of more records is refused: its manifest would take 2 GB."""

MAX_RANK = 64
"""numpy has no arrays of more dimensions."""

_NAMES = {1: "netCDF-3 classic", 2: "netCDF-3 64-bit offset", 5: "netCDF-3 64-bit data (CDF-5)"}

# NC_FILL_*: what netCDF writes where nobody did (netcdf.h).
_FILL: dict[str, Any] = {
    "i1": -127,
    "S1": b"",
    "i2": -32767,
    "i4": -2147483647,
    "f4": np.float32(9.9692099683868690e36),
    "f8": 9.9692099683868690e36,
    "u1": 255,
    "u2": 65535,
    "u4": 4294967295,
    "i8": -9223372036854775806,
    "u8": 18446744073709551614,
}


@dataclass(frozen=True, kw_only=True)
class NetCDF3Parser(Parser):
    """Parse netCDF-3 files: classic, 64-bit offset, 64-bit data (CDF-5).

    Each record of a variable with the record dimension is one chunk. A file of which a variable reaches past the end is
    refused; the netCDF library reads zeros there.

    Parameters
    ----------
    group : str, optional
        netCDF-3 has none: anything but None is an error.
    drop_variables : collection of str
        Names of variables to leave out.
    min_chunk_bytes : int or None
        See `min_chunk_bytes`.

    Examples
    --------
    >>> group = NetCDF3Parser()("one.nc")
    >>> group["x"].metadata.shape
    (120, 200)
    """

    min_chunk_bytes: int | None = MIN_CHUNK_BYTES
    """A variable without the record dimension is split along its first dimension, such as time, into equal chunks of this
    many bytes or little more: if one step has that many, one step is one chunk. Smaller variables are one chunk. None
    keeps every such variable whole."""

    def _parse(self, source: Source, registry: StoreRegistry) -> ManifestGroup:
        header = read_header(source)
        arrays: dict[str, ManifestArray] = {}
        unreadable: dict[str, UnreadableVariable] = {}
        for variable in header.variables:
            if self.drops(variable.name):
                continue
            _check_inside(variable, header, source)
            if reason := _obstacle(variable):
                unreadable[variable.name] = _refused(variable, reason)
            else:
                arrays[variable.name] = _array(variable, header, source, self.min_chunk_bytes)
        return ManifestGroup(
            arrays=arrays,
            unreadable=unreadable,
            attributes=header.attributes,
            format=_NAMES[header.version],
            index_decoder="netCDF-3 header",
            max_shapes={v.name: (None, *v.shape[1:]) for v in header.variables if v.is_record},
            header_bytes=header.length,
        )

    def load_variable(self, url: str | os.PathLike[str], registry: Any, path: str) -> LoadedVariable:
        """Read a variable's values."""
        stores = as_registry(registry)
        group = self(url, stores)
        if path in group.unreadable:
            raise UnvirtualizableError(f"{path!r} of {os.fspath(url)}: {group.unreadable[path].reason}")
        array = group[path]
        if not isinstance(array, ManifestArray):
            raise KeyError(f"{os.fspath(url)} has no variable {path!r}")
        return LoadedVariable(
            values=read_array(array, stores, name=path),
            attributes=dict(array.metadata.attributes),
            dimension_names=array.metadata.dimension_names,
        )


def _check_inside(variable: Variable, header: Header, source: Source) -> None:
    """Refuse a variable that reaches past the end of the file, before any column is made for it."""
    records = f" in {header.n_records:,} records" if variable.is_record else ""
    if variable.is_record and header.n_records == 0:
        return
    before = (header.n_records - 1) * header.record_bytes if variable.is_record else 0
    end = variable.begin + before + variable.n_bytes
    if end > source.size_bytes:
        raise CorruptFileError(
            f"Variable {variable.name!r} should lie at byte {variable.begin} to {end}{records} of {source.url}, which has "
            f"{source.size_bytes} bytes: the file was truncated or damaged. Fetch it again, or drop what is out of reach."
        )


def _obstacle(variable: Variable) -> str:
    """Why a variable cannot be virtual; empty if it can."""
    if "/" in variable.name or variable.name in {".", ".."}:
        return "Its name is a path in Zarr, which has no such names for arrays."
    if len(variable.shape) > MAX_RANK:
        return f"It has {len(variable.shape)} dimensions, more than numpy's {MAX_RANK}."
    if variable.is_record and variable.shape[0] > MAX_CHUNKS:
        return f"It has {variable.shape[0]:,} records, each a chunk, more than a manifest can hold (at most {MAX_CHUNKS:,})."
    return ""


def _refused(variable: Variable, reason: str) -> UnreadableVariable:
    return UnreadableVariable(
        reason=reason,
        loadable=False,
        shape=variable.shape,
        dtype=str(variable.dtype),
        dimension_names=variable.dimensions,
        attributes=variable.attributes,
    )


def _array(variable: Variable, header: Header, source: Source, min_chunk_bytes: int | None) -> ManifestArray:
    if not variable.is_record:
        block = Block(name=variable.name, begin=variable.begin, shape=variable.shape, dtype=variable.dtype)
        return block_array(
            block,
            source,
            min_chunk_bytes=min_chunk_bytes,
            fill_value=_fill_value(variable),
            attributes=variable.attributes,
            dimension_names=variable.dimensions,
        )
    n, *inner = variable.shape
    grid = (n, *(1,) * len(inner))
    offsets = np.uint64(variable.begin) + np.arange(n, dtype=np.uint64) * np.uint64(header.record_bytes)
    metadata = ArrayMetadata.create(
        shape=variable.shape,
        dtype=variable.dtype,
        chunks=(1, *inner),
        codecs=bytes_codecs(variable.dtype),
        fill_value=_fill_value(variable),
        attributes=variable.attributes,
        dimension_names=variable.dimensions,
    )
    lengths = np.broadcast_to(np.uint64(variable.n_bytes), grid)
    manifest = ChunkManifest.from_ranges(source.source_file(), offsets.reshape(grid), lengths)
    return ManifestArray(metadata=metadata, manifest=manifest)


def _fill_value(variable: Variable) -> Any:
    """What unwritten elements would read as: ``_FillValue``, or the default of the type."""
    own = variable.attributes.get("_FillValue")
    kind = variable.dtype.kind
    if kind == "S":
        return own.encode()[:1] if isinstance(own, str) and own else _FILL["S1"]
    if isinstance(own, int | float) and (kind == "f" or np.can_cast(np.min_scalar_type(own), variable.dtype)):
        return own
    return _FILL[variable.dtype.str[1:]]
