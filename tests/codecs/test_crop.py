"""Chunks that HDF5 stored at full length, in the middle of a rectilinear grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zarr
from zarr.storage import MemoryStore

from vzlab.codecs import decode_chunk, encode_chunk
from vzlab.codecs.crop import CropCodec
from vzlab.errors import CodecError

CHAIN: tuple[dict[str, Any], ...] = (
    {"name": "vzlab.crop", "configuration": {"stored_shape": [10, 6]}},
    {"name": "bytes", "configuration": {"endian": "little"}},
    {"name": "numcodecs.zlib", "configuration": {"level": 4}},
)
STORED = np.arange(60, dtype="<i4").reshape(10, 6)


def arguments(*chunk_shape: int, **more: Any) -> dict[str, Any]:
    return {"codecs": CHAIN, "data_type": "int32", "chunk_shape": chunk_shape, **more}


@pytest.mark.parametrize("shape", [(10, 6), (3, 6), (10, 1), (4, 5)])
def test_the_first_part_of_the_chunk_is_given(shape: tuple[int, int]) -> None:
    stored = encode_chunk(STORED, **arguments(10, 6))
    assert np.array_equal(decode_chunk(stored, **arguments(*shape)), STORED[: shape[0], : shape[1]])


def test_encoding_pads_with_the_fill_value() -> None:
    stored = encode_chunk(STORED[:4, :5], **arguments(4, 5, fill_value=-9))
    whole = decode_chunk(stored, codecs=CHAIN[1:], data_type="int32", chunk_shape=(10, 6))
    assert np.array_equal(whole[:4, :5], STORED[:4, :5])
    assert (whole[4:] == -9).all()
    assert (whole[:, 5:] == -9).all()


@pytest.mark.parametrize("shape", [(11, 6), (10,), (1, 10, 6)])
def test_a_place_that_the_stored_chunk_cannot_fill_is_refused(shape: tuple[int, ...]) -> None:
    stored = encode_chunk(STORED, **arguments(10, 6))
    with pytest.raises(CodecError, match=r"stored as \(10, 6\)"):
        decode_chunk(stored, **arguments(*shape))


@pytest.mark.parametrize("pipeline", ["BatchedCodecPipeline", "FusedCodecPipeline"])
def test_zarr_reads_a_full_length_chunk_in_the_middle_of_a_rectilinear_grid(pipeline: str) -> None:
    lengths = [10, 4, 10, 1]
    values = np.arange(25 * 6, dtype="<i4").reshape(25, 6)
    settings = {
        "array.rectilinear_chunks": True,
        "codec_pipeline.path": f"zarr.core.codec_pipeline.{pipeline}",
    }
    with zarr.config.set(settings):
        store = MemoryStore()
        array = zarr.create_array(
            store,
            shape=(25, 6),
            chunks=[lengths, [6]],
            dtype="int32",
            filters=[CropCodec(stored_shape=(10, 6))],
            compressors=[zarr.codecs.numcodecs.Zlib(level=4)],
        )
        start = 0
        for i, length in enumerate(lengths):
            padded = np.full((10, 6), -1, "<i4")
            padded[:length] = values[start : start + length]
            encoded = encode_chunk(padded, codecs=CHAIN[1:], data_type="int32", chunk_shape=(10, 6))
            store._store_dict[f"c/{i}/0"] = zarr.core.buffer.cpu.Buffer.from_bytes(encoded)
            start += length
        assert np.array_equal(zarr.open_array(store, mode="r")[...], values)
        assert np.array_equal(array[12:16, 2:4], values[12:16, 2:4])
