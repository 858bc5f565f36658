"""Read of a group in an Icechunk store what a write must know: layout, and the values that are compared."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import xarray as xr
import zarr
from icechunk import IcechunkError

from vzlab.errors import WriteError
from vzlab.manifests import ArrayMetadata
from vzlab.storage import as_registry, read_array
from vzlab.writers.containers import authorization_needs
from vzlab.writers.contents import GroupContents
from vzlab.writers.hierarchy import Hierarchy
from vzlab.writers.plan import StoredGroup


def read_stored(
    hierarchy: Hierarchy,
    part: GroupContents,
    *,
    along: Collection[str] = (),
    needed: Collection[str] = (),
    source_options: Mapping[str, Any] | None = None,
) -> StoredGroup:
    """What a group holds, with the values of what the data bring too and must not differ.

    Parameters
    ----------
    along : collection of str
        Dimensions that the write goes along: variables without them are static and compared.
    needed : collection of str
        Further variables, which must be known whatever their dimensions.

    Raises
    ------
    WriteError
        If values must be read that cannot be.
    """
    arrays = hierarchy.arrays(part.path)
    ours = [
        name
        for name in part.names
        if name in arrays and (name in needed or not set(along) & set(part.dims(name)))
    ]
    compared = [name for name in ours if name in part.loaded]
    encoded = [name for name in ours if name in part.virtual and along]
    registry = as_registry(None, source_options)
    fresh = {
        name: xr.Variable(part.dims(name), read_array(part.virtual[name], registry, name=name))
        for name in encoded
    }
    try:
        values = decoded_values(hierarchy, part.path, compared, arrays)
        if encoded:
            group: Any = zarr.open_group(hierarchy.store, path=part.path, mode="r")
            values |= {name: xr.Variable(part.dims(name), group[name][...]) for name in encoded}
    except IcechunkError as error:
        prefixes = hierarchy.store.session.config.virtual_chunk_containers or {}
        raise WriteError(
            f"What the group {part.path or '/'!r} holds of {', '.join([*compared, *encoded])} must be read to be compared, and "
            f"cannot be: {error.message.splitlines()[0]}. {authorization_needs(prefixes)} Or drop them."
        ) from error
    return StoredGroup(arrays=arrays, values=values, fresh=fresh)


def decoded_values(
    hierarchy: Hierarchy, path: str, names: Collection[str], arrays: Mapping[str, ArrayMetadata]
) -> dict[str, xr.Variable]:
    """Values of some variables of a group as xarray decodes them, with the encoding they are stored in."""
    if not names:
        return {}
    others = [name for name in arrays if name not in names]
    decoded = xr.open_zarr(
        hierarchy.store, group=path or None, consolidated=False, chunks=None, drop_variables=others
    )
    return {name: decoded.variables[name].load() for name in names}
