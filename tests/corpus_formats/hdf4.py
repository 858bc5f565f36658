"""HDF4 as pyhdf gives it: scientific datasets by their names, without the groups that they are in."""

from __future__ import annotations

from typing import Any

from tests.corpus import CorpusEntry, expected_values
from tests.corpus_outcomes import refused
from vzlab.datasets import open_group
from vzlab.errors import VzlabError
from vzlab.storage import as_registry, read_array


def found(entry: CorpusEntry) -> dict[str, Any]:
    """Values, or reasons of refusal, by the last part of the path."""
    group = open_group(entry.location)
    wanted = expected_values(entry.path).hashes
    values: dict[str, Any] = {
        path.rpartition("/")[2]: reason for path, reason in refused(entry, group).items()
    }
    for path, array in group.walk_arrays():
        name = path.rpartition("/")[2]
        if name in wanted:
            try:
                values[name] = read_array(array, as_registry(None))
            except VzlabError as error:
                values[name] = str(error)
    return values
