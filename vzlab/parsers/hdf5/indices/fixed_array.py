"""Fixed arrays, implicit and single chunks: HDF5 specification III.C "Fixed Array Index", and VII, appendix of chunk indexing."""

from __future__ import annotations

import math

import numpy as np

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
)
from vzlab.parsers.hdf5.indices.placing import array_numbers

CHECKSUM_BYTES = 4


def decode_single(request: IndexRequest, stored: tuple[int, int] | None) -> IndexEntries:
    """The only chunk, whose place the layout message has."""
    require(math.prod(request.grid_shape) == 1, "one chunk is no whole grid")
    length, mask = stored or (request.chunk_bytes, 0)
    return IndexEntries(
        addresses=np.array([request.address], np.uint64),
        lengths=np.array([length], np.uint64),
        filter_masks=np.array([mask], np.uint32),
        numbers=None,
    )


def decode_implicit(request: IndexRequest) -> IndexEntries:
    """Chunks one after another, all of them."""
    require(not request.is_filtered, "chunks of an implicit index go through no filter")
    numbers = array_numbers(request)
    if numbers is None:
        numbers = np.arange(math.prod(request.grid_shape))
    return IndexEntries(
        addresses=(numbers * request.chunk_bytes).astype(np.uint64) + np.uint64(request.address),
        lengths=None,
        filter_masks=None,
        numbers=None,
    )


def decode_fixed_array(request: IndexRequest) -> IndexEntries:
    """All chunks of a fixed array, in pages or not.

    Raises
    ------
    UnknownIndexError
        If it is not as the specification has it.
    """
    file = request.file
    head = read_node(file, request.address, 8 + file.length_bytes + file.address_bytes + CHECKSUM_BYTES)
    require_signature(head[None], b"FAHD", 0)
    require_checksums(head[None])
    raw = head.tobytes()
    size, page_bits, n_elements = raw[6], raw[7], file.length(raw, 8)
    require_countable(n_elements)
    require(raw[5] == request.is_filtered, "the array is of another kind than the dataset")
    require(page_bits < 32, "pages are longer than can be")
    width = element_fields(file, size, is_filtered=request.is_filtered)
    limits = [n for n in request.limit_grid_shape if n is not None]
    require(
        len(limits) == len(request.grid_shape) and n_elements == math.prod(limits),
        "the array has another length than the grid",
    )
    numbers = array_numbers(request)
    n_wanted = math.prod(request.grid_shape) if numbers is None else int(numbers.max()) + 1
    address = file.address(raw, 8 + file.length_bytes)
    elements, written = _elements(request, address, size, n_elements, 1 << page_bits, n_wanted)
    if numbers is not None:
        elements = elements[numbers]
        written = written if written is None else written[numbers]
    positions = None
    if written is not None and not written.all():
        positions = np.flatnonzero(written)
        elements = elements[positions]
    return entries_of(file, elements, width, positions)


def _elements(
    request: IndexRequest, address: int, size: int, n_elements: int, page_elements: int, n_wanted: int
) -> tuple[Bytes, np.ndarray[tuple[int], np.dtype[np.bool_]] | None]:
    """The first `n_wanted` elements, shape ``(n_wanted, size)``, and which of them were ever written; None for all."""
    file = request.file
    prefix_bytes = 6 + file.address_bytes
    if n_elements <= page_elements:
        block = read_node(file, address, prefix_bytes + n_elements * size + CHECKSUM_BYTES)
        _require_block(request, block)
        return block[prefix_bytes : prefix_bytes + n_wanted * size].reshape(n_wanted, size), None
    n_pages = -(-n_elements // page_elements)
    map_bytes = -(-n_pages // 8)
    block = read_node(file, address, prefix_bytes + map_bytes + CHECKSUM_BYTES)
    _require_block(request, block)
    # Pages that no chunk was written to hold nothing at all; the first page is the highest bit.
    in_use = np.unpackbits(block[prefix_bytes:-CHECKSUM_BYTES])
    pages = np.flatnonzero(in_use[: -(-n_wanted // page_elements)])
    page_bytes = page_elements * size + CHECKSUM_BYTES
    start = address + len(block)
    elements = np.zeros((-(-n_wanted // page_elements), page_elements, size), np.uint8)
    written = np.zeros(elements.shape[:2], np.bool_)
    is_last = pages == n_pages - 1
    whole = pages[~is_last]
    nodes = read_nodes(file, (start + whole * page_bytes).astype(np.uint64), page_bytes)
    require_checksums(nodes)
    elements[whole] = nodes[:, :-CHECKSUM_BYTES].reshape(-1, page_elements, size)
    written[whole] = True
    if is_last.any():
        n_last = n_elements - (n_pages - 1) * page_elements
        last = read_node(file, start + (n_pages - 1) * page_bytes, n_last * size + CHECKSUM_BYTES)
        require_checksums(last[None])
        elements[-1, :n_last] = last[:-CHECKSUM_BYTES].reshape(n_last, size)
        written[-1, :n_last] = True
    return elements.reshape(-1, size)[:n_wanted], written.reshape(-1)[:n_wanted]


def _require_block(request: IndexRequest, block: Bytes) -> None:
    require_signature(block[None], b"FADB", 0)
    require_checksums(block[None])
    raw = block[: 6 + request.file.address_bytes].tobytes()
    require(
        raw[5] == request.is_filtered and request.file.address(raw, 6) == request.address,
        "the data block is of another array",
    )
