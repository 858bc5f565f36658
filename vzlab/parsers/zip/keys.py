"""The keys of a Zarr store that lies in a ZIP archive."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from vzlab.errors import CorruptFileError, UnvirtualizableError
from vzlab.manifests import SourceFile
from vzlab.parsers.zarr.keys import MAX_DOCUMENT_BYTES, ArrayPlace, Keys, StoredObjects, in_parallel
from vzlab.parsers.zarr_documents import DOCUMENT_NAMES
from vzlab.parsers.zip.directory import Members

_JUNK = "__MACOSX/"
"""What macOS adds to archives."""


class ZipKeys(Keys):
    """The members of an archive below one of its directories.

    Parameters
    ----------
    members : Members
    prefix : str
        The directory that is the store; empty for the whole archive.
    """

    kind = "in a ZIP archive"

    def __init__(self, members: Members, prefix: str) -> None:
        self.url = f"{members.source.url}/{prefix}" if prefix else members.source.url
        self._members = members
        self._prefix = f"{prefix}/" if prefix else ""

    @cached_property
    def _sorted(self) -> tuple[list[str], list[int]]:
        names = self._members.names
        rows = sorted(range(len(names)), key=names.__getitem__)
        return [names[i] for i in rows], rows

    @cached_property
    def _below(self) -> dict[str, dict[str, None]]:
        """By directory: the directories in it."""
        below: dict[str, dict[str, None]] = {}
        for path in {name.rpartition("/")[0] for name in self._sorted[0]}:
            while path:
                above, _, name = path.rpartition("/")
                known = below.setdefault(above, {})
                if name in known:
                    break
                known[name] = None
                path = above  # noqa: PLW2901 - up to the first known one
        return below

    def read(self, keys: Sequence[str]) -> list[bytes | None]:
        """Read metadata documents; None for those that are not there."""
        return in_parallel(self._read_one, keys)

    def _read_one(self, key: str) -> bytes | None:
        row = self._members.row_of.get(self._prefix + key)
        if row is not None:
            return self._members.read(row, at_most=MAX_DOCUMENT_BYTES)
        return self._implied.get(key)

    @cached_property
    def _implied(self) -> dict[str, bytes]:
        """The document of a root that is only a directory, with stores in it."""
        if any(self._prefix + name in self._members.row_of for name in DOCUMENT_NAMES):
            return {}
        if any(name.endswith("/zarr.json") for name in self._members.names):
            return {"zarr.json": b'{"zarr_format": 3, "node_type": "group"}'}
        return {".zgroup": b'{"zarr_format": 2}'}

    def list_dirs(self, paths: Sequence[str]) -> list[list[str]]:
        """Names of the directories one level below each path."""
        return [sorted(self._below.get((self._prefix + path).strip("/"), ())) for path in paths]

    def objects(self, places: Sequence[ArrayPlace]) -> list[StoredObjects | UnvirtualizableError]:
        """What lies below each array, stored or deflated."""
        return in_parallel(self._objects_of, places)

    def _objects_of(self, place: ArrayPlace) -> StoredObjects | UnvirtualizableError:
        names, order = self._sorted
        prefix = f"{self._prefix}{place.path}/" if place.path else self._prefix
        first = bisect_left(names, prefix)
        last = (
            bisect_left(names, f"{prefix[:-1]}0") if prefix else len(names)
        )  # 0 is what comes after a slash
        inner = [name[len(prefix) :] for name in names[first:last]]
        chunk = np.array([name not in DOCUMENT_NAMES for name in inner], np.bool_)
        rows = np.array(order[first:last], np.intp)[chunk]
        members = self._members
        bad = rows[~members.readable[rows]]
        if bad.size:
            return UnvirtualizableError(
                f"{bad.size} of its {rows.size} chunks are {members.why_not(int(bad[0]))} in the archive, the first "
                f"{members.names[int(bad[0])]!r}; expected stored or deflated ones: make the archive anew, without compression"
            )
        archive = members.source.source_file()

        def sources(_: object) -> tuple[SourceFile]:
            return (archive,)

        inner = [name for name, keep in zip(inner, chunk.tolist(), strict=True) if keep]
        try:
            if members.stored[rows].all():
                return StoredObjects(
                    names=inner,
                    offsets=members.content_offsets(rows),
                    lengths=members.packed[rows],
                    sources=sources,
                )
        except CorruptFileError as error:
            return UnvirtualizableError(str(error))
        return StoredObjects(
            names=inner,
            offsets=members.positions[rows],
            lengths=members.extents[rows],
            sources=sources,
            container={"name": "vzlab.zip_member"},
        )


def find_store(members: Members, directory: str) -> str | None:
    """The directory in an archive, at or below one, that is a Zarr store; None if there is none.

    Where several lie side by side it is the directory that was given.
    """
    below = f"{directory}/" if directory else ""
    found = {
        name.rpartition("/")[0]
        for name in members.names
        if name.rpartition("/")[2] in DOCUMENT_NAMES and name.startswith(below) and not name.startswith(_JUNK)
    }
    if not found:
        return None
    top = min(found, key=lambda path: (path.count("/") + bool(path), path))
    return (
        top
        if all(path == top or f"{path}/".startswith(f"{top}/" if top else "") for path in found)
        else directory
    )
