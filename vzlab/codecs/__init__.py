"""Codecs that archives need, how one chunk goes through a chain of them, and how any codec is described."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vzlab.lazy import lazy_names

if TYPE_CHECKING:
    from vzlab.codecs.compare import decoding_form, same_decoding
    from vzlab.codecs.datatypes import BitField, CodecJSON, FloatLayout, bytes_codecs
    from vzlab.codecs.describe import ALL_READERS, CodecDescription, describe_chain, describe_codec
    from vzlab.codecs.hdf5_filters import Hdf5Filter, active_filters, codec_chain, codecs_from_filters
    from vzlab.codecs.masked import decode_chunk_bytes, reencode_chunk
    from vzlab.codecs.pipeline import Stage, decode_chunk, decode_stages, encode_chunk, prepare_codecs
    from vzlab.codecs.prepared import PreparedCodecs
    from vzlab.codecs.v2 import V2Codecs, from_v2, to_v2
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "compare": ("decoding_form", "same_decoding"),
            "datatypes": ("BitField", "CodecJSON", "FloatLayout", "bytes_codecs"),
            "describe": ("ALL_READERS", "CodecDescription", "describe_chain", "describe_codec"),
            "hdf5_filters": ("Hdf5Filter", "active_filters", "codec_chain", "codecs_from_filters"),
            "masked": ("decode_chunk_bytes", "reencode_chunk"),
            "pipeline": ("Stage", "decode_chunk", "decode_stages", "encode_chunk", "prepare_codecs"),
            "prepared": ("PreparedCodecs",),
            "v2": ("V2Codecs", "from_v2", "to_v2"),
        },
    )

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
