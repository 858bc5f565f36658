"""Names of dimensions: dimension scales as netCDF4 uses them, and made-up names where there are none.

HDF5 Dimension Scale specification 1.1; netCDF-4 format, "Attributes in the netCDF-4 file".
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.parsers.hdf5.attributes import read_raw
from vzlab.parsers.hdf5.library import h5py
from vzlab.parsers.hdf5.messages import References
from vzlab.parsers.hdf5.objects import DatasetNode, ObjectKey, ObjectTree
from vzlab.parsers.hdf5.opening import LIBRARY_ERRORS

NOT_A_VARIABLE = b"This is a netCDF dimension but not a netCDF variable"
NON_COORDINATE_PREFIX = "_nc4_non_coord_"
"""Netcdf-4 puts this before the name of a variable that is called like a dimension and does not hold its coordinates."""

_h5a, _h5o, _h5r = h5py.h5a, h5py.h5o, h5py.h5r

type DimensionNames = tuple[str | None, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """A dataset that is a dimension scale."""

    name: str
    length: int | None
    """None if it is unlimited."""
    dimension_id: int | None
    """Number that netCDF4 gave it."""
    is_variable: bool


def find_scales(tree: ObjectTree) -> dict[ObjectKey, Scale]:
    """The dimension scales among the datasets of a tree."""
    scales = {}
    for key, node in tree.datasets.items():
        if "CLASS" in node.attribute_names and _text(node, "CLASS") == b"DIMENSION_SCALE":
            scales[key] = _scale(node)
    return scales


def _scale(node: DatasetNode) -> Scale:
    text = _text(node, "NAME") if "NAME" in node.attribute_names else b""
    number = _integers(node, "_Netcdf4Dimid")
    return Scale(
        name=node.name.removeprefix(NON_COORDINATE_PREFIX),
        length=None if not node.shape or (node.max_shape and node.max_shape[0] is None) else node.shape[0],
        dimension_id=number[0] if number else None,
        is_variable=not text.startswith(NOT_A_VARIABLE),
    )


def name_dimensions(
    tree: ObjectTree, scales: Mapping[ObjectKey, Scale], shapes: Mapping[ObjectKey, tuple[int, ...]]
) -> dict[ObjectKey, DimensionNames]:
    """The dimension names of every dataset.

    Parameters
    ----------
    shapes : mapping
        Shape of each dataset that has one, the dimensions of an array datatype included.

    Returns
    -------
    dict
        Names along each axis. Axes without a scale are called ``phony_dim_N`` as h5netcdf numbers them when it sorts: one
        name for each length in a group, and another where a variable has that length twice.
    """
    known = _by_number(scales)
    names = {}
    for key, shape in shapes.items():
        labelled = _labelled(tree.datasets[key], shape, scales, known)
        names[key] = [*labelled, *[None] * (len(shape) - len(labelled))]
    numbers = [scale.dimension_id for scale in scales.values() if scale.dimension_id is not None]
    counter = max([len(scales) - 1, *numbers], default=-1) + 1
    for group in tree.groups.values():
        own = [key for key in dict.fromkeys(group.links.values()) if key in names]
        lacking = [key for key in own if None in names[key]]
        if not lacking:
            continue
        available: dict[int, list[str]] = defaultdict(list)
        for key in dict.fromkeys(group.links.values()):
            if key in scales and (length := scales[key].length) is not None:
                available[length].append(scales[key].name)
        for length, count in _most_at_once(shapes[key] for key in lacking).items():
            while len(available[length]) < count:
                available[length].append(f"phony_dim_{counter}")
                counter += 1
        for key in lacking:
            names[key] = _complete(names[key], shapes[key], available)
    return {key: tuple(axes) for key, axes in names.items()}


def _most_at_once(shapes: Iterable[tuple[int, ...]]) -> Counter[int]:
    """How many dimensions of each length one variable has at most."""
    most: Counter[int] = Counter()
    for shape in shapes:
        most |= Counter(shape)
    return most


def _complete(
    axes: list[str | None], shape: tuple[int, ...], available: Mapping[int, list[str]]
) -> list[str | None]:
    taken = {name for name in axes if name is not None}
    completed = []
    for name, length in zip(axes, shape, strict=True):
        chosen = name or next((free for free in available[length] if free not in taken), None)
        if chosen is not None:
            taken.add(chosen)
        completed.append(chosen)
    return completed


def _by_number(scales: Mapping[ObjectKey, Scale]) -> dict[int, Scale]:
    """Scales by the number that netCDF4 gave them; empty if two share one, as in files put together from several."""
    numbered = [(scale.dimension_id, scale) for scale in scales.values() if scale.dimension_id is not None]
    known = dict(numbered)
    return known if len(known) == len(numbered) else {}


def _labelled(
    node: DatasetNode, shape: tuple[int, ...], scales: Mapping[ObjectKey, Scale], known: Mapping[int, Scale]
) -> list[str | None]:
    rank = len(node.shape or ())
    if rank == 0:
        return []
    own = scales.get(node.key)
    if own is not None and rank == 1:
        return [own.name]
    if known and "_Netcdf4Coordinates" in node.attribute_names:
        numbers = _integers(node, "_Netcdf4Coordinates")
        found = [known.get(number) for number in numbers]
        fits = len(found) == rank and all(
            scale is not None and scale.length in (None, n) for scale, n in zip(found, shape, strict=False)
        )
        if fits:
            return [scale.name for scale in found if scale is not None]
    if "DIMENSION_LIST" in node.attribute_names:
        try:
            return _listed(node, rank, scales)
        except LIBRARY_ERRORS:
            return [None] * rank
    return [own.name if own is not None else None, *[None] * (rank - 1)]


def _listed(node: DatasetNode, rank: int, scales: Mapping[ObjectKey, Scale]) -> list[str | None]:
    """Names of the last scale attached to each axis: of several, netCDF4 takes that one."""
    names: list[str | None] = [None] * rank
    known = node.header_attributes.values.get("DIMENSION_LIST")
    if isinstance(known, References):
        last = [(node.key[0], addresses[-1]) if addresses else None for addresses in known.addresses[:rank]]
        # What lies outside of the parsed group is not among the scales.
        if all(key is None or key in scales for key in last):
            return [None if key is None else scales[key].name for key in last] + names[len(last) :]
    values = read_raw(_h5a.open(node.dataset_id, b"DIMENSION_LIST"))
    for axis, references in enumerate([] if values is None else values.reshape(-1)[:rank]):
        if not isinstance(references, np.ndarray) or len(references) == 0 or not references[-1]:
            continue
        names[axis] = _referenced_name(references[-1], node, scales)
    return names


def _referenced_name(reference: Any, node: DatasetNode, scales: Mapping[ObjectKey, Scale]) -> str | None:
    try:
        target = _h5r.dereference(reference, node.file.file_id)
        scale = scales.get((node.key[0], _h5o.get_info(target).addr))
        if scale is not None:
            return scale.name
        # It lies outside of the parsed group.
        path = _h5r.get_name(reference, node.file.file_id)
    except LIBRARY_ERRORS:
        return None
    if path is None:
        return None
    name = path.decode("utf-8", "surrogateescape").rpartition("/")[2]
    return str(name.removeprefix(NON_COORDINATE_PREFIX))


def _values(node: DatasetNode, name: str) -> npt.NDArray[Any] | None:
    """An attribute's values; None if it has none that can be read."""
    known = node.header_attributes.values.get(name)
    if known is not None and not isinstance(known, References):
        return np.asarray(known)
    try:
        return read_raw(_h5a.open(node.dataset_id, name.encode()))
    except LIBRARY_ERRORS:
        return None


def _text(node: DatasetNode, name: str) -> bytes:
    """A text attribute's bytes; empty if it is something else."""
    values = _values(node, name)
    item = values.reshape(-1)[0] if values is not None and values.size else b""
    if isinstance(item, str):
        return item.encode()
    return bytes(item).rstrip(b"\0") if isinstance(item, bytes) else b""


def _integers(node: DatasetNode, name: str) -> list[int]:
    """An integer attribute's values; none if it is something else."""
    if name not in node.attribute_names:
        return []
    values = _values(node, name)
    return [] if values is None or values.dtype.kind not in "iu" else [int(v) for v in values.reshape(-1)]
