"""Chunk manifests: round trips, what they cost, and that no step is taken per chunk."""

from __future__ import annotations

import pickle
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vzlab.errors import UnvirtualizableError
from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray, SourceFile, concatenation
from vzlab.manifests.concatenation import concatenate_manifests

URL = "s3://some-bucket-with-a-long-name/and/a/long/prefix/of/many/parts/file-{:06d}-20260101T000000Z.nc"
assert len(URL.format(0)) > 80


def many_files(n_references: int, n_files: int, *, url: str = URL) -> list[ManifestArray]:
    """Arrays of one file each, as parsing gives them, with `n_references` chunks in all."""
    each = n_references // n_files
    metadata = ArrayMetadata.create(
        shape=(each, 10),
        dtype="<i2",
        chunks=(1, 10),
        codecs=[{"name": "bytes", "configuration": {"endian": "little"}}],
    )
    lengths = np.full((each, 1), 20, np.uint64)
    offsets = np.arange(each, dtype=np.uint64).reshape(each, 1) * np.uint64(20)
    return [
        ManifestArray(
            metadata=metadata,
            manifest=ChunkManifest.from_ranges(
                SourceFile(url=url.format(i), size_bytes=10**6), offsets.copy(), lengths.copy()
            ),
        )
        for i in range(n_files)
    ]


references = st.one_of(
    st.binary(max_size=4),
    st.fixed_dictionaries(
        {
            "url": st.sampled_from(["s3://b/a", "s3://b/b", "file:///c"]),
            "offset": st.integers(0, 2**63),
            "length": st.integers(0, 2**40),
        }
    ),
)


@st.composite
def manifests(draw: st.DrawFn, shape: tuple[int, ...] | None = None) -> ChunkManifest:
    if shape is None:
        shape = tuple(draw(st.lists(st.integers(0, 3), max_size=3)))
    keys = [".".join(map(str, at)) for at in np.ndindex(shape)]
    chosen = draw(st.lists(st.sampled_from(keys), unique=True)) if keys else []
    return ChunkManifest.from_dict({key: draw(references) for key in chosen}, grid_shape=shape)


small = settings(max_examples=50, deadline=None)


@small
@given(manifests())
def test_a_manifest_survives_a_dictionary_and_a_pickle(manifest: ChunkManifest) -> None:
    assert ChunkManifest.from_dict(manifest.to_dict(), grid_shape=manifest.grid_shape) == manifest
    again = pickle.loads(pickle.dumps(manifest))
    assert again == manifest
    assert again.to_dict() == manifest.to_dict()
    assert (again.n_virtual, again.n_inline, again.n_missing) == (
        manifest.n_virtual,
        manifest.n_inline,
        manifest.n_missing,
    )


@small
@given(manifests(), st.randoms(use_true_random=False))
def test_equality_ignores_the_order_of_tables(manifest: ChunkManifest, random: Any) -> None:
    items = list(manifest.to_dict().items())
    random.shuffle(items)
    assert ChunkManifest.from_dict(dict(items), grid_shape=manifest.grid_shape) == manifest


@small
@given(manifests(), manifests())
def test_equality_is_equality_of_what_they_say(a: ChunkManifest, b: ChunkManifest) -> None:
    same = a.grid_shape == b.grid_shape and a.to_dict() == b.to_dict()
    assert (a == b) is same


@small
@given(manifests())
def test_renaming_there_and_back_changes_nothing(manifest: ChunkManifest) -> None:
    there = manifest.rename_urls(lambda url: url + "-moved")
    assert all(url.endswith("-moved") for url in there.urls)
    assert there.rename_urls(lambda url: url.removesuffix("-moved")) == manifest
    assert manifest.rename_urls({}) == manifest


@small
@given(manifests(shape=(2, 3)), st.dictionaries(st.integers(0, 5), st.binary(max_size=4)), st.booleans())
def test_bytes_take_the_place_of_chunks(
    manifest: ChunkManifest, held: dict[int, bytes], transposed: bool
) -> None:
    manifest = manifest.transpose((1, 0)) if transposed else manifest
    keys = [".".join(map(str, at)) for at in np.ndindex(manifest.grid_shape)]
    expected = manifest.to_dict() | {keys[position]: chunk for position, chunk in held.items()}
    found = manifest.with_inline(list(held), list(held.values()))
    assert found.to_dict() == expected
    assert len(found.inline) == sum(isinstance(chunk, bytes) for chunk in expected.values())


def test_renaming_two_urls_to_one_makes_one_source() -> None:
    manifest = ChunkManifest.from_dict(
        {
            "0": {"url": "s3://a", "offset": 1, "length": 2},
            "1": {"url": "s3://b", "offset": 3, "length": 4},
            "2": b"inline",
        },
        grid_shape=(4,),
    )
    renamed = manifest.rename_urls({"s3://a": "s3://c", "s3://b": "s3://c"})
    assert renamed.urls == ("s3://c",)
    assert renamed.to_dict() == {
        "0": {"url": "s3://c", "offset": 1, "length": 2},
        "1": {"url": "s3://c", "offset": 3, "length": 4},
        "2": b"inline",
    }


def test_renaming_forgets_what_was_seen_of_the_old_place() -> None:
    source = SourceFile(url="s3://a", size_bytes=10, etag='"x"')
    manifest = ChunkManifest.from_ranges(source, [0], [4])
    assert manifest.rename_urls({"s3://a": "s3://b"}).sources == (SourceFile(url="s3://b", size_bytes=10),)
    assert manifest.rename_urls({"s3://z": "s3://b"}).sources == (source,)


@small
@given(st.data(), st.integers(0, 1))
def test_joining_parts_again_gives_the_whole(data: st.DataObject, axis: int) -> None:
    manifest = data.draw(manifests(shape=(4, 3)))
    at = data.draw(st.integers(0, manifest.grid_shape[axis]))
    lead = [slice(None)] * axis
    parts = [
        manifest.take([*lead, part, *[slice(None)] * (1 - axis)]) for part in (slice(0, at), slice(at, None))
    ]
    assert concatenate_manifests(parts, axis) == manifest
    used = {entry["url"] for entry in parts[0].to_dict().values() if not isinstance(entry, bytes)}
    assert set(parts[0].urls) == used


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"source_index": [0, 1]}, "points to source 1"),
        ({"source_index": [0, 0xFFFFFFFE]}, "inline"),
        ({"offsets": [-1, 0]}, "not negative"),
        ({"lengths": [1]}, "different shapes"),
    ],
)
def test_columns_that_contradict_each_other_are_refused(wrong: dict[str, Any], says: str) -> None:
    columns = {"source_index": [0, 0], "offsets": [0, 1], "lengths": [1, 1]} | wrong
    with pytest.raises(ValueError, match=says):
        ChunkManifest(sources=["s3://a"], **columns)


@pytest.mark.parametrize("key", ["2", "0.0", "-1", ""])
def test_a_reference_outside_the_grid_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="does not lie"):
        ChunkManifest.from_dict({key: b""}, grid_shape=(2,))


def test_columns_cannot_be_written_to() -> None:
    offsets = np.arange(3, dtype=np.uint64)
    manifest = ChunkManifest.from_ranges("s3://a", offsets, offsets)
    for column in (manifest.source_index, manifest.offsets, manifest.lengths):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 1


# -- cost ----------------------------------------------------------------------------------------------------------------


def test_a_reference_takes_at_most_24_bytes_however_long_its_url() -> None:
    arrays = many_files(200_000, 1000)
    tracemalloc.start()
    joined = np.concatenate(arrays)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert joined.manifest.n_virtual == 200_000
    assert len(joined.manifest.sources) == 1000
    assert held / 200_000 <= 24
    # The urls themselves weigh what they weigh: 1,000 of them beside a million references.
    assert joined.manifest.nbytes <= 20 * 200_000 + 1000 * 250


def test_a_million_references_pickle_into_25_megabytes() -> None:
    joined = np.concatenate(many_files(1_000_000, 1000))
    data = pickle.dumps(joined)
    assert len(data) <= 25_000_000
    assert pickle.loads(data).identical(joined)


def test_a_broadcast_manifest_weighs_what_it_repeats() -> None:
    array = many_files(1, 1)[0]
    assert np.broadcast_to(array[0], (1_000_000, 10)).manifest.nbytes < 1000


def _calls(action: Callable[[], Any]) -> int:
    count = 0

    def profiler(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(profiler)
    try:
        action()
    finally:
        sys.setprofile(None)
    return count


def _where(array: ManifestArray) -> Any:
    mask = np.ones(array.shape, bool)
    mask[-1] = False
    return np.where(mask, array, np.int16(0))


@pytest.mark.parametrize(
    "action",
    [
        lambda a: np.concatenate([a, a]),
        lambda a: np.concatenate([a, a], axis=1),
        lambda a: np.stack([a, a]),
        lambda a: np.expand_dims(a, 1),
        lambda a: np.broadcast_to(a, (3, *a.shape)),
        np.transpose,
        lambda a: a[10:-10],
        lambda a: a[::-1],
        lambda a: a[np.arange(a.shape[0] // 2)],
        lambda a: a[5],
        lambda a: a[:, 2:7],
        lambda a: a.rename_urls(lambda url: url + "x"),
        lambda a: a.identical(a.rename_urls({})),
        lambda a: pickle.loads(pickle.dumps(a)),
        repr,
        lambda a: a._repr_inline_(40),
        lambda a: a.manifest.stored_bytes,
        _where,
    ],
)
def test_no_step_is_taken_per_chunk(action: Callable[[ManifestArray], Any]) -> None:
    first, small, large = (np.concatenate(many_files(n, 4)) for n in (400, 1_000, 100_000))
    action(first)  # whatever is done once is done
    # What the collector of garbage does meanwhile may add a few.
    assert _calls(lambda: action(large)) - _calls(lambda: action(small)) < 50


def test_many_references_are_joined_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concatenation, "WORTH_A_THREAD", 200_000)
    # A second thread copies half of them; an odd number leaves the last column off the eighth byte.
    first, second, third = many_files(210_003, 3)
    parts = [first, second[::-1], third]
    joined = np.concatenate(parts).manifest
    assert joined.lengths.size > concatenation.WORTH_A_THREAD
    for name in ("offsets", "lengths"):
        expected = np.concatenate([getattr(part.manifest, name) for part in parts])
        assert np.array_equal(getattr(joined, name), expected)
    urls = np.array([source.url for source in joined.sources])[joined.source_index]
    assert np.array_equal(
        urls, np.concatenate([np.array(p.manifest.urls)[p.manifest.source_index] for p in parts])
    )


def test_sources_are_replaced_one_by_one() -> None:
    manifest = np.concatenate(many_files(4, 2)).manifest
    with pytest.raises(ValueError, match="Found 1 sources; expected one for each of"):
        manifest.with_sources(manifest.sources[:1])


def test_a_million_million_missing_chunks_cost_nothing() -> None:
    start = time.process_time()
    manifest = ChunkManifest.empty((1_000_000, 1_000_000))
    assert (manifest.n_virtual, manifest.n_inline, manifest.n_missing) == (0, 0, 10**12)
    assert (manifest.stored_bytes, manifest.nbytes) == (0, 20)
    assert time.process_time() - start < 0.5
    with pytest.raises(UnvirtualizableError, match=r"1099511627776 × 1099511627776 chunks.*drop"):
        ChunkManifest.empty((1 << 40, 1 << 40))


def test_a_repeated_reference_is_counted_as_often_as_it_is_there() -> None:
    manifest = ChunkManifest.from_dict(
        {"0.0": b"ab", "1.0": {"url": "s3://b/a", "offset": 1, "length": 5}}, grid_shape=(3, 1)
    )
    repeated = manifest.broadcast_to((3, 7))
    assert (repeated.n_virtual, repeated.n_inline, repeated.n_missing) == (7, 7, 7)
    assert repeated.stored_bytes == 49
