"""Read a whole virtual array into memory."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.manifests import ManifestArray
from vzlab.storage.chunk_reader import ChunkReader
from vzlab.storage.registry import StoreRegistry


def read_array(array: ManifestArray, registry: StoreRegistry, *, name: str = "array") -> npt.NDArray[Any]:
    """Stored values of a virtual array, as an array of its shape and data type.

    Parameters
    ----------
    array : ManifestArray
    registry : StoreRegistry
        Gives the sources of its chunks.
    name : str
        What errors call it.

    Returns
    -------
    numpy.ndarray
        Of the array's shape; packing and missing values as they are stored.

    Raises
    ------
    UnreachableChunkError
        If a chunk cannot be fetched whole.
    CodecError
        If a chunk does not decode.
    """
    grid, fill = array.chunk_grid, array.metadata.fill_scalar
    out = np.empty(array.shape, dtype=array.dtype)
    regions = [
        [slice(start, stop) for start, stop in itertools.pairwise(grid.starts(axis).tolist())]
        for axis in range(array.ndim)
    ]
    within = [
        [
            (slice(region.stop - region.start), region.stop - region.start == n)
            for region, n in zip(along, stored, strict=True)
        ]
        for along, stored in zip(
            regions, (grid.stored_lengths(a).tolist() for a in range(array.ndim)), strict=True
        )
    ]
    parts = [
        (tuple(part for part, _ in taken), region, all(whole for _, whole in taken))
        for taken, region in zip(itertools.product(*within), itertools.product(*regions), strict=True)
    ]
    coordinates = np.indices(grid.grid_shape, dtype=np.int64).reshape(array.ndim, grid.n_chunks).T
    ChunkReader(array, registry, name=name).read(coordinates, parts, out, fill=fill)
    return out
