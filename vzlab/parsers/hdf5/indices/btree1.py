"""Version 1 B-trees of chunks: HDF5 specification III.A.1, node type 1."""

from __future__ import annotations

import numpy as np

from vzlab.parsers.hdf5.indices.nodes import (
    IndexEntries,
    IndexRequest,
    TangledIndexError,
    UnknownIndexError,
    read_nodes,
    require,
    require_signature,
)
from vzlab.parsers.hdf5.indices.placing import grid_numbers, require_apart
from vzlab.parsers.hdf5.object_header import FileBytes, messages

_CHUNK_NODE = 1
_DEFAULT_HALF_ENTRIES = 32
_HALF_ENTRIES_MESSAGE = 0x13
"""B-tree 'K' values (IV.A.2.t)."""


def decode_btree1(request: IndexRequest) -> IndexEntries:
    """All chunks of a version 1 B-tree.

    Raises
    ------
    UnknownIndexError
        If a node is not as the specification has it.
    TangledIndexError
        If nodes overlap, or one is not on the level that its parent is above.
    """
    file, rank = request.file, len(request.grid_shape)
    capacity = 2 * half_entries(file)
    node = node_dtype(file, rank, capacity)
    addresses = np.array([request.address], np.uint64)
    level: int | None = None
    while True:
        require_apart(addresses, node.itemsize)
        read = read_nodes(file, addresses, node.itemsize)
        require_signature(read, b"TREE", _CHUNK_NODE)
        nodes = read.view(node)[:, 0]
        require(int(nodes["used"].max()) <= capacity, "a node has more entries than fit")
        if level is None:
            level = int(nodes["level"][0])
        elif (nodes["level"] != level).any():
            raise TangledIndexError(f"a node below level {level + 1} is not of level {level}")
        in_use = np.arange(capacity) < nodes["used"][:, None]
        entries = nodes["entries"]
        addresses = entries["child"][in_use].astype(np.uint64, copy=False)
        if level == 0:
            break
        require(len(addresses) > 0, "a node above the leaves has no entries")
        level -= 1
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
    head = file.read(0, 96)
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
