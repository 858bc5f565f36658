"""The places of a GRIB file's fields, kept on disk, so that the file is scanned once."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from vzlab.manifests import SourceFile
from vzlab.parsers.grib.scanning import FieldPlace

VERSION = 1
_PLACES = ("message", "offset", "length", "header_bytes")


def index_path(directory: str | os.PathLike[str], file: SourceFile) -> Path:
    """Where the index of a file is kept: another file, or the same one changed, has another place."""
    changed = None if file.last_modified is None else file.last_modified.isoformat()
    identity = json.dumps([VERSION, file.url, file.size_bytes, file.etag, changed])
    return Path(directory) / f"{hashlib.sha256(identity.encode()).hexdigest()}.npz"


def read_index(path: Path) -> tuple[FieldPlace, ...] | None:
    """Places that were kept; None if there are none, or what is there is damaged."""
    try:
        # Nothing is unpickled: arrays of numbers alone are taken.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as columns:
            numbers = [columns[name].tolist() for name in _PLACES]
            headers = columns["headers"].tobytes()
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    ends = np.cumsum(numbers[-1]).tolist()
    if not ends or ends[-1] != len(headers):
        return None
    return tuple(
        FieldPlace(message=message, offset=offset, length=length, header=headers[end - n : end])
        for message, offset, length, n, end in zip(*numbers, ends, strict=True)
    )


def write_index(path: Path, places: Iterable[FieldPlace]) -> None:
    """Keep places; a reader finds all of them or none."""
    kept = list(places)
    headers = np.frombuffer(b"".join(place.header for place in kept), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(number, "wb") as stream:
            np.savez_compressed(
                stream,
                headers=headers,
                message=np.array([place.message for place in kept], np.int64),
                offset=np.array([place.offset for place in kept], np.int64),
                length=np.array([place.length for place in kept], np.int64),
                header_bytes=np.array([len(place.header) for place in kept], np.int64),
            )
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
