"""Storage layouts: where bytes lie, and what unwritten ones read as."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.parsers.reading import assert_same_as_h5py, assert_values_equal, parse, read
from vzlab.errors import CorruptFileError

VALUES = np.arange(7 * 5 * 6, dtype="i4").reshape(7, 5, 6)


def create_low_level(
    file: h5py.File, name: str, values: Any, *, configure: Any, maxshape: Any = None
) -> h5py.Dataset:
    """Make a dataset whose creation property list a test sets by hand."""
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    configure(creation)
    space = h5py.h5s.create_simple(values.shape, maxshape)
    dataset_id = h5py.h5d.create(file.id, name.encode(), h5py.h5t.py_create(values.dtype), space, creation)
    return h5py.Dataset(dataset_id)


def test_contiguous_data_are_one_chunk_at_their_offset(tmp_path: Path) -> None:
    path = tmp_path / "contiguous.h5"
    with h5py.File(path, "w") as file:
        file["x"] = VALUES
        offset = file["x"].id.get_offset()
    array = assert_same_as_h5py(path)["x"]
    assert array.metadata.chunks == VALUES.shape
    entry = array.manifest.reference((0, 0, 0))
    assert (entry.state, entry.offset, entry.length) == ("virtual", offset, VALUES.nbytes)
    assert entry.source.size_bytes == path.stat().st_size


def test_compact_data_are_held_inline(tmp_path: Path) -> None:
    path = tmp_path / "compact.h5"
    with h5py.File(path, "w") as file:
        dataset = create_low_level(
            file, "x", VALUES.astype(">i2"), configure=lambda plist: plist.set_layout(h5py.h5d.COMPACT)
        )
        dataset[()] = VALUES
    array = assert_same_as_h5py(path)["x"]
    assert array.manifest.n_inline == 1
    assert array.manifest.sources == ()


@pytest.mark.parametrize("libver", ["earliest", "v110", "latest"])
@pytest.mark.parametrize(
    ("chunks", "maxshape"),
    [
        pytest.param((2, 5, 6), None, id="fixed"),
        pytest.param((3, 2, 4), (None, 5, 6), id="first-unlimited"),
        pytest.param((3, 2, 4), (10, None, 6), id="middle-unlimited"),
        pytest.param((3, 2, 4), (10, 7, None), id="last-unlimited"),
        pytest.param((3, 2, 4), (None, None, 6), id="two-unlimited"),
        pytest.param((7, 5, 6), None, id="single"),
        pytest.param((10, 8, 8), (None, None, None), id="chunk-larger-than-array"),
    ],
)
def test_every_chunk_index_gives_the_place_of_every_chunk(
    tmp_path: Path, libver: str, chunks: tuple[int, ...], maxshape: tuple[int | None, ...] | None
) -> None:
    path = tmp_path / "chunked.h5"
    with h5py.File(path, "w", libver=libver) as file:
        file.create_dataset("plain", data=VALUES, chunks=chunks, maxshape=maxshape)
        file.create_dataset(
            "packed", data=VALUES, chunks=chunks, maxshape=maxshape, compression="gzip", shuffle=True
        )
        sparse = file.create_dataset(
            "sparse", VALUES.shape, "f4", chunks=chunks, maxshape=maxshape, fillvalue=-5
        )
        sparse[3:5, 1, 2:] = 7
    group = assert_same_as_h5py(path)
    assert group["plain"].metadata.chunks == chunks
    kinds = ("version 1 B-tree", "single chunk", "fixed array", "extensible array")
    assert set(group.index_decoder.split(", ")) <= {"h5py", *(f"vzlab ({kind})" for kind in kinds)}


def test_chunks_left_behind_by_shrinking_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "shrunk.h5"
    with h5py.File(path, "w", libver="latest") as file:
        for name, maxshape in (("v2-btree", (None, None)), ("extensible", (None, 8))):
            dataset = file.create_dataset(
                name, data=np.arange(64).reshape(8, 8), chunks=(2, 4), maxshape=maxshape
            )
            dataset.resize((3, 4))
            dataset.resize((5, 4))
    assert_same_as_h5py(path)


@pytest.mark.parametrize("fill_time", ["alloc", "never", "ifset"])
@pytest.mark.parametrize("chunks", [None, (4,)], ids=["contiguous", "chunked"])
@pytest.mark.parametrize("fillvalue", [None, 7], ids=["default", "seven"])
def test_never_allocated_reads_what_the_fill_time_allows(
    tmp_path: Path, fill_time: str, chunks: tuple[int, ...] | None, fillvalue: int | None
) -> None:
    path = tmp_path / "unwritten.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (10,), "i2", chunks=chunks, fillvalue=fillvalue, fill_time=fill_time)
    array = assert_same_as_h5py(path)["x"]
    assert array.manifest.n_missing == array.manifest.n_chunks


def test_hdf5_fill_value_is_not_the_missing_value_of_cf(tmp_path: Path) -> None:
    path = tmp_path / "two_fills.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("x", (4,), "i2", chunks=(2,), fillvalue=3)
        dataset.attrs["_FillValue"] = np.int16(-1)
        dataset[:2] = [-1, 5]
    array = assert_same_as_h5py(path)["x"]
    assert array.metadata.fill_value == 3
    assert array.metadata.attributes["_FillValue"] == -1


def test_a_user_block_moves_every_offset(tmp_path: Path) -> None:
    path = tmp_path / "user_block.h5"
    with h5py.File(path, "w", userblock_size=1024) as file:
        file["contiguous"] = VALUES
        file.create_dataset("chunked", data=VALUES, chunks=(2, 5, 6), compression="gzip")
        file.create_dataset("unwritten", (3,), "f8", fillvalue=2.5)
        file.create_dataset("scalar", (), "S1")
    assert_same_as_h5py(path)


def test_bytes_before_the_superblock_move_every_offset(tmp_path: Path) -> None:
    inner, path = tmp_path / "inner.h5", tmp_path / "behind_header.h5"
    with h5py.File(inner, "w") as file:
        file["contiguous"] = VALUES
        file.create_dataset("chunked", data=VALUES, chunks=(2, 5, 6))
    path.write_bytes(b"a header of somebody else".ljust(2048) + inner.read_bytes())
    assert_same_as_h5py(path)


def test_lengths_of_zero_and_scalars(tmp_path: Path) -> None:
    path = tmp_path / "small.h5"
    with h5py.File(path, "w") as file:
        file["scalar"] = np.float32(1.5)
        file["empty"] = np.zeros((0, 3))
        file.create_dataset("empty_chunked", (4, 0), "i4", chunks=(2, 2), maxshape=(4, None))
        file.create_dataset("no_text", (0,), h5py.string_dtype())
    assert_same_as_h5py(path)


def test_a_grid_of_more_chunks_than_a_manifest_can_hold_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (2**40,), "i1", chunks=(1,))
    assert "1099511627776 chunks" in parse(path).unreadable["x"].reason


def test_a_null_dataspace_has_no_values_and_is_told(tmp_path: Path) -> None:
    path = tmp_path / "null.h5"
    with h5py.File(path, "w") as file:
        file["nothing"] = h5py.Empty("f4")
        file["nothing"].attrs["why"] = "to say so"
        file["x"] = VALUES
    group = parse(path)
    assert list(group.arrays) == ["x"]
    told = group.unreadable["nothing"]
    assert "null" in told.reason
    assert not told.loadable
    assert told.attributes == {"why": "to say so"}


# -- filters that chunks skipped ------------------------------------------------------------------------------------


def with_masked_chunks(path: Path, masks: dict[int, int], *, n_chunks: int = 4, filters: Any = None) -> None:
    """Write a deflated, shuffled dataset some of whose chunks skipped what a bit of their mask says."""
    import zlib

    values = np.arange(10 * n_chunks, dtype="<i4")
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset(
            "x", values.shape, "<i4", chunks=(10,), **(filters or {"compression": "gzip"})
        )
        for i in range(n_chunks):
            raw = values[10 * i : 10 * i + 10].tobytes()
            mask = masks.get(i, 0)
            dataset.id.write_direct_chunk((10 * i,), raw if mask & 1 else zlib.compress(raw), mask)


def test_chunks_that_skipped_a_filter_are_stored_again_inline(tmp_path: Path) -> None:
    path = tmp_path / "some_raw.h5"
    with_masked_chunks(path, {1: 1})
    array = assert_same_as_h5py(path)["x"]
    assert (array.manifest.n_inline, array.manifest.n_virtual) == (1, 3)
    assert [codec["name"] for codec in array.codecs] == ["bytes", "numcodecs.zlib"]


def test_where_most_chunks_skipped_a_filter_the_others_are_held_inline(tmp_path: Path) -> None:
    path = tmp_path / "most_raw.h5"
    with_masked_chunks(path, {0: 1, 1: 1, 3: 1})
    array = assert_same_as_h5py(path)["x"]
    assert (array.manifest.n_inline, array.manifest.n_virtual) == (1, 3)
    assert [codec["name"] for codec in array.codecs] == ["bytes"]


def test_chunks_that_all_skipped_a_filter_need_no_copy(tmp_path: Path) -> None:
    path = tmp_path / "all_raw.h5"
    with_masked_chunks(path, dict.fromkeys(range(4), 1))
    array = assert_same_as_h5py(path)["x"]
    assert array.manifest.n_virtual == 4


def test_more_skipping_chunks_than_a_manifest_should_hold_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "some_raw.h5"
    with_masked_chunks(path, {1: 1})
    monkeypatch.setattr("vzlab.parsers.hdf5.skipped_filters.MAX_INLINE_BYTES", 39)
    told = parse(path).unreadable["x"]
    assert "skipped filters" in told.reason
    assert told.loadable


def library_with_chunk_options() -> Any:
    """The HDF5 library that h5py uses, for the one option that h5py does not offer."""
    found = sorted(Path(h5py.__file__).parents[1].glob("h5py.libs/libhdf5-*.so*"))
    if not found:
        pytest.skip("h5py does not bring its own HDF5 library here")
    return ctypes.CDLL(str(found[0]))


@pytest.mark.parametrize("filters", [{"compression": "gzip"}, {"shuffle": True}], ids=str)
def test_edge_chunks_that_a_file_leaves_unfiltered(tmp_path: Path, filters: dict[str, Any]) -> None:
    path = tmp_path / "edges.h5"
    library = library_with_chunk_options()
    library.H5Pset_chunk_opts.argtypes = (ctypes.c_int64, ctypes.c_uint)
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk((4, 4))
    creation.set_deflate(4) if "compression" in filters else creation.set_shuffle()
    assert library.H5Pset_chunk_opts(creation.id, 2) == 0
    values = np.arange(10 * 6, dtype="i4").reshape(10, 6)
    with h5py.File(path, "w", libver="v110") as file:
        dataset_id = h5py.h5d.create(
            file.id, b"x", h5py.h5t.STD_I32LE, h5py.h5s.create_simple((10, 6)), creation
        )
        dataset_id.write(h5py.h5s.ALL, h5py.h5s.ALL, values)
    array = assert_same_as_h5py(path)["x"]
    # Two chunks of six are whole: they are the ones that are held as the others are stored.
    assert (array.manifest.n_virtual, array.manifest.n_inline) == (4, 2)
    assert [codec["name"] for codec in array.codecs] == ["bytes"]


# -- damage -----------------------------------------------------------------------------------------------------------


def test_a_truncated_file_is_refused_with_its_url(tmp_path: Path) -> None:
    path = tmp_path / "cut short.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros(10_000)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(CorruptFileError, match=r"cut%20short\.h5"):
        parse(path)


def test_a_chunk_past_the_end_names_variable_chunk_range_and_size(tmp_path: Path) -> None:
    path = tmp_path / "far.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("g/x", data=np.arange(40, dtype="i8"), chunks=(10,))
        infos: list[Any] = []
        file["g/x"].id.chunk_iter(infos.append)
        address = infos[2].byte_offset
    raw = bytearray(path.read_bytes())
    at = raw.index(address.to_bytes(8, "little"))
    raw[at : at + 8] = (10**9).to_bytes(8, "little")
    path.write_bytes(raw)
    with pytest.raises(
        CorruptFileError, match=r"Chunk \(2,\) of 'g/x'.* byte 1000000000 to 1000000080 .*which has \d+ bytes"
    ):
        parse(path)


def test_a_damaged_variable_can_be_dropped(tmp_path: Path) -> None:
    path = tmp_path / "far.h5"
    test_a_chunk_past_the_end_names_variable_chunk_range_and_size(tmp_path)
    assert not parse(path, drop_variables=["x"])["g"].arrays
    assert not parse(path, drop_variables=["g/x"])["g"].arrays


# -- external files and virtual datasets ------------------------------------------------------------------------------


def test_external_storage_is_referenced_in_its_own_files(tmp_path: Path) -> None:
    values = np.arange(60, dtype=">f4").reshape(10, 6)
    raw = values.tobytes()
    folder = tmp_path / "raw data"
    folder.mkdir()
    (folder / "one.bin").write_bytes(b"1234" + raw[:24])
    (folder / "rest.bin").write_bytes(raw[24:])
    path = tmp_path / "external.h5"
    with h5py.File(path, "w") as file:
        segments = [("raw data/one.bin", 4, 24), ("raw data/rest.bin", 0, h5py.h5f.UNLIMITED)]
        file.create_dataset("x", values.shape, ">f4", external=segments)
    array = parse(path)["x"]
    assert array.metadata.chunks == ((1, 9), 6)
    assert [url.rpartition("/")[2] for url in array.manifest.urls] == ["one.bin", "rest.bin"]
    assert_values_equal(read(array), values)


def test_external_storage_out_of_reach_is_told_by_name(tmp_path: Path) -> None:
    path = tmp_path / "external.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("absent", (4,), "i4", external=[("absent.bin", 0, 16)])
        (tmp_path / "short.bin").write_bytes(b"12345678")
        file.create_dataset("short", (4,), "i4", external=[("short.bin", 0, 16)])
        (tmp_path / "one.bin").write_bytes(bytes(16))
        file.create_dataset("inside_a_row", (2, 2), "i4", external=[("one.bin", 0, 4), ("one.bin", 4, 12)])
        file["x"] = VALUES
    group = parse(path)
    assert list(group.arrays) == ["x"]
    assert "absent.bin" in group.unreadable["absent"].reason
    assert "8 bytes" in group.unreadable["short"].reason
    assert "inside a row" in group.unreadable["inside_a_row"].reason


def write_sources(folder: Path, shapes: list[tuple[int, ...]], **options: Any) -> list[Path]:
    """One file for each shape, with a dataset ``data`` of running numbers."""
    paths = []
    for i, shape in enumerate(shapes):
        path = folder / f"source_{i}.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset(
                "data", data=1000 * i + np.arange(np.prod(shape), dtype="i4").reshape(shape), **options
            )
        paths.append(path)
    return paths


def vds(path: Path, shape: tuple[int, ...], parts: list[tuple[Any, Any]], fillvalue: int = -1) -> None:
    """Write a virtual dataset: (index in it, source) pairs."""
    layout = h5py.VirtualLayout(shape, "i4")
    for index, source in parts:
        layout[index] = source
    with h5py.File(path, "w", libver="latest") as file:
        file.create_virtual_dataset("x", layout, fillvalue=fillvalue)


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_virtual_dataset_refers_to_the_chunks_of_its_sources(
    tmp_path: Path, compression: str | None
) -> None:
    sources = write_sources(tmp_path, [(4, 6), (4, 6), (3, 6)], chunks=(2, 6), compression=compression)
    parts = [
        (np.s_[4 * i : 4 * i + n], h5py.VirtualSource(source.name, "data", (n, 6)))
        for i, (source, n) in enumerate(zip(sources, (4, 4, 3), strict=True))
    ]
    vds(tmp_path / "virtual.h5", (11, 6), parts)
    array = assert_same_as_h5py(tmp_path / "virtual.h5")["x"]
    assert len(array.manifest.urls) == 3
    assert array.manifest.n_virtual == 6


def test_a_virtual_dataset_stacks_contiguous_sources_along_a_new_axis(tmp_path: Path) -> None:
    sources = write_sources(tmp_path, [(5,), (5,), (5,)])
    parts = [(i, h5py.VirtualSource(source.name, "data", (5,))) for i, source in enumerate(sources) if i != 1]
    vds(tmp_path / "virtual.h5", (3, 5), parts, fillvalue=9)
    array = assert_same_as_h5py(tmp_path / "virtual.h5")["x"]
    assert array.manifest.n_missing == 1


def test_a_virtual_dataset_joins_contiguous_sources_of_several_lengths(tmp_path: Path) -> None:
    sources = write_sources(tmp_path, [(3, 4), (2, 4), (4, 4)])
    starts = (0, 3, 5)
    parts = [
        (np.s_[start : start + n], h5py.VirtualSource(source.name, "data", (n, 4)))
        for start, n, source in zip(starts, (3, 2, 4), sources, strict=True)
    ]
    vds(tmp_path / "virtual.h5", (9, 4), parts)
    assert_same_as_h5py(tmp_path / "virtual.h5")


def test_a_virtual_dataset_interleaves_its_sources(tmp_path: Path) -> None:
    sources = write_sources(tmp_path, [(4, 6), (4, 6)], chunks=(1, 6), compression="gzip")
    parts = [
        (np.s_[i::2], h5py.VirtualSource(source.name, "data", (4, 6))) for i, source in enumerate(sources)
    ]
    vds(tmp_path / "virtual.h5", (8, 6), parts)
    assert_same_as_h5py(tmp_path / "virtual.h5")


def test_a_virtual_dataset_takes_rows_of_an_uncompressed_source(tmp_path: Path) -> None:
    [source] = write_sources(tmp_path, [(8, 6)])
    vds(tmp_path / "virtual.h5", (4, 6), [(np.s_[:], h5py.VirtualSource(source.name, "data", (8, 6))[2:6])])
    assert_same_as_h5py(tmp_path / "virtual.h5")


@pytest.mark.parametrize(
    ("case", "reason"),
    [("absent", "out of reach"), ("part_of_a_chunk", "only in part"), ("codecs", "different codecs")],
)
def test_a_virtual_dataset_that_no_reference_expresses_can_be_loaded(
    tmp_path: Path, case: str, reason: str
) -> None:
    write_sources(tmp_path, [(4, 6)], chunks=(2, 6), compression="gzip")
    source = h5py.VirtualSource("source_0.h5", "data", (4, 6))
    parts = {
        "absent": [(np.s_[:4], source), (np.s_[4:], h5py.VirtualSource("absent.h5", "data", (4, 6)))],
        "part_of_a_chunk": [(np.s_[1:4], source[:3])],
        "codecs": [(np.s_[:4], source), (np.s_[4:], h5py.VirtualSource("other.h5", "data", (4, 6)))],
    }[case]
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.create_dataset("data", data=np.zeros((4, 6), "i4"), chunks=(2, 6), compression="lzf")
    path = tmp_path / "virtual.h5"
    vds(path, (8, 6), parts)
    told = parse(path).unreadable["x"]
    assert reason in told.reason
    assert told.loadable
    from vzlab.parsers import HDF5Parser

    with h5py.File(path) as file:
        assert_values_equal(HDF5Parser().load(path, None, "x"), file["x"][()])
