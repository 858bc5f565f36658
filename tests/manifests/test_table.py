"""Manifests as a table: the same chunks as the columns say, in C order."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xarray as xr
from hypothesis import given

import vzlab as vz
from tests.archives import write_daily_file
from tests.manifests.test_manifest import manifests
from vzlab.manifests.manifest import MISSING
from vzlab.manifests.table import SCHEMA, to_arrow


@given(manifest=manifests())
def test_rows_are_the_references_in_c_order(manifest: vz.ChunkManifest) -> None:
    table = to_arrow([("model/sst", manifest)])
    assert table.schema == SCHEMA
    rows = table.to_pylist()
    assert [tuple(row["chunk"]) for row in rows] == list(np.ndindex(manifest.source_index.shape))
    for row in rows:
        reference = manifest.reference(row["chunk"])
        assert row["variable"] == "model/sst"
        assert row["state"] == reference.state
        assert row["url"] == (reference.source.url if reference.source else None)
        assert row["offset"] == (reference.offset if reference.source else None)
        assert row["length"] == (None if reference.state == "missing" else reference.length)


def test_nothing_is_an_empty_table() -> None:
    assert to_arrow([]).num_rows == 0
    assert vz.ManifestGroup().to_arrow().schema == SCHEMA


def rows(table: pa.Table) -> list[str]:
    return sorted(map(repr, table.to_pylist()))


def test_every_holder_of_manifests_gives_the_same_table(tmp_path: Path) -> None:
    url = write_daily_file(tmp_path / "sst.nc")
    group = vz.open_group(url)
    dataset = vz.open_virtual_dataset(url, loadable_variables=[])
    table = group.to_arrow()
    assert table.num_rows == sum(array.manifest.n_chunks for _, array in group.walk_arrays())
    assert vz.open_manifest_store(url).to_arrow().equals(table)
    assert rows(dataset.vzlab.to_arrow()) == rows(table)
    tree = xr.DataTree.from_dict({"/day": dataset})
    assert set(tree.vzlab.to_dataframe()["variable"]) == {f"day/{name}" for name in dataset.variables}


def test_places_stay_integers_beside_chunks_that_lie_nowhere() -> None:
    offset = 2**53 + 1  # which no float has
    manifest = vz.ChunkManifest(
        sources=["file:///a.nc"], source_index=[0, MISSING], offsets=[offset, 0], lengths=[5, 0]
    )
    metadata = vz.ArrayMetadata.create(shape=(10,), dtype="u1", chunks=(5,), codecs=[{"name": "bytes"}])
    array = vz.ManifestArray(metadata=metadata, manifest=manifest)
    frame = array.to_dataframe()
    assert frame["offset"].tolist() == [offset, pd.NA]
    assert frame["length"].tolist() == [5, pd.NA]


def test_a_million_chunks_are_made_from_columns() -> None:
    n = 1_000_000
    manifest = vz.ChunkManifest.from_ranges(
        "file:///a.nc", np.arange(n).reshape(1000, 1000), np.ones((1000, 1000))
    )
    start = time.process_time()
    table = to_arrow([("x", manifest)])
    # A loop over chunks takes more than ten times as long as this allows.
    assert time.process_time() - start < 1
    assert table.num_rows == n
    assert pa.types.is_dictionary(table.schema.field("url").type)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    monkeypatch.delitem(__import__("sys").modules, "vzlab.manifests.table")
    with pytest.raises(ImportError, match=r"vzlab\[kerchunk\]"):
        vz.ManifestGroup().to_arrow()
