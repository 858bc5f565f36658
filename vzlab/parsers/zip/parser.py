"""ZIP archives as virtual arrays: a Zarr store inside, or a stored file of any other format."""

# https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

import numpy as np

from vzlab.detection import detect_format
from vzlab.errors import SourceNotFoundError, UnsupportedFormatError, VzlabError
from vzlab.manifests import ManifestArray, ManifestGroup, SourceFile
from vzlab.manifests.manifest import INLINE
from vzlab.parsers.base import LoadedVariable, Parser
from vzlab.parsers.zarr.parser import ZarrParser
from vzlab.parsers.zip.directory import Members, read_directory
from vzlab.parsers.zip.keys import ZipKeys, find_store
from vzlab.storage import Source, StoreRegistry, as_registry, normalize_url, url_name
from vzlab.storage.request_log import RequestKind

_TRIED = 100
"""Members whose first bytes are looked at, to find the one of a known format."""


@dataclass(frozen=True, kw_only=True)
class ZipParser(Parser):
    """Parse what lies in a ZIP archive, without unpacking it.

    A Zarr store is found at any depth; its chunks may be stored or deflated. Any other file must be stored
    (``zip -0``): its own parser reads it where it lies. The central directory is read, and no member but metadata.

    Parameters
    ----------
    group : str, optional
        Path of the group to parse, with what is below it; None is the root.
    drop_variables : collection of str
        Names, or paths from the parsed group, of variables and groups to leave out, at every depth.
    member : str, optional
        Path in the archive of the file, or of the directory of a Zarr store; None takes the only one.
    inner_parser : Parser, optional
        What parses it; None takes the parser of its format.

    Examples
    --------
    >>> group = ZipParser()("one.zip")
    >>> group["x"].metadata.shape
    (120, 200)
    """

    member: str | None = None
    """Path in the archive of what to parse; None takes the only thing of a known format."""
    inner_parser: Any = None
    """What parses it; None takes the parser of its format."""

    _parses_group_alone = True

    def _parse(self, source: Source, registry: StoreRegistry) -> ManifestGroup:
        members = read_directory(source)
        directory = (self.member or "").strip("/")
        prefix = None if directory in members.row_of else find_store(members, directory)
        if prefix is not None:
            parser = self.inner_parser or ZarrParser()
            if not isinstance(parser, ZarrParser):
                raise UnsupportedFormatError(f"{source.url} holds a Zarr store; expected a ZarrParser for it")
            chosen = replace(parser, group=self.group or parser.group, drop_variables=self._dropped(parser))
            name = url_name(prefix or source.url)
            return chosen.parse_keys(ZipKeys(members, prefix), registry, name=name).without(
                chosen.drop_variables
            )
        inner = _MemberRegistry(members, registry)
        url = inner.url_of(directory) if directory else self._only_file(members, inner)
        group: ManifestGroup = self._parser_of(url, inner)(url, inner)
        return group.map_arrays(inner.in_archive)

    def _dropped(self, parser: Parser) -> Collection[str]:
        return frozenset(self.drop_variables) | frozenset(parser.drop_variables)

    def _parser_of(self, url: str, registry: _MemberRegistry) -> Any:
        if self.inner_parser is not None:
            return self.inner_parser
        from vzlab.parsers import parser_for

        return parser_for(detect_format(url, registry), url)(
            group=self.group, drop_variables=self.drop_variables
        )

    def _only_file(self, members: Members, registry: _MemberRegistry) -> str:
        """The url of the one stored member of a format that has a parser."""
        names = list(members.names)
        if len(names) == 1:
            return registry.url_of(names[0])
        found = []
        for name in names[:_TRIED]:
            try:
                if detect_format(url := registry.url_of(name), registry).parser is not None:
                    found.append((name, url))
            except VzlabError:
                continue
        if len(found) == 1:
            return found[0][1]
        what = "several files" if found else "no stored file"
        listed = ", ".join(repr(name) for name in ([name for name, _ in found] or names)[:5])
        raise UnsupportedFormatError(
            f"{members.source.url} holds {what} of a known format, and no Zarr store ({listed or 'it is empty'}): choose one "
            "with parser=ZipParser(member=...), or unpack the archive."
        )

    def load_variable(self, url: str | os.PathLike[str], registry: Any, path: str) -> LoadedVariable:
        """Read a variable of the file in the archive with its own parser."""
        stores = as_registry(registry)
        members = read_directory(stores.open(os.fspath(url)))
        inner = _MemberRegistry(members, stores)
        directory = (self.member or "").strip("/")
        if directory not in members.row_of and find_store(members, directory) is not None:
            return (self.inner_parser or ZarrParser()).load_variable(url, registry, path)
        place = inner.url_of(directory) if directory else self._only_file(members, inner)
        loaded: LoadedVariable = self._parser_of(place, inner).load_variable(place, inner, path)
        return loaded


class _MemberSource(Source):
    """A stored member of an archive, as if it were a file of its own."""

    def __init__(self, url: str, archive: Source, offset: int, size: int) -> None:
        super().__init__(url)
        self._archive = archive
        self._offset = offset
        self._size = size

    @property
    def size_bytes(self) -> int:
        return self._size

    @property
    def etag(self) -> str | None:
        return self._archive.etag

    @property
    def last_modified(self) -> datetime:
        return self._archive.last_modified

    def read(self, offset: int, length: int, *, kind: RequestKind = "range") -> bytes:
        # What lies behind the member belongs to others.
        inside = max(min(length, self._size - offset), 0)
        data = self._archive.read(self._offset + offset, inside, kind=kind) if inside else b""
        return self._checked(data, offset, length)


class _MemberRegistry(StoreRegistry):
    """A registry in which the members of an archive have urls: below that of the archive."""

    def __init__(self, members: Members, registry: StoreRegistry) -> None:
        super().__init__(
            registry.stores, resolver=registry.resolver, storage_options=registry.storage_options
        )
        self._archive_url = members.source.url
        self._members = members
        self._outer = registry
        self._opened: dict[str, _MemberSource] = {}

    def url_of(self, name: str) -> str:
        """The url that a member has here."""
        return normalize_url(f"{self._archive_url}/{quote(name)}")

    def open(self, location: str | os.PathLike[str]) -> Source:
        """A member, or whatever else lies at a url.

        Raises
        ------
        SourceNotFoundError
            If the archive has no such member.
        UnsupportedFormatError
            If it is not stored.
        """
        url = normalize_url(location)
        if not url.startswith(f"{self._archive_url}/"):
            return self._outer.open(location)
        if url not in self._opened:
            self._opened[url] = self._member(url)
        return self._opened[url]

    def _member(self, url: str) -> _MemberSource:
        members = self._members
        names = [name for name in members.names if self.url_of(name) == url]
        if not names:
            listed = ", ".join(map(repr, members.names[:5]))
            raise SourceNotFoundError(f"No member at {url}; the archive holds {listed or 'nothing'}")
        row = members.row_of[names[0]]
        if not members.stored[row]:
            raise UnsupportedFormatError(
                f"{names[0]!r} in {self._archive_url} is {members.why_not(row)}: chunks inside of it cannot be referenced. "
                "Unpack it, or make the archive anew without compression (zip -0)."
            )
        (offset,) = members.content_offsets(np.array([row]))
        return _MemberSource(url, members.source, int(offset), int(members.packed[row]))

    def in_archive(self, array: ManifestArray) -> ManifestArray:
        """The array with references into the archive instead of into its members."""
        manifest = array.manifest
        shifts = [self._opened[s.url]._offset if s.url in self._opened else 0 for s in manifest.sources]
        if not any(source.url in self._opened for source in manifest.sources):
            return array
        archive: SourceFile = self._members.source.source_file()
        index = manifest.source_index
        virtual = index < INLINE
        shift = np.array(shifts, np.uint64)[np.where(virtual, index, 0)]
        moved = manifest.replace(offsets=manifest.offsets + np.where(virtual, shift, np.uint64(0)))
        sources = [archive if source.url in self._opened else source for source in manifest.sources]
        return replace(array, manifest=moved.with_sources(sources))
