"""The archive that most tests of writers write."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import write_daily_files


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Give three daily files."""
    return write_daily_files(tmp_path / "archive", n_days=3)
