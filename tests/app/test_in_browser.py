"""The app in a real browser: explore, build from sources to receipt, links, two people at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import icechunk
import numpy as np
import pytest
import xarray as xr

import vzlab as vz
from tests.app.conftest import AppProcess, app_process
from tests.render.browser import FITS, Watched, violations

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

PATIENT_MS = 90_000


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return vz.samples.make_daily_archive(
        tmp_path_factory.mktemp("root") / "archive", n_files=8, shape=(60, 120)
    )


@pytest.fixture(scope="module")
def app(archive: Any) -> Iterator[AppProcess]:
    """Give a server whose root is the directory above the demo archive, which has an odd file."""
    with app_process(archive.folder.parent) as process:
        yield process
        assert process.errors == [], process.log.read_text()


class Visit(Watched):
    """Somebody who looks at the app."""

    def __init__(
        self, browser: Any, app: AppProcess, *, light: bool = True, width: int = 1100, **query: str
    ) -> None:
        link = f"{app.url}?{urlencode(query)}" if query else app.url
        super().__init__(
            browser, link, color_scheme="light" if light else "dark", viewport={"width": width, "height": 900}
        )
        self.page.set_default_timeout(PATIENT_MS)
        self.page.get_by_role("button", name="Explore").wait_for()

    def see(self, text: str) -> Any:
        """Wait until a text is seen."""
        found = self.page.get_by_text(text).locator("visible=true").first
        found.wait_for()
        return found

    def click(self, name: str) -> None:
        """Click a button by what it says."""
        self.page.get_by_role("button", name=name).locator("visible=true").first.click()

    def complaints(self) -> list[str]:
        """What the console has that it should not, and requests to other machines."""
        bad = [
            line for line in self.logged if re.search("error|exception|failed|refused", line, re.IGNORECASE)
        ]
        return bad + self.elsewhere


def test_a_link_opens_the_explorer_and_a_chunk_is_followed_to_its_value(
    browser: Any, app: AppProcess, archive: Any
) -> None:
    with Visit(browser, app, url=str(archive.files[0]), var="sst") as visit:
        page = visit.page
        page.locator(".vzx canvas").first.wait_for()
        page.locator(".vzx canvas").first.click(position={"x": 10, "y": 10})
        visit.see("sst, chunk (")
        page.locator(".vzx").get_by_role("button", name=re.compile("value", re.IGNORECASE)).first.click()
        visit.see("From its bytes")
        assert "vz.cost" in page.locator(".vzx pre").first.inner_text()
        assert violations(page) == []
        assert page.evaluate(FITS)
        query = parse_qs(urlsplit(page.url).query)
        assert query["url"] == [str(archive.files[0])]
        assert query["var"] == ["sst"]
        visit.click("Requests")
        visit.see("requests")
        page.locator(".vzx-waterfall canvas").first.wait_for(state="attached")
        assert violations(page) == []
        assert visit.complaints() == []


def test_values_are_drawn_after_their_cost(browser: Any, app: AppProcess, archive: Any) -> None:
    with Visit(browser, app, url=str(archive.files[0]), var="sst", view="Look at values") as visit:
        visit.see("Down")
        visit.click("What does it cost?")
        visit.see("Nothing was read yet")
        visit.click("Read and draw:")
        visit.see("What it shows, in numbers")
        visit.page.locator(".bk-Figure, .bk-panel-models-layout-Column canvas").first.wait_for(
            state="attached"
        )
        visit.see("It took")
        with xr.open_dataset(archive.files[0]) as native:
            visit.see(f"{float(native['sst'][0].max()):.6g}")
        assert violations(visit.page) == []
        assert visit.complaints() == []


def test_a_version_that_is_chosen_is_opened_and_says_what_it_changed(
    browser: Any, app: AppProcess, archive: Any
) -> None:
    place = archive.folder.parent / "versions"
    vz.open_virtual_dataset(archive.files[0]).vzlab.to_icechunk(place, message="the first day")
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(place)))
    repository.create_tag("v1", snapshot_id=repository.lookup_branch("main"))
    vz.open_virtual_dataset(archive.files[1]).vzlab.to_icechunk(
        place, append_dim="time", message="the second day"
    )
    with Visit(browser, app, url=str(place), var="sst") as visit:
        page = visit.page
        commit = page.get_by_label("What this version changed")
        commit.get_by_text("the second day").wait_for()
        page.locator(".vzx-version select").select_option("v1")
        commit.get_by_text("the first day").wait_for()
        assert "5 new arrays" in commit.inner_text()
        assert parse_qs(urlsplit(page.url).query)["version"] == ["v1"]
        assert violations(page) == []
        assert visit.complaints() == []


def focused(page: Any) -> str:
    """What a screen reader would say of what has the focus: a button's words, or a field's label."""
    said: str = page.evaluate(
        """() => {
          let at = document.activeElement;
          while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
          const label = at?.id ? at.getRootNode().querySelector(`label[for="${at.id}"]`) : null;
          return (label ?? at?.closest("label") ?? at)?.textContent ?? "";
        }"""
    )
    return said.strip()


def tab_to(page: Any, name: str) -> None:
    """Press the tabulator until something has the focus."""
    seen = []
    for _ in range(120):
        page.keyboard.press("Tab")
        seen.append(focused(page)[:40])
        if name in seen[-1]:
            return
    raise AssertionError(f"the tabulator never comes to {name!r}: {seen}")


def test_the_builder_from_sources_to_receipt_by_keyboard_alone(
    browser: Any, app: AppProcess, archive: Any
) -> None:
    cube = archive.folder.parent / "cube"
    with Visit(browser, app, width=480) as visit:
        page = visit.page

        def press(name: str) -> None:
            tab_to(page, name)
            page.keyboard.press("Enter")

        press("Build")
        visit.see("Files")
        tab_to(page, "Files")
        page.keyboard.type(f"{archive.folder.name}/*.nc")
        press("Take these files")
        visit.see(f"{len(archive.files)} files")
        press("3. Check")
        press("Check the files")
        visit.see("nothing would say so")
        assert violations(page) == []
        press("Encode" if page.get_by_role("button", name="Encode").count() else "encode")
        page.wait_for_function("() => document.body !== null")
        visit.see("This click")
        visit.see("on_mismatch='reencode'")
        press("6. Write")
        visit.see("Where to")
        tab_to(page, "Where to")
        page.keyboard.type("cube")
        press("Write the references")
        visit.see("Committed")
        press("7. Prove")
        press("Verify and compare")
        visit.see("PASS")
        assert violations(page) == []
        assert page.evaluate(FITS)
        assert visit.complaints() == []
    repository = vz.open_icechunk(cube)
    assert isinstance(repository, icechunk.Repository)
    stored = xr.open_zarr(repository.readonly_session("main").store, consolidated=False)
    with xr.open_dataset(archive.odd_file) as odd:
        day = stored["sst"].sel(time=odd["time"].values)
        assert np.allclose(day.values, odd["sst"].values, equal_nan=True)


def test_two_people_share_nothing(browser: Any, app: AppProcess, archive: Any) -> None:
    expect = pytest.importorskip("playwright.sync_api").expect
    first, second = archive.files[:2]
    with (
        Visit(browser, app, url=str(first)) as one,
        Visit(browser, app, url=str(second), var="lat", light=False) as two,
    ):
        one.page.locator(".vzx-head").get_by_text(first.name).wait_for()
        two.page.locator(".vzx-head").get_by_text(second.name).wait_for()
        one.click("Build")
        one.see("Files")
        expect(one.page.get_by_label("Files", exact=True)).to_have_value(str(first), timeout=30_000)
        two.click("Build")
        two.see("Files")
        expect(two.page.get_by_label("Files", exact=True)).to_have_value(str(second), timeout=30_000)
        assert parse_qs(urlsplit(two.page.url).query)["var"] == ["lat"]
        assert parse_qs(urlsplit(one.page.url).query)["var"] == ["sst"]
        assert one.complaints() + two.complaints() == []


def test_what_lies_outside_is_refused(browser: Any, app: AppProcess) -> None:
    for place in ("/etc/passwd", "../../../etc/passwd", "https://example.org/a.nc"):
        with Visit(browser, app, url=place) as visit:
            visit.see("lies outside of what this app may touch")
            assert visit.complaints() == []


@pytest.mark.parametrize("width", [1100, 480])
@pytest.mark.parametrize("light", [True, False], ids=["light", "dark"])
def test_it_fits_and_its_theme_can_be_changed(
    browser: Any, app: AppProcess, archive: Any, width: int, light: bool
) -> None:
    with Visit(browser, app, light=light, width=width, url=str(archive.files[0])) as visit:
        page = visit.page
        page.locator(".vzx canvas").first.wait_for()
        background = "() => getComputedStyle(document.body).backgroundColor"
        before = page.evaluate(background)
        assert before == ("rgb(255, 255, 255)" if light else "rgb(17, 20, 24)")
        assert page.evaluate(FITS)
        visit.click("Dark theme" if light else "Light theme")
        assert page.evaluate(background) != before
        assert page.locator(".vzx").first.get_attribute("data-theme") == ("dark" if light else "light")
        page.reload()
        page.get_by_role("button", name="Light theme" if light else "Dark theme").wait_for()
        assert violations(page) == []
