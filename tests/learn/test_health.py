"""The doctor tries what is installed, says what is not, and tells nothing of the machine's folders."""

from __future__ import annotations

import importlib.metadata
import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import vzlab as vz
from tests.test_project import PYPROJECT
from vzlab.cli import app
from vzlab.learn import health, trials


@pytest.fixture(scope="module")
def found() -> health.Health:
    return vz.doctor(full=True)


@pytest.mark.slow
def test_every_extra_works_here(found: health.Health) -> None:
    extras = set(PYPROJECT["project"]["optional-dependencies"]) - {"all"}
    assert {trial.extra for trial in found.trials} == extras | {""}
    for trial in found.trials:
        assert trial.outcome == "works", str(trial)
        assert all(importlib.metadata.version(name) == version for name, version in trial.libraries)
        assert trial.libraries


@pytest.mark.slow
def test_no_view_names_a_folder(found: health.Health) -> None:
    for shown in (str(found), found._repr_html_(), json.dumps(found.to_dict())):
        assert re.search(r"/(?:home|roo[t]|tmp|usr)\b|site-packages", shown) is None
        assert "icechunk" in shown


def test_what_fails_is_said_with_its_reason_and_without_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: Path) -> None:
        raise OSError(f"cannot load {folder}/lib.so\nand a long story")

    monkeypatch.setattr(health, "TRIALS", {"hdf5": ("try", fail), "": ("try", lambda _: None)})
    result = vz.doctor()
    assert not result.works
    failed, core = result.trials
    assert core.outcome == "works"
    assert failed.outcome == "fails"
    assert "OSError: cannot load FOLDER/lib.so Try: pip install 'vzlab[hdf5]' --upgrade" in failed.advice
    assert "fails: hdf5" in result.summary


def test_what_is_not_installed_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "TRIALS", {"fits": ("try", lambda _: pytest.fail("tried"))})
    monkeypatch.setattr(health, "_version", lambda _: None)
    result = vz.doctor()
    assert result.works
    assert result.trials[0].outcome == "not installed"
    assert result.trials[0].advice == "pip install 'vzlab[fits]'"


@pytest.mark.parametrize(("outcome", "code"), [("works", 0), ("fails", 1)])
def test_exit_code(monkeypatch: pytest.MonkeyPatch, outcome: Any, code: int) -> None:
    trial = health.Trial(extra="", does="try", libraries=(), outcome=outcome)
    result = health.Health(vzlab="1", python="3", system="S", trials=(trial,))
    monkeypatch.setattr(health, "doctor", lambda **_: result)
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert done.exit_code == code
    assert json.loads(done.stdout)["trials"][0]["outcome"] == outcome


def test_what_takes_long_is_tried_only_if_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Path] = []
    monkeypatch.setattr(health, "TRIALS", {"app": ("try", tried.append)})
    assert "app" in trials.SLOW
    assert vz.doctor().trials[0].outcome == "not tried"
    assert tried == []
    assert vz.doctor(full=True).trials[0].outcome == "works"
    assert len(tried) == 1
