"""Floating-point numbers that numpy has no type for read as the library converts them."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.codecs.hdf5_chunks import RawDataset, assert_same_bits, read_raw, write_with_plist
from tests.corpus import corpus_file
from vzlab.codecs import FloatLayout, bytes_codecs, codec_chain, decode_chunk
from vzlab.errors import UnsupportedCodecError


def float_type(layout: FloatLayout) -> Any:
    made = h5py.h5t.IEEE_F64LE.copy() if layout.size_bytes == 8 else h5py.h5t.IEEE_F32LE.copy()
    made.set_fields(layout.sign, layout.exponent, layout.exponent_bits, layout.mantissa, layout.mantissa_bits)
    low = min(layout.mantissa, layout.exponent, layout.sign)
    made.set_offset(low)
    made.set_precision(1 + layout.exponent_bits + layout.mantissa_bits)
    made.set_ebias(layout.bias)
    made.set_size(layout.size_bytes)
    made.set_order(h5py.h5t.ORDER_BE if layout.endian == "big" else h5py.h5t.ORDER_LE)
    return made


def layout_of(dataset: h5py.Dataset) -> FloatLayout:
    stored = dataset.id.get_type()
    sign, exponent, exponent_bits, mantissa, mantissa_bits = stored.get_fields()
    return FloatLayout(
        size_bytes=stored.get_size(),
        endian="big" if stored.get_order() == h5py.h5t.ORDER_BE else "little",
        sign=sign,
        exponent=exponent,
        exponent_bits=exponent_bits,
        mantissa=mantissa,
        mantissa_bits=mantissa_bits,
        bias=stored.get_ebias(),
    )


def packed(exponent_bits: int, mantissa_bits: int, size: int, endian: Any) -> FloatLayout:
    return FloatLayout(
        size_bytes=size,
        endian=endian,
        sign=exponent_bits + mantissa_bits,
        exponent=mantissa_bits,
        exponent_bits=exponent_bits,
        mantissa=0,
        mantissa_bits=mantissa_bits,
        bias=(1 << exponent_bits - 1) - 1,
    )


def check(raw: RawDataset, layout: FloatLayout, decoded: np.dtype[Any]) -> None:
    chain = codec_chain(raw.filters, decoded, raw.chunk_shape, float_layout=layout)
    for chunk in raw.chunks:
        found = decode_chunk(chunk.data, codecs=chain, data_type=decoded, chunk_shape=raw.chunk_shape)
        expected = chunk.values.astype(decoded)
        assert_same_bits(found[tuple(slice(n) for n in expected.shape)], expected)


LAYOUTS = [
    packed(8, 7, 2, "little"),
    packed(8, 7, 2, "big"),
    packed(5, 10, 2, "little"),
    packed(5, 2, 1, "little"),
    packed(4, 3, 1, "little"),
    packed(6, 13, 4, "big"),
    packed(8, 20, 4, "little"),
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("filters", ["", "nbit", "shuffle"])
@settings(max_examples=15, deadline=None)
@given(values=st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=30))
def test_numbers_of_any_layout(layout: FloatLayout, filters: str, values: list[float]) -> None:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((len(values),))
    if filters == "nbit":
        plist.set_filter(h5py.h5z.FILTER_NBIT, 0, ())
    elif filters == "shuffle":
        plist.set_shuffle()
        plist.set_deflate(2)
    raw = write_with_plist(np.array(values, "<f4"), float_type(layout), plist)
    check(raw, layout, np.dtype("<f4"))


@pytest.mark.parametrize("name", ["Nbit_float_data_be", "Nbit_float_data_le"])
def test_other_peoples_nbit_floats(name: str) -> None:
    with h5py.File(corpus_file("hdf5/brtnfld__hdf5/tmisc38a.h5")) as file:
        check(read_raw(file[name]), layout_of(file[name]), np.dtype("<f4"))


@pytest.mark.parametrize("name", ["tbfloat16", "tbfloat16_be"])
def test_other_peoples_bfloat16(name: str) -> None:
    path = corpus_file(f"hdf5/scigolib__hdf5/{name}.h5")
    with h5py.File(path) as file:
        dataset = file["DS16BITS"]
        begin, values = dataset.id.get_offset(), dataset[...]
        stored = path.read_bytes()[begin : begin + dataset.id.get_storage_size()]
        chain = codec_chain((), np.dtype("<f4"), dataset.shape, float_layout=layout_of(dataset))
    found = decode_chunk(stored, codecs=chain, data_type="float32", chunk_shape=values.shape)
    assert_same_bits(found, values)


@pytest.mark.parametrize(
    ("layout", "decoded"),
    [
        (packed(11, 52, 8, "little"), "<f4"),
        (packed(8, 24, 8, "little"), "<f4"),
        (packed(12, 40, 8, "big"), "<f8"),
    ],
)
def test_what_the_decoded_number_cannot_hold_is_refused(layout: FloatLayout, decoded: str) -> None:
    with pytest.raises(UnsupportedCodecError, match="do not fit exactly"):
        bytes_codecs(np.dtype(decoded), float_layout=layout)
