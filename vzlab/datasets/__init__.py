"""Virtual arrays as xarray datasets: open, check, combine."""

from vzlab.datasets.assemble import dataset_to_group, is_virtual, manifest_array, virtual_variable
from vzlab.datasets.cf_codecs import packing_as_codecs
from vzlab.datasets.check import check_combine
from vzlab.datasets.compatibility import Rules
from vzlab.datasets.findings import CompatibilityReport, Finding, Holders
from vzlab.datasets.mfdataset import (
    combine_virtual,
    open_virtual_mfdataset,
    open_virtual_mfdatatree,
    reencode_plan,
)
from vzlab.datasets.open import open_group, open_manifest_store, open_virtual_dataset, open_virtual_datatree
from vzlab.datasets.reencode import Reencoding, ReencodingPlan
from vzlab.datasets.sources import expand_sources

__all__ = [
    "CompatibilityReport",
    "Finding",
    "Holders",
    "Reencoding",
    "ReencodingPlan",
    "Rules",
    "check_combine",
    "combine_virtual",
    "dataset_to_group",
    "expand_sources",
    "is_virtual",
    "manifest_array",
    "open_group",
    "open_manifest_store",
    "open_virtual_dataset",
    "open_virtual_datatree",
    "open_virtual_mfdataset",
    "open_virtual_mfdatatree",
    "packing_as_codecs",
    "reencode_plan",
    "virtual_variable",
]
