"""GRIB messages in the order of the file, as eccodes gives them: the first field of each, flat, in the order stored."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.corpus import CorpusEntry, expected_values
from vzlab.datasets import open_group
from vzlab.manifests import ManifestArray
from vzlab.storage import as_registry, read_array


def found(entry: CorpusEntry) -> dict[str, Any]:
    """Values of each message that is asked for; fields after the first of a message are not."""
    group = open_group(entry.location)
    wanted = expected_values(entry.path).hashes
    # Of the fields of one message the first ends first: it is the last one that is put in here.
    places: dict[int, tuple[int, ManifestArray, tuple[int, ...]]] = {}
    for _, array in group.walk_arrays():
        manifest = array.manifest
        for at in np.argwhere(manifest.source_index < len(manifest.sources)):
            offset, length = (int(column[tuple(at)]) for column in (manifest.offsets, manifest.lengths))
            if offset not in places or length < places[offset][0]:
                places[offset] = length, array, tuple(int(i) for i in at)
    names = {f"message[{i}]": offset for i, offset in enumerate(sorted(places))}
    values = {name: _stored(*places[offset][1:]) for name, offset in names.items() if name in wanted}
    refused = {name: v.reason for _, part in group.walk() for name, v in part.unreadable.items()}
    return values | refused


def _stored(array: ManifestArray, at: tuple[int, ...]) -> Any:
    header = array.ndim - _n_grid_dimensions(array)
    field = array[tuple(slice(i, i + 1) for i in at[:header])]
    values = read_array(field, as_registry(None)).ravel()
    turned = array.codecs[-1]["configuration"].get("row_length")
    if turned:
        rows = values.reshape(-1, turned)
        rows[1::2] = rows[1::2, ::-1].copy()
    return values


def _n_grid_dimensions(array: ManifestArray) -> int:
    return 1 if (array.metadata.dimension_names or ())[-1] == "values" else 2
