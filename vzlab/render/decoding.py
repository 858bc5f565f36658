"""The way of one chunk from its file to values with a unit: the boxes of a variable's pipeline, with sizes."""

from __future__ import annotations

import math

from vzlab.inspection import VariableInspection
from vzlab.inspection.words import format_bytes, shorten
from vzlab.render.html import Box, Tone

_SAME_SIZE = frozenset({"bytes", "transpose", "numcodecs.shuffle", "vzlab.shuffle", "numcodecs.bitround"})
"""Codecs that encode to as many bytes as they are given."""
_CHECKSUM_BYTES = dict.fromkeys(
    ("crc32c", "numcodecs.fletcher32", "numcodecs.crc32", "numcodecs.crc32c", "numcodecs.adler32"), 4
)
"""Codecs that add a checksum, and how many bytes it takes."""


def decoding_boxes(variable: VariableInspection) -> list[Box]:
    """Give one box for what lies in the file, one for each codec as it decodes, one for the array, one for its meaning.

    A box's value is how many bytes, or what, come out of it; it is left empty where metadata alone does not say.
    """
    boxes = [] if variable.held == "in memory" else [_stored(variable)]
    sizes = _encoded_sizes(variable)
    for codec, size in zip(reversed(variable.codecs), reversed(sizes), strict=True):
        if codec.name != "bytes":
            value = None if size is None else format_bytes(size)
            tone: Tone = "warn" if codec.needs else "plain"
            boxes.append(Box(title=codec.decoding, value=value, note=str(codec), tone=tone))
    shape = variable.chunking.chunk_shape if variable.chunking.kind != "unknown" else variable.shape
    order = f"{variable.byte_order}-endian" if variable.byte_order else "stored values"
    words = " × ".join(map(str, shape)) if shape else "scalar"
    boxes.append(Box(title=variable.dtype, value=words, note=order))
    return [*boxes, *_meaning(variable)]


def _stored(variable: VariableInspection) -> Box:
    sizes, counts = variable.statistics, variable.counts
    n = counts.present if counts is not None else variable.chunking.n_chunks
    place = "beside the references" if counts is not None and counts.inline == n > 0 else "in the file"
    return Box(
        title="bytes",
        value=None if sizes is None else format_bytes(sizes.median_bytes),
        note=f"one of {n:,}, {place}" if n > 1 else place,
    )


def _encoded_sizes(variable: VariableInspection) -> list[int | None]:
    """For each codec in encoding order, the bytes that it is given, which are those that it decodes to."""
    elements = math.prod(variable.shape)
    size: int | None = None
    if variable.raw_bytes and elements and variable.chunking.kind in ("regular", "single"):
        size = variable.raw_bytes // elements * math.prod(variable.chunking.chunk_shape)
    sizes = []
    for codec in variable.codecs:
        sizes.append(size)
        added = 0 if codec.name in _SAME_SIZE else _CHECKSUM_BYTES.get(codec.name)
        size = None if size is None or added is None else size + added
    return sizes


def _meaning(variable: VariableInspection) -> list[Box]:
    """What CF conventions make of stored values; nothing where these are the values."""
    encoding = variable.encoding
    steps = [
        word
        for word, there in (
            ("mask", encoding.missing),
            ("scale, offset", encoding.is_packed),
            ("dates", encoding.is_time),
        )
        if there
    ]
    if not steps:
        return []
    value = (
        "dates"
        if encoding.is_time
        else f"{encoding.decoded_dtype or variable.dtype} {encoding.units}".strip()
    )
    return [Box(title="CF", value=shorten(value, 40), note=", ".join(steps), tone="good")]
