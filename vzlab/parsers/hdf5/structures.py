"""Heaps, trees and arrays of HDF5 metadata: how long each piece is, and which pieces it leads to.

For fetching ahead only: nothing is checked, and what a damaged file says here is at worst fetched in vain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vzlab.parsers.hdf5.indices.btree2 import BTree2Header, BTree2Level, btree2_header, btree2_levels
from vzlab.parsers.hdf5.indices.extensible_array import ExtensibleArrayHeader, extensible_array_header
from vzlab.parsers.hdf5.object_header import FileBytes

MOST_BYTES = 2**20
"""Of one piece: longer ones are read when they are wanted, and not kept."""
COLLECTION_BYTES = 4096
"""Least length of a global heap collection."""
MOST_HEAP_ROWS = 64
_CHECKSUM_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class Structure:
    """A piece of metadata, and what it leads to."""

    address: int
    length: int
    """As much as is wanted of it at first."""
    follow: Callable[[bytes], Iterator[Structure]]
    """Gives the pieces that its bytes lead to."""


def leaf(address: int, length: int) -> Structure:
    """A piece that leads nowhere; none of it where it is too long to be kept."""
    return Structure(address=address, length=length if length <= MOST_BYTES else 0, follow=lambda _: iter(()))


def global_heap(file: FileBytes, address: int) -> Structure:
    """A collection of values of varying length: HDF5 specification III.E."""

    def follow(head: bytes) -> Iterator[Structure]:
        if head[:4] == b"GCOL":
            yield leaf(address + COLLECTION_BYTES, file.length(head, 8) - COLLECTION_BYTES)

    return Structure(address=address, length=COLLECTION_BYTES, follow=follow)


def btree2(file: FileBytes, address: int) -> Structure:
    """A version 2 B-tree of any kind: specification III.A.2."""

    def follow(head: bytes) -> Iterator[Structure]:
        if head[:4] == b"BTHD":
            header = btree2_header(file, head)
            levels = btree2_levels(file, header)
            yield _btree2_node(file, header, levels, header.root, header.n_root, header.depth)

    return Structure(
        address=address, length=18 + file.address_bytes + file.length_bytes + _CHECKSUM_BYTES, follow=follow
    )


def _btree2_node(
    file: FileBytes, header: BTree2Header, levels: list[BTree2Level], address: int, n_records: int, depth: int
) -> Structure:
    if depth == 0:
        return leaf(address, header.node_bytes)

    def follow(node: bytes) -> Iterator[Structure]:
        if node[:4] != b"BTIN":
            return
        count_bytes = levels[depth].count_bytes
        step = file.address_bytes + count_bytes + levels[depth - 1].total_bytes
        at = 6 + n_records * header.record_bytes
        for start in range(at, min(at + (n_records + 1) * step, len(node) - step), step):
            count_at = start + file.address_bytes
            n_below = int.from_bytes(node[count_at : count_at + count_bytes], "little")
            yield _btree2_node(file, header, levels, file.address(node, start), n_below, depth - 1)

    return Structure(address=address, length=min(header.node_bytes, MOST_BYTES), follow=follow)


def fractal_heap(file: FileBytes, address: int, objects: Callable[[bytes], Iterator[Structure]]) -> Structure:
    """A fractal heap, and what the objects of its direct blocks lead to: specification III.G."""
    width_at = 14 + 10 * file.length_bytes + 2 * file.address_bytes
    first_at = width_at + 2
    heap_bits_at = first_at + 2 * file.length_bytes
    root_at = heap_bits_at + 4

    def follow(head: bytes) -> Iterator[Structure]:
        # What goes through filters is nothing that could be followed.
        if head[:4] != b"FRHP" or head[7:9] != b"\0\0":
            return
        heap = _FractalHeap(
            file=file,
            width=int.from_bytes(head[width_at:first_at], "little"),
            first_bytes=file.length(head, first_at),
            most_direct_bytes=file.length(head, first_at + file.length_bytes),
            prefix_bytes=5
            + file.address_bytes
            + -(-int.from_bytes(head[heap_bits_at : heap_bits_at + 2], "little") // 8),
            has_checksums=bool(head[9] & 2),
            objects=objects,
        )
        n_rows = int.from_bytes(
            head[root_at + file.address_bytes : root_at + file.address_bytes + 2], "little"
        )
        root = file.address(head, root_at)
        yield heap.indirect(root, n_rows) if n_rows else heap.direct(root, heap.first_bytes)

    return Structure(address=address, length=root_at + file.address_bytes + 2, follow=follow)


@dataclass(frozen=True, kw_only=True)
class _FractalHeap:
    file: FileBytes
    width: int
    """Blocks in a row of an indirect block."""
    first_bytes: int
    """Of a block of the first two rows; each further row's are twice as long."""
    most_direct_bytes: int
    prefix_bytes: int
    """Of each block: signature, version, address of the header, the block's place in the heap."""
    has_checksums: bool
    objects: Callable[[bytes], Iterator[Structure]]

    def direct(self, address: int, length: int) -> Structure:
        start = self.prefix_bytes + _CHECKSUM_BYTES * self.has_checksums
        return Structure(
            address=address,
            length=length if length <= MOST_BYTES else 0,
            follow=lambda block: self.objects(block[start:]),
        )

    def indirect(self, address: int, n_rows: int) -> Structure:
        n_rows, step = min(n_rows, MOST_HEAP_ROWS), self.file.address_bytes

        def follow(block: bytes) -> Iterator[Structure]:
            if block[:4] != b"FHIB":
                return
            for row in range(n_rows):
                length = self.first_bytes << max(row - 1, 0)
                for column in range(self.width):
                    child = self.file.address(block, self.prefix_bytes + (row * self.width + column) * step)
                    if length <= self.most_direct_bytes:
                        yield self.direct(child, length)
                    else:
                        # An indirect block has as many rows as make up its length.
                        yield self.indirect(child, (length // (self.first_bytes * self.width)).bit_length())

        return Structure(
            address=address,
            length=self.prefix_bytes + n_rows * self.width * step + _CHECKSUM_BYTES,
            follow=follow,
        )


def fixed_array(file: FileBytes, address: int) -> Structure:
    """The chunk index of that kind: specification III.C."""

    def follow(head: bytes) -> Iterator[Structure]:
        if head[:4] == b"FAHD":
            size, n_elements, page_elements = head[6], file.length(head, 8), 1 << min(head[7], 32)
            # Pages come right behind the block, each with a checksum, and are one bit each of its map.
            n_pages = -(-n_elements // page_elements) if n_elements > page_elements else 0
            n_bytes = (
                10 + file.address_bytes + n_elements * size + n_pages * _CHECKSUM_BYTES - (-n_pages // 8)
            )
            yield leaf(file.address(head, 8 + file.length_bytes), n_bytes)

    return Structure(
        address=address, length=8 + file.length_bytes + file.address_bytes + _CHECKSUM_BYTES, follow=follow
    )


def extensible_array(file: FileBytes, address: int) -> Structure:
    """The chunk index of that kind: specification III.D."""

    def follow(head: bytes) -> Iterator[Structure]:
        if head[:4] == b"EAHD":
            header = extensible_array_header(file, head)
            length = header.index_block_bytes(file)
            yield Structure(
                address=header.index_block,
                length=length if length <= MOST_BYTES else 0,
                follow=lambda block: _extensible_blocks(file, header, block),
            )

    length = 12 + 6 * file.length_bytes + file.address_bytes + _CHECKSUM_BYTES
    return Structure(address=address, length=length, follow=follow)


def _extensible_blocks(file: FileBytes, header: ExtensibleArrayHeader, block: bytes) -> Iterator[Structure]:
    """Blocks that the index block points to: data blocks, then secondary blocks, which point to data blocks."""
    at, step = 6 + file.address_bytes + header.index_elements * header.element_bytes, file.address_bytes
    for k in range(min(header.n_secondary, 64)):
        n_blocks, n_elements = header.blocks_of(k)
        n_bytes = 6 + step + header.offset_bytes + n_elements * header.element_bytes + _CHECKSUM_BYTES
        if k < header.n_direct:
            for i in range(n_blocks):
                yield leaf(file.address(block, at + i * step), n_bytes)
            at += n_blocks * step
        elif at + step <= len(block):
            yield _secondary_block(file, header, file.address(block, at), k)
            at += step


def _secondary_block(file: FileBytes, header: ExtensibleArrayHeader, address: int, k: int) -> Structure:
    n_blocks, n_elements = header.blocks_of(k)
    n_pages = n_elements // header.page_elements if n_elements > header.page_elements else 0
    step = file.address_bytes
    at = 6 + step + header.offset_bytes + n_blocks * -(-n_pages // 8)
    n_bytes = (
        6 + step + header.offset_bytes + n_elements * header.element_bytes + (1 + n_pages) * _CHECKSUM_BYTES
    )

    def follow(block: bytes) -> Iterator[Structure]:
        if block[:4] == b"EASB":
            for start in range(at, min(at + n_blocks * step, len(block) - step), step):
                yield leaf(file.address(block, start), n_bytes)

    length = at + n_blocks * step + _CHECKSUM_BYTES
    return Structure(address=address, length=length if length <= MOST_BYTES else 0, follow=follow)
