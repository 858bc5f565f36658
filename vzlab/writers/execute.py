"""Write what was planned into an open Icechunk session."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import xarray as xr
import zarr
from zarr.errors import UnstableSpecificationWarning

from vzlab.writers.hierarchy import Hierarchy
from vzlab.writers.plan import ArrayWrite, LoadedWrite, WritePlan, join
from vzlab.writers.references import missing_keys, native_chunks, set_references


def execute(hierarchy: Hierarchy, plan: WritePlan, *, checksums: bool = True) -> None:
    """Write all of a plan."""
    write_structure(hierarchy, plan)
    for array in plan.arrays:
        write_chunks(hierarchy, array, checksums=checksums)


def write_structure(hierarchy: Hierarchy, plan: WritePlan) -> None:
    """Clear what is replaced, write loaded variables, groups and metadata of arrays, and move chunks that must move."""
    for path in plan.cleared:
        hierarchy.clear(path)
    for write in plan.loaded:
        hierarchy.make_groups(write.path)
        _write_loaded(hierarchy, write)
    for path, document in plan.groups.items():
        hierarchy.make_groups(path)
        hierarchy.set_document(path, document)
    for array in plan.arrays:
        if array.document is not None:
            hierarchy.set_document(array.path, array.document)
        if any(array.shift):
            hierarchy.store.session.shift_array(f"/{array.path}", array.shift)


def write_chunks(hierarchy: Hierarchy, array: ArrayWrite, *, checksums: bool = True) -> None:
    """Write the chunks of one array: references, bytes, and nothing where there were some."""
    set_references(
        hierarchy.store, array.path, array.manifest, chunk_offset=array.chunk_offset, checksums=checksums
    )
    if array.manifest.n_inline:
        hierarchy.set(native_chunks(array.path, array.manifest, array.chunk_offset))
    if array.replaces and array.manifest.n_missing:
        hierarchy.delete(missing_keys(array.path, array.manifest, array.chunk_offset))


def _write_loaded(hierarchy: Hierarchy, write: LoadedWrite) -> None:
    target: dict[str, Any] = {"store": hierarchy.store, "group": write.path or None, "consolidated": False}
    group = hierarchy.document(write.path)
    if write.region is not None:
        write.dataset.to_zarr(**target, mode="r+", region=dict(write.region))
    elif write.append_dim is not None:
        write.dataset.to_zarr(**target, mode="a", append_dim=write.append_dim)
    else:
        if write.replaces:
            for name in write.dataset.variables:
                hierarchy.remove(join(write.path, str(name)))
        write.dataset.to_zarr(**target, mode="a", zarr_format=3)
    # xarray puts the dataset's attributes, of which there are none, in the place of the group's.
    hierarchy.set_document(write.path, json.dumps(group).encode())


@contextmanager
def quiet() -> Iterator[None]:
    """Allow rectilinear grids, and data types that Zarr v3 has no final word on: the file has them, nobody can choose.

    That xarray stores loaded values in another way than they ask for was judged by what they read as.
    """
    with warnings.catch_warnings(), zarr.config.set({"array.rectilinear_chunks": True}):
        warnings.simplefilter("ignore", UnstableSpecificationWarning)
        warnings.simplefilter("ignore", xr.SerializationWarning)
        yield
