"""Arrays and groups as any kind of object gives them, before anything is worked out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from vzlab.inspection.inline_ends import inline_ends
from vzlab.inspection.model import Held, UnreadableInspection
from vzlab.inspection.words import format_count
from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray
from vzlab.manifests.chunk_grid import DimensionChunks


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One array, with as much as is known of it."""

    name: str
    path: str
    held: Held
    dims: tuple[str | None, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None
    """Of stored values; None where Zarr or numpy has no such type."""
    dtype_name: str
    attributes: Mapping[str, Any]
    encoding_attributes: Mapping[str, Any] = field(default_factory=dict)
    """What was taken out of the attributes when values were decoded; it counts where attributes are silent."""
    codecs: tuple[Mapping[str, Any], ...] | None = None
    """Zarr v3 codecs in encoding order; None where they are not known."""
    chunks: tuple[DimensionChunks, ...] | None = None
    """None where they are not known."""
    manifest: ChunkManifest | None = None
    fill: Any = None
    """Stored value that a missing chunk reads as; None where nothing says so."""
    is_coordinate: bool | None = None
    """None leaves it to the conventions."""
    ends: tuple[str, str] | None = None
    """First and last decoded value, if they are in memory or inline."""
    max_shape: tuple[int | None, ...] | None = None
    """As the field of `VariableInspection`."""
    link: str = ""
    """As the field of `VariableInspection`."""
    index: str = ""
    """As the field of `VariableInspection`."""
    own_prefix: str | None = None
    """What urls begin with that lie in the store itself, beside references into other files; None where none do."""


@dataclass(frozen=True, kw_only=True)
class SubjectGroup:
    """A group of them."""

    name: str
    path: str
    attributes: Mapping[str, Any]
    arrays: tuple[Subject, ...]
    groups: tuple[SubjectGroup, ...] = ()
    link: str = ""
    """As the field of `GroupInspection`."""
    unreadable: tuple[UnreadableInspection, ...] = ()

    def walk(self) -> Iterator[SubjectGroup]:
        """Give this group and every one below it."""
        yield self
        for group in self.groups:
            yield from group.walk()


def subject_of_metadata(
    name: str,
    path: str,
    metadata: ArrayMetadata,
    *,
    held: Held,
    manifest: ChunkManifest | None = None,
    dims: tuple[str | None, ...] | None = None,
    attributes: Mapping[str, Any] | None = None,
    encoding_attributes: Mapping[str, Any] | None = None,
    is_coordinate: bool | None = None,
) -> Subject:
    """Describe an array by its Zarr metadata; dimensions and attributes given here win."""
    try:
        dtype, fill = metadata.dtype, metadata.fill_scalar
    except (ValueError, TypeError, KeyError):
        # Metadata of others may name data types that nobody here knows: the rest can be told all the same.
        dtype, fill = None, metadata.fill_value
    return Subject(
        name=name,
        path=path,
        held=held,
        dims=dims or metadata.dimension_names or (None,) * metadata.ndim,
        shape=metadata.shape,
        dtype=dtype,
        dtype_name=name_dtype(dtype) if dtype is not None else str(metadata.data_type),
        attributes=metadata.attributes if attributes is None else attributes,
        encoding_attributes=encoding_attributes or {},
        codecs=metadata.codecs,
        chunks=metadata.chunks,
        manifest=manifest,
        fill=fill,
        is_coordinate=is_coordinate,
    )


def subject_of_array(
    name: str,
    path: str,
    array: ManifestArray,
    *,
    dims: tuple[str | None, ...] | None = None,
    attributes: Mapping[str, Any] | None = None,
    encoding_attributes: Mapping[str, Any] | None = None,
    is_coordinate: bool | None = None,
) -> Subject:
    """Describe a virtual array."""
    attributes = array.metadata.attributes if attributes is None else attributes
    found = subject_of_metadata(
        name,
        path,
        array.metadata,
        held="virtual",
        manifest=array.manifest,
        dims=dims,
        attributes=attributes,
        encoding_attributes=encoding_attributes,
        is_coordinate=is_coordinate,
    )
    return replace(found, ends=inline_ends(array, {**(encoding_attributes or {}), **attributes}))


def name_dtype(dtype: np.dtype[Any]) -> str:
    """Name a data type for people, without its byte order."""
    if dtype.names is not None:
        members = [f"{name} {name_dtype(dtype[name])}" for name in dtype.names]
        listed = ", ".join(members[:4]) + (", …" if len(members) > 4 else "")
        return f"record ({listed})"
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return f"{name_dtype(base)}[{', '.join(map(str, shape))}]"
    match dtype.kind:
        case "S":
            return f"text of {format_count(dtype.itemsize, 'byte')}"
        case "U":
            return f"text of {format_count(dtype.itemsize // 4, 'character')}"
        case "T" | "O":
            return "text"
        case "V":
            return format_count(dtype.itemsize, "opaque byte")
    return dtype.newbyteorder("=").name
