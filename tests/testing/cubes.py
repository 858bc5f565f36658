"""Virtual cubes over small archives, for tests of comparing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from vzlab.datasets import open_virtual_dataset


def join_in_order(files: Sequence[Path], **options: Any) -> xr.Dataset:
    """Concatenate files along time in the order given, with the attributes of the first and no questions asked."""
    return xr.concat(
        [open_virtual_dataset(file, **options) for file in files],
        dim="time",
        data_vars="minimal",
        coords="minimal",
        compat="override",
        join="override",
        combine_attrs="override",
    )
