"""Take the pictures of README and documentation: ``python docs/screenshots.py`` draws vzlab's own views in a headless Chromium.

``python docs/screenshots.py app`` takes those of the app alone, ``python docs/screenshots.py views`` the others.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

import vzlab as vz
from vzlab.render import to_page

IMAGES = Path(__file__).parent / "images"
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]


def main(which: str = "all", browser: str = "/usr/bin/chromium") -> None:
    """Write each view in light and dark."""
    if which in ("all", "views"):
        views(browser)
    if which in ("all", "app"):
        app(browser)


def views(browser: str) -> None:
    """What a file, a check, a value and the explorer look like."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        archive = vz.samples.make_daily_archive(Path(folder) / "archive")
        shown = {
            "inspect": vz.inspect(archive.files[0]),
            "check": vz.check_combine(archive.files),
            "trace": vz.trace(archive.files[0], "sst", (0, 45, 60)),
        }
        chromium = playwright.chromium.launch(executable_path=browser, args=ARGUMENTS)
        for name, view in shown.items():
            page_file = Path(folder) / f"{name}.html"
            page_file.write_text(to_page(view).replace(folder, ""), encoding="utf-8")
            for scheme in ("light", "dark"):
                page = chromium.new_page(
                    viewport={"width": 860, "height": 400}, color_scheme=scheme, device_scale_factor=1.5
                )
                page.goto(page_file.as_uri())
                keep(page, f"{name}-{scheme}", full_page=True)
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
                keep(page, f"{name}-{scheme}", full_page=True)
        chromium.close()


def app(browser: str) -> None:
    """What each view of the app looks like."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        archive = vz.samples.make_daily_archive(Path(folder) / "archive")
        for number, message in enumerate(("the first day", "the second day")):
            more = {"append_dim": "time"} if number else {}
            day = vz.open_virtual_dataset(archive.files[number])
            day.vzlab.to_icechunk(Path(folder) / "cube", message=message, **more)
            if not number:
                repository = vz.open_icechunk(Path(folder) / "cube")
                repository.create_tag("v1", snapshot_id=repository.lookup_branch("main"))
        chromium = playwright.chromium.launch(executable_path=browser, args=ARGUMENTS)
        command = [sys.executable, "-m", "vzlab", "app", "--port", "0", "--no-browser"]
        with subprocess.Popen(  # noqa: S603 - our own command
            command, stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True, cwd=folder
        ) as server:
            try:
                assert server.stdout is not None
                url = next(
                    found.group() for line in server.stdout if (found := re.search(r"http://\S+", line))
                )
                for scheme in ("light", "dark"):
                    page = chromium.new_page(viewport={"width": 1000, "height": 820}, color_scheme=scheme)
                    page.set_default_timeout(90_000)
                    page.goto(f"{url}?url=cube&var=sst")
                    page.locator(".vzx-version select").select_option("v1")
                    page.get_by_label("What this version changed").get_by_text("the first day").wait_for()
                    page.wait_for_timeout(1_000)  # until all stands where it stays
                    page.locator(".vzx-chunks canvas").first.click(position={"x": 40, "y": 40})
                    page.get_by_text("holds values").first.wait_for()
                    page.mouse.move(0, 0)
                    keep(page, f"app-versions-{scheme}")
                    page.goto(f"{url}?view=Build")
                    page.get_by_label("Files", exact=True).fill("archive/*.nc")
                    page.get_by_role("button", name="Take these files").click()
                    page.get_by_text("12 files, ").locator("visible=true").first.wait_for()
                    page.get_by_role("button", name="3. Check").click()
                    page.get_by_role("button", name="Check the files").click()
                    page.locator(".vzx-matrix td button").first.click()
                    page.mouse.move(0, 0)
                    keep(page, f"app-build-{scheme}")
                    page.goto(f"{url}?url=archive/{archive.files[0].name}&var=sst&view=Look+at+values")
                    page.get_by_label("Down").wait_for()
                    page.get_by_role("button", name="What does it cost?").click()
                    page.get_by_role("button", name="Read and draw: ").click()
                    page.get_by_text("What it shows, in numbers").wait_for()
                    page.wait_for_timeout(2_000)
                    keep(page, f"app-values-{scheme}")
                    page.get_by_role("button", name="Requests", exact=True).click()
                    page.locator(".vzx-waterfall canvas").first.wait_for(state="attached")
                    page.wait_for_timeout(1_000)
                    top = {"x": 0, "y": 0, "width": 1000, "height": 392}
                    keep(page, f"app-requests-{scheme}", clip=top)
                    page.get_by_role("button", name="Compare", exact=True).first.click()
                    page.get_by_label("Compare with").fill(f"archive/{archive.odd_file.name}")
                    page.get_by_role("button", name="Compare", exact=True).last.click()
                    page.get_by_text("scale_factor").locator("visible=true").first.wait_for()
                    page.wait_for_timeout(1_000)
                    keep(page, f"app-compare-{scheme}")
            finally:
                server.terminate()
        chromium.close()


def keep(page: Page, name: str, **options: Any) -> None:
    """Save what a page looks like in the 256 colours that come nearest: a third of the bytes, and nobody sees a difference."""
    with Image.open(io.BytesIO(page.screenshot(**options))) as picture:
        few = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    few.save(IMAGES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
