"""Every HDF5 filter decodes through a Zarr codec chain to what h5py reads."""

from __future__ import annotations

from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.codecs.hdf5_chunks import RawDataset, assert_same_bits, write_raw, write_with_plist
from tests.corpus import corpus_file
from vzlab.codecs import Hdf5Filter, active_filters, codec_chain, codecs_from_filters, decode_chunk
from vzlab.errors import CodecError, UnsupportedCodecError

DTYPES = ("<i2", ">i2", "<i4", ">i4", "<i8", ">u8", "u1", "i1", "<f4", ">f4", "<f8", ">f8", "<f2", "<c16")
ZFP_MODES = ({}, {"rate": 12.0}, {"precision": 14}, {"accuracy": 1e-3}, {"reversible": True})

# What goes in any pipeline, for any number.
PIPELINES: dict[str, dict[str, Any]] = {
    "deflate": {"compression": "gzip", "compression_opts": 4},
    "shuffle": {"shuffle": True},
    "shuffle+deflate": {"compression": "gzip", "shuffle": True},
    "fletcher32": {"fletcher32": True},
    "shuffle+deflate+fletcher32": {"compression": "gzip", "shuffle": True, "fletcher32": True},
    "lzf": {"compression": "lzf"},
    "shuffle+lzf+fletcher32": {"compression": "lzf", "shuffle": True, "fletcher32": True},
    "lz4": dict(hdf5plugin.LZ4()),
    "lz4-small-blocks": dict(hdf5plugin.LZ4(nbytes=128)),
    "zstd": dict(hdf5plugin.Zstd(clevel=7)),
    "shuffle+zstd": {**hdf5plugin.Zstd(), "shuffle": True},
    "bzip2": dict(hdf5plugin.BZip2(blocksize=5)),
    "bitshuffle": dict(hdf5plugin.Bitshuffle(cname="none")),
    "bitshuffle-lz4": dict(hdf5plugin.Bitshuffle(cname="lz4")),
    "bitshuffle-lz4-small-blocks": dict(hdf5plugin.Bitshuffle(nelems=16, cname="lz4")),
    "bitshuffle-zstd": dict(hdf5plugin.Bitshuffle(cname="zstd", clevel=3)),
    "blosc-blosclz": dict(hdf5plugin.Blosc(cname="blosclz", clevel=9, shuffle=0)),
    "blosc-lz4-bitshuffle": dict(hdf5plugin.Blosc(cname="lz4", shuffle=2)),
    "blosc-zstd": dict(hdf5plugin.Blosc(cname="zstd", shuffle=1)),
    "blosc-zlib": dict(hdf5plugin.Blosc(cname="zlib")),
    "blosc-snappy": dict(hdf5plugin.Blosc(cname="snappy")),
    "blosc2-blosclz": dict(hdf5plugin.Blosc2()),
    "blosc2-zstd-bitshuffle": dict(hdf5plugin.Blosc2(cname="zstd", filters=hdf5plugin.Blosc2.BITSHUFFLE)),
}


def ramp(dtype: str, shape: tuple[int, ...], *, smooth: bool = True) -> np.ndarray[Any, Any]:
    size = int(np.prod(shape))
    rng = np.random.default_rng(size)
    if np.dtype(dtype).kind in "iu":
        if not smooth:
            return np.frombuffer(rng.bytes(size * np.dtype(dtype).itemsize), dtype).reshape(shape)
        return rng.integers(0, 50, size).astype(dtype).reshape(shape)
    steps = rng.normal(size=size)
    return (np.round(np.cumsum(steps), 2) if smooth else steps).astype(dtype).reshape(shape)


def check(raw: RawDataset) -> None:
    assert raw.chunks
    for chunk in raw.chunks:
        # A chunk that skipped a filter has a chain of its own; test_masked.py covers mixtures.
        filters = active_filters(raw.filters, chunk.filter_mask)
        chain = codec_chain(filters, raw.dtype, raw.chunk_shape)
        found = decode_chunk(chunk.data, codecs=chain, data_type=raw.dtype, chunk_shape=raw.chunk_shape)
        assert_same_bits(found[tuple(slice(n) for n in chunk.values.shape)], chunk.values)


@pytest.mark.parametrize("smooth", [True, False], ids=["shrinks", "does-not-shrink"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_pipeline_decodes_to_what_h5py_reads(pipeline: str, dtype: str, smooth: bool) -> None:
    check(write_raw(ramp(dtype, (23, 31), smooth=smooth), (10, 13), PIPELINES[pipeline]))


@pytest.mark.parametrize(
    ("dtype", "mode"),
    [
        (dtype, mode)
        for dtype in ("<f4", "<f8", ">f4", ">f8", "<i4", "<i8", ">i4")
        for mode in ZFP_MODES
        if dtype[1] == "f" or "accuracy" not in mode
    ],
    ids=str,
)
@pytest.mark.parametrize("shape", [(64,), (16, 20), (8, 8, 9), (1, 16, 20)], ids=str)
def test_zfp_decodes_to_what_h5py_reads(dtype: str, mode: dict[str, Any], shape: tuple[int, ...]) -> None:
    check(write_raw(ramp(dtype, shape), shape, dict(hdf5plugin.Zfp(**mode))))


def test_zfp_expert_mode_header_ends_inside_a_byte() -> None:
    raw = write_raw(
        ramp("<f8", (16, 20)), (16, 20), dict(hdf5plugin.Zfp(minbits=1, maxbits=4000, maxprec=40, minexp=-80))
    )
    assert len(raw.filters[0].cd_values) == 6
    check(raw)


@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i2", "<i4", ">i4", "<f4", "<f8", ">f8", "<u8"])
@pytest.mark.parametrize("options", [("nn", 8), ("ec", 16), ("nn", 32)], ids=str)
def test_szip_decodes_to_what_h5py_reads(dtype: str, options: tuple[str, int]) -> None:
    for shape, chunks in [((40, 64), (20, 33)), ((1000,), (500,)), ((5, 7, 9), (5, 7, 9))]:
        check(write_raw(ramp(dtype, shape), chunks, {"compression": "szip", "compression_opts": options}))


@settings(max_examples=60, deadline=None)
@given(
    pipeline=st.sampled_from([name for name in PIPELINES if "blosc2" not in name]),
    dtype=st.sampled_from(DTYPES),
    size=st.integers(1, 400),
    data=st.data(),
)
def test_any_bytes_come_back(pipeline: str, dtype: str, size: int, data: st.DataObject) -> None:
    pattern = data.draw(st.binary(min_size=1, max_size=64))
    raw_bytes = (pattern * (size * 16 // len(pattern) + 1))[: size * np.dtype(dtype).itemsize]
    check(write_raw(np.frombuffer(raw_bytes, dtype), (size,), PIPELINES[pipeline]))


@pytest.mark.parametrize("shape", [(1,), (7,), (4097,), (100_003,)], ids=str)
@pytest.mark.parametrize("pipeline", PIPELINES)
def test_long_and_odd_chunks(pipeline: str, shape: tuple[int, ...]) -> None:
    check(write_raw(ramp("<i4", shape), shape, PIPELINES[pipeline]))


@pytest.mark.parametrize("dtype", ["S5", "V7", [("a", "<i2"), ("b", "<f8")]], ids=str)
@pytest.mark.parametrize(
    "pipeline", ["shuffle+deflate", "lzf", "bitshuffle-lz4", "blosc-zstd", "blosc2-blosclz"]
)
@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
def test_text_opaque_and_records(pipeline: str, dtype: Any) -> None:
    values = np.frombuffer(np.random.default_rng(0).bytes(300 * np.dtype(dtype).itemsize), dtype)
    check(write_raw(values, (300,), PIPELINES[pipeline]))


@pytest.mark.parametrize("value", [0, 7, np.nan], ids=str)
def test_blosc2_frames_of_one_repeated_value(value: float) -> None:
    check(write_raw(np.full(4096, value, "<f8"), (4096,), dict(hdf5plugin.Blosc2())))
    check(write_raw(np.full((64, 64), value, "<f4"), (64, 64), dict(hdf5plugin.Blosc2())))


def creation_plist(chunk_shape: tuple[int, ...]) -> Any:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk(chunk_shape)
    return plist


def test_two_deflates_in_one_pipeline() -> None:
    plist = creation_plist((100,))
    plist.set_deflate(1)
    plist.set_filter(h5py.h5z.FILTER_DEFLATE, 0, (9,))
    raw = write_with_plist(ramp("<i4", (100,)), h5py.h5t.STD_I32LE, plist)
    assert [f.id for f in raw.filters] == [1, 1]
    check(raw)


def test_fletcher32_before_shuffle_leaves_a_partial_element() -> None:
    plist = creation_plist((50,))
    plist.set_fletcher32()
    plist.set_shuffle()
    plist.set_deflate(4)
    raw = write_with_plist(ramp("<f8", (50,)), h5py.h5t.IEEE_F64LE, plist)
    names = [codec["name"] for codec in codecs_from_filters(raw.filters, raw.dtype, raw.chunk_shape)]
    assert names == ["numcodecs.fletcher32", "vzlab.shuffle", "numcodecs.zlib"]
    check(raw)


@pytest.mark.parametrize("size", [1, 3, 5, 721])
def test_fletcher32_of_an_odd_number_of_bytes(size: int) -> None:
    check(write_raw(ramp("u1", (size,), smooth=False), (size,), {"fletcher32": True}))


def test_a_damaged_checksum_is_an_error() -> None:
    raw = write_raw(ramp("<i4", (50,)), (50,), {"fletcher32": True})
    data = bytearray(raw.chunks[0].data)
    data[10] ^= 1
    with pytest.raises(CodecError, match=r"numcodecs\.fletcher32"):
        decode_chunk(
            bytes(data),
            codecs=codec_chain(raw.filters, raw.dtype, raw.chunk_shape),
            data_type=raw.dtype,
            chunk_shape=raw.chunk_shape,
        )


def test_shuffle_of_single_bytes_needs_no_codec() -> None:
    raw = write_raw(ramp("u1", (64,)), (64,), {"shuffle": True, "compression": "gzip"})
    names = [codec["name"] for codec in codecs_from_filters(raw.filters, raw.dtype, raw.chunk_shape)]
    assert names == ["numcodecs.zlib"]
    check(raw)


@pytest.mark.parametrize("quantization", [32022, 32023])
def test_quantizations_have_nothing_to_undo(quantization: int) -> None:
    filters = [Hdf5Filter(id=quantization, cd_values=(3, 4, 0, 0, 0)), Hdf5Filter(id=32000)]
    (lzf,) = codecs_from_filters(filters, np.dtype("<f4"), (10,))
    assert lzf == {"name": "vzlab.lzf", "configuration": {"nbytes": 40}}


@pytest.mark.parametrize(
    ("hdf5_filter", "named"),
    [
        (Hdf5Filter(id=32002, name="MAFISC"), r"MAFISC \(32002\)"),
        (Hdf5Filter(id=300, name="dynlibud"), r"dynlibud \(300\)"),
        (Hdf5Filter(id=4711), "number 4711"),
        (Hdf5Filter(id=305, name="bogus"), r"LZO \(305\)"),
        (Hdf5Filter(id=4, name="szip"), r"szip \(4\)"),
        (Hdf5Filter(id=32013, cd_values=(1, 2, 3)), r"zfp \(32013\)"),
        (Hdf5Filter(id=32018, cd_values=(1, 3, 60, 40, 8, 3)), r"JPEG-LS \(32018\) with 3 components"),
        (Hdf5Filter(id=32008, cd_values=(0, 4, 4, 0, 9)), r"bitshuffle \(32008\) with compression 9"),
        (Hdf5Filter(id=6, cd_values=(1, 4, 10, 1, 4, 0, 0, 0, *[0] * 12)), r"scale-offset \(6\)"),
    ],
    ids=lambda value: value.label if isinstance(value, Hdf5Filter) else "",
)
def test_what_cannot_be_decoded_is_refused_by_name(hdf5_filter: Hdf5Filter, named: str) -> None:
    with pytest.raises(UnsupportedCodecError, match=named):
        codecs_from_filters([hdf5_filter], np.dtype("<i4"), (10,))


def test_other_peoples_lzo_decodes_to_the_ramp_that_pytables_wrote() -> None:
    # No plugin for h5py has LZO; PyTables' own example holds counters in two of its columns.
    with h5py.File(corpus_file("hdf5/PyTables__PyTables/Tables_lzo1_shuffle.h5")) as file:
        dataset = file["tuple0"]
        plist = dataset.id.get_create_plist()
        filters = [
            Hdf5Filter(id=f[0], cd_values=f[2]) for f in map(plist.get_filter, range(plist.get_nfilters()))
        ]
        raw = dataset.id.read_direct_chunk((0,))[1]
        numbers = np.dtype([("var3", "<f8"), ("var2", "<i4"), ("var1", "V4")])
        chain = codec_chain(filters, dataset.dtype, dataset.chunks)
    plain = decode_chunk(
        raw, codecs=({"name": "bytes"}, *chain[1:]), data_type="uint8", chunk_shape=(1562 * numbers.itemsize,)
    )
    found = np.frombuffer(plain, numbers)[:100]
    assert found["var2"].tolist() == list(range(100))
    assert found["var3"].tolist() == [100.0 - i for i in range(100)]
