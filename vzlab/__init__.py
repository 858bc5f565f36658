"""The lab bench for virtual Zarr: see, build, trust and learn virtual datasets.

Every public name is imported when it is first used: ``import vzlab`` loads no format library and no user interface.
It does register ``ds.vzlab`` on xarray's datasets and trees.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from vzlab import accessor as _accessor  # noqa: F401  registers ds.vzlab

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

__version__ = "0.1.0"

_HOMES = {
    "ArrayMetadata": "vzlab.manifests",
    "Builder": "vzlab.builder",
    "ChunkGrid": "vzlab.manifests",
    "ChunkManifest": "vzlab.manifests",
    "Cost": "vzlab.inspection",
    "Inspection": "vzlab.inspection",
    "ManifestArray": "vzlab.manifests",
    "ManifestGroup": "vzlab.manifests",
    "ManifestStore": "vzlab.storage",
    "Recording": "vzlab.inspection",
    "RequestLog": "vzlab.storage",
    "StoreRegistry": "vzlab.storage",
    "Trace": "vzlab.inspection",
    "app": "vzlab.webapp",
    "build": "vzlab.widgets",
    "check_combine": "vzlab.datasets",
    "chunk_prefixes": "vzlab.writers",
    "compare": "vzlab.testing",
    "cost": "vzlab.inspection",
    "diff": "vzlab.inspection",
    "doctor": "vzlab.learn",
    "explore": "vzlab.widgets",
    "fingerprint": "vzlab.testing",
    "formats": "vzlab.parsers.listing",
    "icechunk_credentials": "vzlab.writers",
    "inspect": "vzlab.inspection",
    "open_group": "vzlab.datasets",
    "open_icechunk": "vzlab.writers",
    "open_manifest_store": "vzlab.datasets",
    "open_virtual_dataset": "vzlab.datasets",
    "open_virtual_datatree": "vzlab.datasets",
    "open_virtual_mfdataset": "vzlab.datasets",
    "open_virtual_mfdatatree": "vzlab.datasets",
    "reencode_plan": "vzlab.datasets",
    "record": "vzlab.inspection",
    "refresh": "vzlab.testing",
    "relocate": "vzlab.writers",
    "to_stac_collection": "vzlab.stac",
    "to_stac_item": "vzlab.stac",
    "trace": "vzlab.inspection",
    "urls_from_stac": "vzlab.stac",
    "verify": "vzlab.testing",
}
_MODULES = frozenset({"errors", "learn", "parsers", "samples", "storage", "testing"})

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


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"vzlab.{name}")
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    # With both, Python suggests the name that was meant.
    raise AttributeError(f"module 'vzlab' has no attribute {name!r}", name=name, obj=sys.modules[__name__])


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
