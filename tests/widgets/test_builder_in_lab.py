"""The builder in JupyterLab, by keyboard alone: from sources to the receipt, an odd file repaired, an error where it belongs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.builder.archives import daily_archive, manifests_of
from tests.render.browser import violations
from tests.render.lab import command, opened, run_cell
from vzlab.builder import Builder

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("jupyterlab")
pytestmark = [pytest.mark.browser, pytest.mark.notebook, pytest.mark.timeout(420)]

BUILD = "import vzlab as vz\n\nstepper = vz.build()\nstepper"
TELL = "print('seen:', stepper.builder.comparison.verdict, stepper.step)"
STEPPER = ".vzlab-stepper"
FOCUSED = """() => {
    const now = document.activeElement;
    const label = now.labels && now.labels.length ? now.labels[0].textContent : "";
    return (label || now.getAttribute("aria-label") || now.textContent || "").trim();
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notebooks")
    daily_archive(folder / "archive", odd=2)
    cells = [nbformat.v4.new_code_cell(source) for source in (BUILD, TELL)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(
        nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), folder / "build.ipynb"
    )
    return folder


def tab_to(page: Any, label: str, *, back: bool = False) -> None:
    """Press the tabulator until what has this label is in focus."""
    for _ in range(80):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        if page.evaluate(FOCUSED).startswith(label):
            return
    raise AssertionError(f"{label!r} was never in focus; the last was {page.evaluate(FOCUSED)!r}")


def press(page: Any, label: str, *, back: bool = False) -> None:
    tab_to(page, label, back=back)
    page.keyboard.press("Enter")


def test_from_sources_to_receipt_by_keyboard_alone(browser: Any, lab: str, folder: Path) -> None:
    with opened(browser, lab, "build.ipynb", viewport={"width": 1000, "height": 1000}) as watched:
        page = watched.page
        page.wait_for_function(
            "window.jupyterapp.shell.currentWidget.sessionContext?.session?.kernel?.connectionStatus === 'connected'",
            timeout=90_000,
        )
        run_cell(page, 0)
        stepper = page.locator(STEPPER)
        stepper.wait_for(timeout=90_000)
        said = lambda text: stepper.get_by_text(text).first.wait_for(timeout=60_000)  # noqa: E731
        stepper.get_by_role("button", name="1. ").focus()

        # A mistake is told where it was made, with what to do.
        tab_to(page, "Files")
        page.keyboard.type("archive/*.h5")
        press(page, "Take these files")
        said("No files match")
        tab_to(page, "Files", back=True)
        page.keyboard.press("Control+A")
        page.keyboard.type("archive/*.nc")
        press(page, "Take these files")
        said("4 files")
        press(page, "Next: ")
        press(page, "Look at it")
        said("From bytes to numbers")
        press(page, "Next: ")
        press(page, "Check the files")
        said("silently wrong elsewhere")
        assert violations(page, STEPPER) == []

        # What repairs it is a button, and a line of Python.
        press(page, "Encode")
        said("on_mismatch='reencode'")
        press(page, "Next: ")
        press(page, "Choose")
        said("Chosen.")
        press(page, "Next: ")
        press(page, "Combine")
        said("references to")
        press(page, "Next: ")
        tab_to(page, "Where to")
        page.keyboard.type("cube")
        press(page, "Write the references")
        said("Committed")
        press(page, "Next: ")
        press(page, "Verify and compare")
        said("PASS")
        assert violations(page, STEPPER) == []

        run_cell(page, 1)
        page.get_by_text("seen: PASS prove").wait_for(timeout=30_000)
        command(page, "apputils:change-theme", theme="JupyterLab Dark")
        page.wait_for_selector("[data-jp-theme-light=false]", state="attached", timeout=30_000)
        # A room of 480 pixels: Lab without its file browser, which would leave 110 of them.
        command(page, "application:toggle-left-area")
        page.set_viewport_size({"width": 480, "height": 900})
        stepper.scroll_into_view_if_needed()
        assert violations(page, STEPPER) == []
        assert stepper.evaluate("element => element.scrollWidth <= element.clientWidth + 1")
        tab_to(page, "Save the program as")
        press(page, "Save")
        said("Saved as build.py")
        command(page, "docmanager:save")
        assert watched.elsewhere == []
        assert not [line for line in watched.logged if "TypeError" in line or "ReferenceError" in line]

    builder = Builder.from_script(folder / "build.py")
    assert builder.target.to == str(folder / "cube")
    assert len(manifests_of(folder / "cube")["sst"]) > 0
    outputs = json.loads((folder / "build.ipynb").read_text(encoding="utf-8"))["cells"][0]["outputs"]
    assert any("The builder as it was saved" in "".join(o["data"].get("text/html", "")) for o in outputs)
