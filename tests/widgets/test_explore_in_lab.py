"""The explorer in JupyterLab: selected, followed, priced, set from Python, in another theme, saved, and reopened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.archives import write_daily_file
from tests.render.browser import violations
from tests.render.lab import command, opened, run_cell

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("jupyterlab")
pytestmark = [pytest.mark.browser, pytest.mark.notebook, pytest.mark.timeout(420)]

LOOK = 'import vzlab as vz\n\nwidget = vz.explore("sst.nc", "sst")\nwidget'
TELL = "print('seen:', widget.selection['chunks'], widget.cost.n_requests, widget.traced.agrees)"
SET = "widget.variable = 'lat'"
MAP = ".vzx-chunks .vzx-stage"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notebooks")
    write_daily_file(folder / "sst.nc", n_lat=40, n_lon=80)
    cells = [nbformat.v4.new_code_cell(source) for source in (LOOK, TELL, SET)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / "live.ipynb")
    return folder


def test_it_is_used_set_saved_and_there_without_a_kernel(browser: Any, lab: str, folder: Path) -> None:
    with opened(browser, lab, "live.ipynb", viewport={"width": 1200, "height": 1000}) as watched:
        page = watched.page
        page.wait_for_function(
            "window.jupyterapp.shell.currentWidget.sessionContext?.session?.kernel?.connectionStatus === 'connected'",
            timeout=90_000,
        )
        run_cell(page, 0)
        page.wait_for_selector(f"{MAP} canvas", state="attached", timeout=90_000)
        detail = page.locator(".vzx-detail")
        assert "Select a chunk" in detail.inner_text()

        # Select, by keys.
        page.locator(MAP).focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        detail.get_by_text("Reading it takes").wait_for(timeout=30_000)
        assert "4 chunks: time 0–3, lat 0, lon 1" in detail.inner_text()
        assert "4 requests" in detail.inner_text()

        # Follow its value.
        detail.get_by_role("button", name="Follow this value").click()
        detail.get_by_text("unshuffle").first.wait_for(timeout=30_000)
        page.locator(".vzx-code").get_by_text("vz.trace").wait_for(timeout=10_000)

        # The kernel knows, and sets.
        run_cell(page, 1)
        page.get_by_text("seen: [[0, 4], [0, 1], [1, 2]] 4 True").wait_for(timeout=30_000)
        run_cell(page, 2)
        page.locator(".vzx-name").get_by_text("lat", exact=True).wait_for(timeout=30_000)

        # Another theme.
        assert page.locator(".vzx").get_attribute("data-theme") == "light"
        command(page, "apputils:change-theme", theme="JupyterLab Dark")
        page.wait_for_selector(".vzx[data-theme=dark]", timeout=30_000)
        page.locator(".vzx").scroll_into_view_if_needed()
        assert violations(page, ".vzx") == []
        command(page, "docmanager:save")
        assert watched.elsewhere == []
        assert not [line for line in watched.logged if "TypeError" in line or "ReferenceError" in line]

    document = json.loads((folder / "live.ipynb").read_text(encoding="utf-8"))
    outputs = [set(output["data"]) for output in document["cells"][0]["outputs"] if "data" in output]
    assert {"text/html", "text/plain"} in outputs
    # The same file on another machine: another signature, and no such kernel.
    document["metadata"] = {"kernelspec": {"name": "gone", "display_name": "Gone"}}
    document["cells"][0]["source"] += "\n"
    (folder / "moved.ipynb").write_text(json.dumps(document), encoding="utf-8")
    with opened(browser, lab, "moved.ipynb", viewport={"width": 1000, "height": 900}) as watched:
        page = watched.page
        page.locator(".jp-Dialog button.jp-mod-reject").click(timeout=30_000)
        kept = page.locator(".jp-OutputArea-output", has_text="What vz.inspect says").first
        kept.locator("summary").first.click(timeout=30_000)
        assert "From bytes to numbers" in kept.inner_text()
