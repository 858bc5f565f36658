"""The lab bench for virtual Zarr: see, build, trust and learn virtual datasets.

Every public name is imported when it is first used: ``import vzlab`` loads no format library, no user interface, and not
xarray either. As soon as that is imported, before or after, its datasets and trees have ``ds.vzlab``.
"""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

from vzlab import lazy as _lazy
from vzlab import on_import as _on_import

if TYPE_CHECKING:
    from vzlab import errors, learn, parsers, samples, storage, testing
    from vzlab.builder import Builder
    from vzlab.datasets import (
        check_combine,
        open_group,
        open_manifest_store,
        open_virtual_dataset,
        open_virtual_datatree,
        open_virtual_mfdataset,
        open_virtual_mfdatatree,
        reencode_plan,
    )
    from vzlab.inspection import Cost, Inspection, Recording, Trace, cost, diff, inspect, record, trace
    from vzlab.learn import doctor
    from vzlab.manifests import ArrayMetadata, ChunkGrid, ChunkManifest, ManifestArray, ManifestGroup
    from vzlab.parsers.listing import formats
    from vzlab.stac import to_stac_collection, to_stac_item, urls_from_stac
    from vzlab.storage import ManifestStore, RequestLog, StoreRegistry
    from vzlab.testing.compare import compare
    from vzlab.testing.fingerprinting import fingerprint
    from vzlab.testing.refresh import refresh
    from vzlab.testing.verify import verify
    from vzlab.webapp import app
    from vzlab.widgets import build, explore
    from vzlab.writers import chunk_prefixes, icechunk_credentials, open_icechunk, relocate
else:
    __getattr__, __dir__ = _lazy.lazy_names(
        __name__,
        {
            ".": ("errors", "learn", "parsers", "samples", "storage", "testing"),
            "builder": ("Builder",),
            "datasets": (
                "check_combine",
                "open_group",
                "open_manifest_store",
                "open_virtual_dataset",
                "open_virtual_datatree",
                "open_virtual_mfdataset",
                "open_virtual_mfdatatree",
                "reencode_plan",
            ),
            "inspection": (
                "Cost",
                "Inspection",
                "Recording",
                "Trace",
                "cost",
                "diff",
                "inspect",
                "record",
                "trace",
            ),
            "learn": ("doctor",),
            "manifests": ("ArrayMetadata", "ChunkGrid", "ChunkManifest", "ManifestArray", "ManifestGroup"),
            "parsers.listing": ("formats",),
            "stac": ("to_stac_collection", "to_stac_item", "urls_from_stac"),
            "storage": ("ManifestStore", "RequestLog", "StoreRegistry"),
            "testing": ("compare", "fingerprint", "refresh", "verify"),
            "webapp": ("app",),
            "widgets": ("build", "explore"),
            "writers": ("chunk_prefixes", "icechunk_credentials", "open_icechunk", "relocate"),
        },
    )

_on_import.on_import("xarray", lambda: _import_module("vzlab.accessor"))

__version__ = "0.1.0"

__all__ = [
    "ArrayMetadata",
    "Builder",
    "ChunkGrid",
    "ChunkManifest",
    "Cost",
    "Inspection",
    "ManifestArray",
    "ManifestGroup",
    "ManifestStore",
    "Recording",
    "RequestLog",
    "StoreRegistry",
    "Trace",
    "app",
    "build",
    "check_combine",
    "chunk_prefixes",
    "compare",
    "cost",
    "diff",
    "doctor",
    "errors",
    "explore",
    "fingerprint",
    "formats",
    "icechunk_credentials",
    "inspect",
    "learn",
    "open_group",
    "open_icechunk",
    "open_manifest_store",
    "open_virtual_dataset",
    "open_virtual_datatree",
    "open_virtual_mfdataset",
    "open_virtual_mfdatatree",
    "parsers",
    "record",
    "reencode_plan",
    "refresh",
    "relocate",
    "samples",
    "storage",
    "testing",
    "to_stac_collection",
    "to_stac_item",
    "trace",
    "urls_from_stac",
    "verify",
]
