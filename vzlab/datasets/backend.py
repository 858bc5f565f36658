"""``engine="vzlab"`` of xarray: any known format lazily, decoded by xarray."""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import Any, ClassVar

import xarray as xr
from xarray.backends import BackendEntrypoint, ZarrStore
from xarray.backends.store import StoreBackendEntrypoint

from vzlab.datasets.assemble import Loader, decode_loaded, loaded_variable, tell_where_variables_are
from vzlab.datasets.open import native_loader
from vzlab.detection import detect_format
from vzlab.errors import UnreadableVariableWarning
from vzlab.interop.virtualizarr import parse
from vzlab.manifests import ManifestGroup
from vzlab.parsers import parser_for
from vzlab.parsers.anonymous import with_dimension_names
from vzlab.parsers.unlimited import with_common_lengths
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
        "loadable_variables",
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
        loadable_variables: str | Iterable[str] = (),
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
        loadable_variables : str or iterable of str, optional
            Variables that no reference can say, such as sequences of varying length or long doubles, to read now: whole, by
            the format's own library. All others are read when they are used.
        **options
            Of the format's parser.

        Warns
        -----
        UnreadableVariableWarning
            Names variables that cannot be virtual and are left out, with the reason.
        VariablesInGroupsWarning
            Names the groups that hold the variables, if this one has none.
        """
        store, load = _opened(filename_or_obj, parser, registry, storage_options, drop_variables, options)
        path = (group or "").strip("/")
        found = store.group[path]
        if not isinstance(found, ManifestGroup):
            raise KeyError(f"{group!r} is an array; expected a group")
        tell_where_variables_are(found, path)
        return _decoded(
            store,
            path,
            found,
            load=load,
            loadable_variables=_known(loadable_variables, {"": found}),
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
        loadable_variables: str | Iterable[str] = (),
        **options: Any,
    ) -> dict[str, xr.Dataset]:
        """Open each group of a file by its path; see `open_dataset`."""
        decoding = {name: options.pop(name) for name in _DECODING if name in options}
        store, load = _opened(filename_or_obj, parser, registry, storage_options, drop_variables, options)
        base = (group or "").strip("/")
        top = store.group[base]
        if not isinstance(top, ManifestGroup):
            raise KeyError(f"{group!r} is an array; expected a group")
        parts = dict(top.walk())
        wanted = _known(loadable_variables, parts)
        return {
            f"/{path}": _decoded(
                store,
                "/".join(filter(None, (base, path))),
                part,
                load=load,
                loadable_variables=wanted,
                drop_variables=drop_variables,
                **decoding,
            )
            for path, part in parts.items()
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


def _opened(
    filename_or_obj: Any,
    parser: Any,
    registry: Any,
    storage_options: Mapping[str, Any] | None,
    drop_variables: str | Iterable[str] | None,
    options: Mapping[str, Any],
) -> tuple[ManifestStore, Loader]:
    """A file as a store, and what loads that which the store lacks."""
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
    parsed = with_common_lengths(parse(parser, url, stores).without(dropped))
    store = ManifestStore(with_dimension_names(parsed), stores)
    return store, native_loader(parser, url, stores)


def _known(wanted: str | Iterable[str], parts: Mapping[str, ManifestGroup]) -> frozenset[str]:
    """Names of variables to load, if some group has each of them."""
    names = frozenset(_names(wanted))
    known = {name for part in parts.values() for name in (*part.arrays, *part.unreadable)}
    if unknown := sorted(names - known):
        raise KeyError(
            f"loadable_variables names {', '.join(map(repr, unknown))}; here are {', '.join(sorted(known))}"
        )
    return names


def _names(names: str | Iterable[str] | None) -> Collection[str]:
    if names is None:
        return ()
    return (names,) if isinstance(names, str) else tuple(names)


def _decoded(
    store: ManifestStore,
    path: str,
    group: ManifestGroup,
    *,
    load: Loader,
    loadable_variables: Collection[str],
    drop_variables: str | Iterable[str] | None,
    **decoding: Any,
) -> xr.Dataset:
    left_out = {name: v for name, v in group.unreadable.items() if name not in loadable_variables}
    if left_out:
        lines = [f"  {name}: {variable.reason}" for name, variable in left_out.items()]
        loadable = sorted(name for name, variable in left_out.items() if variable.loadable)
        advice = [f"To have them, load: loadable_variables={loadable}"] if loadable else []
        text = "\n".join(
            [f"Left out of {path or 'the root group'}, since no reference can say them:", *lines, *advice]
        )
        warnings.warn(text, UnreadableVariableWarning, stacklevel=4)
    opened = ZarrStore.open_group(store, mode="r", group=path or None, consolidated=False, zarr_format=3)
    dataset: xr.Dataset = StoreBackendEntrypoint().open_dataset(
        opened, drop_variables=drop_variables, **decoding
    )
    loaded: dict[Hashable, xr.Variable] = {
        name: loaded_variable(name, variable, load(f"{path}/{name}" if path else name, variable))
        for name, variable in group.unreadable.items()
        if name in loadable_variables
    }
    return dataset.assign(decode_loaded(loaded, decoding.get("decode_times"))) if loaded else dataset
