"""One chunk through its codecs, in words, with the bytes of one element followed as far as they can be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vzlab.codecs import Stage, describe_codec
from vzlab.inspection.subjects import name_dtype
from vzlab.inspection.words import format_bytes, format_count, format_shape

SHOWN_BYTES = 16
"""Bytes that a window into a buffer shows."""

_SHUFFLES = frozenset({"numcodecs.shuffle", "vzlab.shuffle"})
_CHECKSUMS_BEHIND = frozenset({"numcodecs.fletcher32", "crc32c"})
"""Codecs that put four bytes behind what they protect."""
_ORDER = {"C": 1, "F": -1}


@dataclass(frozen=True, kw_only=True)
class Window:
    """Some bytes of a buffer, with those of the traced element marked."""

    start: int
    """Position of the first byte shown."""
    data: bytes
    marked: tuple[int, ...] = ()
    """Positions in the buffer of the element's bytes, as far as they are shown."""


@dataclass(frozen=True, kw_only=True)
class ByteMove:
    """Where one byte of the element lay before, and after, bytes were regrouped."""

    byte: int
    before: int
    after: int


@dataclass(frozen=True, kw_only=True)
class DecodingStep:
    """What one codec made of the chunk."""

    codec: str
    """Name as in Zarr metadata."""
    title: str
    """What decoding does: ``inflate``."""
    parameters: str
    """In words: ``level 4``."""
    bytes_before: int
    bytes_after: int
    form_after: str
    """What came out: ``100 bytes``, ``int16, 1 × 5 × 10``."""
    text: str
    """What it did, in a sentence."""
    moves: tuple[ByteMove, ...] = ()
    """Of a shuffle: the element's bytes."""
    planes: tuple[Window, ...] = ()
    """Of a shuffle: what lay around each of the element's bytes before, the same byte of its neighbours."""
    window: Window | None = None
    """Bytes that came out around the element, or the first where its place is not known; None of arrays."""


@dataclass(frozen=True, kw_only=True)
class PlaceInChunk:
    """Where an element lies in its chunk."""

    index: tuple[int, ...]
    """Inside the chunk as it is in the array."""
    stored_index: tuple[int, ...] | None
    """In the order of the stored bytes, which a transpose or crop changes; None where they hold no fixed order."""
    stored_shape: tuple[int, ...]
    element: int | None
    """Number of the element in the order of the stored bytes."""
    byte_offset: int | None
    """Of its first byte in the decompressed bytes."""
    itemsize: int
    stored_positions: tuple[int, ...] | None = None
    """Positions of its bytes in the stored chunk; None where compression leaves no place of its own."""


def locate_element(
    codecs: Sequence[Mapping[str, Any]], index: tuple[int, ...], shape: tuple[int, ...], dtype: np.dtype[Any]
) -> PlaceInChunk:
    """Follow an element from its place in a chunk to its place in the bytes that hold it.

    Parameters
    ----------
    codecs : sequence of dict
        In encoding order.
    index : tuple of int
        Inside the chunk.
    shape : tuple of int
        Of the chunk as it is decoded.
    dtype : numpy.dtype
    """
    stored_index, stored_shape = index, shape
    for codec in codecs:
        configuration = codec.get("configuration") or {}
        match codec["name"]:
            case "transpose":
                order = configuration["order"]
                order = range(len(shape))[:: _ORDER[order]] if isinstance(order, str) else order
                stored_index = tuple(stored_index[axis] for axis in order)
                stored_shape = tuple(stored_shape[axis] for axis in order)
            case "vzlab.crop":
                stored_shape = tuple(configuration["stored_shape"])
            case "bytes" if dtype.itemsize and not dtype.hasobject and dtype.kind != "T":
                element = int(np.ravel_multi_index(stored_index, stored_shape)) if stored_shape else 0
                return PlaceInChunk(
                    index=index,
                    stored_index=stored_index,
                    stored_shape=stored_shape,
                    element=element,
                    byte_offset=element * dtype.itemsize,
                    itemsize=dtype.itemsize,
                )
            case _:
                break
    return PlaceInChunk(
        index=index,
        stored_index=None,
        stored_shape=shape,
        element=None,
        byte_offset=None,
        itemsize=dtype.itemsize,
    )


def positions_before(
    codec: Mapping[str, Any], positions: tuple[int, ...] | None, n_bytes: int
) -> tuple[int, ...] | None:
    """Where decoded bytes lay before a codec decoded them; None where they had no place of their own."""
    if positions is None:
        return None
    name = codec["name"]
    if name in _CHECKSUMS_BEHIND:
        return positions
    if name in _SHUFFLES:
        size = int(codec["configuration"]["elementsize"])
        n_elements = n_bytes // size
        return tuple(p % size * n_elements + p // size if p < n_elements * size else p for p in positions)
    return None


def describe_steps(
    stages: Iterable[Stage], codecs: Sequence[Mapping[str, Any]], place: PlaceInChunk
) -> tuple[tuple[DecodingStep, ...], tuple[int, ...] | None]:
    """Put every stage into words.

    Parameters
    ----------
    stages : iterable of Stage
        In decoding order.
    codecs : sequence of dict
        In encoding order.
    place : PlaceInChunk

    Returns
    -------
    steps : tuple of DecodingStep
    positions : tuple of int or None
        Of the element's bytes in the stored chunk.
    """
    run = list(zip(stages, reversed(codecs), strict=True))
    positions: tuple[int, ...] | None = None
    if place.byte_offset is not None:
        positions = tuple(range(place.byte_offset, place.byte_offset + place.itemsize))
    steps: list[DecodingStep] = []
    # Backwards: the place of an element is known where codecs end, and lost where bytes were compressed.
    for stage, codec in reversed(run):
        if isinstance(stage.after, np.ndarray):
            steps.append(_step(stage, codec, None, None))
            continue
        before = positions_before(codec, positions, len(stage.after))
        steps.append(_step(stage, codec, before, positions))
        positions = before
    return tuple(reversed(steps)), positions


def _step(
    stage: Stage,
    codec: Mapping[str, Any],
    before: tuple[int, ...] | None,
    after: tuple[int, ...] | None,
) -> DecodingStep:
    described = describe_codec(codec)
    moves: tuple[ByteMove, ...] = ()
    planes: tuple[Window, ...] = ()
    window = None
    if isinstance(stage.after, bytes):
        window = window_of(stage.after, after)
        if codec["name"] in _SHUFFLES and before is not None and after is not None:
            moves = tuple(
                ByteMove(byte=stage.after[there], before=here, after=there)
                for here, there in zip(before, after, strict=True)
            )
            if isinstance(stage.before, bytes):
                planes = _planes(
                    stage.before, moves[:SHOWN_BYTES], int(codec["configuration"]["elementsize"])
                )
    return DecodingStep(
        codec=described.name,
        title=described.decoding,
        parameters=described.parameters,
        bytes_before=_n_bytes(stage.before),
        bytes_after=_n_bytes(stage.after),
        form_after=_form(stage.after),
        text=_sentence(stage, codec),
        moves=moves,
        planes=planes,
        window=window,
    )


def _planes(data: bytes, moves: Sequence[ByteMove], size: int) -> tuple[Window, ...]:
    """The same neighbours in each plane of bytes, so that their bytes stand below each other."""
    n_elements = len(data) // size
    first = max(0, min(moves[0].after // size - SHOWN_BYTES // 2 + 1, n_elements - SHOWN_BYTES))
    windows = []
    for move in moves:
        plane = move.after % size * n_elements
        shown = data[plane + first : plane + min(first + SHOWN_BYTES, n_elements)]
        windows.append(Window(start=plane + first, data=shown, marked=(move.before,)))
    return tuple(windows)


def window_of(data: bytes, positions: tuple[int, ...] | None = None) -> Window:
    """Cut a few bytes out of a buffer, around the element where its place is known."""
    first = min(positions) if positions else 0
    start = max(0, min(first - SHOWN_BYTES // 2, len(data) - SHOWN_BYTES)) // 8 * 8 if positions else 0
    shown = data[
        start : start + SHOWN_BYTES + (8 if positions and first - start + len(positions) > SHOWN_BYTES else 0)
    ]
    marked = tuple(p for p in positions or () if start <= p < start + len(shown))
    return Window(start=start, data=shown, marked=marked)


def _n_bytes(value: Any) -> int:
    return len(value) if isinstance(value, bytes) else int(value.nbytes)


def _form(value: Any) -> str:
    if isinstance(value, bytes):
        return format_count(len(value), "byte")
    return f"{name_dtype(value.dtype)}, {format_shape(value.shape)}"


def _sentence(stage: Stage, codec: Mapping[str, Any]) -> str:
    """What a codec did with this chunk."""
    before, after = _n_bytes(stage.before), _n_bytes(stage.after)
    configuration = codec.get("configuration") or {}
    name = codec["name"]
    if name in _SHUFFLES:
        size = int(configuration["elementsize"])
        n = after // size
        return (
            f"Stored were the first bytes of all {format_count(n, 'element')}, then the second ones, and so on: byte k of "
            f"element e moves from k × {n} + e to e × {size} + k"
        )
    if name in _CHECKSUMS_BEHIND or (before - after == 4 and "checksum" in describe_codec(codec).decoding):
        return f"The checksum over {format_bytes(after)} is right, and its {before - after} bytes go"
    if isinstance(stage.before, bytes):
        if name == "bytes" and isinstance(stage.after, np.ndarray):
            return _reading(stage.after, configuration.get("endian"))
    elif isinstance(stage.after, np.ndarray):
        shapes = format_shape(stage.before.shape), format_shape(stage.after.shape)
        if name == "bytes":
            return _reading(stage.after, configuration.get("endian"))
        if name == "transpose":
            return f"Stored as {shapes[0]}; its axes are put in the order of the array: {shapes[1]}"
        if name == "vzlab.crop":
            return f"Stored at full length, {shapes[0]}; {shapes[1]} of it belong to this place"
    if isinstance(stage.before, bytes) and isinstance(stage.after, bytes) and before != after:
        factor = after / before if before else 0
        change = f", {factor:.3g} times as many" if factor > 1 else ""
        return f"{format_count(before, 'byte')} become {after:,}{change}"
    return f"{format_bytes(before)} become {format_bytes(after)}"


def _reading(values: np.ndarray[Any, Any], endian: str | None) -> str:
    size = values.dtype.itemsize
    order = f"{endian}-endian " if endian and size > 1 else ""
    each = "Every byte is" if size == 1 else f"Every {size} bytes are"
    return f"{each} one {order}{name_dtype(values.dtype)}: {format_count(values.size, 'value')}"
