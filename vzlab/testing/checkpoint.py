"""What a comparison of everything has done so far, in a file from which it goes on after it was stopped.

The first line of the file is ``{"schema": "vzlab-checkpoint/1", "of": ...}``; each further line is what one region gave. A
line that was cut off when the process ended is dropped.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vzlab.storage import StoreRegistry
from vzlab.storage.source_files import look_up
from vzlab.testing.virtual_side import VirtualSide

SCHEMA = "vzlab-checkpoint/1"
"""Name and version of the form."""


class Checkpoint:
    """Results by region; without a path they are kept nowhere.

    Parameters
    ----------
    path : str or path, optional
    identity : str
        What is compared: a file that tells of something else is refused.

    Raises
    ------
    ValueError
        If there is another file at the path, or the checkpoint of another comparison.
    """

    def __init__(self, path: str | os.PathLike[str] | None, identity: str) -> None:
        self._path = None if path is None else Path(path)
        self._done: dict[str, Mapping[str, Any]] = {}
        if self._path is None:
            return
        header = json.dumps({"schema": SCHEMA, "of": identity})
        if self._path.exists() and self._path.stat().st_size:
            self._read(self._path, header)
        else:
            self._path.write_text(header + "\n")

    def _read(self, path: Path, header: str) -> None:
        size = 0
        with path.open("rb") as file:
            for number, line in enumerate(file):
                if number == 0 and line.decode("utf-8", "replace").rstrip("\n") != header:
                    raise ValueError(
                        f"{path} is not the checkpoint of this comparison: files, references or options are others. "
                        "Remove it, or give another path"
                    )
                if not line.endswith(b"\n"):
                    break
                size += len(line)
                if number:
                    key, result = json.loads(line)
                    self._done[key] = result
        os.truncate(path, size)

    def get(self, key: str) -> Mapping[str, Any] | None:
        """What a region gave; None if it was not compared yet."""
        return self._done.get(key)

    def put(self, key: str, result: Mapping[str, Any]) -> None:
        """Keep what a region gave."""
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps([key, result]) + "\n")


def identity_of(
    virtual: VirtualSide, native_urls: Iterable[str], options: Iterable[Any], registry: StoreRegistry
) -> str:
    """A digest of all that the result depends on: variables and their references, files as they are now, options."""
    digest = hashlib.blake2b(digest_size=16)
    for path, variable in virtual.variables.items():
        digest.update(repr((path, variable.shape, str(variable.dtype), variable.grid.chunks)).encode())
        digest.update(repr(sorted(variable.attributes.items(), key=lambda item: item[0])).encode())
        if variable.manifest is not None:
            digest.update(repr(variable.manifest.urls).encode())
            columns = (variable.manifest.source_index, variable.manifest.offsets, variable.manifest.lengths)
            for column in columns:
                digest.update(np.ascontiguousarray(column).data)
    digest.update(repr(sorted(look_up([*native_urls, *(virtual.urls or ())], registry).items())).encode())
    digest.update(repr(tuple(options)).encode())
    return digest.hexdigest()
