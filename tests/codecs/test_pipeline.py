"""One chunk through its codecs: the same as zarr does, stage by stage, with errors that name the stage."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.abc.codec import BytesBytesCodec
from zarr.storage import MemoryStore

from vzlab.codecs import decode_chunk, decode_stages, encode_chunk, prepare_codecs
from vzlab.errors import CodecError, UnsupportedCodecError

CHAIN = (
    {"name": "transpose", "configuration": {"order": [1, 0]}},
    {"name": "bytes", "configuration": {"endian": "big"}},
    {"name": "numcodecs.shuffle", "configuration": {"elementsize": 4}},
    {"name": "numcodecs.zlib", "configuration": {"level": 4}},
)
VALUES = np.arange(60, dtype="<i4").reshape(10, 6)
ARGUMENTS: dict[str, Any] = {"codecs": CHAIN, "data_type": "int32", "chunk_shape": (10, 6)}


def test_zarr_reads_what_is_encoded_and_the_other_way_round() -> None:
    store = MemoryStore()
    array = zarr.create_array(
        store,
        shape=(10, 6),
        chunks=(10, 6),
        dtype="int32",
        filters=[zarr.codecs.TransposeCodec(order=(1, 0))],
        serializer=zarr.codecs.BytesCodec(endian="big"),
        compressors=[zarr.codecs.numcodecs.Shuffle(elementsize=4), zarr.codecs.numcodecs.Zlib(level=4)],
    )
    array[...] = VALUES
    stored = store._store_dict["c/0/0"].to_bytes()
    assert encode_chunk(VALUES, **ARGUMENTS) == stored
    assert np.array_equal(decode_chunk(stored, **ARGUMENTS), VALUES)


def test_stages_go_from_stored_bytes_to_the_array() -> None:
    stored = encode_chunk(VALUES, **ARGUMENTS)
    stages = list(decode_stages(stored, **ARGUMENTS))
    assert [stage.codec for stage in stages] == ["numcodecs.zlib", "numcodecs.shuffle", "bytes", "transpose"]
    assert stages[0].before == stored
    for one, following in pairwise(stages):
        assert following.before is one.after
    assert stages[1].after == VALUES.T.astype(">i4").tobytes()
    assert np.array_equal(stages[-1].after, VALUES)


def test_an_error_names_the_stage() -> None:
    stored = encode_chunk(VALUES, **ARGUMENTS)
    with pytest.raises(CodecError, match=r"numcodecs\.zlib.*20 bytes.*\(6, 10\)"):
        decode_chunk(stored[:20], **ARGUMENTS)
    with pytest.raises(CodecError, match="'bytes' could not decode 236 bytes"):
        decode_chunk(VALUES.tobytes()[:-4], codecs=CHAIN[1:2], data_type="int32", chunk_shape=(10, 6))


def test_stages_before_an_error_are_given() -> None:
    codecs = ({"name": "bytes", "configuration": {"endian": "little"}}, CHAIN[-1])
    stored = encode_chunk(np.arange(5), codecs=codecs, data_type="int64", chunk_shape=(5,))
    stages = decode_stages(stored, codecs=codecs, data_type="int64", chunk_shape=(6,))
    assert next(stages).codec == "numcodecs.zlib"
    with pytest.raises(CodecError, match="'bytes'"):
        next(stages)


@pytest.mark.parametrize(
    "codecs",
    [({"name": "bytes"}, {"name": "vzlab.nothing"}), ({"name": "bytes", "configuration": {"endian": 3}},)],
)
def test_a_chain_that_cannot_be_made_is_refused(codecs: Any) -> None:
    with pytest.raises(UnsupportedCodecError, match="bytes"):
        prepare_codecs(codecs, "int32", (3,))


def test_an_array_of_another_shape_is_refused() -> None:
    with pytest.raises(CodecError, match=r"\(6, 10\).*expected \(10, 6\)"):
        encode_chunk(VALUES.T, **ARGUMENTS)


def test_a_scalar_chunk() -> None:
    codecs = ({"name": "bytes", "configuration": {"endian": "big"}},)
    found = decode_chunk(b"\x00\x00\x01\x02", codecs=codecs, data_type="int32", chunk_shape=())
    assert found.shape == ()
    assert found[()] == 258


def test_a_prepared_chain_is_kept() -> None:
    assert prepare_codecs(CHAIN, "int32", (10, 6)) is prepare_codecs(list(CHAIN), np.dtype(">i4"), [10, 6])
    assert prepare_codecs(CHAIN, "int32", (10, 6)) is not prepare_codecs(CHAIN, "int32", (10, 7))
    assert prepare_codecs(CHAIN, "int32", (10, 6)) is not prepare_codecs(CHAIN, "int32", (10, 6), 5)


def test_a_small_chunk_costs_less_than_a_fifth_of_a_zarr_read() -> None:
    codecs = ({"name": "bytes", "configuration": {"endian": "little"}}, CHAIN[-1])
    array = zarr.create_array(
        MemoryStore(),
        shape=(100,),
        chunks=(100,),
        dtype="int32",
        compressors=[zarr.codecs.numcodecs.Zlib(level=4)],
    )
    array[...] = np.arange(100)
    prepared = prepare_codecs(codecs, "int32", (100,))
    stored = prepared.encode(np.arange(100, dtype="<i4"))

    def best_of(work: Any) -> float:
        durations = []
        for _ in range(50):
            began = time.perf_counter()
            work()
            durations.append(time.perf_counter() - began)
        return min(durations)

    assert best_of(lambda: prepared.decode(stored)) < best_of(lambda: array[...]) / 5


@dataclass(frozen=True)
class OnlyAwaited(BytesBytesCodec):
    """Bytes in reverse, by a codec of another package that has no synchronous side."""

    is_fixed_size = True

    @classmethod
    def from_dict(cls, _data: dict[str, Any]) -> OnlyAwaited:
        return cls()

    def to_dict(self) -> dict[str, Any]:
        return {"name": "tests.only_awaited"}

    async def _decode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
        await asyncio.sleep(0)
        return chunk_spec.prototype.buffer.from_bytes(chunk_data.to_bytes()[::-1])

    _encode_single = _decode_single

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: Any) -> int:
        return input_byte_length


def test_a_codec_that_can_only_be_awaited_is() -> None:
    zarr.registry.register_codec("tests.only_awaited", OnlyAwaited)
    chain = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "tests.only_awaited"}]
    prepared = prepare_codecs(chain, "int16", (3,))
    stored = np.array([1, 2, 770], "<i2").tobytes()[::-1]
    assert prepared.encode(np.array([1, 2, 770])) == stored

    async def within_a_loop() -> Any:
        return prepared.decode(stored)

    np.testing.assert_array_equal(asyncio.run(within_a_loop()), [1, 2, 770])
