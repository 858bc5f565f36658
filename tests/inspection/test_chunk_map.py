"""A chunk map says of every cell what a loop over its chunks says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.inspection.arrays import virtual_array
from vzlab.inspection.chunk_map import NO_SOURCE, SEVERAL_SOURCES, ChunkMap, chunk_map
from vzlab.manifests import ChunkGrid, ManifestArray


def map_of(array: ManifestArray, max_cells: int = 256) -> ChunkMap | None:
    positions = np.arange(len(array.manifest.sources), dtype=np.int32)
    return chunk_map(
        array.manifest,
        array.metadata.chunk_grid,
        array.metadata.dimension_names or (None,) * array.ndim,
        itemsize_bytes=array.dtype.itemsize,
        source_positions=positions,
        max_cells=max_cells,
    )


def cells_by_loop(
    array: ManifestArray, axes: tuple[int | None, int], max_cells: int
) -> dict[str, np.ndarray]:
    """Go through all chunks one by one."""
    grid = array.manifest.grid_shape
    sides = [1 if axis is None else grid[axis] for axis in axes]
    shape = tuple(min(side, max_cells) for side in sides)
    edges = [[i * side // cells for i in range(cells)] for side, cells in zip(sides, shape, strict=True)]
    result = {
        name: np.zeros(shape, dtype=object)
        for name in ("n_chunks", "n_missing", "n_inline", "stored_bytes", "raw_bytes", "max_bytes")
    }
    smallest = np.full(shape, None, dtype=object)
    sources = np.empty(shape, dtype=object)
    for cell in np.ndindex(shape):
        sources[cell] = set()
    for index in np.ndindex(grid):
        place = [0 if axis is None else index[axis] for axis in axes]
        cell = tuple(
            int(np.searchsorted(edge, at, side="right")) - 1 for edge, at in zip(edges, place, strict=True)
        )
        chunk = array.manifest.reference(index)
        result["n_chunks"][cell] += 1
        result["n_missing"][cell] += chunk.state == "missing"
        result["n_inline"][cell] += chunk.state == "inline"
        result["stored_bytes"][cell] += chunk.length
        if chunk.state != "missing":
            result["raw_bytes"][cell] += (
                int(np.prod(array.metadata.chunk_grid.stored_shape(index))) * array.dtype.itemsize
            )
            result["max_bytes"][cell] = max(result["max_bytes"][cell], chunk.length)
            smallest[cell] = chunk.length if smallest[cell] is None else min(smallest[cell], chunk.length)
        if chunk.source is not None:
            sources[cell].add(array.manifest.sources.index(chunk.source))
    result["min_bytes"] = np.where(smallest == None, 0, smallest)  # noqa: E711  elementwise
    code = {0: NO_SOURCE, 1: None}
    result["source"] = np.empty(shape, dtype=object)
    for cell in np.ndindex(shape):
        found = sources[cell]
        result["source"][cell] = (
            next(iter(found)) if len(found) == 1 else code.get(len(found), SEVERAL_SOURCES)
        )
    return result


@given(
    grid=st.lists(st.integers(1, 7), min_size=2, max_size=2).filter(lambda g: min(g) > 1),
    n_sources=st.integers(1, 3),
    n_missing=st.integers(0, 3),
    n_inline=st.integers(0, 1),
    max_cells=st.integers(1, 8),
    seed=st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_cells_agree_with_a_loop_over_chunks(grid, n_sources, n_missing, n_inline, max_cells, seed):
    array = virtual_array(grid, n_sources=n_sources, n_missing=n_missing, n_inline=n_inline, seed=seed)
    found = map_of(array, max_cells)
    assert found is not None
    for name, expected in cells_by_loop(array, (0, 1), max_cells).items():
        np.testing.assert_array_equal(getattr(found, name), expected.astype(np.float64), err_msg=name)


@given(
    grid=st.tuples(st.integers(2, 9), st.integers(2, 9)),
    max_cells=st.integers(1, 6),
    n_missing=st.integers(0, 4),
    n_sources=st.integers(1, 3),
)
@settings(max_examples=25, deadline=None)
def test_rebinning_keeps_totals_and_extremes(grid, max_cells, n_missing, n_sources):
    whole = map_of(virtual_array(grid, n_missing=min(n_missing, grid[0] * grid[1] - 1), n_sources=n_sources))
    assert whole is not None
    fewer = whole.rebin(max_cells)
    assert max(fewer.shape) <= max_cells
    for name in ("n_chunks", "n_missing", "n_inline", "stored_bytes"):
        assert getattr(fewer, name).sum() == getattr(whole, name).sum(), name
    assert fewer.max_bytes.max() == whole.max_bytes.max()
    there = whole.n_chunks > whole.n_missing
    kept = fewer.n_chunks > fewer.n_missing
    assert fewer.min_bytes[kept].min() == whole.min_bytes[there].min()


def test_three_dimensions_are_folded_onto_the_last_two():
    array = virtual_array((5, 8, 9), n_missing=3)
    found = map_of(array)
    assert found is not None
    assert found.dims == ("lat", "lon")
    assert found.folded == (("time", 5),)
    assert (found.n_chunks == 5).all()
    for name, expected in cells_by_loop(array, (1, 2), 256).items():
        if name != "raw_bytes":
            np.testing.assert_array_equal(getattr(found, name), expected.astype(np.float64), err_msg=name)
    assert found.raw_bytes.sum() == (5 * 8 * 9 - 3) * 1000 * 2


def test_two_dimensions_with_few_chunks_give_way_to_the_long_ones():
    found = map_of(virtual_array((40, 2, 3)))
    assert found is not None
    assert found.dims == ("time", "lon")


def test_one_long_dimension_is_drawn_across():
    found = map_of(virtual_array((12, 1, 1)))
    assert found is not None
    assert (found.dims, found.grid_shape, found.shape) == (("", "time"), (1, 12), (1, 12))


def test_a_rectilinear_grid_has_the_raw_bytes_of_each_chunk():
    grid = ChunkGrid(shape=(90, 20), chunks=((31, 28, 31), 10))
    array = virtual_array((3, 2))
    found = chunk_map(
        array.manifest, grid, ("month", "x"), itemsize_bytes=4, source_positions=np.zeros(1, np.int32)
    )
    assert found is not None
    np.testing.assert_array_equal(found.raw_bytes, np.outer([31, 28, 31], [10, 10]) * 4)


@pytest.mark.parametrize("grid", [(1, 1), (), (0, 3)])
def test_there_is_nothing_to_see_of_one_chunk_or_none(grid):
    assert map_of(virtual_array(grid)) is None


def test_a_map_never_has_more_than_256_cells_along_a_side():
    found = map_of(virtual_array((1000, 300)))
    assert found is not None
    assert found.shape == (256, 256)
    assert found.n_chunks.sum() == 300_000
    assert found.chunks_per_cell == 8
