"""Numbers packed into bits: the filters nbit and scale-offset, and integers that use some of their bits."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.codecs.hdf5_chunks import RawDataset, assert_same_bits, read_raw, write_raw, write_with_plist
from tests.corpus import corpus_file
from vzlab.codecs import BitField, codec_chain, decode_chunk, encode_chunk
from vzlab.codecs.layout import Bitfield
from vzlab.codecs.nbit import NBit
from vzlab.codecs.scaleoffset import ScaleOffset
from vzlab.errors import CodecError, UnsupportedCodecError

INTEGERS = ("i1", "u1", "<i2", ">u2", "<i4", ">i4", "<u4", "<i8", ">i8", "<u8")


def integer_type(dtype: str, bits: BitField) -> Any:
    made = h5py.h5t.py_create(np.dtype(dtype)).copy()
    made.set_precision(bits.precision)
    made.set_offset(bits.offset)
    return made


def plist_of(n: int, *filters: str) -> Any:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((n,))
    for name in filters:
        if name == "nbit":
            plist.set_filter(h5py.h5z.FILTER_NBIT, 0, ())
        elif name == "shuffle":
            plist.set_shuffle()
        else:
            plist.set_deflate(3)
    return plist


def check(raw: RawDataset, bits: BitField | None = None) -> None:
    assert raw.chunks
    chain = codec_chain(raw.filters, raw.dtype, raw.chunk_shape, bit_field=bits)
    for chunk in raw.chunks:
        found = decode_chunk(chunk.data, codecs=chain, data_type=raw.dtype, chunk_shape=raw.chunk_shape)
        assert_same_bits(found[tuple(slice(n) for n in chunk.values.shape)], chunk.values)


@st.composite
def bit_fields(draw: st.DrawFn) -> tuple[str, BitField]:
    dtype = draw(st.sampled_from(INTEGERS))
    size = 8 * np.dtype(dtype).itemsize
    # HDF5 finds fewer bits than half of the size unusual, and does not create them.
    precision = draw(st.integers(1 if size == 8 else size // 2, size))
    offset = draw(st.integers(0, size - precision))
    return dtype, BitField(precision=precision, offset=offset, signed=np.dtype(dtype).kind == "i")


@settings(max_examples=150, deadline=None)
@given(bit_fields(), st.sampled_from([(), ("nbit",), ("nbit", "deflate"), ("shuffle", "deflate")]), st.data())
def test_integers_with_unused_bits(
    made: tuple[str, BitField], filters: tuple[str, ...], data: st.DataObject
) -> None:
    dtype, bits = made
    low = -(1 << bits.precision - 1) if bits.signed else 0
    high = low + (1 << bits.precision) - 1
    values = np.array(data.draw(st.lists(st.integers(low, high), min_size=1, max_size=40)), dtype)
    raw = write_with_plist(values, integer_type(dtype, bits), plist_of(len(values), *filters))
    assert np.array_equal(raw.chunks[0].values, values)
    check(raw, bits)


def test_nbit_corpus_file_with_a_bit_offset() -> None:
    with h5py.File(corpus_file("hdf5/HDFGroup__hdf5-json/h5ex_d_nbit.h5")) as file:
        check(read_raw(file["DS1"]), BitField(precision=16, offset=5, signed=True))


def nested_type() -> Any:
    """Make a record of a 12-bit integer, an array, text that nbit keeps whole, and records in it."""
    inner = h5py.h5t.create(h5py.h5t.COMPOUND, 6)
    inner.insert(b"p", 0, integer_type("<u2", BitField(precision=9, offset=0, signed=False)))
    inner.insert(b"q", 2, h5py.h5t.IEEE_F32BE)
    outer = h5py.h5t.create(h5py.h5t.COMPOUND, 40)
    outer.insert(b"a", 0, integer_type("<i4", BitField(precision=12, offset=0, signed=False)))
    twelve = integer_type(">u2", BitField(precision=12, offset=0, signed=False))
    outer.insert(b"b", 6, h5py.h5t.array_create(twelve, (2, 3)))
    text = h5py.h5t.C_S1.copy()
    text.set_size(5)
    text.set_strpad(h5py.h5t.STR_NULLPAD)
    outer.insert(b"c", 18, text)
    outer.insert(b"d", 24, h5py.h5t.array_create(inner, (2,)))
    return outer


def test_nbit_of_nested_records_and_arrays() -> None:
    rng = np.random.default_rng(1)
    dtype = np.dtype(
        {
            "names": ["a", "b", "c", "d"],
            "formats": ["<i4", (">u2", (2, 3)), "S5", ([("p", "<u2"), ("q", ">f4")], (2,))],
            "offsets": [0, 6, 18, 24],
            "itemsize": 40,
        }
    )
    values = np.zeros(33, dtype)
    values["a"] = rng.integers(0, 2000, 33)
    values["b"] = rng.integers(0, 4000, (33, 2, 3))
    values["c"] = [b"abcde"[: i % 6] for i in range(33)]
    values["d"]["p"] = rng.integers(0, 500, (33, 2))
    values["d"]["q"] = rng.normal(size=(33, 2))
    raw = write_with_plist(values, nested_type(), plist_of(33, "nbit"))
    plain = NBit(cd_values=raw.filters[0].cd_values).decode(raw.chunks[0].data)
    found = np.frombuffer(plain, dtype)
    for name in ("a", "b", "c"):
        assert np.array_equal(found[name], values[name])
    assert np.array_equal(found["d"]["p"], values["d"]["p"])
    assert np.array_equal(found["d"]["q"], values["d"]["q"])


def test_nbit_of_types_without_unused_bits_passes_through() -> None:
    raw = write_with_plist(np.arange(20, dtype="<i4"), h5py.h5t.STD_I32LE, plist_of(20, "nbit"))
    assert raw.filters[0].cd_values[1] == 1
    check(raw)


def test_nbit_round_trip() -> None:
    codec = NBit(cd_values=(8, 0, 50, 1, 4, 0, 13, 5))
    values = np.random.default_rng(0).integers(0, 1 << 13, 50).astype("<u4") << 5
    assert np.array_equal(np.frombuffer(codec.decode(codec.encode(values)), "<u4"), values)


def test_nbit_short_of_bits_is_an_error() -> None:
    codec = NBit(cd_values=(8, 0, 50, 1, 4, 0, 13, 5))
    with pytest.raises(CodecError, match="found 10 bytes of packed bits, expected at least"):
        codec.decode(bytes(10))


def test_nbit_parameters_that_end_early_are_refused() -> None:
    with pytest.raises(UnsupportedCodecError, match="too few"):
        NBit(cd_values=(8, 0, 50, 1, 4))


def scaleoffset(factor: int, fill: Any = None) -> dict[str, Any]:
    return {"scaleoffset": factor, **({} if fill is None else {"fillvalue": fill})}


@settings(max_examples=120, deadline=None)
@given(
    dtype=st.sampled_from(INTEGERS),
    low=st.integers(0, 1 << 62),
    width=st.integers(0, 62),
    size=st.integers(1, 60),
    filled=st.booleans(),
    seed=st.integers(0, 100),
)
def test_scaleoffset_of_integers(
    dtype: str, low: int, width: int, size: int, filled: bool, seed: int
) -> None:
    info = np.iinfo(dtype)
    first = info.min + low % (int(info.max) - int(info.min) + 1)
    last = min(first + (1 << width) - 1, int(info.max))
    rng = np.random.default_rng(seed)
    values = np.array([first + int(rng.random() * (last - first)) for _ in range(size)], dtype)
    fill = values[0] if filled else None
    check(write_raw(values, (size,), scaleoffset(0, fill)))


@pytest.mark.parametrize("dtype", ["<i4", ">i4", "<u2", "i1"])
@pytest.mark.parametrize("bits", [3, 7, 8])
def test_scaleoffset_with_bits_given(dtype: str, bits: int) -> None:
    values = np.random.default_rng(bits).integers(0, (1 << bits) - 2, 500).astype(dtype)
    check(write_raw(values, (100,), scaleoffset(bits, np.dtype(dtype).type(100))))


@pytest.mark.parametrize("dtype", ["<i4", ">i2", "u1"])
def test_scaleoffset_asked_to_keep_all_bits_changes_nothing(dtype: str) -> None:
    values = np.random.default_rng(0).integers(0, 100, 77).astype(dtype)
    raw = write_raw(values, (77,), scaleoffset(8 * values.itemsize))
    assert raw.chunks[0].data == values.tobytes()
    check(raw)


@settings(max_examples=80, deadline=None)
@given(
    dtype=st.sampled_from(["<f4", ">f4", "<f8", ">f8"]),
    decimals=st.integers(0, 6),
    values=st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=50),
    fill=st.none() | st.floats(-1e4, 1e4, width=32),
)
def test_scaleoffset_of_floats(dtype: str, decimals: int, values: list[float], fill: float | None) -> None:
    data = np.array(values, dtype)
    if fill is not None:
        data[::3] = fill
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk(data.shape)
    plist.set_scaleoffset(h5py.h5z.SO_FLOAT_DSCALE, decimals)
    file_type = h5py.h5t.py_create(data.dtype)
    check(write_with_plist(data, file_type, plist, fill=None if fill is None else data.dtype.type(fill)))


def test_scaleoffset_without_a_fill_value_needs_no_bits_for_equal_values() -> None:
    # h5py always defines a fill value, so the chunk is written by hand: 0 bits, 8 bytes of minimum, -7.
    header = bytes(4) + b"\x08" + (-7).to_bytes(8, "little", signed=True) + bytes(8)
    codec = ScaleOffset(cd_values=(2, 0, 40, 0, 2, 1, 1, 0, *[0] * 12))
    assert np.array_equal(np.frombuffer(codec.decode(header), ">i2"), np.full(40, -7))


@pytest.mark.parametrize("dtype", ["<i4", ">i4", "<f4", ">f8", "u1"])
def test_scaleoffset_encodes_without_loss(dtype: str) -> None:
    values = (np.random.default_rng(0).normal(size=60) * 50).astype(dtype)
    raw = write_raw(values, (60,), scaleoffset(2, np.dtype(dtype).type(0)))
    arguments: dict[str, Any] = {
        "codecs": codec_chain(raw.filters, raw.dtype, (60,)),
        "data_type": raw.dtype,
        "chunk_shape": (60,),
    }
    assert_same_bits(decode_chunk(encode_chunk(values, **arguments), **arguments), values)


def test_scaleoffset_cut_short_is_an_error() -> None:
    raw = write_raw(np.arange(100, dtype="<i4"), (100,), scaleoffset(0))
    chain = codec_chain(raw.filters, raw.dtype, raw.chunk_shape)
    for length in (5, 30):
        with pytest.raises(CodecError, match=r"vzlab\.scaleoffset"):
            decode_chunk(raw.chunks[0].data[:length], codecs=chain, data_type="int32", chunk_shape=(100,))


def test_a_bitfield_that_does_not_fit_is_refused() -> None:
    with pytest.raises(CodecError, match="10 bits at bit 7"):
        Bitfield(elementsize=2, precision=10, offset=7, signed=False, endian="little")
