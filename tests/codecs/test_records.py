"""Byte order and member layout: what a file stores reads as the values that it means."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.codecs.hdf5_chunks import assert_same_bits
from vzlab.codecs import bytes_codecs, decode_chunk, encode_chunk
from vzlab.codecs.layout import RecordLayout, Shuffle
from vzlab.errors import CodecError

pytestmark = pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")

NUMBERS = ("<i2", ">i2", "<i4", ">i4", "<f8", ">f8", "u1", "?", "<c8", ">c16", "S3", "<M8[s]", ">f4")


def packed(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Give the dtype as Zarr decodes it: members one after another, in native byte order."""
    if dtype.names is None:
        return dtype.newbyteorder("=")
    return np.dtype([(name, packed(dtype[name])) for name in dtype.names])


def assert_decodes(values: np.ndarray[Any, Any]) -> None:
    codecs = bytes_codecs(values.dtype)
    found = decode_chunk(
        values.tobytes(), codecs=codecs, data_type=packed(values.dtype), chunk_shape=values.shape
    )
    assert_same_bits(found, values)


@pytest.mark.parametrize("dtype", [d for d in NUMBERS if d != "?"])
def test_plain_numbers(dtype: str) -> None:
    assert_decodes(np.frombuffer(np.random.default_rng(0).bytes(12 * np.dtype(dtype).itemsize), dtype))


def test_bytes_always_says_its_byte_order() -> None:
    assert bytes_codecs(np.dtype("=i4")) == ({"name": "bytes", "configuration": {"endian": "little"}},)
    assert bytes_codecs(np.dtype(">i4")) == ({"name": "bytes", "configuration": {"endian": "big"}},)
    assert bytes_codecs(np.dtype("u1")) == ({"name": "bytes"},)
    little = np.dtype([("a", "<i4"), ("b", "u1")])
    assert bytes_codecs(little) == ({"name": "bytes", "configuration": {"endian": "little"}},)
    assert bytes_codecs(little.newbyteorder(">")) == ({"name": "bytes", "configuration": {"endian": "big"}},)


@st.composite
def records(draw: st.DrawFn, depth: int = 2) -> np.dtype[Any]:
    n = draw(st.integers(1, 4))
    formats: list[Any] = []
    for _ in range(n):
        nested = depth > 0 and draw(st.integers(0, 4)) == 0
        formats.append(draw(records(depth - 1)) if nested else np.dtype(draw(st.sampled_from(NUMBERS))))
    offsets, at = [], 0
    for member in formats:
        at += draw(st.integers(0, 3))
        offsets.append(at)
        at += member.itemsize
    order = draw(st.permutations(range(n)))
    return np.dtype(
        {
            "names": [f"m{i}" for i in range(n)],
            "formats": [formats[i] for i in order],
            "offsets": [offsets[i] for i in order],
            "itemsize": at + draw(st.integers(0, 3)),
        }
    )


@settings(max_examples=150, deadline=None)
@given(records(), st.integers(1, 5), st.integers(0, 1000))
def test_records_of_any_layout_and_byte_order(dtype: np.dtype[Any], n: int, seed: int) -> None:
    stored = np.random.default_rng(seed).integers(0, 2, n * dtype.itemsize, dtype=np.uint8)
    values = stored.view(dtype)
    assert_decodes(values)
    arguments: dict[str, Any] = {
        "codecs": bytes_codecs(dtype),
        "data_type": packed(dtype),
        "chunk_shape": (n,),
    }
    decoded = decode_chunk(values.tobytes(), **arguments)
    assert_same_bits(decode_chunk(encode_chunk(decoded, **arguments), **arguments), values)


def test_a_record_with_an_array_member_keeps_each_elements_byte_order() -> None:
    dtype = np.dtype([("a", ">i2", (2, 2)), ("b", "<i4")])
    codec = bytes_codecs(dtype)[1]["configuration"]
    values = np.zeros(3, dtype)
    values["a"] = np.arange(12).reshape(3, 2, 2)
    values["b"] = [7, 8, 9]
    decoded = np.frombuffer(
        RecordLayout(**codec).decode(values.tobytes()), [("a", "<i2", (2, 2)), ("b", "<i4")]
    )
    assert np.array_equal(decoded["a"], values["a"])
    assert np.array_equal(decoded["b"], values["b"])


def test_what_h5py_stores_for_a_padded_mixed_record() -> None:
    dtype = np.dtype({"names": ["x", "y"], "formats": [">f4", "<i8"], "offsets": [4, 16], "itemsize": 32})
    values = np.zeros(6, dtype)
    values["x"], values["y"] = np.arange(6) / 3, np.arange(6) - 3
    with h5py.File("memory.h5", "w", driver="core", backing_store=False) as file:
        dataset = file.create_dataset("r", data=values, chunks=(6,))
        file.flush()
        stored, raw = dataset.dtype, dataset.id.read_direct_chunk((0,))[1]
    found = decode_chunk(raw, codecs=bytes_codecs(stored), data_type=packed(stored), chunk_shape=(6,))
    assert_same_bits(found, values)


def test_a_segment_outside_of_the_record_is_refused() -> None:
    with pytest.raises(CodecError, match="outside"):
        RecordLayout(itemsize=4, segments=[[2, 4, 0]])


@given(st.binary(max_size=50), st.integers(1, 9))
def test_shuffle_with_a_remainder_round_trips(data: bytes, size: int) -> None:
    codec = Shuffle(elementsize=size)
    assert bytes(codec.decode(codec.encode(data))) == data
