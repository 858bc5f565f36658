"""Raw binary that an ENVI header describes, as numpy maps it into memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vzlab.oracles.base import NativeVariable, NoOracleError, Readable, ReadFile, Unstated

_CODES = ["-", "u1", "i2", "i4", "f4", "f8", "c8", "-", "-", "c16", "-", "-", "u2", "u4", "i8", "u8"]
"""numpy's types at the places of ENVI's numbers for them."""


def open_file(location: Any) -> ReadFile:
    """The data beside a header on this machine."""
    if not isinstance(location, str):
        raise NoOracleError("numpy maps local files only: copy header and data here")
    header = Path(location)
    said: dict[str, str] = {}
    for line in header.read_text(encoding="latin-1").splitlines():
        name, found, value = line.partition("=")
        if found:
            said.setdefault(name.strip().lower(), value.strip())
    data = next(
        (
            path
            for path in sorted(header.parent.glob(f"{header.stem}*"))
            if path != header and path.is_file() and path.stem in {header.stem, Path(header.stem).stem}
        ),
        None,
    )
    if data is None:
        raise NoOracleError(f"no data lie beside {header.name}")
    lengths = {axis: int(said[name]) for axis, name in (("x", "samples"), ("y", "lines"), ("b", "bands"))}
    order = {"bsq": "byx", "bil": "ybx", "bip": "yxb"}[said.get("interleave", "bsq").lower()]
    dtype: np.dtype[Any] = np.dtype("<>"[int(said.get("byte order", 0))] + _CODES[int(said["data type"])])
    shape = tuple(lengths[axis] for axis in order)
    mapped = np.memmap(data, dtype, "r", int(said.get("header offset", 0)), shape)
    shown = f"numpy.memmap({str(data)!r}, {dtype.str!r}, 'r', {mapped.offset}, {shape})"
    described = NativeVariable(
        path="image",
        dims=tuple({"b": "band"}.get(axis, axis) for axis in order),
        shape=shape,
        dtype=dtype.newbyteorder("="),
        attributes=Unstated(),
        codecs="none",
        identity="image",
    )
    return ReadFile(
        f"numpy.memmap {np.__version__}",
        [Readable(described=described, read=lambda region: np.array(mapped[region]), shown=shown)],
        silence="numpy knows the pixels alone",
    )
