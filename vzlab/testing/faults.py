"""Make faults on purpose in virtual datasets: to teach what goes wrong, and to test what should find it.

Each function takes a virtual Dataset or a ManifestGroup and gives one like it with one thing wrong; files are never
changed, only copies of them. `FAULTS` says of each which levels of a comparison catch it, and which do not claim to.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from vzlab.errors import WriteError
from vzlab.manifests import ChunkManifest, ManifestArray, ManifestGroup
from vzlab.manifests.manifest import MISSING
from vzlab.storage import local_path, normalize_url


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A kind of fault, and who finds it."""

    name: str
    what: str
    """What is wrong, in words."""
    caught_by: frozenset[str]
    """Levels that must find it when they look at the chunk concerned; the others do not claim to."""
    needs_folder: bool = False
    """Whether it makes a copy of a source file."""


def wrong_offset[T: (xr.Dataset, ManifestGroup)](
    x: T, variable: str, *, chunk: Sequence[int] | None = None, by: int = 16
) -> T:
    """Move one reference by some bytes."""

    def change(manifest: ChunkManifest, at: tuple[int, ...]) -> ChunkManifest:
        offsets = manifest.offsets.copy()
        offsets[at] = int(offsets[at]) + by
        return _with(manifest, offsets=offsets)

    return _edit_manifest(x, variable, chunk, change)


def wrong_length[T: (xr.Dataset, ManifestGroup)](
    x: T, variable: str, *, chunk: Sequence[int] | None = None, by: int = -8
) -> T:
    """Make one reference longer or shorter."""

    def change(manifest: ChunkManifest, at: tuple[int, ...]) -> ChunkManifest:
        lengths = manifest.lengths.copy()
        lengths[at] = max(int(lengths[at]) + by, 0)
        return _with(manifest, lengths=lengths)

    return _edit_manifest(x, variable, chunk, change)


def swapped_chunks[T: (xr.Dataset, ManifestGroup)](x: T, variable: str) -> T:
    """Let the first and the last reference change places."""

    def change(manifest: ChunkManifest, at: tuple[int, ...]) -> ChunkManifest:
        last = tuple(n - 1 for n in manifest.grid_shape)
        columns = {}
        for name in ("source_index", "offsets", "lengths"):
            column = getattr(manifest, name).copy()
            column[at], column[last] = column[last], column[at]
            columns[name] = column
        return _with(manifest, **columns)

    return _edit_manifest(x, variable, None, change)


def shifted_append[T: (xr.Dataset, ManifestGroup)](x: T, variable: str, *, axis: int = 0, by: int = 1) -> T:
    """Move all references along a dimension, as an append that counts wrongly does."""

    def change(manifest: ChunkManifest, at: tuple[int, ...]) -> ChunkManifest:
        del at
        names = ("source_index", "offsets", "lengths")
        return _with(manifest, **{name: np.roll(getattr(manifest, name), by, axis=axis) for name in names})

    return _edit_manifest(x, variable, None, change)


def missing_chunk[T: (xr.Dataset, ManifestGroup)](
    x: T, variable: str, *, chunk: Sequence[int] | None = None
) -> T:
    """Lose one reference, so that its chunk reads as fill."""

    def change(manifest: ChunkManifest, at: tuple[int, ...]) -> ChunkManifest:
        index = manifest.source_index.copy()
        index[at] = MISSING
        return _with(manifest, source_index=index)

    return _edit_manifest(x, variable, chunk, change)


def byte_order[T: (xr.Dataset, ManifestGroup)](x: T, variable: str) -> T:
    """Declare the stored numbers in the other byte order."""

    def change(array: ManifestArray) -> ManifestArray:
        return replace(
            array,
            metadata=replace(array.metadata, codecs=tuple(_turned(codec) for codec in array.metadata.codecs)),
        )

    return _edit_array(x, variable, change)


def drifted_scale[T: (xr.Dataset, ManifestGroup)](x: T, variable: str, *, factor: float = 2.0) -> T:
    """Give the whole variable a ``scale_factor`` that is not its files'."""
    attributes = _attributes(x, variable)
    return _edit_attributes(
        x, variable, {"scale_factor": float(attributes.get("scale_factor", 1.0)) * factor}
    )


def lost_mask[T: (xr.Dataset, ManifestGroup)](x: T, variable: str) -> T:
    """Lose what marks missing values, so that they read as numbers."""
    return _edit_attributes(x, variable, {"_FillValue": None, "missing_value": None})


def spread_attribute[T: (xr.Dataset, ManifestGroup)](x: T, name: str, value: Any) -> T:
    """Claim for the whole dataset an attribute that is true of one file."""
    if isinstance(x, ManifestGroup):
        return replace(x, attributes={**x.attributes, name: value})
    return x.assign_attrs({name: value})


def flipped_bit[T: (xr.Dataset, ManifestGroup)](
    x: T, variable: str, folder: Path, *, chunk: Sequence[int] | None = None
) -> T:
    """Point to a copy of a source file in which one bit in the middle of a chunk is flipped; its length is the same."""
    array = _array(x, variable)
    at = _chosen(array.manifest, chunk)
    entry = array.manifest.reference(at)
    position = entry.offset + entry.length // 2

    def damage(copy: Path) -> None:
        with copy.open("r+b") as file:
            file.seek(position)
            byte = file.read(1)[0]
            file.seek(position)
            file.write(bytes([byte ^ 0x10]))

    return _with_copy(x, _url_of(array.manifest, at), folder, damage)


def truncated_copy[T: (xr.Dataset, ManifestGroup)](
    x: T, variable: str, folder: Path, *, chunk: Sequence[int] | None = None
) -> T:
    """Point to a copy of a source file that ends in the middle of a chunk."""
    array = _array(x, variable)
    at = _chosen(array.manifest, chunk)
    entry = array.manifest.reference(at)

    def damage(copy: Path) -> None:
        with copy.open("r+b") as file:
            file.truncate(entry.offset + entry.length // 2)

    return _with_copy(x, _url_of(array.manifest, at), folder, damage)


FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault(
            name="wrong_offset",
            what="one reference points some bytes beside its chunk",
            caught_by=frozenset({"L2", "L3", "L4", "L5"}),
        ),
        Fault(
            name="wrong_length",
            what="one reference is too short",
            caught_by=frozenset({"L2", "L3", "L4", "L5"}),
        ),
        Fault(
            name="swapped_chunks",
            what="two references changed places",
            caught_by=frozenset({"L2", "L3", "L4", "L5"}),
        ),
        Fault(
            name="shifted_append",
            what="all references moved one chunk along a dimension",
            caught_by=frozenset({"L2", "L3", "L4", "L5"}),
        ),
        Fault(
            name="missing_chunk",
            what="a lost reference reads as fill",
            caught_by=frozenset({"L2", "L4", "L5"}),
        ),
        Fault(
            name="byte_order",
            what="numbers declared in the other byte order",
            caught_by=frozenset({"L4", "L5"}),
        ),
        Fault(name="drifted_scale", what="the scale of another file", caught_by=frozenset({"L0", "L5"})),
        Fault(name="lost_mask", what="missing values read as numbers", caught_by=frozenset({"L0", "L5"})),
        Fault(
            name="spread_attribute",
            what="an attribute of one file claimed for all",
            caught_by=frozenset({"L0"}),
        ),
        Fault(
            name="flipped_bit",
            what="a bit flipped in a copy of the same length",
            caught_by=frozenset({"L3", "L4", "L5"}),
            needs_folder=True,
        ),
        Fault(
            name="truncated_copy",
            what="a copy that ends too early",
            caught_by=frozenset({"L2", "L3", "L4", "L5"}),
            needs_folder=True,
        ),
    )
}
"""Every fault that can be made here, by the name of its function."""


# -- editing ----------------------------------------------------------------------------------------------------------


def _edit_manifest[T: (xr.Dataset, ManifestGroup)](
    x: T,
    variable: str,
    chunk: Sequence[int] | None,
    change: Callable[[ChunkManifest, tuple[int, ...]], ChunkManifest],
) -> T:
    return _edit_array(
        x,
        variable,
        lambda array: replace(array, manifest=change(array.manifest, _chosen(array.manifest, chunk))),
    )


def _edit_array[T: (xr.Dataset, ManifestGroup)](
    x: T, variable: str, change: Callable[[ManifestArray], ManifestArray]
) -> T:
    changed = change(_array(x, variable))
    if isinstance(x, ManifestGroup):
        return replace(x, arrays={**x.arrays, variable: changed})
    old = x[variable].variable
    return x.assign({variable: xr.Variable(old.dims, changed, old.attrs, old.encoding)})


def _edit_attributes[T: (xr.Dataset, ManifestGroup)](x: T, variable: str, changes: Mapping[str, Any]) -> T:
    attributes = {**_attributes(x, variable), **changes}
    attributes = {name: value for name, value in attributes.items() if value is not None}
    if isinstance(x, ManifestGroup):
        array = _array(x, variable)
        return replace(
            x,
            arrays={
                **x.arrays,
                variable: replace(array, metadata=replace(array.metadata, attributes=attributes)),
            },
        )
    old = x[variable].variable
    # What it was opened with is overwritten as well, or the loss would be noticed before anything is compared.
    array = _array(x, variable)
    array = replace(array, metadata=replace(array.metadata, attributes=attributes))
    return x.assign({variable: xr.Variable(old.dims, array, attributes, old.encoding)})


def _array(x: xr.Dataset | ManifestGroup, variable: str) -> ManifestArray:
    inner = x.arrays[variable] if isinstance(x, ManifestGroup) else x[variable].variable._data
    if not isinstance(inner, ManifestArray):
        raise TypeError(f"{variable!r} holds a {type(inner).__name__}; expected references")
    return inner


def _attributes(x: xr.Dataset | ManifestGroup, variable: str) -> Mapping[str, Any]:
    if isinstance(x, ManifestGroup):
        return x.arrays[variable].metadata.attributes
    return x[variable].attrs


def _chosen(manifest: ChunkManifest, chunk: Sequence[int] | None) -> tuple[int, ...]:
    return tuple(chunk) if chunk is not None else (0,) * len(manifest.grid_shape)


def _with(manifest: ChunkManifest, **columns: Any) -> ChunkManifest:
    kept = {
        name: columns.get(name, getattr(manifest, name)) for name in ("source_index", "offsets", "lengths")
    }
    return ChunkManifest(sources=manifest.sources, inline=manifest.inline, **kept)


def _turned(codec: Mapping[str, Any]) -> Mapping[str, Any]:
    configuration = dict(codec.get("configuration") or {})
    if codec["name"] != "bytes" or "endian" not in configuration:
        return codec
    other = {"little": "big", "big": "little"}[configuration["endian"]]
    return {"name": "bytes", "configuration": {**configuration, "endian": other}}


def _url_of(manifest: ChunkManifest, at: tuple[int, ...]) -> str:
    source = manifest.reference(at).source
    if source is None:
        raise ValueError(f"Chunk {at} is not a reference; choose one that is")
    return source.url


def _with_copy[T: (xr.Dataset, ManifestGroup)](
    x: T, url: str, folder: Path, damage: Callable[[Path], None]
) -> T:
    """The same with one source replaced by a damaged copy of it in another folder.

    Raises
    ------
    WriteError
        If the source is not on this machine, or the folder holds a file of its name.
    """
    path = local_path(url)
    if path is None:
        raise WriteError(f"{url} is not on this machine; faults in copies need a local file")
    copy = Path(folder) / Path(path).name
    if copy.exists():
        raise WriteError(f"{copy} is there already; choose an empty folder")
    shutil.copyfile(path, copy)
    damage(copy)
    rename = {url: normalize_url(copy)}
    if isinstance(x, ManifestGroup):
        return x.rename_urls(rename)
    changed = {
        name: xr.Variable(old.dims, old._data.rename_urls(rename), old.attrs, old.encoding)
        for name, old in x.variables.items()
        if isinstance(old._data, ManifestArray)
    }
    return x.assign(changed)
