"""A tree of virtual arrays as xarray objects: what is a coordinate, what is loaded, what stays virtual."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from xarray.indexes import PandasIndex

from vzlab.cf import TIME_ATTRIBUTES, meaning_of
from vzlab.errors import LostMeaningError, UnreadableVariableWarning, VariablesInGroupsWarning
from vzlab.manifests import ManifestArray, ManifestGroup, UnreadableVariable

type Loader = Callable[[str, UnreadableVariable], npt.NDArray[Any]]
"""Reads by the format's own library a variable that cannot be virtualized: (path in the file, what is known of it)."""

_GROUPS_NAMED = 6


def assemble_dataset(
    group: ManifestGroup,
    *,
    read: Callable[[str, ManifestArray], npt.NDArray[Any]],
    load_unreadable: Loader,
    loadable_variables: Collection[str] | None,
    decode_times: bool | None,
    path: str = "",
) -> xr.Dataset:
    """One group as a dataset; its subgroups are left out.

    Parameters
    ----------
    read : callable
        Gives the stored values of a virtual array of this group by name.
    load_unreadable : callable
        Gives the values of a variable that cannot be virtualized.
    loadable_variables : collection of str or None
        Names of variables to read now; None for one-dimensional coordinates that index their dimension.
    decode_times : bool or None
        Whether loaded times are decoded; None is True. Virtual times always stay encoded.
    path : str
        Where the group lies in the file, for messages.

    Raises
    ------
    KeyError
        If a loadable variable is not in the group.
    """
    wanted = _wanted(group, loadable_variables)
    loaded: dict[Hashable, xr.Variable] = {}
    virtual: dict[Hashable, xr.Variable] = {}
    for name, array in group.arrays.items():
        dims = dimension_names(array)
        if name in wanted:
            loaded[name] = xr.Variable(dims, read(name, array), dict(array.metadata.attributes))
        else:
            virtual[name] = virtual_variable(array)
    for name, variable in group.unreadable.items():
        if name in wanted:
            values = load_unreadable(f"{path}/{name}" if path else name, variable)
            loaded[name] = loaded_variable(name, variable, values)
    _report_unreadable({name: v for name, v in group.unreadable.items() if name not in wanted}, path)
    decoded = decode_loaded(loaded, decode_times)
    return _as_dataset(group, {name: (decoded | virtual)[name] for name in _order(group, decoded | virtual)})


def virtual_variable(array: ManifestArray) -> xr.Variable:
    """A variable that wraps references; its attributes are the stored, still encoded ones.

    The array keeps those that give its numbers their meaning: arrays that differ in them do not join, and a variable
    that lost them on its way, as xarray's combining functions can do, is noticed before it is written.
    """
    attributes = dict(array.metadata.attributes)
    bare = replace(array.metadata, attributes=meaning_of(attributes), dimension_names=None)
    return xr.Variable(dimension_names(array), replace(array, metadata=bare), attributes)


def loaded_variable(name: str, variable: UnreadableVariable, values: npt.NDArray[Any]) -> xr.Variable:
    """Values that the format's own library gave, with the file's dimensions and attributes; elements may add dimensions."""
    names = (*(variable.dimension_names or ()), *(None,) * values.ndim)[: values.ndim]
    dims = tuple(given or f"{name}_dim_{axis}" for axis, given in enumerate(names))
    return xr.Variable(dims, values, dict(variable.attributes))


def dimension_names(array: ManifestArray) -> tuple[str, ...]:
    """Names of the dimensions, made up where the file gives none."""
    return _known_dimensions(array.metadata.dimension_names, array.ndim)


def _known_dimensions(names: tuple[str | None, ...] | None, ndim: int) -> tuple[str, ...]:
    names = names or (None,) * ndim
    return tuple(name or f"phony_dim_{axis}" for axis, name in enumerate(names))


def _wanted(group: ManifestGroup, loadable_variables: Collection[str] | None) -> frozenset[str]:
    if loadable_variables is None:
        return frozenset(
            name
            for name, array in group.arrays.items()
            if array.ndim == 1 and dimension_names(array) == (name,)
        )
    wanted = frozenset([loadable_variables] if isinstance(loadable_variables, str) else loadable_variables)
    known = {*group.arrays, *group.unreadable}
    if unknown := sorted(wanted - known):
        raise KeyError(
            f"loadable_variables names {', '.join(map(repr, unknown))}; here are {', '.join(sorted(known))}"
        )
    return wanted


def decode_loaded(
    loaded: Mapping[Hashable, xr.Variable], decode_times: bool | None
) -> dict[Hashable, xr.Variable]:
    """Loaded variables as xarray decodes them, with what they were in ``encoding``."""
    if not loaded:
        return {}
    # Sequences of any length have no CF decoding, and xarray fails on them.
    ragged = {name: variable for name, variable in loaded.items() if _is_ragged(variable)}
    plain = {name: variable for name, variable in loaded.items() if name not in ragged}
    try:
        decoded = _decode(plain, times=decode_times is not False)
    except (ValueError, OverflowError):
        if decode_times is not None:
            raise
        decoded = {}
        for name, variable in plain.items():
            decoded |= _decode_if_possible(name, variable)
    return decoded | ragged


def _decode(stored: Mapping[Hashable, xr.Variable], *, times: bool) -> dict[Hashable, xr.Variable]:
    variables, _, _ = xr.conventions.decode_cf_variables(stored, {}, decode_coords=False, decode_times=times)
    return {name: variable.load() for name, variable in variables.items()}


def _decode_if_possible(name: Hashable, stored: xr.Variable) -> dict[Hashable, xr.Variable]:
    """A variable decoded, or as numbers if it counts time in a way that xarray does not know: months, years."""
    try:
        return _decode({name: stored}, times=True)
    except (ValueError, OverflowError):
        units, calendar = (stored.attrs.get(key) for key in TIME_ATTRIBUTES)
        said = f"units {units!r}" + (f" and calendar {calendar!r}" if calendar is not None else "")
        warnings.warn(
            f"{name!r} cannot be decoded as times: xarray does not know {said}. It stays the numbers that are stored, with their "
            "units; to say it without this warning: decode_times=False",
            UnreadableVariableWarning,
            stacklevel=5,
        )
        return _decode({name: stored}, times=False)


def _is_ragged(variable: xr.Variable) -> bool:
    return variable.dtype.kind == "O" and any(isinstance(value, np.ndarray) for value in variable.values.flat)


def _order(group: ManifestGroup, variables: Mapping[Hashable, xr.Variable]) -> list[str]:
    return [name for name in (*group.arrays, *group.unreadable) if name in variables]


def _as_dataset(group: ManifestGroup, variables: dict[str, xr.Variable]) -> xr.Dataset:
    coordinates = {name for name, variable in variables.items() if variable.dims == (name,)}
    attributes = dict(group.attributes)
    encoding: dict[str, Any] = {}
    for variable in variables.values():
        coordinates |= _take_coordinates(variable.attrs, variable.encoding, variables)
    coordinates |= _take_coordinates(attributes, encoding, variables)
    indexes = {}
    coords: dict[Hashable, xr.Variable] = {}
    for name in sorted(coordinates, key=list(variables).index):
        variable = variables[name]
        if variable.dims == (name,) and not isinstance(variable._data, ManifestArray):
            index = PandasIndex.from_variables({name: variable}, options={})
            coords |= index.create_variables({name: variable})
            indexes[name] = index
        else:
            coords[name] = variable
    dataset = xr.Dataset(
        {name: variable for name, variable in variables.items() if name not in coordinates},
        coords=xr.Coordinates(coords, indexes=indexes),
        attrs=attributes,
    )
    dataset.encoding = encoding
    return dataset


def _take_coordinates(
    attributes: dict[str, Any], encoding: dict[Any, Any], known: Collection[str]
) -> set[str]:
    """Move a CF ``coordinates`` attribute to the encoding, if every name in it is there, and give the names."""
    text = attributes.get("coordinates")
    if not isinstance(text, str):
        return set()
    names = text.split()
    if not names or any(name not in known for name in names):
        return {name for name in names if name in known}
    encoding["coordinates"] = attributes.pop("coordinates")
    return set(names)


def _report_unreadable(unreadable: Mapping[str, UnreadableVariable], path: str) -> None:
    if not unreadable:
        return
    where = f" of group {path!r}" if path else ""
    lines = [f"  {name}: {variable.reason}" for name, variable in unreadable.items()]
    names = sorted(name for name, variable in unreadable.items() if variable.loadable)
    advice = (
        f"\nTo have {'them' if len(names) > 1 else 'it'}, load: loadable_variables={names}" if names else ""
    )
    warnings.warn(
        f"{len(unreadable)} variable{'s' * (len(unreadable) != 1)}{where} cannot be virtualized and "
        f"{'are' if len(unreadable) != 1 else 'is'} left out:\n" + "\n".join(lines) + advice,
        UnreadableVariableWarning,
        stacklevel=4,
    )


def tell_where_variables_are(group: ManifestGroup, path: str) -> None:
    """Warn of a group that has no variables while groups below it do, as most GRIB files are."""
    if group.arrays:
        return
    names = [f"{path}/{name}".strip("/") for name, part in group.walk() if part.arrays]
    if not names:
        return
    shown = ", ".join(map(repr, names[:_GROUPS_NAMED])) + (", ..." if len(names) > _GROUPS_NAMED else "")
    warnings.warn(
        f"{f'Group {path!r}' if path else 'The root group'} has no variables of its own; they are in {len(names)} "
        f"group{'s' * (len(names) != 1)} below it: {shown}. Open one with group={names[0]!r}, or all as a tree with "
        "open_virtual_datatree or, decoded, xarray.open_datatree(..., engine='vzlab').",
        VariablesInGroupsWarning,
        stacklevel=3,
    )


def is_virtual(variable: xr.Variable | xr.DataArray) -> bool:
    """Whether a variable holds references instead of values."""
    inner = variable.variable if isinstance(variable, xr.DataArray) else variable
    return isinstance(inner._data, ManifestArray)


def references_of(variable: xr.Variable) -> ManifestArray:
    """The virtual array that a variable wraps, as it is: without the variable's attributes.

    Raises
    ------
    TypeError
        If the variable is not virtual.
    """
    data: Any = variable._data
    if not isinstance(data, ManifestArray):
        raise TypeError(f"The variable holds a {type(data).__name__}; expected references")
    return data


def manifest_array(variable: xr.Variable | xr.DataArray) -> ManifestArray:
    """The virtual array of a variable, with the variable's attributes and dimension names in its metadata.

    Raises
    ------
    TypeError
        If the variable is not virtual.
    LostMeaningError
        If the variable has lost attributes such as ``scale_factor`` that it was opened with.
    """
    inner = variable.variable if isinstance(variable, xr.DataArray) else variable
    array = references_of(inner)
    lost = [name for name in meaning_of(array.metadata.attributes) if name not in inner.attrs]
    if lost:
        raise LostMeaningError(
            f"A virtual variable over {inner.dims} was opened with {', '.join(lost)}, and has lost "
            f"{'them' if len(lost) > 1 else 'it'}: its stored numbers would be taken for values. xarray's combining "
            'functions drop attributes unless told combine_attrs="drop_conflicts". Put them back from the file, or set '
            "them to None to leave them out on purpose."
        )
    attributes = {name: value for name, value in inner.attrs.items() if value is not None}
    if "coordinates" in inner.encoding:
        attributes["coordinates"] = inner.encoding["coordinates"]
    metadata = replace(array.metadata, attributes=attributes, dimension_names=tuple(map(str, inner.dims)))
    return replace(array, metadata=metadata)


def dataset_to_group(dataset: xr.Dataset | xr.DataTree) -> ManifestGroup:
    """The virtual variables of a dataset or tree; variables in memory are left out."""
    groups: dict[str, ManifestGroup] = {}
    if isinstance(dataset, xr.DataTree):
        groups = {name: dataset_to_group(child) for name, child in dataset.children.items()}
        dataset = dataset.to_dataset(inherit=False)
    return ManifestGroup(
        arrays={
            str(name): manifest_array(variable)
            for name, variable in dataset.variables.items()
            if is_virtual(variable)
        },
        groups=groups,
        attributes={str(name): _plain(value) for name, value in dataset.attrs.items()},
    )


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value
