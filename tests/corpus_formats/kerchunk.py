"""Kerchunk references as fsspec and zarr give them."""

from __future__ import annotations

from typing import Any

from tests.corpus import CorpusEntry, expected_values
from tests.corpus_outcomes import reasons
from vzlab.datasets import open_group
from vzlab.manifests import ManifestGroup
from vzlab.parsers import KerchunkParser
from vzlab.storage import as_registry, read_array


def found(entry: CorpusEntry) -> dict[str, Any]:
    """Of a file that lists several sets, the independent reader looked at the first; what cannot be virtual is loaded."""
    group = open_group(entry.location)
    parser = KerchunkParser()
    prefix = ""
    if "list-of-refs" in entry.special:
        first = group["0"]
        assert isinstance(first, ManifestGroup)
        group, prefix = first, "0/"
    wanted = expected_values(entry.path).hashes
    values: dict[str, Any] = {
        path: read_array(array, as_registry(None)) for path, array in group.walk_arrays() if path in wanted
    }
    refused = reasons(group)
    for path, part in group.walk():
        for name, variable in part.unreadable.items():
            full = f"{path}/{name}" if path else name
            if variable.loadable and full in wanted:
                refused[full] = parser.load(entry.location, None, prefix + full)
    return values | refused
