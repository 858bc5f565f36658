"""TIFF files byte by byte, for what no library writes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_TYPES = {"B": 1, "H": 3, "I": 4}
"""Codes of `struct` to field types (TIFF 6.0, section 2)."""


def write_tiff(
    path: Path, strips: list[bytes], *, shape: tuple[int, int], rows: int, compression: int,
    bits: int, n_samples: int = 1, photometric: int = 1, sample_format: int = 1, fill_order: int = 1,
    others: Sequence[tuple[int, str, list[int]]] = (),
) -> None:  # fmt: skip
    """A little-endian TIFF of one page, of strips as they are; `others` are further tags, or stand for those here."""
    data = b"".join(strips)
    starts = np.cumsum([8, *map(len, strips[:-1])]).tolist()
    entries: list[tuple[int, str, list[int]]] = [
        (256, "I", [shape[1]]),
        (257, "I", [shape[0]]),
        (258, "H", [bits] * n_samples),
        (259, "H", [compression]),
        (262, "H", [photometric]),
        (266, "H", [fill_order]),
        (273, "I", starts),
        (277, "H", [n_samples]),
        (278, "I", [rows]),
        (279, "I", [len(strip) for strip in strips]),
        (284, "H", [1]),
        (339, "H", [sample_format] * n_samples),
    ]
    entries = sorted({entry[0]: entry for entry in [*entries, *others]}.values())
    directory = 8 + len(data) + len(data) % 2
    behind = directory + 2 + 12 * len(entries) + 4
    listed, extra = b"", b""
    for tag, code, values in entries:
        packed = struct.pack(f"<{len(values)}{code}", *values)
        if len(packed) > 4:
            where, extra = behind + len(extra), extra + packed
            packed = struct.pack("<I", where)
        listed += struct.pack("<HHI", tag, _TYPES[code], len(values)) + packed.ljust(4, b"\0")
    head = b"II*\0" + struct.pack("<I", directory)
    body = (
        head + data.ljust(directory - 8, b"\0") + struct.pack("<H", len(entries)) + listed + bytes(4) + extra
    )
    path.write_bytes(body)
