"""Which chunks to look at, and what a sample of them proves; reads nothing."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

type Sample = int | float | Literal["auto", "each", "all"]
"""Chunks drawn in each stratum: how many, what share, or as many as a bound takes."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """The chunks of one variable that one source file answers for: an outer product of grid indices."""

    file: str
    """Url of the source file; empty where no file is expected to hold anything."""
    chunk_indices: tuple[npt.NDArray[np.int64], ...]
    """Grid indices along each dimension."""
    also: tuple[str, ...] = ()
    """Other files that hold the same part."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of chunks along each dimension."""
        return tuple(len(indices) for indices in self.chunk_indices)

    @property
    def n_chunks(self) -> int:
        """Number of chunks."""
        return math.prod(self.shape)

    def at(self, flat: int) -> tuple[int, ...]:
        """Grid index of a chunk counted in C order within the block."""
        position = np.unravel_index(flat, self.shape) if self.shape else ()
        return tuple(int(indices[i]) for indices, i in zip(self.chunk_indices, position, strict=True))

    def find(self, index: Sequence[int]) -> int | None:
        """Count within the block of the chunk at a grid index; None if it lies elsewhere."""
        position = []
        for indices, i in zip(self.chunk_indices, index, strict=True):
            at = np.flatnonzero(indices == i)
            if len(at) == 0:
                return None
            position.append(int(at[0]))
        return int(np.ravel_multi_index(position, self.shape)) if position else 0


@dataclass(frozen=True, kw_only=True)
class Draw:
    """The chunks of one block that are looked at."""

    block: Block
    always: tuple[int, ...]
    """Chunks that were not left to chance: first, last, corners of the grid, and any special ones."""
    drawn: tuple[int, ...]
    """Chunks drawn at random from the rest."""

    def indices(self) -> Iterable[tuple[int, ...]]:
        """Grid indices of the chosen chunks in C order."""
        return (self.block.at(flat) for flat in sorted({*self.always, *self.drawn}))


def draw_chunks(
    blocks: Sequence[Block],
    *,
    grid_shape: tuple[int, ...],
    special: Sequence[tuple[int, ...]] = (),
    sample: Sample,
    confidence: float,
    max_bad_fraction: float,
    seed: Sequence[int],
) -> list[Draw]:
    """Choose chunks of one variable and codec era, block by block.

    Parameters
    ----------
    blocks : sequence of Block
        One for each source file: the strata.
    special : sequence of tuple of int
        Chunks to take whatever chance says.
    sample : int, float or str
        Chunks drawn in each block, or a fraction of each block; ``"auto"`` draws in proportion, at least one in each
        block, until the bound over all blocks is met; ``"each"`` until each block meets it by itself; ``"all"`` takes
        everything.
    seed : sequence of int
        Makes the draw repeatable.
    """
    wanted = {*_corners(grid_shape), *special}
    always = [_always(block, wanted) for block in blocks]
    rest = [block.n_chunks - len(taken) for block, taken in zip(blocks, always, strict=True)]
    counts = _counts(rest, sample, confidence, max_bad_fraction, [len(taken) for taken in always])
    draws = []
    for number, (block, taken, n) in enumerate(zip(blocks, always, counts, strict=True)):
        generator = np.random.default_rng([*seed, number])
        draws.append(Draw(block=block, always=taken, drawn=_draw(generator, block.n_chunks, taken, n)))
    return draws


def _corners(grid_shape: tuple[int, ...]) -> set[tuple[int, ...]]:
    if 0 in grid_shape:
        return set()
    return set(itertools.islice(itertools.product(*({0, n - 1} for n in grid_shape)), 64))


def _always(block: Block, wanted: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    if block.n_chunks == 0:
        return ()
    found = {0, block.n_chunks - 1}
    found.update(flat for index in wanted if (flat := block.find(index)) is not None)
    return tuple(sorted(found))


def _counts(
    rest: Sequence[int], sample: Sample, confidence: float, fraction: float, known: Sequence[int]
) -> list[int]:
    if sample == "all":
        return list(rest)
    if sample == "each":
        return [needed(n, k, confidence, fraction) for n, k in zip(rest, known, strict=True)]
    if isinstance(sample, float):
        return [min(math.ceil(n * sample), n) for n in rest]
    if isinstance(sample, int):
        return [min(sample, n) for n in rest]
    total = sum(rest)
    share = needed(total, sum(known), confidence, fraction) / total if total else 0.0
    while True:
        counts = [min(max(math.ceil(n * share), 1), n) for n in rest]
        bound = pooled_bound(list(zip(rest, counts, strict=True)), confidence)
        if bound <= math.floor(fraction * (total + sum(known))) or counts == list(rest):
            return counts
        share = min(share * 1.05, 1.0)


def _draw(generator: np.random.Generator, n_chunks: int, taken: tuple[int, ...], n: int) -> tuple[int, ...]:
    """Draw n of the chunks that are not taken: positions among the rest, moved past the taken ones."""
    positions = (
        np.sort(generator.choice(n_chunks - len(taken), size=n, replace=False))
        if n
        else np.zeros(0, np.int64)
    )
    for skip in taken:  # ascending
        positions = positions + (positions >= skip)
    return tuple(positions.tolist())


# -- what a sample proves ---------------------------------------------------------------------------------------------


def needed(population: int, known: int, confidence: float, fraction: float) -> int:
    """How many to draw so that finding none bad bounds the bad by a fraction of population and known together."""
    allowed = math.floor(fraction * (population + known))
    if allowed >= population:
        return 0
    low, high = 0, population
    while low < high:
        middle = (low + high) // 2
        if _log_none(population, allowed + 1, middle) <= math.log(1 - confidence):
            high = middle
        else:
            low = middle + 1
    return low


def upper_bound(population: int, drawn: int, found: int, confidence: float) -> int:
    """The most bad ones there can be in a population, at a confidence, when a draw without replacement found some.

    It is exact: the largest count of bad ones under which so few (or fewer) would be found with a probability above
    ``1 - confidence`` (hypergeometric distribution, one-sided).
    """
    low, high = found, population - drawn + found
    while low < high:
        middle = (low + high + 1) // 2
        if _at_most(population, middle, drawn, found) > 1 - confidence:
            low = middle
        else:
            high = middle - 1
    return low


def pooled_bound(strata: Sequence[tuple[int, int]], confidence: float) -> int:
    """The most bad ones there can be over strata, at a confidence, when draws from all of them found none.

    Parameters
    ----------
    strata : sequence of (population, drawn)

    Notes
    -----
    It holds however the bad ones are spread: each further one is placed where it is least likely to be seen. The
    chance of seeing none is a product of one concave term a stratum, so that placing them one at a time is optimal.
    """
    limit = math.log(1 - confidence)
    heap = [(_cost(n, drawn, 0), n, drawn, 0) for n, drawn in strata if n]
    heapq.heapify(heap)
    bad, log_none = 0, 0.0
    while heap:
        cost, n, drawn, placed = heap[0]
        if log_none - cost <= limit:
            break
        log_none -= cost
        bad += 1
        if placed + 1 < n:
            heapq.heapreplace(heap, (_cost(n, drawn, placed + 1), n, drawn, placed + 1))
        else:
            heapq.heappop(heap)
    return bad


def _cost(population: int, drawn: int, placed: int) -> float:
    """How much one more bad one lowers the log of the chance to see none."""
    unseen = population - drawn - placed
    return math.inf if unseen <= 0 else math.log(population - placed) - math.log(unseen)


def _log_choose(n: int, k: int) -> float:
    return -math.inf if k < 0 or k > n else math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _log_none(population: int, bad: int, drawn: int) -> float:
    """Log of the probability that a draw sees no bad one."""
    return _log_choose(population - bad, drawn) - _log_choose(population, drawn)


def _at_most(population: int, bad: int, drawn: int, found: int) -> float:
    total = _log_choose(population, drawn)
    return sum(
        math.exp(_log_choose(bad, k) + _log_choose(population - bad, drawn - k) - total)
        for k in range(found + 1)
    )
