"""What tests of writers share: reading back through xarray alone, native reads, small arrays made by hand."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

import vzlab as vz
from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray
from vzlab.storage import as_registry

icechunk.set_logs_filter("error")


def read_icechunk(
    repository: Any, group: str | None = None, branch: str = "main", **options: Any
) -> xr.Dataset:
    """Read a whole group of a repository (path, url, storage or opened) with xarray's Zarr reader."""
    if not isinstance(repository, icechunk.Repository):
        repository = vz.open_icechunk(repository, **options)
    with zarr.config.set({"array.rectilinear_chunks": True}):
        store = repository.readonly_session(branch).store
        return xr.open_zarr(store, group=group, consolidated=False).load()


def read_kerchunk(references: Any, group: str | None = None, **storage_options: Any) -> xr.Dataset:
    """Read references whole with fsspec's reference file system, through xarray's engine of kerchunk."""
    with warnings.catch_warnings():
        # fsspec reads Parquet with an engine that pandas is about to drop.
        warnings.filterwarnings("ignore", message=".*fastparquet.*")
        target = str(references) if isinstance(references, Path) else references
        options = {"group": group, "chunks": None}
        return xr.open_dataset(
            target, engine="kerchunk", storage_options=storage_options or None, open_dataset_options=options
        ).load()


def read_native(files: Sequence[Path]) -> xr.Dataset:
    """Read files as one dataset with the netCDF library."""
    opened = [xr.open_dataset(file, engine="netcdf4").load() for file in files]
    for dataset in opened:
        dataset.close()
    return combine(opened)


def virtual_cube(files: Sequence[Path], **options: Any) -> xr.Dataset:
    """Join files along time as references."""
    return combine([vz.open_virtual_dataset(file, **options) for file in files])


def combine(datasets: Sequence[xr.Dataset]) -> xr.Dataset:
    return xr.concat(
        list(datasets),
        "time",
        data_vars="minimal",
        coords="minimal",
        compat="override",
        join="override",
        combine_attrs="override",
    )


def array_over(
    path: Path, values: NDArray[Any], chunks: tuple[int, ...], *, fill: Any = None, **metadata: Any
) -> ManifestArray:
    """Write the chunks of an array one after another to a file, raw, and give references to them."""
    grid = tuple(-(-n // c) for n, c in zip(values.shape, chunks, strict=True))
    offsets = np.zeros(grid, np.uint64)
    content = b""
    for index in np.ndindex(grid):
        part = values[tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, chunks, strict=True))]
        chunk = np.zeros(chunks, values.dtype)
        chunk[tuple(slice(n) for n in part.shape)] = part
        offsets[index] = len(content)
        content += chunk.tobytes()
    path.write_bytes(content)
    source = as_registry().open(path).source_file()
    lengths = np.full(grid, int(np.prod(chunks)) * values.dtype.itemsize, np.uint64)
    return ManifestArray(
        metadata=ArrayMetadata.create(
            shape=values.shape,
            dtype=values.dtype,
            chunks=chunks,
            codecs=[{"name": "bytes", "configuration": {"endian": "little"}}],
            fill_value=fill,
            **metadata,
        ),
        manifest=ChunkManifest.from_ranges(source, offsets, lengths),
    )
