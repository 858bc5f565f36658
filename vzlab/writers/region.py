"""Plan whole chunks of existing arrays to be written instead, at a place given or found by coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vzlab.codecs import same_decoding
from vzlab.errors import WriteError
from vzlab.writers.checks import check_encoding, check_static, codec_names, require_stored, shortened
from vzlab.writers.contents import GroupContents
from vzlab.writers.loaded_values import check_fits
from vzlab.writers.plan import ArrayWrite, LoadedWrite, Region, StoredGroup, WritePlan, check_manifest, join

type RegionLike = Literal["auto"] | Mapping[str, slice | Literal["auto"]]
"""A region, or dimensions of which the store's coordinate says where the data belong."""


def automatic_dims(contents: GroupContents, region: RegionLike) -> tuple[str, ...]:
    """Dimensions whose place is to be found: all that have a loaded coordinate, or those that are named."""
    if region == "auto":
        return tuple(dim for dim in contents.sizes if dim in contents.loaded)
    return tuple(dim for dim, part in region.items() if part == "auto")


def locate_region(
    contents: GroupContents, stored: StoredGroup, region: RegionLike
) -> tuple[GroupContents, Region]:
    """Find the place of the data by their coordinates; give them without these, and the region.

    Raises
    ------
    WriteError
        If the store lacks a coordinate, or the data's values do not stand in it one after another.
    """
    found: dict[str, slice] = {}
    if region != "auto":
        found |= {dim: part for dim, part in region.items() if isinstance(part, slice)}
    for dim in automatic_dims(contents, region):
        path = join(contents.path, dim)
        if dim not in contents.loaded or dim not in stored.values:
            raise WriteError(
                f"region='auto' finds the place along {dim!r} by its coordinate, which is loaded in the data and stored as "
                f"{path!r}; found {'none in the data' if dim not in contents.loaded else 'none in the store'}. Give a slice."
            )
        old, new = (
            values.tolist() for values in _of_one_type(stored.values[dim].values, contents.loaded[dim].values)
        )
        start = old.index(new[0]) if new and new[0] in old else -1
        if start < 0 or old[start : start + len(new)] != new:
            first = contents.loaded[dim].values[0] if new else "nothing"
            raise WriteError(
                f"The {len(new)} values of {path!r}, from {first} on, do not stand one after another in the store, so nothing "
                "says where the data belong. Append what is not there yet, or give the region as slices."
            )
        if (start, start + len(new)) != (0, len(old)):
            found[dim] = slice(start, start + len(new))
    kept = {name: v for name, v in contents.loaded.items() if name not in automatic_dims(contents, region)}
    if not found:
        found = {dim: slice(0, contents.sizes[dim]) for dim in automatic_dims(contents, region)[:1]}
    return replace(contents, loaded=kept), found


def _of_one_type(*values: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], ...]:
    """Dates of one resolution, since a list of them says nothing of it; others as they are."""
    if any(part.dtype.kind != "M" for part in values):
        return values
    return tuple(part.astype(np.result_type(*values)).astype("i8") for part in values)


def plan_region(contents: GroupContents, stored: StoredGroup, region: Region) -> WritePlan:
    """Plan whole chunks of existing arrays to be written instead.

    Raises
    ------
    WriteError
        If a region does not lie on chunk boundaries, has another length than the data, or would change codecs or packing.
    """
    bounds = {dim: _bounds(contents, stored, dim, part) for dim, part in region.items()}
    inside = [name for name in contents.names if set(contents.dims(name)) & set(bounds)]
    for name in contents.names:
        require_stored(contents, stored, name)
        if name not in inside:
            check_static(contents, stored, name)
        elif name in contents.loaded:
            check_fits(join(contents.path, name), contents.loaded[name], stored.arrays[name])
    arrays = [_region_array(contents, stored, name, bounds) for name in contents.virtual if name in inside]
    dataset = contents.dataset_of_loaded(inside)
    slices = {dim: slice(*pair) for dim, pair in bounds.items() if dim in dataset.dims}
    loaded = (LoadedWrite(path=contents.path, dataset=dataset, region=slices),) if dataset.variables else ()
    return WritePlan(loaded=loaded, arrays=tuple(arrays))


def _region_array(
    contents: GroupContents, stored: StoredGroup, name: str, bounds: Mapping[str, tuple[int, int]]
) -> ArrayWrite:
    path = join(contents.path, name)
    new, old = contents.virtual[name], stored.arrays[name]
    check_manifest(path, new.manifest)
    check_encoding(path, old, new)
    offset = []
    for axis, dim in enumerate(contents.dims(name)):
        start, stop = bounds.get(dim, (0, old.shape[axis]))
        if new.shape[axis] != stop - start:
            raise WriteError(
                f"{path!r} has {new.shape[axis]} elements along {dim!r}, and its region {start}:{stop} has {stop - start}"
            )
        starts = old.chunk_grid.starts(axis)
        first, end = (int(np.searchsorted(starts, edge)) for edge in (start, stop))
        if starts[first] != start or starts[end] != stop:
            raise WriteError(
                f"The region {start}:{stop} of {path!r} along {dim!r} does not lie on chunk boundaries, which are "
                f"{shortened(starts.tolist())}. Choose whole chunks, or load the variable."
            )
        there = old.chunk_grid.stored_lengths(axis)[first:end].tolist()
        here = new.metadata.chunk_grid.stored_lengths(axis).tolist()
        if there != here:
            raise WriteError(
                f"{path!r} is stored in chunks of {shortened(there)} along {dim!r} in that region; found {shortened(here)}"
            )
        offset.append(first)
    if not same_decoding(old.codecs, new.metadata.codecs):
        raise WriteError(
            f"{path!r} is stored with {codec_names(old)}; found {codec_names(new.metadata)}. Load the variable."
        )
    return ArrayWrite(
        path=path, document=None, manifest=new.manifest, chunk_offset=tuple(offset), replaces=True
    )


def _bounds(contents: GroupContents, stored: StoredGroup, dim: str, part: slice) -> tuple[int, int]:
    lengths = {
        name: n
        for array in stored.arrays.values()
        for name, n in zip(array.dimension_names or (), array.shape, strict=False)
    }
    if dim not in lengths:
        raise WriteError(
            f"The region names the dimension {dim!r}; the group {contents.path or '/'!r} has {', '.join(map(str, lengths))}"
        )
    start, stop, step = part.indices(lengths[dim])
    if step != 1:
        raise WriteError(f"The region along {dim!r} has a step of {step}; expected 1")
    return start, stop
