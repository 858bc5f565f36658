"""Every codec that vzlab makes or zarr knows has words."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import zarr.codecs.numcodecs
from zarr.registry import get_codec_class

from vzlab.codecs import describe_chain, describe_codec


def codec(name: str, **configuration: Any) -> dict[str, Any]:
    return {"name": name, "configuration": configuration}


@pytest.mark.parametrize(
    ("made", "text", "decoding"),
    [
        (codec("bytes", endian="big"), "bytes (big-endian)", "read as numbers"),
        ({"name": "bytes"}, "bytes", "read as numbers"),
        (codec("numcodecs.zlib", level=4), "deflate (level 4)", "inflate"),
        (codec("numcodecs.shuffle", elementsize=2), "shuffle (2-byte elements)", "unshuffle"),
        (codec("transpose", order=[1, 0]), "transpose (order (1, 0))", "transpose back"),
        (
            codec("blosc", cname="zstd", clevel=5, shuffle="bitshuffle", typesize=4, blocksize=0),
            "Blosc (zstd, level 5, bit shuffle of 4-byte elements)",
            "decompress Blosc",
        ),
        (
            codec("numcodecs.blosc", cname="lz4", clevel=1, shuffle=0),
            "Blosc (lz4, level 1)",
            "decompress Blosc",
        ),
        (
            codec(
                "vzlab.szip", options_mask=169, pixels_per_block=8, bits_per_pixel=32, pixels_per_scanline=100
            ),
            "szip (nearest neighbour, 32-bit samples, blocks of 8)",
            "decompress szip",
        ),
        (
            codec("vzlab.scaleoffset", cd_values=[2, 0, 5]),
            "scale-offset (integers, fewest bits)",
            "add the minimum back",
        ),
        (
            codec("vzlab.scaleoffset", cd_values=[0, 3, 5]),
            "scale-offset (floats, 3 decimals)",
            "add the minimum back",
        ),
        (
            codec("vzlab.bitfield", elementsize=2, precision=10, offset=3, signed=True, endian="big"),
            "bit field (bits 3 to 12 of 16)",
            "move the bits in use down",
        ),
        (
            codec("vzlab.bitshuffle", elementsize=8, compression=2),
            "bitshuffle (8-byte elements, LZ4)",
            "undo bitshuffle",
        ),
        (codec("vzlab.crop", stored_shape=[10, 6]), "crop (stored as (10, 6))", "cut off the padding"),
        (codec("somebody.else", a=1, b="x"), "somebody.else (a=1, b=x)", "decode somebody.else"),
    ],
    ids=lambda value: value["name"] if isinstance(value, dict) else "",
)
def test_words(made: Any, text: str, decoding: str) -> None:
    described = describe_codec(made)
    assert str(described) == text
    assert described.decoding == decoding


def test_shards_describe_their_inner_chain() -> None:
    inner = [codec("bytes", endian="little"), codec("zstd", level=3)]
    described = describe_codec(codec("sharding_indexed", chunk_shape=[5, 5], codecs=inner))
    assert str(described) == "sharding (inner chunks (5, 5), each bytes (little-endian), Zstandard (level 3))"


def test_who_reads_it() -> None:
    assert describe_codec(codec("zstd", level=1)).readers == ("zarr-python", "zarrs", "GDAL", "zarrita.js")
    assert describe_codec(codec("numcodecs.zlib", level=1)).readers == ("zarr-python", "zarrs", "zarrita.js")
    ours = describe_codec(codec("vzlab.lzf", nbytes=1))
    assert (ours.readers, ours.needs) == (("zarr-python",), "vzlab")
    assert describe_codec(codec("somebody.else")).readers == ()


PYPROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
OURS = sorted(PYPROJECT["project"]["entry-points"]["zarr.codecs"])
NUMCODECS = sorted(
    made.codec_name
    for made in vars(zarr.codecs.numcodecs).values()
    if isinstance(made, type) and hasattr(made, "codec_name")
)


@pytest.mark.parametrize("name", [*OURS, *NUMCODECS])
def test_no_codec_is_without_words(name: str) -> None:
    described = describe_codec(codec(name, unheard_of=1))
    assert described.label != name
    assert "zarr-python" in described.readers
    assert get_codec_class(name) is not None


def test_a_chain_keeps_its_order() -> None:
    chain = (codec("bytes", endian="little"), codec("gzip", level=1))
    assert [d.name for d in describe_chain(chain)] == ["bytes", "gzip"]
