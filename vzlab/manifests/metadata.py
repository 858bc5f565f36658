"""Zarr v3 array metadata as a small value, in the terms of its own JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from vzlab.codecs import CodecJSON
from vzlab.manifests.chunk_grid import ChunkGrid, DimensionChunks
from vzlab.manifests.data_types import (
    DataTypeJSON,
    data_type_of,
    encode_fill_value,
    fill_scalar,
    native_dtype,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrayMetadata:
    """What ``zarr.json`` says of an array (Zarr v3 core specification, "Array metadata").

    Everything is held as its JSON form, so that metadata compare, pickle and print as what they are on disk.

    Examples
    --------
    >>> import vzlab as vz
    >>> metadata = vz.ArrayMetadata.create(
    ...     shape=(90, 180),
    ...     dtype="int16",
    ...     chunks=(30, 60),
    ...     codecs=[{"name": "bytes", "configuration": {"endian": "little"}}],
    ...     fill_value=-1,
    ... )
    >>> metadata.to_dict()["chunk_grid"]["configuration"]
    {'chunk_shape': [30, 60]}
    """

    shape: tuple[int, ...]
    data_type: DataTypeJSON
    """Zarr data type, such as ``"int16"``, or a mapping for one with parameters."""
    chunks: tuple[DimensionChunks, ...]
    """Chunk length, or every chunk length, of each dimension."""
    codecs: tuple[CodecJSON, ...]
    """The codec chain in encoding order."""
    fill_value: Any
    """JSON form of the value that a missing chunk reads as."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Attributes in the JSON form of their values."""
    dimension_names: tuple[str | None, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "chunks", self.chunk_grid.chunks)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ArrayMetadata):
            return NotImplemented
        return all(same_json(getattr(self, part.name), getattr(other, part.name)) for part in fields(self))

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def create(
        cls,
        *,
        shape: Sequence[int],
        dtype: np.dtype[Any] | str,
        chunks: Sequence[DimensionChunks],
        codecs: Sequence[CodecJSON],
        fill_value: Any = None,
        attributes: Mapping[str, Any] | None = None,
        dimension_names: Sequence[str | None] | None = None,
    ) -> ArrayMetadata:
        """Metadata from a numpy data type and a fill value in it; None is the type's zero.

        The byte order of `dtype` is not part of a Zarr v3 data type: the ``bytes`` codec says it.

        Raises
        ------
        UnsupportedDataTypeError
            If Zarr has no such data type.
        """
        native = np.dtype(dtype)
        if native.kind != "T":  # strings of any length have no byte order to change
            native = native.newbyteorder("=")
        data_type, zero = data_type_of(native)
        encoded = zero if fill_value is None else encode_fill_value(data_type, fill_value)
        return cls(
            shape=tuple(int(n) for n in shape),
            data_type=data_type,
            chunks=tuple(chunks),
            codecs=tuple(codecs),
            fill_value=encoded,
            attributes=dict(attributes or {}),
            dimension_names=None if dimension_names is None else tuple(dimension_names),
        )

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy data type of decoded values, in native byte order."""
        return native_dtype(self.data_type)

    @property
    def chunk_grid(self) -> ChunkGrid:
        """The chunk grid."""
        return ChunkGrid(shape=self.shape, chunks=self.chunks)

    @property
    def fill_scalar(self) -> Any:
        """The fill value as a numpy scalar."""
        return fill_scalar(self.data_type, self.fill_value)

    def with_layout(
        self,
        *,
        shape: Sequence[int],
        chunks: Sequence[DimensionChunks],
        codecs: Sequence[CodecJSON] | None = None,
    ) -> ArrayMetadata:
        """The same kind of array in another shape; names of dimensions do not survive a change of rank."""
        names = self.dimension_names if len(shape) == self.ndim else None
        return replace(
            self,
            shape=tuple(int(n) for n in shape),
            chunks=tuple(chunks),
            codecs=self.codecs if codecs is None else tuple(codecs),
            dimension_names=names,
        )

    def to_dict(self) -> dict[str, Any]:
        """The ``zarr.json`` document."""
        document: dict[str, Any] = {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(self.shape),
            "data_type": self.data_type,
            "chunk_grid": self.chunk_grid.to_zarr(),
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": self.fill_value,
            "codecs": [dict(codec) for codec in self.codecs],
            "attributes": dict(self.attributes),
        }
        if self.dimension_names is not None:
            document["dimension_names"] = list(self.dimension_names)
        return document

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> ArrayMetadata:
        """Read a ``zarr.json`` document of an array.

        Raises
        ------
        ValueError
            If it is not Zarr v3 array metadata, or has storage transformers, which nobody defined.
        """
        if document.get("zarr_format") != 3 or document.get("node_type") != "array":
            found = f"zarr_format {document.get('zarr_format')!r}, node_type {document.get('node_type')!r}"
            raise ValueError(f"Found {found}; expected a Zarr v3 array")
        if document.get("storage_transformers"):
            raise ValueError(
                f"Found storage transformers {document['storage_transformers']!r}; expected none"
            )
        names = document.get("dimension_names")
        return cls(
            shape=tuple(document["shape"]),
            data_type=document["data_type"],
            chunks=ChunkGrid.from_zarr(document["shape"], document["chunk_grid"]).chunks,
            codecs=tuple({"name": c} if isinstance(c, str) else c for c in document["codecs"]),
            fill_value=document["fill_value"],
            attributes=document.get("attributes") or {},
            dimension_names=None if names is None else tuple(names),
        )


def same_json(a: Any, b: Any) -> bool:
    """Whether two values are the same in JSON's terms, in which, unlike in Python's, a NaN is like any other."""
    return bool(a == b) or json.dumps(a, sort_keys=True, default=str) == json.dumps(
        b, sort_keys=True, default=str
    )
