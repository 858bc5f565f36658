"""Independent readers of native files: none shares a line with vzlab's parsers, codecs or storage."""

from vzlab.oracles.base import (
    NativeChunks,
    NativeFile,
    NativeVariable,
    NoOracleError,
    Region,
    Unclear,
)
from vzlab.oracles.choose import open_native

__all__ = [
    "NativeChunks",
    "NativeFile",
    "NativeVariable",
    "NoOracleError",
    "Region",
    "Unclear",
    "open_native",
]
