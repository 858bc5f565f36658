"""Notebooks and tutorials are committed solved and as they ran, with nothing of the machine in their outputs."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.notebooks.author import COURSE, TIMES, planned_minutes, read
from vzlab.learn import exercise
from vzlab.learn.notebooks import learners_version, without_solutions

NOTEBOOKS = [path for path in COURSE if path.parent.name == "notebooks"]

MACHINE = {
    "a folder": r"/(?:home|roo[t]|wor[k]|Users|tmp|var/folders)/",
    "a place on the network": r"https?://(?!www\.w3\.org/|zarr\.dev/|ncics\.org/)|\b127\.0\.0\.1\b|\blocalhost\b",
    "an address in memory": r" at 0x[0-9a-f]{6,}|memory://\d",
    "the time of the run": r"\b20(?:2[6-9]|[3-9]\d)-\d\d-\d\d\b",
}
"""What no output says. Samples are of 2025 and before."""

every_notebook = pytest.mark.parametrize("path", COURSE, ids=lambda path: path.stem)


def code_cells(path: Path) -> list[dict[str, Any]]:
    return [cell for cell in read(path)["cells"] if cell["cell_type"] == "code"]


def calls_of(path: Path, function: str) -> list[str]:
    """First arguments of the calls ``vz.learn.<function>`` in the solved notebook."""
    return [
        ast.literal_eval(node.args[0])
        for cell in code_cells(path)
        for node in ast.walk(ast.parse("".join(cell["source"])))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == f"vz.learn.{function}"
    ]


def test_there_are_notebooks() -> None:
    assert [path.name[:2] for path in NOTEBOOKS][:2] == ["00", "01"]


@every_notebook
def test_every_cell_was_run_in_order(path: Path) -> None:
    cells = code_cells(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))


def test_every_lesson_is_measured_and_planned_as_it_says() -> None:
    times = json.loads(TIMES.read_text(encoding="utf-8"))
    planned = {f"notebooks/{path.name}": planned_minutes(read(path)) for path in NOTEBOOKS}
    assert {name: times[name]["minutes_to_learn"] for name in planned} == planned


@every_notebook
def test_no_output_is_an_error_or_goes_to_stderr(path: Path) -> None:
    for cell in code_cells(path):
        for output in cell["outputs"]:
            assert output["output_type"] != "error"
            assert output.get("name") != "stderr"


@every_notebook
@pytest.mark.parametrize("what", MACHINE)
def test_no_output_tells_of_the_machine(path: Path, what: str) -> None:
    outputs = json.dumps([cell["outputs"] for cell in code_cells(path)], ensure_ascii=False)
    found = re.search(f".{{0,40}}(?:{MACHINE[what]}).{{0,40}}", outputs)
    assert found is None, found[0]


@every_notebook
def test_every_exercise_is_registered_and_every_registered_one_is_asked(path: Path) -> None:
    asked = calls_of(path, "check")
    modules = {name.partition("-")[0] for name in asked}
    registered = {
        name
        for prefix in modules
        for name in exercise.exercises(f"n{prefix}" if prefix.isdecimal() else prefix)
    }
    assert set(asked) == registered
    assert len(asked) == len(registered), "an exercise is checked twice"


@every_notebook
def test_solutions_stand_before_their_check_and_are_all_that_is_left_out(path: Path) -> None:
    for cell, left in zip(read(path)["cells"], learners_version(read(path))["cells"], strict=True):
        source, learners = "".join(cell["source"]), "".join(left["source"])
        assert (source == learners) == ("### SOLUTION" not in source)
        if cell["cell_type"] == "code":
            assert ("### SOLUTION" in source) == ("vz.learn.check(" in source)
            ast.parse(learners)
            assert left["outputs"] == []
            assert "...  # your turn" in learners or "### SOLUTION" not in source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_lesson_says_what_one_will_be_able_to_do_and_ends_with_what_can_go_wrong(path: Path) -> None:
    cells = ["".join(cell["source"]) for cell in read(path)["cells"] if cell["cell_type"] == "markdown"]
    assert "After this notebook you can" in cells[0]
    assert planned_minutes(read(path))
    (summary,) = (cell for cell in cells if "## In five lines" in cell)
    lines = summary.partition("## In five lines")[2].partition("**What can go wrong")[0]
    assert len(re.findall(r"^- ", lines, re.MULTILINE)) == 5
    assert "**What can go wrong" in summary
    assert calls_of(path, "check")


@pytest.mark.parametrize(
    ("solution", "rest", "left"),
    [
        ("n = 4\n", "check(n)", "n = ...  # your turn"),
        ("a, b = 1, 2\nhidden = 3\n", "check((a, b))", "a = ...  # your turn\nb = ...  # your turn"),
        (
            'def f(x):\n    """Say."""\n    return x\n',
            "check(f)",
            'def f(x):\n    """Say."""\n    ...  # your turn\n\n',
        ),
        ("print(3)\n", "check('x')", "...  # your turn"),
    ],
    ids=["a name", "names that are used", "a function", "no name"],
)
def test_a_solution_leaves_a_place_to_fill_in(solution: str, rest: str, left: str) -> None:
    assert without_solutions(f"### SOLUTION\n{solution}### END\n{rest}") == f"{left}\n{rest}"


def test_a_solution_inside_a_function_leaves_its_indentation() -> None:
    cell = "def f(x):\n    y = x\n    ### SOLUTION\n    return y + 1\n    ### END\n"
    assert without_solutions(cell) == "def f(x):\n    y = x\n    ...  # your turn\n"


@pytest.mark.parametrize("cell", ["### SOLUTION\nn = 4\ncheck(n)", "n = 4\n### END\n"])
def test_a_mark_without_its_counterpart_is_refused(cell: str) -> None:
    with pytest.raises(ValueError, match="### SOLUTION"):
        without_solutions(cell)
