"""Nodes of chunk indices: read in bulk, checked by signature and checksum, and what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vzlab.errors import UnvirtualizableError
from vzlab.parsers.hdf5.object_header import FileBytes
from vzlab.storage.rows import read_rows

MAX_ELEMENTS = 2**30
"""Of a fixed or extensible array."""

type Bytes = npt.NDArray[np.uint8]


class UnknownIndexError(Exception):
    """The index is not one that is decoded here, or a node of it is not as the specification has it."""


class DamagedIndexError(UnvirtualizableError):
    """Below its root the index is such that whoever follows it may never end: the library is not to be asked either."""


@dataclass(frozen=True, kw_only=True)
class IndexRequest:
    """What is to be decoded."""

    file: FileBytes
    address: int
    """Of the index's root, header or chunk."""
    grid_shape: tuple[int, ...]
    limit_grid_shape: tuple[int | None, ...]
    """Of the grid that the dataset may grow to; None where there is no limit."""
    chunk_shape: tuple[int, ...]
    chunk_bytes: int
    """Of a chunk that no filter touched."""
    is_filtered: bool


@dataclass(frozen=True, kw_only=True)
class IndexEntries:
    """Chunks that an index has, columns of shape ``(n_chunks,)``."""

    addresses: npt.NDArray[np.uint64]
    lengths: npt.NDArray[np.uint64] | None
    """None where all are as long as a whole chunk."""
    filter_masks: npt.NDArray[np.uint32] | None
    numbers: npt.NDArray[np.int64] | None
    """Positions in the grid, in C order; None where they are 0, 1, 2, ... to its end."""


def require(condition: bool | np.bool_, what: str) -> None:
    """Give up unless a condition holds.

    Raises
    ------
    UnknownIndexError
        Saying what is not so.
    """
    if not condition:
        raise UnknownIndexError(what)


@contextmanager
def below_root() -> Iterator[None]:
    """Within it, what is not as it should be is damage.

    Raises
    ------
    DamagedIndexError
        In place of `UnknownIndexError`.
    """
    try:
        yield
    except UnknownIndexError as error:
        raise DamagedIndexError(
            f"Its chunk index is damaged: {error}. Fetch the file again, or leave the variable out with drop_variables."
        ) from error


def require_countable(n_elements: int) -> None:
    """Refuse an array of more elements than the library, which looks at each, could go through.

    Raises
    ------
    DamagedIndexError
    """
    if n_elements > MAX_ELEMENTS:
        raise DamagedIndexError(
            f"Its chunk index numbers {n_elements} chunks (at most {MAX_ELEMENTS} can be gone through): the file is damaged, "
            "or the dataset may grow to more than is practical. Leave the variable out with drop_variables."
        )


def read_nodes(file: FileBytes, addresses: npt.NDArray[np.uint64], length: int) -> Bytes:
    """Nodes of one length, shape ``(n_nodes, length)``; what lies beyond the end of the file is zero."""
    require(bool((addresses < np.uint64(max(file.size_bytes, 0))).all()), "a node lies outside of the file")
    return read_rows(file.source, addresses.astype(np.int64) + file.base, length)


def read_node(file: FileBytes, address: int, length: int) -> Bytes:
    """One node.

    Raises
    ------
    UnknownIndexError
        If it is not wholly in the file.
    """
    require(0 <= address <= file.size_bytes - length, "a node lies outside of the file")
    return np.frombuffer(file.read(address, length), np.uint8)


def require_signature(nodes: Bytes, signature: bytes, version: int) -> None:
    """Nodes, shape ``(n_nodes, length)``, begin with a signature and a version."""
    head = np.frombuffer(signature + bytes([version]), np.uint8)
    require(bool((nodes[:, : len(head)] == head).all()), f"a node does not begin with {signature!r}")


def require_checksums(nodes: Bytes) -> None:
    """The last four bytes of each node are the checksum of those before (Jenkins' lookup3, as all HDF5 metadata have)."""
    from numcodecs.jenkins import jenkins_lookup3  # with all of numcodecs, which most files do not need

    stored = nodes[:, -4:].copy().view("<u4")[:, 0].tolist()
    require(
        [jenkins_lookup3(row, 0) for row in nodes[:, :-4]] == stored, "a node does not match its checksum"
    )


def unsigned(columns: Bytes) -> npt.NDArray[np.uint64]:
    """Little-endian numbers of any width up to 8, shape ``(..., width)``, as 64-bit ones."""
    width = columns.shape[-1]
    if width in (4, 8):
        return np.ascontiguousarray(columns).view(f"<u{width}")[..., 0].astype(np.uint64, copy=False)
    padded = np.zeros((*columns.shape[:-1], 8), np.uint8)
    padded[..., :width] = columns
    return padded.view("<u8")[..., 0]


def element_fields(file: FileBytes, size: int, *, is_filtered: bool) -> int:
    """Bytes of the stored length in an element of a fixed or extensible array or a record of a version 2 B-tree.

    Raises
    ------
    UnknownIndexError
        If the element's size leaves no room for it.
    """
    if not is_filtered:
        require(size == file.address_bytes, "elements have another size than an address")
        return 0
    width = size - file.address_bytes - 4
    require(1 <= width <= 8, "elements of chunks with filters have an unknown size")
    return width


def entries_of(
    file: FileBytes, elements: Bytes, width: int, numbers: npt.NDArray[np.int64] | None
) -> IndexEntries:
    """Elements, shape ``(n, element size)``, as chunks: address, then stored length and filter mask where filtered."""
    split = file.address_bytes
    addresses = unsigned(elements[:, :split])
    lengths = masks = None
    if width:
        lengths = unsigned(elements[:, split : split + width])
        masks = unsigned(elements[:, split + width : split + width + 4]).astype(np.uint32)
    written = addresses != np.uint64(file.undefined)
    if written.all():
        return IndexEntries(addresses=addresses, lengths=lengths, filter_masks=masks, numbers=numbers)
    return IndexEntries(
        addresses=addresses[written],
        lengths=None if lengths is None else lengths[written],
        filter_masks=None if masks is None else masks[written],
        numbers=np.flatnonzero(written) if numbers is None else numbers[written],
    )
