"""Save a file that was handed over as bytes."""

from __future__ import annotations

from pathlib import Path


def save_upload(name: str, data: bytes, folder: Path) -> Path:
    """Save bytes under a name in a folder, and give the path.

    Raises
    ------
    ValueError
        If there are no bytes, or the name is none.
    """
    # What a browser sends as a name may be a path, of either kind of system.
    own = name.replace("\\", "/").rpartition("/")[2].replace("\0", "").strip()
    if own in ("", ".", ".."):
        raise ValueError(f"Found {name!r} as the name of a file; expected a name such as 'sst.nc'")
    if not data:
        raise ValueError(f"{own} is empty (0 bytes): choose another file")
    folder.mkdir(parents=True, exist_ok=True)
    path, number = folder / own, 1
    while path.exists() and path.read_bytes() != data:
        path, number = folder / f"{Path(own).stem}-{number}{Path(own).suffix}", number + 1
    path.write_bytes(data)
    return path
