"""`vzlab lab` copies the course, keeps what a learner did, and serves it on this machine alone; from a wheel too."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
import time
import urllib.request
import venv
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.check import ROOT
from tests.notebooks.author import read
from vzlab.cli import app
from vzlab.errors import WriteError
from vzlab.learn import lab

LESSON = "01-a-file-is-bytes.ipynb"


@pytest.fixture
def without_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vzlab.samples.MAKERS", {})


@pytest.mark.usefixtures("without_samples")
def test_the_course_is_copied_without_solutions_and_with_them(tmp_path: Path) -> None:
    lab.make_lab(tmp_path / "lab", tell=lambda _: None)
    learners, solved = (
        tmp_path / "lab" / "notebooks" / LESSON,
        tmp_path / "lab" / "notebooks" / "solved" / LESSON,
    )
    assert solved.read_bytes() == (ROOT / "notebooks" / LESSON).read_bytes()
    assert "### SOLUTION" not in learners.read_text(encoding="utf-8")
    assert [
        cell["outputs"] for cell in read(learners)["cells"] if cell["cell_type"] == "code" and cell["outputs"]
    ] == []
    assert (tmp_path / "lab" / "tutorials" / "README.md").is_file()
    assert not list((tmp_path / "lab").rglob(".ipynb_checkpoints"))


@pytest.mark.usefixtures("without_samples")
def test_what_a_learner_changed_is_kept_and_told(tmp_path: Path) -> None:
    told: list[str] = []
    lab.make_lab(tmp_path, tell=told.append)
    (tmp_path / "notebooks" / LESSON).write_text("mine")
    (tmp_path / "notebooks" / "00-ready.ipynb").unlink()
    lab.make_lab(tmp_path, tell=told.append)
    assert (tmp_path / "notebooks" / LESSON).read_text() == "mine"
    assert (tmp_path / "notebooks" / "00-ready.ipynb").exists()
    assert [line for line in told if "kept as they were" in line] == [
        f"Notebooks and tutorials are in {tmp_path}; kept as they were: {LESSON}"
    ]


def test_the_folder_that_the_course_is_copied_from_is_refused() -> None:
    with pytest.raises(WriteError, match="Choose another folder"):
        lab.make_lab(ROOT, tell=lambda _: None)


@pytest.mark.slow
def test_samples_are_made(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["lab", str(tmp_path), "--no-start"])
    assert done.exit_code == 0
    assert sorted(path.name for path in (tmp_path / "archive").iterdir()) == sorted(
        ["cogs", "daily", "forecast", "model-run", "scan", "swath"]
    )


@pytest.mark.slow
@pytest.mark.usefixtures("without_samples")
def test_jupyterlab_serves_the_folder_on_loopback(tmp_path: Path) -> None:
    lab.make_lab(tmp_path, tell=lambda _: None)
    command = [*lab.jupyter_command(tmp_path, browser=False, port=0), "--IdentityProvider.token=secret"]
    log = tmp_path / "log.txt"
    with log.open("w") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream)
    try:
        address = _address(log, process)
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{address}api/contents/notebooks?token=secret", timeout=30) as answer:
            names = {item["name"] for item in json.load(answer)["content"]}
        assert {LESSON, "solved"} <= names
    finally:
        process.terminate()
        process.wait(timeout=30)


def _address(log: Path, process: subprocess.Popen[Any]) -> str:
    deadline = time.monotonic() + 110
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"(http://127\.0\.0\.1:\d+/)lab", log.read_text()):
            return found[1]
        time.sleep(0.2)
    raise AssertionError(log.read_text())


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_wheel_brings_the_course(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=200)
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=200)
    # Dependencies come from this environment, behind the wheel's own vzlab.
    (packages,) = (tmp_path / "env").glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run(str(python), "-c", "import vzlab; print(vzlab.__file__)").startswith(str(packages))
    run(str(python.with_name("vzlab")), "lab", "lab", "--no-start")
    assert (tmp_path / "lab" / "notebooks" / "solved" / LESSON).exists()
    assert (tmp_path / "lab" / "tutorials" / "README.md").exists()
    assert list((tmp_path / "lab" / "archive" / "daily").glob("*.nc"))
