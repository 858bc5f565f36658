"""Variables that files encode differently, in memory and decoded, within a memory budget."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
import xarray as xr

from vzlab.datasets.assemble import decode_loaded, is_virtual, manifest_array
from vzlab.datasets.findings import CompatibilityReport
from vzlab.datasets.reencode import flips_of, replace_variables
from vzlab.errors import MemoryBudgetError
from vzlab.storage import StoreRegistry, read_array


def load_mismatched(
    datasets: Sequence[xr.Dataset], report: CompatibilityReport, registry: StoreRegistry, memory_bytes: int
) -> list[xr.Dataset]:
    """Datasets in which the variables that differ are in memory, decoded, of all files."""
    flips = flips_of(report)
    turned = {dim for dims in flips.values() for dim in dims}
    names = {f.variable for f in report.problems if f.kind != "flipped"} | {
        str(name)
        for d in datasets
        for name, v in d._variables.items()
        if turned & set(v.dims) and is_virtual(v)
    }
    n_bytes = sum(
        math.prod(d._variables[name].shape) * 8 for d in datasets for name in names if name in d._variables
    )
    if n_bytes > memory_bytes:
        raise MemoryBudgetError(
            f"Loading {', '.join(sorted(names))} of {len(datasets)} files would take up to {n_bytes:,} bytes; {memory_bytes:,} "
            'are allowed. Give more with memory_bytes=, or encode only the odd files again: on_mismatch="reencode".'
        )
    orders = {name: next(d._variables[name].dims for d in datasets if name in d._variables) for name in names}
    loaded = []
    for i, dataset in enumerate(datasets):
        decoded: dict[Hashable, xr.Variable] = {
            name: _decoded(name, dataset._variables[name], registry).transpose(*orders[name])
            for name in sorted(names)
            if name in dataset._variables
        }
        flipped = flips.get(i, ())
        decoded = {
            name: variable.isel({dim: slice(None, None, -1) for dim in flipped if dim in variable.dims})
            for name, variable in decoded.items()
        }
        loaded.append(replace_variables(dataset, decoded, flipped))
    return loaded


def with_dimension(
    dataset: xr.Dataset, scalar: str, registry: StoreRegistry, decode_times: bool | None
) -> xr.Dataset:
    """The dataset over a dimension of length 1, which a scalar variable, then in memory, is the coordinate of."""
    variable = dataset._variables[scalar]
    if is_virtual(variable):
        values = read_array(manifest_array(variable), registry, name=scalar)
        stored = xr.Variable((), np.asarray(values), dict(variable.attrs))
        variable = decode_loaded({scalar: stored}, decode_times)[scalar]
    return dataset.drop_vars(scalar).assign_coords({scalar: variable}).expand_dims(scalar)


def _decoded(name: str, variable: xr.Variable, registry: StoreRegistry) -> xr.Variable:
    if not is_virtual(variable):
        return variable
    values = read_array(manifest_array(variable), registry, name=name)
    stored = xr.Variable(variable.dims, np.asarray(values), dict(variable.attrs))
    return xr.conventions.decode_cf_variable(name, stored).load()
