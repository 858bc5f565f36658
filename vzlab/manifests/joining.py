"""Join virtual arrays with each other and with arrays in memory: concat, stack, broadcast."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.array_utils import normalize_axis_index

from vzlab.cf import meaning_of, same_meaning
from vzlab.codecs.compare import same_decoding
from vzlab.codecs.pipeline import encode_chunk
from vzlab.errors import IncompatibleArraysError, VirtualArrayError
from vzlab.manifests.array import ManifestArray
from vzlab.manifests.chunk_grid import ChunkGrid, DimensionChunks
from vzlab.manifests.codec_axes import crop_codec, inner_chunk_shape, is_uncompressed
from vzlab.manifests.concatenation import concatenate_manifests
from vzlab.manifests.manifest import INLINE, ChunkManifest
from vzlab.manifests.metadata import ArrayMetadata
from vzlab.manifests.selection import settle_chunks


def concatenate(arrays: Sequence[ManifestArray | npt.NDArray[Any]], axis: int = 0) -> ManifestArray:
    """Join arrays along an existing axis; numpy arrays become inline chunks.

    Raises
    ------
    IncompatibleArraysError
        If data types, fill values, codec chains, or shapes and chunks off the axis differ, or if a chunk in the middle is
        stored longer than the part of it that belongs to the array and no codec chain can say so.
    """
    first = next(array for array in arrays if isinstance(array, ManifestArray))
    axis = normalize_axis_index(axis, first.ndim)
    virtual = [
        array if isinstance(array, ManifestArray) else _inline(np.asarray(array), first, axis)
        for array in arrays
    ]
    virtual = [array for array in virtual if array.ndim != first.ndim or array.shape[axis]] or virtual[:1]
    cropped = next((array for array in virtual if array.metadata.codecs[0]["name"] == "vzlab.crop"), None)
    if cropped is not None:
        stored = cropped.metadata.codecs[0]["configuration"]["stored_shape"]
        virtual = [_crop(array, axis, stored[axis]) for array in virtual]
    for other in virtual[1:]:
        _check_joinable(virtual[0], other, axis)
    chunks = _joint_chunks([array.metadata for array in virtual], axis)
    if chunks is None:
        lengths = {
            n for array in virtual for n in np.unique(array.metadata.chunk_grid.stored_lengths(axis)).tolist()
        }
        return concatenate([_trim(array, axis, len(lengths) == 1) for array in virtual], axis)
    metadata = virtual[0].metadata
    shape = _replaced(metadata.shape, axis, sum(array.shape[axis] for array in virtual))
    return ManifestArray(
        metadata=metadata.with_layout(shape=shape, chunks=_replaced(metadata.chunks, axis, chunks)),
        manifest=concatenate_manifests([array.manifest for array in virtual], axis),
    )


def _joint_chunks(parts: Sequence[ArrayMetadata], axis: int) -> DimensionChunks | None:
    """Chunk lengths along an axis of arrays put one after another; None if no grid says them."""
    first = parts[0].chunks[axis]
    if (
        isinstance(first, int)
        and all(part.chunks[axis] == first for part in parts)
        and all(part.shape[axis] % first == 0 for part in parts[:-1])  # no partial chunk in the middle
    ):
        return first
    grids = [part.chunk_grid for part in parts]
    return settle_chunks(
        np.concatenate([grid.stored_lengths(axis) for grid in grids]),
        np.concatenate([grid.lengths(axis) for grid in grids]),
    )


def stack(arrays: Sequence[ManifestArray | npt.NDArray[Any]], axis: int = 0) -> ManifestArray:
    """Join arrays along a new axis."""
    axis = normalize_axis_index(axis, max(np.ndim(array) for array in arrays) + 1)
    return concatenate([expand_dims(array, axis) for array in arrays], axis)


def expand_dims(array: ManifestArray | npt.NDArray[Any], axis: int) -> Any:
    """Insert an axis of length 1."""
    if isinstance(array, ManifestArray):
        axis = normalize_axis_index(axis, array.ndim + 1)
        return array[(slice(None),) * axis + (None,)]
    return np.expand_dims(array, axis)


def broadcast_to(array: ManifestArray, shape: Sequence[int]) -> ManifestArray:
    """Repeat along new leading axes and along axes of length 1, each repetition referring to the same bytes.

    Raises
    ------
    ValueError
        If another axis would have to change its length.
    """
    shape = tuple(int(n) for n in shape)
    for _ in range(len(shape) - array.ndim):
        array = array[None]
    metadata, manifest = array.metadata, array.manifest
    for axis, (have, want) in enumerate(zip(metadata.shape, shape, strict=True)):
        if have == want:
            continue
        if have != 1:
            raise ValueError(f"An array of shape {array.shape} does not broadcast to {shape}")
        if metadata.chunks[axis] != 1:
            trimmed = _trim(ManifestArray(metadata=metadata, manifest=manifest), axis, True)
            metadata, manifest = trimmed.metadata, trimmed.manifest
        metadata = metadata.with_layout(
            shape=_replaced(metadata.shape, axis, want), chunks=_replaced(metadata.chunks, axis, 1)
        )
        manifest = manifest.broadcast_to(_replaced(manifest.grid_shape, axis, want))
    return ManifestArray(metadata=metadata, manifest=manifest)


def _check_joinable(a: ManifestArray, b: ManifestArray, axis: int) -> None:
    """Refuse arrays that would change their values by being joined."""

    def refuse(what: str, found: Any, expected: Any, advice: str) -> None:
        raise IncompatibleArraysError(
            f"Virtual arrays with different {what} cannot be joined: expected {expected} as in the first array, found "
            f"{found}. {advice}"
        )

    load = "Load these variables (loadable_variables=[...]), or leave the odd file out."
    if a.metadata.data_type != b.metadata.data_type:
        refuse("data types", b.metadata.data_type, a.metadata.data_type, load)
    if a.ndim != b.ndim or _replaced(a.shape, axis, 0) != _replaced(b.shape, axis, 0):
        refuse("shapes", b.shape, a.shape, f"Only the length along axis {axis} may differ.")
    if a.metadata.codecs != b.metadata.codecs and not same_decoding(a.metadata.codecs, b.metadata.codecs):
        refuse("codecs", _chain(b.metadata), _chain(a.metadata), load)
    if _replaced(a.metadata.chunks, axis, 0) != _replaced(b.metadata.chunks, axis, 0):
        refuse("chunk shapes off the concatenated axis", b.metadata.chunks, a.metadata.chunks, load)
    if not same_meaning(a.metadata.attributes, b.metadata.attributes):
        refuse(
            "packing, missing values or units",
            meaning_of(b.metadata.attributes),
            meaning_of(a.metadata.attributes),
            "The first array's would be taken for all. " + load,
        )
    if a.metadata.fill_value != b.metadata.fill_value:
        refuse("fill values for unwritten chunks", b.metadata.fill_value, a.metadata.fill_value, load)


def _chain(metadata: ArrayMetadata) -> str:
    return " -> ".join(
        f"{codec['name']}({', '.join(f'{k}={v!r}' for k, v in (codec.get('configuration') or {}).items())})"
        for codec in metadata.codecs
    )


def _trim(array: ManifestArray, axis: int, uniform: bool) -> ManifestArray:
    """Declare a partial last chunk at the length that lies inside the array.

    Uncompressed chunks in which the axis varies slowest are cut by their byte range, which any reader understands. Others
    keep their bytes behind a ``vzlab.crop`` codec.
    """
    metadata, grid = array.metadata, array.metadata.chunk_grid
    last = metadata.chunks[axis]
    if not isinstance(last, int):
        return array
    inside = grid.lengths(axis)
    if is_uncompressed(metadata.codecs) and all(n == 1 for n in grid.chunk_shape[:axis]):
        if not grid.last_is_partial(axis):
            return array
        scale = inside.reshape((-1,) + (1,) * (array.ndim - axis - 1))
        stored = np.uint64(last)
        lengths = array.manifest.lengths // stored * scale.astype(np.uint64)
        manifest = _cut_inline(array.manifest.replace(lengths=lengths))
        chunks = _replaced(metadata.chunks, axis, tuple(inside.tolist()))
        return ManifestArray(
            metadata=metadata.with_layout(shape=array.shape, chunks=chunks), manifest=manifest
        )
    if not uniform and not grid.last_is_partial(axis):
        return array
    if not uniform:
        raise IncompatibleArraysError(
            f"A compressed chunk of {last} along axis {axis} is stored whole, and only {inside[-1]} of it belong to the "
            "array; beside chunks of other lengths no chunk grid says this. Load the variable, or leave the file out."
        )
    return _crop(array, axis, last)


def _crop(array: ManifestArray, axis: int, stored_length: int) -> ManifestArray:
    """Put the chunks behind a crop codec, which makes their declared length free."""
    metadata, grid = array.metadata, array.metadata.chunk_grid
    if metadata.codecs[0]["name"] == "vzlab.crop":
        return array
    if not grid.is_regular or metadata.chunks[axis] != stored_length:
        raise IncompatibleArraysError(
            f"Chunks stored {stored_length} long along axis {axis} would stand beside chunks of {metadata.chunks[axis]}, "
            "some of them partial. No chunk grid says this. Load the variable, or leave the odd file out."
        )
    lengths = grid.lengths(axis).tolist()
    inner = inner_chunk_shape(metadata.codecs)
    if inner and lengths[-1] % inner[axis]:
        raise IncompatibleArraysError(
            f"The last shard along axis {axis} holds {lengths[-1]} of {stored_length}, in chunks of {inner[axis]}: Zarr wants "
            "whole chunks in every shard, so nothing can follow it. Load the variable, or leave the file out."
        )
    chunks = _replaced(metadata.chunks, axis, tuple(lengths))
    codecs = (crop_codec(grid.chunk_shape), *metadata.codecs)
    return ManifestArray(
        metadata=metadata.with_layout(shape=metadata.shape, chunks=chunks, codecs=codecs),
        manifest=array.manifest,
    )


def _cut_inline(manifest: ChunkManifest) -> ChunkManifest:
    """Shorten inline chunks to their declared lengths."""
    if not manifest.inline:
        return manifest
    held = manifest.source_index == INLINE
    inline = list(manifest.inline)
    for position, length in zip(
        manifest.offsets[held].tolist(), manifest.lengths[held].tolist(), strict=True
    ):
        inline[position] = inline[position][:length]
    return manifest.replace(inline=inline)


def _inline(values: npt.NDArray[Any], like: ManifestArray, axis: int) -> ManifestArray:
    """Encode an array in memory with the codecs of a virtual one, chunked as it is off the axis.

    Raises
    ------
    VirtualArrayError
        If the data types differ, or the codec chain cannot encode.
    """
    metadata = like.metadata
    if values.dtype.newbyteorder("=") != metadata.dtype:
        raise VirtualArrayError(
            f"An array in memory of {values.dtype} cannot join a virtual one of {metadata.dtype}: expected the stored, "
            "still encoded values. Load the virtual variable too, or encode these values first."
        )
    if values.ndim != like.ndim or _replaced(values.shape, axis, 0) != _replaced(like.shape, axis, 0):
        raise IncompatibleArraysError(
            f"An array in memory of shape {values.shape} cannot join a virtual one of shape {like.shape} along axis {axis}"
        )
    along = metadata.chunks[axis]
    longest = along if isinstance(along, int) else max(along)
    new: DimensionChunks = longest if values.shape[axis] >= longest else max(values.shape[axis], 1)
    grid = ChunkGrid(shape=values.shape, chunks=_replaced(metadata.chunks, axis, new))
    codecs = tuple(codec for codec in metadata.codecs if codec["name"] != "vzlab.crop")
    if len(codecs) != len(metadata.codecs):
        stored = metadata.codecs[0]["configuration"]["stored_shape"]
        grid = ChunkGrid(shape=values.shape, chunks=tuple(stored))
    fill = metadata.fill_scalar
    chunks: list[bytes | None] = []
    for index in itertools.product(*map(range, grid.grid_shape)):
        part = values[grid.region(index)]
        stored_shape = grid.stored_shape(index)
        if part.shape != stored_shape:
            padded = np.full(stored_shape, fill, dtype=metadata.dtype)
            padded[tuple(slice(n) for n in part.shape)] = part
            part = padded
        chunks.append(
            encode_chunk(
                part,
                codecs=codecs,
                data_type=metadata.data_type,
                fill_value=metadata.fill_value,
                chunk_shape=stored_shape,
            )
        )
    return ManifestArray(
        metadata=metadata.with_layout(shape=values.shape, chunks=grid.chunks, codecs=codecs),
        manifest=ChunkManifest.from_inline(chunks, grid.grid_shape),
    )


def fill_chunks(array: ManifestArray, axis: int, chunks: npt.NDArray[np.intp], value: Any) -> ManifestArray:
    """Replace whole chunks along an axis by a constant: missing chunks where it is the fill value, else inline ones."""
    grid = array.metadata.chunk_grid
    positions = np.arange(grid.grid_shape[axis])
    positions[chunks] = -1
    emptied = replace(array, manifest=array.manifest.take_or_missing(axis, positions))
    constant = np.asarray(value, dtype=array.dtype)
    fill = np.asarray(array.metadata.fill_scalar, dtype=array.dtype)
    if constant.tobytes() == fill.tobytes() or (constant != constant and fill != fill):
        return emptied
    parts: list[ManifestArray | npt.NDArray[Any]] = []
    bounds = grid.starts(axis)
    holes = set(chunks.tolist())
    for is_hole, run in itertools.groupby(range(grid.grid_shape[axis]), key=holes.__contains__):
        indices = list(run)
        start, stop = int(bounds[indices[0]]), int(bounds[indices[-1] + 1])
        if is_hole:
            parts.append(np.full(_replaced(array.shape, axis, stop - start), constant))
        else:
            parts.append(array[(slice(None),) * axis + (slice(start, stop),)])
    if len(parts) == 1:
        return _inline(np.asarray(parts[0]), array, axis)
    return concatenate(parts, axis)


def _replaced[T](values: Sequence[T], axis: int, value: Any) -> tuple[T, ...]:
    return (*values[:axis], value, *values[axis + 1 :])
