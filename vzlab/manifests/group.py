"""A tree of virtual arrays: what a parser returns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from vzlab.display import Inspected
from vzlab.manifests.array import ManifestArray
from vzlab.manifests.manifest import ChunkManifest
from vzlab.manifests.metadata import same_json
from vzlab.manifests.references import SourceFile
from vzlab.manifests.tabular import Tabular


@dataclass(frozen=True, kw_only=True)
class UnreadableVariable:
    """A variable of the file that could not be virtualized, and why."""

    reason: str
    """What was found, and what to do, in a sentence."""
    loadable: bool
    """Whether the parser can read its values by the format's own library."""
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    """The data type as the format's own library prints it."""
    dimension_names: tuple[str | None, ...] | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class ManifestGroup(Inspected, Tabular):
    """A Zarr group of virtual arrays and subgroups.

    A value without registry or file handle: it pickles small and compares equal.

    Examples
    --------
    >>> import vzlab as vz
    >>> group = vz.open_group("archive/sst_2025-01-01.nc")
    >>> sorted(group.arrays)
    ['ice', 'lat', 'lon', 'sst', 'time']
    >>> group.n_references
    21
    """

    arrays: Mapping[str, ManifestArray] = field(default_factory=dict)
    groups: Mapping[str, ManifestGroup] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Attributes in the JSON form of their values."""
    unreadable: Mapping[str, UnreadableVariable] = field(default_factory=dict)
    """Variables that are in the file and not in ``arrays``."""
    format: str = ""
    """The format that it was parsed from, in words: ``"netCDF4 / HDF5"``."""
    index_decoder: str = ""
    """What decoded the chunk index."""
    page_bytes: int = 0
    """Of a file that keeps metadata and data on separate pages, their length; 0 for any other."""
    max_shapes: Mapping[str, tuple[int | None, ...]] = field(default_factory=dict)
    """Of arrays that may grow where they are, the greatest shape; None along dimensions without end."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Of members that are not simply here, what leads to them, in words: ``soft link to '/model/sst'``."""
    header_bytes: int = 0
    """Of a file whose metadata are one header at its begin, and nothing else: its length. 0 for any other."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ManifestGroup):
            return NotImplemented
        return (
            self.arrays.keys() == other.arrays.keys()
            and all(array.identical(other.arrays[name]) for name, array in self.arrays.items())
            and same_json(self.attributes, other.attributes)
            and same_json(_documents(self.unreadable), _documents(other.unreadable))
            and all(getattr(self, name) == getattr(other, name) for name in _PLAINLY_COMPARED)
        )

    __hash__ = None  # type: ignore[assignment]

    def __getitem__(self, path: str) -> ManifestArray | ManifestGroup:
        """The array or group at a path such as ``"model/ocean/sst"``."""
        head, _, rest = path.strip("/").partition("/")
        if not head:
            return self
        if rest:
            if head not in self.groups:
                raise KeyError(f"No group {head!r}; groups here: {', '.join(self.groups) or 'none'}")
            return self.groups[head][rest]
        if head in self.arrays:
            return self.arrays[head]
        if head in self.groups:
            return self.groups[head]
        known = ", ".join([*self.arrays, *self.groups]) or "nothing"
        raise KeyError(f"No array or group {head!r}; here are {known}")

    def walk(self, path: str = "") -> Iterator[tuple[str, ManifestGroup]]:
        """This group and every one below it, each with its path; the root's is ``""``."""
        yield path, self
        for name, group in self.groups.items():
            yield from group.walk(f"{path}/{name}" if path else name)

    def walk_arrays(self) -> Iterator[tuple[str, ManifestArray]]:
        """Every array in the tree with its path."""
        for path, group in self.walk():
            for name, array in group.arrays.items():
                yield (f"{path}/{name}" if path else name), array

    def _manifests(self) -> Iterator[tuple[str, ChunkManifest]]:
        return ((path, array.manifest) for path, array in self.walk_arrays())

    @property
    def sources(self) -> tuple[SourceFile, ...]:
        """Every distinct source that chunks of the tree lie in."""
        return tuple(
            dict.fromkeys(source for _, array in self.walk_arrays() for source in array.manifest.sources)
        )

    @property
    def nbytes(self) -> int:
        """Memory that the manifests of the tree take."""
        return sum(array.manifest.nbytes for _, array in self.walk_arrays())

    @property
    def n_references(self) -> int:
        """Number of virtual chunks in the tree."""
        return sum(array.manifest.n_virtual for _, array in self.walk_arrays())

    def without(self, names: Collection[str]) -> ManifestGroup:
        """The tree without variables of these names or paths, at every depth."""
        return self._without(frozenset(name.strip("/") for name in names), "")

    def _without(self, names: frozenset[str], path: str) -> ManifestGroup:
        def kept(name: str) -> bool:
            return name not in names and path + name not in names

        return replace(
            self,
            arrays={name: array for name, array in self.arrays.items() if kept(name)},
            unreadable={name: variable for name, variable in self.unreadable.items() if kept(name)},
            groups={
                name: group._without(names, f"{path}{name}/")
                for name, group in self.groups.items()
                if kept(name)
            },
        )

    def map_arrays(self, change: Callable[[ManifestArray], ManifestArray]) -> ManifestGroup:
        """The tree with each array replaced by what a function makes of it."""
        return replace(
            self,
            arrays={name: change(array) for name, array in self.arrays.items()},
            groups={name: group.map_arrays(change) for name, group in self.groups.items()},
        )

    def rename_urls(self, rename: Mapping[str, str] | Callable[[str], str]) -> ManifestGroup:
        """The tree with its chunks at other urls."""
        return self.map_arrays(lambda array: array.rename_urls(rename))


def _documents(unreadable: Mapping[str, UnreadableVariable]) -> dict[str, dict[str, Any]]:
    return {name: vars(variable) for name, variable in unreadable.items()}


_PLAINLY_COMPARED = tuple(
    entry.name for entry in fields(ManifestGroup) if entry.name not in ("arrays", "attributes", "unreadable")
)
