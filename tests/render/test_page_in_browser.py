"""A page in a real browser: it shows what it should, alone, in any width and colour."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.archives import write_daily_file
from tests.render.test_views import golden_group
from vzlab.inspection import inspect

pytestmark = pytest.mark.browser
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no browser: install chromium")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                "--disable-component-update", "--disable-sync",
            ],
        )  # fmt: skip
        yield started
        started.close()


class Watched:
    """A page, with what it logged and asked for."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.logged: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.logged.append(message.text))
        self.page.on("pageerror", lambda error: self.logged.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())


@pytest.fixture
def page_path(tmp_path: Path) -> Path:
    return inspect(write_daily_file(tmp_path / "sst.nc", n_lat=40, n_lon=80)).to_html(tmp_path / "page.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 900])
def test_a_page_shows_everything_and_asks_for_nothing(browser, page_path, scheme, width):
    watched = Watched(browser, page_path, color_scheme=scheme, viewport={"width": width, "height": 800})
    page = watched.page
    assert page.title() == "sst.nc"
    assert "273.15" in page.inner_text("body")
    pictures = page.locator("img").all()
    assert len(pictures) >= 2
    for picture in pictures:
        assert picture.evaluate("image => image.complete && image.naturalWidth > 0")
    # Nothing but tables and code, in boxes of their own, is wider than the page.
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(17, 20, 24)")
    assert watched.logged == []
    assert [url for url in watched.requests if not url.startswith("data:")] == [page_path.as_uri()]
    watched.context.close()


def test_lines_open_by_the_keyboard_alone(browser, page_path):
    watched = Watched(browser, page_path)
    page = watched.page
    closed = page.locator("details:not([open]) > summary").first
    name = closed.inner_text()
    closed.focus()
    page.keyboard.press("Enter")
    assert page.locator("details[open] > summary").filter(has_text=name.split("\n")[0]).count() >= 1
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    watched.context.close()


def test_nothing_in_hostile_names_runs(browser, tmp_path):
    from tests.inspection.arrays import virtual_array
    from vzlab.manifests import ManifestGroup

    name = "<img src=x onerror=\"document.title='run'\">"
    group = ManifestGroup(
        arrays={name: virtual_array((4, 4), attributes={name: name, "units": name})}, attributes={name: name}
    )
    watched = Watched(browser, inspect(group).to_html(tmp_path / "page.html"))
    assert watched.page.title() != "run"
    assert name in watched.page.inner_text("body")
    assert watched.logged == []
    watched.context.close()


def test_it_reads_well_without_its_style_element(browser, tmp_path):
    markup = inspect(golden_group())._repr_html_()
    path = tmp_path / "bare.html"
    path.write_text(
        "<!doctype html><meta charset=utf-8><link rel=icon href='data:,'>" + markup, encoding="utf-8"
    )
    watched = Watched(browser, path, viewport={"width": 480, "height": 800})
    watched.page.evaluate("document.querySelectorAll('style').forEach(style => style.remove())")
    assert "never written" in watched.page.inner_text("body")
    assert watched.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    watched.context.close()
