"""Fast decoders: the same values as the chain's own codecs, or none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vzlab.codecs import encode_chunk, prepare_codecs
from vzlab.codecs.fast import fast_decoder
from vzlab.errors import CodecError

COMPRESSIONS: tuple[dict[str, Any] | None, ...] = (
    None,
    {"name": "numcodecs.zlib", "configuration": {"level": 3}},
    {"name": "gzip", "configuration": {"level": 3}},
    {"name": "zstd", "configuration": {"level": 3, "checksum": False}},
)
DTYPES = ("u1", "i2", "u4", "f4", "f8", "c16", "bool")


def chain(dtype: np.dtype[Any], *, endian: str, shuffled: bool, compression: Any) -> list[dict[str, Any]]:
    codecs: list[dict[str, Any]] = [{"name": "bytes", "configuration": {"endian": endian}}]
    if shuffled:
        codecs.append({"name": "numcodecs.shuffle", "configuration": {"elementsize": dtype.itemsize}})
    return codecs if compression is None else [*codecs, compression]


chains = st.fixed_dictionaries(
    {
        "endian": st.sampled_from(["little", "big"]),
        "shuffled": st.booleans(),
        "compression": st.sampled_from(COMPRESSIONS),
    }
)


@given(dtype=st.sampled_from(DTYPES).map(np.dtype), options=chains, data=st.data())
def test_values_are_those_of_the_codecs(dtype: np.dtype[Any], options: dict[str, Any], data: Any) -> None:
    shape = data.draw(st.sampled_from([(), (1,), (7,), (3, 5), (2, 3, 4)]))
    n = int(np.prod(shape))
    raw = np.frombuffer(data.draw(st.binary(min_size=n * dtype.itemsize, max_size=n * dtype.itemsize)), "u1")
    values = (raw % 2 if dtype.kind == "b" else raw).view(dtype).reshape(shape)
    codecs = chain(dtype, **options)
    stored = encode_chunk(values, codecs=codecs, data_type=dtype, chunk_shape=shape)
    fast = fast_decoder(codecs, dtype, shape)
    assert fast is not None
    found = fast.decode(stored)
    assert found is not None
    assert found.astype(dtype).tobytes() == values.tobytes()
    for target in (np.empty(shape, dtype), np.empty((*shape, 2), dtype)[..., 0]):
        if shape:
            assert fast.decode_into(memoryview(stored), target)
            assert target.tobytes() == values.tobytes()


@given(options=chains.filter(lambda o: o["compression"] is not None), data=st.data())
def test_a_damaged_chunk_is_left_to_the_codecs(options: dict[str, Any], data: Any) -> None:
    values = np.arange(400, dtype="i4").reshape(20, 20)
    codecs = chain(values.dtype, **options)
    stored = bytearray(encode_chunk(values, codecs=codecs, data_type=values.dtype, chunk_shape=values.shape))
    at = data.draw(st.integers(0, len(stored) - 1))
    stored[at] ^= data.draw(st.integers(1, 255))
    damaged = (
        bytes(stored[: data.draw(st.integers(0, len(stored)))]) if data.draw(st.booleans()) else bytes(stored)
    )
    fast = fast_decoder(codecs, values.dtype, values.shape)
    assert fast is not None
    found = fast.decode(damaged)
    try:
        own = prepare_codecs(codecs, values.dtype, values.shape).decode(damaged)
    except CodecError:
        assert found is None
    else:
        assert (
            found is None or found.astype("i4").tobytes() == np.ascontiguousarray(own).astype("i4").tobytes()
        )


@pytest.mark.parametrize(
    "codecs",
    [
        pytest.param([{"name": "vlen-utf8"}], id="text"),
        pytest.param(
            [{"name": "bytes"}, {"name": "numcodecs.lzma", "configuration": {}}], id="unknown-compression"
        ),
        pytest.param(
            [
                {"name": "bytes", "configuration": {"endian": "little"}},
                {"name": "numcodecs.shuffle", "configuration": {"elementsize": 8}},
            ],
            id="shuffled-by-another-size",
        ),
        pytest.param(
            [
                {"name": "bytes", "configuration": {"endian": "little"}},
                {"name": "numcodecs.zlib", "configuration": {}},
                {"name": "numcodecs.fletcher32", "configuration": {}},
            ],
            id="two-after-each-other",
        ),
    ],
)
def test_any_other_chain_has_no_fast_way(codecs: list[dict[str, Any]]) -> None:
    assert fast_decoder(codecs, np.dtype("i4"), (10,)) is None
