"""Take the README's pictures: ``python docs/screenshots.py`` draws vzlab's own views in a headless Chromium."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

import vzlab as vz
from vzlab.render import to_page

IMAGES = Path(__file__).parent / "images"
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]


def main(browser: str = "/usr/bin/chromium") -> None:
    """Write each view in light and dark."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        archive = vz.samples.make_daily_archive(Path(folder) / "archive")
        views = {
            "inspect": vz.inspect(archive.files[0]),
            "check": vz.check_combine(archive.files),
            "trace": vz.trace(archive.files[0], "sst", (0, 45, 60)),
        }
        chromium = playwright.chromium.launch(executable_path=browser, args=ARGUMENTS)
        for name, view in views.items():
            page_file = Path(folder) / f"{name}.html"
            page_file.write_text(to_page(view).replace(folder, ""), encoding="utf-8")
            for scheme in ("light", "dark"):
                page = chromium.new_page(
                    viewport={"width": 860, "height": 400}, color_scheme=scheme, device_scale_factor=1.5
                )
                page.goto(page_file.as_uri())
                page.screenshot(path=IMAGES / f"{name}-{scheme}.png", full_page=True)
        archive = vz.samples.make_daily_archive(Path(folder) / "wide", shape=(240, 480))
        joined = vz.open_virtual_mfdataset(
            [str(file) for file in archive.files if file != archive.odd_file], progress=False
        )
        explorer = vz.explore(joined, "sst").to_html(Path(folder) / "explore.html")
        for name, width in (("explore", 1000), ("explore-narrow", 380)):
            for scheme in ("light", "dark"):
                page = chromium.new_page(
                    viewport={"width": width, "height": 400}, color_scheme=scheme, device_scale_factor=1.5
                )
                page.goto(explorer.as_uri())
                # The map of a chosen day, and one of its chunks.
                page.locator("input[type=range]").fill("4")
                page.get_by_text("chunk 3 of").wait_for()
                page.locator("canvas").first.click(position={"x": 40, "y": 60})
                page.locator(".vzx-detail table").wait_for()
                page.mouse.move(0, 0)
                page.screenshot(path=IMAGES / f"{name}-{scheme}.png", full_page=True)
        chromium.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
