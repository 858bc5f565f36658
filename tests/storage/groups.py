"""Virtual groups that test the store, and the same groups written by zarr itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.storage import MemoryStore

from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray, ManifestGroup

LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}


def raw_array(
    url: str,
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    *,
    offset: int = 0,
    dtype: str = "<i4",
    missing: tuple[tuple[int, ...], ...] = (),
    **metadata: Any,
) -> ManifestArray:
    """Uncompressed chunks that lie one after another in C order of the grid."""
    made = ArrayMetadata.create(shape=shape, dtype=dtype, chunks=chunks, codecs=[LITTLE], **metadata)
    length = int(np.prod(chunks, dtype=np.int64)) * made.dtype.itemsize
    grid = made.chunk_grid.grid_shape
    offsets = offset + length * np.arange(int(np.prod(grid, dtype=np.int64)), dtype=np.uint64).reshape(grid)
    absent = np.zeros(grid, dtype=bool)
    for index in missing:
        absent[index] = True
    manifest = ChunkManifest.from_ranges(url, offsets, np.full(grid, length, np.uint64), missing=absent)
    return ManifestArray(metadata=made, manifest=manifest)


def group_with_awkward_names(folder: Path) -> ManifestGroup:
    """Groups in groups, groups and arrays named ``c``, scalars, missing chunks, an array without any chunk."""
    path = folder / "data.bin"
    path.write_bytes(np.arange(1, 1001, dtype="<i4").tobytes())
    url = path.as_uri()
    deep = ManifestGroup(
        arrays={"c": raw_array(url, (), (), offset=40), "x": raw_array(url, (), (), offset=44)},
        attributes={"depth": 2},
    )
    c = ManifestGroup(
        arrays={"0": raw_array(url, (4,), (2,)), "c": raw_array(url, (3, 3), (2, 2))}, attributes={}
    )
    return ManifestGroup(
        arrays={
            "x": raw_array(
                url, (5, 4), (2, 2), missing=((0, 1), (2, 0)), fill_value=-7, dimension_names=["y", "x"]
            ),
            "scalar": raw_array(url, (), (), offset=80),
            "empty": raw_array(url, (4,), (2,), missing=((0,), (1,))),
            "none": raw_array(url, (0,), (1,)),
            "xzarr.json": raw_array(url, (1,), (1,)),
        },
        groups={"c": c, "deep": ManifestGroup(groups={"deeper": deep}), "hollow": ManifestGroup()},
        attributes={"title": "names", "list": [1, 2]},
    )


def copy_by_zarr(source: zarr.Group) -> MemoryStore:
    """The same tree, metadata and chunks written by zarr."""
    store = MemoryStore()

    def copy(group: zarr.Group, path: str) -> None:
        zarr.create_group(store, path=path, attributes=dict(group.attrs), overwrite=False)
        for name, child in group.members():
            below = f"{path}/{name}".lstrip("/")
            if isinstance(child, zarr.Group):
                copy(child, below)
                continue
            made = zarr.create_array(
                store,
                name=below,
                shape=child.shape,
                chunks=child.chunks,
                dtype=child.dtype,
                fill_value=child.fill_value,
                compressors=None,
                attributes=dict(child.attrs),
                dimension_names=child.metadata.dimension_names,
            )
            made[...] = child[...]

    copy(source, "")
    return store
