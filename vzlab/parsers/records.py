"""Records as virtual arrays: one structured array, or one array for each member where Zarr has no such record."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vzlab.codecs import CodecJSON, bytes_codecs
from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray
from vzlab.manifests.chunk_grid import DimensionChunks


@dataclass(frozen=True, kw_only=True)
class Records:
    """Where an array of records lies."""

    dtype: np.dtype[Any]
    """As stored: with byte order, members' offsets and the record's size."""
    shape: tuple[int, ...]
    chunks: tuple[DimensionChunks, ...]
    manifest: ChunkManifest
    filters: tuple[CodecJSON, ...] = ()
    """Bytes-to-bytes codecs."""
    dimension_names: tuple[str | None, ...]

    @property
    def has_array_members(self) -> bool:
        """Whether a member is itself an array, for which Zarr's ``struct`` has no field."""
        return any(self.dtype[name].subdtype is not None for name in self.dtype.names or ())


def packed(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """A record type without gaps between members, in native byte order."""
    return np.dtype([(name, dtype[name].newbyteorder("=")) for name in dtype.names or ()])


def structured_array(records: Records, *, fill_value: Any, attributes: Mapping[str, Any]) -> ManifestArray:
    """Records as one array of a Zarr ``struct``."""
    metadata = ArrayMetadata.create(
        shape=records.shape,
        dtype=packed(records.dtype),
        chunks=records.chunks,
        codecs=(*bytes_codecs(records.dtype), *records.filters),
        fill_value=fill_value,
        attributes=attributes,
        dimension_names=records.dimension_names,
    )
    return ManifestArray(metadata=metadata, manifest=records.manifest)


def member_arrays(
    records: Records,
    *,
    fill_values: Mapping[str, Any],
    attributes: Callable[[str], Mapping[str, Any]] = lambda _: {},
    inner_names: Callable[[str, tuple[int, ...]], Sequence[str | None]] = lambda _, shape: (
        (None,) * len(shape)
    ),
) -> dict[str, ManifestArray]:
    """Records as one array for each member, of which each chunk is the records' own: the others' bytes are passed over.

    Parameters
    ----------
    fill_values : mapping
        Value of unwritten elements by member; zero where there is none.
    attributes, inner_names : callable
        Attributes of a member, and names of the dimensions that it adds after the records'.
    """
    arrays = {}
    for name, (member, offset, *_) in (records.dtype.fields or {}).items():
        element, inner = member.subdtype or (member, ())
        length = math.prod(inner) * element.itemsize
        layout = {"itemsize": records.dtype.itemsize, "segments": [[offset, length, 0]]}
        metadata = ArrayMetadata.create(
            shape=(*records.shape, *inner),
            dtype=element,
            chunks=(*records.chunks, *inner),
            codecs=(
                *bytes_codecs(element),
                {"name": "vzlab.record_layout", "configuration": layout},
                *records.filters,
            ),
            fill_value=fill_values.get(name),
            attributes=attributes(name),
            dimension_names=(*records.dimension_names, *inner_names(name, inner)),
        )
        grid = records.manifest.grid_shape + (1,) * len(inner)
        arrays[name] = ManifestArray(metadata=metadata, manifest=records.manifest.reshape(grid))
    return arrays
