"""Five lines of Python that show a difference again, by the native reader and the virtual dataset alone."""

from __future__ import annotations

from vzlab.storage import local_path
from vzlab.testing.arrangement import Piece
from vzlab.testing.oracles import Region


def values_snippet(piece: Piece, region: Region, *, decoded: bool) -> str:
    """Read the same region from both sides; ``virtual`` stands for what was compared."""
    if not piece.file:
        return ""
    place = local_path(piece.file) or piece.file
    folder, _, name = piece.path.rpartition("/")
    if decoded:
        group = f", group={folder!r}" if folder else ""
        native = [
            "import xarray as xr",
            f"native = xr.open_dataset({place!r}{group})[{name!r}][{show(piece.region)}].values",
        ]
    else:
        native = ["import h5py", f"native = h5py.File({place!r})[{piece.path!r}][{show(piece.region)}]"]
    part = tuple(
        slice(whole.start + inner.start, whole.start + inner.stop)
        for whole, inner in zip(region, piece.inner, strict=True)
    )
    key = ", ".join(f"slice({part.start}, {part.stop})" for part in part)
    return "\n".join(
        [
            *native,
            "from vzlab.testing import read_virtual",
            f"ours = read_virtual(virtual, {piece.path!r}, ({key}{',' if len(part) == 1 else ''}), decoded={decoded})",
            "print((ours != native).sum(), ours, native)",
        ]
    )


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
    return ", ".join(f"{part.start}:{part.stop}" for part in region) or "()"
