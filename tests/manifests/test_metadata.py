"""Grids and metadata are what zarr itself takes and gives."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.core.metadata.v3 import ArrayV3Metadata

from tests.manifests.virtual_arrays import Bytes, assert_reads_as, dimension_chunks, virtual_array
from vzlab.errors import UnsupportedDataTypeError
from vzlab.manifests import ArrayMetadata, ChunkGrid

BYTES = {"name": "bytes", "configuration": {"endian": "little"}}


@pytest.fixture(autouse=True)
def _rectilinear() -> Any:
    with zarr.config.set({"array.rectilinear_chunks": True}):
        yield


grids = st.lists(st.integers(0, 9), max_size=3).flatmap(
    lambda shape: st.tuples(*map(dimension_chunks, shape)).map(
        lambda chunks: ChunkGrid(shape=tuple(shape), chunks=chunks)
    )
)


def metadata_of(grid: ChunkGrid) -> ArrayMetadata:
    return ArrayMetadata.create(shape=grid.shape, dtype="i4", chunks=grid.chunks, codecs=[BYTES])


@settings(max_examples=100, deadline=None)
@given(grids)
def test_zarr_takes_a_grid_as_it_was_meant(grid: ChunkGrid) -> None:
    document = json.loads(json.dumps(metadata_of(grid).to_dict()))
    theirs = zarr.Array.from_dict(zarr.storage.StorePath(zarr.storage.MemoryStore()), document)
    assert theirs.shape == grid.shape
    assert theirs.cdata_shape == grid.grid_shape
    their_grid = theirs._async_array._chunk_grid
    for index in np.ndindex(grid.grid_shape):
        chunk = their_grid[index]
        assert chunk is not None
        region = [(part.start, part.stop) for part in grid.region(index)]
        assert [(part.start, part.stop) for part in chunk.slices] == region
        assert chunk.codec_shape == grid.stored_shape(index)


@settings(max_examples=100, deadline=None)
@given(grids)
def test_a_grid_survives_its_own_and_zarrs_json(grid: ChunkGrid) -> None:
    assert ChunkGrid.from_zarr(grid.shape, grid.to_zarr()) == grid
    metadata = metadata_of(grid)
    assert ArrayMetadata.from_dict(json.loads(json.dumps(metadata.to_dict()))) == metadata
    theirs: Any = ArrayV3Metadata.from_dict(metadata.to_dict()).to_dict()
    assert (
        ChunkGrid.from_zarr(grid.shape, json.loads(json.dumps(theirs["chunk_grid"]))).grid_shape
        == grid.grid_shape
    )


@settings(max_examples=100, deadline=None)
@given(grids)
def test_lengths_regions_and_places_agree(grid: ChunkGrid) -> None:
    for axis, extent in enumerate(grid.shape):
        lengths, bounds = grid.lengths(axis), grid.starts(axis)
        assert lengths.sum() == extent == bounds[-1]
        assert (lengths >= 1).all()
        assert (lengths <= grid.stored_lengths(axis)).all()
        assert grid.last_is_partial(axis) == bool(
            len(lengths) and lengths[-1] != grid.stored_lengths(axis)[-1]
        )
        for position in range(extent):
            i = grid.locate(axis, position)
            assert bounds[i] <= position < bounds[i + 1]
    for index in np.ndindex(grid.grid_shape):
        assert tuple(s.stop - s.start for s in grid.region(index)) == tuple(
            int(grid.lengths(axis)[i]) for axis, i in enumerate(index)
        )
    assert grid.n_chunks == int(np.prod(grid.grid_shape, dtype=np.int64))


def test_equal_lengths_are_one_number() -> None:
    grid = ChunkGrid(shape=(6, 4), chunks=((2, 2, 2), (4,)))
    assert grid.chunks == (2, 4)
    assert grid.is_regular
    assert grid == ChunkGrid(shape=(6, 4), chunks=(2, 4))
    assert ChunkGrid(shape=(5,), chunks=((2, 2, 1),)) != ChunkGrid(shape=(5,), chunks=(2,))


@pytest.mark.parametrize(
    ("shape", "chunks", "says"),
    [
        ((4,), (2, 2), "dimensions"),
        ((4,), (0,), "at least 1"),
        ((4,), ((1, 2),), "add up"),
        ((4,), ((5, -1),), "positive"),
    ],
)
def test_impossible_grids_are_refused(shape: Any, chunks: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ChunkGrid(shape=shape, chunks=chunks)


def listed(*runs: Any) -> dict[str, Any]:
    return {"name": "rectilinear", "configuration": {"kind": "inline", "chunk_shapes": [list(runs)]}}


def test_listed_lengths_beyond_the_array_are_not_guessed_at() -> None:
    assert ChunkGrid.from_zarr((6,), listed([2, 3])).chunks == (2,)
    with pytest.raises(ValueError, match="add up to 7"):
        ChunkGrid.from_zarr((6,), listed(3, 2, 2))
    with pytest.raises(ValueError, match="hexagonal"):
        ChunkGrid.from_zarr((5,), {"name": "hexagonal"})


@pytest.mark.parametrize("extent", [5, 6])
def test_a_list_of_one_length_is_a_regular_dimension(extent: int) -> None:
    """Stores that cannot say one integer list it, as often as it takes to cover the array."""
    assert ChunkGrid.from_zarr((extent,), listed([2, 3])) == ChunkGrid(shape=(extent,), chunks=(2,))
    for uncovered in (4, 7):
        with pytest.raises(ValueError, match="add up to 6"):
            ChunkGrid.from_zarr((uncovered,), listed([2, 3]))


# -- data types and fill values ------------------------------------------------------------------------------------------------

RECORD = np.dtype([("a", "<i2"), ("b", "<f4")])
FILLS: list[tuple[Any, Any]] = [
    *((f"{kind}{n}", 7) for kind in "iu" for n in (1, 2, 4, 8)),
    ("i8", -(2**63)),
    ("u8", 2**64 - 1),
    *((f"f{n}", value) for n in (2, 4, 8) for value in (1.5, np.nan, np.inf, -np.inf, -0.0)),
    ("f4", 9.969209968386869e36),
    *(("c8", value) for value in (1 + 2j, complex(np.nan, -np.inf))),
    ("c16", complex(-np.inf, np.nan)),
    ("?", True),
    ("?", False),
    ("S3", b"ab"),
    ("S5", b""),
    ("V4", np.void(b"\x00\x01\xff\x7f")),
    ("U3", "añ"),
    (RECORD, np.array((3, np.nan), RECORD)[()]),
    ("M8[ns]", np.datetime64("2026-01-01", "ns")),
    ("M8[D]", np.datetime64("NaT", "D")),
    ("m8[s]", np.timedelta64(5, "s")),
    ("T", "word"),
]


@pytest.mark.parametrize(("dtype", "fill"), FILLS, ids=lambda value: str(value)[:20])
def test_zarr_takes_every_type_and_fill_value(dtype: Any, fill: Any) -> None:
    dtype = np.dtypes.StringDType() if dtype == "T" else np.dtype(dtype)
    codecs = [{"name": "vlen-utf8"}] if dtype.kind == "T" else [BYTES]
    metadata = ArrayMetadata.create(shape=(3,), dtype=dtype, chunks=(2,), codecs=codecs, fill_value=fill)
    document = json.loads(json.dumps(metadata.to_dict(), allow_nan=False))
    theirs = ArrayV3Metadata.from_dict(document)
    native = theirs.data_type.to_native_dtype()
    assert native == metadata.dtype == dtype
    wanted = fill if dtype.kind == "T" else np.asarray(fill, dtype=dtype)
    for found in (theirs.fill_value, metadata.fill_scalar):
        assert (
            np.asarray(found, dtype=dtype).tobytes() == wanted.tobytes()
            if dtype.kind != "T"
            else found == wanted
        )
    assert ArrayMetadata.from_dict(document) == metadata == pickle.loads(pickle.dumps(metadata))


@pytest.mark.parametrize(
    "dtype", sorted({str(d) for d, _ in FILLS if d != "T" and not isinstance(d, np.dtype)})
)
def test_without_a_fill_value_it_is_the_types_zero(dtype: str) -> None:
    metadata = ArrayMetadata.create(shape=(3,), dtype=dtype, chunks=(2,), codecs=[BYTES])
    kind = np.dtype(dtype).kind
    expected = np.zeros((), dtype)
    if kind in "mM":
        assert np.isnat(np.asarray(metadata.fill_scalar)) or np.asarray(metadata.fill_scalar) == expected
    else:
        assert np.asarray(metadata.fill_scalar, dtype=dtype).tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("dtype", "fill"),
    [(d, f) for d, f in FILLS if d not in ("T", "U3", "V4")],
    ids=lambda value: str(value)[:20],
)
def test_values_and_missing_chunks_of_every_type_read_back(dtype: Any, fill: Any) -> None:
    source = Bytes()
    dtype = np.dtype(dtype)
    values = np.zeros(5, dtype)
    values[:4] = (
        np.frombuffer(np.arange(4 * dtype.itemsize, dtype=np.uint8).tobytes(), np.uint8).view(dtype)
        if dtype.kind != "b"
        else [1, 0, 1, 1]
    )
    array = virtual_array(
        values,
        (2,),
        source=source,
        state=lambda index: "missing" if index == (1,) else "virtual",
        fill_value=fill,
    )
    assert_reads_as(array, values, source)


def test_the_byte_order_is_the_codecs_affair() -> None:
    little, big = (
        ArrayMetadata.create(shape=(1,), dtype=d, chunks=(1,), codecs=[BYTES]) for d in ("<f4", ">f4")
    )
    assert little == big
    assert little.dtype == np.dtype("=f4")


def test_a_type_that_zarr_has_not_is_refused_with_advice() -> None:
    with pytest.raises(UnsupportedDataTypeError, match="Load this variable"):
        ArrayMetadata.create(shape=(1,), dtype=np.dtype("f16"), chunks=(1,), codecs=[BYTES])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"zarr_format": 2}, "zarr_format 2"),
        ({"node_type": "group"}, "'group'"),
        ({"storage_transformers": [{"name": "x"}]}, "storage transformers"),
    ],
)
def test_documents_of_anything_else_are_refused(change: dict[str, Any], says: str) -> None:
    document = ArrayMetadata.create(shape=(1,), dtype="i4", chunks=(1,), codecs=[BYTES]).to_dict() | change
    with pytest.raises(ValueError, match=says):
        ArrayMetadata.from_dict(document)
