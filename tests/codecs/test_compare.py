"""Chains that decode alike are equal; others are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vzlab.codecs import decode_chunk, decoding_form, encode_chunk, same_decoding

LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}


def codec(name: str, **configuration: Any) -> dict[str, Any]:
    return {"name": name, "configuration": configuration}


BLOSC = {"typesize": 4, "blocksize": 0}
ALIKE = [
    (codec("gzip", level=4), codec("gzip", level=6)),
    (codec("numcodecs.zlib", level=1), codec("numcodecs.zlib", level=9)),
    (codec("numcodecs.bz2", level=1), codec("numcodecs.bz2", level=9)),
    (codec("zstd", level=1, checksum=False), codec("zstd", level=9, checksum=True)),
    (codec("zstd", level=1, checksum=False), codec("numcodecs.zstd", level=3)),
    (codec("gzip", level=1), codec("numcodecs.gzip", level=9)),
    (
        codec("blosc", cname="lz4", clevel=5, shuffle="shuffle", **BLOSC),
        codec("blosc", cname="zstd", clevel=1, shuffle="bitshuffle", typesize=8, blocksize=0),
    ),
    (codec("vzlab.lz4_hdf5"), {"name": "vzlab.lz4_hdf5"}),
    (
        codec("vzlab.bitshuffle", elementsize=4, blocksize=0, compression=2),
        codec("vzlab.bitshuffle", elementsize=4, blocksize=64, compression=2),
    ),
    (codec("transpose", order=[1, 0]), codec("transpose", order=(1, 0))),
]
DIFFERENT = [
    (codec("gzip", level=4), codec("numcodecs.zlib", level=4)),
    (codec("bytes", endian="little"), codec("bytes", endian="big")),
    (codec("numcodecs.shuffle", elementsize=4), codec("numcodecs.shuffle", elementsize=8)),
    (
        codec("vzlab.nbit", cd_values=[8, 0, 5, 1, 4, 0, 3, 0]),
        codec("vzlab.nbit", cd_values=[8, 0, 5, 1, 4, 0, 4, 0]),
    ),
    (
        codec("vzlab.bitshuffle", elementsize=4, blocksize=8, compression=0),
        codec("vzlab.bitshuffle", elementsize=4, blocksize=64, compression=0),
    ),
    (codec("somebody.else", level=1), codec("somebody.else", level=2)),
    (codec("numcodecs.crc32c", location="start"), codec("numcodecs.crc32c", location="end")),
]


@pytest.mark.parametrize(("one", "other"), ALIKE, ids=lambda c: c["name"])
def test_what_decodes_alike_is_the_same(one: Any, other: Any) -> None:
    assert decoding_form(one) == decoding_form(other)
    assert same_decoding([LITTLE, one], [LITTLE, other])


@pytest.mark.parametrize(("one", "other"), DIFFERENT, ids=lambda c: c["name"])
def test_what_decodes_differently_is_not(one: Any, other: Any) -> None:
    assert not same_decoding([one], [other])


def test_order_and_length_of_the_chain_matter() -> None:
    shuffle, zlib = codec("numcodecs.shuffle", elementsize=4), codec("numcodecs.zlib", level=1)
    assert not same_decoding([LITTLE, shuffle, zlib], [LITTLE, zlib, shuffle])
    assert not same_decoding([LITTLE, zlib], [LITTLE])


def test_inner_codecs_of_shards_are_compared_alike() -> None:
    def shard(level: int, **more: Any) -> dict[str, Any]:
        inner = [LITTLE, codec("gzip", level=level)]
        return codec("sharding_indexed", chunk_shape=[2], codecs=inner, index_codecs=[LITTLE], **more)

    assert same_decoding([shard(1)], [shard(9, index_location="end")])
    assert not same_decoding([shard(1)], [shard(1, index_location="start")])


BYTES_LEVEL = [pair for pair in ALIKE if pair[0]["name"] not in ("transpose", "vzlab.bitshuffle")]


@pytest.mark.parametrize(("one", "other"), BYTES_LEVEL, ids=lambda c: c["name"])
def test_a_chunk_of_one_reads_through_the_other(one: Any, other: Any) -> None:
    values = np.arange(500, dtype="<i4") // 3
    arguments: dict[str, Any] = {"data_type": "int32", "chunk_shape": (500,)}
    stored = encode_chunk(values, codecs=[LITTLE, one], **arguments)
    assert np.array_equal(decode_chunk(stored, codecs=[LITTLE, other], **arguments), values)
