"""Plan what a write changes in a Zarr hierarchy, and refuse what would lose or change data; writes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from vzlab.errors import WriteError
from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray
from vzlab.manifests.manifest import INLINE
from vzlab.storage.manifest_store import array_document
from vzlab.writers.chunk_grids import with_listed_lengths
from vzlab.writers.contents import GroupContents

type Region = Mapping[str, slice]


@dataclass(frozen=True, kw_only=True)
class StoredGroup:
    """What a group of the store holds already."""

    arrays: Mapping[str, ArrayMetadata] = field(default_factory=dict)
    values: Mapping[str, xr.Variable] = field(default_factory=dict)
    """Values, decoded, of variables that the write brings loaded, and stored values of static ones that it brings virtual."""
    fresh: Mapping[str, xr.Variable] = field(default_factory=dict)
    """Stored values of the static variables that the write brings virtual, as its own files have them."""


@dataclass(frozen=True, kw_only=True)
class ArrayWrite:
    """One virtual array to write."""

    path: str
    document: bytes | None
    """Its new ``zarr.json``; None leaves it as it is."""
    manifest: ChunkManifest
    chunk_offset: tuple[int, ...]
    """Grid index at which the manifest's first chunk goes."""
    replaces: bool = False
    """Whether chunks are there already, which missing ones of this write must clear."""
    shift: tuple[int, ...] = ()
    """By how many chunks along each dimension what is stored moves before."""


@dataclass(frozen=True, kw_only=True)
class LoadedWrite:
    """Variables of one group for xarray's own writer."""

    path: str
    dataset: xr.Dataset
    append_dim: str | None = None
    region: Region | None = None
    replaces: bool = False
    """Whether these variables are there already and are written anew."""


@dataclass(frozen=True, kw_only=True)
class WritePlan:
    """Everything that a write does, in order: groups cleared, loaded variables, groups, virtual arrays."""

    cleared: tuple[str, ...] = ()
    """Paths of groups whose members are removed."""

    groups: Mapping[str, bytes] = field(default_factory=dict)
    """``zarr.json`` of each group to write, by path."""
    loaded: tuple[LoadedWrite, ...] = ()
    arrays: tuple[ArrayWrite, ...] = ()


def join(path: str, name: str) -> str:
    """Path of a node in a group."""
    return f"{path}/{name}" if path else name


def plan_create(
    contents: Sequence[GroupContents], *, append_dim: str | None = None, write_groups: bool = True
) -> WritePlan:
    """Plan new groups.

    Parameters
    ----------
    append_dim : str, optional
        Dimension that later writes will add to; loaded variables along it get chunks that leave room.
    """
    loaded = [
        LoadedWrite(path=part.path, dataset=_roomy(part.dataset_of_loaded(), append_dim))
        for part in contents
        if part.loaded
    ]
    arrays = [
        ArrayWrite(
            path=join(part.path, name),
            document=_document(join(part.path, name), array),
            manifest=array.manifest,
            chunk_offset=(0,) * array.ndim,
        )
        for part in contents
        for name, array in part.virtual.items()
    ]
    for write in arrays:
        check_manifest(write.path, write.manifest)
    groups = (
        {part.path: _strict_json(part.path, part.document()) for part in contents} if write_groups else {}
    )
    return WritePlan(groups=groups, loaded=tuple(loaded), arrays=tuple(arrays))


ROOM = 1024
"""Chunk length of short loaded variables along the dimension that grows: else each append would make a chunk of its own."""


def _roomy(dataset: xr.Dataset, append_dim: str | None) -> xr.Dataset:
    for variable in dataset.variables.values():
        if variable.dims == (append_dim,) and "chunks" not in variable.encoding:
            variable.encoding["chunks"] = (max(ROOM, variable.size),)
    return dataset


def check_manifest(path: str, manifest: ChunkManifest) -> None:
    """Refuse references that no reader could follow."""
    if manifest.n_virtual == 0:
        return
    empty = (manifest.source_index < INLINE) & (manifest.lengths == 0)
    if empty.any():
        index = tuple(int(i) for i in np.argwhere(empty)[0])
        raise WriteError(
            f"Chunk {index} of {path!r} is a reference to 0 bytes of {manifest.reference(index).source}; expected at least "
            "one. Parse the file again."
        )


def _document(path: str, array: ManifestArray) -> bytes:
    return _strict_json(path, with_listed_lengths(array_document(array)))


def document_of(path: str, metadata: ArrayMetadata) -> bytes:
    """The ``zarr.json`` of metadata that came from one: their attributes are strict JSON already."""
    return _strict_json(path, with_listed_lengths(metadata.to_dict()))


def _strict_json(path: str, document: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(document, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise WriteError(
            f"The metadata of {path or 'the root'!r} cannot be written as JSON: {error}"
        ) from error
