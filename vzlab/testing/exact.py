"""Every chunk of a variable: box after box of chunks, the next ones read ahead, each read once."""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.cf import PACKING_ATTRIBUTES, TIME_ATTRIBUTES
from vzlab.oracles import NativeVariable
from vzlab.testing.checkpoint import Checkpoint
from vzlab.testing.memory import ReusedMemory
from vzlab.testing.native_index import at_native_place
from vzlab.testing.regions import Region, region_of, shape_of, slabs
from vzlab.testing.sampling import Block
from vzlab.testing.stored_bytes import check_stored_bytes, is_aligned
from vzlab.testing.values import Comparer
from vzlab.testing.virtual_side import VirtualVariable

AHEAD = 1
"""Boxes that are read ahead on the virtual side: by the other core, while this one reads and compares the one before."""

WORTH_A_THREAD = 2**20
"""Bytes: smaller boxes are read where they are compared, which is faster than handing them over."""

_SHARE = 6
"""A box takes this part of the memory allowed: those ahead, both sides, and what reading and comparing them makes."""
_SHARE_DECODED = 48
"""The same where both sides are decoded, with masks and wider types."""

_BY_PLACE = (
    "bytes of {n} chunks are the same bytes of the same file, as its native index says, and were not read"
)
_BY_MEANING = (
    "{n} chunks hold the same stored values under the same attributes, which decode to the same; the first and the last "
    "chunk were decoded on both sides"
)

_DECODED_BY = (*PACKING_ATTRIBUTES, "_FillValue", "missing_value", *TIME_ATTRIBUTES, "dtype")
"""Attributes that xarray decodes numbers by."""

type Read = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class _Box:
    """Chunks that are compared together."""

    number: int
    """Of the block."""
    block: Block
    chunks: Region
    """Grid indices."""
    at_ends: tuple[tuple[int, ...], ...] = ()
    """Chunks of it that are looked at one by one in any case."""

    @property
    def n_chunks(self) -> int:
        return math.prod(shape_of(self.chunks))

    def indices(self) -> Iterator[tuple[int, ...]]:
        """Grid indices of the chunks in C order."""
        return itertools.product(*(range(part.start, part.stop) for part in self.chunks))


def check_every_chunk(
    variable: VirtualVariable,
    comparer: Comparer,
    levels: set[str],
    blocks: Sequence[Block],
    checkpoint: Checkpoint,
) -> list[int]:
    """Compare all chunks of blocks of one variable, and give how many of each block differ.

    A box of chunks is read with one call on each side. Only where something is wrong is it looked at chunk by chunk.
    """
    alike = [_decodes_alike(variable, comparer, block) for block in blocks]
    share = _SHARE if "L5" not in levels or all(alike) else _SHARE_DECODED
    chunk_bytes = math.prod(variable.grid.chunk_shape) * max(variable.dtype.itemsize, 1)
    boxes = list(_boxes(blocks, max(comparer.memory_limit // (share * chunk_bytes), 1)))

    n_ahead = AHEAD if max((box.n_chunks for box in boxes), default=0) * chunk_bytes >= WORTH_A_THREAD else 0
    # As many as there are boxes at a time.
    memory = [ReusedMemory() for _ in range(n_ahead + 1)] if n_ahead else []

    def read(number: int, box: _Box) -> Read:
        region, dtype, out = region_of(variable.grid, box.chunks), variable.array.dtype, None
        if memory and not dtype.hasobject and dtype.kind != "T":
            out = memory[number % len(memory)].array(shape_of(region), dtype)
        return comparer.virtual.read_raw(variable.path, region, out=out)

    def wanted(box: _Box) -> bool:
        return "L4" in levels and checkpoint.get(_key(variable, box)) is None

    differing = [0] * len(blocks)
    place: tuple[int, npt.NDArray[np.bool_] | None] = (-1, None)
    for box, ours in _read_ahead(read, boxes, wanted, n_ahead=n_ahead):
        key = _key(variable, box)
        result = checkpoint.get(key)
        if result is None:
            if "L3" in levels and place[0] != box.number:  # once a block, whose boxes follow each other
                place = box.number, _at_native_place(variable, comparer, box.block)
            part = replace(comparer, record=comparer.record.part())
            n = _check_box(part, variable, box, levels, ours, place[1], is_alike=alike[box.number])
            result = {"n_differing": n, **part.record.to_plain()}
            checkpoint.put(key, result)
        comparer.record.merge(result)
        differing[box.number] += result["n_differing"]
    return differing


def _key(variable: VirtualVariable, box: _Box) -> str:
    chunks = ",".join(f"{part.start}:{part.stop}" for part in box.chunks)
    return f"{variable.path}[{chunks}] {box.block.file}"


def _boxes(blocks: Sequence[Block], n_chunks: int) -> Iterator[_Box]:
    for number, block in enumerate(blocks):
        ends = []
        if number == 0:
            ends.append(block.at(0))
        if number == len(blocks) - 1 and block.n_chunks > 1:
            ends.append(block.at(block.n_chunks - 1))
        for chunks in slabs(block.chunk_indices, n_chunks):
            inside = tuple(
                end
                for end in ends
                if all(part.start <= i < part.stop for i, part in zip(end, chunks, strict=True))
            )
            yield _Box(number=number, block=block, chunks=chunks, at_ends=inside)


def _read_ahead(
    read: Callable[[int, _Box], Read], boxes: Iterable[_Box], wanted: Callable[[_Box], bool], *, n_ahead: int
) -> Iterator[tuple[_Box, Future[Read] | None]]:
    """Each box with what is read of it; one more than `n_ahead` of them are there at a time."""
    if not n_ahead:
        for number, box in enumerate(boxes):
            yield box, _read_now(read, number, box) if wanted(box) else None
        return
    waiting: deque[tuple[_Box, Future[Read] | None]] = deque()
    with ThreadPoolExecutor(n_ahead) as pool:
        for number, box in enumerate(boxes):
            waiting.append((box, pool.submit(read, number, box) if wanted(box) else None))
            if len(waiting) > n_ahead:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()


def _read_now(read: Callable[[int, _Box], Read], number: int, box: _Box) -> Future[Read]:
    future: Future[Read] = Future()
    try:
        future.set_result(read(number, box))
    except Exception as error:  # noqa: BLE001 - as a pool's thread would keep it
        future.set_exception(error)
    return future


def _check_box(
    comparer: Comparer,
    variable: VirtualVariable,
    box: _Box,
    levels: set[str],
    ours: Future[Read] | None,
    at_place: npt.NDArray[np.bool_] | None,
    *,
    is_alike: bool,
) -> int:
    """Compare a box, and give how many of its chunks differ."""
    trial = replace(comparer, record=comparer.record.part())
    is_fine, by_meaning = _compare_box(trial, variable, box, levels, ours, is_alike=is_alike)
    if not is_fine:
        return _chunk_by_chunk(comparer, variable, box, levels)
    comparer.record.merge(trial.record.to_plain())
    by_itself = levels & ({"L3", "L5"} if by_meaning else {"L3"})
    n_differing = sum(comparer.check_chunk(variable, at, box.block.file, by_itself) for at in box.at_ends)
    rest = box.n_chunks - len(box.at_ends)
    if "L4" in levels:
        comparer.record.cover("L4", box.n_chunks, 0, "chunks")
    if "L5" in levels:
        comparer.record.cover("L5", rest if by_meaning else box.n_chunks, 0, "chunks")
        if by_meaning:
            comparer.record.count("L5", variable.path, _BY_MEANING, box.n_chunks)
    if "L3" in levels and box.block.file and is_aligned(comparer, variable, box.block.file):
        n_differing += _check_bytes(comparer, variable, box, at_place)
    return n_differing


def _compare_box(
    trial: Comparer,
    variable: VirtualVariable,
    box: _Box,
    levels: set[str],
    ours: Future[Read] | None,
    *,
    is_alike: bool,
) -> tuple[bool, bool]:
    """Whether nothing is wrong with a box, and whether its decoded values follow from the stored ones."""
    region = region_of(variable.grid, box.chunks)
    file = box.block.file
    is_exact = False
    if ours is not None:
        error = ours.exception()
        if error is not None:
            return False, False
        is_fine = trial.compare_region("L4", variable, region, None, file, decoded=False, ours=ours.result())
        if not is_fine or trial.record.n_found:
            return False, False
        is_exact = variable.path not in trial.tolerances
    if "L5" not in levels or (is_alike and is_exact):
        return True, "L5" in levels
    is_fine = trial.compare_region("L5", variable, region, None, file, decoded=True)
    return is_fine and not trial.record.n_found, False


def _chunk_by_chunk(comparer: Comparer, variable: VirtualVariable, box: _Box, levels: set[str]) -> int:
    n_differing = 0
    for index in box.indices():
        if comparer.fits(variable, index):
            n_differing += comparer.check_chunk(variable, index, box.block.file, levels)
        else:
            comparer.too_large(variable, levels)
    return n_differing


def _at_native_place(
    variable: VirtualVariable, comparer: Comparer, block: Block
) -> npt.NDArray[np.bool_] | None:
    """Which chunks of a block are the very bytes of the native file; None if nobody says."""
    if not block.file or not is_aligned(comparer, variable, block.file):
        return None
    return at_native_place(variable, block, comparer.native, comparer.arrangement)


def _check_bytes(
    comparer: Comparer, variable: VirtualVariable, box: _Box, at_place: npt.NDArray[np.bool_] | None
) -> int:
    """Compare stored bytes, but for those that are known to be the same, and give how many chunks differ."""
    is_known: npt.NDArray[np.bool_] = np.zeros(shape_of(box.chunks), bool)
    if at_place is not None:
        key = [
            slice(int(first := np.searchsorted(indices, part.start)), int(first) + part.stop - part.start)
            for indices, part in zip(box.block.chunk_indices, box.chunks, strict=True)
        ]
        is_known = at_place[tuple(key)].copy()
    corner = [part.start for part in box.chunks]
    ends = [tuple(i - start for i, start in zip(end, corner, strict=True)) for end in box.at_ends]
    n_known = int(np.count_nonzero(is_known)) - sum(bool(is_known[end]) for end in ends)
    comparer.record.cover("L3", n_known, 0, "chunks")
    comparer.record.count("L3", variable.path, _BY_PLACE, n_known)
    before = comparer.record.n_found
    for position in np.argwhere(~is_known).tolist():
        if tuple(position) not in ends:
            index = tuple(i + start for i, start in zip(position, corner, strict=True))
            region = variable.grid.region(index)
            check_stored_bytes(comparer, variable, index, region, box.block.file)
    return comparer.record.n_found - before


# -- decoding as a function of stored values --------------------------------------------------------------------------


def _decodes_alike(variable: VirtualVariable, comparer: Comparer, block: Block) -> bool:
    """Whether xarray is bound to make the same of the same stored values on both sides.

    It is where numbers are of one type and the attributes that it decodes by are the same, in their types too.
    """
    if not block.file or variable.decoded is not None or variable.implied_fill is not None:
        return False
    native = comparer.native.variables[block.file][variable.path]
    if native.dtype is None or native.dtype != variable.dtype.newbyteorder("="):
        return False
    if native.dtype.kind not in "iuf" or "enum" in native.attributes:
        return False
    return all(_is_same(name, variable.attributes.get(name), native) for name in _DECODED_BY)


def _is_same(name: str, ours: Any, native: NativeVariable) -> bool:
    theirs = native.attributes.get(name)
    if ours is None or theirs is None:
        return ours is theirs
    theirs = np.asarray(theirs)
    if theirs.size != 1:
        return False
    value = theirs.reshape(-1)[0]
    if isinstance(value, str | bytes):
        return bool(ours == (value.decode("utf-8", "replace") if isinstance(value, bytes) else value))
    # JSON has one kind of number: xarray takes it for float64.
    expected = np.dtype(np.float64) if name in PACKING_ATTRIBUTES else native.dtype
    if value.dtype != expected or not isinstance(ours, int | float | np.number):
        return False
    return bool(value == ours or (value != value and ours != ours))
