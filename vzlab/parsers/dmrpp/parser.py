"""DMR++ documents, by which OPeNDAP's Hyrax and NASA's archives describe the chunks of other files.

DAP4 specification, volume 1; https://github.com/OPENDAP/bes, modules/dmrpp_module.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element

from vzlab.errors import CorruptFileError, UnvirtualizableError
from vzlab.manifests import ManifestArray, ManifestGroup, UnreadableVariable
from vzlab.parsers.anonymous import AnonymousDimensions
from vzlab.parsers.base import LoadedVariable, Parser
from vzlab.parsers.dmrpp.attributes import read_attributes
from vzlab.parsers.dmrpp.datatypes import VARIABLES
from vzlab.parsers.dmrpp.described_file import without_strangers
from vzlab.parsers.dmrpp.document import children, name_of, read_document
from vzlab.parsers.dmrpp.locations import DataFiles
from vzlab.parsers.dmrpp.variables import Declared, VariableReader
from vzlab.storage import Source, StoreRegistry


@dataclass(frozen=True, kw_only=True)
class DMRPPParser(Parser):
    """Parse DMR++ documents.

    The document alone is read, and what it holds itself is decoded; of the file that it describes, only the length. Where
    that is an HDF5 file on this machine, HDF5 is asked whether one chunk of each variable lies where the document says. A
    ``Structure`` becomes an array of records, or a group with one array for each member where a member is an array.

    Parameters
    ----------
    data_url : str, optional
        The file that all chunks lie in, whatever the document says. None takes ``dmrpp:href``: a relative one starts at the
        document, and a file of its name beside the document is taken too.
    check_local : bool
        Whether a data file on this machine is asked whether it is the one that the document describes.
    group : str, optional
        Path of the group to parse, with what is below it; None is the root.
    drop_variables : collection of str
        Names, or paths from the parsed group, of variables and groups to leave out, at every depth.

    Examples
    --------
    >>> group = DMRPPParser(data_url="data.h5")("data.h5.dmrpp")
    >>> group["x"].metadata.shape
    (120, 200)
    """

    data_url: str | None = None
    """The file that all chunks lie in, whatever the document says."""
    check_local: bool = True
    """Whether a data file on this machine is asked for one chunk of each variable."""

    _parses_group_alone = True

    def _parse(self, source: Source, registry: StoreRegistry) -> ManifestGroup:
        root = read_document(source)
        files = DataFiles(document=source, registry=registry, data_url=self.data_url)
        reader = VariableReader(
            files=files,
            registry=registry,
            default_href=root.get("dmrpp:href", ""),
            ordered_filters=bool(root.get("dmrpp:version")),
        )
        scope = _Scope(element=root, path="", url=source.url)
        for name in (self.group or "").split("/") if self.group else ():
            below = {name_of(group, source.url): group for group in children(scope.element, "Group")}
            if name not in below:
                raise KeyError(
                    f"No group {self.group!r} in {source.url}: here are {', '.join(below) or 'none'}"
                )
            scope = scope.inside(below[name], name)
        group = self._group(scope, reader, "")
        return without_strangers(group) if self.check_local else group

    def load_variable(self, url: str | os.PathLike[str], registry: Any, path: str) -> LoadedVariable:
        """Refuse: a DMR++ document has no library of its own that could read more than its chunks.

        Raises
        ------
        UnvirtualizableError
            Always.
        """
        raise UnvirtualizableError(
            f"{path!r} of {os.fspath(url)} cannot be loaded through a DMR++ document. Open the data file that it describes."
        )

    def _group(self, scope: _Scope, reader: VariableReader, path: str) -> ManifestGroup:
        arrays: dict[str, ManifestArray] = {}
        unreadable: dict[str, UnreadableVariable] = {}
        groups: dict[str, ManifestGroup] = {}
        dimensions = AnonymousDimensions()
        variables = [element for element in scope.element if element.tag in VARIABLES]
        names = [name_of(element, scope.url) for element in variables]
        for element, name in zip(variables, names, strict=True):
            if self.drops(f"{path}{name}"):
                continue
            if name in arrays or name in unreadable or name in groups:
                raise CorruptFileError(
                    f"{scope.url}: two variables are called {scope.path}/{name}. The document is damaged."
                )
            declared = scope.declare(element, name, dimensions, frozenset(names))
            found = reader.read(declared)
            if isinstance(found, ManifestArray):
                arrays[name] = found
            elif isinstance(found, ManifestGroup):
                groups[name] = found
            else:
                unreadable[name] = found
        for element in children(scope.element, "Group"):
            name = name_of(element, scope.url)
            if self.drops(f"{path}{name}"):
                continue
            if name in groups:
                raise CorruptFileError(
                    f"{scope.url}: two groups are called {scope.path}/{name}. The document is damaged."
                )
            groups[name] = self._group(scope.inside(element, name), reader, f"{path}{name}/")
        return ManifestGroup(
            arrays=arrays,
            groups=groups,
            attributes=read_attributes(scope.element),
            unreadable=unreadable,
            format="DMR++",
        )


@dataclass(frozen=True, kw_only=True)
class _Scope:
    """A group of the document, and what names mean in it (DAP4 specification, "Fully qualified names")."""

    element: Element
    path: str
    """From the root, with a slash before each name; the root's is empty."""
    url: str
    dimensions: Mapping[str, int] = field(default_factory=dict)
    """Lengths of the groups above, by path."""
    enumerations: Mapping[str, Element] = field(default_factory=dict)

    def __post_init__(self) -> None:
        own = {
            f"{self.path}/{name_of(each, self.url)}": self._length(each)
            for each in children(self.element, "Dimension")
        }
        enums = {
            f"{self.path}/{name_of(each, self.url)}": each for each in children(self.element, "Enumeration")
        }
        object.__setattr__(self, "dimensions", {**self.dimensions, **own})
        object.__setattr__(self, "enumerations", {**self.enumerations, **enums})

    def inside(self, element: Element, name: str) -> _Scope:
        """A group of this one."""
        return _Scope(
            element=element,
            path=f"{self.path}/{name}",
            url=self.url,
            dimensions=self.dimensions,
            enumerations=self.enumerations,
        )

    def declare(
        self, element: Element, name: str, anonymous: AnonymousDimensions, siblings: frozenset[str]
    ) -> Declared:
        """A variable with the dimensions and enumeration that it names."""
        shape: list[int] = []
        names: list[str | None] = []
        for dim in children(element, "Dim"):
            reference = dim.get("name")
            if reference is None:
                shape.append(self._length(dim))
                names.append(None)
                continue
            full = self._resolve(reference, self.dimensions)
            if full is None:
                raise CorruptFileError(
                    f"{self.url}: variable {self.path}/{name} has a dimension {reference!r}, which nothing declares."
                )
            shape.append(self.dimensions[full])
            short = full.rpartition("/")[2]
            # A dimension of the same name nearer by would be mistaken for it.
            names.append(short if self._resolve(short, self.dimensions) == full else full.replace("/", "_"))
        repeated = [each if names.index(each) == i else None for i, each in enumerate(names)]
        enumeration = None
        if element.tag == "Enum":
            found = self._resolve(element.get("enum", ""), self.enumerations)
            enumeration = None if found is None else self.enumerations[found]
        return Declared(
            element=element,
            name=name,
            path=f"{self.path}/{name}".strip("/"),
            shape=tuple(shape),
            dimension_names=anonymous.complete(repeated, shape),
            enumeration=enumeration,
            coordinates=self._coordinates(element, name, names, siblings),
        )

    def _coordinates(
        self, element: Element, name: str, names: Sequence[str | None], siblings: frozenset[str]
    ) -> str:
        """Maps that are variables beside this one, as CF's attribute ``coordinates`` names them."""
        maps = [
            (full or "").rpartition("/") for full in (each.get("name") for each in children(element, "Map"))
        ]
        beside = [last for group, _, last in maps if group == self.path and last in siblings]
        return " ".join(each for each in beside if each not in names and each != name)

    def _resolve(self, name: str, known: Mapping[str, Any]) -> str | None:
        """The full name of what a name means here: absolute, or in this group or the nearest above."""
        if name.startswith("/"):
            return name if name in known else None
        group = self.path
        while True:
            if f"{group}/{name}" in known:
                return f"{group}/{name}"
            if not group:
                return None
            group = group.rpartition("/")[0]

    def _length(self, element: Element) -> int:
        text = element.get("size", "")
        if not text.isascii() or not text.isdecimal() or len(text) > 15:
            raise CorruptFileError(
                f"{self.url}: {element.get('name', 'a dimension')!r} has size {text[:40]!r}; expected a number."
            )
        return int(text)
