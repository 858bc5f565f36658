"""Open a file of any known format as a virtual dataset, a virtual tree, or a Zarr store."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import xarray as xr

from vzlab.datasets.assemble import Loader, assemble_dataset, tell_where_variables_are
from vzlab.detection import detect_format
from vzlab.interop import virtualizarr
from vzlab.manifests import ManifestArray, ManifestGroup, UnreadableVariable
from vzlab.parsers import parser_for
from vzlab.parsers.anonymous import with_fitting_dimensions
from vzlab.parsers.base import Parser
from vzlab.parsers.unlimited import with_common_lengths
from vzlab.storage import ManifestStore, StoreRegistry, as_registry, normalize_url, read_array

type Location = str | os.PathLike[str] | Any
"""A path or url, a dict of Kerchunk references, or a repository, session or store of Icechunk's."""


def open_virtual_dataset(
    url: Location,
    *,
    parser: Any = None,
    registry: Any = None,
    storage_options: Mapping[str, Any] | None = None,
    group: str | None = None,
    loadable_variables: Collection[str] | None = None,
    drop_variables: Collection[str] | None = None,
    decode_times: bool | None = None,
) -> xr.Dataset:
    """Open one file as a dataset of references to its chunks.

    Parameters
    ----------
    url : str or path
        A path, or a ``file``, ``s3``, ``gs``, ``az``, ``http``, ``https`` or ``memory`` url. Or an object that stands for
        a file: a dict of Kerchunk references, or a repository, session or store of Icechunk's.
    parser : callable, optional
        ``(url, registry) -> ManifestGroup``, or one of VirtualiZarr's; None takes the one for the format that the first bytes
        show.
    registry : optional
        Which store serves which url: a `StoreRegistry`, an ``obspec_utils`` ``ObjectStoreRegistry``, or a mapping of url
        prefixes to obstore stores. None works it out from the url.
    storage_options : mapping, optional
        For the store worked out from the url: ``skip_signature``, ``region``, ``endpoint``, ...
    group : str, optional
        Path of the group to open; None is the root.
    loadable_variables : collection of str, optional
        Variables to read into memory now, decoded. None reads one-dimensional coordinates that index their dimension; names
        take their place, so name these coordinates as well to keep them loaded; ``[]`` reads no data at all. A variable that
        no reference can say, such as one of sequences of varying length or long doubles, is read only if it is named here:
        whole, by the format's own library. It cannot be written then.
    drop_variables : collection of str, optional
        Names, or paths, of variables to leave out.
    decode_times : bool, optional
        Whether loaded times are decoded; None is True, but of times that nobody can decode (months, years), which stay numbers
        with a warning. A virtual time always stays encoded.

    Returns
    -------
    xarray.Dataset
        Virtual variables hold stored values with their attributes as in the file, packing and ``_FillValue`` included.

    Warns
    -----
    UnreadableVariableWarning
        Names variables that cannot be virtualized and are left out, with the reason.
    VariablesInGroupsWarning
        Names the groups that hold the variables, if this one has none.

    Examples
    --------
    >>> import vzlab as vz
    >>> vz.open_virtual_dataset("archive/sst_2025-01-01.nc").vzlab.n_refs
    18
    """
    parsed = _parse(url, parser, as_registry(registry, storage_options), group, drop_variables)
    path = (group or "").strip("/")
    tell_where_variables_are(parsed.group, path)
    return parsed.dataset(
        with_fitting_dimensions(with_common_lengths(parsed.group)),
        path,
        _copied(loadable_variables),
        decode_times,
    )


def open_virtual_datatree(
    url: Location,
    *,
    parser: Any = None,
    registry: Any = None,
    storage_options: Mapping[str, Any] | None = None,
    group: str | None = None,
    loadable_variables: Collection[str] | None = None,
    drop_variables: Collection[str] | None = None,
    decode_times: bool | None = None,
) -> xr.DataTree:
    """Open one file with all its groups.

    Parameters
    ----------
    url, parser, registry, storage_options, decode_times
        As for `open_virtual_dataset`.
    group : str, optional
        Path of the group that becomes the root of the tree; None is the file's root.
    loadable_variables : collection of str, optional
        Loaded in every group that has them; None reads one-dimensional coordinates that index their dimension.
    drop_variables : collection of str, optional
        Names, left out of every group, or paths.

    Returns
    -------
    xarray.DataTree
        With a node for each group.

    Raises
    ------
    KeyError
        If `loadable_variables` names what no group has.

    Examples
    --------
    >>> import vzlab as vz
    >>> tree = vz.open_virtual_datatree("archive/sst_2025-01-01.nc")
    >>> tree["sst"].shape
    (1, 90, 180)
    """
    parsed = _parse(url, parser, as_registry(registry, storage_options), group, drop_variables)
    root = with_fitting_dimensions(with_common_lengths(parsed.group))
    wanted = _copied(loadable_variables)
    if wanted is not None:
        known = {name for _, part in root.walk() for name in (*part.arrays, *part.unreadable)}
        if unknown := sorted(wanted - known):
            raise KeyError(f"loadable_variables names {', '.join(map(repr, unknown))}, which no group has")
    nodes = {}
    for path, part in root.walk():
        here = None if wanted is None else wanted & {*part.arrays, *part.unreadable}
        full = "/".join(filter(None, [(group or "").strip("/"), path]))
        nodes["/" + path] = parsed.dataset(part, full, here, decode_times)
    return xr.DataTree.from_dict(nodes)


def open_manifest_store(
    url: Location,
    *,
    parser: Any = None,
    registry: Any = None,
    storage_options: Mapping[str, Any] | None = None,
) -> ManifestStore:
    """Any supported file as a read-only Zarr store: ``zarr.open_group(open_manifest_store(url), mode="r")``.

    Parameters
    ----------
    url : str, path or other location
        Of a file of any known format.
    parser : callable, optional
        ``(url, registry) -> ManifestGroup``; by default the one for the file's format.
    registry : StoreRegistry, optional
        Stores and credentials by url prefix.
    storage_options : dict, optional
        What opening the url needs, such as ``{"skip_signature": True, "region": "us-east-1"}``.

    Returns
    -------
    ManifestStore
        It reads chunks when they are asked for.

    Raises
    ------
    UnsupportedFormatError
        If no parser knows the file.

    Examples
    --------
    >>> import vzlab as vz
    >>> import zarr
    >>> zarr.open_group(vz.open_manifest_store("archive/sst_2025-01-01.nc"), mode="r")["sst"].shape
    (1, 90, 180)
    """
    stores = as_registry(registry, storage_options)
    return ManifestStore(open_group(url, parser=parser, registry=stores), stores)


def open_group(
    url: Location,
    *,
    parser: Any = None,
    registry: Any = None,
    storage_options: Mapping[str, Any] | None = None,
) -> ManifestGroup:
    """Parse one file of any known format into a `ManifestGroup`.

    Parameters
    ----------
    url : str, path or other location
        Of a file of any known format.
    parser : callable, optional
        ``(url, registry) -> ManifestGroup``; by default the one for the file's format.
    registry : StoreRegistry, optional
        Stores and credentials by url prefix.
    storage_options : dict, optional
        What opening the url needs, such as ``{"skip_signature": True, "region": "us-east-1"}``.

    Returns
    -------
    ManifestGroup
        Arrays, groups and attributes; what cannot be virtual is named in ``unreadable``.

    Raises
    ------
    UnsupportedFormatError
        If no parser knows the file.

    Examples
    --------
    >>> import vzlab as vz
    >>> vz.open_group("archive/sst_2025-01-01.nc")["sst"].manifest.reference((0, 1, 1)).length
    1622
    """
    return _parse(url, parser, as_registry(registry, storage_options)).group


@dataclass(frozen=True, kw_only=True)
class _Parsed:
    """What a file holds, with what it takes to read values of it."""

    group: ManifestGroup
    parser: Any
    location: Any
    registry: StoreRegistry

    def dataset(
        self,
        part: ManifestGroup,
        path: str,
        loadable_variables: Collection[str] | None,
        decode_times: bool | None,
    ) -> xr.Dataset:
        """The dataset of a group of it, at a path from the root of the file."""

        def read(name: str, array: ManifestArray) -> npt.NDArray[Any]:
            return read_array(array, self.registry, name=name)

        return assemble_dataset(
            part,
            read=read,
            load_unreadable=native_loader(self.parser, self.location, self.registry),
            loadable_variables=loadable_variables,
            decode_times=decode_times,
            path=path,
        )


def _parse(
    url: Location,
    parser: Any,
    registry: StoreRegistry,
    group: str | None = None,
    drop_variables: Collection[str] | None = None,
) -> _Parsed:
    """Parse a file, by the parser of its format if none is given. Of what others' parsers give, take group and variables."""
    # An object that stands for a file has no url.
    location = normalize_url(url) if isinstance(url, str | os.PathLike) else url
    if parser is None:
        make = parser_for(detect_format(location, registry), location)
        parser = make(group=group, drop_variables=drop_variables or ())
    found = virtualizarr.parse(parser, location, registry)
    if group and not getattr(parser, "group", None):
        chosen = found[group]
        if not isinstance(chosen, ManifestGroup):
            raise KeyError(f"{group!r} is an array; expected a group")
        found = chosen
    if drop_variables:
        found = found.without(drop_variables)
    return _Parsed(group=found, parser=parser, location=location, registry=registry)


def native_loader(parser: Any, url: Any, registry: StoreRegistry) -> Loader:
    """What reads, by the format's own library, variables of a file that no reference can say."""

    def load(path: str, variable: UnreadableVariable) -> npt.NDArray[Any]:
        if not isinstance(parser, Parser) or not variable.loadable:
            raise NotImplementedError(
                f"{path!r} cannot be loaded: {variable.reason} Drop it: drop_variables=[{path!r}]"
            )
        return parser.load(url, registry, path)

    return load


def _copied(names: Collection[str] | None) -> frozenset[str] | None:
    if names is None:
        return None
    return frozenset([names] if isinstance(names, str) else names)
