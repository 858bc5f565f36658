"""VirtualiZarr's stores, groups and arrays as ours, and ours as VirtualiZarr's: columns, never chunk by chunk."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np

from vzlab.cf import from_zarr_attributes, to_zarr_attributes
from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray, ManifestGroup, SourceFile
from vzlab.manifests.manifest import INLINE, MISSING

_STRINGS = np.dtypes.StringDType()


def is_virtualizarr(x: Any) -> bool:
    """Whether it is a store, group or array of virtual chunks of VirtualiZarr's; imports nothing."""
    theirs = sys.modules.get("virtualizarr.manifests")
    return theirs is not None and isinstance(
        x, theirs.ManifestStore | theirs.ManifestGroup | theirs.ManifestArray
    )


def from_virtualizarr(x: Any) -> ManifestGroup | ManifestArray:
    """Make our group of their store or group, or our array of theirs.

    Raises
    ------
    TypeError
        If it is none of them.
    """
    theirs = sys.modules.get("virtualizarr.manifests")
    if theirs is not None and isinstance(x, theirs.ManifestStore):
        return _group(x._group)
    if theirs is not None and isinstance(x, theirs.ManifestGroup):
        return _group(x)
    if theirs is not None and isinstance(x, theirs.ManifestArray):
        return _array(x)
    raise TypeError(f"Found a {type(x).__name__}; expected a ManifestStore, ManifestGroup or ManifestArray")


def parse(parser: Any, url: Any, registry: Any) -> ManifestGroup:
    """What a parser gives, ours or theirs: VirtualiZarr's parsers give their stores, with our registry as well.

    Raises
    ------
    TypeError
        If it gives something else, or is no parser.
    """
    if isinstance(parser, type) or not callable(parser):
        example = f"{parser.__name__}()" if isinstance(parser, type) else "vz.parsers.HDF5Parser()"
        raise TypeError(f"Found parser={parser!r}; expected an instance of a parser, such as {example}")
    parsed = parser(url, registry)
    if is_virtualizarr(parsed):
        parsed = from_virtualizarr(parsed)
    if not isinstance(parsed, ManifestGroup):
        raise TypeError(
            f"The parser {parser!r} gave a {type(parsed).__name__}; expected a ManifestGroup, or VirtualiZarr's ManifestStore"
        )
    return parsed


def _group(group: Any) -> ManifestGroup:
    return ManifestGroup(
        arrays={name: _array(array) for name, array in group.arrays.items()},
        groups={name: _group(below) for name, below in group.groups.items()},
        attributes=dict(group.metadata.attributes),
    )


def _array(array: Any) -> ManifestArray:
    metadata = ArrayMetadata.from_dict(array.metadata.to_dict())
    attributes = from_zarr_attributes(metadata.attributes, metadata.dtype)
    metadata = replace(metadata, attributes=attributes)
    return ManifestArray(metadata=metadata, manifest=_manifest(array.manifest))


def _manifest(manifest: Any) -> ChunkManifest:
    from virtualizarr.manifests.manifest import INLINED_CHUNK_PATH, MISSING_CHUNK_PATH

    shape = manifest._paths.shape
    distinct, inverse = np.unique(manifest._paths.reshape(-1), return_inverse=True)
    paths = distinct.tolist()
    urls = [path for path in paths if path not in (INLINED_CHUNK_PATH, MISSING_CHUNK_PATH)]
    states = {INLINED_CHUNK_PATH: INLINE, MISSING_CHUNK_PATH: MISSING}
    places = {url: position for position, url in enumerate(urls)}
    codes = np.array([states[path] if path in states else places[path] for path in paths], np.uint32)
    index = (codes[inverse] if codes.size else np.zeros(0, np.uint32)).reshape(shape)
    missing = index == MISSING
    offsets = np.where(missing, 0, manifest._offsets).astype(np.uint64)
    lengths = np.where(missing, 0, manifest._lengths).astype(np.uint64)
    inline = list(manifest._inlined.values())
    if inline:
        at = tuple(np.array(list(manifest._inlined), np.intp).reshape(len(inline), len(shape)).T)
        # An array without dimensions has one chunk, which no index names.
        offsets.flat[np.ravel_multi_index(at, shape) if shape else [0]] = np.arange(
            len(inline), dtype=np.uint64
        )
    return ChunkManifest(
        sources=tuple(SourceFile(url=url) for url in urls),
        source_index=index,
        offsets=offsets,
        lengths=lengths,
        inline=inline,
    )


def to_virtualizarr(x: ManifestGroup | ManifestArray) -> Any:
    """Make their group of ours, or their array of ours.

    Raises
    ------
    ModuleNotFoundError
        If VirtualiZarr is not installed.
    """
    from virtualizarr.manifests import ManifestArray as TheirArray
    from virtualizarr.manifests import ManifestGroup as TheirGroup
    from zarr.core.metadata import ArrayV3Metadata

    if isinstance(x, ManifestArray):
        attributes = to_zarr_attributes(x.metadata.attributes, x.dtype)
        metadata = ArrayV3Metadata.from_dict(replace(x.metadata, attributes=attributes).to_dict())
        return TheirArray(metadata=metadata, chunkmanifest=_their_manifest(x.manifest))
    return TheirGroup(
        arrays={name: to_virtualizarr(array) for name, array in x.arrays.items()},
        groups={name: to_virtualizarr(group) for name, group in x.groups.items()},
        attributes=dict(x.attributes),
    )


def _their_manifest(manifest: ChunkManifest) -> Any:
    from virtualizarr.manifests import ChunkManifest as TheirManifest
    from virtualizarr.manifests.manifest import INLINED_CHUNK_PATH, MISSING_CHUNK_PATH

    index = manifest.source_index
    urls = [*manifest.urls, INLINED_CHUNK_PATH, MISSING_CHUNK_PATH]
    n = len(manifest.sources)
    place = np.where(index == INLINE, n, np.where(index == MISSING, n + 1, index)).astype(np.intp)
    paths: Any = np.array(urls, _STRINGS)[place.reshape(-1)].reshape(index.shape)
    held = np.argwhere(index == INLINE)
    numbers = manifest.offsets[index == INLINE].tolist()
    return TheirManifest.from_arrays(
        paths=paths,
        offsets=np.where(index >= INLINE, 0, manifest.offsets).astype(np.uint64),
        lengths=np.asarray(manifest.lengths, np.uint64),
        validate_paths=False,
        inlined={
            tuple(at): manifest.inline[number] for at, number in zip(held.tolist(), numbers, strict=True)
        },
    )
