"""Every object of a file, each found once, however many links lead to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from vzlab.errors import CorruptFileError, SourceNotFoundError, VzlabError
from vzlab.parsers.hdf5.attributes import attribute_names
from vzlab.parsers.hdf5.dataset_header import DatasetHeader, dataset_header
from vzlab.parsers.hdf5.datatypes import StoredType, stored_type
from vzlab.parsers.hdf5.header_attributes import HeaderAttributes, HeapCollections, header_attributes
from vzlab.parsers.hdf5.library import h5py
from vzlab.parsers.hdf5.object_header import FileBytes, Message, messages
from vzlab.parsers.hdf5.opening import LIBRARY_ERRORS, library_message, open_hdf5
from vzlab.parsers.hdf5.prefetching import prefetch_metadata
from vzlab.storage import CachedSource, Source, StoreRegistry, join_url

_h5, _h5d, _h5g, _h5l, _h5o, _h5p = h5py.h5, h5py.h5d, h5py.h5g, h5py.h5l, h5py.h5o, h5py.h5p

type ObjectKey = tuple[int, int]
"""Number of the open file, and address of the object in it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class OpenFile:
    """One file that objects were found in."""

    number: int
    file_id: Any
    source: Source

    @cached_property
    def file_bytes(self) -> FileBytes:
        """Its bytes by addresses; the library takes its time to say how it wrote these."""
        return FileBytes.of(self.file_id, self.source)

    @cached_property
    def is_shared(self) -> bool:
        """Whether somebody else in this process has it open, and may not have written all."""
        return bool(h5py.h5f.get_obj_count(self.file_id, h5py.h5f.OBJ_FILE) > 1)

    @cached_property
    def heaps(self) -> HeapCollections | None:
        """Its values of varying length; None where it is shared."""
        return None if self.is_shared else HeapCollections(file=self.file_bytes)


@dataclass(kw_only=True, eq=False)
class ObjectNode:
    """A group or dataset, still open."""

    key: ObjectKey
    path: str
    """The first path at which it was found, from the root of the file."""
    file: OpenFile
    attribute_names: list[str] = field(default_factory=list)
    attributes_fault: str = ""
    """Why the library cannot list them, in which case they are those that the header tells without it."""

    @cached_property
    def header(self) -> tuple[Message, ...]:
        """The messages of its object header."""
        return tuple(messages(self.file.file_bytes, self.key[1]))

    @cached_property
    def header_attributes(self) -> HeaderAttributes:
        """Attributes that its header has."""
        heaps = self.file.heaps
        with suppress(VzlabError):
            if heaps is not None:
                return header_attributes(self.header, heaps)
        return HeaderAttributes(values={}, names=None)


@dataclass(kw_only=True, eq=False)
class DatasetNode(ObjectNode):
    """A dataset, still open."""

    dataset_id: Any
    shape: tuple[int, ...] | None = None
    """None for a null dataspace."""
    max_shape: tuple[int | None, ...] | None = None
    """What it may grow to, None along dimensions without end; None where it may not."""

    @cached_property
    def told(self) -> DatasetHeader | None:
        """What its header says of it; None where the library is to be asked."""
        with suppress(VzlabError):
            return None if self.file.is_shared else dataset_header(self.file.file_bytes, self.header)
        return None

    @cached_property
    def creation(self) -> Any:
        """``h5py.h5p.PropDCID``."""
        return self.dataset_id.get_create_plist()

    @property
    def stored_type(self) -> StoredType:
        """Its datatype; what the library raises passes through."""
        return stored_type(self.dataset_id.get_type()) if self.told is None else self.told.stored

    @property
    def name(self) -> str:
        """Last part of its path."""
        return self.path.rpartition("/")[2]


@dataclass(kw_only=True, eq=False)
class GroupNode(ObjectNode):
    """A group, with what its links lead to."""

    group_id: Any
    links: dict[str, ObjectKey] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    """Links that lead nowhere, and why."""
    told: dict[str, str] = field(default_factory=dict)
    """Links that are soft or external, or lead to what was found before, in words."""


@dataclass(kw_only=True, eq=False)
class ObjectTree:
    """All objects that can be reached from one group, in the order in which they were found."""

    root: ObjectKey
    groups: dict[ObjectKey, GroupNode] = field(default_factory=dict)
    datasets: dict[ObjectKey, DatasetNode] = field(default_factory=dict)
    broken: dict[ObjectKey, str] = field(default_factory=dict)
    """Objects that the library cannot open, and why."""
    others: set[ObjectKey] = field(default_factory=set)
    """Named datatypes."""


MAX_LINKS = 16
"""Soft and external links that are followed one after another, as the library's own limit is."""


class ObjectFinder:
    """Follows hard, soft and external links from a group.

    Parameters
    ----------
    stack : ExitStack
        Closes the files that external links lead to.
    drops : callable
        Whether what is at a path is not wanted.
    """

    def __init__(self, registry: StoreRegistry, stack: ExitStack, drops: Callable[[str], bool]) -> None:
        self._registry = registry
        self._stack = stack
        self._drops = drops
        self._files: dict[str, OpenFile] = {}
        self._unreachable: dict[str, str] = {}

    def add_file(self, source: Source) -> OpenFile:
        """Open a file, or give it again."""
        known = self._files.get(source.url)
        if known is None:
            if source.local_path is None:
                # Fetched in a few rounds, and kept for the library and for all that looks at headers and indices.
                source = CachedSource(source)
                prefetch_metadata(source)
            file_id = self._stack.enter_context(open_hdf5(source))
            known = self._files[source.url] = OpenFile(
                number=len(self._files), file_id=file_id, source=source
            )
        return known

    def find(self, file: OpenFile, path: str) -> ObjectTree:
        """Everything below a group.

        Raises
        ------
        KeyError
            If there is no such group.
        CorruptFileError
            If the library cannot read a group or its attributes.
        """
        root_id = self._open_root(file, path)
        try:
            key = (file.number, _h5o.get_info(root_id).addr)
        except LIBRARY_ERRORS as error:
            raise _damaged(file, path, error) from error
        tree = ObjectTree(root=key)
        pending = [GroupNode(key=key, path=path, file=file, group_id=root_id)]
        tree.groups[key] = pending[0]
        while pending:
            group = pending.pop()
            found = list(self._members(group, tree))
            pending.extend(reversed(found))
        return tree

    def _open_root(self, file: OpenFile, path: str) -> Any:
        try:
            opened = _h5o.open(file.file_id, path.encode("utf-8", "surrogateescape") or b"/")
        except KeyError as error:
            if path:
                raise KeyError(f"{file.source.url} has no group {path!r}") from error
            raise _damaged(file, path, error) from error
        except LIBRARY_ERRORS as error:
            raise _damaged(file, path, error) from error
        if not isinstance(opened, _h5g.GroupID):
            raise KeyError(f"{path!r} of {file.source.url} is no group; a group is expected")
        return opened

    def _members(self, group: GroupNode, tree: ObjectTree) -> Iterator[GroupNode]:
        """Record the links of a group, and give the groups among them that are new."""
        try:
            links = _links(group.group_id)
        except LIBRARY_ERRORS as error:
            if group.key == tree.root:
                raise _damaged(group.file, group.path, error) from error
            del tree.groups[group.key]
            tree.broken[group.key] = f"The HDF5 library cannot read this group: {library_message(error)}"
            return
        _list_attributes(group, group.group_id)
        for raw_name, kind, address in links:
            name = raw_name.decode("utf-8", "surrogateescape")
            path = f"{group.path}/{name}" if group.path else name
            if self._drops(path):
                continue
            key = (group.file.number, address)
            file = group.file
            opened: Any = None
            if kind != _h5l.TYPE_HARD:
                try:
                    file, opened = self._follow(group.file, group.group_id, raw_name)
                    key = (file.number, _h5o.get_info(opened).addr)
                except (VzlabError, *LIBRARY_ERRORS) as error:
                    group.broken[name] = _explain(group.group_id, raw_name, kind, error)
                    continue
            group.links[name] = key
            if told := _tell_link(group, raw_name, kind, tree.groups.get(key) or tree.datasets.get(key)):
                group.told[name] = told
            if key in tree.groups or key in tree.datasets or key in tree.broken or key in tree.others:
                continue
            if opened is None:
                try:
                    opened = _h5o.open(group.group_id, raw_name)
                except LIBRARY_ERRORS as error:
                    tree.broken[key] = f"The HDF5 library cannot open it: {library_message(error)}"
                    continue
            if isinstance(opened, _h5d.DatasetID):
                try:
                    tree.datasets[key] = _dataset_node(key, path, file, opened)
                except LIBRARY_ERRORS as error:
                    tree.broken[key] = f"The HDF5 library cannot read its header: {library_message(error)}"
            elif isinstance(opened, _h5g.GroupID):
                node = GroupNode(key=key, path=path, file=file, group_id=opened)
                tree.groups[key] = node
                yield node
            else:
                tree.others.add(key)

    def _follow(
        self, file: OpenFile, group_id: Any, path: bytes, n_links: int = MAX_LINKS
    ) -> tuple[OpenFile, Any]:
        """The object at a path from a group, over links of any kind, and its file.

        The library would open files at the end of external links by itself, in its own way, and only local ones.
        """
        opened = _h5o.open(file.file_id, b"/") if path.startswith(b"/") else group_id
        for part in path.split(b"/"):
            if part in (b"", b"."):
                continue
            if not isinstance(opened, _h5g.GroupID):
                raise KeyError(f"{part!r} lies below what is no group")
            kind = opened.links.get_info(part).type
            if kind == _h5l.TYPE_HARD:
                opened = _h5o.open(opened, part)
                continue
            if n_links == 0:
                raise KeyError("links lead on and on")
            target = opened.links.get_val(part)
            if kind == _h5l.TYPE_EXTERNAL:
                file = self.add_relative(file, target[0].decode("utf-8", "surrogateescape"))
                opened, target = _h5o.open(file.file_id, b"/"), target[1]
            file, opened = self._follow(file, opened, target, n_links - 1)
        return file, opened

    def add_relative(self, file: OpenFile, filename: str) -> OpenFile:
        """Open a file that another names, beside it.

        Raises
        ------
        SourceNotFoundError
            If it is in none of the places where HDF5 looks.
        """
        return self.add_file(find_relative(file.source, filename, self._registry))


def find_relative(source: Source, filename: str, registry: StoreRegistry) -> Source:
    """The file that another names: by the path given, from the other's directory; else by its last part there.

    Raises
    ------
    SourceNotFoundError
        If it is in neither place.
    """
    names = dict.fromkeys([filename, filename.rpartition("/")[2]])
    for name in names:
        try:
            found = registry.open(join_url(source.url, name))
            _ = found.size_bytes
        except SourceNotFoundError:
            continue
        return found
    raise SourceNotFoundError(
        f"{filename!r}, which {source.url} refers to, is not at {join_url(source.url, filename)}. Put it there."
    )


def _links(group_id: Any) -> list[tuple[bytes, int, int]]:
    """Name, type and address of every link, in order of creation where the group tracks it, else by name."""
    found: list[tuple[bytes, int, int]] = []
    order = group_id.get_create_plist().get_link_creation_order()
    index = _h5.INDEX_CRT_ORDER if order & _h5p.CRT_ORDER_TRACKED else _h5.INDEX_NAME

    def add(name: bytes, info: Any) -> None:
        found.append((name, info.type, info.u))

    group_id.links.iterate(add, idx_type=index, order=_h5.ITER_INC, info=True)
    return found


def open_dataset(file: OpenFile, path: str) -> DatasetNode:
    """One dataset of an open file by its path; what the library raises passes through."""
    dataset_id = _h5d.open(file.file_id, path.encode("utf-8", "surrogateescape"))
    return _dataset_node((file.number, _h5o.get_info(dataset_id).addr), path, file, dataset_id)


def _dataset_node(key: ObjectKey, path: str, file: OpenFile, dataset_id: Any) -> DatasetNode:
    node = DatasetNode(key=key, path=path, file=file, dataset_id=dataset_id)
    told = node.told
    if told is None:
        space = dataset_id.get_space()
        if space.get_simple_extent_type() != h5py.h5s.NULL:
            node.shape = space.get_simple_extent_dims()
        if node.shape and (greatest := space.get_simple_extent_dims(True)) != node.shape:
            node.max_shape = tuple(None if n == h5py.h5s.UNLIMITED else n for n in greatest)
    else:
        node.shape, node.max_shape = told.shape, told.max_shape
    _list_attributes(node, dataset_id)
    return node


def _list_attributes(node: ObjectNode, object_id: Any) -> None:
    """Note the names of an object's attributes. Where they cannot be listed, all else of it may be sound."""
    known = node.header_attributes
    try:
        node.attribute_names = attribute_names(object_id) if known.names is None else known.names
    except LIBRARY_ERRORS as error:
        node.attribute_names = sorted(known.values)
        node.attributes_fault = library_message(error)


def _tell_link(group: GroupNode, name: bytes, kind: int, known: GroupNode | DatasetNode | None) -> str:
    """What a link is, in words; nothing of a hard link to what was not found before."""
    if kind != _h5l.TYPE_HARD:
        return _describe_link(group.group_id, name, kind)
    return f"hard link to what is {'/' + known.path!r} too" if known is not None else ""


def _describe_link(group_id: Any, name: bytes, kind: int) -> str:
    if kind not in (_h5l.TYPE_SOFT, _h5l.TYPE_EXTERNAL):
        return f"link of a kind of its own ({kind}), which only the program that made it can follow"
    target = group_id.links.get_val(name)
    if kind == _h5l.TYPE_EXTERNAL:
        filename, path = (part.decode("utf-8", "replace") for part in target)
        return f"external link to {path!r} of {filename!r}"
    return f"soft link to {target.decode('utf-8', 'replace')!r}"


def _explain(group_id: Any, name: bytes, kind: int, error: Exception) -> str:
    where = ", which leads nowhere" if kind == _h5l.TYPE_SOFT else ""
    article = "An" if kind == _h5l.TYPE_EXTERNAL else "A"
    return f"{article} {_describe_link(group_id, name, kind)}{where}: {library_message(error)}"


def _damaged(file: OpenFile, path: str, error: Exception) -> CorruptFileError:
    return CorruptFileError(
        f"Group '/{path}' of {file.source.url} cannot be read: {library_message(error)}. The file is damaged: fetch it again."
    )
