"""The JSON form of every kind of inspection is what its published schema says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import xarray as xr
import zarr

import vzlab as vz
from tests.archives import write_daily_file, write_daily_files
from tests.inspection.arrays import virtual_array
from vzlab.inspection.json_schema import inspection_schema
from vzlab.inspection.model import SCHEMA
from vzlab.manifests import ManifestGroup, UnreadableVariable

jsonschema = pytest.importorskip("jsonschema")

PUBLISHED = Path(__file__).parents[2] / "docs" / "schemas" / f"{SCHEMA.replace('/', '-')}.schema.json"


def a_file(folder: Path) -> Any:
    return write_daily_file(folder / "sst.nc")


def many_files(folder: Path) -> Any:
    write_daily_files(folder, n_days=2, odd_days={1: {"scale_factor": 0.5}})
    return str(folder / "*.nc")


def a_repository(folder: Path) -> Any:
    repository = icechunk.Repository.create(icechunk.in_memory_storage())
    session = repository.writable_session("main")
    zarr.open_group(session.store).create_array("a", data=np.arange(4.0), chunks=(2,))
    session.commit("first")
    return repository


def a_lazy_dataset(folder: Path) -> Any:
    return xr.open_zarr(vz.open_manifest_store(a_file(folder)), consolidated=False, chunks=None)


def a_sharded_array(folder: Path) -> Any:
    return zarr.create_array({}, shape=(8, 8), shards=(4, 4), chunks=(2, 2), dtype="f4", fill_value=np.nan)


def odd_things(folder: Path) -> Any:
    odd = {"nan": float("nan"), "bytes": b"\xff", "nested": {"a": [1, None]}, "flag_values": [1, 2]}
    unreadable = UnreadableVariable(reason="no reason", loadable=False, attributes=odd)
    array = virtual_array((3, 4), n_missing=2, n_inline=2, attributes=odd)
    return ManifestGroup(
        arrays={"a": array}, groups={"g": ManifestGroup(arrays={"b": array})}, unreadable={"x": unreadable}
    )


SUBJECTS = [a_file, many_files, a_repository, a_lazy_dataset, a_sharded_array, odd_things]


@pytest.mark.parametrize("map_cells", [0, 16])
@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda made: made.__name__)
def test_the_json_form_is_what_the_schema_says(
    tmp_path: Path, subject: Callable[[Path], Any], map_cells: int
):
    document = vz.inspect(subject(tmp_path)).to_dict(map_cells=map_cells)
    assert document["schema"] == SCHEMA
    text = json.dumps(document, allow_nan=False)
    jsonschema.Draft202012Validator(json.loads(PUBLISHED.read_text())).validate(json.loads(text))


def test_the_published_schema_is_that_of_the_model():
    made = json.dumps(inspection_schema(), indent=1, ensure_ascii=False) + "\n"
    assert PUBLISHED.read_text() == made, (
        f"The model changed: write inspection_schema() to {PUBLISHED.name}, and raise the number in SCHEMA if a field "
        "changed its meaning or went away"
    )


def test_the_schema_itself_is_sound_and_refuses_what_is_not_in_it():
    schema = inspection_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"schema": SCHEMA}, schema)
