"""A report and a recording as widgets: what the core is told of them, and what is chosen in them."""

from __future__ import annotations

from pathlib import Path

import pytest

import vzlab as vz
from vzlab.widgets import PictureWidget


def test_a_report_is_explored_as_its_matrix(tmp_path: Path) -> None:
    archive = vz.samples.make_daily_archive(tmp_path / "archive", n_files=3, odd=1, missing=2)
    report = vz.check_combine(archive.files)
    widget = vz.explore(report)
    assert isinstance(widget, PictureWidget)
    assert (widget.spec["kind"], widget.spec["alt"]) == ("matrix", report.headline)
    cells = dict(
        zip(
            [(row, column) for row in widget.spec["rows"] for column in widget.spec["columns"]],
            widget.spec["cells"],
            strict=True,
        )
    )
    differing = {(found.variable, found.facet) for found in report.findings}
    assert {place for place, cell in cells.items() if cell is not None} == differing
    seen = []
    widget.observe(lambda change: seen.append(change["new"]), "chosen")
    widget.chosen = {"variable": "sst", "facet": "packing"}
    assert seen == [{"variable": "sst", "facet": "packing"}]


def test_a_recording_is_explored_as_its_waterfall(tmp_path: Path) -> None:
    archive = vz.samples.make_daily_archive(tmp_path / "archive", n_files=1)
    with vz.record() as recording:
        vz.inspect(archive.files[0])
    widget = vz.explore(recording)
    assert widget.spec["kind"] == "waterfall"
    assert widget.spec["length"] == recording.columns.lengths.tolist()
    assert repr(widget).startswith("<waterfall: ")


def test_what_begins_an_explorer_begins_no_picture(tmp_path: Path) -> None:
    with vz.record() as recording:
        pass
    assert vz.explore(recording).spec["n_requests"] == 0
    with pytest.raises(AttributeError):
        vz.explore(recording).variable  # noqa: B018
