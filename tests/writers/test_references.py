"""References reach Icechunk in few calls, each where it belongs, each with its checksum."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import icechunk
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vzlab.errors import WriteError
from vzlab.manifests import ChunkManifest, SourceFile
from vzlab.manifests.manifest import INLINE, MISSING
from vzlab.writers import references
from vzlab.writers.references import checksum_of, plan_blocks, set_references

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


def manifest_of(index: Any, n_sources: int) -> ChunkManifest:
    index = np.asarray(index, np.uint32)
    places = np.arange(index.size, dtype=np.uint64).reshape(index.shape)
    return ChunkManifest(
        sources=[
            SourceFile(url=f"s3://b/{i}", last_modified=NOON + timedelta(hours=i)) for i in range(n_sources)
        ],
        source_index=index,
        offsets=np.where(index == INLINE, np.uint64(0), places * np.uint64(10)),
        lengths=np.full(index.shape, 7, np.uint64),
        inline=[b"inline!"],
    )


class RecordingStore:
    """Stands in for the two bulk calls of an Icechunk store, and keeps what they would have written."""

    def __init__(self) -> None:
        self.written: dict[tuple[int, ...], tuple[Any, ...]] = {}
        self.single: dict[tuple[int, ...], tuple[Any, ...]] = {}
        self.n_calls = 0

    def set_virtual_refs_arr(
        self,
        path: str,
        shape: Any,
        urls: list[str],
        offsets: Any,
        lengths: Any,
        *,
        validate_containers: bool,
        arr_offset: Any,
        checksum: Any,
    ) -> None:
        self.n_calls += 1
        assert validate_containers or {url for url in urls if url} <= {
            url for url, *_ in self.single.values()
        }
        assert len(urls) == len(offsets) == len(lengths) == int(np.prod(shape, dtype=int))
        for i, index in enumerate(np.ndindex(*shape)):
            if urls[i]:
                place = tuple(a + b for a, b in zip(index, arr_offset, strict=True))
                assert place not in self.written
                self.written[place] = (urls[i], int(offsets[i]), int(lengths[i]), checksum)

    def set_virtual_refs(self, path: str, chunks: list[Any]) -> None:
        self.n_calls += 1
        for chunk in chunks:
            checksum = chunk.etag_checksum or chunk.last_updated_at_checksum
            self.single[tuple(chunk.index)] = (chunk.location, chunk.offset, chunk.length, checksum)


indices = hnp.arrays(
    np.uint32,
    hnp.array_shapes(min_dims=0, max_dims=3, max_side=5),
    elements=st.sampled_from([0, 1, 2, INLINE, MISSING]),
)


@given(indices, st.booleans())
def test_every_virtual_chunk_is_written_once_with_its_checksum(index: Any, checksums: bool) -> None:
    manifest = manifest_of(index, 3)
    store = RecordingStore()
    offset = (4,) * index.ndim
    set_references(store, "x", manifest, chunk_offset=offset, checksums=checksums)  # type: ignore[arg-type]
    expected = {}
    for at in np.ndindex(index.shape):
        reference = manifest.reference(at)
        if reference.source is not None:
            checksum = reference.source.last_modified if checksums else None
            place = tuple(i + 4 for i in at)
            expected[place] = (reference.source.url, reference.offset, reference.length, checksum)
    assert store.single.items() <= expected.items()
    assert store.single | store.written == expected


def test_files_along_an_axis_take_one_call_each() -> None:
    manifest = manifest_of(np.repeat(np.arange(50), 20).reshape(50, 20), 50)
    store = RecordingStore()
    set_references(store, "x", manifest, chunk_offset=(0, 0))  # type: ignore[arg-type]
    assert store.n_calls == 1 + 50


def test_files_with_one_checksum_take_one_call_together() -> None:
    manifest = manifest_of(np.repeat(np.arange(50), 20).reshape(50, 20), 50)
    store = RecordingStore()
    set_references(store, "x", manifest, chunk_offset=(0, 0), checksums=False)  # type: ignore[arg-type]
    assert store.n_calls == 1 + 1


def test_a_large_box_is_written_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "CHUNKS_A_CALL", 7)
    manifest = manifest_of(np.arange(60).reshape(5, 4, 3) % 2, 2)
    store = RecordingStore()
    set_references(store, "x", manifest, chunk_offset=(0, 0, 0), checksums=False)  # type: ignore[arg-type]
    assert store.n_calls == 1 + 10  # boxes of two rows of three, and none of more than seven chunks
    assert len(store.written) == 60


@pytest.mark.parametrize("n_chunks", [3, 40])
def test_a_chunk_outside_the_containers_is_refused_by_name(n_chunks: int) -> None:
    config = icechunk.RepositoryConfig.default()
    config.set_virtual_chunk_container(icechunk.VirtualChunkContainer("s3://b/", icechunk.s3_store()))
    session = icechunk.Repository.create(icechunk.in_memory_storage(), config=config).writable_session("main")
    zarr.create_array(session.store, name="x", shape=(n_chunks,), chunks=(1,), dtype="u1")
    manifest = manifest_of([0] * (n_chunks - 1) + [1], 2).rename_urls(
        lambda url: url.replace("s3://b/1", "s3://elsewhere/1")
    )
    with pytest.raises(WriteError, match=rf"chunk \({n_chunks - 1},\) lies in s3://elsewhere/1, outside"):
        set_references(session.store, "x", manifest, chunk_offset=(0,))


def test_scattered_files_give_up_boxes() -> None:
    scattered = np.random.default_rng(0).integers(0, 40, (40, 40))
    manifest = manifest_of(scattered, 40)
    assert plan_blocks(manifest, [checksum_of(source) for source in manifest.sources]) is None


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (SourceFile(url="file:///a", last_modified=NOON), NOON),
        (
            SourceFile(url="file:///a", last_modified=NOON + timedelta(microseconds=1)),
            NOON + timedelta(seconds=1),
        ),
        (SourceFile(url="file:///a", last_modified=NOON.replace(tzinfo=None)), NOON),
        (SourceFile(url="file:///a", etag='"x"'), None),
        (SourceFile(url="s3://b/a", etag='"x-1"', last_modified=NOON), "x-1"),
        (SourceFile(url="http://b/a", etag='"x"', last_modified=NOON), '""x""'),
        (SourceFile(url="http://b/a", etag='W/"x"', last_modified=NOON), NOON),
        (SourceFile(url="http://b/a"), None),
    ],
)
def test_checksum_is_what_icechunk_honours(source: SourceFile, expected: Any) -> None:
    assert checksum_of(source) == expected
