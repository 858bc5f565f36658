"""A DMR++ document as a tree of elements, parsed without entities and without fetching anything."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from vzlab.errors import CorruptFileError, UnsupportedFormatError
from vzlab.storage import Source

MAX_DOCUMENT_BYTES = 2**30
"""A longer document is refused: its elements would take several times that in memory."""

MAX_DEPTH = 100
"""Groups within groups, or attributes within attributes."""


def read_document(source: Source) -> Element:
    """The element ``Dataset`` of a document, with names of elements as `tag_of` gives them.

    Raises
    ------
    CorruptFileError
        If it is not well-formed XML, declares a document type, or nests too deep.
    UnsupportedFormatError
        If it is XML of another kind, or too long.
    """
    if source.size_bytes > MAX_DOCUMENT_BYTES:
        raise UnsupportedFormatError(
            f"{source.url} has {source.size_bytes} bytes, more than a DMR++ document may ({MAX_DOCUMENT_BYTES})."
        )
    try:
        root: Element = fromstring(source.read(0, source.size_bytes), forbid_dtd=True)
    except (ParseError, ValueError, LookupError) as error:
        what = (
            "declares a document type, which is not read for safety"
            if isinstance(error, DefusedXmlException)
            else f"is not well-formed XML: {error}"
        )
        raise CorruptFileError(
            f"{source.url} {what}; expected a DMR++ document. Fetch it again, or make it again with build_dmrpp."
        ) from error
    if _tag(root) != "Dataset":
        raise UnsupportedFormatError(
            f"{source.url} holds an element {root.tag!r}; expected Dataset of DAP 4.0. Open it with the parser of its own format."
        )
    _normalize(root, source.url)
    return root


def _normalize(root: Element, url: str) -> None:
    """Name elements and the root's attributes by their local names, DMR++'s own with ``dmrpp:`` before; check the depth."""
    # A document has few names and, it may be, millions of chunks.
    tags: dict[str, str] = {}
    for name in [name for name in root.attrib if "}" in name]:
        root.attrib[f"dmrpp:{name.rpartition('}')[2]}"] = root.attrib.pop(name)
    level = [root]
    for _ in range(MAX_DEPTH):
        below: list[Element] = []
        for element in level:
            tag = element.tag
            element.tag = tags.get(tag) or tags.setdefault(tag, _tag(element))
            if len(element):
                below.extend(element)
        if not below:
            return
        level = below
    raise CorruptFileError(
        f"{url} nests elements over {MAX_DEPTH} levels deep; no DMR++ document does. It is damaged."
    )


def _tag(element: Element) -> str:
    # Versions of the format differ in the namespace (http or https, dap/dmrpp/1.0.0# or ns/dmrpp/1.0#), not in the names.
    space, _, name = element.tag.rpartition("}")
    return f"dmrpp:{name}" if "dmrpp" in space else name


def children(element: Element, tag: str) -> Iterator[Element]:
    """The elements of a name directly inside of one."""
    return (
        element.iterfind(f"./{tag}") if ":" not in tag else (child for child in element if child.tag == tag)
    )


def child(element: Element, tag: str) -> Element | None:
    """The first of them."""
    return next(children(element, tag), None)


def name_of(element: Element, url: str) -> str:
    """The attribute ``name``.

    Raises
    ------
    CorruptFileError
        If there is none, or it could not be a name.
    """
    name = element.get("name", "")
    if not name or "/" in name:
        raise CorruptFileError(
            f"{url}: an element {element.tag} is called {name!r}; expected a name without '/'. It is damaged."
        )
    return name
