"""Pages say what the code says: every fault, every public name, every command, and a diagram that can be read."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import xml.etree.ElementTree as ET
from itertools import combinations
from types import ModuleType

import pytest
import typer.main

import vzlab
from tests.check import ROOT
from vzlab.cli import app
from vzlab.testing.faults import FAULTS

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def made(request: pytest.FixtureRequest) -> dict[str, ModuleType]:
    """The modules that make pages."""
    sys.path.insert(0, str(DOCS / "site"))
    try:
        return {
            name: importlib.import_module(f"site_{name}")
            for name in ("api", "commands", "diagram", "notebooks")
        }
    finally:
        sys.path.remove(str(DOCS / "site"))


def text_of(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_the_guide_to_faults_tells_of_each() -> None:
    told = re.findall(r"^\| `(\w+)` \|", text_of("fault-guide.md"), flags=re.MULTILINE)
    assert sorted(told) == sorted(FAULTS)


def test_every_public_name_is_in_one_page_of_the_api(made: dict[str, ModuleType]) -> None:
    names = [name for _, names in made["api"].AREAS.values() for name in names]
    assert sorted(names) == vzlab.__all__


def test_every_command_is_told(made: dict[str, ModuleType]) -> None:
    page = made["commands"].commands_page()
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        assert f"## `vzlab {name}`" in page
        for option in (
            flag for parameter in command.params for flag in parameter.opts if flag.startswith("--")
        ):
            assert re.search(rf"(?<![\w-]){option}(?![\w-])", page), f"{name} {option}"


def test_the_glossary_is_in_order_and_explains_the_words_of_the_field() -> None:
    terms = re.findall(r"^(\S.*)\n:   ", text_of("glossary.md"), flags=re.MULTILINE)
    assert terms == sorted(
        terms, key=lambda term: term.lower().replace("(first", "(1").replace("(second", "(2")
    )
    wanted = {
        "Chunk manifest",
        "Inline",
        "Native",
        "Reference",
        "Virtual Icechunk store",
        "Virtual Zarr store",
    }
    assert wanted <= set(terms)
    assert len([term for term in terms if term.startswith("VDS")]) == 2


def test_the_diagram_can_be_read_in_any_colour_and_by_ear(made: dict[str, ModuleType]) -> None:
    drawing = made["diagram"]
    picture = ET.fromstring(drawing.diagram())
    assert picture[0].text
    assert picture[1].text == drawing.DESCRIPTION
    colours = {element.get(name) for element in picture.iter() for name in ("fill", "stroke")} - {None}
    assert colours == {"currentColor", "none"}
    boxes = list(drawing.BOXES.values())
    for one, other in combinations(boxes, 2):
        apart_x = one.x + one.width <= other.x or other.x + other.width <= one.x
        apart_y = one.y + one.height <= other.y or other.y + other.height <= one.y
        assert apart_x or apart_y, f"{one.name} lies on {other.name}"
    for box in boxes:
        assert box.x >= 0
        assert box.y >= 0
        assert box.x + box.width <= drawing.WIDTH
        assert box.y + box.height <= drawing.HEIGHT
        # A letter of a sans serif font is about half as wide as it is high.
        widest = max(len(line) for line in box.lines) * drawing.SMALL_FONT_SIZE * 0.52
        assert widest <= box.width - 20, f"{box.name}: its words do not fit"
        assert 44 + 18 * (len(box.lines) - 1) <= box.height - 8
    for arrow in drawing.ARROWS:
        begin, end = drawing.BOXES[arrow.begin], drawing.BOXES[arrow.end]
        assert begin.y + begin.height < end.y
        assert all(box.x < arrow.x < box.x + box.width for box in (begin, end))
    assert {arrow.begin for arrow in drawing.ARROWS} | {"readers"} == set(drawing.BOXES)


def test_lessons_are_listed_with_the_time_that_was_measured(made: dict[str, ModuleType]) -> None:
    table = made["notebooks"].course_table(ROOT)
    assert re.search(r"\| \[00 · .+\]\(notebooks/00-\S+\.md\) \| \d+ min \| \d+ s \|", table)


def test_a_solution_is_folded_away(made: dict[str, ModuleType]) -> None:
    page = made["notebooks"].notebook_page(ROOT / "notebooks" / "00-ready.ipynb")
    before, _, after = page.partition('??? success "Solution"')
    assert "# your turn" in before
    assert re.search(r"missing_day = \d", after)
    assert not re.search(r"missing_day = \d", before)


@pytest.mark.parametrize("path", sorted((DOCS / "site").glob("*.py")), ids=lambda path: path.stem)
def test_what_makes_pages_says_its_job(path) -> None:
    assert (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").strip()


def test_a_widget_of_a_notebook_is_said_to_be_one(made: dict[str, ModuleType]) -> None:
    path = ROOT / "notebooks" / "08-see-it.ipynb"
    page = made["notebooks"].fill_outputs(made["notebooks"].notebook_page(path), path)
    assert "A widget stands here" in page
    assert "BuilderStepper(" not in page
