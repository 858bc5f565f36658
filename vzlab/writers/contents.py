"""What there is to write: a dataset or tree taken apart into groups of virtual arrays and loaded variables."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from vzlab.cf import to_zarr_attributes
from vzlab.datasets import is_virtual, manifest_array
from vzlab.errors import WriteError
from vzlab.manifests import ManifestArray, SourceFile
from vzlab.storage.manifest_store import group_document
from vzlab.writers.loaded_values import with_faithful_encoding

_UNUSABLE_NAME = re.compile(r"^(|\.+|__.*|zarr\.json|\.z\w+)$|[/\\]")
"""zarr-python takes a backslash for a slash: an array of such a name is written, and found by nobody."""


@dataclass(frozen=True, kw_only=True)
class GroupContents:
    """One group, with ``coordinates`` attributes where the CF conventions want them."""

    path: str
    """Where it goes; ``""`` is the root."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    virtual: Mapping[str, ManifestArray] = field(default_factory=dict)
    """Arrays with their attributes and dimension names in the metadata."""
    loaded: Mapping[str, xr.Variable] = field(default_factory=dict)
    """Variables with values, decoded, and their ``encoding``."""
    unlimited_dims: frozenset[str] = frozenset()

    def dims(self, name: str) -> tuple[str, ...]:
        """Names of the dimensions of a variable."""
        if name in self.loaded:
            return tuple(map(str, self.loaded[name].dims))
        return tuple(str(dim) for dim in self.virtual[name].metadata.dimension_names or ())

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a variable."""
        return self.loaded[name].shape if name in self.loaded else self.virtual[name].shape

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all variables."""
        return (*self.virtual, *self.loaded)

    @property
    def sizes(self) -> dict[str, int]:
        """Length of each dimension."""
        return {
            dim: n for name in self.names for dim, n in zip(self.dims(name), self.shape(name), strict=True)
        }

    def dataset_of_loaded(self, names: Collection[str] | None = None) -> xr.Dataset:
        """Loaded variables (None: all) for xarray's own writer; each has its ``coordinates`` attribute already."""
        wanted = self.loaded if names is None else names
        return xr.Dataset({name: variable for name, variable in self.loaded.items() if name in wanted})

    def document(self) -> dict[str, Any]:
        """The group's ``zarr.json``, in strict JSON."""
        return group_document(self.attributes)


def take_apart(dataset: xr.Dataset | xr.DataTree, group: str | None = None) -> tuple[GroupContents, ...]:
    """The groups of a dataset (one) or tree (each node), parents first.

    Parameters
    ----------
    group : str, optional
        Path below which they go; None is the root.

    Raises
    ------
    WriteError
        If a name cannot be a Zarr node, or no encoding keeps the values of a loaded variable.
    """
    base = (group or "").strip("/")
    for part in base.split("/") if base else ():
        _check_name(part, "group")
    if isinstance(dataset, xr.Dataset):
        return (_contents(dataset, base),)
    nodes = []
    for relative, node in dataset.subtree_with_keys:
        path = "/".join(part for part in (base, relative.strip("/")) if part not in ("", "."))
        for part in path.split("/") if path else ():
            _check_name(part, "group")
        nodes.append(_contents(node.to_dataset(inherit=False), path))
    return tuple(nodes)


def _contents(dataset: xr.Dataset, path: str) -> GroupContents:
    variables, attributes = xr.conventions.encode_dataset_coordinates(dataset)
    for name, variable in variables.items():
        _check_name(name, "variable")
        _check_type(f"{path}/{name}" if path else name, variable)
    unlimited = dataset.encoding.get("unlimited_dims") or ()
    return GroupContents(
        path=path,
        attributes={str(name): value for name, value in attributes.items()},
        virtual={str(name): manifest_array(v) for name, v in variables.items() if is_virtual(v)},
        loaded={
            str(name): with_faithful_encoding(f"{path}/{name}" if path else str(name), _strict(v))
            for name, v in variables.items()
            if not is_virtual(v)
        },
        unlimited_dims=frozenset({unlimited} if isinstance(unlimited, str) else map(str, unlimited)),
    )


def _strict(variable: xr.Variable) -> xr.Variable:
    """The variable with attributes that JSON can say; xarray encodes ``_FillValue`` itself."""
    attributes = dict(variable.attrs)
    fill = {key: attributes.pop(key) for key in ("_FillValue",) if key in attributes}
    variable.attrs = {**to_zarr_attributes(attributes, np.dtype(object)), **fill}
    return variable


def _check_name(name: object, kind: str) -> None:
    if not isinstance(name, str) or _UNUSABLE_NAME.search(name):
        raise WriteError(
            f"The {kind} {name!r} cannot be a name in a Zarr hierarchy: expected text without '/' and '\\', not only dots, "
            "and not beginning with '__'. Rename it: ds.rename({...})"
        )


def _check_type(path: str, variable: xr.Variable) -> None:
    """Refuse values, loaded by a format's own library, for which Zarr has no data type."""
    if is_virtual(variable):
        return
    dtype, data = variable.dtype, variable._data
    members = {
        name: dtype[name] for name in dtype.names or () if dtype[name].subdtype or dtype[name].hasobject
    }
    if members:
        said = ", ".join(f"{name!r}: {member}" for name, member in members.items())
        found = f"records with members that are arrays or objects ({said})"
    elif isinstance(data, np.ndarray) and dtype.kind == "O" and _is_ragged(data):
        found = "sequences of varying length"
    elif dtype.kind in "fc" and dtype.itemsize > {"f": 8, "c": 16}[dtype.kind]:
        found = f"{dtype}"
    else:
        return
    raise WriteError(
        f"{path!r} has elements that are {found}, for which Zarr has no data type. Drop it: ds.drop_vars({path!r}), or turn "
        "it into plain arrays first."
    )


def _is_ragged(values: npt.NDArray[Any]) -> bool:
    return any(isinstance(value, np.ndarray) for value in values.flat)


def sources_of(contents: tuple[GroupContents, ...]) -> tuple[SourceFile, ...]:
    """Every distinct file that chunks lie in."""
    arrays = (array for part in contents for array in part.virtual.values())
    return tuple(dict.fromkeys(source for array in arrays for source in array.manifest.sources))
