"""The solved version of a notebook passes in strict mode; the learner's runs to its end, and each exercise is open."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.notebooks.author import COURSE, execute, read
from vzlab.learn.notebooks import has_solutions, learners_version

pytestmark = pytest.mark.notebook
STRICT = {**os.environ, "VZLAB_STRICT": "1"}
WITH_EXERCISES = [path for path in COURSE if has_solutions(read(path))]


@pytest.mark.parametrize("path", WITH_EXERCISES, ids=lambda path: path.stem)
def test_the_learners_version_fails_at_its_exercises_and_nowhere_else(path: Path, tmp_path: Path) -> None:
    learners = learners_version(read(path))
    # Errors are allowed: what comes after an exercise must run without its answer too.
    run = execute(learners, tmp_path, env=STRICT, allow_errors=True)
    checks = {
        position
        for position, cell in enumerate(learners["cells"])
        if cell["cell_type"] == "code" and "vz.learn.check(" in "".join(cell["source"])
    }
    assert run.errors == dict.fromkeys(checks, "AssertionError")


# Those without exercises have one version, which nbval runs.
@pytest.mark.parametrize("path", WITH_EXERCISES, ids=lambda path: path.stem)
def test_the_solved_version_passes(path: Path, tmp_path: Path) -> None:
    assert execute(read(path), tmp_path, env=STRICT).errors == {}
