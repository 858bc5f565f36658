"""Whether two codec chains decode alike: parameters that matter only when encoding are left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# Codec name -> configuration that its decoder needs. Frames of these formats describe themselves.
_DECODING_PARAMETERS: dict[str, frozenset[str]] = {
    "blosc": frozenset(),
    "crc32c": frozenset(),
    "gzip": frozenset(),
    "zstd": frozenset(),
    "numcodecs.blosc": frozenset(),
    "numcodecs.bz2": frozenset(),
    "numcodecs.gzip": frozenset(),
    "numcodecs.lz4": frozenset(),
    "numcodecs.pcodec": frozenset(),
    "numcodecs.zlib": frozenset(),
    "numcodecs.zstd": frozenset(),
    "vzlab.blosc": frozenset(),
    "vzlab.blosc2": frozenset(),
    "vzlab.lz4_hdf5": frozenset(),
    # The block size is in the chunk's header when the blocks are compressed; see `_bitshuffle`.
    "vzlab.bitshuffle": frozenset({"elementsize", "compression"}),
}

# Names of one format: what decodes under one of them decodes under the other.
_SAME_FORMAT = {
    "numcodecs.blosc": "blosc",
    "numcodecs.gzip": "gzip",
    "numcodecs.zstd": "zstd",
    "numcodecs.crc32c": "crc32c",
}

_IGNORED_IN_CONFIGURATION = frozenset({"id"})


def decoding_form(codec: Mapping[str, Any]) -> dict[str, Any]:
    """Drop from a codec what matters only when encoding.

    Parameters
    ----------
    codec : mapping
        A Zarr v3 codec, ``{"name": ..., "configuration": {...}}``.

    Returns
    -------
    dict
        Equal for two codecs that decode every chunk alike. `gzip` of level 4 and of level 6 give the same; a
        codec that is not known keeps its whole configuration.
    """
    name = str(codec["name"])
    configuration = {
        k: v for k, v in (codec.get("configuration") or {}).items() if k not in _IGNORED_IN_CONFIGURATION
    }
    wanted = _DECODING_PARAMETERS.get(name)
    if wanted is not None and not (name == "vzlab.bitshuffle" and configuration.get("compression", 0) == 0):
        configuration = {k: v for k, v in configuration.items() if k in wanted}
    if name == "sharding_indexed":
        for inner in ("codecs", "index_codecs"):
            configuration[inner] = [decoding_form(c) for c in configuration.get(inner, ())]
        configuration.setdefault("index_location", "end")
    return {"name": _SAME_FORMAT.get(name, name), "configuration": _plain(configuration)}


def same_decoding(chain_a: Sequence[Mapping[str, Any]], chain_b: Sequence[Mapping[str, Any]]) -> bool:
    """Whether every chunk decodes alike through both chains, so that one array may hold chunks of either."""
    return [decoding_form(c) for c in chain_a] == [decoding_form(c) for c in chain_b]


def _plain(value: Any) -> Any:
    """Turn mappings and sequences into what JSON has, so that a tuple equals a list."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value
