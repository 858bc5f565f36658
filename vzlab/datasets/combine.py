"""Many files as one virtual dataset, combined only if they are found to agree."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np
import xarray as xr

from vzlab.cf import ENCODING_ATTRIBUTES, meaning_of
from vzlab.datasets.absent import fill_absent
from vzlab.datasets.assemble import is_virtual, references_of
from vzlab.datasets.compatibility import Rules, same_value
from vzlab.datasets.findings import ALLOWABLE
from vzlab.datasets.packed import outlines_of
from vzlab.datasets.tiling import Tiling
from vzlab.telling import tell

type AttributePolicy = Literal["drop_varying", "keep_varying", "first"]
type CombineAttrs = Any

NOTHING_LOST = "varying_attributes"
"""Attribute of the combined dataset under which `attrs="keep_varying"` keeps what differs from file to file."""

FAN_IN = 64
"""Datasets that are joined at once."""


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How files that agree are put together."""

    rules: Rules = field(default_factory=Rules)
    allow: frozenset[str] = frozenset()
    """Refusals allowed by name."""
    attrs: AttributePolicy = "drop_varying"
    combine_attrs: CombineAttrs = None
    """xarray's own way of combining attributes instead; None for `attrs`."""

    def __post_init__(self) -> None:
        if unknown := sorted(self.allow - set(ALLOWABLE)):
            known = "; ".join(f"{name!r}: {meaning}" for name, meaning in ALLOWABLE.items())
            raise ValueError(f"allow names {', '.join(map(repr, unknown))}; what can be allowed is {known}")
        if self.attrs not in ("drop_varying", "keep_varying", "first"):
            raise ValueError(
                f"Found attrs={self.attrs!r}; expected 'drop_varying', 'keep_varying' or 'first'"
            )


def combine_tiles(
    datasets: Sequence[xr.Dataset], tiling: Tiling, manner: Manner, names: Sequence[str]
) -> xr.Dataset:
    """Concatenate datasets that were compared, dimension by dimension, the innermost first."""
    if len(datasets) == 1:
        return datasets[0]
    outlines = outlines_of(datasets, tiling.dims)
    if "absent" in manner.allow:
        datasets = fill_absent([_with_dimensions(dataset, tiling.dims) for dataset in datasets], tiling)
        outlines = datasets
    repeated = _repeated(
        [_with_dimensions(outline, tiling.dims) for outline in outlines], tiling, manner.rules
    )
    # Each is put together when its turn comes, and let go when it is joined.
    turn = itertools.count()
    placed: dict[tuple[int, ...], Callable[[], xr.Dataset]] = {
        place: partial(_taken, datasets, i, tiling.dims, turn) for i, place in enumerate(tiling.positions)
    }
    for axis in reversed(range(len(tiling.dims))):
        rows = itertools.groupby(sorted(placed), key=lambda place: place[:axis])
        placed = {
            head: partial(_concat, [placed[place] for place in places], tiling.dims[axis], manner, repeated)
            for head, places in rows
        }
    combined = placed[()]()
    combined.encoding = dict(outlines[0].encoding)
    combined.attrs = combine_attributes([dataset.attrs for dataset in outlines], manner)
    if manner.attrs == "keep_varying":
        combined.attrs |= _varying(outlines, tiling, names)
    for name, variable in combined.variables.items():
        if not is_virtual(variable):
            encodings = [d._variables[name].encoding for d in outlines if name in d._variables]
            _forget_varying_packing(variable, encodings)
    return combined


def _taken(datasets: Sequence[xr.Dataset], i: int, dims: Sequence[str], turn: Iterator[int]) -> xr.Dataset:
    tell("Combine", next(turn), len(datasets))
    return _with_dimensions(datasets[i], dims)


def _with_dimensions(dataset: xr.Dataset, dims: Sequence[str]) -> xr.Dataset:
    """A dataset over all combined dimensions: a scalar coordinate, or nothing at all, becomes a dimension of length 1."""
    for dim in dims:
        if dim not in dataset.dims:
            dataset = dataset.expand_dims(dim)
    return dataset


def _repeated(datasets: Sequence[xr.Dataset], tiling: Tiling, rules: Rules) -> frozenset[Hashable]:
    """Variables without a combined dimension that are to have one, as `data_vars` and `coords` say."""
    chosen: set[Hashable] = set()
    first = datasets[0]
    for name, variable in first._variables.items():
        if any(dim in variable.dims for dim in tiling.dims) or name in first.dims:
            continue
        is_coordinate = name in first._coord_names
        if rules.gets_dimension(str(name), is_coordinate=is_coordinate) or (
            rules.may_get_dimension(is_coordinate=is_coordinate)
            and not all(_same_variable(d._variables[name], variable) for d in datasets[1:])
        ):
            chosen.add(name)
    return frozenset(chosen)


def _same_variable(a: xr.Variable, b: xr.Variable) -> bool:
    """Whether two variables are known to hold the same; two virtual ones only if they refer to the same bytes."""
    if is_virtual(a) or is_virtual(b):
        return is_virtual(a) and is_virtual(b) and references_of(a).identical(references_of(b))
    return bool(a.equals(b))  # type: ignore[no-untyped-call]


def _concat(
    parts: Sequence[Callable[[], xr.Dataset]], dim: str, manner: Manner, repeated: frozenset[Hashable]
) -> xr.Dataset:
    """Join datasets along one dimension; many of them in parts, so that few are there at once."""
    if len(parts) == 1:
        return parts[0]()
    # Attributes combined by another's rules may depend on all files at once: "drop_conflicts" of parts keeps more.
    if len(parts) > FAN_IN and manner.combine_attrs is None:
        size = -(-len(parts) // FAN_IN)
        parts = [
            partial(_concat, group, dim, manner, repeated)
            for group in itertools.batched(parts, max(size, FAN_IN))
        ]
    datasets = [part() for part in parts]
    first = datasets[0]
    return xr.concat(
        datasets,
        dim,
        data_vars=[n for n, v in first.data_vars.items() if dim in v.dims or n in repeated],
        coords=[n for n, v in first.coords.items() if dim in v.dims or n in repeated],
        # Compared already, bit for bit: no difference was found, or it was allowed.
        compat="override",
        join="override",
        combine_attrs=lambda attributes, context=None: combine_attributes(attributes, manner),  # noqa: ARG005
    )


def combine_attributes(attributes: Sequence[Mapping[Any, Any]], manner: Manner) -> dict[Any, Any]:
    """Those attributes of one variable, or of the dataset, that stand for all files."""
    if manner.combine_attrs is not None:
        merged = _merge_as_xarray(attributes, manner.combine_attrs)
        # What gives stored numbers their meaning is the same in all files, and never dropped.
        return {**merged, **meaning_of(attributes[0])}
    first, *others = attributes
    if manner.attrs == "first":
        return dict(first)
    return {
        name: value
        for name, value in first.items()
        if all(name in other and same_value(other[name], value) for other in others)
    }


def _merge_as_xarray(attributes: Sequence[Mapping[Any, Any]], combine_attrs: CombineAttrs) -> dict[Any, Any]:
    """Attributes merged by xarray's own function, through an empty dataset for each file."""
    empty = [xr.Dataset(attrs=dict(each)) for each in attributes]
    return dict(xr.merge(empty, combine_attrs=combine_attrs).attrs)


def _varying(datasets: Sequence[xr.Dataset], tiling: Tiling, names: Sequence[str]) -> dict[str, Any]:
    """What differs in the attributes of the files, by file: ``{"granule_id": {"a.nc": "G1", ...}}`` in order."""
    keys = sorted({str(key) for dataset in datasets for key in dataset.attrs})
    table: dict[str, dict[str, Any]] = {}
    for key in keys:
        held = {names[i]: datasets[i].attrs[key] for i in tiling.order if key in datasets[i].attrs}
        first = next(iter(held.values()))
        if len(held) < len(datasets) or not all(same_value(value, first) for value in held.values()):
            table[key] = {name: np.asarray(value).tolist() for name, value in held.items()}
    return {NOTHING_LOST: table} if table else {}


def _forget_varying_packing(variable: xr.Variable, encodings: Sequence[Mapping[Any, Any]]) -> None:
    """Leave loaded values unpacked, if no one packing held them all: packed again by the first, they would lose digits."""
    packings = {repr([encoding.get(name) for name in ENCODING_ATTRIBUTES]) for encoding in encodings}
    if len(packings) > 1:
        for name in (*ENCODING_ATTRIBUTES, "dtype"):
            variable.encoding.pop(name, None)


def as_names(allow: str | Collection[str]) -> frozenset[str]:
    """Names from one name or several."""
    return frozenset([allow] if isinstance(allow, str) else allow)
