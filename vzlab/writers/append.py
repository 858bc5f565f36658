"""Plan additions to groups that are there: appends along a dimension, and regions of whole chunks."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from vzlab.cf import ENCODING_ATTRIBUTES, TIME_ATTRIBUTES, to_zarr_attributes
from vzlab.codecs import same_decoding
from vzlab.errors import IncompatibleArraysError, VirtualArrayError, WriteError
from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray
from vzlab.manifests.joining import concatenate
from vzlab.writers.contents import GroupContents
from vzlab.writers.plan import (
    ArrayWrite,
    LoadedWrite,
    Region,
    StoredGroup,
    WritePlan,
    check_manifest,
    document_of,
    join,
    plan_create,
)


def plan_add(contents: GroupContents, stored: StoredGroup, *, append_dim: str | None = None) -> WritePlan:
    """Plan variables that a group does not have yet; loaded ones that it has must be equal, and are left alone.

    Raises
    ------
    WriteError
        If a variable is there already, or a dimension has another length there.
    """
    known = set(stored.arrays)
    for name in contents.virtual:
        if name in known:
            raise WriteError(
                f"{join(contents.path, name)!r} is there already. mode='w' replaces the group, append_dim='...' adds to it, "
                "region={...} writes a part of it; or drop the variable."
            )
    for name in set(contents.loaded) & known:
        _check_equal(contents, stored, name)
    _check_sizes(contents, stored, None)
    new = replace(contents, loaded={n: v for n, v in contents.loaded.items() if n not in known})
    return plan_create([new], append_dim=append_dim, write_groups=False)


def plan_append(contents: GroupContents, stored: StoredGroup, append_dim: str) -> WritePlan:
    """Plan data that go behind what a group holds along one dimension.

    Raises
    ------
    WriteError
        If what is stored would have to change (a partial last chunk, other codecs, packing or units), if static variables
        differ, if coordinate values overlap, or if variables are missing on either side.
    """
    _check_same_variables(contents, stored, append_dim)
    _check_sizes(contents, stored, append_dim)
    growing = [name for name in contents.names if append_dim in contents.dims(name)]
    if not growing:
        raise WriteError(
            f"No variable of {contents.path or 'the root'!r} has the dimension {append_dim!r}; found {', '.join(contents.sizes)}"
        )
    for name in contents.names:
        if append_dim not in contents.dims(name):
            _check_static(contents, stored, name)
    if append_dim in contents.loaded:
        check_coordinate(
            join(contents.path, append_dim),
            stored.values[append_dim].values,
            contents.loaded[append_dim].values,
        )
    arrays = [
        _append_array(contents, stored, name, append_dim) for name in contents.virtual if name in growing
    ]
    dataset = contents.dataset_of_loaded(growing)
    loaded = (
        (LoadedWrite(path=contents.path, dataset=dataset, append_dim=append_dim),)
        if dataset.variables
        else ()
    )
    return WritePlan(loaded=loaded, arrays=tuple(arrays))


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
        _require_stored(contents, stored, name)
        if name not in inside:
            _check_static(contents, stored, name)
    arrays = [_region_array(contents, stored, name, bounds) for name in contents.virtual if name in inside]
    dataset = contents.dataset_of_loaded(inside)
    slices = {dim: slice(*pair) for dim, pair in bounds.items() if dim in dataset.dims}
    loaded = (LoadedWrite(path=contents.path, dataset=dataset, region=slices),) if dataset.variables else ()
    return WritePlan(loaded=loaded, arrays=tuple(arrays))


# -- arrays ------------------------------------------------------------------------------------------------------------


def _append_array(contents: GroupContents, stored: StoredGroup, name: str, append_dim: str) -> ArrayWrite:
    path = join(contents.path, name)
    new, old = contents.virtual[name], stored.arrays[name]
    axis = contents.dims(name).index(append_dim)
    check_manifest(path, new.manifest)
    _check_encoding(path, old, new)
    grid = old.grid
    if new.shape[axis] and old.shape[axis] and grid.last_is_partial(axis):
        chunk, inside = grid.chunk_shape[axis], int(grid.lengths(axis)[-1])
        raise WriteError(
            f"The last chunk of {path!r} along {append_dim!r} is partial ({inside} of {chunk}), so whole chunks cannot follow "
            "it without moving data. Rewrite that part with region={...} and complete chunks, or load the variable "
            f"(loadable_variables=[{name!r}]) so that its values are appended."
        )
    before = ManifestArray(
        metadata=replace(old, attributes={}, dimension_names=None),
        manifest=ChunkManifest.empty(grid.grid_shape),
    )
    after = replace(new, metadata=replace(new.metadata, attributes={}, dimension_names=None))
    try:
        joined = concatenate([before, after], axis)
    except (IncompatibleArraysError, VirtualArrayError) as error:
        raise WriteError(f"{path!r} cannot be appended to. {error}") from error
    if not same_decoding(joined.metadata.codecs, old.codecs):
        raise WriteError(
            f"{path!r} cannot be appended to: its codecs would have to change from {_names(old)} to "
            f"{_names(joined.metadata)}. Load the variable (loadable_variables=[{name!r}]), or write the group anew."
        )
    n_before = before.manifest.grid_shape[axis]
    indexers: list[slice | npt.NDArray[np.intp]] = [slice(None)] * new.ndim
    indexers[axis] = slice(n_before, None)
    metadata = replace(
        old.with_layout(shape=joined.shape, chunks=joined.metadata.chunks),
        attributes=old.attributes,
        dimension_names=old.dimension_names,
    )
    return ArrayWrite(
        path=path,
        document=document_of(path, metadata),
        manifest=joined.manifest.take(indexers),
        chunk_offset=tuple(n_before if i == axis else 0 for i in range(new.ndim)),
    )


def _region_array(
    contents: GroupContents, stored: StoredGroup, name: str, bounds: Mapping[str, tuple[int, int]]
) -> ArrayWrite:
    path = join(contents.path, name)
    new, old = contents.virtual[name], stored.arrays[name]
    check_manifest(path, new.manifest)
    _check_encoding(path, old, new)
    offset = []
    for axis, dim in enumerate(contents.dims(name)):
        start, stop = bounds.get(dim, (0, old.shape[axis]))
        if new.shape[axis] != stop - start:
            raise WriteError(
                f"{path!r} has {new.shape[axis]} elements along {dim!r}, and its region {start}:{stop} has {stop - start}"
            )
        starts = old.grid.starts(axis)
        first, end = (int(np.searchsorted(starts, edge)) for edge in (start, stop))
        if starts[first] != start or starts[end] != stop:
            raise WriteError(
                f"The region {start}:{stop} of {path!r} along {dim!r} does not lie on chunk boundaries, which are "
                f"{_shortened(starts.tolist())}. Choose whole chunks, or load the variable."
            )
        there = old.grid.stored_lengths(axis)[first:end].tolist()
        here = new.metadata.grid.stored_lengths(axis).tolist()
        if there != here:
            raise WriteError(
                f"{path!r} is stored in chunks of {_shortened(there)} along {dim!r} in that region; found {_shortened(here)}"
            )
        offset.append(first)
    if not same_decoding(old.codecs, new.metadata.codecs):
        raise WriteError(
            f"{path!r} is stored with {_names(old)}; found {_names(new.metadata)}. Load the variable."
        )
    return ArrayWrite(
        path=path, document=None, manifest=new.manifest, chunk_offset=tuple(offset), replaces=True
    )


# -- checks ------------------------------------------------------------------------------------------------------------


def _check_same_variables(contents: GroupContents, stored: StoredGroup, append_dim: str) -> None:
    for name in contents.names:
        _require_stored(contents, stored, name)
    lacking = [
        name
        for name, array in stored.arrays.items()
        if append_dim in (array.dimension_names or ()) and name not in contents.names
    ]
    if lacking:
        raise WriteError(
            f"The group {contents.path or '/'!r} holds {', '.join(map(repr, lacking))} along {append_dim!r}, which the new data "
            "lack: the group's variables would no longer have one length. Add them, or fill them with missing values."
        )


def _require_stored(contents: GroupContents, stored: StoredGroup, name: str) -> None:
    path = join(contents.path, name)
    array = stored.arrays.get(name)
    if array is None:
        raise WriteError(
            f"{path!r} is not in the store, which has {', '.join(map(repr, stored.arrays)) or 'no variables'} in that group. "
            "Drop it, or write it first with mode='a'."
        )
    dims = contents.dims(name)
    if array.dimension_names is not None and array.dimension_names != dims:
        raise WriteError(
            f"{path!r} has dimensions {array.dimension_names} in the store; found {dims}. Transpose it."
        )


def _check_sizes(contents: GroupContents, stored: StoredGroup, append_dim: str | None) -> None:
    """Refuse another length of a dimension than the group's arrays have."""
    lengths: dict[str, int] = {}
    for array in stored.arrays.values():
        lengths |= {dim: n for dim, n in zip(array.dimension_names or (), array.shape, strict=False) if dim}
    for dim, n in contents.sizes.items():
        if dim != append_dim and lengths.get(dim, n) != n:
            raise WriteError(
                f"The dimension {dim!r} of {contents.path or '/'!r} has length {lengths[dim]} in the store; found {n}"
            )


def _check_encoding(path: str, old: ArrayMetadata, new: ManifestArray) -> None:
    """Refuse references whose stored numbers or missing chunks mean something else than the store's metadata say."""
    if old.data_type != new.metadata.data_type:
        raise WriteError(
            f"{path!r} is stored as {old.data_type}; found {new.metadata.data_type}. Load the variable."
        )
    theirs = to_zarr_attributes(new.metadata.attributes, new.dtype)
    differing = [
        key for key in (*ENCODING_ATTRIBUTES, *TIME_ATTRIBUTES) if old.attributes.get(key) != theirs.get(key)
    ]
    if differing:
        table = "; ".join(
            f"{key}: {old.attributes.get(key)!r} stored, {theirs.get(key)!r} found" for key in differing
        )
        raise WriteError(
            f"The numbers of {path!r} would be read with attributes that are not theirs ({table}). Load the variable, so that "
            "its values are encoded as the stored ones are."
        )
    if old.fill_value != new.metadata.fill_value:
        raise WriteError(
            f"Unwritten chunks of {path!r} read as {old.fill_value!r} in the store, and as {new.metadata.fill_value!r} in the "
            "new files. Load the variable."
        )


def _check_static(contents: GroupContents, stored: StoredGroup, name: str) -> None:
    if name in contents.loaded:
        _check_equal(contents, stored, name)
        return
    path = join(contents.path, name)
    new, old = contents.virtual[name], stored.arrays[name]
    if old.shape != new.shape or old.data_type != new.metadata.data_type:
        raise WriteError(
            f"{path!r} is {old.data_type} of shape {old.shape} in the store; found {new.metadata.data_type} of {new.shape}"
        )
    _check_encoding(path, old, new)
    values = stored.values.get(name)
    fresh = stored.fresh.get(name)
    if values is None or fresh is None:
        raise WriteError(
            f"{path!r} is virtual and static; its values were not read, so they cannot be compared. Drop it."
        )
    _check_values(path, values.values, fresh.values)


def _check_equal(contents: GroupContents, stored: StoredGroup, name: str) -> None:
    _check_values(join(contents.path, name), stored.values[name].values, contents.loaded[name].values)


def _check_values(path: str, old: npt.NDArray[Any], new: npt.NDArray[Any]) -> None:
    if xr.DataArray(old).equals(xr.DataArray(new)):
        return
    found = ""
    if old.shape == new.shape and old.dtype.kind in "iufc" and new.dtype.kind in "iufc":
        found = f" (by up to {np.nanmax(np.abs(old.astype('f8') - new.astype('f8'))):g})"
    raise WriteError(
        f"{path!r} does not depend on the dimension that is written along, and differs from what is stored{found}. What is "
        "stored is never overwritten: drop the variable if the difference means nothing, else write the data elsewhere."
    )


def check_coordinate(path: str, old: npt.NDArray[Any], new: npt.NDArray[Any]) -> None:
    """Refuse coordinate values that are there already, twice in the new data, or not behind the stored ones.

    Raises
    ------
    WriteError
    """
    listed = new.tolist() if new.dtype.kind not in "mM" else new.astype("i8").tolist()
    if len(set(listed)) != len(listed):
        raise WriteError(
            f"{path!r} has values twice in the data to append, for example {_twice(new)}. Drop the duplicates."
        )
    if old.size == 0 or new.size == 0:
        return
    both = (
        np.isin(new, old)
        if new.dtype.kind != "O"
        else np.array([v in set(old.tolist()) for v in new.tolist()])
    )
    if both.any():
        raise WriteError(
            f"{int(both.sum())} of {new.size} values of {path!r} are in the store already, for example {new[both][0]}. Write "
            "them with region={...} to replace what is there, or leave them out."
        )
    rising = _is_monotonic(old, operator.lt)
    falling = old.size > 1 and _is_monotonic(old, operator.gt)
    if (rising and new[0] < old[-1]) or (falling and new[0] > old[-1]):
        raise WriteError(
            f"{path!r} is sorted up to {old[-1]} in the store, and the data to append begin at {new[0]}: they would come out of "
            "order. Write the group anew in the right order."
        )


def _is_monotonic(values: npt.NDArray[Any], compare: Callable[[Any, Any], Any]) -> bool:
    return bool(np.all(compare(values[:-1], values[1:])))


def _twice(values: npt.NDArray[Any]) -> Any:
    unique, counts = np.unique(values, return_counts=True)
    return unique[counts > 1][0]


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


def _names(metadata: ArrayMetadata) -> str:
    return " -> ".join(str(codec["name"]) for codec in metadata.codecs)


def _shortened(values: Sequence[int]) -> str:
    return (
        str(list(values)) if len(values) <= 8 else f"[{', '.join(map(str, values[:6]))}, ..., {values[-1]}]"
    )
