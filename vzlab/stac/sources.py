"""What to open from STAC items: urls, and options for the store that they lie in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pystac

# fsspec's names, which STAC assets carry, in obstore's.
_NAMES = {
    "anon": "skip_signature",
    "key": "access_key_id",
    "secret": "secret_access_key",
    "token": "session_token",
    "endpoint_url": "endpoint",
    "region_name": "region",
    "account_name": "account_name",
    "account_key": "account_key",
    "sas_token": "sas_token",
}


class StacSources(NamedTuple):
    """Files that STAC items lead to."""

    urls: list[str]
    """In the order of the items."""
    storage_options: dict[str, Any] | None
    """For all of them, as `open_virtual_mfdataset` takes it; None where the items say nothing."""


def urls_from_stac(
    items: pystac.Item | pystac.Collection | pystac.Asset | Iterable[Any], asset: str | None = None
) -> StacSources:
    """The files that items lead to: ``urls, options = urls_from_stac(items); open_virtual_mfdataset(urls, ...)``.

    Parameters
    ----------
    items : Item, Collection, Asset, ItemCollection, or list of them
    asset : str, optional
        Key of the asset; None takes the only one, or the only one of role ``"data"``.

    Returns
    -------
    StacSources
        ``urls``, in the order of the items, and ``storage_options``, which the items say; it unpacks as these two.

    Raises
    ------
    KeyError
        If an item has no such asset.
    ValueError
        If it is not clear which asset is meant, there are none, or assets need different options.

    Examples
    --------
    >>> import vzlab as vz
    >>> _ = vz.open_virtual_dataset("archive/sst_2025-01-01.nc").vzlab.to_icechunk("cube")
    >>> urls, options = vz.urls_from_stac(vz.to_stac_item("cube", id="sst"), asset="icechunk")
    >>> [url.split("/")[-1] for url in urls]
    ['cube']
    """
    given = [items] if isinstance(items, pystac.Item | pystac.Collection | pystac.Asset) else list(items)
    assets = [each if isinstance(each, pystac.Asset) else _asset(each, asset) for each in given]
    if not assets:
        raise ValueError("There are no items to open")
    urls = [each.get_absolute_href() or each.href for each in assets]
    options = [_options(each) for each in assets]
    if any(each != options[0] for each in options[1:]):
        raise ValueError(
            "The assets lie in stores that need different options: open each group for itself, or give a registry"
        )
    return StacSources(urls, options[0] or None)


def _asset(item: pystac.Item | pystac.Collection, key: str | None) -> pystac.Asset:
    known = ", ".join(f"{name!r}" for name in item.assets) or "none"
    if key is not None:
        if key not in item.assets:
            raise KeyError(f"{item.id} has no asset {key!r}; it has {known}")
        return item.assets[key]
    data = [each for each in item.assets.values() if "data" in (each.roles or ())] or list(
        item.assets.values()
    )
    if len(data) != 1:
        raise ValueError(f"{item.id} has {len(data)} assets that may be meant: give asset=, one of {known}")
    return data[0]


def _options(asset: pystac.Asset) -> dict[str, Any]:
    """Options of an asset: its storage scheme's, then those that xarray-assets or the file extension give for fsspec."""
    options: dict[str, Any] = {}
    for scheme in _schemes(asset):
        options |= {"region": scheme["region"]} if "region" in scheme else {}
        options |= {"skip_signature": True} if scheme.get("anonymous") else {}
        platform = str(scheme.get("platform", ""))
        if platform.endswith("/{bucket}"):
            options["endpoint"] = platform.removesuffix("/{bucket}")
    given = asset.extra_fields.get("xarray:storage_options") or {}
    if "remote_protocol" in given:  # of references: for the files referred to
        return options
    for name, value in {**given, **given.get("client_kwargs", {})}.items():
        if name in _NAMES:
            options[_NAMES[name]] = value
    return options


def _schemes(asset: pystac.Asset) -> list[Mapping[str, Any]]:
    owner: Any = asset.owner
    if owner is None:
        return []
    fields = {**owner.extra_fields, **getattr(owner, "properties", {})}
    schemes = fields.get("storage:schemes", {})
    return [schemes[name] for name in asset.extra_fields.get("storage:refs", ()) if name in schemes]
