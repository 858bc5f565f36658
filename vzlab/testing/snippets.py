"""Five lines of Python that show a difference again, by the native reader and the virtual dataset alone."""

from __future__ import annotations

import re

from vzlab.oracles import Region
from vzlab.storage import local_path
from vzlab.testing.arrangement import Piece


def values_snippet(piece: Piece, region: Region, *, decoded: bool, shown: str) -> str:
    """Read the same region from both sides; ``virtual`` stands for what was compared, ``native`` for a Dataset given as such.

    Parameters
    ----------
    shown : str
        How the native library reads the variable, as `NativeFile.shown` has it.
    """
    if not piece.file:
        return ""
    module = re.match(r"([\w.]+)\.\w+\(", shown)
    is_xarray = shown.startswith(("xarray.", "native[")) and shown.endswith("]")
    native = f"{shown}[{show(piece.region)}]{'.values' * is_xarray}"
    if not shown:  # no expression of the library says it
        place = local_path(piece.file) or piece.file
        native = f"read_native({place!r}, {piece.path!r}, {_slices(piece.region)}, decoded={decoded})"
    if piece.turned:
        native += (
            f"[{', '.join('::-1' if axis in piece.turned else ':' for axis in range(len(piece.region)))}]"
        )
    part = tuple(
        slice(whole.start + inner.start, whole.start + inner.stop)
        for whole, inner in zip(region, piece.inner, strict=True)
    )
    return "\n".join(
        [
            *([f"import {module[1]}"] if module else []),
            f"from vzlab.testing import {'' if shown else 'read_native, '}read_virtual",
            f"native = {native}",
            f"ours = read_virtual(virtual, {piece.path!r}, {_slices(part)}, decoded={decoded})",
            "print((ours != native).sum(), ours, native)",
        ]
    )


def _slices(region: Region) -> str:
    parts = ", ".join(f"slice({part.start}, {part.stop})" for part in region)
    return f"({parts}{',' * (len(region) == 1)})"


def bytes_snippet(piece: Piece, source: str, offset: int | None, length: int | None) -> str:
    """Read the stored bytes of a chunk from both places."""
    corner = tuple(part.start for part in piece.region)
    native = f"native = h5py.File({(local_path(piece.file) or piece.file)!r})[{piece.path!r}].id.read_direct_chunk({corner})[1]"
    path = local_path(source)
    if path is None or offset is None or length is None:
        return f"import h5py\n{native}"
    return "\n".join(
        [
            "import h5py",
            native,
            f"with open({path!r}, 'rb') as file:",
            f"    stored = file.seek({offset}) and file.read({length})",
            "print(stored == native, len(stored), len(native))",
        ]
    )


def show(region: Region) -> str:
    """A region as it is written between brackets."""
    return ", ".join(f"{part.start}:{part.stop}" for part in region) or "..."
