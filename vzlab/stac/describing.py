"""STAC items and collections of virtual datasets: what, where, when, and how to open it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import pystac
import xarray as xr

from vzlab.datasets import is_virtual, open_virtual_dataset
from vzlab.datasets.assemble import references_of
from vzlab.stac.assets import Assets, Kind, assets_of, kind_of
from vzlab.stac.datacube import DATACUBE, datacube_of
from vzlab.stac.extents import Box, Extents, extents_of
from vzlab.storage import normalize_url


def to_stac_item(
    source: Any,
    href: str | os.PathLike[str] | None = None,
    *,
    id: str,  # noqa: A002  as in STAC
    title: str | None = None,
    description: str | None = None,
    collection: str | None = None,
    kind: Kind | None = None,
    version: str | None = None,
    box: Box | None = None,
    begin: datetime | None = None,
    end: datetime | None = None,
    storage_options: Mapping[str, Any] | None = None,
    source_options: Mapping[str, Any] | None = None,
    group: str | None = None,
) -> pystac.Item:
    """Describe a virtual dataset as one STAC item.

    Parameters
    ----------
    source : Dataset, path, url, or repository, session or store of Icechunk's
        What is described. Of a repository or a file of references, coordinates that index their dimension are read, as
        `open_virtual_dataset` does; of a dataset, nothing.
    href : str or path, optional
        Where the repository (or file of Kerchunk references) lies; None for `source`, if that is a path or url.
    id, title, description, collection : str
        As in STAC; `collection` is the id of the collection that the item is part of.
    kind : {"icechunk", "kerchunk json", "kerchunk parquet", "zarr"}, optional
        What lies at `href`; None tells it from the name.
    version : str, optional
        Branch, tag or snapshot of a repository.
    box : tuple of float, optional
        West, south, east, north in degrees; None takes the loaded longitudes and latitudes.
    begin, end : datetime, optional
        None takes the first and the last loaded time.
    storage_options, source_options : mapping, optional
        For the store at `href`, and for the files referred to: ``region``, ``endpoint``, ``skip_signature`` are told;
        secrets never are.
    group : str, optional
        Group of the source to describe.

    Returns
    -------
    pystac.Item
        With the datacube extension's dimensions and variables, and as assets the store and the places of its chunks.

    Raises
    ------
    ValueError
        If it is not known where the dataset lies or what time it is of.

    Examples
    --------
    >>> import vzlab as vz
    >>> _ = vz.open_virtual_dataset("archive/sst_2025-01-01.nc").vzlab.to_icechunk("item")
    >>> vz.to_stac_item("item", id="sst").bbox
    [-180.0, -89.0, 180.0, 89.0]
    """
    dataset, extents, assets = _describe(
        source, href, kind, title, version, box, begin, end, storage_options, source_options, group
    )
    item = pystac.Item(
        id=id,
        geometry=extents.geometry,
        bbox=list(extents.box) if extents.box else None,
        # One time is the item's; of a stretch, its ends are.
        datetime=extents.begin if extents.begin == extents.end else None,
        start_datetime=extents.begin if extents.begin != extents.end else None,
        end_datetime=extents.end if extents.begin != extents.end else None,
        properties={
            **({"title": title} if title else {}),
            **({"description": description} if description else {}),
            **datacube_of(dataset),
        },
        stac_extensions=[DATACUBE, *assets.extensions],
        collection=collection,
        assets=dict(assets.assets),
    )
    if assets.schemes:
        item.properties["storage:schemes"] = dict(assets.schemes)
    return item


def to_stac_collection(
    source: Any,
    href: str | os.PathLike[str] | None = None,
    *,
    id: str,  # noqa: A002  as in STAC
    description: str,
    title: str | None = None,
    license: str = "other",  # noqa: A002  as in STAC
    items: Iterable[pystac.Item] = (),
    kind: Kind | None = None,
    version: str | None = None,
    box: Box | None = None,
    begin: datetime | None = None,
    end: datetime | None = None,
    storage_options: Mapping[str, Any] | None = None,
    source_options: Mapping[str, Any] | None = None,
    group: str | None = None,
) -> pystac.Collection:
    """Describe a virtual dataset as a STAC collection: the form for many times or places in one store.

    Parameters
    ----------
    source, href, id, title, description, kind, version, box, begin, end, storage_options, source_options, group
        As for `to_stac_item`.
    license : str
        An SPDX identifier, or ``"other"``.
    items : iterable of pystac.Item
        They become the collection's.

    Returns
    -------
    pystac.Collection
        With the same extensions and assets as an item; its extent is the box and the times.

    Raises
    ------
    ValueError
        If it is not known where the dataset lies, or what place or time it is of.

    Examples
    --------
    >>> import vzlab as vz
    >>> _ = vz.open_virtual_dataset("archive/sst_2025-01-01.nc").vzlab.to_icechunk("described")
    >>> collection = vz.to_stac_collection("described", id="sst", description="Invented", license="CC0-1.0")
    >>> sorted(collection.assets)
    ['icechunk', 'source']
    """
    dataset, extents, assets = _describe(
        source, href, kind, title, version, box, begin, end, storage_options, source_options, group
    )
    if extents.box is None:
        raise ValueError(
            "No longitudes and latitudes are loaded, and a collection needs its extent: give box=(west, south, east, north)"
        )
    collection = pystac.Collection(
        id=id,
        description=description,
        title=title,
        license=license,
        extent=pystac.Extent(
            pystac.SpatialExtent([list(extents.box)]), pystac.TemporalExtent([[extents.begin, extents.end]])
        ),
        stac_extensions=[DATACUBE, *assets.extensions],
        extra_fields=datacube_of(dataset),
        assets=dict(assets.assets),
    )
    if assets.schemes:
        collection.extra_fields["storage:schemes"] = dict(assets.schemes)
    collection.add_items(items)
    return collection


def _describe(
    source: Any,
    href: str | os.PathLike[str] | None,
    kind: Kind | None,
    title: str | None,
    version: str | None,
    box: Box | None,
    begin: datetime | None,
    end: datetime | None,
    storage_options: Mapping[str, Any] | None,
    source_options: Mapping[str, Any] | None,
    group: str | None,
) -> tuple[xr.Dataset, Extents, Assets]:
    if href is None:
        if not isinstance(source, str | os.PathLike):
            raise ValueError(
                f"A {type(source).__name__} does not say where it lies: give href=, the url that others are to open"
            )
        href = source
    url = normalize_url(href)
    dataset = source if isinstance(source, xr.Dataset) else _open(source, storage_options, group)
    found = extents_of(dataset)
    extents = Extents(box=box or found.box, begin=begin or found.begin, end=end or found.end)
    if extents.begin is None or extents.end is None:
        raise ValueError(
            "No time is loaded, and STAC needs one: give begin= and end=, or loadable_variables=['time']"
        )
    assets = assets_of(
        url,
        key=kind_key(kind or kind_of(url)),
        kind=kind or kind_of(url),
        title=title,
        version=version,
        prefixes=_prefixes(dataset),
        storage_options=storage_options or {},
        source_options=source_options or {},
    )
    return dataset, extents, assets


def kind_key(kind: Kind) -> str:
    """The key of the asset of a virtual dataset."""
    return kind.partition(" ")[0]


def _open(source: Any, storage_options: Mapping[str, Any] | None, group: str | None) -> xr.Dataset:
    return open_virtual_dataset(source, storage_options=storage_options, group=group)


def _prefixes(dataset: xr.Dataset) -> list[str]:
    """The deepest folders, one for each bucket or server, under which all referred files lie."""
    folders: dict[str, list[str]] = {}
    for variable in dataset.variables.values():
        if is_virtual(variable):
            for url in references_of(variable).manifest.urls:
                scheme, _, rest = url.partition("://")
                folders.setdefault(f"{scheme}://{rest.partition('/')[0]}", []).append(url.rpartition("/")[0])
    return sorted(_common(urls) + "/" for urls in folders.values())


def _common(folders: list[str]) -> str:
    """The longest path that all begin with, by whole segments."""
    lowest, highest = min(folders).split("/"), max(folders).split("/")
    n_shared = next(
        (i for i, (a, b) in enumerate(zip(lowest, highest, strict=False)) if a != b),
        min(len(lowest), len(highest)),
    )
    return "/".join(lowest[:n_shared])
