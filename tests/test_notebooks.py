"""Notebooks are committed as they ran: every cell, in order, with nothing of the machine in their outputs."""

import json
import re
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_was_run_in_order(path: Path) -> None:
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_output_is_an_error_or_goes_to_stderr(path: Path) -> None:
    for cell in json.loads(path.read_text())["cells"]:
        for output in cell.get("outputs", ()):
            assert output["output_type"] != "error"
            assert output.get("name") != "stderr"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_output_names_this_machine_or_a_place_on_the_network(path: Path) -> None:
    for cell in json.loads(path.read_text())["cells"]:
        text = json.dumps(cell.get("outputs", []))
        assert not re.search(r"/(?:home|roo[t]|wor[k]|Users)/|https?://", text)
