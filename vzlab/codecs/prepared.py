"""A codec chain made ready for one data type and one chunk shape.

Uses the private `_decode_sync` and `_encode_sync` of zarr-python's codecs, or `_decode_single` and `_encode_single` of those
that have no others, which is why zarr is pinned.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
from zarr.core.array_spec import ArrayConfig, ArraySpec
from zarr.core.buffer import Buffer, NDBuffer, default_buffer_prototype
from zarr.core.dtype import ZDType
from zarr.core.metadata.v3 import parse_codecs

from vzlab.codecs.pipeline import Stage
from vzlab.errors import CodecError, UnsupportedCodecError, VzlabError


class PreparedCodecs:
    """A codec chain made ready for one data type and one chunk shape. Make it with `prepare_codecs`."""

    def __init__(
        self,
        codecs: Sequence[Mapping[str, Any]],
        data_type: ZDType[Any, Any],
        fill_value: Any,
        chunk_shape: tuple[int, ...],
    ) -> None:
        self._prototype = default_buffer_prototype()
        spec = ArraySpec(
            shape=chunk_shape,
            dtype=data_type,
            fill_value=fill_value,
            config=ArrayConfig.from_dict({}),
            prototype=self._prototype,
        )
        self._dtype = data_type.to_native_dtype()
        self._shape = spec.shape
        self._stages: list[tuple[str, Any, ArraySpec]] = []
        try:
            parsed = parse_codecs(codecs)
        except (KeyError, ValueError, TypeError) as error:
            names = ", ".join(str(codec["name"]) for codec in codecs)
            raise UnsupportedCodecError(f"The codec chain [{names}] cannot be made: {error}") from error
        for entry, codec in zip(codecs, parsed, strict=True):
            evolved = codec.evolve_from_array_spec(spec)
            self._stages.append((str(entry["name"]), evolved, spec))
            spec = evolved.resolve_metadata(spec)

    def decode(self, data: bytes) -> npt.NDArray[Any]:
        """Decode a stored chunk to an array of the prepared shape, which may be a read-only view of `data`.

        Raises
        ------
        CodecError
            A codec failed, named in the message, or the bytes have another length than the shape says.
        """
        value: Buffer | NDBuffer = self._prototype.buffer.from_bytes(data)
        for name, codec, spec in reversed(self._stages):
            value = self._run(name, codec, value, spec, "decode")
        return self._as_array(value)

    def decode_stages(self, data: bytes) -> Iterator[Stage]:
        """Decode a stored chunk one codec at a time, giving what each took and made.

        Raises
        ------
        CodecError
            A codec failed; the stages before it have been given.
        """
        value: Buffer | NDBuffer = self._prototype.buffer.from_bytes(data)
        before = _plain(value)
        for name, codec, spec in reversed(self._stages):
            value = self._run(name, codec, value, spec, "decode")
            after = _plain(value)
            yield Stage(codec=name, before=before, after=after)
            before = after

    def encode(self, array: npt.ArrayLike) -> bytes:
        """Encode an array of the prepared shape as the chain would store it.

        Raises
        ------
        CodecError
            The array has another shape, or a codec cannot encode.
        """
        values = np.asarray(array, dtype=self._dtype)
        if values.shape != self._shape:
            raise CodecError(f"Found an array of shape {values.shape} to encode; expected {self._shape}.")
        value: Buffer | NDBuffer = self._prototype.nd_buffer.from_numpy_array(values)
        for name, codec, spec in self._stages:
            value = self._run(name, codec, value, spec, "encode")
        if not isinstance(value, Buffer):
            raise CodecError("The chain has no codec from array to bytes; expected one, for example 'bytes'.")
        return value.to_bytes()

    def _run(
        self, name: str, codec: Any, value: Buffer | NDBuffer, spec: ArraySpec, verb: str
    ) -> Buffer | NDBuffer:
        work = getattr(codec, f"_{verb}_sync", None)
        try:
            done: Buffer | NDBuffer = (
                work(value, spec) if work else _result_of(getattr(codec, f"_{verb}_single")(value, spec))
            )
        except VzlabError:
            raise
        except Exception as error:
            size = f"{len(value)} bytes" if isinstance(value, Buffer) else f"an array of shape {value.shape}"
            raise CodecError(
                f"Codec {name!r} could not {verb} {size} for a chunk of shape {spec.shape}: {error}"
            ) from error
        return done

    def _as_array(self, value: Buffer | NDBuffer) -> npt.NDArray[Any]:
        if not isinstance(value, NDBuffer):
            raise CodecError("The chain has no codec from bytes to array; expected one, for example 'bytes'.")
        return value.as_numpy_array()


def _result_of(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a codec gives that can only be awaited, as some of other packages; an event loop may be running in this thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def _plain(value: Buffer | NDBuffer) -> bytes | npt.NDArray[Any]:
    return value.to_bytes() if isinstance(value, Buffer) else value.as_numpy_array()
