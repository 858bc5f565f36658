"""Make Kerchunk references of changed files anew in JSON or Parquet: those alone, and the file or folder in one step."""

from __future__ import annotations

import json
import os
import posixpath
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from vzlab.codecs.compare import same_decoding
from vzlab.datasets import open_group
from vzlab.errors import IncompatibleArraysError, WriteError
from vzlab.manifests import ChunkManifest, ManifestArray
from vzlab.manifests.joining import concatenate
from vzlab.manifests.manifest import INLINE, MISSING
from vzlab.oracles.decoding import decode_variable
from vzlab.parsers.kerchunk.json_set import read_document
from vzlab.storage import StoreRegistry, local_path, normalize_url
from vzlab.storage.reading import read_array
from vzlab.testing.attributes import MEANING, differing_attributes
from vzlab.testing.difference import compare_arrays
from vzlab.writers.contents import take_apart
from vzlab.writers.kerchunk import References, build_entry, put_parts, replacing
from vzlab.writers.kerchunk_columns import ChunkKeys, fsspec_url, inline_text
from vzlab.writers.kerchunk_parquet import RECORD_SIZE, parquet_files

type Box = tuple[slice, ...]


@dataclass(frozen=True, kw_only=True)
class _Changed:
    """An array with the references of some files in place of those that it had."""

    array: ManifestArray
    boxes: tuple[Box, ...]
    """Where in the chunk grid."""


def refresh_references(
    target: str | os.PathLike[str],
    urls: Sequence[str],
    open_file: Callable[[str], xr.Dataset],
    registry: StoreRegistry,
) -> int:
    """Put the references that files have now in the place of those that they had, and give how many that are.

    Parameters
    ----------
    target : path or url
        Of JSON, or of a folder of Parquet.
    urls : sequence of str
    open_file : callable
        Gives the virtual dataset of a url.
    registry : StoreRegistry
        For the references and the files.

    Raises
    ------
    WriteError
        If a file does not fit its place any more, or the references are of a kind that cannot be changed in part.
    """
    group = open_group(target, registry=registry)
    arrays = dict(group.walk_arrays())
    changed: dict[str, _Changed] = {}
    for url in urls:
        dataset = open_file(url)
        for folder in sorted({posixpath.dirname(p) for p, a in arrays.items() if url in a.manifest.urls}):
            (part,) = take_apart(dataset)
            placed: dict[str, slice] = {}
            for name, found in part.virtual.items():
                path = posixpath.join(folder, name)
                if path not in arrays or url not in arrays[path].manifest.urls:
                    continue
                known = changed.get(path, _Changed(array=arrays[path], boxes=()))
                new = _cut_as(known.array, found)
                box = _place(known.array, new, url, path)
                placed |= _elements(known.array, box)
                changed[path] = _Changed(
                    array=replace(known.array, manifest=_with(known.array.manifest, new.manifest, box)),
                    boxes=(*known.boxes, box),
                )
            _check_coordinates(dataset, placed, folder, arrays, url, registry)
    location = normalize_url(target)
    if location.endswith(".json"):
        _rewrite_json(location, changed, registry)
    else:
        _rewrite_parquet(location, changed, registry)
    return sum(
        int(np.count_nonzero(c.array.manifest.source_index[b] < INLINE))
        for c in changed.values()
        for b in c.boxes
    )


# -- the place of a file -----------------------------------------------------------------------------------------------


def _cut_as(old: ManifestArray, new: ManifestArray) -> ManifestArray:
    """A file's array with partial chunks declared as they were when it was joined with those of other files."""
    for axis in range(new.ndim):
        if old.chunk_grid.chunk_shape == new.chunk_grid.chunk_shape:
            break
        try:
            twice = concatenate([new, new], axis)
        except IncompatibleArraysError:
            continue
        new = twice[(slice(None),) * axis + (slice(0, new.shape[axis]),)]
    return new


def _place(old: ManifestArray, new: ManifestArray, url: str, path: str) -> Box:
    """The chunks that a file had, which must be as many as it has now, and decode as they did."""
    for what, ours, theirs in (
        ("data type", old.dtype, new.dtype),
        ("chunk shape", old.chunk_grid.chunk_shape, new.chunk_grid.chunk_shape),
    ):
        if ours != theirs:
            raise _misfit(path, url, f"{what}: {ours} stored, {theirs} found")
    if not same_decoding(old.metadata.codecs, new.metadata.codecs):
        raise _misfit(
            path, url, f"codecs: {list(old.metadata.codecs)} stored, {list(new.metadata.codecs)} found"
        )
    if other := differing_attributes(old.metadata.attributes, new.metadata.attributes, MEANING):
        stored, found = (a.metadata.attributes.get(other[0]) for a in (old, new))
        raise _misfit(path, url, f"{other[0]}: {stored} stored, {found} found")
    manifest = old.manifest
    of_file = np.isin(manifest.source_index, [i for i, u in enumerate(manifest.urls) if u == url])
    box = []
    for axis, (positions, n) in enumerate(zip(np.nonzero(of_file), new.manifest.grid_shape, strict=True)):
        first = 0 if n == manifest.grid_shape[axis] else int(positions.min())
        starts = old.metadata.chunk_grid.starts(axis)
        fits = first + n < len(starts) and int(positions.max()) < first + n
        if not fits or int(starts[first + n] - starts[first]) != new.shape[axis]:
            raise _misfit(path, url, f"shape: {new.shape} found, which is not what its chunks were")
        box.append(slice(first, first + n))
    inside = tuple(box)
    if (~of_file[inside] & (manifest.source_index[inside] != np.uint32(MISSING))).any():
        raise _misfit(path, url, "its chunks stand between those of other files")
    return inside


def _misfit(path: str, url: str, what: str) -> WriteError:
    return WriteError(
        f"{url} does not fit the place any more that it has in {path!r}: {what}. Nothing was written. Make all references anew."
    )


def _elements(array: ManifestArray, box: Box) -> dict[str, slice]:
    """The elements that a box of chunks holds, by dimension."""
    grid = array.metadata.chunk_grid
    return {
        name: slice(int(grid.starts(axis)[part.start]), int(grid.starts(axis)[part.stop]))
        for axis, (name, part) in enumerate(zip(array.metadata.dimension_names or (), box, strict=False))
        if name is not None
    }


def _check_coordinates(
    dataset: xr.Dataset,
    placed: Mapping[str, slice],
    folder: str,
    arrays: Mapping[str, ManifestArray],
    url: str,
    registry: StoreRegistry,
) -> None:
    """Hold a file's coordinates against those that the references hold themselves."""
    for dim, part in placed.items():
        held = arrays.get(path := posixpath.join(folder, dim))
        if held is None or held.ndim != 1 or held.manifest.n_virtual or dim not in dataset.variables:
            continue
        values = read_array(held, registry, name=path)[part]
        ours = decode_variable(dim, xr.Variable((dim,), values, dict(held.metadata.attributes)))
        now = dataset.variables[dim]
        if isinstance(now._data, ManifestArray):
            read = read_array(now._data, registry, name=dim)
            now = xr.Variable(now.dims, read, now.attrs)
        theirs = decode_variable(dim, now)
        if ours.shape != theirs.shape or compare_arrays(ours.values, theirs.values).n_differing:
            raise _misfit(path, url, "its coordinates are others")


def _with(old: ChunkManifest, new: ChunkManifest, box: Box) -> ChunkManifest:
    """A manifest with another in the place of a box."""
    index, offsets, lengths = old.source_index.copy(), old.offsets.copy(), old.lengths.copy()
    index[box] = np.where(
        new.source_index < INLINE, new.source_index + np.uint32(len(old.sources)), new.source_index
    )
    held = new.source_index == np.uint32(INLINE)
    offsets[box] = np.where(held, new.offsets + np.uint64(len(old.inline)), new.offsets)
    lengths[box] = new.lengths
    return ChunkManifest(
        sources=[*old.sources, *new.sources],
        source_index=index,
        offsets=offsets,
        lengths=lengths,
        inline=[*old.inline, *new.inline],
    )  # fmt: skip


# -- writing -----------------------------------------------------------------------------------------------------------


def _rewrite_json(location: str, changed: Mapping[str, _Changed], registry: StoreRegistry) -> None:
    """Change the values of the keys concerned; all others stay as they are."""
    document = read_document(registry.open(location))
    refs = document.get("refs", document) if isinstance(document, dict) else None
    if refs is None or document.get("gen"):
        raise WriteError(
            f"{location} lists several sets, or has generators, which say many references in one. Write it anew."
        )
    for path, change in changed.items():
        flat = _flat(change)
        is_v2 = f"{path}/.zarray" in refs
        entry = build_entry(path, change.array, 2 if is_v2 else 3)
        names = ChunkKeys(path, entry)
        separator = json.loads(refs[f"{path}/.zarray"]).get("dimension_separator", ".") if is_v2 else "/"
        manifest = change.array.manifest
        columns = (
            c.reshape(-1)[flat].tolist() for c in (manifest.source_index, manifest.offsets, manifest.lengths)
        )
        for rest, source, offset, length in zip(names.rest(flat).to_pylist(), *columns, strict=True):
            key = names.prefix + (rest.replace(".", separator) if is_v2 else rest)
            if source < INLINE:
                refs[key] = [fsspec_url(manifest.sources[source].url), offset, length]
            elif source == INLINE:
                refs[key] = inline_text(manifest.inline[offset])
            elif entry.unwritten is not None:
                refs[key] = inline_text(entry.unwritten)
            else:
                refs.pop(key, None)
    put_parts(location, iter([json.dumps(document).encode()]), registry)


def _flat(change: _Changed) -> Any:
    """Positions in C order of the chunks that changed."""
    concerned = np.zeros(change.array.manifest.grid_shape, bool)
    for box in change.boxes:
        concerned[box] = True
    return np.flatnonzero(concerned.reshape(-1))


def _rewrite_parquet(location: str, changed: Mapping[str, _Changed], registry: StoreRegistry) -> None:
    """Write the arrays concerned anew: in a copy that takes the folder's place, or file by file in a bucket."""
    size = read_document(registry.open(f"{location}/.zmetadata")).get("record_size")
    if size != RECORD_SIZE:
        raise WriteError(
            f"{location} has {size} references in a file, and {RECORD_SIZE:,} are written. Write it anew."
        )
    entries = {path: build_entry(path, change.array, 2) for path, change in changed.items()}
    files = parquet_files(References(documents={}, arrays=entries, chunks={}))
    written = ((name, content) for name, content in files if name != ".zmetadata")
    local = local_path(location)
    if local is None:
        for name, content in list(written):  # so that all can be said before any is written
            put_parts(f"{location}/{name}", iter([content]), registry)
        return
    with replacing(Path(local)) as temporary:
        shutil.copytree(local, temporary)
        for name, content in written:
            (temporary / name).write_bytes(content)
