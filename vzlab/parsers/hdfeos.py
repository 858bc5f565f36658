"""HDF-EOS structures: what ``StructMetadata`` says of grids, swaths and zonal averages, and names of their dimensions.

HDF-EOS Library User's Guide, volume 1, "Structural metadata"; Object Description Language (ODL) as EOSDIS uses it.
Names are all that is taken from it: values and shapes are the file's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vzlab.manifests import ManifestArray, ManifestGroup

MAX_STRUCTURES = 10_000

_KINDS = {"GridName": "grid", "SwathName": "swath", "ZaName": "za", "PointName": "point"}
_GROUPS = {"grid": "GRIDS", "swath": "SWATHS", "za": "ZAS", "point": "POINTS"}
"""Where HDF-EOS5 keeps structures, below the group HDFEOS."""

_MADE_UP = "phony_dim_"
_FIELD_NAMES = frozenset({"DataFieldName", "GeoFieldName", "ProfileFieldName"})
_STATEMENT = re.compile(r"^\s*(\w+)\s*=\s*(.*?)\s*$")
_QUOTED = re.compile(r'"([^"]*)"')


@dataclass(kw_only=True)
class Structure:
    """A grid, swath or zonal average."""

    kind: str
    name: str
    dimensions: dict[str, int] = field(default_factory=dict)
    """Lengths; -1 where unlimited."""
    fields: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Dimension names of each field."""


def parse_structures(text: str) -> list[Structure]:
    """The structures that a document declares; nothing where it is none of ODL."""
    structures: list[Structure] = []
    current: Structure | None = None
    dimension, field_name = "", ""
    for line in _statements(text):
        match = _STATEMENT.match(line)
        if match is None:
            continue
        key, value = match.group(1), match.group(2)
        plain = value.strip('"')
        if key in _KINDS:
            if len(structures) >= MAX_STRUCTURES:
                break
            current = Structure(kind=_KINDS[key], name=plain)
            structures.append(current)
        elif current is None:
            continue
        elif key in ("XDim", "YDim") and plain.isdecimal():
            current.dimensions[key] = int(plain)
        elif key == "DimensionName":
            dimension = plain
        elif key == "Size" and dimension:
            current.dimensions[dimension] = int(plain) if plain.isdecimal() else -1
            dimension = ""
        elif key in _FIELD_NAMES:
            field_name = plain
        elif key == "DimList" and field_name:
            current.fields[field_name] = tuple(_QUOTED.findall(value)) or (plain,)
            field_name = ""
    return structures


def _statements(text: str) -> Iterable[str]:
    """Lines, those in brackets that go on joined."""
    held = ""
    for line in text.split("\0", 1)[0].splitlines():
        held = f"{held} {line.strip()}" if held else line
        if held.count("(") > held.count(")") and len(held) < 10_000:
            continue
        yield held
        held = ""


def field_dimensions(
    structures: Sequence[Structure], name: str, shape: Sequence[int]
) -> tuple[str, ...] | None:
    """Names of a field's dimensions; None where nothing says, or it says other lengths than the file has."""
    for structure in structures:
        names = structure.fields.get(name)
        if names is not None and _fits(names, shape, structure.dimensions):
            return names
    return None


def _fits(names: Sequence[str], shape: Sequence[int], lengths: Mapping[str, int]) -> bool:
    return (
        len(names) == len(shape)
        and len(set(names)) == len(names)
        and all(
            name and lengths.get(name, -1) in (-1, length) for name, length in zip(names, shape, strict=True)
        )
    )


def with_field_dimensions(
    group: ManifestGroup, structures: Sequence[Structure], path: str = ""
) -> ManifestGroup:
    """A tree of an HDF-EOS5 file with the dimension names that its structures state.

    Only names that were made up are replaced, and only where rank and lengths are those that are stated. Values, shapes and
    all else stay.

    Parameters
    ----------
    group : ManifestGroup
        As it was parsed.
    structures : sequence of Structure
        See `parse_structures`.
    path : str
        Of the group, from the root of the file.
    """
    if not structures:
        return group
    here = path.strip("/")
    groups = {
        name: with_field_dimensions(inner, structures, f"{here}/{name}")
        for name, inner in group.groups.items()
    }
    parts = here.split("/")
    of_group = [
        each
        for each in structures
        if len(parts) > 3 and parts[:3] == ["HDFEOS", _GROUPS.get(each.kind), each.name]
    ]
    arrays = {
        name: _renamed(array, field_dimensions(of_group, name, array.shape))
        for name, array in group.arrays.items()
    }
    return replace(group, groups=groups, arrays=arrays)


def _renamed(array: ManifestArray, stated: tuple[str, ...] | None) -> ManifestArray:
    known = array.metadata.dimension_names or (None,) * array.ndim
    if stated is None:
        return array
    names = tuple(
        new if old is None or old.startswith(_MADE_UP) else old
        for old, new in zip(known, stated, strict=True)
    )
    if len(set(names)) < len(names) or names == known:
        return array
    return ManifestArray(metadata=replace(array.metadata, dimension_names=names), manifest=array.manifest)
