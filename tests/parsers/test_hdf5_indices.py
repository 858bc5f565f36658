"""Chunk indices decoded from their own bytes, beside what the library says of the same dataset."""

from __future__ import annotations

import re
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.corpus import CorpusEntry, corpus_params
from tests.parsers.reading import parse
from vzlab.parsers.hdf5.chunk_index import LIBRARY_UP_TO, ChunkIndex, read_chunk_index
from vzlab.parsers.hdf5.indices.nodes import DamagedIndexError
from vzlab.parsers.hdf5.layout_message import find_chunked_layout
from vzlab.parsers.hdf5.object_header import FileBytes, messages
from vzlab.storage import as_registry

NEVER_LIBRARY, FEW, ALWAYS_LIBRARY = 0, LIBRARY_UP_TO, 10**12


def index_of(dataset: Any, *, library_up_to: int, path: Path | None = None) -> ChunkIndex | None:
    """The chunk index of an open h5py dataset, by the library or from its own bytes."""
    creation = dataset.id.get_create_plist()
    file_id = dataset.file.id
    file = FileBytes.of(file_id, as_registry(None).open(str(path or dataset.file.filename)))
    chunks = creation.get_chunk()
    # Not from h5o.get_info, which measures the index too: the library crashes where that is damaged.
    parent = dataset.parent
    address = parent.id.links.get_info(dataset.name.rpartition("/")[2].encode()).u
    layout = find_chunked_layout(file, messages(file, address))
    return read_chunk_index(
        dataset.id,
        tuple(-(-n // c) for n, c in zip(dataset.shape, chunks, strict=True)),
        chunks,
        file=file,
        # Without its layout message nothing but the library can find the index.
        layout=None if library_up_to == ALWAYS_LIBRARY else layout,
        is_filtered=creation.get_nfilters() > 0,
        library_up_to=library_up_to,
    )


def library_index(dataset: Any) -> ChunkIndex | None:
    """The index as the library gives it, chunk by chunk, whatever its kind."""
    if dataset.id.get_space_status() == h5py.h5d.SPACE_STATUS_NOT_ALLOCATED:
        return None
    chunks = dataset.chunks
    grid = tuple(-(-n // c) for n, c in zip(dataset.shape, chunks, strict=True))
    offsets, lengths = np.zeros(grid, np.uint64), np.zeros(grid, np.uint64)
    masks, missing = np.zeros(grid, np.uint32), np.ones(grid, np.bool_)
    for at in np.ndindex(grid):
        info = dataset.id.get_chunk_info_by_coord(tuple(i * c for i, c in zip(at, chunks, strict=True)))
        if info.byte_offset is not None:
            offsets[at], lengths[at], masks[at] = info.byte_offset, info.size, info.filter_mask
            missing[at] = False
    if missing.all():
        return None
    return ChunkIndex(
        offsets=offsets,
        lengths=lengths,
        filter_masks=masks if masks.any() else None,
        missing=missing if missing.any() else None,
        decoder="h5py",
    )


def assert_chunks_are_there(dataset: Any, index: ChunkIndex | None) -> None:
    """Fail unless each chunk's bytes are where an index says, and only those are missing that the library lacks too."""
    assert index is not None
    raw = Path(dataset.file.filename).read_bytes()
    for at in np.ndindex(index.offsets.shape):
        start = tuple(i * c for i, c in zip(at, dataset.chunks, strict=True))
        if index.missing is not None and index.missing[at]:
            with pytest.raises((OSError, RuntimeError), match="chunk"):
                dataset.id.read_direct_chunk(start)
            continue
        mask, stored = dataset.id.read_direct_chunk(start)
        offset = int(index.offsets[at])
        assert raw[offset : offset + int(index.lengths[at])] == stored
        assert mask == (0 if index.filter_masks is None else index.filter_masks[at])


def is_told_wrongly(dataset: Any) -> bool:
    """Whether the library (2.0 and before) tells wrong coordinates: an only unlimited dimension that is not the first."""
    return dataset.maxshape.count(None) == 1 and dataset.maxshape[0] is not None


def assert_same_index(found: ChunkIndex | None, expected: ChunkIndex | None) -> None:
    """Fail unless two indices are equal but for what decoded them; nothing written is None, or all missing."""
    if found is None or expected is None:
        for index in (found, expected):
            assert index is None or (index.missing is not None and index.missing.all())
        return
    for name in ("offsets", "lengths", "filter_masks", "missing"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert (ours is None) == (theirs is None), name
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


@pytest.mark.parametrize("filtered", [False, True], ids=["raw", "packed"])
@pytest.mark.parametrize("userblock", [0, 512], ids=["from-byte-0", "behind-user-block"])
@pytest.mark.parametrize(
    ("kind", "libver", "shape", "chunks", "maxshape"),
    [
        pytest.param("version 1 B-tree", "earliest", (30, 9), (1, 2), None, id="v1-btree-of-two-levels"),
        pytest.param("version 1 B-tree", "v108", (5000,), (1,), (None,), id="v1-btree-of-three-levels"),
        pytest.param("single chunk", "v110", (3, 4), (3, 4), None, id="single"),
        pytest.param("single chunk", "latest", (3, 4), (3, 4), None, id="single-of-layout-5"),
        pytest.param("fixed array", "v110", (30, 9), (1, 2), None, id="fixed-array"),
        pytest.param("fixed array", "latest", (2500, 2), (1, 1), None, id="fixed-array-in-pages"),
        pytest.param("fixed array", "latest", (30, 9), (1, 2), (40, 11), id="fixed-array-that-may-grow"),
        pytest.param("fixed array", "v110", (40, 30), (1, 1), (50, 70), id="fixed-array-in-pages-may-grow"),
        pytest.param("extensible array", "v110", (30, 9), (1, 2), (None, 9), id="extensible-array"),
        pytest.param("extensible array", "latest", (7, 9), (1, 2), (9, None), id="extensible-array-last"),
        pytest.param("extensible array", "latest", (3000, 2), (1, 1), (None, 3), id="extensible-secondary"),
        pytest.param("extensible array", "v110", (150000,), (1,), (None,), id="extensible-in-pages"),
        pytest.param("version 2 B-tree", "v110", (5, 9), (1, 2), (None, None), id="v2-btree-of-a-leaf"),
        pytest.param("version 2 B-tree", "latest", (120, 120), (1, 2), (None, None), id="v2-btree-deeper"),
    ],
)
def test_each_index_is_decoded_as_the_library_has_it(
    tmp_path: Path,
    kind: str,
    libver: str,
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    maxshape: tuple[int | None, ...] | None,
    userblock: int,
    filtered: bool,
) -> None:
    path = tmp_path / "x.h5"
    options: dict[str, Any] = {"chunks": chunks, "maxshape": maxshape}
    if filtered:
        options |= {"compression": "gzip", "compression_opts": 1}
    with h5py.File(path, "w", libver=libver, userblock_size=userblock) as file:
        dataset = file.create_dataset("x", shape, "i2", **options)
        # Of many, some: pages and whole blocks remain unwritten.
        for start in (0, 131_500, 139_000, 149_990) if shape[0] > 100_000 else (0,):
            part = dataset[start : start + 100] if shape[0] > 100_000 else dataset[()]
            dataset[start : start + len(part)] = np.arange(part.size).reshape(part.shape)
    with h5py.File(path) as file:
        found = index_of(file["x"], library_up_to=NEVER_LIBRARY)
        assert found is not None
        assert found.decoder == f"vzlab ({kind})"
        if is_told_wrongly(file["x"]):
            assert_chunks_are_there(file["x"], found)
        elif np.prod(shape) > 2_000:
            assert_same_index(found, index_of(file["x"], library_up_to=ALWAYS_LIBRARY))
        else:
            assert_same_index(found, library_index(file["x"]))


def test_chunks_stored_in_advance_need_no_index(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", libver="latest") as file:
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_chunk((2, 3))
        creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        space = h5py.h5s.create_simple((9, 10), (12, 20))
        h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_INT32, space, creation)
    with h5py.File(path) as file:
        found = index_of(file["x"], library_up_to=NEVER_LIBRARY)
        assert found is not None
        assert found.decoder == "vzlab (implicit)"
        assert_same_index(found, library_index(file["x"]))


def test_addresses_of_four_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    creation = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    creation.set_sizes(4, 8)
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(h5py.h5f.LIBVER_LATEST, h5py.h5f.LIBVER_LATEST)
    kinds = {"fixed": None, "extensible": (None, 40), "btree": (None, None)}
    with h5py.File(h5py.h5f.create(bytes(path), h5py.h5f.ACC_TRUNC, creation, access)) as file:
        for name, maxshape in kinds.items():
            values = np.arange(1600).reshape(40, 40)
            file.create_dataset(name, data=values, chunks=(1, 3), maxshape=maxshape, compression="gzip")
    with h5py.File(path) as file:
        for name in kinds:
            found = index_of(file[name], library_up_to=NEVER_LIBRARY)
            assert found is not None
            assert found.decoder.startswith("vzlab")
            assert_same_index(found, library_index(file[name]))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_dataset_has_the_index_that_the_library_finds(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    draw = data.draw
    rank = draw(st.integers(1, 4))
    axis = st.integers(1, 40 if rank < 3 else 7)
    shape = tuple(draw(axis) for _ in range(rank))
    chunks = tuple(draw(st.integers(1, 4)) for _ in range(rank))
    maxshape = tuple(
        draw(st.sampled_from([None, max(n, c), max(n, c) + draw(st.integers(0, 9))]))
        for n, c in zip(shape, chunks, strict=True)
    )
    libver = draw(st.sampled_from(["earliest", "v108", "v110", "v114", "latest"]))
    path = tmp_path_factory.mktemp("any") / "x.h5"
    with h5py.File(path, "w", libver=libver, userblock_size=draw(st.sampled_from([0, 1024]))) as file:
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_chunk(chunks)
        if draw(st.booleans()):
            creation.set_deflate(1)
        limits = tuple(h5py.h5s.UNLIMITED if n is None else n for n in maxshape)
        space = h5py.h5s.create_simple(shape, limits)
        made = h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_INT16, space, creation)
        dataset = h5py.Dataset(made)
        grid = tuple(-(-n // c) for n, c in zip(shape, chunks, strict=True))
        how = draw(st.sampled_from(["all", "some", "resized"]))
        if how == "some":
            for at in draw(
                st.lists(st.tuples(*(st.integers(0, n - 1) for n in grid)), max_size=12, unique=True)
            ):
                raw = np.zeros(chunks, "i2").tobytes()
                mask = draw(st.sampled_from([0, 1])) if creation.get_nfilters() else 0
                if creation.get_nfilters() and not mask:
                    dataset[tuple(slice(i * c, (i + 1) * c) for i, c in zip(at, chunks, strict=True))] = 7
                else:
                    made.write_direct_chunk(tuple(i * c for i, c in zip(at, chunks, strict=True)), raw, mask)
        else:
            dataset[...] = 1
        if how == "resized":
            dataset.resize(tuple(draw(st.integers(1, n)) for n in shape))
    with h5py.File(path) as file:
        found = index_of(file["x"], library_up_to=NEVER_LIBRARY)
        assert found is None or found.decoder.startswith("vzlab")
        if found is not None and is_told_wrongly(file["x"]):
            assert_chunks_are_there(file["x"], found)
        else:
            assert_same_index(found, library_index(file["x"]))
            assert_same_index(index_of(file["x"], library_up_to=FEW), library_index(file["x"]))


@pytest.mark.corpus
@pytest.mark.parametrize("entry", corpus_params(["hdf5", "netcdf4", "nwb"], with_values=True))
def test_every_dataset_of_the_collection_has_the_index_that_the_library_finds(entry: CorpusEntry) -> None:
    with h5py.File(entry.location) as file:
        datasets: list[h5py.Dataset] = []
        # What cannot be opened ends the visit.
        with suppress(RuntimeError, KeyError):
            file.visititems(lambda _, item: datasets.append(item) if isinstance(item, h5py.Dataset) else None)
        for dataset in datasets:
            if dataset.chunks is None or 0 in dataset.shape:
                continue
            found = index_of(dataset, library_up_to=NEVER_LIBRARY, path=entry.location)
            if found is not None and is_told_wrongly(dataset):
                assert_chunks_are_there(dataset, found)
                continue
            expected = index_of(dataset, library_up_to=ALWAYS_LIBRARY, path=entry.location)
            assert_same_index(found, expected)
            assert_same_index(index_of(dataset, library_up_to=FEW, path=entry.location), expected)


# -- damage -------------------------------------------------------------------------------------------------------

NODES = re.compile(rb"TREE\x01|FAHD|FADB|EAHD|EAIB|EADB|EASB|BTHD|BTIN|BTLF")
NODE_BYTES = {b"TREE": 600, b"FAHD": 28, b"FADB": 800, b"EAHD": 72, b"BTHD": 38, b"BTIN": 60}
"""Bytes of each node that are changed; of the others 150. All are shorter than the shortest of such nodes here."""


def damaged(path: Path, at: int, value: int) -> Path:
    """A copy of a file with one byte changed."""
    raw = bytearray(path.read_bytes())
    raw[at] ^= value
    copy = path.with_suffix(".damaged")
    copy.write_bytes(raw)
    return copy


@pytest.mark.parametrize(
    ("libver", "maxshape", "n_rows"),
    [
        pytest.param("earliest", None, 20, id="v1-btree"),
        pytest.param("earliest", None, 8, id="v1-btree-of-one-leaf"),
        pytest.param("latest", None, 20, id="fixed-array"),
        pytest.param("latest", (None, 20), 20, id="extensible-array"),
        pytest.param("latest", (None, None), 20, id="v2-btree"),
    ],
)
def test_a_changed_byte_in_an_index_never_gives_other_chunks_than_the_library(
    tmp_path: Path, libver: str, maxshape: tuple[int | None, ...] | None, n_rows: int
) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", libver=libver) as file:
        file.create_dataset("x", data=np.ones((n_rows, 20), "u1"), chunks=(1, 4), maxshape=maxshape)
    raw = path.read_bytes()
    nodes = [(match.start(), NODE_BYTES.get(match[0][:4], 150)) for match in NODES.finditer(raw)]
    assert nodes
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(100):
        start, length = nodes[rng.integers(len(nodes))]
        at = start + int(rng.integers(0, 30 if rng.random() < 0.5 else length))
        copy = damaged(path, at, int(rng.integers(1, 256)))
        try:
            with h5py.File(copy) as file:
                found = index_of(file["x"], library_up_to=FEW if n_rows < 20 else NEVER_LIBRARY)
                if found is None or found.decoder == "h5py":
                    continue
                expected = index_of(file["x"], library_up_to=ALWAYS_LIBRARY)
        except DamagedIndexError:
            refused += 1
        except (OSError, RuntimeError, KeyError):
            refused += 1
        else:
            assert_same_index(found, expected)
    assert refused


def v1_nodes(raw: bytes) -> list[tuple[int, int]]:
    """Address and level of each v1 B-tree node of chunks."""
    return [(match.start(), raw[match.start() + 5]) for match in re.finditer(rb"TREE\x01", raw)]


@pytest.mark.parametrize("target", ["itself", "sibling"])
def test_a_btree_that_leads_back_to_itself_is_refused_and_the_file_opens(tmp_path: Path, target: str) -> None:
    path = tmp_path / "cycle.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.arange(400, dtype="u1"), chunks=(1,))
        file["y"] = np.arange(3)
    raw = bytearray(path.read_bytes())
    root = next(address for address, level in v1_nodes(bytes(raw)) if level)
    first, second = root + 24 + 24, root + 24 + 24 + 32
    wanted = root if target == "itself" else struct.unpack_from("<Q", raw, second)[0]
    struct.pack_into("<Q", raw, first, wanted)
    path.write_bytes(raw)
    group = parse(path)
    assert set(group.arrays) == {"y"}
    assert not group.unreadable["x"].loadable
    assert "chunk index is damaged" in group.unreadable["x"].reason


def test_what_decoded_an_index_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.arange(400, dtype="u1"), chunks=(1,))
    assert parse(path).index_decoder == "vzlab (version 1 B-tree)"
