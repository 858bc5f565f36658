"""Fetch the metadata of a remote HDF5 file before the library asks: one parallel round for each level of structure.

What is found here serves only to fetch: whatever is not known, or damaged, the library asks for later by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from vzlab.errors import VzlabError
from vzlab.parsers.hdf5.layout_message import BTREE_V1, parse_chunked_layout
from vzlab.parsers.hdf5.object_header import (
    CONTINUATION,
    SPECULATIVE_BYTES,
    FileBytes,
    HeaderShape,
    block_messages,
    continuation_range,
    header_shape,
)
from vzlab.storage import CachedSource

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_LINK_INFO, _LINK, _LAYOUT, _SYMBOL_TABLE, _ATTRIBUTE_INFO = 0x02, 0x06, 0x08, 0x11, 0x15
_INDEX_HEAD_BYTES = 1024
"""Fetched at the start of an index of layout 4 and later: its header, and often its first block."""
MAX_ROUNDS = 40
MAX_STRUCTURES = 200_000


@dataclass(frozen=True, kw_only=True)
class _Structure:
    """A piece of metadata, and what to do once it is there."""

    address: int
    length: int
    follow: Callable[[bytes], Iterator[_Structure]]


def prefetch_metadata(source: CachedSource) -> int:
    """Fetch headers, groups and heads of chunk indices into the cache of a source.

    Returns
    -------
    int
        Rounds of requests.
    """
    head = source.read(0, min(96, source.size_bytes))
    found = _superblock(source, head)
    if found is None:
        return 0
    file, root = found
    return _Walker(file, source).walk(root)


def _superblock(source: CachedSource, head: bytes) -> tuple[FileBytes, int] | None:
    """The file's widths, and the address of the root group's header (HDF5 specification II.A); None where not at byte 0."""
    if head[:8] != _SIGNATURE or len(head) < 96:
        return None
    version = head[8]
    if version in (0, 1):
        widths = (head[13], head[14])
        # Behind four addresses comes the root's symbol table entry: the offset of its name, then its header's address.
        at = (24 if version == 0 else 28) + 5 * head[13]
    elif version in (2, 3):
        widths = (head[9], head[10])
        at = 12 + 3 * head[9]
    else:
        return None
    file = FileBytes(source=source, base=0, address_bytes=widths[0], length_bytes=widths[1])
    return file, file.address(head, at)


class _Walker:
    """Goes from structure to structure, a level at a time."""

    def __init__(self, file: FileBytes, source: CachedSource) -> None:
        self._file = file
        self._source = source
        self._seen: set[int] = set()

    def walk(self, root: int) -> int:
        """All that is reached from the header at an address; returns the number of rounds."""
        level = [self._header(root)]
        n_rounds = 0
        while level and n_rounds < MAX_ROUNDS and len(self._seen) < MAX_STRUCTURES:
            level = [s for s in level if 0 < s.address < self._file.size_bytes and self._is_new(s.address)]
            # A failure is the library's to meet again, and to tell.
            with suppress(VzlabError):
                self._source.prefetch((s.address, s.length) for s in level)
                n_rounds += 1
                level = [below for s in level for below in s.follow(self._file.read(s.address, s.length))]
                continue
            break
        return n_rounds

    def _is_new(self, address: int) -> bool:
        if address in self._seen:
            return False
        self._seen.add(address)
        return True

    def _header(self, address: int) -> _Structure:
        def follow(head: bytes) -> Iterator[_Structure]:
            shape = header_shape(head)
            if shape is None:
                return
            if shape.start + shape.length <= len(head):
                yield from self._messages(head[shape.start : shape.start + shape.length], shape)
            else:
                yield self._block(address + shape.start, shape.length, shape)

        return _Structure(address=address, length=SPECULATIVE_BYTES, follow=follow)

    def _block(self, address: int, length: int, shape: HeaderShape) -> _Structure:
        return _Structure(
            address=address,
            length=min(length, 1 << 20),
            follow=lambda block: self._messages(block, shape),
        )

    def _messages(self, block: bytes, shape: HeaderShape) -> Iterator[_Structure]:
        file = self._file
        for kind, _, body in block_messages(block, shape):
            if kind == CONTINUATION:
                yield self._block(*continuation_range(file, body, shape), shape)
            elif kind == _SYMBOL_TABLE:  # IV.A.2.r
                yield self._group_tree(file.address(body, 0))
                yield self._local_heap(file.address(body, file.address_bytes))
            elif kind == _LINK:
                yield from self._link(body)
            elif kind in (_LINK_INFO, _ATTRIBUTE_INFO) and len(body) > 1:  # IV.A.2.c and IV.A.2.v
                # The greatest creation index is there if bit 0 is set, of eight bytes or of two.
                at = 2 + (8 if kind == _LINK_INFO else 2) * (body[1] & 1)
                yield self._leaf(file.address(body, at), SPECULATIVE_BYTES)
                yield self._leaf(file.address(body, at + file.address_bytes), SPECULATIVE_BYTES)
            elif kind == _LAYOUT:
                layout = parse_chunked_layout(file, body)
                if layout is not None and layout.index_type == BTREE_V1:
                    yield self._chunk_tree(layout.address, len(layout.chunk_shape))
                elif layout is not None and layout.index_type > 2:
                    yield self._leaf(layout.address, _INDEX_HEAD_BYTES)

    def _link(self, body: bytes) -> Iterator[_Structure]:
        """The object that a hard link leads to (IV.A.2.g)."""
        if len(body) < 4:
            return
        flags = body[1]
        at = 2
        if flags & 8:
            if body[at] != 0:
                return
            at += 1
        at += 8 * (flags >> 2 & 1) + (flags >> 4 & 1)
        width = 1 << (flags & 3)
        at += width + int.from_bytes(body[at : at + width], "little")
        if at + self._file.address_bytes <= len(body):
            yield self._header(self._file.address(body, at))

    def _leaf(self, address: int, length: int) -> _Structure:
        return _Structure(address=address, length=length, follow=lambda _: iter(()))

    def _local_heap(self, address: int) -> _Structure:
        """III.D, "Local Heaps": a head, and the names of links elsewhere."""
        file = self._file

        def follow(head: bytes) -> Iterator[_Structure]:
            if head[:4] == b"HEAP":
                length = file.length(head, 8)
                yield self._leaf(file.address(head, 8 + 2 * file.length_bytes), min(length, 1 << 24))

        return _Structure(address=address, length=SPECULATIVE_BYTES, follow=follow)

    def _group_tree(self, address: int) -> _Structure:
        """III.A.1, node type 0: nodes lead to nodes, or to symbol table nodes."""
        file = self._file
        first = 8 + 2 * file.address_bytes + file.length_bytes
        step = file.address_bytes + file.length_bytes

        def follow(node: bytes) -> Iterator[_Structure]:
            if node[:5] != b"TREE\0":
                return
            for i in range(min(int.from_bytes(node[6:8], "little"), 32)):
                child = file.address(node, first + i * step)
                yield self._group_tree(child) if node[5] else self._symbol_node(child)

        return _Structure(address=address, length=first + 32 * step, follow=follow)

    def _symbol_node(self, address: int) -> _Structure:
        """III.B, "Group Symbol Table Nodes"."""
        file = self._file
        entry = 2 * file.address_bytes + 24

        def follow(node: bytes) -> Iterator[_Structure]:
            if node[:4] == b"SNOD":
                for i in range(min(int.from_bytes(node[6:8], "little"), 8)):
                    yield self._header(file.address(node, 8 + i * entry + file.address_bytes))

        return _Structure(address=address, length=8 + 8 * entry, follow=follow)

    def _chunk_tree(self, address: int, rank: int) -> _Structure:
        """III.A.1, node type 1."""
        file = self._file
        key, first = 8 + 8 * (rank + 1), 8 + 2 * file.address_bytes
        step = key + file.address_bytes

        def follow(node: bytes) -> Iterator[_Structure]:
            if node[:5] == b"TREE\1" and node[5]:
                for i in range(min(int.from_bytes(node[6:8], "little"), 64)):
                    yield self._chunk_tree(file.address(node, first + i * step + key), rank)

        return _Structure(address=address, length=first + 64 * step + key, follow=follow)
