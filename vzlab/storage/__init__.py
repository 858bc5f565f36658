"""From urls to bytes: object stores, local files, checked reads, and the Zarr store over a manifest."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeGuard

from vzlab.lazy import lazy_names
from vzlab.storage.block_reader import BlockReader
from vzlab.storage.cached_source import CachedSource
from vzlab.storage.listing import Listing
from vzlab.storage.reading import read_array
from vzlab.storage.registry import StoreRegistry, as_registry
from vzlab.storage.request_log import Request, RequestLog
from vzlab.storage.source import Source
from vzlab.storage.urls import join_url, local_path, normalize_url, url_name, url_names

if TYPE_CHECKING:
    from vzlab.storage.manifest_store import ManifestStore
else:
    # Who makes no Zarr store needs no zarr, which takes as long to import as all the rest.
    __getattr__, __dir__ = lazy_names(__name__, {"manifest_store": ("ManifestStore",)})

__all__ = [
    "BlockReader",
    "CachedSource",
    "Listing",
    "ManifestStore",
    "Request",
    "RequestLog",
    "Source",
    "StoreRegistry",
    "as_registry",
    "join_url",
    "local_path",
    "normalize_url",
    "read_array",
    "url_name",
    "url_names",
]


def is_manifest_store(x: object) -> TypeGuard[ManifestStore]:
    """Whether it is a `ManifestStore`. Imports nothing: where there is one, its module has been imported.

    Parameters
    ----------
    x : object

    Returns
    -------
    bool
    """
    # Another thread may be importing it just now.
    kind: Any = getattr(sys.modules.get("vzlab.storage.manifest_store"), "ManifestStore", ())
    return isinstance(x, kind)
