"""Views in JupyterLab: untrusted, without a kernel, light and dark, by keyboard; run for real, saved, and converted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.render.browser import OPEN_ALL, Watched, violations
from tests.render.every_view import every_view
from tests.render.lab import command, opened

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("jupyterlab")
pytestmark = [pytest.mark.browser, pytest.mark.notebook, pytest.mark.timeout(300)]

OUTPUTS = ".jp-OutputArea-output"
CODE = """\
import vzlab as vz

archive = vz.samples.make_daily_archive("archive")
vz.inspect(archive.files[0])
"""


def write_notebook(path: Path, cells: list[Any], **metadata: Any) -> Path:
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Notebooks: every view as saved elsewhere, and one to run."""
    folder = tmp_path_factory.mktemp("notebooks")
    cells = []
    for name, view in every_view(tmp_path_factory.mktemp("files")).items():
        output = nbformat.v4.new_output(
            "execute_result",
            data={"text/html": view._repr_html_(), "text/plain": repr(view)},
            execution_count=1,
        )
        cells.append(nbformat.v4.new_code_cell(name, outputs=[output], execution_count=1))
    write_notebook(folder / "views.ipynb", cells, kernelspec={"name": "gone", "display_name": "Gone"})
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    write_notebook(folder / "live.ipynb", [nbformat.v4.new_code_cell(CODE)], kernelspec=kernel)
    return folder


@pytest.fixture(scope="module")
def untrusted(browser: Any, lab: str) -> Iterator[Watched]:
    """The saved views, opened where nobody trusts them and their kernel is gone."""
    with opened(browser, lab, "views.ipynb", viewport={"width": 1000, "height": 900}) as watched:
        page = watched.page
        # It asks which kernel to take: none.
        page.locator(".jp-Dialog button.jp-mod-reject").click(timeout=30_000)
        page.wait_for_selector(f"{OUTPUTS} details", timeout=30_000)
        command(page, "application:toggle-left-area")
        yield watched


def outputs(page: Any) -> list[Any]:
    """Every view, scrolled to: JupyterLab draws cells when they come into sight."""
    found = []
    for cell in page.locator(".jp-CodeCell").all():
        cell.scroll_into_view_if_needed()
        output = cell.locator(OUTPUTS)
        output.first.wait_for(timeout=20_000)
        found.append(output.first)
    return found


def test_an_untrusted_notebook_shows_every_view(untrusted: Watched) -> None:
    page = untrusted.page
    seen = ""
    for output in outputs(page):
        # Nobody trusts it: what may not stay is gone.
        assert output.locator("style").count() == 0
        for picture in output.locator("img").all():
            assert picture.evaluate("image => image.decode().then(() => image.naturalWidth > 0)")
        assert output.evaluate("e => e.scrollWidth <= e.clientWidth")
        seen += output.text_content() or ""
    for words in (
        "From bytes to numbers", "stored × 0.01", "2 of 24 chunks of sst were never written", "silently wrong", "PASS", "FAIL",
        "takes 3 requests", "unshuffle",
    ):  # fmt: skip
        assert words in seen, words
    assert untrusted.elsewhere == []


def test_lines_open_by_keyboard_and_styles_survive_in_an_untrusted_notebook(untrusted: Watched) -> None:
    page = untrusted.page
    first = outputs(page)[0]
    line = first.locator("details:not([open]) > summary").first.element_handle()
    line.focus()
    page.keyboard.press("Enter")
    assert line.evaluate("summary => summary.parentElement.open")
    first.evaluate("e => e.querySelectorAll('details').forEach(d => d.open = true)")
    styles = "e => { const s = getComputedStyle(e); return [s.display, s.overflowX, s.gridTemplateColumns] }"
    grids = first.locator("dl").all()
    assert grids
    for grid in grids:
        display, _, tracks = grid.evaluate(styles)
        assert display == "grid"
        assert tracks == "none" or len(tracks.split()) == 2
    scrolling = first.locator("div:has(> table)").first.evaluate(styles)
    assert scrolling[1] == "auto"


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_both_themes_read_well(untrusted: Watched, theme: str) -> None:
    page = untrusted.page
    command(page, "apputils:change-theme", theme=theme)
    page.wait_for_selector(f"body[data-jp-theme-name='{theme}']", state="attached")
    outputs(page)
    page.evaluate(OPEN_ALL)
    # Tab stops are lost with trust; browsers give one to whatever scrolls.
    assert violations(page, f"{OUTPUTS} .vzlab", but=("scrollable-region-focusable",)) == []


def test_a_view_that_was_run_and_saved_is_there_without_a_kernel(
    browser: Any, lab: str, folder: Path
) -> None:
    with opened(browser, lab, "live.ipynb", viewport={"width": 1000, "height": 900}) as watched:
        page = watched.page
        page.wait_for_function(
            "window.jupyterapp.shell.currentWidget.sessionContext?.session?.kernel?.connectionStatus === 'connected'",
            timeout=90_000,
        )
        command(page, "notebook:run-all-cells")
        page.wait_for_selector(f"{OUTPUTS} details", timeout=90_000)
        # Run here, it is trusted: the style element is there too.
        assert page.locator(f"{OUTPUTS} style").count() == 1
        command(page, "docmanager:save")
        assert watched.elsewhere == []
    document = json.loads((folder / "live.ipynb").read_text(encoding="utf-8"))
    (data,) = [output["data"] for output in document["cells"][0]["outputs"] if "data" in output]
    assert set(data) == {"text/html", "text/plain"}
    # The same file on another machine: another signature, and no such kernel.
    document["metadata"] = {"kernelspec": {"name": "gone", "display_name": "Gone"}}
    document["cells"][0]["source"] += "\n"
    (folder / "moved.ipynb").write_text(json.dumps(document), encoding="utf-8")
    with opened(browser, lab, "moved.ipynb", viewport={"width": 1000, "height": 900}) as watched:
        page = watched.page
        page.locator(".jp-Dialog button.jp-mod-reject").click(timeout=30_000)
        (output,) = outputs(page)
        assert "From bytes to numbers" in output.inner_text()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1000])
def test_a_converted_notebook_shows_every_view(
    browser: Any, folder: Path, tmp_path: Path, theme: str, width: int
) -> None:
    nbconvert = pytest.importorskip("nbconvert")
    exporter = nbconvert.HTMLExporter(theme=theme)
    # The page's own scripts come from the network; views need none.
    exporter.mathjax_url = exporter.require_js_url = exporter.jquery_url = exporter.mermaid_js_url = ""
    markup, _ = exporter.from_filename(str(folder / "views.ipynb"))
    path = tmp_path / "views.html"
    path.write_text(markup, encoding="utf-8")
    with Watched(browser, path.as_uri(), viewport={"width": width, "height": 900}) as watched:
        page = watched.page
        assert page.locator(".vzlab").count() == len(outputs_of(folder / "views.ipynb"))
        page.evaluate(OPEN_ALL)
        for view in page.locator(".vzlab").all():
            assert view.evaluate("e => e.scrollWidth <= e.clientWidth")
        assert violations(page, ".vzlab") == []


def outputs_of(path: Path) -> list[Any]:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return [output for cell in notebook["cells"] for output in cell["outputs"]]
