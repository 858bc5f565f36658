"""A page in a real browser: it shows what it should, alone, in any width and colour, by keyboard and on paper."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import write_daily_file
from tests.inspection.arrays import virtual_array
from tests.render.browser import FITS, OPEN_ALL, Watched, violations
from tests.render.every_view import every_view
from tests.render.test_views import golden_group
from vzlab.inspection import inspect
from vzlab.manifests import ManifestGroup
from vzlab.render import to_html

pytestmark = pytest.mark.browser
BACKGROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("views")
    views = every_view(folder)
    long = "a_very_long_name_" * 12 + "that-does-not-break"
    views["long names"] = inspect(
        ManifestGroup(
            arrays={long: virtual_array((2, 12, 12), attributes={long: long}, dims=(long, long + "y", "x"))},
            groups={long: golden_group()},
        )
    )
    return {name: to_html(view, folder / f"{name}.html") for name, view in views.items()}


@pytest.fixture
def page_path(tmp_path: Path) -> Path:
    return inspect(write_daily_file(tmp_path / "sst.nc", n_lat=40, n_lon=80)).to_html(tmp_path / "page.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 900])
def test_a_page_shows_everything_and_asks_for_nothing(browser, page_path, scheme, width):
    with Watched(
        browser, page_path.as_uri(), color_scheme=scheme, viewport={"width": width, "height": 800}
    ) as watched:
        page = watched.page
        assert page.title() == "sst.nc"
        assert "273.15" in page.inner_text("body")
        pictures = page.locator("img").all()
        assert len(pictures) >= 2
        for picture in pictures:
            assert picture.evaluate("image => image.complete && image.naturalWidth > 0")
        assert page.evaluate(BACKGROUND) == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(17, 20, 24)")
        assert watched.logged == []
        assert [url for url in watched.requests if not url.startswith("data:")] == [page_path.as_uri()]


@pytest.mark.parametrize(("scheme", "width"), [("light", 900), ("dark", 360)])
def test_every_view_fits_its_width_and_can_be_heard_and_reached(browser, pages, scheme, width):
    for name, path in pages.items():
        with Watched(
            browser, path.as_uri(), color_scheme=scheme, viewport={"width": width, "height": 800}
        ) as watched:
            # As it comes, and with every line open: only tables and bytes, in boxes of their own, may be wider.
            assert watched.page.evaluate(FITS), name
            watched.page.evaluate(OPEN_ALL)
            assert watched.page.evaluate(FITS), name
            assert violations(watched.page) == [], name
            assert watched.elsewhere == []
            assert watched.logged == []


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_lines_open_and_close_by_the_keyboard_alone(browser, page_path, key):
    with Watched(browser, page_path.as_uri()) as watched:
        page = watched.page
        line = page.locator("details:not([open]) > summary").first.element_handle()
        is_open = "summary => summary.parentElement.open"
        line.focus()
        page.keyboard.press(key)
        assert line.evaluate(is_open)
        page.keyboard.press(key)
        assert not line.evaluate(is_open)


def test_the_tab_key_goes_through_every_line_in_reading_order(browser, page_path):
    with Watched(browser, page_path.as_uri()) as watched:
        page = watched.page
        expected = page.evaluate(
            "[...document.querySelectorAll('summary, [tabindex]')]"
            ".filter(e => e.checkVisibility()).map(e => e.innerText)"
        )
        seen = []
        for _ in expected:
            page.keyboard.press("Tab")
            seen.append(page.evaluate("document.activeElement.innerText"))
        assert seen == expected
        assert len(seen) > 4


def test_it_prints_dark_on_white_and_within_the_paper(browser, page_path):
    with Watched(browser, page_path.as_uri(), color_scheme="dark") as watched:
        page = watched.page
        page.set_viewport_size({"width": 718, "height": 1000})  # A4 within margins, at 96 dots an inch.
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate(BACKGROUND) == "rgb(255, 255, 255)"
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(27, 31, 35)"
        assert page.evaluate(FITS)
        assert page.pdf().startswith(b"%PDF-")


def test_nothing_in_hostile_names_runs(browser, tmp_path):
    name = "<img src=x onerror=\"document.title='run'\">"
    group = ManifestGroup(
        arrays={name: virtual_array((4, 4), attributes={name: name, "units": name})}, attributes={name: name}
    )
    with Watched(browser, inspect(group).to_html(tmp_path / "page.html").as_uri()) as watched:
        assert watched.page.title() != "run"
        assert name in watched.page.inner_text("body")
        assert watched.logged == []


def test_it_reads_well_without_its_style_element(browser, tmp_path):
    markup = inspect(golden_group())._repr_html_()
    path = tmp_path / "bare.html"
    path.write_text(
        "<!doctype html><meta charset=utf-8><link rel=icon href='data:,'>" + markup, encoding="utf-8"
    )
    with Watched(browser, path.as_uri(), viewport={"width": 480, "height": 800}) as watched:
        watched.page.evaluate("document.querySelectorAll('style').forEach(style => style.remove())")
        assert "never written" in watched.page.inner_text("body")
        assert watched.page.evaluate(FITS)
