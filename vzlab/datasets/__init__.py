"""Virtual arrays as xarray datasets: open, check, combine."""

from vzlab.datasets.assemble import dataset_to_group, is_virtual, manifest_array, virtual_variable
from vzlab.datasets.open import open_group, open_manifest_store, open_virtual_dataset, open_virtual_datatree

__all__ = [
    "dataset_to_group",
    "is_virtual",
    "manifest_array",
    "open_group",
    "open_manifest_store",
    "open_virtual_dataset",
    "open_virtual_datatree",
    "virtual_variable",
]
