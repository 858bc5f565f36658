"""How a codec chain changes when the axes of its chunks do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vzlab.codecs import CodecJSON
from vzlab.errors import VirtualArrayError

type CodecChain = tuple[CodecJSON, ...]

_SHAPELESS_SERIALIZERS = frozenset({"bytes", "vlen-utf8", "vlen-bytes"})
_SHAPELESS_FILTERS = frozenset({"scale_offset", "cast_value"})


def is_uncompressed(codecs: Sequence[CodecJSON]) -> bool:
    """Whether stored bytes are the elements of the chunk in C order and nothing else."""
    return len(codecs) == 1 and codecs[0]["name"] == "bytes"


def crop_codec(stored_shape: Sequence[int]) -> dict[str, Any]:
    """The codec for chunks that are stored longer than they are declared."""
    return {"name": "vzlab.crop", "configuration": {"stored_shape": list(stored_shape)}}


def inner_chunk_shape(codecs: Sequence[CodecJSON]) -> tuple[int, ...]:
    """Shape of the chunks inside of shards; empty where there are none.

    The length of every shard must be a multiple of theirs (Zarr v3, sharding-indexed), a shard cut short too.
    """
    for codec in codecs:
        if codec["name"] == "sharding_indexed":
            return tuple(codec["configuration"]["chunk_shape"])
    return ()


def insert_axis(codecs: CodecChain, axis: int, ndim: int) -> CodecChain:
    """The chain for chunks that gained a length-1 axis; `ndim` is the rank before.

    Raises
    ------
    VirtualArrayError
        If the chain depends on the rank.
    """
    head, rest = _split_head(codecs, "expand_dims")
    changed: list[CodecJSON] = []
    for codec in head:
        if codec["name"] == "transpose":
            order = [i + (i >= axis) for i in _order(codec, ndim)]
            changed.append(_transpose([*order[:axis], axis, *order[axis:]]))
        else:
            stored = list(codec["configuration"]["stored_shape"])
            changed.append(crop_codec([*stored[:axis], 1, *stored[axis:]]))
    return (*_without_identity(changed), *rest)


def drop_axis(codecs: CodecChain, axis: int, ndim: int) -> CodecChain:
    """The chain for chunks that lost a length-1 axis; `ndim` is the rank before.

    Raises
    ------
    VirtualArrayError
        If the chain depends on the rank, or chunks are stored longer along the axis.
    """
    head, rest = _split_head(codecs, "indexing with an integer")
    changed: list[CodecJSON] = []
    for codec in head:
        if codec["name"] == "transpose":
            changed.append(_transpose([i - (i > axis) for i in _order(codec, ndim) if i != axis]))
        else:
            stored = list(codec["configuration"]["stored_shape"])
            if stored[axis] != 1:
                raise VirtualArrayError(
                    f"Chunks are stored {stored[axis]} long along axis {axis}, so that axis cannot be dropped without "
                    "reading them. Select a slice of length 1 instead, or load the variable."
                )
            changed.append(crop_codec(stored[:axis] + stored[axis + 1 :]))
    return (*_without_identity(changed), *rest)


def permute_axes(codecs: CodecChain, axes: Sequence[int]) -> CodecChain:
    """The chain for chunks transposed by `axes`, whose stored bytes stay as they are.

    Zarr's ``transpose`` codec with ``order`` stores ``chunk.transpose(order)``.

    Raises
    ------
    VirtualArrayError
        If the chain depends on the order of the axes.
    """
    head, rest = _split_head(codecs, "transpose")
    if any(codec["name"] != "transpose" for codec in head):
        raise VirtualArrayError(
            "A virtual array with cropped chunks cannot be transposed. Load the variable first."
        )
    order = [list(axes).index(i) for i in range(len(axes))]
    for codec in head:
        order = [order[i] for i in _order(codec, len(axes))]
    return (*_without_identity([_transpose(order)]), *rest)


def _split_head(codecs: CodecChain, operation: str) -> tuple[CodecChain, CodecChain]:
    """Codecs that depend on the order of axes, and the rest of the chain."""
    for position, codec in enumerate(codecs):
        name = codec["name"]
        if name in _SHAPELESS_SERIALIZERS:
            return codecs[:position], codecs[position:]
        if name not in {"transpose", "vzlab.crop"}:
            break
    if codecs and codecs[0]["name"] in _SHAPELESS_FILTERS:
        head, _ = _split_head(codecs[1:], operation)
        if not head:
            return (), codecs
    names = " -> ".join(str(codec["name"]) for codec in codecs)
    raise VirtualArrayError(
        f"{operation} would need chunks of another rank, and the codec chain {names} depends on it. "
        "Load the variable first, for instance with loadable_variables=[...]."
    )


def _order(codec: CodecJSON, ndim: int) -> list[int]:
    order = codec["configuration"]["order"]
    if order == "C":
        return list(range(ndim))
    if order == "F":
        return list(range(ndim))[::-1]
    return list(order)


def _transpose(order: Sequence[int]) -> dict[str, Any]:
    return {"name": "transpose", "configuration": {"order": list(order)}}


def _without_identity(codecs: Sequence[CodecJSON]) -> list[CodecJSON]:
    return [
        codec
        for codec in codecs
        if codec["name"] != "transpose"
        or codec["configuration"]["order"] != sorted(codec["configuration"]["order"])
    ]
