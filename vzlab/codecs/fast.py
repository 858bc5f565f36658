"""Decode the commonest codec chains with the fastest kept bindings: the same values, or none."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

type Inflate = Callable[[Any, memoryview], Any]
"""Decompress into a buffer that is as long as what comes out; gives what it wrote."""

_SHUFFLES = frozenset({"numcodecs.shuffle", "vzlab.shuffle"})
_PLAIN_KINDS = "biufc"
_PAIR = 2


class FastDecoder:
    """A chain of ``bytes``, perhaps a shuffle, and perhaps one compression, for chunks of one shape.

    It says None where a chunk is not what its fast path knows: the chain's own codecs then decode it, or say what is wrong.
    Make it with `fast_decoder`.
    """

    def __init__(
        self, dtype: np.dtype[Any], shape: tuple[int, ...], *, inflate: Inflate | None, shuffled: bool
    ) -> None:
        self._dtype = dtype
        self._shape = shape
        self._n_bytes = math.prod(shape) * dtype.itemsize
        self._inflate = inflate
        self._shuffled = shuffled

    def decode(self, data: bytes | memoryview) -> npt.NDArray[Any] | None:
        """Decode a chunk to an array of its shape, which may be a read-only view of the data."""
        plain = self._inflated(data, None)
        if plain is None:
            return None
        if self._shuffled:
            values = np.empty(self._n_bytes, np.uint8)
            self._unshuffle(plain, values)
            plain = values
        return plain.view(self._dtype).reshape(self._shape)

    def decode_into(self, data: bytes | memoryview, target: npt.NDArray[Any]) -> bool:
        """Decode a chunk into an array of its shape; whether that could be done."""
        if target.dtype != self._dtype or not target.flags.c_contiguous or not target.flags.aligned:
            plain = self.decode(data)
            if plain is not None:
                target[...] = plain
            return plain is not None
        if self._inflate is None and not self._shuffled:
            if len(data) != self._n_bytes:
                return False
            target[...] = np.frombuffer(data, self._dtype).reshape(self._shape)
            return True
        out = target.reshape(-1).view(np.uint8)
        plain = self._inflated(data, None if self._shuffled else out)
        if plain is None:
            return False
        if self._shuffled:
            self._unshuffle(plain, out)
        elif plain is not out:
            out[:] = plain
        return True

    def _inflated(
        self, data: bytes | memoryview, out: npt.NDArray[np.uint8] | None
    ) -> npt.NDArray[np.uint8] | None:
        if self._inflate is None:
            return np.frombuffer(data, np.uint8) if len(data) == self._n_bytes else None
        target = np.empty(self._n_bytes, np.uint8) if out is None else out
        try:
            written = self._inflate(data, memoryview(target))
        except (RuntimeError, ValueError):
            return None
        return target if len(written) == self._n_bytes else None

    def _unshuffle(self, plain: npt.NDArray[np.uint8], out: npt.NDArray[np.uint8]) -> None:
        """Put the bytes of each element together again: all first bytes come first, then all second ones, ..."""
        size = self._dtype.itemsize
        planes = plain.reshape(size, -1)
        if size == _PAIR:
            pairs = out.view("<u2")
            np.left_shift(planes[1], 8, out=pairs, dtype="<u2", casting="unsafe")
            np.bitwise_or(pairs, planes[0], out=pairs)
            return
        elements = out.reshape(-1, size)
        for k in range(size):
            elements[:, k] = planes[k]


def fast_decoder(
    codecs: Sequence[Mapping[str, Any]], dtype: np.dtype[Any], shape: tuple[int, ...]
) -> FastDecoder | None:
    """Give the fast way to decode a chain, if there is one.

    Parameters
    ----------
    codecs : sequence of mapping
        Zarr v3 codecs in encoding order.
    dtype : numpy.dtype
        Of the array's values; the byte order is that of the ``bytes`` codec.
    shape : tuple of int
        Of a chunk as it is stored.
    """
    if dtype.kind not in _PLAIN_KINDS or not codecs or codecs[0]["name"] != "bytes":
        return None
    rest = list(codecs[1:])
    shuffled = bool(rest) and rest[0]["name"] in _SHUFFLES
    if shuffled:
        if _setting(rest.pop(0), "elementsize") != dtype.itemsize:
            return None
        shuffled = dtype.itemsize > 1
    inflate = None
    if rest:
        inflate = _inflate(str(rest.pop()["name"]))
        if inflate is None or rest:
            return None
    order: Literal["<", ">"] = ">" if _setting(codecs[0], "endian") == "big" else "<"
    return FastDecoder(dtype.newbyteorder(order), shape, inflate=inflate, shuffled=shuffled)


def _setting(codec: Mapping[str, Any], name: str) -> Any:
    return (codec.get("configuration") or {}).get(name)


@cache
def _inflate(name: str) -> Inflate | None:
    """The fastest decompression of a codec that is installed: libdeflate inflates in less than half of zlib's time."""
    if find_spec("imagecodecs") is None:
        return None
    import imagecodecs

    match name:
        case "numcodecs.zlib":
            return lambda data, out: imagecodecs.deflate_decode(data, out=out)
        case "gzip" | "numcodecs.gzip":
            return lambda data, out: imagecodecs.gzip_decode(data, out=out)
        case "zstd" | "numcodecs.zstd":
            return lambda data, out: imagecodecs.zstd_decode(data, out=out)
    return None
