"""Inspect anything: find out what kind of object it is, and let the module for that kind describe it."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from importlib import import_module
from typing import Any

from vzlab.inspection.model import Inspection

KINDS = ("from_icechunk", "from_manifests", "from_files", "from_location", "from_zarr", "from_xarray")
"""Modules of this package, asked in order. Each has ``handles(x) -> bool``, which imports nothing and reads nothing, and
``inspect(x, **options) -> Inspection``, which takes all options of `inspect` and uses what concerns it. The last two
import zarr, which a path does not need."""


def inspect(
    x: Any,
    *,
    group: str | None = None,
    parser: Any = None,
    registry: Any = None,
    storage_options: Mapping[str, Any] | None = None,
    since: str | None = None,
) -> Inspection:
    """Say what something contains: groups, variables, chunks, codecs, encodings, bytes.

    Nothing is read that parsing, or the object's own metadata, does not hold already: no chunk is fetched.

    Parameters
    ----------
    x
        A url or path of any known format, a list of them or a glob, a dict of Kerchunk references, an xarray Dataset,
        DataTree, DataArray or Variable (virtual, lazy, in memory or mixed), a ManifestStore, ManifestGroup or ManifestArray
        (ours or VirtualiZarr's), a zarr Group, Array or Store, or an Icechunk Repository, Session, store or Storage.
    group : str, optional
        Path of the group to look at; None for everything.
    parser : callable, optional
        For a url: ``(url, registry) -> ManifestGroup``; None takes the one for its format.
    registry, storage_options : optional
        For a url: as `vzlab.open_virtual_dataset` takes them.

    since : str, optional
        For an Icechunk repository: a branch, tag or snapshot before this version; `Inspection.history` then says what
        changed from there on.

    Returns
    -------
    Inspection
        Shown as HTML in a notebook and as text elsewhere; ``.to_html(path)`` writes a page.

    Raises
    ------
    TypeError
        If it is nothing that can be inspected.

    Examples
    --------
    >>> import vzlab as vz
    >>> vz.inspect("archive/sst_2025-01-01.nc").n_chunks
    21
    """
    for name in KINDS:
        module = import_module(f"vzlab.inspection.{name}")
        if module.handles(x):
            found: Inspection = module.inspect(
                x, group=group, parser=parser, registry=registry, storage_options=storage_options, since=since
            )
            return found
    kind = (
        type(x).__qualname__
        if type(x).__module__ == "builtins"
        else f"{type(x).__module__}.{type(x).__qualname__}"
    )
    found_kind = f"an empty {kind}" if isinstance(x, Sized) and not len(x) else kind
    raise TypeError(
        f"Found {found_kind}; expected a url or path, a list of them, an xarray object, a "
        "virtual array, group or store, a zarr array, group or store, or an object of Icechunk's"
    )
