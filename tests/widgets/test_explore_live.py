"""The explorer in a page with Python behind it: levels come when the map is looked at nearer, and frames keep coming."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.render.browser import launched

pytest.importorskip("playwright.sync_api")
pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


def test_a_map_is_refined_where_it_is_looked_at(tmp_path: Path) -> None:
    from benchmarks.exploring import Measured, measure, report

    with launched() as chromium:
        found: Measured = measure(chromium, tmp_path, (300, 400), repeats=2)
    assert found.n_chunks == 120_000
    assert 0 < found.level_bytes < 300_000
    assert 0 < found.select_bytes < 50_000
    assert found.picture_bytes < 400_000
    assert not math.isnan(found.level_ms)
    assert found.pan_fps > 5  # of a machine that does much else; the benchmark says how many there are
    assert "120,000" in report([found])
