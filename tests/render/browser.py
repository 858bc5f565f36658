"""A headless Chromium, and pages in it that are watched for what they log and ask for."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]

OPEN_ALL = "document.querySelectorAll('details').forEach(details => details.open = true)"
FITS = "document.documentElement.scrollWidth <= window.innerWidth"


@contextmanager
def launched() -> Iterator[Any]:
    """Start a browser, and end it."""
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no browser: install chromium")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        started.close()


class Watched:
    """A page, with what it logged and asked for. What is not on this machine is refused."""

    def __init__(self, browser: Any, url: str, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.logged: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.logged.append(message.text))
        self.page.on("pageerror", lambda error: self.logged.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.context.route(lambda url: not is_local(url), lambda route: route.abort())
        self.page.goto(url)

    @property
    def elsewhere(self) -> list[str]:
        """Requests to other machines."""
        return [url for url in self.requests if not is_local(url)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()


def is_local(url: str) -> bool:
    """Whether a url needs no network."""
    return url.startswith(("data:", "file:", "blob:", "about:", "http://127.0.0.1:"))


def violations(page: Any, within: str | None = None, *, but: tuple[str, ...] = ()) -> list[str]:
    """Give what axe-core finds in a page, or in the parts of it that a selector names."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    options = {"resultTypes": ["violations"], "rules": {rule: {"enabled": False} for rule in but}}
    found = axe.run(page, context=within, options=options).response["violations"]
    return [f"{entry['id']}: {node['html'][:200]}" for entry in found for node in entry["nodes"]]
