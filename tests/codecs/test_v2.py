"""Zarr v2 metadata says the same as the v3 chain: zarr reads the same values through both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hdf5plugin
import numcodecs
import numpy as np
import pytest
import zarr
from zarr.core.buffer.cpu import Buffer
from zarr.storage import MemoryStore

from tests.codecs.hdf5_chunks import assert_same_bits, write_raw
from vzlab.codecs import codec_chain, decode_chunk, encode_chunk, from_v2, same_decoding, to_v2
from vzlab.errors import UnsupportedCodecError
from vzlab.parsers import ZarrParser
from vzlab.storage import as_registry, read_array


def codec(name: str, **configuration: Any) -> dict[str, Any]:
    return {"name": name, "configuration": configuration}


BIG, LITTLE = codec("bytes", endian="big"), codec("bytes", endian="little")
ZLIB = codec("numcodecs.zlib", level=4)


def read_as_v2(stored: bytes, metadata: dict[str, Any], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Let zarr read one stored chunk through Zarr v2 metadata."""
    document = {
        "zarr_format": 2,
        "shape": shape,
        "chunks": shape,
        "fill_value": None,
        "dimension_separator": ".",
        **metadata,
    }
    store = MemoryStore()
    store._store_dict[".zarray"] = Buffer.from_bytes(json.dumps(document).encode())
    store._store_dict[".".join("0" for _ in shape)] = Buffer.from_bytes(stored)
    return np.asarray(zarr.open_array(store, mode="r", zarr_format=2)[...])


def check(stored: bytes, codecs: Any, dtype: np.dtype[Any], values: np.ndarray[Any, Any]) -> None:
    made = to_v2(codecs, dtype)
    metadata = {
        "dtype": made.dtype,
        "filters": made.filters,
        "compressor": made.compressor,
        "order": made.order,
    }
    assert_same_bits_up_to_order(read_as_v2(stored, metadata, values.shape), values)
    back = from_v2(**{**metadata, "dtype": made.dtype}, n_dimensions=values.ndim)
    assert same_decoding(back, codecs)


def assert_same_bits_up_to_order(found: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> None:
    assert_same_bits(found.astype(found.dtype.newbyteorder("=")), values)


PIPELINES: dict[str, dict[str, Any]] = {
    "none": {},
    "shuffle": {"shuffle": True},
    "shuffle+deflate": {"shuffle": True, "compression": "gzip"},
    "shuffle+deflate+fletcher32": {"shuffle": True, "compression": "gzip", "fletcher32": True},
    "lzf": {"compression": "lzf"},
    "szip": {"compression": "szip"},
    "zstd": dict(hdf5plugin.Zstd()),
    "bzip2": dict(hdf5plugin.BZip2()),
    "blosc": dict(hdf5plugin.Blosc(cname="zstd", shuffle=2)),
    "blosc2": dict(hdf5plugin.Blosc2()),
    "bitshuffle-lz4": dict(hdf5plugin.Bitshuffle()),
    "lz4": dict(hdf5plugin.LZ4()),
    "zfp": dict(hdf5plugin.Zfp(reversible=True)),
}


@pytest.mark.parametrize("dtype", ["<f4", ">i4"])
@pytest.mark.parametrize("pipeline", PIPELINES)
def test_hdf5_chunks_read_through_v2_metadata(pipeline: str, dtype: str) -> None:
    values = (np.arange(240).reshape(12, 20) // 7).astype(dtype)
    raw = write_raw(values, (12, 20), PIPELINES[pipeline])
    chain = codec_chain(raw.filters, raw.dtype, raw.chunk_shape)
    check(raw.chunks[0].data, chain, raw.dtype, values)


@pytest.mark.parametrize(
    ("codecs", "order"),
    [
        ((codec("transpose", order=[2, 1, 0]), BIG, ZLIB), "F"),
        ((codec("transpose", order=[0, 1, 2]), LITTLE), "C"),
        ((LITTLE, codec("gzip", level=3)), "C"),
        ((BIG, codec("zstd", level=3, checksum=True)), "C"),
        ((LITTLE, codec("crc32c")), "C"),
        ((LITTLE, codec("numcodecs.shuffle", elementsize=4), codec("numcodecs.lz4", acceleration=1)), "C"),
    ],
    ids=lambda value: "+".join(c["name"] for c in value) if isinstance(value, tuple) else value,
)
def test_chains_of_zarr_itself(codecs: Any, order: str) -> None:
    values = np.arange(120, dtype="<i4").reshape(4, 5, 6)
    stored = encode_chunk(values, codecs=codecs, data_type="int32", chunk_shape=(4, 5, 6))
    made = to_v2(codecs, values.dtype)
    assert made.order == order
    metadata = {"dtype": made.dtype, "filters": made.filters, "compressor": made.compressor, "order": order}
    assert np.array_equal(read_as_v2(stored, metadata, values.shape), values)
    back = from_v2(**metadata, n_dimensions=3)
    assert np.array_equal(decode_chunk(stored, codecs=back, data_type="int32", chunk_shape=(4, 5, 6)), values)


@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
@pytest.mark.parametrize(
    "dtype",
    [
        np.dtype([("a", ">i2"), ("b", ">f8")]),
        np.dtype([("a", "<i2"), ("b", ">f8")]),
        np.dtype({"names": ["a", "b"], "formats": ["<i2", "<f8"], "offsets": [0, 8]}),
        np.dtype([("a", "<i2"), ("b", [("c", "S3"), ("d", "<u4")])]),
    ],
    ids=["big", "mixed", "padded", "nested"],
)
def test_records(dtype: np.dtype[Any]) -> None:
    values = np.random.default_rng(0).integers(0, 9, 30 * dtype.itemsize, dtype="u1").view(dtype)
    raw = write_raw(values, (30,), {"compression": "gzip"})
    chain = codec_chain(raw.filters, raw.dtype, raw.chunk_shape)
    made = to_v2(chain, raw.dtype)
    metadata = {"dtype": made.dtype, "filters": made.filters, "compressor": made.compressor, "order": "C"}
    found = read_as_v2(raw.chunks[0].data, metadata, (30,))
    for name in ("a", "b"):
        assert found[name].tolist() == values[name].tolist()


def test_the_last_compressor_becomes_the_compressor() -> None:
    chain = (LITTLE, codec("numcodecs.shuffle", elementsize=4), ZLIB)
    made = to_v2(chain, np.dtype("i4"))
    assert made.dtype == "<i4"
    assert made.filters == [{"id": "shuffle", "elementsize": 4}]
    assert made.compressor == {"id": "zlib", "level": 4}
    checked = to_v2((*chain, codec("numcodecs.fletcher32")), np.dtype("i4"))
    assert [f["id"] for f in checked.filters or ()] == ["shuffle", "zlib", "fletcher32"]
    assert checked.compressor is None


FILTERS: dict[str, list[Any]] = {
    "delta": [numcodecs.Delta(dtype="<i4")],
    "delta-narrow": [numcodecs.Delta(dtype="<i4", astype="<i2")],
    "fixedscaleoffset": [numcodecs.FixedScaleOffset(offset=10, scale=2, dtype="<i4", astype="<u2")],
    "shuffle": [numcodecs.Shuffle(elementsize=4)],
    "delta+shuffle": [numcodecs.Delta(dtype="<i4"), numcodecs.Shuffle(elementsize=4)],
    "big": [numcodecs.FixedScaleOffset(offset=10, scale=2, dtype="<i4", astype=">u2")],
}
COMPRESSORS: dict[str, Any] = {
    "none": None,
    "blosc-auto": numcodecs.Blosc(cname="zstd", shuffle=-1),
    "zlib": numcodecs.Zlib(level=1),
    "gzip": numcodecs.GZip(level=1),
    "zstd": numcodecs.Zstd(level=1),
    "lz4": numcodecs.LZ4(),
    "lzma": numcodecs.LZMA(),
    "bz2": numcodecs.BZ2(),
}


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("compressor", ["none", "zlib"])
def test_packed_booleans_of_v2_are_read(compressor: str, order: Any, tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((7, 11)) > 0.5
    array = zarr.create_array(
        str(tmp_path / "bits.zarr"),
        data=values,
        chunks=(3, 5),
        filters=[numcodecs.PackBits()],
        compressors=COMPRESSORS[compressor],
        zarr_format=2,
        order=order,
    )
    np.testing.assert_array_equal(array[...], values)
    np.testing.assert_array_equal(
        read_array(ZarrParser()(tmp_path / "bits.zarr")["bits"], as_registry(None)), values
    )


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("compressor", COMPRESSORS)
@pytest.mark.parametrize("filters", ["none", *FILTERS])
def test_what_zarr_writes_as_v2_decodes_through_the_v3_chain(
    filters: str, compressor: str, order: Any
) -> None:
    values = np.arange(12, 132, dtype="<i4").reshape(10, 12)
    store = MemoryStore()
    array = zarr.create_array(
        store,
        shape=(10, 12),
        chunks=(10, 12),
        dtype="<i4",
        filters=FILTERS.get(filters),
        compressors=COMPRESSORS[compressor],
        zarr_format=2,
        order=order,
    )
    array[...] = values
    metadata = json.loads(store._store_dict[".zarray"].to_bytes())
    chain = from_v2(
        metadata["dtype"],
        metadata["filters"],
        metadata["compressor"],
        order=metadata["order"],
        n_dimensions=2,
    )
    stored = store._store_dict["0.0"].to_bytes()
    found = decode_chunk(stored, codecs=chain, data_type="int32", chunk_shape=(10, 12))
    assert np.array_equal(found, np.asarray(array[...]))
    if order == "C" or filters in ("none", "shuffle"):
        back = to_v2(chain, np.dtype("<i4"))
        again = {
            "dtype": back.dtype,
            "filters": back.filters,
            "compressor": back.compressor,
            "order": back.order,
        }
        assert np.array_equal(read_as_v2(stored, again, (10, 12)), values)


def test_variable_length_text() -> None:
    chain = from_v2("|O", [{"id": "vlen-utf8"}], {"id": "zstd", "level": 1})
    assert [c["name"] for c in chain] == ["vlen-utf8", "zstd"]
    made = to_v2(chain, np.dtype(object))
    assert (made.dtype, made.filters) == ("|O", [{"id": "vlen-utf8"}])
    assert made.compressor == {"id": "zstd", "level": 1, "checksum": False}


@pytest.mark.parametrize(
    ("codecs", "named"),
    [
        ((codec("vzlab.crop", stored_shape=[3]), LITTLE), r"vzlab\.crop"),
        ((codec("sharding_indexed", chunk_shape=[2], codecs=[]),), "sharding_indexed"),
        ((codec("transpose", order=[1, 2, 0]), LITTLE), r"\[1, 2, 0\]"),
        ((codec("scale_offset", scale=2), LITTLE), "scale_offset"),
        ((LITTLE, codec("somebody.else")), r"somebody\.else"),
        ((codec("numcodecs.delta", dtype="<i4"), BIG), "big-endian"),
        ((codec("transpose", order=[1, 0]), codec("numcodecs.delta", dtype="<i4"), LITTLE), "order F"),
    ],
    ids=lambda value: value[0]["name"] if isinstance(value, tuple) else "",
)
def test_what_v2_cannot_say_is_refused_by_name(codecs: Any, named: str) -> None:
    with pytest.raises(UnsupportedCodecError, match=named):
        to_v2(codecs, np.dtype("<i4"))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("<i4", [{"id": "grib"}], None), "grib"),
        (("|O", [{"id": "pickle"}], None), "pickle"),
        (("|O", None, {"id": "zlib", "level": 1}), "Objects"),
        (("<i4", [{"id": "shuffle"}, {"id": "delta", "dtype": "<i4"}], None), "delta"),
        (("<i4", None, {"id": "vzlab.crop"}), r"vzlab\.crop"),
    ],
)
def test_what_v3_cannot_say_is_refused_by_name(arguments: Any, named: str) -> None:
    with pytest.raises(UnsupportedCodecError, match=named):
        from_v2(*arguments)
