"""Other chunks than a file has: what they would look like, and whether references can give them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vzlab.codecs import describe_chain
from vzlab.inspection.words import format_bytes, format_shape
from vzlab.manifests import ChunkManifest, ManifestArray
from vzlab.manifests.codec_axes import is_uncompressed


@dataclass(frozen=True, kw_only=True)
class Rechunking:
    """Chunks of another shape."""

    chunk_shape: tuple[int, ...]
    is_virtual: bool
    """Whether references into the files as they are can give them."""
    reason: str
    """Why, or why not, in a sentence."""
    rewrite_bytes: int
    """Stored bytes to read once for writing the values again; 0 where references do."""
    array: ManifestArray = field(repr=False, compare=False)
    """As it would be: an estimate, its chunks compressed as the present ones are on average, in one file."""


def rechunk(
    array: ManifestArray, chunks: Sequence[int] | Mapping[str, int], dims: Sequence[str | None]
) -> Rechunking:
    """Imagine an array in other chunks.

    Parameters
    ----------
    array : ManifestArray
    chunks : sequence or mapping of int
        Length along each axis, or along those named; -1 is the whole axis.
    dims : sequence of str or None

    Raises
    ------
    ValueError
        If lengths do not fit the array.
    KeyError
        If a dimension is not there.
    """
    shape = _chunk_shape(array, chunks, dims)
    is_virtual, reason = _obtainable(array, shape)
    grid_shape = tuple(-(-extent // length) for extent, length in zip(array.shape, shape, strict=True))
    manifest = array.manifest
    decoded = math.prod(
        g * c for g, c in zip(array.chunk_grid.grid_shape, array.chunk_grid.chunk_shape, strict=True)
    )
    present = 1 - manifest.n_missing / manifest.n_chunks if manifest.n_chunks else 1
    ratio = manifest.stored_bytes / (decoded * present) if decoded and present else 0.0
    length = np.uint64(max(1, round(ratio * math.prod(shape))))
    n_chunks = math.prod(grid_shape)
    imagined = ChunkManifest(
        sources=[f"imagined:///{format_shape(shape)}"],
        source_index=np.broadcast_to(np.uint32(0), grid_shape),
        offsets=(np.arange(n_chunks, dtype=np.uint64) * length).reshape(grid_shape),
        lengths=np.broadcast_to(length, grid_shape),
    )
    metadata = array.metadata.with_layout(shape=array.shape, chunks=shape)
    return Rechunking(
        chunk_shape=shape,
        is_virtual=is_virtual,
        reason=reason,
        rewrite_bytes=0 if is_virtual else manifest.stored_bytes,
        array=ManifestArray(metadata=metadata, manifest=imagined),
    )


def _chunk_shape(
    array: ManifestArray, chunks: Sequence[int] | Mapping[str, int], dims: Sequence[str | None]
) -> tuple[int, ...]:
    if isinstance(chunks, Mapping):
        unknown = [name for name in chunks if name not in dims]
        if unknown:
            raise KeyError(f"No dimension {unknown[0]!r}; dimensions here: {', '.join(map(str, dims))}")
        present = array.chunk_grid.chunk_shape
        chunks = [
            present[axis] if name is None else chunks.get(name, present[axis])
            for axis, name in enumerate(dims)
        ]
    if len(chunks) != array.ndim:
        raise ValueError(
            f"Found chunks {tuple(chunks)}; expected {array.ndim} lengths, one for each dimension"
        )
    shape = tuple(
        max(extent, 1) if n == -1 else int(n) for n, extent in zip(chunks, array.shape, strict=True)
    )
    if any(n < 1 for n in shape):
        raise ValueError(
            f"Found chunks {shape}; expected lengths of at least 1, or -1 for the whole dimension"
        )
    return shape


def _obtainable(array: ManifestArray, shape: tuple[int, ...]) -> tuple[bool, str]:
    """Whether references can give these chunks, and why."""
    grid = array.chunk_grid
    now = grid.chunk_shape
    if grid.is_regular and shape == now:
        return True, "These are the chunks that the file has"
    if not is_uncompressed(array.codecs):
        chain = ", ".join(str(codec) for codec in describe_chain(array.codecs) if codec.name != "bytes")
        return False, (
            f"The present ones, {format_shape(now)}, went through {chain or 'codecs'} as a whole, so that no byte range "
            "holds another chunk: the values have to be written again"
        )
    inner = next((axis for axis in range(len(shape)) if shape[axis] > 1), len(shape) - 1)
    lies_together = (
        grid.is_regular and now[inner] % shape[inner] == 0 and shape[inner + 1 :] == now[inner + 1 :]
    )
    if lies_together:
        return (
            True,
            "Nothing is compressed, and each of these chunks lies together in the file: references can give them",
        )
    if all(new <= old for new, old in zip(shape, now, strict=True)):
        text = "Nothing is compressed, but these do not lie in one piece inside the present ones, or do not divide them"
    else:
        text = "One reference is one byte range, and these chunks would join several of them"
    return False, f"{text}: the values have to be written again, all {format_bytes(array.nbytes)}"
