"""A set of references: metadata documents by key, and the columns of each array's chunks, from wherever they come."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

from vzlab.errors import CorruptFileError, UnvirtualizableError, VzlabError
from vzlab.manifests import ChunkGrid, ChunkManifest, ManifestArray, ManifestGroup, UnreadableVariable
from vzlab.manifests.manifest import MISSING
from vzlab.parsers.base import LoadedVariable
from vzlab.parsers.kerchunk.columns import Columns, as_manifest, check_grid, inline_bytes, resolver
from vzlab.parsers.zarr_documents import (
    DOCUMENT_NAMES,
    ChunkKeys,
    array_from_v2,
    array_from_v3,
    build_tree,
    read_json,
    unreadable_from,
)
from vzlab.storage import StoreRegistry, url_name

MAX_DOCUMENT_BYTES = 64 * 2**20
"""A metadata document that lies elsewhere may be this long."""

MAX_LOADED_BYTES = 2**30
"""Stored bytes of a variable that is loaded because it cannot be virtual."""


@dataclass(frozen=True, kw_only=True)
class References:
    """References to metadata and chunks of one Zarr hierarchy."""

    documents: Mapping[str, Any]
    """Metadata documents by key, parsed or as they are referred to."""
    columns: Callable[[str, ChunkKeys, ChunkGrid], Sequence[Columns]]
    """The references of the chunks of an array, by its path."""
    base: str | None
    """Url that relative paths start from."""
    registry: StoreRegistry
    fill_template: Callable[[str], str] | None = None
    """Fills templates in urls."""

    def resolve(self, target: str) -> str:
        """The absolute url of a target, of which templates are filled."""
        return resolver(self.base)(target)

    def document(self, key: str) -> Mapping[str, Any] | None:
        """A metadata document; None if there is none.

        Raises
        ------
        ValueError
            If it is no JSON object.
        """
        entry = self.documents.get(key)
        if entry is None:
            return None
        if isinstance(entry, Mapping):
            return entry
        if isinstance(entry, list | tuple):
            entry = self._fetched(key, entry)
        return read_json(inline_bytes(entry), key)

    def _fetched(self, key: str, entry: Sequence[Any]) -> bytes:
        if len(entry) not in (1, 3) or not isinstance(entry[0], str):
            raise CorruptFileError(
                f"Found the reference {str(entry)[:100]} for {key!r}; expected [url, offset, length]"
            )
        target = self.fill_template(entry[0]) if self.fill_template else entry[0]
        source = self.registry.open(self.resolve(target))
        offset, length = entry[1:] if len(entry) == 3 else (0, source.size_bytes)
        if not all(isinstance(n, int) and n >= 0 for n in (offset, length)) or length > MAX_DOCUMENT_BYTES:
            raise CorruptFileError(
                f"Found the metadata document {key!r} at {offset}, {length} bytes long, which none is"
            )
        return source.read(offset, length)

    def manifest(self, path: str, keys: ChunkKeys, grid: ChunkGrid) -> ChunkManifest:
        """Where the chunks of an array lie."""
        check_grid(grid)
        parts = self.columns(path, keys, grid)
        return as_manifest(parts, grid, self.resolve, self.registry)


@dataclass(frozen=True, kw_only=True)
class ArrayNode:
    """An array as its documents say it."""

    path: str
    document: Mapping[str, Any]
    """``.zarray`` or ``zarr.json``."""
    attributes: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """What a set of references holds below one group."""

    arrays: Sequence[ArrayNode]
    groups: Mapping[str, Mapping[str, Any]]
    """Attributes of each group by path."""
    broken: Mapping[str, UnreadableVariable]
    """Arrays of which a document cannot be read."""


def find_nodes(references: References, group: str | None, drops: Callable[[str], bool], url: str) -> Nodes:
    """Arrays and groups below a group, with paths from there; what is dropped is not looked at.

    Raises
    ------
    CorruptFileError
        If there are no metadata, or those of the group cannot be read.
    KeyError
        If there is no such group.
    """
    base = f"{group}/" if group else ""
    arrays: list[ArrayNode] = []
    groups: dict[str, Mapping[str, Any]] = {}
    broken: dict[str, UnreadableVariable] = {}
    found = False
    for key in references.documents:
        full, _, name = key.rpartition("/")
        found |= name in DOCUMENT_NAMES
        if name not in (".zarray", ".zgroup", "zarr.json") or not f"{full}/".lstrip("/").startswith(base):
            continue
        path = full[len(base) :] if full + "/" != base else ""
        if path and any(drops(part) for part in _prefixes(path)):
            continue
        try:
            document = references.document(key) or {}
            attributes = _attributes(references, full, name, document)
        except (VzlabError, ValueError) as error:
            if name == ".zgroup" or (not path and name == "zarr.json"):
                raise CorruptFileError(f"{url}: {error}") from error
            broken[path] = unreadable_from(error, {}, {}, loadable=False)
            continue
        if name == ".zgroup" or (name == "zarr.json" and document.get("node_type") == "group"):
            groups[path] = attributes
        else:
            arrays.append(ArrayNode(path=path, document=document, attributes=attributes))
    if not found:
        raise CorruptFileError(
            f"{url} holds references and no Zarr metadata (.zarray, .zgroup, zarr.json): expected those of an array"
        )
    if group and not (arrays or groups or broken):
        raise KeyError(f"No group {group!r} in {url}")
    return Nodes(arrays=arrays, groups=groups, broken=broken)


def _prefixes(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[: i + 1]) for i in range(len(parts))]


def _attributes(
    references: References, path: str, name: str, document: Mapping[str, Any]
) -> Mapping[str, Any]:
    if name == "zarr.json":
        attributes = document.get("attributes") or {}
        return attributes if isinstance(attributes, Mapping) else {}
    return references.document(f"{path}/.zattrs" if path else ".zattrs") or {}


def read_array_node(references: References, node: ArrayNode, full_path: str) -> ManifestArray:
    """An array with its references.

    Raises
    ------
    VzlabError, ValueError
        If it cannot be virtual.
    """
    if "node_type" in node.document or node.document.get("zarr_format") == 3:
        metadata, keys = array_from_v3(node.document)
    else:
        metadata, keys = array_from_v2(node.document, node.attributes)
    return ManifestArray(
        metadata=metadata, manifest=references.manifest(full_path, keys, metadata.chunk_grid)
    )


def read_group(
    references: References,
    *,
    group: str | None,
    drops: Callable[[str], bool],
    url: str,
    format: str,  # noqa: A002
    read: Callable[[References, ArrayNode, str], ManifestArray | UnreadableVariable] = read_array_node,
) -> ManifestGroup:
    """The tree of virtual arrays that references make.

    Parameters
    ----------
    read : callable
        Makes an array of a node and its path in the references.
    """
    nodes = find_nodes(references, group, drops, url)
    made: dict[str, ManifestArray | UnreadableVariable] = dict(nodes.broken)
    for node in nodes.arrays:
        full = f"{group}/{node.path}" if group else node.path
        try:
            made[node.path] = read(references, node, full)
        except (VzlabError, ValueError, TypeError, KeyError, OverflowError) as error:
            loadable = isinstance(error, NotImplementedError) and not isinstance(error, UnvirtualizableError)
            made[node.path] = unreadable_from(
                error, node.document, node.attributes, loadable=loadable and _is_v2(node)
            )
    if "" in made:
        # A hierarchy that is nothing but one array: it needs a name.
        made[url_name(url).partition(".")[0] or "array"] = made.pop("")
    return build_tree(made, nodes.groups, format=format)


def _is_v2(node: ArrayNode) -> bool:
    return node.document.get("zarr_format") == 2


def load_with_zarr(references: References, path: str, url: str) -> LoadedVariable:
    """The values of a Zarr v2 array as zarr-python reads them, with whatever codecs numcodecs has.

    Raises
    ------
    KeyError
        If there is no such array.
    UnvirtualizableError
        If zarr cannot read it either.
    """
    document = references.document(f"{path}/.zarray" if path else ".zarray")
    if document is None:
        raise KeyError(f"No array {path!r} in {url}")
    attributes = dict(references.document(f"{path}/.zattrs" if path else ".zattrs") or {})
    names = attributes.pop("_ARRAY_DIMENSIONS", None)
    try:
        grid = ChunkGrid(shape=tuple(document["shape"]), chunks=tuple(document["chunks"]))
        keys = ChunkKeys(prefix="", separator=str(document.get("dimension_separator") or "."))
        manifest = _loadable(path, references.manifest(path, keys, grid))
        held = {".zarray": inline_bytes(document)} | dict(_chunks(manifest, keys, references.registry))
        buffer = default_buffer_prototype().buffer
        store = MemoryStore({key: buffer.from_bytes(data) for key, data in held.items()}, read_only=True)
        values = np.asarray(zarr.open_array(store, mode="r", zarr_format=2)[...])
    except UnvirtualizableError:
        raise
    except Exception as error:  # codecs of others raise what they like
        raise UnvirtualizableError(f"zarr cannot read {path!r} either: {error}") from error
    return LoadedVariable(
        values=values,
        attributes=attributes,
        dimension_names=tuple(names) if isinstance(names, list) else None,
    )


def _loadable(path: str, manifest: ChunkManifest) -> ChunkManifest:
    if manifest.stored_bytes > MAX_LOADED_BYTES:
        raise UnvirtualizableError(
            f"{path!r} has {manifest.stored_bytes:,} stored bytes; at most {MAX_LOADED_BYTES:,} are loaded."
        )
    return manifest


def _chunks(manifest: ChunkManifest, keys: ChunkKeys, registry: StoreRegistry) -> list[tuple[str, bytes]]:
    chunks = []
    for index in np.argwhere(manifest.source_index != np.uint32(MISSING)).tolist():
        reference = manifest.reference(index)
        data = reference.data
        if reference.source is not None:
            data = registry.open(reference.source.url).read(reference.offset, reference.length, kind="chunk")
        chunks.append((keys.separator.join(map(str, index)) or "0", data or b""))
    return chunks
