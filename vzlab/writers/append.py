"""Plan additions to groups that are there: new variables, and data behind or before what a dimension holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import xarray as xr

from vzlab.codecs import same_decoding
from vzlab.errors import IncompatibleArraysError, VirtualArrayError, WriteError
from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray
from vzlab.manifests.codec_axes import crop_codec, inner_chunk_shape
from vzlab.manifests.joining import concatenate
from vzlab.writers.checks import (
    are_stored,
    check_coordinate,
    check_encoding,
    check_equal,
    check_same_variables,
    check_sizes,
    check_static,
    codec_names,
)
from vzlab.writers.contents import GroupContents
from vzlab.writers.loaded_values import check_fits, with_faithful_encoding
from vzlab.writers.plan import (
    ArrayWrite,
    LoadedWrite,
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
        check_equal(contents, stored, name)
    check_sizes(contents, stored, None)
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
    growing = _check_growth(contents, stored, append_dim, in_front=False)
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


def skip_stored(contents: GroupContents, stored: StoredGroup, append_dim: str) -> GroupContents:
    """Leave out the steps at the beginning whose coordinate values the store has already.

    Raises
    ------
    WriteError
        If there is no loaded coordinate to tell by, if steps that are there and steps that are not alternate, or if the first
        new step lies inside a chunk.
    """
    path = join(contents.path, append_dim)
    if append_dim not in contents.loaded or append_dim not in stored.values:
        raise WriteError(
            f"existing='skip' tells by the coordinate {path!r} what is there, and it is not loaded on both sides. Load it: "
            f"loadable_variables=[{append_dim!r}]"
        )
    known = are_stored(stored.values[append_dim].values, contents.loaded[append_dim].values)
    first = int(np.count_nonzero(known))
    if not known[:first].all():
        raise WriteError(
            f"{first} of {known.size} values of {path!r} are in the store already, and not all at the beginning of the data. "
            "Append the others by themselves: ds.isel(...)"
        )

    def indexers(name: str) -> tuple[slice, ...]:
        return tuple(slice(first if dim == append_dim else 0, None) for dim in contents.dims(name))

    try:
        virtual = {name: array[indexers(name)] for name, array in contents.virtual.items()}
    except VirtualArrayError as error:
        raise WriteError(
            f"The first {first} steps of the data are in the store already, and the next one lies inside a chunk. {error}"
        ) from error
    loaded = {name: variable[indexers(name)] for name, variable in contents.loaded.items()}
    return replace(contents, virtual=virtual, loaded=loaded)


def plan_prepend(contents: GroupContents, stored: StoredGroup, prepend_dim: str) -> WritePlan:
    """Plan data that go before what a group holds along one dimension; its chunks move, their bytes do not.

    Loaded variables along the dimension are written anew, with what is stored of them behind the new values.

    Raises
    ------
    WriteError
        As for `plan_append`, and if the new data are no whole chunks or the chunk grid is not regular.
    """
    growing = _check_growth(contents, stored, prepend_dim, in_front=True)
    arrays = [
        _prepend_array(contents, stored, name, prepend_dim) for name in contents.virtual if name in growing
    ]
    variables = {}
    for name in contents.loaded:
        if name in growing:
            old = stored.values[name]
            values = np.concatenate(
                [contents.loaded[name].values, old.values], axis=old.dims.index(prepend_dim)
            )
            variables[name] = with_faithful_encoding(
                join(contents.path, name), xr.Variable(old.dims, values, old.attrs, old.encoding)
            )
    write = LoadedWrite(
        path=contents.path,
        dataset=xr.Dataset(coords=xr.Coordinates(variables, indexes={})),
        replaces=True,
    )
    return WritePlan(loaded=(write,) if variables else (), arrays=tuple(arrays))


def _check_growth(contents: GroupContents, stored: StoredGroup, dim: str, *, in_front: bool) -> list[str]:
    """Refuse data that would change what is stored, or would not come in order; give the variables that grow."""
    check_same_variables(contents, stored, dim)
    check_sizes(contents, stored, dim)
    growing = [name for name in contents.names if dim in contents.dims(name)]
    if not growing:
        raise WriteError(
            f"No variable of {contents.path or 'the root'!r} has the dimension {dim!r}; found {', '.join(contents.sizes)}"
        )
    for name in contents.names:
        if dim not in contents.dims(name):
            check_static(contents, stored, name)
        elif name in contents.loaded:
            check_fits(join(contents.path, name), contents.loaded[name], stored.arrays[name])
    if dim in contents.virtual:
        check_encoding(join(contents.path, dim), stored.arrays[dim], contents.virtual[dim])
    fresh = contents.loaded.get(dim, stored.fresh.get(dim))
    if fresh is not None and dim in stored.values:
        check_coordinate(join(contents.path, dim), stored.values[dim].values, fresh.values, in_front=in_front)
    return growing


# -- arrays ------------------------------------------------------------------------------------------------------------


def _append_array(contents: GroupContents, stored: StoredGroup, name: str, append_dim: str) -> ArrayWrite:
    path = join(contents.path, name)
    new, old = contents.virtual[name], stored.arrays[name]
    axis = contents.dims(name).index(append_dim)
    check_manifest(path, new.manifest)
    check_encoding(path, old, new)
    before = _empty(old)
    if new.shape[axis] and old.shape[axis] and old.chunk_grid.last_is_partial(axis):
        before = _cropped(path, before, axis)
    joined = _joined(path, [before, _bare(new)], axis)
    is_cropped = _is_cropped(old, joined.metadata)
    if not is_cropped and not same_decoding(joined.metadata.codecs, old.codecs):
        raise WriteError(
            f"{path!r} cannot be appended to: its codecs would have to change from {codec_names(old)} to "
            f"{codec_names(joined.metadata)}. Load the variable (loadable_variables=[{name!r}]), or write the group anew."
        )
    n_before = before.manifest.grid_shape[axis]
    indexers: list[slice | npt.NDArray[np.intp]] = [slice(None)] * new.ndim
    indexers[axis] = slice(n_before, None)
    metadata = replace(
        old.with_layout(
            shape=joined.shape,
            chunks=joined.metadata.chunks,
            codecs=joined.metadata.codecs if is_cropped else old.codecs,
        ),
        attributes=old.attributes,
        dimension_names=old.dimension_names,
    )
    return ArrayWrite(
        path=path,
        document=document_of(path, metadata),
        manifest=joined.manifest.take(indexers),
        chunk_offset=tuple(n_before if i == axis else 0 for i in range(new.ndim)),
    )


def _prepend_array(contents: GroupContents, stored: StoredGroup, name: str, prepend_dim: str) -> ArrayWrite:
    path = join(contents.path, name)
    new, old = contents.virtual[name], stored.arrays[name]
    axis = contents.dims(name).index(prepend_dim)
    check_manifest(path, new.manifest)
    check_encoding(path, old, new)
    if new.metadata.chunk_grid.last_is_partial(axis):
        chunk = new.metadata.chunk_grid.chunk_shape[axis]
        raise WriteError(
            f"{path!r} has {new.shape[axis]} elements along {prepend_dim!r} in chunks of {chunk}: only whole chunks can go "
            "before what is stored. Leave the rest to the files before, or write the group anew."
        )
    joined = _joined(path, [_bare(new), _empty(old)], axis)
    if not joined.metadata.chunk_grid.is_regular or not same_decoding(joined.metadata.codecs, old.codecs):
        raise WriteError(
            f"{path!r} would get chunks of different lengths along {prepend_dim!r}, and Icechunk moves the chunks of regular "
            "grids only. Write the group anew in the right order: mode='w'."
        )
    metadata = replace(
        old.with_layout(shape=joined.shape, chunks=joined.metadata.chunks),
        attributes=old.attributes,
        dimension_names=old.dimension_names,
    )
    n_new = new.manifest.grid_shape[axis]
    return ArrayWrite(
        path=path,
        document=document_of(path, metadata),
        manifest=new.manifest,
        chunk_offset=(0,) * new.ndim,
        shift=tuple(n_new if i == axis else 0 for i in range(new.ndim)),
    )


def _joined(path: str, arrays: list[ManifestArray], axis: int) -> ManifestArray:
    try:
        return concatenate(arrays, axis)
    except (IncompatibleArraysError, VirtualArrayError) as error:
        raise WriteError(f"{path!r} cannot be appended to. {error}") from error


def _bare(array: ManifestArray) -> ManifestArray:
    """Without attributes and names, which were compared before."""
    return replace(array, metadata=replace(array.metadata, attributes={}, dimension_names=None))


def _empty(stored: ArrayMetadata) -> ManifestArray:
    """A stand-in for a stored array: its layout, and no references."""
    return ManifestArray(
        metadata=replace(stored, attributes={}, dimension_names=None),
        manifest=ChunkManifest.empty(stored.chunk_grid.grid_shape),
    )


def _cropped(path: str, array: ManifestArray, axis: int) -> ManifestArray:
    """The same chunks under a rectilinear grid in which the last one is as long as what lies inside the array.

    It stays stored at full length, so the crop codec goes before the others.
    """
    metadata, grid = array.metadata, array.metadata.chunk_grid
    if not grid.is_regular:
        raise WriteError(
            f"The last chunk of {path!r} along axis {axis} is partial beside chunks of other lengths, and no chunk grid says "
            "that. Load the variable, so that its values are appended, or write the group anew."
        )
    lengths = grid.lengths(axis).tolist()
    inner = inner_chunk_shape(metadata.codecs)
    if inner and lengths[-1] % inner[axis]:
        raise WriteError(
            f"The last shard of {path!r} along axis {axis} holds {lengths[-1]} of {grid.chunk_shape[axis]}, in chunks of "
            f"{inner[axis]}: Zarr wants whole chunks in every shard, so nothing can follow it. Load the variable, and write the "
            "group anew."
        )
    chunks = (*metadata.chunks[:axis], tuple(lengths), *metadata.chunks[axis + 1 :])
    codecs = (crop_codec(grid.chunk_shape), *metadata.codecs)
    return replace(array, metadata=metadata.with_layout(shape=metadata.shape, chunks=chunks, codecs=codecs))


def _is_cropped(old: ArrayMetadata, joined: ArrayMetadata) -> bool:
    """Whether the stored chunks decode to what they did, with the crop codec put before their own."""
    first, *rest = joined.codecs
    return (
        old.chunk_grid.is_regular
        and first == crop_codec(old.chunk_grid.chunk_shape)
        and old.codecs[0]["name"] != first["name"]
        and same_decoding(tuple(rest), old.codecs)
    )
