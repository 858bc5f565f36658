"""Refuse what would change, lose or mislabel data that a store holds; reads and writes nothing."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from vzlab.cf import ENCODING_ATTRIBUTES, TIME_ATTRIBUTES, to_zarr_attributes
from vzlab.errors import WriteError
from vzlab.manifests import ArrayMetadata, ManifestArray
from vzlab.writers.contents import GroupContents
from vzlab.writers.plan import StoredGroup, join


def check_same_variables(contents: GroupContents, stored: StoredGroup, append_dim: str) -> None:
    """Refuse variables that only one side has, of those that grow."""
    for name in contents.names:
        require_stored(contents, stored, name)
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


def require_stored(contents: GroupContents, stored: StoredGroup, name: str) -> None:
    """Refuse a variable that the store lacks, or has with other dimensions."""
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


def check_sizes(contents: GroupContents, stored: StoredGroup, append_dim: str | None) -> None:
    """Refuse another length of a dimension than the group's arrays have."""
    lengths: dict[str, int] = {}
    for array in stored.arrays.values():
        lengths |= {dim: n for dim, n in zip(array.dimension_names or (), array.shape, strict=False) if dim}
    for dim, n in contents.sizes.items():
        if dim != append_dim and lengths.get(dim, n) != n:
            raise WriteError(
                f"The dimension {dim!r} of {contents.path or '/'!r} has length {lengths[dim]} in the store; found {n}"
            )


def check_encoding(path: str, old: ArrayMetadata, new: ManifestArray) -> None:
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


def check_static(contents: GroupContents, stored: StoredGroup, name: str) -> None:
    """Refuse a variable that does not change along the write and has other values than what is stored."""
    if name in contents.loaded:
        check_equal(contents, stored, name)
        return
    path = join(contents.path, name)
    new, old = contents.virtual[name], stored.arrays[name]
    if old.shape != new.shape or old.data_type != new.metadata.data_type:
        raise WriteError(
            f"{path!r} is {old.data_type} of shape {old.shape} in the store; found {new.metadata.data_type} of {new.shape}"
        )
    check_encoding(path, old, new)
    values = stored.values.get(name)
    fresh = stored.fresh.get(name)
    if values is None or fresh is None:
        raise WriteError(
            f"{path!r} is virtual and static; its values were not read, so they cannot be compared. Drop it."
        )
    _check_values(path, values.values, fresh.values)


def check_equal(contents: GroupContents, stored: StoredGroup, name: str) -> None:
    """Refuse a loaded variable that has other values than what is stored."""
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


def check_coordinate(
    path: str, old: npt.NDArray[Any], new: npt.NDArray[Any], *, in_front: bool = False
) -> None:
    """Refuse coordinate values that are there already, twice in the new data, or not behind (or before) the stored ones.

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
    both = are_stored(old, new)
    if both.any():
        raise WriteError(
            f"{int(both.sum())} of {new.size} values of {path!r} are in the store already, for example {new[both][0]}. Write "
            "them with region={...} to replace what is there, or leave them out: existing='skip'."
        )
    before, after = (new, old) if in_front else (old, new)
    rising = _is_monotonic(old, operator.lt)
    falling = old.size > 1 and _is_monotonic(old, operator.gt)
    if (rising and after[0] < before[-1]) or (falling and after[0] > before[-1]):
        how = (
            f"begins at {old[0]} in the store, and the data to put before it end at {new[-1]}"
            if in_front
            else f"is sorted up to {old[-1]} in the store, and the data to append begin at {new[0]}"
        )
        raise WriteError(
            f"{path!r} {how}: they would come out of order. Write the group anew in the right order, or use "
            f"{'append_dim' if in_front else 'prepend_dim'}."
        )
    if old.size > 1 and (
        (rising and not _is_monotonic(new, operator.lt)) or (falling and not _is_monotonic(new, operator.gt))
    ):
        raise WriteError(
            f"{path!r} is sorted in the store, and not in the data to add. Sort them first: "
            f"ds.sortby({path.rpartition('/')[2]!r})"
        )


def are_stored(old: npt.NDArray[Any], new: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which of the new values of a coordinate the store holds already."""
    if new.dtype.kind != "O":
        return np.isin(new, old)
    known = set(old.tolist())
    return np.array([value in known for value in new.tolist()], dtype=bool)


def _is_monotonic(values: npt.NDArray[Any], compare: Callable[[Any, Any], Any]) -> bool:
    return bool(np.all(compare(values[:-1], values[1:])))


def _twice(values: npt.NDArray[Any]) -> Any:
    unique, counts = np.unique(values, return_counts=True)
    return unique[counts > 1][0]


def codec_names(metadata: ArrayMetadata) -> str:
    """A codec chain by its names."""
    return " -> ".join(str(codec["name"]) for codec in metadata.codecs)


def shortened(values: Sequence[int]) -> str:
    """A list of numbers that fits into a sentence."""
    return (
        str(list(values)) if len(values) <= 8 else f"[{', '.join(map(str, values[:6]))}, ..., {values[-1]}]"
    )
