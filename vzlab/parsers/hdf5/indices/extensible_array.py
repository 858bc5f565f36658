"""Extensible arrays: HDF5 specification III.D, "Extensible Array Index"."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vzlab.parsers.hdf5.indices.nodes import (
    Bytes,
    IndexEntries,
    IndexRequest,
    element_fields,
    entries_of,
    read_node,
    read_nodes,
    require,
    require_checksums,
    require_countable,
    require_signature,
    unsigned,
)
from vzlab.parsers.hdf5.indices.placing import array_numbers, require_apart
from vzlab.parsers.hdf5.object_header import FileBytes

_CHECKSUM_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class ExtensibleArrayHeader:
    """What the header says of an extensible array, whatever its elements are."""

    element_bytes: int
    max_bits: int
    """Of the number of an element."""
    index_elements: int
    """That the index block itself holds."""
    min_block_elements: int
    min_pointers: int
    page_elements: int
    n_set: int
    """Elements from the first to the last that was ever set."""
    index_block: int

    @property
    def offset_bytes(self) -> int:
        """Of a block's own number, in its head."""
        return -(-self.max_bits // 8)

    @property
    def n_direct(self) -> int:
        """Secondary blocks whose data blocks the index block points to."""
        return 2 * (self.min_pointers.bit_length() - 1)

    @property
    def n_secondary(self) -> int:
        """Secondary blocks that there may be, the direct ones counted."""
        return 1 + self.max_bits - (self.min_block_elements.bit_length() - 1)

    @property
    def n_direct_blocks(self) -> int:
        """Data blocks that the index block points to."""
        return 2 * (self.min_pointers - 1)

    @property
    def n_pointers(self) -> int:
        """Of the index block."""
        return self.n_direct_blocks + max(0, self.n_secondary - self.n_direct)

    def index_block_bytes(self, file: FileBytes) -> int:
        """Length of the index block."""
        held = self.index_elements * self.element_bytes
        return 6 + file.address_bytes + held + self.n_pointers * file.address_bytes + _CHECKSUM_BYTES

    def blocks_of(self, k: int) -> tuple[int, int]:
        """How many data blocks secondary block `k` has, and how many elements each of them."""
        return 1 << k // 2, (1 << (k + 1) // 2) * self.min_block_elements


def decode_extensible_array(request: IndexRequest) -> IndexEntries:
    """All chunks of an extensible array.

    Raises
    ------
    UnknownIndexError
        If it is not as the specification has it, or blocks overlap.
    """
    file = request.file
    header = _read_header(request)
    require_countable(header.n_set)
    width = element_fields(file, header.element_bytes, is_filtered=request.is_filtered)
    unlimited = [axis for axis, limit in enumerate(request.limit_grid_shape) if limit is None]
    require(len(unlimited) == 1, "an extensible array has one unlimited dimension")
    numbers = array_numbers(request, slowest=unlimited[0])
    n_grid = math.prod(request.grid_shape)
    n_wanted = n_grid if numbers is None else int(numbers.max()) + 1
    n_wanted = min(n_wanted, header.n_set)
    elements = np.full((n_wanted, header.element_bytes), 0xFF, np.uint8)
    if n_wanted:
        _fill(request, header, elements)
    if numbers is None:
        return entries_of(file, elements, width, None if n_wanted == n_grid else np.arange(n_wanted))
    within = numbers < n_wanted
    if within.all():
        return entries_of(file, elements[numbers], width, None)
    return entries_of(file, elements[numbers[within]], width, np.flatnonzero(within))


def _read_header(request: IndexRequest) -> ExtensibleArrayHeader:
    file = request.file
    length = 12 + 6 * file.length_bytes + file.address_bytes + _CHECKSUM_BYTES
    head = read_node(file, request.address, length)
    require_signature(head[None], b"EAHD", 0)
    require_checksums(head[None])
    raw = head.tobytes()
    require(raw[5] == request.is_filtered, "the array is of another kind than the dataset")
    _, max_bits, _, min_block_elements, min_pointers, page_bits = raw[6:12]
    require(
        0 < max_bits <= 64
        and _is_power_of_two(min_block_elements)
        and _is_power_of_two(min_pointers)
        and min_pointers > 1
        and min_block_elements.bit_length() <= max_bits
        and page_bits <= 32,
        "the array's parameters are not such as can be",
    )
    return extensible_array_header(file, raw)


def extensible_array_header(file: FileBytes, raw: bytes) -> ExtensibleArrayHeader:
    """The header that bytes begin with, not checked."""
    element_bytes, max_bits, index_elements, min_block_elements, min_pointers, page_bits = raw[6:12]
    return ExtensibleArrayHeader(
        element_bytes=element_bytes,
        max_bits=max_bits,
        index_elements=index_elements,
        min_block_elements=min_block_elements,
        min_pointers=min_pointers,
        page_elements=1 << page_bits,
        n_set=file.length(raw, 12 + 4 * file.length_bytes),
        index_block=file.address(raw, 12 + 6 * file.length_bytes),
    )


def _is_power_of_two(n: int) -> bool:
    return n > 0 and n & (n - 1) == 0


def _fill(request: IndexRequest, header: ExtensibleArrayHeader, elements: Bytes) -> None:
    """Put the elements of all blocks in their places."""
    file, size, n_wanted = request.file, header.element_bytes, len(elements)
    prefix_bytes = 6 + file.address_bytes
    block = read_node(file, header.index_block, header.index_block_bytes(file))
    _require_blocks(request, block[None], b"EAIB")
    at = prefix_bytes + header.index_elements * size
    held = block[prefix_bytes:at].reshape(-1, size)[:n_wanted]
    elements[: len(held)] = held
    pointers = unsigned(block[at:-_CHECKSUM_BYTES].reshape(header.n_pointers, file.address_bytes))
    start, first_pointer = header.index_elements, 0
    for k in range(header.n_secondary):
        if start >= n_wanted:
            return
        n_blocks, block_elements = header.blocks_of(k)
        n_pages = block_elements // header.page_elements if block_elements > header.page_elements else 0
        in_use: npt.NDArray[np.uint8] | None = None
        if k < header.n_direct:
            require(n_pages == 0, "a data block of the index block has pages")
            addresses = pointers[first_pointer : first_pointer + n_blocks]
            first_pointer += n_blocks
        else:
            secondary = int(pointers[header.n_direct_blocks + k - header.n_direct])
            if secondary == file.undefined:
                start += n_blocks * block_elements
                continue
            addresses, in_use = _read_secondary(request, header, secondary, n_blocks, n_pages)
        wanted = -(-(n_wanted - start) // block_elements)
        addresses = addresses[:wanted]
        present = np.flatnonzero(addresses != np.uint64(file.undefined))
        target = elements[start : start + n_blocks * block_elements]
        _fill_from_blocks(request, header, target, addresses, present, block_elements, n_pages, in_use)
        start += n_blocks * block_elements


def _read_secondary(
    request: IndexRequest, header: ExtensibleArrayHeader, address: int, n_blocks: int, n_pages: int
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint8] | None]:
    """Addresses of the data blocks of a secondary block, and which of their pages are in use, one after another."""
    file = request.file
    at = 6 + file.address_bytes + header.offset_bytes
    # Each data block has whole bytes of the bit map, the bits of all are nevertheless one row.
    map_bytes = n_blocks * -(-n_pages // 8)
    block = read_node(file, address, at + map_bytes + n_blocks * file.address_bytes + _CHECKSUM_BYTES)
    _require_blocks(request, block[None], b"EASB")
    bits = np.unpackbits(block[at : at + map_bytes]) if n_pages else None
    raw = block[at + map_bytes : -_CHECKSUM_BYTES].reshape(n_blocks, file.address_bytes)
    return unsigned(raw), bits


def _fill_from_blocks(
    request: IndexRequest,
    header: ExtensibleArrayHeader,
    target: Bytes,
    addresses: npt.NDArray[np.uint64],
    present: npt.NDArray[np.int64],
    block_elements: int,
    n_pages: int,
    in_use: npt.NDArray[np.uint8] | None,
) -> None:
    """Elements of the data blocks of one secondary block."""
    if not len(present):
        return
    file, size = request.file, header.element_bytes
    prefix_bytes = 6 + file.address_bytes + header.offset_bytes
    page_bytes = header.page_elements * size + _CHECKSUM_BYTES
    body_bytes = n_pages * page_bytes if n_pages else block_elements * size
    require_apart(addresses[present], prefix_bytes + body_bytes + _CHECKSUM_BYTES)
    if not n_pages:
        nodes = read_nodes(file, addresses[present], prefix_bytes + body_bytes + _CHECKSUM_BYTES)
        _require_blocks(request, nodes, b"EADB")
        elements = nodes[:, prefix_bytes:-_CHECKSUM_BYTES].reshape(-1, block_elements, size)
        _put(target, elements, present, block_elements)
        return
    assert in_use is not None
    _require_blocks(request, read_nodes(file, addresses[present], prefix_bytes + _CHECKSUM_BYTES), b"EADB")
    pages = np.flatnonzero(in_use[: len(addresses) * n_pages])
    pages = pages[pages * header.page_elements < len(target)]
    owners = pages // n_pages
    pages, owners = pages[np.isin(owners, present)], owners[np.isin(owners, present)]
    starts = (
        addresses[owners]
        + np.uint64(prefix_bytes + _CHECKSUM_BYTES)
        + (pages % n_pages * page_bytes).astype(np.uint64)
    )
    nodes = read_nodes(file, starts, page_bytes)
    require_checksums(nodes)
    elements = nodes[:, :-_CHECKSUM_BYTES].reshape(-1, header.page_elements, size)
    _put(target, elements, pages, header.page_elements)


def _put(target: Bytes, blocks: Bytes, numbers: npt.NDArray[np.int64], length: int) -> None:
    """Put blocks of one length, shape ``(n, length, size)``, at their numbers; of the last as much as is wanted."""
    n_whole = len(target) // length
    whole = numbers < n_whole
    target[: n_whole * length].reshape(n_whole, length, target.shape[1])[numbers[whole]] = blocks[whole]
    rest = len(target) - n_whole * length
    if rest and (numbers == n_whole).any():
        target[n_whole * length :] = blocks[numbers == n_whole][0, :rest]


def _require_blocks(request: IndexRequest, blocks: Bytes, signature: bytes) -> None:
    """Blocks of this array, shape ``(n, length)``, with their checksums at their ends."""
    require_signature(blocks, signature, 0)
    require_checksums(blocks)
    require(bool((blocks[:, 5] == request.is_filtered).all()), "a block is of another kind of array")
    file = request.file
    owners = unsigned(blocks[:, 6 : 6 + file.address_bytes])
    require(bool((owners == np.uint64(request.address)).all()), "a block is of another array")
