"""Codecs that archives need, how one chunk goes through a chain of them, and how any codec is described."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vzlab.codecs.compare import decoding_form, same_decoding
    from vzlab.codecs.datatypes import BitField, CodecJSON, FloatLayout, bytes_codecs
    from vzlab.codecs.describe import ALL_READERS, CodecDescription, describe_chain, describe_codec
    from vzlab.codecs.hdf5_filters import Hdf5Filter, active_filters, codec_chain, codecs_from_filters
    from vzlab.codecs.masked import decode_chunk_bytes, reencode_chunk
    from vzlab.codecs.pipeline import Stage, decode_chunk, decode_stages, encode_chunk, prepare_codecs
    from vzlab.codecs.prepared import PreparedCodecs
    from vzlab.codecs.v2 import V2Codecs, from_v2, to_v2

_HOMES = {
    "ALL_READERS": "describe",
    "BitField": "datatypes",
    "CodecDescription": "describe",
    "CodecJSON": "datatypes",
    "FloatLayout": "datatypes",
    "Hdf5Filter": "hdf5_filters",
    "PreparedCodecs": "prepared",
    "Stage": "pipeline",
    "V2Codecs": "v2",
    "active_filters": "hdf5_filters",
    "bytes_codecs": "datatypes",
    "codec_chain": "hdf5_filters",
    "codecs_from_filters": "hdf5_filters",
    "decode_chunk": "pipeline",
    "decode_chunk_bytes": "masked",
    "decode_stages": "pipeline",
    "decoding_form": "compare",
    "describe_chain": "describe",
    "describe_codec": "describe",
    "encode_chunk": "pipeline",
    "from_v2": "v2",
    "prepare_codecs": "pipeline",
    "reencode_chunk": "masked",
    "same_decoding": "compare",
    "to_v2": "v2",
}

__all__ = [
    "ALL_READERS",
    "BitField",
    "CodecDescription",
    "CodecJSON",
    "FloatLayout",
    "Hdf5Filter",
    "PreparedCodecs",
    "Stage",
    "V2Codecs",
    "active_filters",
    "bytes_codecs",
    "codec_chain",
    "codecs_from_filters",
    "decode_chunk",
    "decode_chunk_bytes",
    "decode_stages",
    "decoding_form",
    "describe_chain",
    "describe_codec",
    "encode_chunk",
    "from_v2",
    "prepare_codecs",
    "reencode_chunk",
    "same_decoding",
    "to_v2",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
