"""Specs are JSON, hold what the model holds, and stay small."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vzlab as vz
from tests.inspection.arrays import virtual_array
from tests.render.test_instruments import recording_of, requests
from tests.render.test_views import golden_group
from vzlab.inspection import inspect
from vzlab.manifests import ManifestGroup
from vzlab.render.spec import (
    MAX_BARS,
    SCHEMA,
    byte_map_spec,
    chunk_map_spec,
    matrix_spec,
    pipeline_spec,
    waterfall_spec,
)


def through_json(spec: dict[str, Any] | None) -> dict[str, Any]:
    """The spec as another language gets it: strict JSON, which has no NaN."""
    assert spec is not None
    found: dict[str, Any] = json.loads(json.dumps(spec, allow_nan=False))
    assert found == spec
    assert found["schema"] == SCHEMA
    assert len(found["alt"]) > 10
    return found


def test_a_chunk_map_holds_the_cells_of_the_model() -> None:
    found = inspect(golden_group())
    spec, chunks = through_json(chunk_map_spec(found, "sst")), found["sst"].chunk_map
    assert chunks is not None
    assert (spec["dims"], spec["shape"], spec["folded"]) == (["lat", "lon"], [3, 4], [["time", 2]])
    for name in ("n_chunks", "n_missing", "stored_bytes", "min_bytes", "max_bytes", "source"):
        np.testing.assert_array_equal(np.reshape(spec["cells"][name], spec["shape"]), getattr(chunks, name))
    ratio = np.reshape(np.array(spec["cells"]["ratio"], dtype=float), spec["shape"])
    np.testing.assert_allclose(ratio, chunks.ratio, atol=1e-4)
    assert [cut["position"] for cut in spec["slices"]] == [0, 1]
    both = np.sum([cut["cells"]["stored_bytes"] for cut in spec["slices"]], axis=0)
    assert both.tolist() == spec["cells"]["stored_bytes"]


def test_a_cell_of_missing_chunks_has_no_ratio() -> None:
    found = inspect(ManifestGroup(arrays={"a": virtual_array((2, 3), n_missing=6)}))
    spec = through_json(chunk_map_spec(found, "a"))
    assert spec["cells"]["ratio"] == [None] * 6
    assert spec["cells"]["source"] == [-2] * 6


def test_one_chunk_has_no_map_but_a_place_and_a_pipeline() -> None:
    found = inspect(golden_group())
    assert chunk_map_spec(found, "area") is None
    strips = through_json(byte_map_spec(found, "area"))
    assert strips["shape"] == [len(strips["rows"]), len(strips["own"]) // len(strips["rows"])]
    assert strips["file_bytes"] == strips["own_bytes"] + strips["other_bytes"] + strips["rest_bytes"]
    assert [box["title"] for box in through_json(pipeline_spec(found, "area"))["boxes"]] == [
        "bytes",
        "float64",
    ]


def test_a_pipeline_says_the_size_after_each_step() -> None:
    boxes = through_json(pipeline_spec(inspect(golden_group()), "sst"))["boxes"]
    assert [(box["title"], box["value"]) for box in boxes] == [
        ("bytes", "38 B"),
        ("inflate", "2 kB"),
        ("unshuffle", "2 kB"),
        ("int16", "10 × 10 × 10"),
        ("CF", "float64 K"),
    ]


def test_a_matrix_says_who_differs(tmp_path: Path) -> None:
    archive = vz.samples.make_daily_archive(tmp_path / "archive")
    spec = through_json(matrix_spec(vz.check_combine(archive.files)))
    cells = np.reshape(np.array(spec["cells"], dtype=object), (len(spec["rows"]), len(spec["columns"])))
    cell = cells[spec["rows"].index("sst"), spec["columns"].index("packing, fill")]
    assert cell["severity"] == "silently wrong elsewhere"
    assert [holder["n_files"] for holder in cell["holders"]] == [11, 1]
    assert cells[spec["rows"].index("lat"), 0] is None


@pytest.mark.parametrize("n", [0, 1, MAX_BARS + 1])
def test_a_waterfall_has_a_bar_for_each_request_up_to_a_number(n: int) -> None:
    spec = through_json(waterfall_spec(recording_of(requests(n))))
    assert spec["n_requests"] == n
    for name in ("file", "offset", "length", "started_s", "ended_s", "is_data", "is_repeat"):
        assert len(spec[name]) == min(n, MAX_BARS)


def test_a_million_chunks_stay_small() -> None:
    found = inspect(ManifestGroup(arrays={"a": virtual_array((1000, 1000), n_sources=3)}))
    spec = through_json(chunk_map_spec(found, "a"))
    assert spec["shape"] == [64, 64]
    assert sum(spec["cells"]["n_chunks"]) == 1_000_000
    assert len(json.dumps(spec)) < 300_000
