"""From urls to bytes: object stores, local files, checked reads, and the Zarr store over a manifest."""

from vzlab.storage.block_reader import BlockReader
from vzlab.storage.cached_source import CachedSource
from vzlab.storage.listing import Listing
from vzlab.storage.manifest_store import ManifestStore
from vzlab.storage.reading import read_array
from vzlab.storage.registry import StoreRegistry, as_registry
from vzlab.storage.request_log import Request, RequestLog
from vzlab.storage.source import Source
from vzlab.storage.urls import join_url, local_path, normalize_url, url_name

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
]
