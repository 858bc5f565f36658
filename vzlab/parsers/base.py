"""What every parser does alike: urls, the chosen group, dropped variables, and checks of what was found."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from vzlab.errors import CorruptFileError
from vzlab.manifests import ChunkManifest, ManifestGroup
from vzlab.manifests.manifest import INLINE
from vzlab.storage import Source, StoreRegistry, as_registry


@dataclass(frozen=True, kw_only=True)
class LoadedVariable:
    """The values of one variable as the format's own library reads them."""

    values: npt.NDArray[Any]
    attributes: dict[str, Any]
    dimension_names: tuple[str | None, ...] | None


@dataclass(frozen=True, kw_only=True)
class Parser(ABC):
    """A parser: ``parser(url, registry) -> ManifestGroup``. A value: it pickles and compares.

    A format adds `_parse`, and `load` where its library can give the values of what cannot be virtualized.
    """

    group: str | None = None
    """Path of the group to parse, with what is below it; None is the root."""
    drop_variables: Collection[str] = ()
    """Names, or paths from the parsed group, of variables and groups to leave out, at every depth."""

    def __post_init__(self) -> None:
        names = [self.drop_variables] if isinstance(self.drop_variables, str) else self.drop_variables
        object.__setattr__(self, "drop_variables", frozenset(name.strip("/") for name in names))
        object.__setattr__(self, "group", (self.group or "").strip("/") or None)

    def __call__(self, url: str | os.PathLike[str], registry: Any = None) -> ManifestGroup:
        """Parse one file.

        Parameters
        ----------
        url : str or path
        registry : optional
            Anything that `vzlab.storage.as_registry` takes.

        Raises
        ------
        SourceNotFoundError
            If there is no such file.
        UnsupportedFormatError
            If the file is of another format.
        CorruptFileError
            If the file contradicts its format, or ends before its data do.
        KeyError
            If it has no group of the chosen path.
        """
        stores = as_registry(registry)
        source = stores.open(os.fspath(url))
        found = self._parse(source, stores)
        if self.group and not self._parses_group_alone:
            found = _group_at(found, self.group, source.url)
        return found.without(self.drop_variables)

    _parses_group_alone: ClassVar[bool] = False
    """Whether `_parse` gives the chosen group, since that spares it the others; else it gives the whole tree."""

    @abstractmethod
    def _parse(self, source: Source, registry: StoreRegistry) -> ManifestGroup:
        """Parse a file; what `drops` says may be left out already."""

    def load(self, url: str | os.PathLike[str], registry: Any, path: str) -> npt.NDArray[Any]:
        """Read a variable's values with the format's own library.

        Parameters
        ----------
        path : str
            Of the variable, from the root of the file.

        Raises
        ------
        KeyError
            If there is no such variable.
        UnvirtualizableError
            If the library cannot read it either.
        """
        return self.load_variable(url, registry, path).values

    @abstractmethod
    def load_variable(self, url: str | os.PathLike[str], registry: Any, path: str) -> LoadedVariable:
        """Read a variable with its attributes and dimension names; see `load`."""

    def drops(self, path: str) -> bool:
        """Whether a variable or group at a path, counted from the parsed group, is to be left out."""
        names = self.drop_variables
        return bool(names) and (path in names or path.rpartition("/")[2] in names)


def _group_at(root: ManifestGroup, path: str, url: str) -> ManifestGroup:
    try:
        found = root[path]
    except KeyError:
        found = None
    if isinstance(found, ManifestGroup):
        return found
    groups = ", ".join(repr(name) for name, _ in root.walk() if name)
    here = f"the groups are {groups}" if groups else "there are no groups"
    what = f"{path!r} is an array of {url}" if found is not None else f"Found no group {path!r} in {url}"
    raise KeyError(f"{what}; {here}")


def check_bounds(
    manifest: ChunkManifest, *, variable: str, n_bytes: int | None = None, what: str = "chunk"
) -> ChunkManifest:
    """Pass on a manifest of which every reference lies within its file.

    Parameters
    ----------
    variable : str
        Path of the variable, for the message.
    n_bytes : int, optional
        Length that every virtual chunk must have, where nothing compresses it.
    what : str
        What the bytes are called in the message.

    Raises
    ------
    CorruptFileError
        Naming the first chunk that reaches past the end of its file, or has another length.
    """
    if not manifest.n_virtual or _plainly_inside(manifest, n_bytes):
        return manifest
    sizes = np.array(
        [(1 << 63) if source.size_bytes is None else source.size_bytes for source in manifest.sources],
        np.uint64,
    )
    index = manifest.source_index
    virtual = index < INLINE
    limit = sizes[np.where(virtual, index, 0)]
    # Two comparisons, since the sum of a damaged offset and length may overflow.
    outside = virtual & (
        (manifest.offsets > limit) | (manifest.lengths > limit - np.minimum(manifest.offsets, limit))
    )
    if outside.any():
        at = tuple(int(i) for i in np.argwhere(outside)[0])
        offset, length = manifest.offsets.item(at), manifest.lengths.item(at)
        source = manifest.sources[index.item(at)]
        raise CorruptFileError(
            f"{what.capitalize()} {at} of {variable!r} should lie at byte {offset} to {offset + length} of {source.url}, "
            f"which has {source.size_bytes} bytes ({int(outside.sum())} of {manifest.n_chunks} are out of reach): the "
            "file was truncated or damaged. Fetch it again."
        )
    if n_bytes is not None and (wrong := virtual & (manifest.lengths != np.uint64(n_bytes))).any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise CorruptFileError(
            f"{what.capitalize()} {at} of {variable!r} has {manifest.lengths.item(at)} bytes, and nothing compresses it; "
            f"expected {n_bytes}. The file is damaged."
        )
    return manifest


def _plainly_inside(manifest: ChunkManifest, n_bytes: int | None) -> bool:
    """Whether extremes show without looking at each chunk that all is well, as it is in sound files."""
    size = manifest.sources[0].size_bytes
    if len(manifest.sources) > 1 or manifest.inline or size is None:
        return False
    longest, last = int(manifest.lengths.max()), int(manifest.offsets.max())
    if n_bytes is not None and (
        longest != n_bytes or (not manifest.n_missing and int(manifest.lengths.min()) != n_bytes)
    ):
        return False
    return last + longest <= size
