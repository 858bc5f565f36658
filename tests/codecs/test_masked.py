"""Chunks that skipped a filter are stored again as the whole pipeline would, without loss."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest

from tests.codecs.hdf5_chunks import RawDataset, assert_same_bits, filters_of, read_raw
from tests.corpus import corpus_file
from vzlab.codecs import active_filters, codec_chain, decode_chunk, decode_chunk_bytes, reencode_chunk
from vzlab.errors import UnsupportedCodecError

PIPELINES: dict[str, dict[str, Any]] = {
    "shuffle+deflate": {"shuffle": True, "compression": "gzip"},
    "shuffle+deflate+fletcher32": {"shuffle": True, "compression": "gzip", "fletcher32": True},
    "lzf": {"compression": "lzf"},
    "szip": {"compression": "szip"},
    "scaleoffset": {"scaleoffset": 0},
    "lz4": dict(hdf5plugin.LZ4()),
    "zstd": dict(hdf5plugin.Zstd()),
    "bzip2": dict(hdf5plugin.BZip2()),
    "blosc": dict(hdf5plugin.Blosc(cname="lz4", shuffle=2)),
    "blosc2": dict(hdf5plugin.Blosc2()),
    "bitshuffle": dict(hdf5plugin.Bitshuffle(cname="none")),
    "bitshuffle-lz4": dict(hdf5plugin.Bitshuffle(cname="lz4")),
    "bitshuffle-zstd": dict(hdf5plugin.Bitshuffle(nelems=64, cname="zstd")),
}


def dataset_with_unfiltered_chunk(options: dict[str, Any], values: np.ndarray[Any, Any]) -> RawDataset:
    """Two chunks: one as the pipeline stores it, one that skipped all of it."""
    n = len(values) // 2
    with h5py.File(stream := BytesIO(), "w") as file:
        dataset = file.create_dataset("x", shape=values.shape, dtype=values.dtype, chunks=(n,), **options)
        dataset[:n] = values[:n]
        every_filter = (1 << len(filters_of(dataset))) - 1
        dataset.id.write_direct_chunk((n,), values[n:].tobytes(), filter_mask=every_filter)
    return reopened(stream)


def reopened(stream: BytesIO) -> RawDataset:
    """Read with a new handle: the one that wrote a raw chunk does not know its filter mask."""
    with h5py.File(stream) as file:
        return read_raw(file["x"])


def check(raw: RawDataset) -> None:
    assert any(chunk.filter_mask for chunk in raw.chunks)
    chain = codec_chain(raw.filters, raw.dtype, raw.chunk_shape)
    arguments: dict[str, Any] = {"dtype": raw.dtype, "chunk_shape": raw.chunk_shape, "filters": raw.filters}
    for chunk in raw.chunks:
        data = chunk.data
        if chunk.filter_mask:
            data = reencode_chunk(data, filter_mask=chunk.filter_mask, **arguments)
        found = decode_chunk(data, codecs=chain, data_type=raw.dtype, chunk_shape=raw.chunk_shape)
        assert_same_bits(found[tuple(slice(n) for n in chunk.values.shape)], chunk.values)


@pytest.mark.parametrize("random", [False, True], ids=["shrinks", "does-not-shrink"])
@pytest.mark.parametrize("dtype", ["<i4", ">i4", "<i8"])
@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_chunk_that_skipped_everything(pipeline: str, dtype: str, random: bool) -> None:
    values = np.arange(400).astype(dtype)
    if random:
        values = np.random.default_rng(0).integers(0, 1 << 30, 400).astype(dtype)
    check(dataset_with_unfiltered_chunk(PIPELINES[pipeline], values))


def test_a_chunk_that_skipped_only_the_compressor() -> None:
    values = np.arange(100, dtype="<i4")
    with h5py.File(stream := BytesIO(), "w") as file:
        dataset = file.create_dataset("x", (100,), "<i4", chunks=(100,), shuffle=True, compression="gzip")
        shuffled = np.ascontiguousarray(values.view("u1").reshape(-1, 4).T).tobytes()
        dataset.id.write_direct_chunk((0,), shuffled, filter_mask=0b10)
    raw = reopened(stream)
    assert np.array_equal(raw.chunks[0].values, values)
    check(raw)


def test_decode_chunk_bytes_gives_the_unfiltered_bytes() -> None:
    raw = dataset_with_unfiltered_chunk(PIPELINES["shuffle+deflate"], np.arange(40, dtype=">i4"))
    for chunk in raw.chunks:
        found = decode_chunk_bytes(
            chunk.data,
            filters=raw.filters,
            filter_mask=chunk.filter_mask,
            dtype=raw.dtype,
            chunk_shape=raw.chunk_shape,
        )
        assert found == chunk.values.tobytes()


def test_active_filters_are_those_whose_bit_is_not_set() -> None:
    raw = dataset_with_unfiltered_chunk(PIPELINES["shuffle+deflate+fletcher32"], np.arange(4, dtype="<i4"))
    assert [f.id for f in active_filters(raw.filters, 0b010)] == [2, 3]
    assert active_filters(raw.filters, 0) == raw.filters


def test_a_pipeline_that_cannot_encode_is_refused() -> None:
    options = dict(hdf5plugin.Zfp(rate=8))
    raw = dataset_with_unfiltered_chunk(options, np.arange(128, dtype="<f8"))
    with pytest.raises(UnsupportedCodecError, match=r"mask 0x1.*ZFP \(32013\).*vzlab\.zfp only decodes"):
        check(raw)


def test_a_pipeline_that_would_lose_values_is_refused() -> None:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((8,))
    plist.set_filter(h5py.h5z.FILTER_NBIT, 0, ())
    narrow = h5py.h5t.STD_U16LE.copy()
    narrow.set_precision(9)
    with h5py.File(stream := BytesIO(), "w") as file:
        made = h5py.h5d.create(file.id, b"x", narrow, h5py.h5s.create_simple((8,)), dcpl=plist)
        made.write_direct_chunk((0,), np.full(8, 0xFFFF, "<u2").tobytes(), filter_mask=1)
    raw = reopened(stream)
    with pytest.raises(UnsupportedCodecError, match="would lose"):
        check(raw)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("hdf5/HDFGroup__hdf5_plugins/h5ex_d_lzf.h5", "DS1"),
        ("hdf5/fsspec__kerchunk/hdf5_mini_blosc.h5", "data"),
        ("hdf5/jamesmudd__jhdf/test_compressed_chunked_datasets_latest.hdf5", "int/int8lzf"),
    ],
)
def test_other_peoples_files_with_filter_masks(path: str, name: str) -> None:
    with h5py.File(corpus_file(path)) as file:
        check(read_raw(file[name]))
