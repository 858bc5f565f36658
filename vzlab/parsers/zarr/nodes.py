"""Which groups and arrays a Zarr store has: from consolidated metadata, or level by level."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from vzlab.errors import (
    CorruptFileError,
    SourceNotFoundError,
    UnreachableChunkError,
    UnsupportedFormatError,
)
from vzlab.parsers.zarr.keys import Keys
from vzlab.parsers.zarr_documents import read_json
from vzlab.storage import local_path

MAX_DEPTH = 100
"""Groups deeper than this are left out; listing names them."""

MAX_NODES = 100_000
"""A store that seems to hold more groups, arrays and other directories is refused: most likely links go round in a cycle."""

_V2 = (".zarray", ".zgroup", ".zattrs")


@dataclass(frozen=True, kw_only=True)
class Node:
    """One array or group, as its documents say it."""

    kind: Literal["array", "group", "broken"]
    zarr_format: Literal[2, 3]
    document: Mapping[str, Any] = field(default_factory=dict)
    """``zarr.json``, ``.zarray`` or ``.zgroup``."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Those of the node, still as the documents have them."""
    fault: str = ""
    """Why it is broken."""


type Nodes = dict[str, Node]


def find_nodes(
    keys: Keys, root: str, *, consolidated: bool | None, drops: Callable[[str], bool]
) -> tuple[Nodes, str]:
    """Every node from a path on.

    Parameters
    ----------
    root : str
        Path in the store where to begin; nodes are named from there.
    consolidated : bool or None
        Whether to go by consolidated metadata: True demands it, None takes it where there is any.
    drops : callable
        Whether a node of some path, from `root`, is not wanted.

    Returns
    -------
    nodes : dict of path to Node
        The root's path is ``""``.
    decoder : str
        How nodes were found, in words.

    Raises
    ------
    UnsupportedFormatError
        If there is no Zarr node at the root, or nodes cannot be found without listing.
    CorruptFileError
        If the documents of the root contradict the specification.
    KeyError
        If there is nothing at the chosen path.
    """
    places = ["", root] if root else [""]
    names = ("zarr.json", ".zmetadata", *_V2)
    found = keys.read([f"{place}/{name}" if place else name for place in places for name in names])
    for i, place in enumerate(places):
        documents = dict(zip(names, found[i * len(names) : (i + 1) * len(names)], strict=True))
        nodes = None if consolidated is False else _consolidated(keys.url, place, documents)
        if nodes is not None:
            return _chosen(
                nodes, root.removeprefix(place).strip("/"), drops, keys.url
            ), "consolidated metadata"
        if place != root:
            continue
        node = _node(place, documents)
        if node is None:
            break
        if node.kind == "broken":
            raise CorruptFileError(
                f"{keys.url}: {node.fault} The store is damaged: write its metadata again."
            )
        if consolidated:
            raise UnsupportedFormatError(
                f"{keys.url} has no consolidated metadata, and consolidated=True asks for it: make it with "
                "zarr.consolidate_metadata, or leave it out"
            )
        return _crawled(keys, root, node, drops), "listing"
    if root and any(document is not None for document in found[: len(names)]):
        raise KeyError(f"{keys.url} has no group {root!r}")
    path = local_path(keys.url)
    if path is not None and not Path(path).exists():
        raise SourceNotFoundError(f"There is nothing at {keys.url}. Check the path, or mount what it is on.")
    raise UnsupportedFormatError(
        f"{keys.url} holds none of zarr.json, .zgroup, .zarray and .zmetadata: it is no Zarr store. Give the url of "
        "the store itself."
    )


def _node(path: str, documents: Mapping[str, bytes | None]) -> Node | None:
    """The node that the documents at one path make, if any; Zarr v3 goes before v2, as zarr reads it."""
    data = documents.get("zarr.json")
    zarr_format: Literal[2, 3] = 2 if data is None else 3
    try:
        if data is not None:
            return node_of_v3(read_json(data, f"{path}/zarr.json".strip("/")))
        for name, kind in ((".zarray", "array"), (".zgroup", "group")):
            data = documents.get(name)
            if data is None:
                continue
            document = read_json(data, f"{path}/{name}".strip("/"))
            zattrs = documents.get(".zattrs")
            attributes = {} if zattrs is None else read_json(zattrs, f"{path}/.zattrs".strip("/"))
            return _node_of_v2(kind, document, attributes)
    except ValueError as error:
        return Node(kind="broken", zarr_format=zarr_format, fault=f"{error}.")
    return None


def node_of_v3(document: Mapping[str, Any]) -> Node:
    """The node that a ``zarr.json`` describes (Zarr v3 core specification, "Array metadata", "Group metadata")."""
    kind, attributes = document.get("node_type"), document.get("attributes")
    if document.get("zarr_format") != 3 or kind not in ("array", "group"):
        raise ValueError(
            f"Found zarr_format {str(document.get('zarr_format'))[:80]!r} and node_type {str(kind)[:40]!r}; expected 3 and "
            "'array' or 'group'"
        )
    attributes = attributes if isinstance(attributes, Mapping) else {}
    return Node(
        kind="array" if kind == "array" else "group", zarr_format=3, document=document, attributes=attributes
    )


def _node_of_v2(kind: str, document: Mapping[str, Any], attributes: Mapping[str, Any]) -> Node:
    if document.get("zarr_format") != 2:
        raise ValueError(f"Found zarr_format {str(document.get('zarr_format'))[:80]!r}; expected 2")
    return Node(
        kind="array" if kind == "array" else "group", zarr_format=2, document=document, attributes=attributes
    )


# -- consolidated -----------------------------------------------------------------------------------------------------


def _consolidated(url: str, path: str, documents: Mapping[str, bytes | None]) -> Nodes | None:
    """All nodes at and below a path that has consolidated metadata."""
    try:
        if (data := documents["zarr.json"]) is not None:
            document = read_json(data, "zarr.json")
            part = document.get("consolidated_metadata")
            if not isinstance(part, Mapping) or document.get("node_type") != "group":
                return None
            return {"": node_of_v3(document)} | _all_of_v3(_mapping(part.get("metadata")))
        if (data := documents[".zmetadata"]) is not None:
            return _all_of_v2(_mapping(read_json(data, ".zmetadata").get("metadata")))
    except ValueError as error:
        raise CorruptFileError(
            f"{url}: the consolidated metadata{f' of {path!r}' if path else ''} cannot be used: {error}. Read the store without "
            "them: ZarrParser(consolidated=False)."
        ) from error
    return None


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"found {str(value)[:60]!r} for its entries; expected a JSON object")  # noqa: TRY004
    return value


def _all_of_v3(metadata: Mapping[str, Any]) -> Nodes:
    nodes: Nodes = {}
    for path, document in metadata.items():
        try:
            nodes[path.strip("/")] = node_of_v3(read_json(document, path))
        except ValueError as error:
            nodes[path.strip("/")] = Node(kind="broken", zarr_format=3, fault=f"{error}.")
    return nodes


def _all_of_v2(metadata: Mapping[str, Any]) -> Nodes:
    by_path: dict[str, dict[str, Any]] = {}
    for key, document in metadata.items():
        path, _, name = key.rpartition("/")
        if name in _V2:
            by_path.setdefault(path.strip("/"), {})[name] = document
    nodes: Nodes = {}
    for path, documents in by_path.items():
        kind = "array" if ".zarray" in documents else "group"
        try:
            document = read_json(documents.get(f".z{kind}", {"zarr_format": 2}), f"{path}/.z{kind}")
            nodes[path] = _node_of_v2(
                kind, document, read_json(documents.get(".zattrs", {}), f"{path}/.zattrs")
            )
        except ValueError as error:
            nodes[path] = Node(kind="broken", zarr_format=2, fault=f"{error}.")
    return nodes


def _chosen(nodes: Nodes, root: str, drops: Callable[[str], bool], url: str) -> Nodes:
    """The nodes from a path on, without what is dropped and what lies too deep."""
    below = f"{root}/" if root else ""
    chosen = {
        path[len(below) :]: node for path, node in nodes.items() if path.startswith(below) or path == root
    }
    if root and root in chosen:
        chosen[""] = chosen.pop(root)
    if not chosen:
        raise KeyError(f"{url} has no group {root!r}")
    dropped = {path for path in chosen if path and drops(path)}
    return {
        path: node
        for path, node in chosen.items()
        if path.count("/") < MAX_DEPTH and not (dropped and any(p in dropped for p in _upwards(path)))
    }


def _upwards(path: str) -> Iterable[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]


# -- level by level ---------------------------------------------------------------------------------------------------


def _crawled(keys: Keys, root: str, first: Node, drops: Callable[[str], bool]) -> Nodes:
    """All nodes, by listing one level of groups after the other."""
    nodes = {"": first}
    names = ("zarr.json",) if first.zarr_format == 3 else _V2
    level = [""] if first.kind == "group" else []
    n_looked = 0
    for depth in range(MAX_DEPTH + 1):
        if not level:
            break
        try:
            listed = keys.list_dirs([_join(root, path) for path in level])
        except UnreachableChunkError as error:
            raise UnsupportedFormatError(
                f"What {keys.url} holds cannot be found out: it has no consolidated metadata, and {error}. Consolidate it "
                "(zarr.consolidate_metadata), give the url of one array, or a registry with a store that lists."
            ) from error
        paths = [
            path
            for above, below in zip(level, listed, strict=True)
            for name in below
            if not name.startswith(".") and not drops(path := _join(above, name))
        ]
        if n_looked + len(paths) > MAX_NODES:
            raise CorruptFileError(
                f"{keys.url} seems to hold more than {MAX_NODES:,} directories: give group=..."
            )
        found = keys.read([f"{_join(root, path)}/{name}" for path in paths for name in names])
        level = []
        for i, path in enumerate(paths):
            node = _node(path, dict(zip(names, found[i * len(names) : (i + 1) * len(names)], strict=True)))
            if node is None:  # some writers make directories within groups, and groups below these
                level.append(path)
                continue
            if node.kind == "group" and depth == MAX_DEPTH:
                node = Node(
                    kind="broken",
                    zarr_format=node.zarr_format,
                    fault=f"It lies more than {MAX_DEPTH} groups deep.",
                )
            nodes[path] = node
            if node.kind == "group":
                level.append(path)
        n_looked += len(paths)
    return nodes


def _join(above: str, name: str) -> str:
    return f"{above}/{name}" if above else name
