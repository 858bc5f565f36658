"""Virtual arrays as xarray datasets: open, check, combine."""

from vzlab.datasets.assemble import dataset_to_group, is_virtual, manifest_array, virtual_variable
from vzlab.datasets.combine import combine_virtual, open_virtual_mfdataset
from vzlab.datasets.compatibility import check_combine
from vzlab.datasets.findings import CompatibilityReport, Finding, Holders
from vzlab.datasets.open import open_group, open_manifest_store, open_virtual_dataset, open_virtual_datatree

__all__ = [
    "CompatibilityReport",
    "Finding",
    "Holders",
    "check_combine",
    "combine_virtual",
    "dataset_to_group",
    "is_virtual",
    "manifest_array",
    "open_group",
    "open_manifest_store",
    "open_virtual_dataset",
    "open_virtual_datatree",
    "open_virtual_mfdataset",
    "virtual_variable",
]
