"""The site builds without a warning and stands alone: every link leads somewhere, and nothing is fetched from elsewhere."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

import vzlab
from tests.check import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "srcset", "link": "href"}
"""Tags that a browser follows by itself, and by which attribute."""


class _Links(HTMLParser):
    """What a page links to, what it loads, and the anchors that it has."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in LOADED and values.get(LOADED[tag]):
            self.loaded.append(values[LOADED[tag]])


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, _Links]:
    return {page: _Links(page) for page in sorted(site.rglob("*.html"))}


def test_every_link_and_anchor_leads_somewhere(pages: dict[Path, _Links]) -> None:
    broken = []
    for page, content in pages.items():
        if page.name == "404.html":  # shown at any depth: its links begin at the root of a server
            continue
        for link in content.links:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if not target.is_file():
                broken.append(f"{page.name}: {link}: no such page")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                broken.append(f"{page.name}: {link}: no such place in it")
    assert broken == []


def test_a_browser_is_sent_nowhere_else(pages: dict[Path, _Links], site: Path) -> None:
    loaded = {link for content in pages.values() for link in content.loaded}
    assert [link for link in loaded if urlsplit(link).scheme not in {"", "data"}] == []
    assert len(loaded) > 3
    sheets = [sheet.read_text(encoding="utf-8") for sheet in site.rglob("*.css")]
    assert sheets
    assert [sheet[:80] for sheet in sheets if "url(http" in sheet or "@import" in sheet] == []


def test_every_lesson_is_a_page_with_its_outputs(site: Path) -> None:
    for path in (*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "tutorials").glob("*.ipynb")):
        page = (site / path.parent.name / f"{path.stem}.html").read_text(encoding="utf-8")
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        outputs: list[dict[str, Any]] = [out for cell in cells for out in cell.get("outputs", [])]
        shown = ["".join(out["data"]["text/html"]) for out in outputs if "text/html" in out.get("data", {})]
        assert [html[:80] for html in shown if html not in page] == [], path.name
        assert page.count('class="vz-output"') == sum(bool(cell.get("outputs")) for cell in cells)
        assert "### SOLUTION" not in page


def test_every_public_name_has_its_reference(site: Path) -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in (site / "api").glob("*.html"))
    names = [name for name in vzlab.__all__ if callable(getattr(vzlab, name))]
    assert [name for name in names if f"vz.{name}" not in pages] == []
    assert pages.count("doc-signature") >= len(names)


def test_search_knows_the_pages(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    found = {
        entry["location"].partition("#")[0] for entry in index["docs"] if "manifest" in entry["text"].lower()
    }
    assert {"glossary.html", "concepts.html", "writing-a-parser.html"} <= found
    assert all("data:image" not in entry["text"] for entry in index["docs"])
