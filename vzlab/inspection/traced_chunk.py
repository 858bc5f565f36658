"""Fetch the one chunk that holds a value, and decode it stage by stage, so that each can be shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vzlab.codecs import Stage, decode_stages
from vzlab.errors import CodecError
from vzlab.inspection.decoding_steps import DecodingStep, PlaceInChunk, Window, describe_steps, window_of
from vzlab.inspection.resolve import ResolvedArray
from vzlab.manifests.codec_axes import is_uncompressed
from vzlab.manifests.references import ChunkReference
from vzlab.storage import Request, RequestLog
from vzlab.storage.chunk_reader import name_failure

WHOLE_CHUNK_BYTES = 4_000_000
"""Of a larger chunk that is not compressed, only the bytes that are shown are fetched."""
HEAD_BYTES = 64
"""Stored bytes that are shown."""


@dataclass(frozen=True, kw_only=True)
class FetchedChunk:
    """What was fetched of a chunk, and what became of it."""

    value: Any
    place: PlaceInChunk
    requests: tuple[Request, ...] = ()
    head: Window | None = None
    element: Window | None = None
    steps: tuple[DecodingStep, ...] = ()


def fetch_chunk(
    resolved: ResolvedArray,
    reference: ChunkReference,
    chunk_index: tuple[int, ...],
    shape: tuple[int, ...],
    place: PlaceInChunk,
) -> FetchedChunk:
    """Fetch the chunk that holds a value, and decode it.

    Parameters
    ----------
    chunk_index : tuple of int
        In the chunk grid.
    shape : tuple of int
        Of the chunk as it is decoded, padding included.
    place : PlaceInChunk
        Of the value.

    Raises
    ------
    UnreachableChunkError
        If it cannot be fetched.
    CodecError
        If it does not decode.
    """
    array = resolved.array
    if reference.state == "missing":
        return FetchedChunk(value=array.metadata.fill_scalar, place=place)
    log = RequestLog()
    with log.listening():
        read = _reader(resolved, reference, chunk_index)
        if (
            reference.data is None
            and reference.length > WHOLE_CHUNK_BYTES
            and is_uncompressed(array.codecs)
            and place.byte_offset is not None
        ):
            fetched = _fetch_part(resolved, reference, read, shape, place)
        else:
            data = read(0, reference.length)
            try:
                fetched = _decode(resolved, data, shape, place)
            except CodecError as error:
                raise CodecError(
                    f"Chunk {chunk_index} of {resolved.path!r} does not decode: {error}"
                ) from error
    url = reference.source.url if reference.source is not None else None
    requests = tuple(request for request in log.requests if request.url == url and request.kind == "chunk")
    return replace(fetched, requests=requests)


def _reader(resolved: ResolvedArray, reference: ChunkReference, chunk_index: tuple[int, ...]) -> Any:
    """What reads a part of the chunk."""

    def read(start: int, length: int) -> bytes:
        if reference.data is not None:
            return reference.data[start : start + length]
        assert reference.source is not None
        try:
            source = resolved.registry.open(reference.source.url)
            return source.read(reference.offset + start, length, kind="chunk")
        except OSError as error:
            raise name_failure(error, resolved.path, chunk_index, resolved.array.manifest) from error

    return read


def _decode(
    resolved: ResolvedArray, data: bytes, shape: tuple[int, ...], place: PlaceInChunk
) -> FetchedChunk:
    """Decode a whole chunk stage by stage."""
    metadata = resolved.array.metadata
    stages = list(
        decode_stages(
            data,
            codecs=metadata.codecs,
            data_type=metadata.data_type,
            chunk_shape=shape,
            fill_value=metadata.fill_value,
        )
    )
    steps, positions = describe_steps(stages, metadata.codecs, place)
    decoded = np.asarray(stages[-1].after)
    return FetchedChunk(
        value=decoded[place.index],
        place=replace(place, stored_positions=positions),
        head=_head(data, positions),
        element=window_of(data, positions) if positions and max(positions) >= HEAD_BYTES else None,
        steps=steps,
    )


def _fetch_part(
    resolved: ResolvedArray, reference: ChunkReference, read: Any, shape: tuple[int, ...], place: PlaceInChunk
) -> FetchedChunk:
    """Of a large chunk that is not compressed: its head, and the bytes around the element."""
    assert place.byte_offset is not None
    start = max(0, place.byte_offset - 8)
    data = read(start, min(place.itemsize + 16, reference.length - start))
    own = data[place.byte_offset - start :][: place.itemsize]
    head = read(0, HEAD_BYTES)
    positions = tuple(range(place.byte_offset, place.byte_offset + place.itemsize))
    codecs = resolved.array.codecs
    endian = (codecs[0].get("configuration") or {}).get("endian", "little")
    dtype = resolved.array.dtype.newbyteorder(">" if endian == "big" else "<")
    # As large as the chunk, and no memory: one element seen at every place.
    whole = np.broadcast_to(np.frombuffer(own, dtype).reshape(()), shape)
    stage = Stage(codec=str(codecs[0]["name"]), before=whole, after=whole)
    steps, _ = describe_steps([stage], codecs, place)
    return FetchedChunk(
        value=whole[place.index].astype(resolved.array.dtype),
        place=replace(place, stored_positions=positions),
        head=_head(head, positions),
        element=Window(start=start, data=data, marked=positions),
        steps=steps,
    )


def _head(data: bytes, positions: tuple[int, ...] | None) -> Window:
    head = data[:HEAD_BYTES]
    return Window(start=0, data=head, marked=tuple(p for p in positions or () if p < len(head)))
