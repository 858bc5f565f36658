"""Many files at once: what is common and what varies, told without reading a value."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import vzlab as vz
from tests.archives import write_daily_files
from vzlab.errors import SourceNotFoundError
from vzlab.inspection import inspect
from vzlab.storage import RequestLog, StoreRegistry


def test_files_that_agree_are_told_as_one(tmp_path: Path):
    paths = write_daily_files(tmp_path, n_days=3)
    for found in (inspect(paths), inspect(str(tmp_path / "*.nc"))):
        assert found.files is not None
        assert found.files.names == tuple(path.name for path in paths)
        assert set(found.files.common) == {"sst", "lat", "lon", "time"}
        assert found.files.varying == ()
        sizes = [path.stat().st_size for path in paths]
        assert (found.files.min_bytes, found.files.max_bytes) == (min(sizes), max(sizes))
        assert found.files.total_bytes == found.file_bytes == sum(sizes)
        singly = [inspect(path) for path in paths]
        assert found.files.stored_bytes["sst"] == sum(one["sst"].stored_bytes or 0 for one in singly)
        assert found.files.n_chunks == sum(one.n_chunks for one in singly)
        assert found["sst"].stored_bytes == singly[0]["sst"].stored_bytes


def test_what_differs_is_told_with_who_has_it(tmp_path: Path):
    paths = write_daily_files(tmp_path, n_days=4, odd_days={3: {"scale_factor": 0.02}})
    found = inspect(paths)
    assert found.files is not None
    assert "sst" not in found.files.common
    packing = next(one for one in found.files.varying if one.what == "packing, fill")
    assert packing.variable == "sst"
    assert [n for _, n in packing.held] == [3, 1]
    assert any(finding.severity == "problem" and finding.variables == ("sst",) for finding in found.findings)
    assert "0.02" in found.to_text(width=160, max_lines=0)
    assert "0.02" in found._repr_html_()
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["files"]["varying"]


def test_no_value_is_read_of_groups_that_were_parsed(tmp_path: Path):
    paths = write_daily_files(tmp_path, n_days=3)
    log = RequestLog()
    registry = StoreRegistry(log=log)
    groups = [vz.open_group(path, registry=registry) for path in paths]
    log.clear()
    assert inspect(groups, registry=registry).files is not None
    assert log.requests == []


def test_a_glob_that_finds_nothing_is_refused(tmp_path: Path):
    with pytest.raises(SourceNotFoundError, match="No files match"):
        inspect(str(tmp_path / "*.nc"))


def test_a_list_of_something_else_is_refused():
    with pytest.raises(TypeError, match="list of them"):
        inspect([1, 2])
