"""Variables that end earlier than others along an unlimited dimension, read as long as those, as netCDF-4 does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from vzlab.manifests import ManifestArray, ManifestGroup


def with_common_lengths(group: ManifestGroup) -> ManifestGroup:
    """A tree in which variables are equally long along unlimited dimensions, those of groups above included.

    HDF5 keeps a length for each dataset: a variable to which nothing was written lately, or ever, is shorter than its dimension.
    The netCDF library reads its fill value there, so the chunks that it lacks are missing ones.
    """
    return _with_lengths(group, {})


def _with_lengths(group: ManifestGroup, above: Mapping[str, int]) -> ManifestGroup:
    # A group that has a coordinate has a dimension of its own; one that has none may mean a dimension of a group above.
    lengths = {name: length for name, length in above.items() if name not in group.arrays}
    for name, array in group.arrays.items():
        for axis, dimension in _unlimited(group, name):
            lengths[dimension] = max(array.shape[axis], lengths.get(dimension, 0))
    arrays = dict(group.arrays)
    for name in group.arrays:
        for axis, dimension in _unlimited(group, name):
            if arrays[name].shape[axis] != lengths[dimension]:
                arrays[name] = _grown(arrays[name], axis, lengths[dimension])
    known = {name: length for name, length in lengths.items() if name in arrays or name in above}
    parts = {name: _with_lengths(part, known) for name, part in group.groups.items()}
    return replace(group, arrays=arrays, groups=parts)


def _unlimited(group: ManifestGroup, name: str) -> list[tuple[int, str]]:
    """Axes of a variable along named dimensions without end, and the names of these."""
    names = group.arrays[name].metadata.dimension_names or ()
    greatest = group.max_shapes.get(name, ())
    return [
        (i, dim) for i, (dim, most) in enumerate(zip(names, greatest, strict=False)) if dim and most is None
    ]


def _grown(array: ManifestArray, axis: int, length: int) -> ManifestArray:
    metadata = array.metadata
    chunk = metadata.chunks[axis]
    if not isinstance(chunk, int):
        return array
    positions = np.arange(-(-length // chunk))
    positions[array.manifest.grid_shape[axis] :] = -1
    shape = (*array.shape[:axis], length, *array.shape[axis + 1 :])
    return ManifestArray(
        metadata=replace(metadata, shape=shape), manifest=array.manifest.take_or_missing(axis, positions)
    )
