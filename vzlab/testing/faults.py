"""Make faults on purpose in virtual datasets: to teach what goes wrong, and to test what should find it.

Each fault is called with a virtual Dataset, DataTree or ManifestGroup and gives one like it with one thing wrong; files are
never changed, only copies of them. `FAULTS` says of each which levels of a comparison catch it; the others do not claim to.
"""

from __future__ import annotations

import posixpath
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from vzlab.errors import WriteError
from vzlab.manifests import ChunkManifest, ManifestArray, ManifestGroup
from vzlab.manifests.manifest import MISSING
from vzlab.storage import as_registry, local_path, normalize_url, read_array

_COLUMNS = ("source_index", "offsets", "lengths")

type Columns = dict[str, npt.NDArray[Any]]
"""The columns of a manifest by name, to be changed."""


@dataclass(frozen=True, kw_only=True)
class Site[T: (xr.Dataset, xr.DataTree, ManifestGroup)]:
    """Where a fault is made."""

    x: T
    variable: str
    """Name, with the path of its group before it."""
    chunk: Sequence[int] | None
    folder: Path | None

    @property
    def group(self) -> str:
        """Path of the group that has the variable; empty for the root."""
        return posixpath.dirname(self.variable.strip("/"))

    @property
    def name(self) -> str:
        """The variable's name in its group."""
        return posixpath.basename(self.variable)

    @property
    def part(self) -> xr.Dataset | ManifestGroup:
        """The group that has the variable."""
        x: Any = self.x
        if isinstance(x, xr.Dataset):
            return x
        part = x[self.group] if self.group else x
        return part.to_dataset(inherit=False) if isinstance(part, xr.DataTree) else part

    def with_part(self, part: xr.Dataset | ManifestGroup) -> T:
        """The same with another group in the place of the one that has the variable."""
        x: Any = self.x
        changed: Any = part
        if isinstance(x, ManifestGroup):
            changed = _with_group(x, self.group, changed)
        elif isinstance(x, xr.DataTree):
            changed = xr.DataTree.from_dict({**_nodes(x), f"/{self.group}": changed}, name=x.name)
        return changed  # type: ignore[no-any-return]

    @property
    def array(self) -> ManifestArray:
        """The variable's virtual array."""
        part, name = self.part, self.name
        inner: Any = part.arrays[name] if isinstance(part, ManifestGroup) else part[name].variable._data
        if not isinstance(inner, ManifestArray):
            raise TypeError(f"{self.variable!r} holds a {type(inner).__name__}; expected references")
        return inner

    @property
    def at(self) -> tuple[int, ...]:
        """Grid index of the chunk: the first one unless another was chosen."""
        return tuple(self.chunk) if self.chunk is not None else (0,) * self.array.ndim

    @property
    def attributes(self) -> Mapping[str, Any]:
        """The variable's attributes."""
        part = self.part
        if isinstance(part, ManifestGroup):
            return part.arrays[self.name].metadata.attributes
        return part[self.name].attrs

    def with_array(self, array: ManifestArray, attributes: Mapping[str, Any] | None = None) -> T:
        """The same with another array, and with other attributes if they are given."""
        part, name = self.part, self.name
        if isinstance(part, ManifestGroup):
            return self.with_part(replace(part, arrays={**part.arrays, name: array}))
        old = part[name].variable
        kept = old.attrs if attributes is None else dict(attributes)
        return self.with_part(part.assign({name: xr.Variable(old.dims, array, kept, old.encoding)}))

    def with_columns(self, change: Callable[[Columns], None]) -> T:
        """The same with references that a function changed in place."""
        manifest = self.array.manifest
        columns = {name: getattr(manifest, name).copy() for name in _COLUMNS}
        change(columns)
        changed = ChunkManifest(sources=manifest.sources, inline=manifest.inline, **columns)
        return self.with_array(replace(self.array, manifest=changed))

    def with_metadata(self, **changes: Any) -> T:
        """The same with other metadata of the array."""
        metadata = replace(self.array.metadata, **{"attributes": dict(self.attributes), **changes})
        # What it was opened with is overwritten as well, or a loss would be noticed before anything is compared.
        return self.with_array(replace(self.array, metadata=metadata), metadata.attributes)

    def with_attributes(self, **changes: Any) -> T:
        """The same with other attributes; None takes one away."""
        merged = {**self.attributes, **changes}
        return self.with_metadata(
            attributes={name: value for name, value in merged.items() if value is not None}
        )

    def with_copy(self, damage: Callable[[Path, int, int], None]) -> T:
        """The same with a source replaced by a copy that a function damages, given the chunk's offset and length.

        Raises
        ------
        WriteError
            If the source is not on this machine, or the folder holds a file of its name.
        """
        entry = self.array.manifest.reference(self.at)
        if entry.source is None:
            raise ValueError(f"Chunk {self.at} is not a reference; choose one that is")
        path = local_path(entry.source.url)
        if path is None:
            raise WriteError(f"{entry.source.url} is not on this machine; faults in copies need a local file")
        if self.folder is None:
            raise ValueError("This fault is made in a copy of a file; say in which folder, as folder=...")
        copy = Path(self.folder) / Path(path).name
        if copy.exists():
            raise WriteError(f"{copy} is there already; choose an empty folder")
        shutil.copyfile(path, copy)
        damage(copy, entry.offset, entry.length)
        rename = {entry.source.url: normalize_url(copy)}
        x: Any = self.x
        if isinstance(x, ManifestGroup):
            renamed: Any = x.rename_urls(rename)
        elif isinstance(x, xr.DataTree):
            nodes = {path: _renamed(node, rename) for path, node in _nodes(x).items()}
            renamed = xr.DataTree.from_dict(nodes, name=x.name)
        else:
            renamed = _renamed(x, rename)
        return renamed  # type: ignore[no-any-return]


def _nodes(tree: xr.DataTree) -> dict[str, xr.Dataset]:
    return {node.path: node.to_dataset(inherit=False) for node in tree.subtree}


def _renamed(dataset: xr.Dataset, rename: Mapping[str, str]) -> xr.Dataset:
    changed = {
        name: xr.Variable(old.dims, old._data.rename_urls(rename), old.attrs, old.encoding)
        for name, old in dataset.variables.items()
        if isinstance(old._data, ManifestArray)
    }
    return dataset.assign(changed)


def _with_group(root: ManifestGroup, path: str, group: ManifestGroup) -> ManifestGroup:
    """A tree with another group at a path."""
    if not path:
        return group
    head, _, rest = path.partition("/")
    return replace(root, groups={**root.groups, head: _with_group(root.groups[head], rest, group)})


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A kind of fault, and who finds it."""

    name: str
    what: str
    """What is wrong, in words."""
    caught_by: frozenset[str]
    """Levels that must find it when they look at the chunk concerned; the others do not claim to."""
    edit: Callable[..., Any]
    """Gives what is wrong, from a `Site` and the fault's own options."""
    needs_folder: bool = False
    """Whether it makes a copy of a source file."""

    def __call__[T: (xr.Dataset, xr.DataTree, ManifestGroup)](
        self,
        x: T,
        variable: str = "",
        folder: Path | None = None,
        *,
        chunk: Sequence[int] | None = None,
        **options: Any,
    ) -> T:
        """Make the fault.

        Parameters
        ----------
        x : Dataset, DataTree or ManifestGroup
            Stays as it is.
        variable : str
            Where the fault is made: a name, or a path such as ``"ocean/sst"``.
        folder : path, optional
            Empty; for the copy of a file, of faults that are made in one.
        chunk : sequence of int, optional
            Grid index of the chunk concerned; the first one by default.
        **options
            Of the fault: ``by`` of shifts and lengths, ``factor`` of scales, ``name`` and ``value`` of an attribute.
        """
        made: T = self.edit(Site(x=x, variable=variable, chunk=chunk, folder=folder), **options)
        return made


# -- what is done to references ---------------------------------------------------------------------------------------


def _added(site: Site[Any], *, column: str, by: int) -> Any:
    def change(columns: Columns) -> None:
        columns[column][site.at] = max(int(columns[column][site.at]) + by, 0)

    return site.with_columns(change)


def _swapped(site: Site[Any]) -> Any:
    last = tuple(n - 1 for n in site.array.manifest.grid_shape)

    def change(columns: Columns) -> None:
        for column in columns.values():
            column[site.at], column[last] = column[last], column[site.at]

    return site.with_columns(change)


def _shifted(site: Site[Any], *, axis: int = 0, by: int = 1) -> Any:
    return site.with_columns(
        lambda columns: columns.update({name: np.roll(column, by, axis) for name, column in columns.items()})
    )


def _pointed_to(site: Site[Any], *, source: Callable[[int, int], int]) -> Any:
    n_sources = len(site.array.manifest.sources)

    def change(columns: Columns) -> None:
        columns["source_index"][site.at] = source(int(columns["source_index"][site.at]), n_sources)

    return site.with_columns(change)


# -- what is done to metadata -----------------------------------------------------------------------------------------


def _turned(site: Site[Any]) -> Any:
    other = {"little": "big", "big": "little"}

    def turn(codec: Mapping[str, Any]) -> Mapping[str, Any]:
        configuration = dict(codec.get("configuration") or {})
        if codec["name"] != "bytes" or "endian" not in configuration:
            return codec
        return {"name": "bytes", "configuration": {"endian": other[configuration["endian"]]}}

    return site.with_metadata(codecs=tuple(map(turn, site.array.metadata.codecs)))


def _retyped(site: Site[Any]) -> Any:
    name = str(site.array.metadata.data_type)
    other = (
        name.removeprefix("u")
        if name.startswith("uint")
        else name.replace("int", "uint").replace("float", "int")
    )
    return site.with_metadata(data_type=other, fill_value=0)


def _without_filter(site: Site[Any], *, name: str = "shuffle") -> Any:
    codecs = tuple(codec for codec in site.array.metadata.codecs if name not in codec["name"])
    if len(codecs) == len(site.array.metadata.codecs):
        raise ValueError(f"{site.variable!r} has no filter {name!r}; choose another, as name=...")
    return site.with_metadata(codecs=codecs)


def _scaled(site: Site[Any], *, factor: float = 2.0) -> Any:
    return site.with_attributes(scale_factor=float(site.attributes.get("scale_factor", 1.0)) * factor)


def _masked(site: Site[Any]) -> Any:
    """The mark of missing values moved to the number in the middle of the chunk."""
    region = site.array.metadata.chunk_grid.region(site.at)
    values = read_array(site.array[region], as_registry(None), name=site.variable)
    return site.with_attributes(_FillValue=values.reshape(-1)[values.size // 2].item())


def _claimed(site: Site[Any], *, name: str = "granule_id", value: Any = "of one file") -> Any:
    part = site.part
    if isinstance(part, ManifestGroup):
        return site.with_part(replace(part, attributes={**part.attributes, name: value}))
    return site.with_part(part.assign_attrs({name: value}))


# -- what is done to copies of files ----------------------------------------------------------------------------------


def _flip(copy: Path, offset: int, length: int) -> None:
    with copy.open("r+b") as file:
        file.seek(offset + length // 2)
        byte = file.read(1)[0]
        file.seek(offset + length // 2)
        file.write(bytes([byte ^ 0x10]))


def _truncate(copy: Path, offset: int, length: int) -> None:
    with copy.open("r+b") as file:
        file.truncate(offset + length // 2)


def _lengthen(copy: Path, *_: int) -> None:
    with copy.open("ab") as file:
        file.write(b"\0" * 16)


_PLACE, _VALUES, _MEANING = {"L2", "L3", "L4", "L5"}, {"L4", "L5"}, {"L0", "L5"}

# Name, what is wrong, levels that find it, how it is made, and whether in a copy of a file.
_TABLE: tuple[tuple[str, str, set[str], Callable[..., Any], bool], ...] = (
    (
        "wrong_offset",
        "one reference points some bytes beside its chunk",
        _PLACE,
        lambda site, by=16: _added(site, column="offsets", by=by),
        False,
    ),
    (
        "wrong_length",
        "one reference is too short",
        _PLACE,
        lambda site, by=-8: _added(site, column="lengths", by=by),
        False,
    ),
    ("swapped_chunks", "two references changed places", _PLACE, _swapped, False),
    ("shifted_append", "all references moved one chunk along a dimension", _PLACE, _shifted, False),
    (
        "wrong_file",
        "one reference points into another file of the archive",
        _PLACE,
        lambda site: _pointed_to(site, source=lambda own, n: (own + 1) % n),
        False,
    ),
    (
        "missing_chunk",
        "a lost reference reads as fill",
        {"L2", *_VALUES},
        lambda site: _pointed_to(site, source=lambda *_: MISSING),
        False,
    ),
    ("byte_order", "numbers declared in the other byte order", _VALUES, _turned, False),
    (
        "wrong_dtype",
        "numbers declared to be of another type of the same size",
        {"L0", *_VALUES},
        _retyped,
        False,
    ),
    ("lost_filter", "a filter that the codec chain leaves out", _VALUES, _without_filter, False),
    ("drifted_scale", "the scale of another file", _MEANING, _scaled, False),
    (
        "lost_mask",
        "missing values read as numbers",
        _MEANING,
        lambda site: site.with_attributes(_FillValue=None, missing_value=None),
        False,
    ),
    ("fill_confusion", "numbers that occur read as missing", _MEANING, _masked, False),
    ("spread_attribute", "an attribute of one file claimed for all", {"L0"}, _claimed, False),
    (
        "flipped_bit",
        "a bit flipped in a copy of the same length",
        {"L3", "L4", "L5"},
        lambda site: site.with_copy(_flip),
        True,
    ),
    ("truncated_copy", "a copy that ends too early", _PLACE, lambda site: site.with_copy(_truncate), True),
    (
        "stale_file",
        "a file that was written again after it was parsed",
        {"L2"},
        lambda site: site.with_copy(_lengthen),
        True,
    ),
)

FAULTS: Mapping[str, Fault] = {
    name: Fault(name=name, what=what, caught_by=frozenset(levels), edit=edit, needs_folder=in_copy)
    for name, what, levels, edit, in_copy in _TABLE
}
"""Every fault that can be made here, by name; each is an attribute of this module too."""


def __getattr__(name: str) -> Fault:
    if name not in FAULTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return FAULTS[name]


def __dir__() -> list[str]:
    return sorted([*FAULTS, "FAULTS", "Fault", "Site"])
