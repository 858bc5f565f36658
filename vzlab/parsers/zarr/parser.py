"""Zarr stores, of version 2 and 3, as virtual arrays."""

# https://zarr-specs.readthedocs.io/en/latest/v3/core/ and https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

from vzlab.errors import UnvirtualizableError, VzlabError
from vzlab.manifests import ArrayMetadata, ManifestArray, ManifestGroup, UnreadableVariable
from vzlab.parsers.anonymous import AnonymousDimensions
from vzlab.parsers.base import LoadedVariable, Parser
from vzlab.parsers.kerchunk.columns import MAX_CHUNKS
from vzlab.parsers.zarr.arrays import make_array, place_of, read_metadata
from vzlab.parsers.zarr.keys import ArrayPlace, DirectoryKeys, Keys
from vzlab.parsers.zarr.nodes import Node, Nodes, find_nodes
from vzlab.parsers.zarr.shards import with_inner_chunks
from vzlab.parsers.zarr_documents import build_tree, unreadable_from
from vzlab.storage import Source, StoreRegistry, as_registry, normalize_url, url_name


@dataclass(frozen=True, kw_only=True)
class ZarrParser(Parser):
    """Parse Zarr stores: directories, prefixes of buckets, and, if their metadata are consolidated, web addresses.

    Metadata documents are read, keys are listed; no chunk is. A chunk that is not there reads as the fill value. A store
    that is one array becomes a group with that array, which is named as the store is, without ``.zarr``.

    Parameters
    ----------
    group : str, optional
        Path of the group to parse, with what is below it; None is the root.
    drop_variables : collection of str
        Names, or paths from the parsed group, of variables and groups to leave out, at every depth.
    consolidated : bool, optional
        Whether to go by consolidated metadata: True demands it, False lists instead, None takes it where there is any, as
        zarr does.
    inner_chunks : bool
        Refer to the inner chunks of shards, by reading the index of every shard, rather than to whole shards.
    max_probes : int
        Where a store does not list, such as a web server: most requests to find out which chunks an array has.

    Examples
    --------
    >>> group = ZarrParser(inner_chunks=True)("one.zarr")
    >>> group["x"].metadata.shape
    (120, 200)
    """

    consolidated: bool | None = None
    """Whether to go by consolidated metadata; None takes it where there is any."""
    inner_chunks: bool = False
    """Whether to refer to the inner chunks of shards rather than to whole shards."""
    max_probes: int = 10_000
    """Most requests to find out which chunks an array has, where the store does not list."""

    def __call__(self, url: str | os.PathLike[str], registry: Any = None) -> ManifestGroup:
        """Parse one store; see `Parser`.

        Raises
        ------
        UnsupportedFormatError
            If there is no Zarr store, or what it holds cannot be found out.
        CorruptFileError
            If the metadata of its root cannot be used.
        KeyError
            If it has no group of the chosen path.
        """
        stores = as_registry(registry)
        location = normalize_url(url).rstrip("/")
        if location.lower().partition("?")[0].endswith(".zip"):
            from vzlab.parsers.zip.parser import ZipParser

            return ZipParser(inner_parser=self)(location, stores)
        keys = DirectoryKeys(location, stores, max_probes=self.max_probes)
        return self.parse_keys(keys, stores, name=url_name(location.partition("?")[0])).without(
            self.drop_variables
        )

    _parses_group_alone = True

    def _parse(self, source: Source, registry: StoreRegistry) -> ManifestGroup:
        """Parse the store at the url of a source."""
        return self(source.url, registry)

    def parse_keys(self, keys: Keys, registry: StoreRegistry, *, name: str) -> ManifestGroup:
        """Parse a store of any kind.

        Parameters
        ----------
        keys : Keys
            What the store holds.
        name : str
            Of the store, which a root that is an array is called by.
        """
        root = self.group or ""
        nodes, decoder = find_nodes(keys, root, consolidated=self.consolidated, drops=self.drops)
        first = nodes.get("")
        if first is not None and first.kind != "group":
            if root:
                raise KeyError(f"{root!r} of {keys.url} is an array; expected a group")
            nodes = {array_name(name): first}
            paths = {array_name(name): ""}
        else:
            paths = {path: f"{root}/{path}".strip("/") for path in nodes}
        formats = sorted({node.zarr_format for node in nodes.values()})
        versions = ", ".join(f"v{number}" for number in formats)
        return build_tree(
            self._variables(keys, registry, nodes, paths),
            {path: dict(node.attributes) for path, node in nodes.items() if node.kind == "group"},
            format=f"Zarr {versions}{f', {keys.kind}' if keys.kind else ''}",
            index_decoder=decoder,
        )

    def _variables(
        self, keys: Keys, registry: StoreRegistry, nodes: Nodes, paths: dict[str, str]
    ) -> dict[str, ManifestArray | UnreadableVariable]:
        found: dict[str, ManifestArray | UnreadableVariable] = {}
        ready: dict[str, tuple[ArrayPlace, ArrayMetadata]] = {}
        groups = {path for path, node in nodes.items() if node.kind == "group"}
        for path, node in nodes.items():
            if node.kind == "group" or _lies_in_array(path, nodes, groups):
                continue
            if node.kind == "broken":
                found[path] = UnreadableVariable(reason=node.fault, loadable=False)
                continue
            try:
                metadata, chunk_keys = read_metadata(node)
            except Exception as error:  # documents of others: whatever is wrong in them is theirs  # noqa: BLE001
                found[path] = _unreadable(error, node)
            else:
                ready[path] = place_of(paths[path], metadata, chunk_keys), metadata
        objects = keys.objects([place for place, _ in ready.values()])
        for (path, (place, metadata)), stored in zip(ready.items(), objects, strict=True):
            try:
                if isinstance(stored, UnvirtualizableError):
                    raise stored
                array = make_array(place, metadata, stored)
                if self.inner_chunks:
                    array = with_inner_chunks(array, registry, path=path, max_chunks=MAX_CHUNKS)
                found[path] = array
            except VzlabError as error:
                found[path] = _unreadable(error, nodes[path])
        return _with_names(found)

    def load_variable(self, url: str | os.PathLike[str], registry: Any, path: str) -> LoadedVariable:
        """Refuse: what no reference can express, nothing else here can read."""
        raise UnvirtualizableError(
            f"{path!r} of {url} cannot be read: its codecs or data type are not known here"
        )


def _with_names(
    variables: dict[str, ManifestArray | UnreadableVariable],
) -> dict[str, ManifestArray | UnreadableVariable]:
    """Variables of which every dimension has a name: where the store gives none, one for each length.

    One for all groups: xarray wants a dimension of a group to be as long as that of the same name in a group above.
    """
    made_up = AnonymousDimensions()
    named = dict(variables)
    for path, variable in sorted(variables.items()):
        if isinstance(variable, ManifestArray):
            given = variable.metadata.dimension_names or (None,) * variable.ndim
            names = made_up.complete(given, variable.shape)
            named[path] = replace(variable, metadata=replace(variable.metadata, dimension_names=names))
    return named


def array_name(store: str) -> str:
    """What the array of a store that is nothing but one array is called."""
    return store.removesuffix(".zip").removesuffix(".zarr").strip(".") or "array"


def _lies_in_array(path: str, nodes: Nodes, groups: set[str]) -> bool:
    above = path.rpartition("/")[0]
    while above:
        if above in nodes and above not in groups:
            return True
        above = above.rpartition("/")[0]
    return False


def _unreadable(error: Exception, node: Node) -> UnreadableVariable:
    return unreadable_from(error, node.document, node.attributes, loadable=False)
