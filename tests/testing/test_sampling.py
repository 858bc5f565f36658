"""What a sample proves, held against scipy and against simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vzlab.testing.sampling import Block, draw_chunks, needed, pooled_bound, upper_bound


def block(*shape: int, file: str = "a.nc", start: int = 0) -> Block:
    first = [start, *([0] * (len(shape) - 1))]
    return Block(
        file=file, chunk_indices=tuple(np.arange(k, k + n) for k, n in zip(first, shape, strict=True))
    )


def draw(blocks: list[Block], grid: tuple[int, ...], **options: object) -> list[set[tuple[int, ...]]]:
    arguments: dict[str, object] = {
        "sample": "auto", "confidence": 0.95, "max_bad_fraction": 0.01, "seed": (0,), **options
    }  # fmt: skip
    return [set(d.indices()) for d in draw_chunks(blocks, grid_shape=grid, **arguments)]  # type: ignore[arg-type]


def test_299_without_a_find_bound_a_large_population_by_one_percent() -> None:
    assert 290 <= needed(1_000_000, 0, 0.95, 0.01) <= 299
    n = needed(1_000_000, 0, 0.95, 0.01)
    assert upper_bound(1_000_000, n, 0, 0.95) <= 10_000 < upper_bound(1_000_000, n - 5, 0, 0.95)


@given(st.integers(1, 300), st.data())
@settings(max_examples=150, deadline=None)
def test_upper_bound_is_the_hypergeometric_one(population: int, data: st.DataObject) -> None:
    drawn = data.draw(st.integers(0, population))
    found = data.draw(st.integers(0, drawn))
    bound = upper_bound(population, drawn, found, 0.95)
    possible = range(found, population - drawn + found + 1)
    chances = {k: stats.hypergeom.cdf(found, population, k, drawn) for k in possible}
    # A chance of 0.05 to the last digit, as of 0 among 19 of 25 where 2 are bad, may round to either side.
    least, most = (
        max((k for k, chance in chances.items() if chance > 0.05 + slack), default=found)
        for slack in (1e-9, -1e-9)
    )
    assert least <= bound <= most


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=3))
@settings(max_examples=100, deadline=None)
def test_pooled_bound_holds_for_every_way_to_spread_the_bad_ones(strata: list[tuple[int, int]]) -> None:
    strata = [(n, min(k, n)) for n, k in strata]
    worst = 0
    for bad in itertools.product(*(range(n + 1) for n, _ in strata)):
        none = np.prod([stats.hypergeom.pmf(0, n, b, k) for (n, k), b in zip(strata, bad, strict=True)])
        if none > 0.05 + 1e-12:
            worst = max(worst, sum(bad))
    assert pooled_bound(strata, 0.95) == worst


@pytest.mark.parametrize(("population", "fraction"), [(400, 0.02), (1000, 0.01), (120, 0.05)])
def test_faults_as_frequent_as_the_bound_are_seen_as_often_as_promised(
    population: int, fraction: float
) -> None:
    bad = set(
        range(1, int(population * fraction) + 2)
    )  # one more than the bound allows, all of them left to chance
    blocks = [block(population)]
    seen = 0
    for seed in range(1_000):
        (chosen,) = draw(blocks, (population,), max_bad_fraction=fraction, seed=(seed,))
        seen += any(index in bad for (index,) in chosen)
    assert seen / 1_000 >= 0.95 - 3 * (0.95 * 0.05 / 1_000) ** 0.5


def test_first_last_and_corner_chunks_are_always_looked_at() -> None:
    blocks = [block(10, 4, 4, file="a.nc"), block(10, 4, 4, file="b.nc", start=10)]
    first, second = draw(blocks, (20, 4, 4), sample=0)
    assert {(0, 0, 0), (9, 3, 3), (0, 3, 3), (0, 0, 3)} <= first
    assert {(10, 0, 0), (19, 3, 3), (19, 0, 0)} <= second
    assert len(first) == len(second) == 5


def test_every_file_is_looked_at_however_many_there_are() -> None:
    blocks = [block(24, file=str(i), start=24 * i) for i in range(500)]
    chosen = draw(blocks, (12_000,))
    assert all(len(c) >= 3 for c in chosen)
    assert sum(map(len, chosen)) < 2_000


def test_each_meets_the_bound_in_every_file_by_itself() -> None:
    blocks = [block(1_000, file=str(i), start=1_000 * i) for i in range(3)]
    for d in draw_chunks(
        blocks, grid_shape=(3_000,), sample="each", confidence=0.95, max_bad_fraction=0.01, seed=(1,)
    ):
        assert upper_bound(1_000 - len(d.always), len(d.drawn), 0, 0.95) <= 10


def test_the_same_seed_draws_the_same_and_another_draws_others() -> None:
    blocks = [block(10_000)]
    assert draw(blocks, (10_000,), seed=(3,)) == draw(blocks, (10_000,), seed=(3,))
    assert draw(blocks, (10_000,), seed=(3,)) != draw(blocks, (10_000,), seed=(4,))


@given(st.integers(1, 40), st.integers(0, 60), st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_a_draw_takes_no_chunk_twice_and_none_that_is_not_there(n: int, sample: int, seed: int) -> None:
    (d,) = draw_chunks(
        [block(n, 2)], grid_shape=(n, 2), sample=sample, confidence=0.9, max_bad_fraction=0.1, seed=(seed,)
    )
    chosen = [*d.always, *d.drawn]
    assert len(set(chosen)) == len(chosen)
    assert set(chosen) <= set(range(2 * n))
    assert len(d.drawn) == min(sample, 2 * n - len(d.always))


def test_all_takes_everything() -> None:
    (chosen,) = draw([block(7, 3)], (7, 3), sample="all")
    assert len(chosen) == 21


def test_over_many_files_too_faults_are_seen_as_often_as_promised() -> None:
    blocks = [block(24, file=str(i), start=24 * i) for i in range(8)]
    at_most = int(192 * 0.05)
    seen = 0
    for seed in range(1_000):
        chosen = set().union(*draw(blocks, (192,), max_bad_fraction=0.05, seed=(seed,)))
        # One more than the bound allows, spread over the files, where nothing is looked at in any case.
        bad = {(24 * (k % 8) + 1 + k // 8,) for k in range(at_most + 1)}
        seen += bool(chosen & bad)
    assert seen / 1_000 >= 0.95 - 3 * (0.95 * 0.05 / 1_000) ** 0.5
