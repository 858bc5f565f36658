"""A fault in the library or in the data makes a notebook fail, when its outputs are compared with the committed ones."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.check import ROOT
from tests.notebooks.faults import BYTES, FAULTS, READY

pytestmark = [pytest.mark.notebook, pytest.mark.slow, pytest.mark.timeout(300)]


def compare(notebook: str, folder: Path, before: str) -> subprocess.CompletedProcess[str]:
    """Run a notebook by nbval, in a kernel that ran `before` first, until the first cell that differs."""
    startup = folder / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00-fault.py").write_text(f"{before}\nopen({str(folder / 'ran')!r}, 'w').close()\n")
    nbval = ["-p", "nbval.plugin", "--nbval", "--nbval-current-env", "--nbval-cell-timeout", "90"]
    nbval += ["--nbval-sanitize-with", "tests/notebooks/sanitize.cfg"]
    pytest_ = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:xdist", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*pytest_, *nbval, f"notebooks/{notebook}.ipynb"],
        cwd=ROOT, env={**os.environ, "IPYTHONDIR": str(folder)}, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_noticed(name: str, tmp_path: Path) -> None:
    notebook, code = FAULTS[name]
    done = compare(notebook, tmp_path, code)
    assert (tmp_path / "ran").exists(), "the fault was not made"
    assert done.returncode == 1, done.stdout[-3000:]
    assert re.search(r"^FAILED notebooks/", done.stdout, re.MULTILINE), done.stdout[-3000:]


@pytest.mark.parametrize("notebook", [READY, BYTES])
def test_without_a_fault_nothing_fails(notebook: str, tmp_path: Path) -> None:
    done = compare(notebook, tmp_path, "")
    assert (tmp_path / "ran").exists()
    assert done.returncode == 0, done.stdout[-3000:]


def test_there_are_ten_faults_or_more() -> None:
    assert len(FAULTS) >= 10
