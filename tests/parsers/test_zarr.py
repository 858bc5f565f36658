"""Zarr stores of both versions, wherever they lie, beside what zarr reads."""

from __future__ import annotations

import json
import shutil
import time
import warnings
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import obstore
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore
from zarr.codecs import BytesCodec, ShardingCodec, TransposeCodec, ZstdCodec

from vzlab.datasets import open_virtual_dataset
from vzlab.errors import CorruptFileError, UnsupportedFormatError, VzlabError
from vzlab.manifests import ManifestArray
from vzlab.parsers import ZarrParser
from vzlab.storage import ManifestStore, RequestLog, StoreRegistry, as_registry, read_array

pytestmark = [
    pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning"),
    pytest.mark.filterwarnings("ignore:Combining a `sharding_indexed` codec"),
]

DTYPES = [
    "i1",
    "<i2",
    ">i2",
    ">u8",
    "<f2",
    ">f4",
    "f8",
    "<c8",
    ">c16",
    "b1",
    "S5",
    "<U3",
    ">U3",
    "M8[s]",
    ">M8[ns]",
    "m8[10us]",
]


def write(path: Path, dtype: Any, zarr_format: int = 2, **options: Any) -> Any:
    """Write an array of which some chunks are missing."""
    options = {"shape": (7, 5), "chunks": (3, 2), "fill_value": None, **options}
    array = zarr.create_array(str(path), dtype=dtype, zarr_format=zarr_format, **options)
    values = np.arange(np.prod(array.shape, dtype=int)).reshape(array.shape) % 100
    if array.dtype.names is None:
        array[:3] = values.astype(array.dtype)[:3]
    else:
        array[:3] = np.rec.fromarrays([values[:3]] * len(array.dtype.names), dtype=array.dtype)
    return array


def assert_as_zarr_reads(path: Path, **options: Any) -> ManifestArray:
    """Parse a store that is one array, and fail unless it reads as zarr reads it, directly and as a store."""
    expected = zarr.open_array(str(path), mode="r")[...]
    group = ZarrParser(**options)(path)
    assert not group.unreadable
    ((name, array),) = group.arrays.items()
    through_store = zarr.open_group(ManifestStore(group), mode="r")[name][...]
    for found in (read_array(array, as_registry(None)), through_store):
        assert found.shape == expected.shape
        assert str(found.tolist()) == str(expected.tolist())
    return array


@pytest.mark.parametrize("separator", [".", "/"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_v2_types_orders_and_separators(tmp_path: Path, dtype: str, order: str, separator: str) -> None:
    write(tmp_path / "a", dtype, order=order, chunk_key_encoding={"name": "v2", "separator": separator})
    array = assert_as_zarr_reads(tmp_path / "a")
    assert (array.manifest.n_virtual, array.manifest.n_missing) == (3, 6)


@pytest.mark.parametrize(
    ("dtype", "fill"),
    [
        ("f8", np.nan),
        ("f4", -np.inf),
        (">i4", 258),
        ("c16", complex(np.nan, 1)),
        ("S3", b"xy"),
        (">U3", "xyz"),
        ("M8[s]", np.datetime64("NaT", "s")),
        (">M8[s]", np.datetime64(5, "s")),
        ("b1", True),
        ([("a", ">i2"), ("b", "<f8")], (258, 1.5)),
    ],
    ids=str,
)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_missing_chunks_read_as_the_fill_value(
    tmp_path: Path, dtype: Any, fill: Any, zarr_format: int
) -> None:
    if isinstance(dtype, list):
        fill = np.array(fill, dtype=dtype)[()]
    write(tmp_path / "a", np.dtype(dtype), zarr_format, fill_value=fill)
    assert_as_zarr_reads(tmp_path / "a")


@pytest.mark.parametrize("separator", [".", "/"])
@pytest.mark.parametrize("name", ["default", "v2"])
@pytest.mark.parametrize(("shape", "chunks"), [((7, 5), (3, 2)), ((12,), (5,)), ((), ())])
def test_v3_chunk_key_encodings(
    tmp_path: Path, name: str, separator: str, shape: tuple[int, ...], chunks: tuple[int, ...]
) -> None:
    encoding = {"name": name, "separator": separator}
    array = zarr.create_array(
        str(tmp_path / "a"), shape=shape, chunks=chunks, dtype=">i4", chunk_key_encoding=encoding
    )
    array[...] = np.arange(array.size).reshape(shape) + 1
    assert assert_as_zarr_reads(tmp_path / "a").manifest.n_missing == 0


@pytest.mark.parametrize(
    ("dtype", "filters", "compressor"),
    [
        ("<i4", [numcodecs.Delta(dtype="<i4")], numcodecs.Zlib()),
        ("<f8", [numcodecs.Shuffle(8)], numcodecs.LZ4()),
        ("<f8", [], numcodecs.Blosc(shuffle=numcodecs.Blosc.BITSHUFFLE)),
        ("<f8", [numcodecs.FixedScaleOffset(0, 10, dtype="<f8", astype="<i2")], None),
        ("<f8", [numcodecs.Fletcher32()], numcodecs.BZ2()),
        ("<f8", [numcodecs.CRC32()], None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_filters_come_before_the_compressor(
    tmp_path: Path, dtype: str, filters: Any, compressor: Any
) -> None:
    write(tmp_path / "a", dtype, filters=filters, compressors=compressor)
    assert_as_zarr_reads(tmp_path / "a")


@pytest.mark.parametrize("location", ["start", "end"])
@pytest.mark.parametrize("inner_chunks", [False, True])
@pytest.mark.parametrize("transposed", [False, True])
def test_shards_whole_or_by_their_inner_chunks(
    tmp_path: Path, location: Any, inner_chunks: bool, transposed: bool
) -> None:
    sharding = ShardingCodec(
        chunk_shape=(3, 2) if transposed else (2, 3),
        codecs=[BytesCodec(), ZstdCodec()],
        index_location=location,
    )
    array: Any = zarr.create(
        store=str(tmp_path / "a"),
        shape=(17, 13),
        chunks=(6, 6),
        dtype="f4",
        zarr_format=3,
        codecs=[TransposeCodec(order=(1, 0)), sharding] if transposed else [sharding],
        fill_value=np.nan,
    )
    array[3:11, 2:9] = np.arange(56).reshape(8, 7)
    found = assert_as_zarr_reads(tmp_path / "a", inner_chunks=inner_chunks)
    by_inner = (
        inner_chunks and not transposed
    )  # behind a transpose, inner chunks are no rectangles of the array's
    assert found.metadata.chunks == ((2, 3) if by_inner else (6, 6))
    assert found.manifest.n_virtual == (15 if by_inner else 4)


def test_a_damaged_shard_index_is_told_for_its_variable_alone(tmp_path: Path) -> None:
    root = zarr.create_group(str(tmp_path / "s"))
    for name in ("good", "bad"):
        array = root.create_array(name, shape=(8,), chunks=(2,), shards=(4,), dtype="i4")
        array[:] = 7
    shard = tmp_path / "s" / "bad" / "c" / "0"
    shard.write_bytes(shard.read_bytes()[:-3] + b"abc")
    group = ZarrParser(inner_chunks=True)(tmp_path / "s")
    assert list(group.arrays) == ["good"]
    assert "does not decode" in group.unreadable["bad"].reason


def test_a_rectilinear_grid(tmp_path: Path) -> None:
    with zarr.config.set({"array.rectilinear_chunks": True}):
        array: Any = zarr.create_array(
            str(tmp_path / "a"), shape=(10, 6), chunks=((2, 5, 3), (4, 2)), dtype="i4"
        )
        array[:] = np.arange(60).reshape(10, 6)
        assert_as_zarr_reads(tmp_path / "a")


@pytest.mark.parametrize("codec", [numcodecs.Pickle(), numcodecs.JSON()])
@pytest.mark.parametrize("dtype", ["|O", "<i4"])
def test_nothing_is_unpickled(tmp_path: Path, codec: Any, dtype: str) -> None:
    document = {
        "zarr_format": 2,
        "shape": [2],
        "chunks": [2],
        "dtype": dtype,
        "fill_value": None,
        "order": "C",
        "filters": [codec.get_config()],
        "compressor": None,
    }
    (tmp_path / ".zarray").write_text(json.dumps(document))
    (tmp_path / "0").write_bytes(codec.encode(np.array(["a", "b"], dtype=object)))
    group = ZarrParser()(tmp_path)
    assert not group.arrays
    assert codec.codec_id in group.unreadable[tmp_path.name].reason


def cube(path: Path, zarr_format: int, *, consolidated: bool) -> None:
    """Write a store of two groups and two arrays with dimensions and attributes."""
    root = zarr.create_group(str(path), zarr_format=zarr_format, attributes={"title": "t"})
    names = {"dimension_names": ["y", "x"]} if zarr_format == 3 else {}
    for group in (root, root.create_group("inner", attributes={"level": 1})):
        array = group.create_array("v", shape=(4, 4), chunks=(2, 2), dtype="i4", **names)
        array.attrs.update({"units": "m"} | ({} if names else {"_ARRAY_DIMENSIONS": ["y", "x"]}))
        array[:2] = 5
    if consolidated:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            zarr.consolidate_metadata(str(path))


@pytest.mark.parametrize("consolidated", [False, True])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_groups_attributes_and_dimensions(tmp_path: Path, zarr_format: int, consolidated: bool) -> None:
    cube(tmp_path / "c.zarr", zarr_format, consolidated=consolidated)
    group = ZarrParser()(tmp_path / "c.zarr")
    assert (group.attributes, group.groups["inner"].attributes) == ({"title": "t"}, {"level": 1})
    array = group["inner/v"]
    assert isinstance(array, ManifestArray)
    assert array.metadata.dimension_names == ("y", "x")
    assert array.metadata.attributes["units"] == "m"
    assert "_ARRAY_DIMENSIONS" not in array.metadata.attributes
    assert group.format == f"Zarr v{zarr_format}"
    assert group.index_decoder == ("consolidated metadata" if consolidated else "listing")
    assert ZarrParser(group="inner")(tmp_path / "c.zarr")["v"].identical(array)  # type: ignore[union-attr]
    assert list(ZarrParser(drop_variables=["v"])(tmp_path / "c.zarr").arrays) == []
    with pytest.raises(KeyError, match="absent"):
        ZarrParser(group="absent")(tmp_path / "c.zarr")
    if not consolidated:
        with pytest.raises(UnsupportedFormatError, match="consolidated"):
            ZarrParser(consolidated=True)(tmp_path / "c.zarr")


def test_a_directory_without_documents_is_a_group_if_arrays_are_below(tmp_path: Path) -> None:
    cube(tmp_path / "c", 2, consolidated=False)
    (tmp_path / "c" / "inner" / ".zgroup").unlink()
    (tmp_path / "c" / "notes").mkdir()
    group = ZarrParser()(tmp_path / "c")
    assert list(group.groups) == ["inner"]
    assert read_array(group["inner/v"], as_registry(None)).sum() == 40  # type: ignore[arg-type]


def test_a_store_that_is_an_array_is_named_as_the_store(tmp_path: Path) -> None:
    write(tmp_path / "level.0.zarr", "i4")
    assert list(ZarrParser()(tmp_path / "level.0.zarr").arrays) == ["level.0"]


def test_links_in_a_cycle_end(tmp_path: Path) -> None:
    cube(tmp_path / "c", 3, consolidated=False)
    (tmp_path / "c" / "inner" / "again").symlink_to(tmp_path / "c")
    (tmp_path / "c" / "v" / "c" / "again").symlink_to(tmp_path / "c" / "v")
    group = ZarrParser()(tmp_path / "c")
    assert sorted(path for path, _ in group.walk_arrays()) == ["inner/v", "v"]


def test_memory_and_s3_by_few_requests_and_directory_markers_are_no_chunks(tmp_path: Path, s3: Any) -> None:
    cube(tmp_path / "c.zarr", 3, consolidated=True)
    bucket = s3.bucket()
    url = bucket.upload(tmp_path / "c.zarr", "data/c.zarr")
    memory = MemoryStore()
    for file in (tmp_path / "c.zarr").rglob("*"):
        if file.is_file():
            obstore.put(
                memory, f"c.zarr/{file.relative_to(tmp_path / 'c.zarr').as_posix()}", file.read_bytes()
            )
    for marker in ("v/c/", "v/c/0/", "v/"):
        bucket.put(f"data/c.zarr/{marker}", b"")
    log = RequestLog()
    registry = StoreRegistry({f"s3://{bucket.name}": bucket.store, "memory://m": memory}, log=log)
    local = ZarrParser()(tmp_path / "c.zarr")
    for place in (url, "memory://m/c.zarr"):
        log.clear()
        group = ZarrParser()(place, registry)
        # The documents of the root, present or not, and a listing of each array.
        assert len(log) == 5 + 2
        for path, array in group.walk_arrays():
            np.testing.assert_array_equal(
                read_array(array, registry),
                read_array(local[path], as_registry(None)),  # type: ignore[arg-type]
            )
    etags = {source.etag for source in ZarrParser()(url, registry).sources}
    assert None not in etags


def test_a_web_server_is_asked_for_each_chunk_that_there_may_be(tmp_path: Path, http_server: Any) -> None:
    cube(tmp_path / "c.zarr", 3, consolidated=True)
    cube(tmp_path / "plain.zarr", 3, consolidated=False)
    server = http_server(tmp_path)
    group = ZarrParser()(server.url("c.zarr"))
    local = ZarrParser()(tmp_path / "c.zarr")
    array = group["v"]
    assert isinstance(array, ManifestArray)
    assert array.manifest.lengths.tolist() == local["v"].manifest.lengths.tolist()  # type: ignore[union-attr]
    assert array.manifest.n_missing == 2
    assert (read_array(array, as_registry(None)) == read_array(local["v"], as_registry(None))).all()  # type: ignore[arg-type]
    few = ZarrParser(max_probes=3)(server.url("c.zarr"))
    assert "max_probes" in few.unreadable["v"].reason
    with pytest.raises(UnsupportedFormatError, match=r"consolidate_metadata"):
        ZarrParser()(server.url("plain.zarr"))


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormatError, match="no Zarr store"):
        ZarrParser()(tmp_path)
    (tmp_path / "zarr.json").write_text("{")
    with pytest.raises(CorruptFileError, match="is no JSON"):
        ZarrParser()(tmp_path)


def test_a_chunk_of_the_wrong_length_is_named(tmp_path: Path) -> None:
    zarr.create_array(str(tmp_path / "a"), shape=(4,), chunks=(2,), dtype="i4", compressors=None)[:] = 1
    (tmp_path / "a" / "c" / "1").write_bytes(b"short")
    assert "Chunk (1,)" in ZarrParser()(tmp_path / "a").unreadable["a"].reason


def _mutated(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    head, *rest = path
    if isinstance(document, dict):
        return {**document, head: _mutated(document.get(head), tuple(rest), value)}
    if isinstance(document, list) and document:
        return [_mutated(document[0], tuple(rest), value), *document[1:]]
    return value


ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.integers(2**31, 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["regular", "rectilinear", "sharding_indexed", "bytes", "<i4", "|O", "|V999999999999", "pickle"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "id", "configuration", "kind", "chunk_shapes", "separator"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
KEYS = st.lists(
    st.sampled_from(
        [
            "shape",
            "chunks",
            "dtype",
            "data_type",
            "fill_value",
            "codecs",
            "filters",
            "compressor",
            "chunk_grid",
            "configuration",
            "chunk_shape",
            "chunk_key_encoding",
            "name",
            "attributes",
            "dimension_names",
            "order",
            "node_type",
            "zarr_format",
            "consolidated_metadata",
        ]
    ),
    min_size=1,
    max_size=3,
)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_damaged_documents_raise_or_are_told_and_never_hang(
    tmp_path_factory: pytest.TempPathFactory, zarr_format: int
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    write(folder / "a", "i4", zarr_format)
    document = folder / "a" / ("zarr.json" if zarr_format == 3 else ".zarray")
    sound = json.loads(document.read_text())

    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    @given(KEYS, ODD)
    def check(keys: list[str], value: Any) -> None:
        document.write_text(json.dumps(_mutated(sound, tuple(keys), value)))
        began = time.process_time()
        try:
            group = ZarrParser()(folder / "a")
        except VzlabError:
            return
        finally:
            assert time.process_time() - began < 5
        for unreadable in group.unreadable.values():
            assert unreadable.reason.endswith((".", "!"))

    check()


def test_deep_documents_and_deep_groups_are_told(tmp_path: Path) -> None:
    (tmp_path / "zarr.json").write_text('{"attributes": ' + "[" * 200_000)
    with pytest.raises(CorruptFileError):
        ZarrParser()(tmp_path)
    shutil.rmtree(tmp_path)
    deepest = tmp_path
    for _ in range(130):
        deepest.mkdir(exist_ok=True)
        (deepest / ".zgroup").write_text('{"zarr_format": 2}')
        deepest = deepest / "g"
    group = ZarrParser()(tmp_path)
    reasons = [variable.reason for _, part in group.walk() for variable in part.unreadable.values()]
    assert reasons == ["It lies more than 100 groups deep."]


def test_dimensions_without_names_are_called_by_their_length_so_that_a_group_is_a_dataset(
    tmp_path: Path,
) -> None:
    root = zarr.create_group(str(tmp_path / "c"))
    for name, length in (("a", 4), ("b", 6), ("c", 4)):
        root.create_array(name, shape=(length, length), chunks=(2, 2), dtype="i4")
    sizes = open_virtual_dataset(tmp_path / "c").sizes
    assert sorted(sizes.values()) == [4, 4, 6, 6]
