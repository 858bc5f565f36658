"""Version 1 B-trees of chunks: HDF5 specification III.A.1, node type 1."""

from __future__ import annotations

import math
import struct
from functools import cache

import numpy as np
import numpy.typing as npt

from vzlab.parsers.hdf5.indices.nodes import (
    IndexEntries,
    IndexRequest,
    UnknownIndexError,
    below_root,
    read_nodes,
    require,
    require_signature,
)
from vzlab.parsers.hdf5.indices.placing import grid_numbers, require_apart
from vzlab.parsers.hdf5.object_header import FileBytes, messages

_CHUNK_NODE = 1
_PREFIX_BYTES = 24
"""Of a node with addresses of eight bytes: signature, type, level, number of entries, two siblings."""
_DEFAULT_HALF_ENTRIES = 32
_HALF_ENTRIES_MESSAGE = 0x13
"""B-tree 'K' values (IV.A.2.t)."""


def decode_btree1(request: IndexRequest) -> IndexEntries:
    """All chunks of a version 1 B-tree.

    Raises
    ------
    UnknownIndexError
        If the root is not as the specification has it, or places of chunks are not.
    DamagedIndexError
        If another node is not, nodes overlap, or one is not on the level that its parent is above.
    """
    file, rank = request.file, len(request.grid_shape)
    capacity = 2 * half_entries(file)
    node = node_dtype(file, rank, capacity)
    nodes = _read_level(request, np.array([request.address], np.uint64), node)
    for level in range(int(nodes["level"][0]), 0, -1):
        with below_root():
            children = nodes["entries"]["child"][_in_use(nodes)].astype(np.uint64, copy=False)
            require(len(children) > 0, "a node above the leaves has no entries")
            nodes = _read_level(request, children, node)
            # So no node is its own ancestor.
            require(
                bool((nodes["level"] == level - 1).all()),
                f"a node below level {level} is of another than {level - 1}",
            )
    entries, in_use = nodes["entries"], _in_use(nodes)
    addresses = entries["child"][in_use].astype(np.uint64, copy=False)
    require(bool((addresses != np.uint64(file.undefined)).all()), "an entry has no address")
    offsets = entries["offsets"]
    require(not offsets[..., rank][in_use].any(), "an entry begins inside an element")
    inside, numbers = grid_numbers(
        [offsets[..., axis][in_use] for axis in range(rank)], request, in_elements=True
    )
    lengths, masks = entries["length"][in_use].astype(np.uint64), entries["mask"][in_use]
    if not inside.all():
        addresses, lengths, masks = addresses[inside], lengths[inside], masks[inside]
    return IndexEntries(addresses=addresses, lengths=lengths, filter_masks=masks, numbers=numbers)


type LeafEntry = tuple[int, int, int, int]
"""A chunk's position in the grid in C order, its address, stored bytes and filter mask."""


def decode_leaf(
    file: FileBytes, address: int, grid_shape: tuple[int, ...], chunk_shape: tuple[int, ...]
) -> list[LeafEntry] | None:
    """The few chunks of a tree that is one leaf; None where it is not, or not as the specification has it."""
    if file.address_bytes != 8:
        return None
    n_most, rank = math.prod(grid_shape), len(grid_shape)
    entry = _leaf_entry(rank)
    # The library wants all of a node in the file, however much of it is in use; a key comes behind the last entry.
    n_bytes = _PREFIX_BYTES + 2 * half_entries(file) * entry.size + entry.size - file.address_bytes
    if address + n_bytes > _end(file):
        return None
    node = file.read(address, _PREFIX_BYTES + n_most * entry.size)
    n_used = int.from_bytes(node[6:8], "little")
    stop = _PREFIX_BYTES + n_used * entry.size
    if node[:6] != b"TREE\1\0" or n_used > n_most or len(node) < stop:
        return None
    found: dict[int, LeafEntry] = {}
    for length, mask, *offsets, inside_element, child in entry.iter_unpack(node[_PREFIX_BYTES:stop]):
        number = 0
        for offset, n_chunks, n_elements in zip(offsets, grid_shape, chunk_shape, strict=True):
            position, rest = divmod(offset, n_elements)
            if rest or position >= n_chunks:
                return None
            number = number * n_chunks + position
        if inside_element or child == file.undefined:
            return None
        found[number] = (number, child, length, mask)
    return list(found.values()) if len(found) == n_used else None


@cache
def _leaf_entry(rank: int) -> struct.Struct:
    """Stored bytes, filter mask, an offset for each dimension and one in an element, address."""
    return struct.Struct(f"<II{rank + 1}QQ")


def _read_level(
    request: IndexRequest, addresses: npt.NDArray[np.uint64], node: np.dtype[np.void]
) -> npt.NDArray[np.void]:
    require_apart(addresses, node.itemsize)
    read = read_nodes(request.file, addresses, node.itemsize)
    require_signature(read, b"TREE", _CHUNK_NODE)
    nodes: npt.NDArray[np.void] = read.view(node)[:, 0]
    require(int(nodes["used"].max()) <= nodes["entries"].shape[1], "a node has more entries than fit")
    return nodes


def _in_use(nodes: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
    """Which entries of each node hold something, shape ``(n_nodes, capacity)``."""
    used: npt.NDArray[np.bool_] = np.arange(nodes["entries"].shape[1]) < nodes["used"][:, None]
    return used


def node_dtype(file: FileBytes, rank: int, capacity: int) -> np.dtype[np.void]:
    """A node with room for `capacity` chunks."""
    address = f"<u{file.address_bytes}"
    # The last offset is that of a byte in an element, always 0.
    key = [("length", "<u4"), ("mask", "<u4"), ("offsets", "<u8", (rank + 1,))]
    entry = np.dtype([*key, ("child", address)])
    return np.dtype(
        [
            ("signature", "V4"),
            ("type", "u1"),
            ("level", "u1"),
            ("used", "<u2"),
            ("siblings", address, (2,)),
            ("entries", entry, (capacity,)),
            ("last_key", np.dtype(key)),
        ]
    )


def half_entries(file: FileBytes) -> int:
    """How many entries half a node of chunks has: "Indexed Storage Internal Node K" of the superblock (II.A)."""
    head = file.superblock
    version = head[8] if len(head) > 8 else -1
    if version == 0:
        return _DEFAULT_HALF_ENTRIES
    if version == 1:
        return int.from_bytes(head[24:26], "little")
    if version in (2, 3):
        extension = file.address(head, 12 + file.address_bytes)
        if extension == file.undefined:
            return _DEFAULT_HALF_ENTRIES
        for kind, _, body in messages(file, extension):
            if kind == _HALF_ENTRIES_MESSAGE:
                return int.from_bytes(body[1:3], "little")
        return _DEFAULT_HALF_ENTRIES
    raise UnknownIndexError(f"the superblock has version {version}")


def _end(file: FileBytes) -> int:
    """Address behind all that the library takes for the file (II.A); 0 behind a user block, where that is not plain."""
    head = file.superblock
    at = {0: 40, 1: 44, 2: 28, 3: 28}.get(head[8] if len(head) > 8 else -1)
    return 0 if at is None or file.base else min(file.address(head, at), file.size_bytes)
