"""DMR++ documents as h5py and pyhdf give the files that they describe."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.corpus import CorpusEntry, expected_values
from tests.corpus_outcomes import reasons
from vzlab.datasets import open_group
from vzlab.errors import VzlabError
from vzlab.manifests import ManifestArray, ManifestGroup
from vzlab.storage import as_registry, read_array


def found(entry: CorpusEntry) -> dict[str, Any]:
    """Members of a structure put together again, variables under the names that they had in the file."""
    group = open_group(entry.location)
    wanted = expected_values(entry.path).hashes
    values: dict[str, Any] = {}
    for path, array in group.walk_arrays():
        name = str(array.metadata.attributes.get("fullnamepath", path)).strip("/")
        if name in wanted:
            values[name] = _read(array)
    for path in wanted.keys() - values.keys():
        try:
            part = group[path]
        except KeyError:
            continue
        if isinstance(part, ManifestGroup):
            values[path] = _records(part)
    return values | reasons(group)


def _read(array: ManifestArray) -> Any:
    try:
        values = read_array(array, as_registry(None))
    except VzlabError as error:
        return str(error)
    # A scalar text is bytes, as in HDF5.
    return np.asarray(values.item().encode()) if values.dtype.kind == "T" and values.ndim == 0 else values


def _records(group: ManifestGroup) -> Any:
    members = {name: _read(array) for name, array in group.arrays.items()}
    ndim = min(values.ndim for values in members.values())
    shape = next(iter(members.values())).shape[:ndim]
    records = np.zeros(shape, [(name, values.dtype, values.shape[ndim:]) for name, values in members.items()])
    for name, values in members.items():
        records[name] = values
    return records
