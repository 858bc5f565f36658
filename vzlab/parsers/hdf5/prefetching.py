"""Fetch the metadata of a remote HDF5 file before the library asks: one parallel round for each level of structure.

What is found here serves only to fetch: whatever is not known, or damaged, the library asks for later by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

from vzlab.errors import VzlabError
from vzlab.parsers.hdf5.indices.nodes import UnknownIndexError
from vzlab.parsers.hdf5.layout_message import (
    BTREE_V1,
    BTREE_V2,
    EXTENSIBLE_ARRAY,
    FIXED_ARRAY,
    parse_chunked_layout,
)
from vzlab.parsers.hdf5.messages import AttributeValues, attribute_values, link_target, values_start
from vzlab.parsers.hdf5.object_header import (
    CONTINUATION,
    FileBytes,
    HeaderShape,
    block_messages,
    continuation_range,
    header_shape,
)
from vzlab.parsers.hdf5.structures import (
    MOST_BYTES,
    Structure,
    btree2,
    extensible_array,
    fixed_array,
    fractal_heap,
    global_heap,
    leaf,
)
from vzlab.storage import CachedSource
from vzlab.storage.source import HEAD_BYTES

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_DATATYPE, _LINK_INFO, _LINK, _LAYOUT, _ATTRIBUTE = 0x03, 0x02, 0x06, 0x08, 0x0C
_SYMBOL_TABLE, _ATTRIBUTE_INFO, _FILE_SPACE_INFO = 0x11, 0x15, 0x17
_SHARED = 2
"""Flag of a message whose data are elsewhere."""
_PAGED = 1
_VIRTUAL_LAYOUT = 3

WHOLE_FILE_BYTES = 4 * HEAD_BYTES
"""A file of no more is fetched whole: in the second request, where following its structure would take several rounds."""
HEADER_BYTES = 4096
"""Fetched where an object header begins: the blocks that continue it, its chunk index and strings often lie right behind."""
HEAP_HEAD_BYTES = 512
MAX_ROUNDS = 40
MAX_STRUCTURES = 200_000


def prefetch_metadata(source: CachedSource) -> int:
    """Fetch headers, groups, attributes and chunk indices into the cache of a source.

    Returns
    -------
    int
        Rounds of requests, the one that found out what the source is not counted.
    """
    if source.size_bytes <= WHOLE_FILE_BYTES:
        return int(source.prefetch([(0, source.size_bytes)]))
    base = _superblock_position(source)
    if base is None:
        return 0
    walker = _Walker(source, base)
    return walker.walk(walker.roots(source.read(base, 96)))


def _superblock_position(source: CachedSource) -> int | None:
    """Where the superblock is, among what came with the first request: at 0, 512, 1024, ... (HDF5 specification II.A)."""
    position = 0
    while position + 96 <= HEAD_BYTES:
        if source.read(position, 8) == _SIGNATURE:
            return position
        position = max(512, 2 * position)
    return None


class _Walker:
    """Goes from structure to structure, a level at a time."""

    def __init__(self, source: CachedSource, base: int) -> None:
        self._source = source
        head = source.read(base, 16)
        widths = (head[13], head[14]) if head[8] < 2 else (head[9], head[10])
        self._file = FileBytes(source=source, base=base, address_bytes=widths[0], length_bytes=widths[1])
        self._page_bytes = 1
        self._seen: set[int] = set()
        self._heaps: set[int] = set()
        self._values: dict[bytes, AttributeValues | None] = {}
        """By all of an attribute message that is no value."""

    def roots(self, head: bytes) -> list[Structure]:
        """What a superblock leads to: the root group, and the extension of the superblock (II.A)."""
        file, version = self._file, head[8]
        if version in (0, 1):
            # Behind four addresses comes the root's symbol table entry.
            return list(self._symbol_entry(head, (24 if version == 0 else 28) + 4 * file.address_bytes))
        if version in (2, 3):
            at = [12 + i * file.address_bytes for i in (3, 1)]
            return [self._header(file.address(head, i)) for i in at]
        return []

    def walk(self, level: list[Structure]) -> int:
        """Fetch all that is reached from structures; returns the number of rounds that asked for anything."""
        n_rounds = 0
        for _ in range(MAX_ROUNDS):
            level = [s for s in level if self._is_wanted(s)]
            if not level or len(self._seen) > MAX_STRUCTURES:
                break
            try:
                n_rounds += self._source.prefetch(self._ranges(level))
            except VzlabError:
                # The library will meet it again, and tell.
                break
            level = [below for structure in level for below in self._follow(structure)]
        return n_rounds

    def _is_wanted(self, structure: Structure) -> bool:
        address = structure.address
        if structure.length <= 0 or not 0 <= address < self._file.size_bytes or address in self._seen:
            return False
        self._seen.add(address)
        return True

    def _ranges(self, level: Iterable[Structure]) -> Iterator[tuple[int, int]]:
        """Where structures lie, and in a paged file the rest of their pages, which hold metadata alone."""
        size = self._page_bytes
        for structure in level:
            start = self._file.base + structure.address
            begin, end = start // size * size, -(-(start + structure.length) // size) * size
            yield begin, end - begin

    def _follow(self, structure: Structure) -> list[Structure]:
        found: list[Structure] = []
        # Numbers of a damaged file may be any.
        with suppress(VzlabError, UnknownIndexError, LookupError, ArithmeticError):
            found.extend(structure.follow(self._file.read(structure.address, structure.length)))
        return found

    # -- object headers ---------------------------------------------------------------------------------------------

    def _header(self, address: int) -> Structure:
        def follow(head: bytes) -> Iterator[Structure]:
            shape = header_shape(head)
            if shape is None:
                return
            if shape.start + shape.length <= len(head):
                yield from self._messages(head[shape.start : shape.start + shape.length], shape)
            else:
                yield self._block(address + shape.start, shape.length, shape)

        return Structure(address=address, length=HEADER_BYTES, follow=follow)

    def _block(self, address: int, length: int, shape: HeaderShape) -> Structure:
        return Structure(
            address=address,
            length=min(length, MOST_BYTES),
            follow=lambda block: self._messages(block, shape),
        )

    def _messages(self, block: bytes, shape: HeaderShape) -> Iterator[Structure]:
        file, step = self._file, self._file.address_bytes
        for kind, flags, body in block_messages(block, shape):
            if flags & _SHARED:
                if kind == _DATATYPE:
                    yield from self._shared(body)
            elif kind == CONTINUATION:
                yield self._block(*continuation_range(file, body, shape), shape)
            elif kind == _ATTRIBUTE:
                yield from self._attribute(body)
            elif kind == _LINK:
                yield from self._link(body)
            elif kind == _LAYOUT:
                yield from self._layout(body)
            elif kind == _SYMBOL_TABLE:  # IV.A.2.r
                yield self._group_tree(file.address(body, 0))
                yield self._local_heap(file.address(body, step))
            elif kind in (_LINK_INFO, _ATTRIBUTE_INFO):  # IV.A.2.c and IV.A.2.v
                # The greatest creation index is there if bit 0 is set, of eight bytes or of two.
                at = 2 + (8 if kind == _LINK_INFO else 2) * (body[1] & 1)
                objects = self._links if kind == _LINK_INFO else self._attributes
                yield fractal_heap(file, file.address(body, at), objects)
                yield btree2(file, file.address(body, at + step))
                if body[1] & 2:
                    yield btree2(file, file.address(body, at + 2 * step))
            elif kind == _FILE_SPACE_INFO and body[:2] == bytes([1, _PAGED]):  # IV.A.2.x
                page_bytes = file.length(body, 3 + file.length_bytes)
                self._page_bytes = max(1, min(page_bytes, MOST_BYTES))

    def _shared(self, body: bytes) -> Iterator[Structure]:
        """The object whose header has the message (IV.A.1.c, versions 1 to 3)."""
        if body[0] in (1, 2) or body[:2] == b"\3\2":
            yield self._header(self._file.address(body, 8 if body[0] == 1 else 2))

    def _layout(self, body: bytes) -> Iterator[Structure]:
        file = self._file
        if body[0] >= 4 and body[1] == _VIRTUAL_LAYOUT:
            yield global_heap(file, file.address(body, 2))
            return
        layout = parse_chunked_layout(file, body)
        if layout is None:
            return
        if layout.index_type == BTREE_V1:
            yield self._chunk_tree(layout.address, len(layout.chunk_shape))
        elif layout.index_type == BTREE_V2:
            yield btree2(file, layout.address)
        elif layout.index_type == FIXED_ARRAY:
            yield fixed_array(file, layout.address)
        elif layout.index_type == EXTENSIBLE_ARRAY:
            yield extensible_array(file, layout.address)

    # -- attributes and links, in headers and in heaps --------------------------------------------------------------

    def _attribute(self, body: bytes) -> Iterator[Structure]:
        """The heaps that hold the values of an attribute, strings of varying length or references."""
        if len(body) < 8:
            return
        # Of thousands of attributes most differ in their values alone.
        head = body[: values_start(body)]
        if head not in self._values:
            self._values[head] = attribute_values(self._file, body)
        values = self._values[head]
        if values is not None and values.are_elsewhere:
            file, step = self._file, 8 + self._file.address_bytes
            # A length, the address of a collection, and a number in it.
            for at in range(values.start, min(values.stop, len(body)) - step + 1, step):
                address = file.address(body, at + 4)
                if address not in self._heaps:
                    self._heaps.add(address)
                    yield global_heap(file, address)

    def _link(self, body: bytes) -> Iterator[Structure]:
        _, target = link_target(self._file, body)
        if target is not None:
            yield self._header(target)

    def _links(self, objects: bytes) -> Iterator[Structure]:
        """Links as they lie one after another in a block of a heap."""
        at = 0
        while objects[at : at + 1] == b"\1":
            n_bytes, target = link_target(self._file, objects[at:])
            if target is not None:
                yield self._header(target)
            at += n_bytes

    def _attributes(self, objects: bytes) -> Iterator[Structure]:
        """Attributes as they lie one after another in a block of a heap."""
        at = 0
        while at < len(objects):
            values = attribute_values(self._file, objects[at:])
            if values is None:
                return
            yield from self._attribute(objects[at : at + values.stop])
            at += values.stop

    # -- groups and chunks as version 1 B-trees ---------------------------------------------------------------------

    def _local_heap(self, address: int) -> Structure:
        """III.D, "Local Heaps": a head, and the names of links elsewhere."""
        file = self._file

        def follow(head: bytes) -> Iterator[Structure]:
            if head[:4] == b"HEAP":
                yield leaf(file.address(head, 8 + 2 * file.length_bytes), file.length(head, 8))

        return Structure(address=address, length=HEAP_HEAD_BYTES, follow=follow)

    def _group_tree(self, address: int) -> Structure:
        """III.A.1, node type 0: nodes lead to nodes, or to symbol table nodes."""
        file = self._file
        first = 8 + 2 * file.address_bytes + file.length_bytes
        step = file.address_bytes + file.length_bytes

        def follow(node: bytes) -> Iterator[Structure]:
            if node[:5] == b"TREE\0":
                for i in range(min(int.from_bytes(node[6:8], "little"), 32)):
                    child = file.address(node, first + i * step)
                    yield self._group_tree(child) if node[5] else self._symbol_node(child)

        return Structure(address=address, length=first + 32 * step, follow=follow)

    def _symbol_node(self, address: int) -> Structure:
        """III.B, "Group Symbol Table Nodes"."""
        entry = 2 * self._file.address_bytes + 24

        def follow(node: bytes) -> Iterator[Structure]:
            if node[:4] == b"SNOD":
                for i in range(min(int.from_bytes(node[6:8], "little"), 8)):
                    yield from self._symbol_entry(node, 8 + i * entry)

        return Structure(address=address, length=8 + 8 * entry, follow=follow)

    def _symbol_entry(self, block: bytes, at: int) -> Iterator[Structure]:
        """III.C, "Symbol Table Entry": an object, and of a group its tree and heap as well."""
        file, step = self._file, self._file.address_bytes
        yield self._header(file.address(block, at + step))
        scratch = at + 2 * step + 8
        if block[at + 2 * step : scratch - 4] == b"\1\0\0\0":
            yield self._group_tree(file.address(block, scratch))
            yield self._local_heap(file.address(block, scratch + step))

    def _chunk_tree(self, address: int, rank: int) -> Structure:
        """III.A.1, node type 1."""
        file = self._file
        key, first = 8 + 8 * (rank + 1), 8 + 2 * file.address_bytes
        step = key + file.address_bytes

        def follow(node: bytes) -> Iterator[Structure]:
            if node[:5] == b"TREE\1" and node[5]:
                for i in range(min(int.from_bytes(node[6:8], "little"), 64)):
                    yield self._chunk_tree(file.address(node, first + i * step + key), rank)

        return Structure(address=address, length=first + 64 * step + key, follow=follow)
