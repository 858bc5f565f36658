"""References to chunks that no file holds, for what only moves references about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from benchmarks.files import grid_shape
from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray
from vzlab.manifests.joining import concatenate

PREFIX = "file:///archive/sea_surface_temperature/level_4/version_2.1/daily/"
BUCKET_PREFIX = PREFIX.replace("file:///archive", "s3://the-archive")


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The references of one file, as columns of shape ``(time, x)``."""

    url: str
    offsets: npt.NDArray[np.uint64]
    lengths: npt.NDArray[np.uint64]
    dimension_names: tuple[str, ...] = ("time", "x")
    chunk_shape: tuple[int, int] = (1, 4)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the array."""
        rows, columns = self.offsets.shape
        return rows * self.chunk_shape[0], columns * self.chunk_shape[1]


def columns_of_files(n_chunks: int, n_files: int, prefix: str = PREFIX) -> list[Columns]:
    """As many references in all, in files with urls of 90 characters that begin alike."""
    rows, width = grid_shape(n_chunks)
    if rows < n_files:
        rows, width = n_files, n_chunks // n_files
    shape = (rows // n_files, width)
    offsets = (np.arange(shape[0] * shape[1], dtype=np.uint64) * 4096 + 8192).reshape(shape)
    lengths = np.full(shape, 4096, np.uint64)
    urls = [f"{prefix}{2000 + number:04}/sst-day-{number:07}.nc" for number in range(n_files)]
    return [Columns(url=url, offsets=offsets, lengths=lengths) for url in urls]


def virtual_array(columns: Columns) -> ManifestArray:
    """A virtual array of vzlab over given references, all to one file."""
    return ManifestArray(
        metadata=ArrayMetadata.create(
            shape=columns.shape,
            dtype="u1",
            chunks=columns.chunk_shape,
            codecs=[{"name": "bytes"}],
            dimension_names=columns.dimension_names,
        ),
        manifest=ChunkManifest.from_ranges(columns.url, columns.offsets, columns.lengths),
    )


def virtual_dataset(parts: Sequence[Columns]) -> xr.Dataset:
    """The arrays joined along the first dimension, as the variable ``x``."""
    joined = concatenate([virtual_array(columns) for columns in parts])
    return xr.Dataset({"x": (parts[0].dimension_names, joined)})
