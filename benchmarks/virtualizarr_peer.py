"""VirtualiZarr's side of what both can do."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from virtualizarr.manifests import ChunkManifest, ManifestArray
from virtualizarr.manifests.utils import create_v3_array_metadata

from benchmarks.references import Columns


def local_registry() -> ObjectStoreRegistry[LocalStore]:
    """A registry that knows the files of this machine."""
    return ObjectStoreRegistry({"file://": LocalStore()})


def virtual_array(columns: Columns) -> ManifestArray:
    """A virtual array of VirtualiZarr over given references, all to one file."""
    metadata = create_v3_array_metadata(
        shape=columns.shape,
        data_type=np.dtype("u1"),
        chunk_shape=columns.chunk_shape,
        codecs=[{"name": "bytes"}],
        fill_value=0,
        dimension_names=columns.dimension_names,
    )
    manifest = ChunkManifest.from_arrays(
        paths=np.full(columns.offsets.shape, columns.url, np.dtypes.StringDType()),
        offsets=columns.offsets,
        lengths=columns.lengths,
        validate_paths=False,
    )
    return ManifestArray(metadata=metadata, chunkmanifest=manifest)


def virtual_dataset(parts: list[Columns]) -> xr.Dataset:
    """The arrays joined along the first dimension, as the variable ``x``."""
    joined: Any = np.concatenate([virtual_array(columns) for columns in parts], axis=0)
    return xr.Dataset({"x": joined.to_virtual_variable()})
