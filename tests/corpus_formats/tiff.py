"""TIFF pages by number, as tifffile gives them with bands first."""

from __future__ import annotations

from typing import Any

from tests.corpus import CorpusEntry
from tests.corpus_outcomes import Loaded
from vzlab.datasets import open_group
from vzlab.errors import VzlabError
from vzlab.manifests import UnreadableVariable
from vzlab.parsers import TIFFParser
from vzlab.storage import as_registry, read_array

MAX_BYTES = 1 << 28
"""The collection has no values of larger pages."""


def found(entry: CorpusEntry) -> dict[str, Any]:
    """Values, or the reason of refusal, of each page of the main chain."""
    group = open_group(entry.location)
    pages: dict[str, Any] = {}
    for path, part in group.walk():
        for name, variable in part.unreadable.items():
            if "tiff_subifd" not in variable.attributes:
                number = str(variable.attributes["tiff_page"])
                pages[number] = _loaded(entry, f"{path}/{name}".strip("/"), variable)
    for _, array in group.walk_arrays():
        attributes = array.metadata.attributes
        if "tiff_page" in attributes and "tiff_subifd" not in attributes and array.nbytes <= MAX_BYTES:
            try:
                pages[str(attributes["tiff_page"])] = read_array(array, as_registry(None))
            except VzlabError as error:
                pages[str(attributes["tiff_page"])] = str(error)
    return pages


def _loaded(entry: CorpusEntry, path: str, variable: UnreadableVariable) -> Loaded | str:
    """Values that tifffile or GDAL loads, or the reason of refusal."""
    # Of samples that tifffile has no type for, the collection's reader had an empty array, and GDAL has values.
    if not variable.loadable or variable.dtype == "None":
        return variable.reason
    try:
        return Loaded(values=TIFFParser().load(entry.location, None, path), reason=variable.reason)
    except VzlabError:
        return variable.reason
