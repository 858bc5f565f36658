"""HDF5 and netCDF4 files as virtual arrays."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from vzlab.errors import CorruptFileError, VzlabError
from vzlab.manifests import ManifestArray, ManifestGroup, SourceFile, UnreadableVariable
from vzlab.parsers.base import LoadedVariable, Parser
from vzlab.parsers.hdf5.attributes import HIDDEN, read_attributes
from vzlab.parsers.hdf5.datatypes import StoredType
from vzlab.parsers.hdf5.dimensions import (
    NON_COORDINATE_PREFIX,
    DimensionNames,
    find_scales,
    name_dimensions,
)
from vzlab.parsers.hdf5.eos import read_structures
from vzlab.parsers.hdf5.indices.nodes import DamagedIndexError
from vzlab.parsers.hdf5.layouts import Layout, read_array_layout
from vzlab.parsers.hdf5.loading import filters_available, load_dataset
from vzlab.parsers.hdf5.objects import DatasetNode, ObjectFinder, ObjectKey, ObjectTree
from vzlab.parsers.hdf5.opening import LIBRARY_ERRORS, library_message, open_hdf5, page_length
from vzlab.parsers.hdf5.outside import refuse_outside
from vzlab.parsers.hdfeos import with_field_dimensions
from vzlab.storage import Source, StoreRegistry, as_registry

MAX_REPEATED = 100_000
"""Groups that are shown already are shown again under other names only until that has added as many groups and variables."""

_OF_SCALES = frozenset({"CLASS", "NAME"})
"""Attributes by which a dimension scale is known, shown only where a dataset is none."""


@dataclass(frozen=True, kw_only=True)
class HDF5Parser(Parser):
    """Parse HDF5 and netCDF4 files.

    h5py reads headers, datatypes, attributes and chunk indexes; no values are read but those that no reference can express:
    compact data, strings of varying length, chunks that skipped a filter. Fields of HDF-EOS5 without dimension scales have the
    dimension names that ``StructMetadata`` gives them.

    Parameters
    ----------
    group : str, optional
        Path of the group to parse, with what is below it; None is the root.
    drop_variables : collection of str
        Names, or paths from the parsed group, of variables and groups to leave out, at every depth.

    Examples
    --------
    >>> group = HDF5Parser(drop_variables=["crs"])("one.h5")
    >>> group["x"].metadata.shape
    (120, 200)
    """

    _parses_group_alone = True

    def _parse(self, source: Source, registry: StoreRegistry) -> ManifestGroup:
        with ExitStack() as stack:
            finder = ObjectFinder(registry, stack, self._drops_absolute)
            file = finder.add_file(source)
            tree = finder.find(file, self.group or "")
            fault = tree.groups[tree.root].attributes_fault
            if fault and not self.drops(_ATTRIBUTES):
                raise CorruptFileError(
                    f"{source.url}: The HDF5 library cannot list the attributes of group '/{self.group or ''}': {fault}. The "
                    f'file is damaged: fetch it again, or leave them out: drop_variables=["{_ATTRIBUTES}"].'
                )
            root = replace(_Assembler(tree, registry).root(), page_bytes=page_length(file.file_id))
            return with_field_dimensions(root, read_structures(file.file_id), self.group or "")

    def _drops_absolute(self, path: str) -> bool:
        return self.drops(path.removeprefix(f"{self.group}/") if self.group else path)

    def load_variable(self, url: str | os.PathLike[str], registry: Any, path: str) -> LoadedVariable:
        """Read a variable with h5py; strings of varying length as `str`, references as paths of what they point to."""
        source = as_registry(registry).open(os.fspath(url))
        with open_hdf5(source) as file_id:
            refuse_outside(file_id, path, source.url)
            return load_dataset(file_id, path, source.url)


_ATTRIBUTES = "(attributes)"
"""Name under which a group tells of its attributes, and, behind their names, of those of variables."""


class _Assembler:
    """Makes the tree of virtual arrays out of the objects that were found."""

    def __init__(self, tree: ObjectTree, registry: StoreRegistry) -> None:
        self._tree = tree
        self._registry = registry
        self._source_files: dict[int, SourceFile] = {}
        self._decoders: set[str] = set()
        self._scales = find_scales(tree)
        self._types: dict[ObjectKey, StoredType] = {}
        self._faults: dict[ObjectKey, str] = {}
        shapes = {}
        for key, node in tree.datasets.items():
            try:
                self._types[key] = node.stored_type
            except LIBRARY_ERRORS as error:
                self._faults[key] = f"The HDF5 library cannot read its datatype: {library_message(error)}."
                shapes[key] = node.shape or ()
            else:
                shapes[key] = (node.shape or ()) + self._types[key].inner_shape
        self._dimensions = name_dimensions(tree, self._scales, shapes)
        self._variables: dict[ObjectKey, ManifestArray | UnreadableVariable] = {}
        self._format = "netCDF4 / HDF5" if self._is_netcdf4() else "HDF5"

    def _is_netcdf4(self) -> bool:
        root = self._tree.groups[self._tree.root]
        return bool({"_NCProperties", "_nc3_strict"} & set(root.attribute_names)) or any(
            scale.dimension_id is not None for scale in self._scales.values()
        )

    def root(self) -> ManifestGroup:
        """The whole tree."""
        for key, node in self._tree.datasets.items():
            if key not in self._scales or self._scales[key].is_variable:
                self._variables[key] = self._variable(node)
        return replace(self._groups(), index_decoder=", ".join(sorted(self._decoders)))

    def _variable(self, node: DatasetNode) -> ManifestArray | UnreadableVariable:
        scale = self._scales.get(node.key)
        attributes = read_attributes(
            node.dataset_id,
            node.file.file_id,
            node.attribute_names,
            hidden=HIDDEN if scale is None else HIDDEN | _OF_SCALES,
            known=node.header_attributes.values,
        )
        stored = self._types.get(node.key)
        dimensions = self._dimensions[node.key]
        if stored is None:
            return UnreadableVariable(
                reason=self._faults[node.key], loadable=False, shape=node.shape, attributes=attributes
            )
        if stored.enum:
            attributes.setdefault("enum", dict(stored.enum))
        if node.shape is None:
            return _unreadable(
                node, stored, attributes, (), "Its dataspace is null: it has no values.", loadable=False
            )
        try:
            layout = Layout(
                node=node,
                stored=stored,
                source_file=self._source_file(node),
                registry=self._registry,
            )
            array, decoder = read_array_layout(layout, attributes=attributes, dimension_names=dimensions)
        except CorruptFileError:
            raise
        except VzlabError as error:
            followable = not isinstance(error, DamagedIndexError)
            loadable = stored.loadable and followable and filters_available(node.creation)
            return _unreadable(node, stored, attributes, dimensions, str(error), loadable=loadable)
        except LIBRARY_ERRORS as error:
            reason = f"The HDF5 library cannot read it: {library_message(error)}."
            return _unreadable(node, stored, attributes, dimensions, reason, loadable=False)
        if decoder:
            self._decoders.add(decoder)
        return array

    def _source_file(self, node: DatasetNode) -> SourceFile:
        number = node.file.number
        if number not in self._source_files:
            self._source_files[number] = node.file.source.source_file()
        return self._source_files[number]

    def _groups(self) -> ManifestGroup:
        """Groups from the leaves up, each built once and shared by all links to it; a link back to where it is, is left out."""
        tree = self._tree
        built: dict[ObjectKey, ManifestGroup] = {}
        sizes: dict[ObjectKey, int] = {}
        open_keys = {tree.root}
        stack = [(tree.root, iter(self._subgroups(tree.root)))]
        # What each group under construction has so far: name, key.
        parts: list[dict[str, ObjectKey]] = [{}]
        repeated = 0
        while stack:
            key, children = stack[-1]
            name, child = next(children, ("", None))
            if child is None:
                stack.pop()
                open_keys.discard(key)
                below = parts.pop()
                built[key] = self._group(key, {name: built[k] for name, k in below.items()})
                sizes[key] = 1 + len(built[key].arrays) + sum(sizes[k] for k in below.values())
                continue
            if child in open_keys:
                continue
            if child in built:
                if repeated + sizes[child] <= MAX_REPEATED:
                    repeated += sizes[child]
                    parts[-1][name] = child
                continue
            parts[-1][name] = child
            open_keys.add(child)
            stack.append((child, iter(self._subgroups(child))))
            parts.append({})
        return built[tree.root]

    def _subgroups(self, key: ObjectKey) -> list[tuple[str, ObjectKey]]:
        links = self._tree.groups[key].links
        return [(name, child) for name, child in links.items() if child in self._tree.groups]

    def _group(self, key: ObjectKey, groups: Mapping[str, ManifestGroup]) -> ManifestGroup:
        node = self._tree.groups[key]
        arrays: dict[str, ManifestArray] = {}
        unreadable: dict[str, UnreadableVariable] = {}
        max_shapes = {}
        for link, target in node.links.items():
            name = link.removeprefix(NON_COORDINATE_PREFIX)
            variable = self._variables.get(target)
            if variable is not None and (fault := self._tree.datasets[target].attributes_fault):
                unreadable[f"{name} {_ATTRIBUTES}"] = _attributes_left_out(fault)
            if isinstance(variable, ManifestArray):
                arrays[name] = variable
                if greatest := self._tree.datasets[target].max_shape:
                    max_shapes[name] = greatest
            elif variable is not None:
                unreadable[name] = variable
            elif target in self._tree.broken:
                unreadable[name] = UnreadableVariable(reason=f"{self._tree.broken[target]}.", loadable=False)
        if node.attributes_fault:
            unreadable[_ATTRIBUTES] = _attributes_left_out(node.attributes_fault)
        for link, reason in node.broken.items():
            unreadable[link] = UnreadableVariable(reason=f"{reason}.", loadable=False)
        return ManifestGroup(
            arrays=arrays,
            groups=groups,
            attributes=read_attributes(
                node.group_id, node.file.file_id, node.attribute_names, known=node.header_attributes.values
            ),
            unreadable=unreadable,
            max_shapes=max_shapes,
            links={link.removeprefix(NON_COORDINATE_PREFIX): told for link, told in node.told.items()},
            format=self._format,
        )


def _attributes_left_out(fault: str) -> UnreadableVariable:
    return UnreadableVariable(
        reason=f"The HDF5 library cannot list the attributes: {fault}. Only those are kept that the object header tells "
        "without it; a fill value or a scale may be among the others. The file is damaged: fetch it again.",
        loadable=False,
    )


def _unreadable(
    node: DatasetNode,
    stored: StoredType,
    attributes: Mapping[str, Any],
    dimensions: DimensionNames,
    reason: str,
    *,
    loadable: bool,
) -> UnreadableVariable:
    rank = len(node.shape or ())
    return UnreadableVariable(
        reason=reason,
        loadable=loadable,
        shape=node.shape,
        dtype=stored.description,
        dimension_names=dimensions[:rank] if len(dimensions) >= rank else None,
        attributes=attributes,
    )
