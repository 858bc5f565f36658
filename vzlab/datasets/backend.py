"""``engine="vzlab"`` of xarray: any known format lazily, decoded by xarray."""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import xarray as xr
from xarray.backends import BackendEntrypoint, ZarrStore
from xarray.backends.store import StoreBackendEntrypoint

from vzlab.detection import detect_format
from vzlab.errors import UnreadableVariableWarning
from vzlab.interop.virtualizarr import parse
from vzlab.manifests import ManifestArray, ManifestGroup
from vzlab.parsers import parser_for
from vzlab.parsers.anonymous import AnonymousDimensions
from vzlab.storage import ManifestStore, as_registry, normalize_url


class VzlabBackendEntrypoint(BackendEntrypoint):
    """Open any format that vzlab parses with ``xr.open_dataset(url, engine="vzlab")`` or ``xr.open_datatree``.

    Values are read when they are used. What `xarray.open_dataset` takes to decode them works as with its other engines.
    Further keyword arguments are options of the format's parser; `vzlab.formats` lists them.
    """

    description = "HDF5, netCDF, GRIB, TIFF, FITS, Zarr, Kerchunk and more by their chunks, through vzlab"
    url = ""
    supports_groups = True
    # Named here, since xarray does not look for them beside **options.
    open_dataset_parameters: ClassVar[tuple[str, ...] | None] = (
        "filename_or_obj",
        "mask_and_scale",
        "decode_times",
        "concat_characters",
        "decode_coords",
        "drop_variables",
        "use_cftime",
        "decode_timedelta",
        "group",
        "parser",
        "registry",
        "storage_options",
    )

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        mask_and_scale: bool | Mapping[str, bool] = True,
        decode_times: Any = True,
        concat_characters: bool | Mapping[str, bool] = True,
        decode_coords: bool | str = True,
        drop_variables: str | Iterable[str] | None = None,
        use_cftime: Any = None,
        decode_timedelta: Any = None,
        group: str | None = None,
        parser: Any = None,
        registry: Any = None,
        storage_options: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> xr.Dataset:
        """Open one group of a file.

        Parameters
        ----------
        filename_or_obj : str or path
            A path or url, a dict of Kerchunk references, or a repository, session or store of Icechunk's.
        group : str, optional
            Path of the group to open; None is the root.
        parser : callable, optional
            ``(url, registry) -> ManifestGroup``; None takes the one for the format, with `options`.
        registry, storage_options : optional
            As `vzlab.open_virtual_dataset` takes them.
        **options
            Of the format's parser.

        Warns
        -----
        UnreadableVariableWarning
            Names variables that cannot be virtual and are left out, with the reason.
        """
        store = _manifest_store(filename_or_obj, parser, registry, storage_options, drop_variables, options)
        path = (group or "").strip("/")
        found = store.group[path]
        if not isinstance(found, ManifestGroup):
            raise KeyError(f"{group!r} is an array; expected a group")
        return _decoded(
            store,
            path,
            found,
            mask_and_scale=mask_and_scale,
            decode_times=decode_times,
            concat_characters=concat_characters,
            decode_coords=decode_coords,
            drop_variables=drop_variables,
            use_cftime=use_cftime,
            decode_timedelta=decode_timedelta,
        )

    def open_groups_as_dict(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        group: str | None = None,
        parser: Any = None,
        registry: Any = None,
        storage_options: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> dict[str, xr.Dataset]:
        """Open each group of a file by its path; see `open_dataset`."""
        decoding = {name: options.pop(name) for name in _DECODING if name in options}
        store = _manifest_store(filename_or_obj, parser, registry, storage_options, drop_variables, options)
        base = (group or "").strip("/")
        top = store.group[base]
        if not isinstance(top, ManifestGroup):
            raise KeyError(f"{group!r} is an array; expected a group")
        return {
            f"/{path}": _decoded(
                store, "/".join(filter(None, (base, path))), part, drop_variables=drop_variables, **decoding
            )
            for path, part in top.walk()
        }

    def open_datatree(
        self, filename_or_obj: Any, *, drop_variables: str | Iterable[str] | None = None, **options: Any
    ) -> xr.DataTree:
        """Open a file with all its groups; see `open_dataset`."""
        groups = self.open_groups_as_dict(filename_or_obj, drop_variables=drop_variables, **options)
        return xr.DataTree.from_dict(groups)

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Never: files that other engines open are theirs unless this one is asked for."""
        return False


_DECODING = (
    "mask_and_scale",
    "decode_times",
    "concat_characters",
    "decode_coords",
    "use_cftime",
    "decode_timedelta",
)


def _manifest_store(
    filename_or_obj: Any,
    parser: Any,
    registry: Any,
    storage_options: Mapping[str, Any] | None,
    drop_variables: str | Iterable[str] | None,
    options: Mapping[str, Any],
) -> ManifestStore:
    named = isinstance(filename_or_obj, str | os.PathLike)
    url = normalize_url(filename_or_obj) if named else filename_or_obj
    stores = as_registry(registry, storage_options)
    dropped = _names(drop_variables)
    if parser is None:
        parser = parser_for(detect_format(url, stores), url)(drop_variables=dropped, **options)
    elif options:
        raise TypeError(
            f"Found the options {', '.join(sorted(options))} beside a parser; expected them in the parser: "
            "parser=MyParser(option=...)"
        )
    return ManifestStore(_with_names(parse(parser, url, stores).without(dropped)), stores)


def _with_names(group: ManifestGroup) -> ManifestGroup:
    """A tree of which every dimension has a name: where the file gives none, one for each length, in all groups."""
    given = {
        name for _, array in group.walk_arrays() for name in array.metadata.dimension_names or () if name
    }
    made_up = AnonymousDimensions(reserved=given)

    def named(array: ManifestArray) -> ManifestArray:
        names = array.metadata.dimension_names or (None,) * array.ndim
        if None not in names:
            return array
        complete = made_up.complete(names, array.shape)
        return replace(array, metadata=replace(array.metadata, dimension_names=complete))

    return group.map_arrays(named)


def _names(drop_variables: str | Iterable[str] | None) -> Collection[str]:
    if drop_variables is None:
        return ()
    return (drop_variables,) if isinstance(drop_variables, str) else tuple(drop_variables)


def _decoded(
    store: ManifestStore,
    path: str,
    group: ManifestGroup,
    *,
    drop_variables: str | Iterable[str] | None,
    **decoding: Any,
) -> xr.Dataset:
    if group.unreadable:
        lines = [f"  {name}: {variable.reason}" for name, variable in group.unreadable.items()]
        text = "\n".join(
            [f"Left out of {path or 'the root group'}, since no reference can say them:", *lines]
        )
        warnings.warn(text, UnreadableVariableWarning, stacklevel=4)
    opened = ZarrStore.open_group(store, mode="r", group=path or None, consolidated=False, zarr_format=3)
    dataset: xr.Dataset = StoreBackendEntrypoint().open_dataset(
        opened, drop_variables=drop_variables, **decoding
    )
    return dataset
