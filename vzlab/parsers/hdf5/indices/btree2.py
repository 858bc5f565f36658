"""Version 2 B-trees of chunks: HDF5 specification III.A.2, record types 10 and 11."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.parsers.hdf5.indices.nodes import (
    Bytes,
    IndexEntries,
    IndexRequest,
    below_root,
    element_fields,
    read_node,
    read_nodes,
    require,
    require_checksums,
    require_signature,
    unsigned,
)
from vzlab.parsers.hdf5.indices.placing import grid_numbers, require_apart
from vzlab.parsers.hdf5.object_header import FileBytes

_PREFIX_BYTES, _CHECKSUM_BYTES = 6, 4
_UNFILTERED, _FILTERED = 10, 11


@dataclass(frozen=True, kw_only=True)
class BTree2Header:
    """What the header says of a version 2 B-tree, whatever its records are."""

    kind: int
    node_bytes: int
    record_bytes: int
    depth: int
    root: int
    n_root: int
    n_records: int


@dataclass(frozen=True, kw_only=True)
class BTree2Level:
    """What nodes of one level are like: leaves are level 0."""

    most: int
    """Records in a node."""
    most_below: int
    """Records in a node and all nodes under it."""
    count_bytes: int
    """Of a pointer's number of records in the node."""
    total_bytes: int
    """Of a pointer's number of records in the node and under it; 0 where it leads to a leaf."""


def decode_btree2(request: IndexRequest) -> IndexEntries:
    """All chunks of a version 2 B-tree.

    Raises
    ------
    UnknownIndexError
        If the header or an only node is not as the specification has it, or places of chunks are not.
    DamagedIndexError
        If another node is not, nodes overlap, or have more records than the tree.
    """
    file, rank = request.file, len(request.grid_shape)
    header = _read_header(request)
    width = element_fields(file, header.record_bytes - 8 * rank, is_filtered=request.is_filtered)
    with below_root() if header.depth else nullcontext():
        levels = _read_records(request, header, _record_dtype(file, rank, width))

    def column(name: str, axis: int | None = None) -> npt.NDArray[Any]:
        # Each column for itself: whole records would be copied once more.
        parts = (records[name] if axis is None else records[name][..., axis] for records, _ in levels)
        return np.concatenate([part[used] for part, (_, used) in zip(parts, levels, strict=True)])

    inside, numbers = grid_numbers(
        [column("coordinates", axis) for axis in range(rank)], request, in_elements=False
    )
    kept = slice(None) if inside.all() else inside
    addresses = column("address")[kept].astype(np.uint64, copy=False)
    require(bool((addresses != np.uint64(file.undefined)).all()), "a record has no address")
    lengths = masks = None
    if width:
        lengths, masks = unsigned(column("length")[kept]), column("mask")[kept]
    return IndexEntries(addresses=addresses, lengths=lengths, filter_masks=masks, numbers=numbers)


def _record_dtype(file: FileBytes, rank: int, width: int) -> np.dtype[np.void]:
    address, coordinates = ("address", f"<u{file.address_bytes}"), ("coordinates", "<u8", (rank,))
    if not width:
        return np.dtype([address, coordinates])
    return np.dtype([address, ("length", "u1", (width,)), ("mask", "<u4"), coordinates])


def _read_header(request: IndexRequest) -> BTree2Header:
    file = request.file
    length = 18 + file.address_bytes + file.length_bytes + _CHECKSUM_BYTES
    node = read_node(file, request.address, length)
    require_signature(node[None], b"BTHD", 0)
    require_checksums(node[None])
    header = btree2_header(file, node.tobytes())
    expected = _FILTERED if request.is_filtered else _UNFILTERED
    require(header.kind == expected, f"records are of type {header.kind}, not {expected}")
    require(header.record_bytes > 8 * len(request.grid_shape), "records have no length")
    require(header.node_bytes <= file.size_bytes, "nodes are longer than the file")
    require(header.n_records * header.record_bytes <= file.size_bytes, "there are more records than fit")
    return header


def btree2_header(file: FileBytes, raw: bytes) -> BTree2Header:
    """The header that bytes begin with, not checked."""
    at = 16 + file.address_bytes
    return BTree2Header(
        kind=raw[5],
        node_bytes=int.from_bytes(raw[6:10], "little"),
        record_bytes=int.from_bytes(raw[10:12], "little"),
        depth=int.from_bytes(raw[12:14], "little"),
        root=file.address(raw, 16),
        n_root=int.from_bytes(raw[at : at + 2], "little"),
        n_records=file.length(raw, at + 2),
    )


def btree2_levels(file: FileBytes, header: BTree2Header) -> list[BTree2Level]:
    """Levels from the leaves to the root.

    Raises
    ------
    UnknownIndexError
        If there can be none such.
    """
    room = header.node_bytes - _PREFIX_BYTES - _CHECKSUM_BYTES
    most = room // header.record_bytes
    require(most > 0, "nodes have no room for a record")
    # Numbers of records are stored in as few bytes as the most that there may be needs.
    count_bytes = -(-most.bit_length() // 8)
    levels = [BTree2Level(most=most, most_below=most, count_bytes=count_bytes, total_bytes=0)]
    for _ in range(header.depth):
        below = levels[-1]
        pointer_bytes = file.address_bytes + count_bytes + below.total_bytes
        most = (room - pointer_bytes) // (header.record_bytes + pointer_bytes)
        require(most > 0, "nodes have no room for a record")
        most_below = (most + 1) * below.most_below + most
        levels.append(
            BTree2Level(
                most=most,
                most_below=most_below,
                count_bytes=count_bytes,
                total_bytes=-(-most_below.bit_length() // 8),
            )
        )
        require(most_below.bit_length() <= 64, "the tree is deeper than can be")
    return levels


def _read_records(
    request: IndexRequest, header: BTree2Header, record: np.dtype[np.void]
) -> list[tuple[npt.NDArray[np.void], npt.NDArray[np.bool_]]]:
    """Records of each level, and which of them are in use; both of shape ``(n_nodes, most records in one)``."""
    file, size = request.file, header.record_bytes
    if header.root == file.undefined or not header.n_records:
        require(header.n_records == 0, "the tree has records and no root")
        return [(np.zeros((0, 0), record), np.zeros((0, 0), np.bool_))]
    levels = btree2_levels(file, header)
    addresses, counts = np.array([header.root], np.uint64), np.array([header.n_root], np.int64)
    n_left = header.n_records
    found = []
    for depth in range(header.depth, -1, -1):
        level = levels[depth]
        require(bool((counts <= level.most).all()), "a node has more records than fit")
        n_left -= int(counts.sum())
        require(n_left >= 0, "nodes have more records than the tree")
        require_apart(addresses, header.node_bytes)
        nodes = read_nodes(file, addresses, header.node_bytes)
        require_signature(nodes, b"BTIN" if depth else b"BTLF", 0)
        require(bool((nodes[:, 5] == header.kind).all()), "a node is of another kind of tree")
        below = levels[depth - 1] if depth else None
        pointer_bytes = file.address_bytes + level.count_bytes + below.total_bytes if below else 0
        used = _PREFIX_BYTES + counts * size + (counts + 1) * pointer_bytes
        _require_node_checksums(nodes, used)
        most = int(counts.max())
        records = nodes[:, _PREFIX_BYTES : _PREFIX_BYTES + most * size].view(record)
        found.append((records, np.arange(most) < counts[:, None]))
        if not below:
            break
        pointers = _pointers(nodes, counts, _PREFIX_BYTES + counts * size, pointer_bytes)
        at = file.address_bytes
        addresses = unsigned(pointers[:, :at])
        counts = unsigned(pointers[:, at : at + level.count_bytes]).astype(np.int64)
    require(n_left == 0, "nodes have fewer records than the tree")
    return found


def _pointers(nodes: Bytes, counts: npt.NDArray[np.int64], starts: npt.NDArray[np.int64], size: int) -> Bytes:
    """Pointers of internal nodes, one more than records, from where they start; shape ``(n_pointers, size)``."""
    owner = np.repeat(np.arange(len(nodes)), counts + 1)
    first = np.cumsum(counts + 1) - (counts + 1)
    at = starts[owner] + (np.arange(len(owner)) - first[owner]) * size
    pointers: Bytes = nodes[owner[:, None], at[:, None] + np.arange(size)]
    return pointers


def _require_node_checksums(nodes: Bytes, used: npt.NDArray[np.int64]) -> None:
    """The checksum of a node comes right behind what is used of it."""
    require(bool((used + _CHECKSUM_BYTES <= nodes.shape[1]).all()), "a node has more records than fit")
    for length in np.unique(used).tolist():
        require_checksums(nodes[used == length, : length + _CHECKSUM_BYTES])
