"""Two groups are equal where every field is the same, a NaN like any other."""

from __future__ import annotations

import pickle
from dataclasses import fields
from typing import Any

import pytest

from tests.storage.groups import raw_array
from vzlab.manifests import ManifestGroup, UnreadableVariable

ARRAY = raw_array("file:///a", (1,), (1,), dtype="<f4")
FIELDS: dict[str, Any] = {
    "arrays": {"x": ARRAY},
    "groups": {"a": ManifestGroup(page_bytes=512)},
    "attributes": {"missing_value": float("nan")},
    "unreadable": {
        "x": UnreadableVariable(reason="r", loadable=False, shape=(2,), attributes={"v": float("nan")})
    },
    "format": "netCDF4 / HDF5",
    "index_decoder": "h5py",
    "page_bytes": 4096,
    "max_shapes": {"x": (None, 4)},
    "links": {"x": "soft link to '/y'"},
    "header_bytes": 80,
}


def test_there_is_a_value_for_every_field() -> None:
    assert list(FIELDS) == [field.name for field in fields(ManifestGroup)]


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_counts(field: str) -> None:
    group = ManifestGroup(**{field: FIELDS[field]})
    assert group != ManifestGroup()
    assert group == pickle.loads(pickle.dumps(group))
