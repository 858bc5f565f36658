"""LINDI files as virtual arrays: HDF5 hierarchies as Kerchunk references, with annotations for what Zarr v2 lacks.

Specification: https://github.com/NeurodataWithoutBorders/lindi/blob/main/docs/special_zarr_annotations.md
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from numcodecs import VLenUTF8

from vzlab.codecs import bytes_codecs
from vzlab.errors import UnvirtualizableError, VzlabError
from vzlab.manifests import (
    ArrayMetadata,
    ChunkGrid,
    ChunkManifest,
    ManifestArray,
    ManifestGroup,
    UnreadableVariable,
)
from vzlab.parsers.base import LoadedVariable, Parser
from vzlab.parsers.kerchunk.json_set import read_document, read_references
from vzlab.parsers.kerchunk.references import ArrayNode, References, read_array_node, read_group
from vzlab.parsers.zarr_documents import ChunkKeys
from vzlab.storage import Source, StoreRegistry, as_registry, read_array

FORMAT = "LINDI"

MAX_OBJECT_BYTES = 64 * 2**20
"""JSON of one variable (text, records, references) that is decoded and held inline."""

MAX_LINKS = 32
"""Soft links that lead to soft links."""

_DIMENSIONS = "_ARRAY_DIMENSIONS"
_ANNOTATIONS = ("_SCALAR", "_COMPOUND_DTYPE", "_EXTERNAL_ARRAY_LINK", "_SOFT_LINK")
_REFERENCE_TYPE = "<REFERENCE>"


@dataclass(frozen=True, kw_only=True)
class LINDIParser(Parser):
    """Parse LINDI files (``.lindi.json``).

    Numbers become references to the chunks of the HDF5 file. An external array link is followed into that file, of which the
    one dataset is parsed. Text, records and references to objects, which LINDI holds as JSON, are held inline: references as
    the paths of what they point to, in attributes too. Soft links are what they lead to.

    Parameters
    ----------
    group : str, optional
        Path of the group to parse, with what is below it; None is the root.
    drop_variables : collection of str
        Names, or paths from the parsed group, of variables and groups to leave out, at every depth.

    Examples
    --------
    >>> group = LINDIParser()("one.lindi.json")
    >>> group["x"].metadata.shape
    (120, 200)
    """

    def _parse(self, source: Source, registry: StoreRegistry) -> ManifestGroup:
        references = read_references(
            read_document(source), base=source.url, registry=registry, url=source.url
        )
        reader = _Reader(registry)
        tree = read_group(
            references, group=None, drops=lambda _: False, url=source.url, format=FORMAT, read=reader.read
        )
        return _with_plain_attributes(_with_links(tree))

    def load_variable(self, url: str | os.PathLike[str], registry: Any, path: str) -> LoadedVariable:
        """Read a variable by its references."""
        found = LINDIParser()(url, registry)
        above, _, name = path.strip("/").rpartition("/")
        group = found[above]
        array = group.arrays.get(name) if isinstance(group, ManifestGroup) else None
        if array is None:
            raise KeyError(f"No array {path!r} in {os.fspath(url)}")
        return LoadedVariable(
            values=read_array(array, as_registry(registry), name=path),
            attributes=dict(array.metadata.attributes),
            dimension_names=array.metadata.dimension_names,
        )


@dataclass
class _Reader:
    """Makes arrays of nodes; keeps the groups of other files that links led to."""

    registry: StoreRegistry
    linked: dict[tuple[str, str], ManifestGroup] = field(default_factory=dict)

    def read(
        self, references: References, node: ArrayNode, full_path: str
    ) -> ManifestArray | UnreadableVariable:
        link = node.attributes.get("_EXTERNAL_ARRAY_LINK")
        if link is not None:
            array = self._follow(references, link)
        elif node.document.get("dtype") == "|O":
            array = _objects(references, node, full_path)
        else:
            array = read_array_node(references, node, full_path)
        if node.attributes.get("_SCALAR"):
            array = _as_scalar(array)
        attributes = {
            name: value
            for name, value in {**array.metadata.attributes, **node.attributes}.items()
            if name not in (*_ANNOTATIONS, _DIMENSIONS)
        }
        return replace(array, metadata=replace(array.metadata, attributes=attributes))

    def _follow(self, references: References, link: Any) -> ManifestArray:
        kind = link.get("link_type") if isinstance(link, Mapping) else None
        url, name = (link.get("url"), link.get("name")) if isinstance(link, Mapping) else (None, None)
        if kind != "hdf5_dataset" or not isinstance(url, str) or not isinstance(name, str):
            raise UnvirtualizableError(
                f"Its external array link is {json.dumps(link, default=str)[:100]}; expected the link_type 'hdf5_dataset' with a "
                "url and a name."
            )
        from vzlab.parsers.hdf5.parser import HDF5Parser

        above, _, own = name.strip("/").rpartition("/")
        place = (references.resolve(url), above)
        if place not in self.linked:
            self.linked[place] = HDF5Parser(group=above or None)(place[0], self.registry)
        group = self.linked[place]
        if own in group.unreadable:
            raise UnvirtualizableError(group.unreadable[own].reason)
        if own not in group.arrays:
            raise UnvirtualizableError(
                f"Its external array link leads to {name!r} of {url}, where no dataset is."
            )
        return group.arrays[own]


def _as_scalar(array: ManifestArray) -> ManifestArray:
    """The only element of an array of one (LINDI: "Scalar Datasets")."""
    if array.shape != (1,):
        raise UnvirtualizableError(
            f"It is marked as a scalar and has the shape {array.shape}; expected (1,)."
        )
    metadata = replace(array.metadata, shape=(), chunks=(), dimension_names=())
    return ManifestArray(metadata=metadata, manifest=array.manifest.reshape(()))


# -- what LINDI holds as JSON --------------------------------------------------------------------------------------


def _objects(references: References, node: ArrayNode, full_path: str) -> ManifestArray:
    """Text, references or records out of chunks of JSON, as one inline chunk."""
    filters = [str(each.get("id")) for each in node.document.get("filters") or ()]
    if node.document.get("compressor") or filters not in (["json2"], ["json"]):
        if filters == ["vlen-utf8"]:
            return read_array_node(references, node, full_path)
        raise UnvirtualizableError(
            f"Its objects are encoded by {', '.join(filters) or 'nothing'}; expected json2 alone."
        )
    shape = tuple(node.document["shape"])
    grid = ChunkGrid(shape=shape, chunks=tuple(node.document["chunks"]))
    keys = ChunkKeys(prefix="", separator=str(node.document.get("dimension_separator") or "."))
    manifest = references.manifest(full_path, keys, grid)
    if manifest.n_virtual or manifest.stored_bytes > MAX_OBJECT_BYTES:
        raise UnvirtualizableError(
            f"Its objects lie in {manifest.n_virtual} chunks elsewhere, {manifest.stored_bytes} bytes in all; expected JSON "
            f"within the file, of at most {MAX_OBJECT_BYTES} bytes."
        )
    values = np.full(shape, None, object)
    for index in np.ndindex(manifest.grid_shape if manifest.n_inline else (0,)):
        data = manifest.reference(index).data
        if data is not None:
            start = [i * int(node.document["chunks"][axis]) for axis, i in enumerate(index)]
            _place(values, start, data, full_path)
    fields = node.attributes.get("_COMPOUND_DTYPE")
    made = _text(values) if fields is None else _records(values, fields)
    names = node.attributes.get(_DIMENSIONS)
    fits = isinstance(names, list) and len(names) == len(shape)
    return _inline(made, tuple(names) if isinstance(names, list) and fits else None)


def _place(values: npt.NDArray[Any], start: Sequence[int], data: bytes, path: str) -> None:
    """Put the items of one chunk where they belong (numcodecs, JSON: the items, then data type and shape)."""
    try:
        *items, _, chunk_shape = json.loads(data)
        chunk = np.empty(tuple(chunk_shape), object)
        chunk.reshape(-1)[:] = list(_flattened(items, len(chunk_shape)))
    except (ValueError, TypeError, RecursionError) as error:
        raise UnvirtualizableError(f"A chunk of {path!r} is no JSON of an array ({error}).") from error
    window = tuple(slice(at, at + n) for at, n in zip(start, chunk.shape, strict=True))
    into = values[window]
    into[...] = chunk[tuple(slice(0, n) for n in into.shape)]


def _flattened(items: Any, depth: int) -> Iterator[Any]:
    if depth <= 1:
        yield from items
        return
    for item in items:
        yield from _flattened(item, depth - 1)


def _inline(values: npt.NDArray[Any], names: tuple[str, ...] | None) -> ManifestArray:
    shape = values.shape
    chunks = tuple(max(n, 1) for n in shape)
    if values.dtype == object:
        codecs: Any = ({"name": "vlen-utf8"},)
        data = bytes(VLenUTF8().encode(values))
        metadata = ArrayMetadata(
            shape=shape,
            data_type="string",
            chunks=chunks,
            codecs=codecs,
            fill_value="",
            dimension_names=names,
        )
    else:
        data = values.tobytes()
        metadata = ArrayMetadata.create(
            shape=shape,
            dtype=values.dtype,
            chunks=chunks,
            codecs=bytes_codecs(values.dtype),
            dimension_names=names,
        )
    grid = metadata.chunk_grid.grid_shape
    manifest = ChunkManifest.from_inline([data], grid) if values.size else ChunkManifest.empty(grid)
    return ManifestArray(metadata=metadata, manifest=manifest)


def _text(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    text = np.full(values.shape, "", object)
    for at, item in enumerate(values.reshape(-1).tolist()):
        said = _plain(item)
        if said is not None and not isinstance(said, str):
            raise UnvirtualizableError(f"It holds {str(item)[:60]!r}, which is neither text nor a reference.")
        text.reshape(-1)[at] = said or ""
    return text


def _records(values: npt.NDArray[Any], fields: Any) -> npt.NDArray[Any]:
    """Records by the members that ``_COMPOUND_DTYPE`` names; text and references as text of one length."""
    rows = [tuple(_plain(part) for part in row) for row in values.reshape(-1).tolist() if row is not None]
    members: list[tuple[str, Any]] = []
    for position, (name, kind) in enumerate(fields):
        if kind in (_REFERENCE_TYPE, "object") or str(kind).startswith(("|S", "S", "<U", "U")):
            longest = max((len(str(row[position] or "")) for row in rows), default=0)
            members.append((name, f"<U{max(longest, 1)}"))
        else:
            members.append((name, np.dtype(str(kind)).newbyteorder("<")))
    if len(rows) != values.size:
        raise UnvirtualizableError(f"{values.size - len(rows)} of its {values.size} records are not there.")
    made = [tuple("" if part is None else part for part in row) for row in rows]
    return np.array(made, np.dtype(members)).reshape(values.shape)


def _plain(value: Any) -> Any:
    """The path of what a reference points to (LINDI: "References"); all else as it is."""
    if isinstance(value, Mapping):
        reference = value.get("_REFERENCE")
        if isinstance(reference, Mapping) and isinstance(reference.get("path"), str):
            return reference["path"]
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list) else value


# -- the tree ------------------------------------------------------------------------------------------------------


def _with_plain_attributes(group: ManifestGroup) -> ManifestGroup:
    def values(attributes: Mapping[str, Any]) -> dict[str, Any]:
        return {name: _plain(value) for name, value in attributes.items()}

    def plain(array: ManifestArray) -> ManifestArray:
        metadata = replace(array.metadata, attributes=values(array.metadata.attributes))
        return replace(array, metadata=metadata)

    return replace(
        group,
        attributes=values(group.attributes),
        arrays={name: plain(array) for name, array in group.arrays.items()},
        groups={name: _with_plain_attributes(part) for name, part in group.groups.items()},
    )


def _with_links(root: ManifestGroup) -> ManifestGroup:
    """The tree with what soft links lead to in their place (LINDI: "Soft Links")."""

    def followed(group: ManifestGroup, path: str) -> ManifestGroup:
        arrays, groups, unreadable = dict(group.arrays), dict(group.groups), dict(group.unreadable)
        for name, part in group.groups.items():
            here = f"{path}/{name}" if path else name
            if "_SOFT_LINK" not in part.attributes:
                groups[name] = followed(part, here)
                continue
            del groups[name]
            found = _target(root, part)
            if isinstance(found, ManifestArray):
                arrays[name] = found
            elif isinstance(found, UnreadableVariable):
                unreadable[name] = found
            elif any("_SOFT_LINK" in inner.attributes for _, inner in found.walk()) or _leads_up(part, here):
                unreadable[name] = UnreadableVariable(
                    reason="It is a link to a group that holds links itself: open that group.", loadable=False
                )
            else:
                groups[name] = found
        return replace(group, arrays=arrays, groups=groups, unreadable=unreadable)

    return followed(root, "")


def _leads_up(link: ManifestGroup, path: str) -> bool:
    target = str(link.attributes["_SOFT_LINK"].get("path")).strip("/")
    return f"{path}/".startswith(f"{target}/") or not target


def _target(root: ManifestGroup, link: ManifestGroup) -> ManifestArray | ManifestGroup | UnreadableVariable:
    found: ManifestArray | ManifestGroup = link
    for _ in range(MAX_LINKS):
        if isinstance(found, ManifestArray) or "_SOFT_LINK" not in found.attributes:
            return found
        said = found.attributes["_SOFT_LINK"]
        path = said.get("path") if isinstance(said, Mapping) else None
        if not isinstance(path, str):
            return UnreadableVariable(reason=f"It is a soft link without a path: {said!r}.", loadable=False)
        above, _, name = path.strip("/").rpartition("/")
        try:
            holder = root[above]
            known = holder.unreadable.get(name) if isinstance(holder, ManifestGroup) else None
            if known is not None:
                return known
            found = root[path]
        except (KeyError, VzlabError):
            return UnreadableVariable(
                reason=f"It is a soft link to {path!r}, where nothing is.", loadable=False
            )
    return UnreadableVariable(reason="It is a soft link in a circle.", loadable=False)
