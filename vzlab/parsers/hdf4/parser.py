"""HDF4 files, HDF-EOS2 among them, as virtual arrays.

HDF Specification and Developer's Guide 4.x; https://github.com/HDFGroup/hdf4.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from vzlab.codecs import bytes_codecs
from vzlab.errors import CorruptFileError, SourceNotFoundError, UnvirtualizableError, VzlabError
from vzlab.manifests import ArrayMetadata, ManifestArray, ManifestGroup, UnreadableVariable
from vzlab.parsers.base import LoadedVariable, Parser
from vzlab.parsers.hdf4.calibration import as_packing, follows_cf
from vzlab.parsers.hdf4.datasets import ATTRIBUTE, DATASET, VARIABLE, Dataset, Vsets, read_datasets
from vzlab.parsers.hdf4.descriptors import NDG, VG, VH, Elements, read_elements
from vzlab.parsers.hdf4.number_types import default_fill
from vzlab.parsers.hdf4.placement import Placer, nothing
from vzlab.parsers.hdf4.special import find_extent
from vzlab.parsers.hdf4.tables import read_table
from vzlab.parsers.hdf4.vsets import Vdata, Vgroup, read_vdata, read_vgroup
from vzlab.parsers.hdfeos import field_dimensions, parse_structures
from vzlab.storage import Source, StoreRegistry, as_registry, join_url

_INTERNAL = frozenset({DATASET, VARIABLE, "Dim0.0", "UDim0.0", "RIG0.0", "RI0.0", "RIATTR0.0C", "RIATTR0.0N"})
_INTERNAL_TABLES = frozenset(
    {ATTRIBUTE, "DimVal0.0", "DimVal0.1", "SDSVar", "CoordVar", "Data0.0", "RIATTR0.0C", "RIATTR0.0N"}
)
_CHUNK_TABLE = "_HDF_CHK_TBL_"
_IMAGES, _IMAGE = "RIG0.0", "RI0.0"
_STRUCTURE = "StructMetadata"


@dataclass(frozen=True, kw_only=True)
class HDF4Parser(Parser):
    """Parse HDF4 and HDF-EOS2 files.

    Descriptors, Vgroups and Vdatas' headers are read; no values but those that no reference can express. A scientific dataset
    is in the group of the first Vgroup that holds it, else in the root; a Vdata is an array, or a group with an array for
    each field. Fields of HDF-EOS2 have the dimension names that ``StructMetadata`` gives them; values never change by it.

    Parameters
    ----------
    layout : {"groups", "flat"}
        "flat" puts all into the root, as pyhdf and netCDF-4 list it.
    group : str, optional
        Path of the group to parse, with what is below it; None is the root.
    drop_variables : collection of str
        Names, or paths from the parsed group, of variables and groups to leave out, at every depth.

    Examples
    --------
    >>> group = HDF4Parser()("one.hdf")
    >>> group["x"].metadata.shape
    (120, 200)
    """

    layout: Literal["groups", "flat"] = "groups"
    """Whether Vgroups are groups, or all is in the root."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layout not in ("groups", "flat"):
            raise ValueError(f"Found layout {self.layout!r}; expected 'groups' or 'flat'")

    def _parse(self, source: Source, registry: StoreRegistry) -> ManifestGroup:
        return _Assembler(source, registry, flat=self.layout == "flat").root()

    def load_variable(self, url: str | os.PathLike[str], registry: Any, path: str) -> LoadedVariable:
        """Read a scientific dataset with pyhdf."""
        from vzlab.parsers.hdf4.loading import load_dataset

        stores = as_registry(registry)
        source = stores.open(os.fspath(url))
        # A damaged file could take the library, and this process with it, along: it must have parsed.
        assembler = _Assembler(source, stores, flat=self.layout == "flat")
        assembler.root()
        if path not in assembler.places:
            raise KeyError(f"{source.url} has no scientific dataset {path!r}")
        return load_dataset(source, assembler.places[path], path)


@dataclass(kw_only=True)
class _Level:
    """A group under construction."""

    arrays: dict[str, ManifestArray] = field(default_factory=dict)
    unreadable: dict[str, UnreadableVariable] = field(default_factory=dict)
    groups: dict[str, ManifestGroup] = field(default_factory=dict)

    def free(self, name: str, ref: int) -> str:
        """A name that nothing here has."""
        plain = name.strip("/").replace("/", "_") or f"unnamed_{ref}"
        taken = self.arrays.keys() | self.unreadable.keys() | self.groups.keys()
        return plain if plain not in taken else f"{plain}_{ref}"

    def add(self, name: str, found: ManifestArray | UnreadableVariable | ManifestGroup) -> None:
        """Put something under a name that is free."""
        if isinstance(found, ManifestArray):
            self.arrays[name] = found
        elif isinstance(found, ManifestGroup):
            self.groups[name] = found
        else:
            self.unreadable[name] = found


class _Assembler:
    """Makes groups out of what a file holds."""

    def __init__(self, source: Source, registry: StoreRegistry, *, flat: bool) -> None:
        self._source = source
        self._registry = registry
        self._flat = flat
        self._elements: Elements = read_elements(source)
        self._vsets = Vsets(
            groups={ref: read_vgroup(self._elements, ref) for ref in self._elements.refs(VG)},
            tables={ref: read_vdata(self._elements, ref) for ref in self._elements.refs(VH)},
        )
        self._placer = Placer(
            elements=self._elements, source_file=source.source_file(), find_external=self._external
        )
        self._placed: set[tuple[int, int]] = set()
        self.places: dict[str, tuple[int, str]] = {}
        """Number of each scientific dataset in the file's order, and its name, by path."""

    def _external(self, name: str) -> Source:
        """Another file, looked for beside this one (HDF User's Guide, "External files")."""
        if not self._source.url.startswith("file:") and name.startswith("/"):
            name = name.rpartition("/")[2]
        for candidate in dict.fromkeys((name, name.rpartition("/")[2])):
            try:
                return self._registry.open(join_url(self._source.url, candidate))
            except SourceNotFoundError:
                continue
        raise UnvirtualizableError(
            f"Its bytes lie in another file {name!r}, which is not beside {self._source.url}."
        )

    def root(self) -> ManifestGroup:
        """The whole tree."""
        datasets, attributes = read_datasets(self._elements, self._vsets)
        datasets = self._name_dimensions(datasets, attributes)
        if not follows_cf(attributes):
            datasets = [replace(each, attributes=as_packing(each.attributes)) for each in datasets]
        numbered = list(enumerate(datasets))
        # A coordinate keeps its name: xarray knows it by that.
        self._datasets = {
            each.ref: (i, each) for i, each in sorted(numbered, key=lambda pair: not pair[1].is_coordinate)
        }
        self._others = [pair for pair in numbered if self._datasets[pair[1].ref][0] != pair[0]]
        level = _Level()
        if not self._flat:
            tops = self._top_groups()
            for group in tops:
                self._add_group(level, group, "", 0)
        for number, dataset in [*self._datasets.values(), *self._others]:
            if (NDG, dataset.ref) not in self._placed or (number, dataset) in self._others:
                self._add_dataset(level, number, dataset, "")
        for table in self._vsets.tables.values():
            self._add_table(level, table)
        for image in self._vsets.groups.values():
            if image.class_name == _IMAGE:
                level.add(
                    level.free(image.name, image.ref), UnreadableVariable(reason=_NO_IMAGES, loadable=False)
                )
        has_eos = any(name.startswith(_STRUCTURE) for name in attributes)
        return ManifestGroup(
            arrays=level.arrays,
            groups=level.groups,
            unreadable=level.unreadable,
            attributes=attributes,
            format="HDF-EOS2 / HDF4" if has_eos else "HDF4",
        )

    def _top_groups(self) -> list[Vgroup]:
        user = [group for group in self._vsets.groups.values() if self._is_users(group)]
        inside = {ref for group in user for tag, ref in group.members if tag == VG and ref != group.ref}
        # Groups that hold each other in a circle are below none: the first of them is taken too.
        return [group for group in user if group.ref not in inside] + [
            group for group in user if group.ref in inside
        ]

    def _is_users(self, group: Vgroup) -> bool:
        return group.class_name not in _INTERNAL and not group.class_name.startswith("_HDF")

    def _add_group(self, level: _Level, group: Vgroup, path: str, depth: int) -> None:
        """A Vgroup with what it holds, where it is met first."""
        if (VG, group.ref) in self._placed or depth > 50:
            return
        self._placed.add((VG, group.ref))
        inner = _Level()
        name = level.free(group.name, group.ref)
        here = f"{path}{name}/"
        for tag, ref in group.members:
            if (tag, ref) in self._placed:
                continue
            if tag == NDG and ref in self._datasets:
                self._placed.add((tag, ref))
                self._add_dataset(inner, *self._datasets[ref], here)
            elif tag == VH and ref in self._vsets.tables:
                self._add_table(inner, self._vsets.tables[ref])
            elif tag == VG and ref in self._vsets.groups and self._is_users(self._vsets.groups[ref]):
                self._add_group(inner, self._vsets.groups[ref], here, depth + 1)
        level.groups[name] = ManifestGroup(
            arrays=inner.arrays,
            groups=inner.groups,
            unreadable=inner.unreadable,
            attributes=self._vsets.attributes(self._elements, iter(group.attributes)),
            format="HDF4",
        )

    def _add_table(self, level: _Level, table: Vdata) -> None:
        internal = table.class_name in _INTERNAL_TABLES or table.class_name.startswith(_CHUNK_TABLE)
        if internal or (VH, table.ref) in self._placed:
            return
        self._placed.add((VH, table.ref))
        name = level.free(table.name, table.ref)
        attributes = {
            number: self._vsets.attributes(
                self._elements, iter([ref for at, ref in table.attributes if at == number])
            )
            for number in range(-1, len(table.fields))
        }
        try:
            level.add(name, read_table(self._elements, self._placer, table, attributes, name))
        except CorruptFileError:
            raise
        except VzlabError as error:
            level.add(name, UnreadableVariable(reason=str(error), loadable=False))

    def _add_dataset(self, level: _Level, number: int, dataset: Dataset, path: str) -> None:
        name = level.free(dataset.name, dataset.ref)
        self.places[f"{path}{name}"] = (number, dataset.name)
        level.add(name, self._array(dataset))

    def _array(self, dataset: Dataset) -> ManifestArray | UnreadableVariable:
        dtype = dataset.dtype
        names = _distinct(dataset.dimension_names)
        try:
            if dtype is None:
                raise UnvirtualizableError(dataset.fault)
            if dataset.data is None:
                placed = nothing(dataset.shape)
            else:
                extent = find_extent(self._elements, dataset.data)
                placed = self._placer.place(extent, name=dataset.name, shape=dataset.shape, dtype=dtype)
            metadata = ArrayMetadata.create(
                shape=dataset.shape,
                dtype=dtype,
                chunks=placed.chunks,
                codecs=(*bytes_codecs(dtype), *placed.filters),
                fill_value=_fill_value(dataset, dtype, placed.fill),
                attributes=dataset.attributes,
                dimension_names=names,
            )
        except CorruptFileError:
            raise
        except VzlabError as error:
            return UnreadableVariable(
                reason=str(error),
                loadable=dtype is not None,
                shape=dataset.shape,
                dtype=None if dtype is None else str(dtype.newbyteorder("=")),
                dimension_names=names,
                attributes=dataset.attributes,
            )
        return ManifestArray(metadata=metadata, manifest=placed.manifest)

    def _name_dimensions(self, datasets: list[Dataset], attributes: Mapping[str, Any]) -> list[Dataset]:
        """Dimension names of HDF-EOS2's fields, where rank and lengths are those that StructMetadata states."""
        texts = [
            attributes[name] for name in sorted(attributes, key=_part_number) if name.startswith(_STRUCTURE)
        ]
        structures = parse_structures("".join(text for text in texts if isinstance(text, str)))
        if self._flat and len(structures) > 1:
            # In one group, dimensions of different structures would have the same name.
            return datasets
        holders = self._holders()
        named = []
        for dataset in datasets:
            inside = [each for each in structures if each.name in holders.get(dataset.ref, ())] or structures
            names = field_dimensions(inside, dataset.name, dataset.shape) if len(inside) == 1 else None
            named.append(dataset if names is None else replace(dataset, dimension_names=names))
        return named

    def _holders(self) -> dict[int, set[str]]:
        """Names of the Vgroups above each dataset, up to three levels."""
        above: dict[tuple[int, int], set[int]] = {}
        for group in self._vsets.groups.values():
            if self._is_users(group):
                for key in group.members:
                    above.setdefault(key, set()).add(group.ref)
        holders: dict[int, set[str]] = {}
        for ref in self._elements.refs(NDG):
            refs: Iterable[int] = above.get((NDG, ref), set())
            for _ in range(3):
                holders.setdefault(ref, set()).update(self._vsets.groups[each].name for each in refs)
                refs = {up for each in refs for up in above.get((VG, each), ())}
        return holders


_NO_IMAGES = "It is a raster image of the GR interface, which is not read here."


def _part_number(name: str) -> tuple[int, str]:
    digits = name.rpartition(".")[2]
    return (int(digits) if digits.isdecimal() else 0, name)


def _distinct(names: tuple[str, ...]) -> tuple[str | None, ...]:
    """The names of dimensions, of which none may come twice: the second is told apart by its axis."""
    return tuple(name if names.index(name) == axis else f"{name}_{axis}" for axis, name in enumerate(names))


def _fill_value(dataset: Dataset, dtype: np.dtype[Any], held: bytes | None) -> Any:
    """What unwritten elements read as: the chunks' own, else the attribute's, else the library's."""
    if dtype.kind == "S":
        return np.bytes_(b"")
    if held is not None and len(held) == dtype.itemsize:
        return np.frombuffer(held, dtype.newbyteorder(">") if dtype.byteorder == ">" else dtype)[0].astype(
            dtype.newbyteorder("=")
        )
    stated = dataset.attributes.get("_FillValue")
    if isinstance(stated, int | float):
        return np.array([stated]).astype(dtype.newbyteorder("="))[0]
    return default_fill(dtype)
