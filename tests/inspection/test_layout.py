"""Byte maps and chunk statistics say what painting every byte says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.inspection.arrays import virtual_array
from vzlab.inspection.byte_map import byte_map, file_layout, source_ends
from vzlab.inspection.statistics import chunk_statistics
from vzlab.manifests import ChunkManifest, ManifestArray, SourceFile


def painted(arrays: list[ManifestArray], url: str, size: int) -> np.ndarray:
    """Number of chunks that cover each byte of a file, by array: shape (arrays, size)."""
    bytes_ = np.zeros((len(arrays), size), dtype=int)
    for row, array in enumerate(arrays):
        for index in np.ndindex(array.manifest.grid_shape):
            chunk = array.manifest.reference(index)
            if chunk.source is not None and chunk.source.url == url:
                bytes_[row, chunk.offset : chunk.offset + chunk.length] += 1
    return bytes_


def layout_of(arrays: list[ManifestArray]):
    table = list(dict.fromkeys(source for array in arrays for source in array.manifest.sources))
    positions = [np.array([table.index(s) for s in a.manifest.sources], dtype=np.int32) for a in arrays]
    sizes = np.array([source.size_bytes for source in table], dtype=np.float64)
    return table, file_layout([array.manifest for array in arrays], positions, sizes)


@given(
    n_sources=st.integers(1, 3),
    n_missing=st.integers(0, 3),
    shuffled=st.booleans(),
    gap=st.integers(0, 9),
    seed=st.integers(0, 50),
)
@settings(max_examples=25, deadline=None)
def test_strips_agree_with_painted_bytes(n_sources, n_missing, shuffled, gap, seed):
    options = {"n_sources": n_sources, "file_bytes": 256 * 7}
    arrays = [
        virtual_array((4, 5), n_missing=n_missing, shuffled=shuffled, gap_bytes=gap, seed=seed, **options),
        virtual_array((2, 3), n_inline=1, seed=seed + 1, **options),
    ]
    table, layout = layout_of(arrays)
    for position, array in enumerate(arrays):
        strips = byte_map(layout, position)
        assert strips is not None
        for row, at in enumerate(strips.first_source):
            counts = painted(arrays, table[at].url, 256 * 7).reshape(len(arrays), 256, 7).mean(axis=2)
            own = np.clip(counts[position], 0, 1)
            np.testing.assert_allclose(strips.own[row], own, atol=1e-5)
            others = np.clip(counts.sum(axis=0) - counts[position], 0, 1 - own)
            np.testing.assert_allclose(strips.others[row], others, atol=1e-5)
        assert strips.own_bytes == array.manifest.lengths[array.manifest.source_index < 0xFFFFFFFE].sum()


def test_bytes_that_are_in_no_chunk_are_the_rest():
    arrays = [virtual_array((3,), seed=1, file_bytes=5000), virtual_array((2,), seed=2, file_bytes=5000)]
    there = arrays[1].manifest
    behind = ChunkManifest(
        sources=there.sources,
        source_index=there.source_index,
        offsets=there.offsets + np.uint64(1000),
        lengths=there.lengths,
    )
    _, layout = layout_of([arrays[0], replace(arrays[1], manifest=behind)])
    first = byte_map(layout, 0)
    assert first is not None
    assert first.own_bytes == arrays[0].manifest.stored_bytes
    assert first.other_bytes == arrays[1].manifest.stored_bytes
    assert first.own_bytes + first.other_bytes + first.rest_bytes == first.file_bytes == 5000


def test_bytes_that_variables_share_are_counted_once():
    array = virtual_array((3,), seed=1, file_bytes=5000)
    _, layout = layout_of([array, array, array])
    first = byte_map(layout, 0)
    assert first is not None
    assert first.own_bytes == array.manifest.stored_bytes
    assert first.other_bytes <= 2 * 5000 / layout.n_bins  # what is left of the bins at both ends


def test_many_files_share_rows():
    table, layout = layout_of([virtual_array((100,), n_sources=100)])
    strips = byte_map(layout, 0)
    assert strips is not None
    assert len(strips.n_sources) == 32
    assert sum(strips.n_sources) == len(table) == 100
    assert strips.file_bytes == sum(source.size_bytes for source in table)


def test_chunks_much_narrower_than_a_bin_still_add_up():
    lengths = np.full(20_000, 100, np.uint64)
    offsets = np.arange(20_000, dtype=np.uint64) * 200
    size = 256 * 100_000
    manifest = ChunkManifest.from_ranges(SourceFile(url="s3://b/a", size_bytes=size), offsets, lengths)
    strips = byte_map(file_layout([manifest], [np.zeros(1, np.int32)], np.array([float(size)])), 0)
    assert strips is not None
    assert strips.own.sum() * 100_000 == np.float32(2_000_000)
    np.testing.assert_allclose(strips.own[0, :39], 0.5, atol=0.002)


def test_an_array_that_lies_nowhere_has_no_strips():
    manifest = ChunkManifest.from_inline([b"ab", None], (2,))
    assert byte_map(file_layout([manifest], [np.zeros(0, np.int32)], np.zeros(0)), 0) is None


def test_ends_are_where_the_last_chunk_ends():
    array = virtual_array((7,), n_sources=2, shuffled=True)
    ends = np.zeros(3)
    source_ends(array.manifest, np.array([2, 0], np.int32), ends)
    expected = [source.size_bytes - 50 for source in array.manifest.sources]
    assert ends.tolist() == [expected[1], 0, expected[0]]


def runs_by_loop(array: ManifestArray) -> tuple[int, int]:
    """Number of stretches of bytes without a gap, and bytes between those of one file."""
    runs = gaps = 0
    for source in array.manifest.sources:
        chunks = [array.manifest.reference(index) for index in np.ndindex(array.manifest.grid_shape)]
        ranges = sorted((c.offset, c.offset + c.length) for c in chunks if c.source == source)
        for position, (start, _) in enumerate(ranges):
            if position == 0 or start != ranges[position - 1][1]:
                runs += 1
                gaps += start - ranges[position - 1][1] if position else 0
    return runs, gaps


@given(
    n_sources=st.integers(1, 3),
    n_missing=st.integers(0, 4),
    shuffled=st.booleans(),
    gap=st.sampled_from([0, 3]),
    seed=st.integers(0, 50),
)
@settings(max_examples=25, deadline=None)
def test_runs_agree_with_sorting_ranges(n_sources, n_missing, shuffled, gap, seed):
    array = virtual_array(
        (4, 6), n_sources=n_sources, n_missing=n_missing, shuffled=shuffled, gap_bytes=gap, seed=seed
    )
    found, _ = chunk_statistics(array.manifest)
    assert found is not None
    assert (found.n_runs, found.gap_bytes) == runs_by_loop(array)
    assert found.n_overlapping == 0
    lengths = sorted(array.manifest.lengths[array.manifest.source_index < 0xFFFFFFFE].tolist())
    assert (found.min_bytes, found.median_bytes, found.max_bytes) == (
        lengths[0],
        lengths[len(lengths) // 2],
        lengths[-1],
    )
    if not shuffled:
        assert found.in_order


def test_overlapping_references_are_counted():
    manifest = ChunkManifest.from_ranges("s3://b/a", [0, 5, 20], [10, 10, 10])
    found, _ = chunk_statistics(manifest)
    assert found is not None
    assert (found.n_overlapping, found.n_runs) == (1, 3)


def test_nothing_is_measured_where_nothing_is():
    assert chunk_statistics(ChunkManifest.empty((2, 2))) == (None, None)
