"""Virtual cubes over small archives, for tests of comparing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import xarray as xr

from vzlab.datasets import is_virtual, open_virtual_dataset


def join_in_order(files: Sequence[Path], **options: Any) -> xr.Dataset:
    """Concatenate files along time in the order given, with the attributes of the first and no questions asked."""
    return xr.concat(
        passed_off_as_alike([open_virtual_dataset(file, **options) for file in files]),
        dim="time",
        data_vars="minimal",
        coords="minimal",
        compat="override",
        join="override",
        combine_attrs="override",
    )


def passed_off_as_alike(datasets: Sequence[xr.Dataset]) -> list[xr.Dataset]:
    """The datasets with attributes of virtual variables as in the first, as careless tools do: joining would refuse them."""
    first, *others = datasets
    changed = [first]
    for other in others:
        copy = other.copy(deep=False)
        for name, variable in other.variables.items():
            if is_virtual(variable):
                model = first.variables[name]
                metadata = replace(variable._data.metadata, attributes=model._data.metadata.attributes)
                array = replace(variable._data, metadata=metadata)
                copy._variables[name] = xr.Variable(variable.dims, array, model.attrs, variable.encoding)
        changed.append(copy)
    return changed
