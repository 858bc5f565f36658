"""HDF5, netCDF4 and NWB as h5py gives them."""

from __future__ import annotations

from typing import Any

import numpy as np

from vzlab.manifests import ManifestArray
from vzlab.storage import as_registry, read_array


def as_expected(array: ManifestArray) -> Any:
    """A scalar text is bytes; a path of nothing, for a reference that points to nothing, is None."""
    values = read_array(array, as_registry(None))
    if values.dtype.kind == "T" and values.ndim == 0:
        return np.asarray(values.item().encode())
    return values
