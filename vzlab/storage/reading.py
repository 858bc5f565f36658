"""Read a whole virtual array into memory."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.codecs.pipeline import decode_chunk
from vzlab.errors import CodecError
from vzlab.manifests import ManifestArray, ManifestGroup
from vzlab.storage.manifest_store import ManifestStore
from vzlab.storage.registry import StoreRegistry

FEW_CHUNKS = 64
"""Up to this many chunks are decoded one after another; more go through zarr, whose pipeline reads them in parallel."""


def read_array(array: ManifestArray, registry: StoreRegistry, *, name: str = "array") -> npt.NDArray[Any]:
    """Stored values of a virtual array, as an array of its shape and data type.

    Raises
    ------
    UnreachableChunkError
        If a chunk cannot be fetched whole.
    CodecError
        If a chunk does not decode.
    """
    store = ManifestStore(ManifestGroup(arrays={name: array}), registry)
    if array.manifest.n_chunks > FEW_CHUNKS:
        import zarr

        with zarr.config.set({"array.rectilinear_chunks": True}):
            return np.asarray(zarr.open_array(store, path=name, mode="r")[...])
    metadata, grid = array.metadata, array.metadata.grid
    out = np.full(array.shape, metadata.fill_scalar, dtype=array.dtype)
    for index in itertools.product(*map(range, grid.grid_shape)):
        data = store.get_sync("/".join([name, "c", *map(str, index)]))
        if data is None:
            continue
        try:
            chunk = decode_chunk(
                data.to_bytes(),
                codecs=metadata.codecs,
                data_type=metadata.data_type,
                fill_value=metadata.fill_value,
                chunk_shape=grid.stored_shape(index),
            )
        except CodecError as error:
            raise CodecError(f"Chunk {index} of {name!r} does not decode: {error}") from error
        region = grid.region(index)
        out[region] = chunk[tuple(slice(part.stop - part.start) for part in region)]
    return out
