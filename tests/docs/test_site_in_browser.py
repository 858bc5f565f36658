"""The site in a real browser: what a screen reader needs, any width, light and dark, search, and no request elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.render.browser import FITS, Watched, violations

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]

PAGES = (
    *("index", "concepts", "comparison", "formats", "api/see", "teaching"),
    *("notebooks/01-a-file-is-bytes", "notebooks/05-combine"),
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_accessible_and_alone(browser: Any, address: str, page: str, scheme: str) -> None:
    with Watched(browser, f"{address}/{page}.html", color_scheme=scheme) as watched:
        watched.page.wait_for_load_state("networkidle")
        assert violations(watched.page) == []
        assert watched.elsewhere == []
        assert watched.logged == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_fits_a_telephone(browser: Any, address: str, page: str) -> None:
    with Watched(browser, f"{address}/{page}.html", viewport={"width": 360, "height": 700}) as watched:
        assert watched.page.evaluate(FITS)


def test_search_finds_a_word_without_a_network(browser: Any, address: str) -> None:
    with Watched(browser, f"{address}/index.html") as watched:
        watched.page.get_by_role("textbox", name="Search").fill("rectilinear")
        result = watched.page.locator(".md-search-result__link[href*='glossary']").first
        result.wait_for(state="attached", timeout=20_000)
        assert watched.elsewhere == []


def test_search_works_from_a_disk(browser: Any, site: Path) -> None:
    with Watched(browser, (site / "index.html").as_uri()) as watched:
        watched.page.get_by_role("textbox", name="Search").press_sequentially("rectilinear", delay=50)
        result = watched.page.locator(".md-search-result__link[href*='glossary']").first
        result.wait_for(state="attached", timeout=20_000)
        assert watched.logged == []


def test_outputs_of_a_notebook_keep_their_own_style(browser: Any, address: str) -> None:
    with Watched(browser, f"{address}/notebooks/01-a-file-is-bytes.html") as watched:
        summary = watched.page.locator(".vz-output summary").first
        # The site draws an icon into summaries of its own; those of an output are as the notebook shows them.
        icon = summary.evaluate("element => getComputedStyle(element, '::before').content")
        assert icon in {"none", "normal", '""'}
        height = summary.evaluate("element => element.getBoundingClientRect().height")
        assert height > 0
