"""What differs between two inspections: all of it, nothing else, and what follows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import xarray as xr
from hypothesis import given
from typer.testing import CliRunner

import vzlab as vz
from tests.archives import write_daily_file
from tests.manifests.test_manifest import manifests
from vzlab.cli import app
from vzlab.inspection import InspectionDiff, diff


@pytest.fixture
def day(tmp_path: Path) -> Path:
    return write_daily_file(tmp_path / "a.nc")


def differing(found: InspectionDiff, path: str) -> dict[str, tuple[str, str, str, str]]:
    (variable,) = (variable for variable in found.variables if variable.path == path)
    return {d.what: (d.left, d.right, d.severity, d.consequence) for d in variable.differences}


def test_a_file_does_not_differ_from_itself(day: Path) -> None:
    found = diff(day, day)
    assert found.is_empty
    assert not found
    assert found.n_same == len(vz.inspect(day).variables)
    assert str(found).startswith(f"Nothing differs in what describes them: {found.n_same} variables alike")


@given(manifest=manifests())
def test_nothing_differs_from_itself_whatever_its_chunks(manifest: vz.ChunkManifest) -> None:
    shape = tuple(2 * n for n in manifest.source_index.shape)
    array = vz.ManifestArray(
        manifest=manifest,
        metadata=vz.ArrayMetadata(
            shape=shape,
            chunks=(2,) * len(shape),
            data_type="int16",
            codecs=({"name": "bytes", "configuration": {"endian": "little"}},),
            fill_value=0,
        ),
    )
    assert diff(array, array).is_empty


def test_another_scale_is_shown_by_a_number_decoded_both_ways(day: Path, tmp_path: Path) -> None:
    found = diff(day, write_daily_file(tmp_path / "b.nc", scale_factor=0.1))
    left, right, severity, consequence = differing(found, "sst")["packing"]
    assert "0.01" in left
    assert "0.1" in right
    assert severity == "problem"
    assert "stored 273 means" in consequence
    assert consequence in str(found)


def test_another_compression_level_decodes_alike(day: Path, tmp_path: Path) -> None:
    found = diff(day, write_daily_file(tmp_path / "b.nc", compression_level=9))
    assert differing(found, "sst")["codecs"][2:] == ("fact", "They decode alike, and may stand in one array.")


def test_what_only_one_side_has_is_named() -> None:
    a = xr.Dataset({"x": ("t", [1, 2]), "only_a": ("t", [1, 2])}, attrs={"title": "A"})
    b = xr.Dataset({"x": ("t", [1, 2]), "only_b": ("t", [1.0, 2])})
    found = diff(a, b)
    assert {v.path: v.side for v in found.variables} == {"only_a": "left", "only_b": "right"}
    assert [(d.what, d.left, d.right) for d in found.whole] == [("attribute title", "A", "")]
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["schema"] == "vzlab-diff/1"


def test_hostile_names_are_escaped() -> None:
    a = xr.Dataset({"<script>x": ("t", [1])}, attrs={"<b>": "<img>"})
    html = diff(a, xr.Dataset())._repr_html_()
    assert "<script>" not in html
    assert "<img>" not in html
    assert "&lt;script&gt;x" in html


def test_many_differences_keep_to_a_budget() -> None:
    a = xr.Dataset({f"v{n}": ("t", [1], {f"a{m}": "x" * 500 for m in range(40)}) for n in range(300)})
    b = xr.Dataset({f"v{n}": ("t", [1.0]) for n in range(300)})
    assert len(diff(a, b)._repr_html_().encode()) <= 100_000


def test_the_command_exits_with_1_on_a_difference(day: Path, tmp_path: Path) -> None:
    other = write_daily_file(tmp_path / "b.nc", scale_factor=0.1)
    run = CliRunner().invoke
    assert run(app, ["diff", str(day), str(day)]).exit_code == 0
    result = run(app, ["diff", str(day), str(other), "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["variables"][0]["path"] == "sst"
