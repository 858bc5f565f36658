"""The visual core in a real browser, as a page from disk: shown, chosen by pointer and by keys, heard, light and dark."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import vzlab as vz
from tests.inspection.arrays import virtual_array
from tests.render.browser import FITS, OPEN_ALL, Watched, launched, violations
from tests.render.test_instruments import recording_of, requests
from vzlab.inspection import inspect
from vzlab.manifests import ManifestGroup
from vzlab.render.spec import byte_map_spec, chunk_map_spec, matrix_spec, pipeline_spec, waterfall_spec
from vzlab.widgets.core import ESM
from vzlab.widgets.explore_export import to_page
from vzlab.widgets.explored import open_explored

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

MAP, STRIPS, DETAIL = ".vzx-chunks .vzx-stage", ".vzx-strips", ".vzx-detail"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as started:
        yield started


@pytest.fixture(scope="module")
def group() -> ManifestGroup:
    """A grid of three dimensions in three files, a long row, one chunk, and a name that is markup."""
    return ManifestGroup(
        arrays={
            "sst": virtual_array(
                (4, 6, 8), n_sources=3, n_missing=9, n_inline=3, dims=("time", "lat", "lon")
            ),
            "row": virtual_array((500,), dims=("t",)),
            "one": virtual_array((1, 1)),
            "<img src=x onerror=\"document.title='run'\">": virtual_array((4, 4)),
        },
        groups={"inner": ManifestGroup(arrays={"deep": virtual_array((3, 5))})},
    )


@pytest.fixture(scope="module")
def page_file(group: ManifestGroup, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "page.html"
    path.write_text(to_page(open_explored(group), "sst"), encoding="utf-8")
    return path


def opened(browser: Any, path: Path, *, width: int = 1000, scheme: str = "light") -> Watched:
    watched = Watched(browser, path.as_uri(), viewport={"width": width, "height": 900}, color_scheme=scheme)
    watched.page.wait_for_selector(".vzx canvas", state="attached")
    return watched


def pixels(page: Any, stage: str) -> int:
    """Colours on a canvas: a blank one has one."""
    return int(
        page.evaluate(
            """stage => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => {
                const canvas = document.querySelector(stage + " canvas");
                const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
                done(new Set(new Uint32Array(data.buffer)).size);
            })))""",
            stage,
        )
    )


@pytest.mark.parametrize(("scheme", "width"), [("light", 1000), ("dark", 360)])
def test_it_shows_its_maps_fits_and_can_be_heard(
    browser: Any, page_file: Path, scheme: str, width: int
) -> None:
    with opened(browser, page_file, width=width, scheme=scheme) as watched:
        page = watched.page
        assert page.locator(".vzx").get_attribute("data-theme") == scheme
        assert pixels(page, MAP) > 4
        assert pixels(page, STRIPS) > 2
        page.locator(MAP).click(position={"x": 20, "y": 20})
        assert page.evaluate(FITS)
        page.evaluate(OPEN_ALL)
        assert page.evaluate(FITS)
        assert violations(page) == []
        assert page.title() != "run"
        assert watched.logged == []
        assert [url for url in watched.requests if not url.startswith("data:")] == [page_file.as_uri()]


def test_keys_alone_find_a_variable_select_a_chunk_and_see_it_in_its_file(
    browser: Any, page_file: Path, group: ManifestGroup
) -> None:
    with opened(browser, page_file) as watched:
        page = watched.page
        page.keyboard.press("Tab")
        page.keyboard.type("deep")
        page.keyboard.press("Enter")
        assert page.locator(".vzx-name").inner_text().startswith("inner/deep")
        page.locator(MAP).focus()
        for key in ("ArrowDown", "ArrowRight", "ArrowRight", "Enter"):
            page.keyboard.press(key)
        reference = group["inner/deep"].manifest.reference((1, 2))
        told = page.locator(DETAIL).inner_text()
        assert "(1, 2)" in told
        assert f"{reference.offset:,}" in told
        assert page.locator(".vzx-chunks [aria-live]").inner_text().startswith("lat 1, lon 2:")
        # The next one in the file, chosen in the other map, is selected in this one.
        page.locator(STRIPS).focus()
        page.keyboard.press("n")
        assert "(1, 3)" in page.locator(DETAIL).inner_text()
        page.locator(MAP).focus()
        page.keyboard.press("Shift+ArrowDown")
        assert "2 requests" in page.locator(DETAIL).inner_text()


def test_the_tab_key_leaves_every_part(browser: Any, page_file: Path) -> None:
    with opened(browser, page_file) as watched:
        page = watched.page
        seen = []
        for _ in range(40):
            page.keyboard.press("Tab")
            seen.append(page.evaluate("document.activeElement.className || document.activeElement.tagName"))
        assert seen[-1] == "BODY" or "BODY" in seen
        assert {"vzx-stage", "vzx-stage vzx-strips"} <= set(seen)


def test_dragging_selects_what_lies_between(browser: Any, page_file: Path) -> None:
    with opened(browser, page_file) as watched:
        page = watched.page
        bounds = page.locator(MAP).bounding_box()
        cell = (bounds["width"] / 8, bounds["height"] / 6)
        page.mouse.move(bounds["x"] + 1.5 * cell[0], bounds["y"] + 0.5 * cell[1])
        page.mouse.down()
        page.mouse.move(bounds["x"] + 3.5 * cell[0], bounds["y"] + 2.5 * cell[1], steps=4)
        page.mouse.up()
        assert "lat 0–2, lon 1–3" in page.locator(DETAIL).inner_text()
        assert "time 0–3" in page.locator(DETAIL).inner_text()


def test_sliders_show_one_place_and_colours_are_chosen(browser: Any, page_file: Path) -> None:
    with opened(browser, page_file) as watched:
        page = watched.page
        slider = page.locator("input[type=range]")
        slider.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert slider.get_attribute("aria-valuetext") == "chunk 1 of 4"
        page.locator("[data-slice]").wait_for()
        page.locator(MAP).click(position={"x": 10, "y": 10})
        assert "time 1, lat 0, lon 0" in page.locator(DETAIL).inner_text()
        for colour, says in (
            ("file", "part_0.nc"),
            ("state", "in a file"),
            ("outliers", "the middle"),
            ("size", " B"),
        ):
            page.locator(".vzx-controls select").select_option(colour)
            assert says in page.locator(".vzx-chunks .vzx-legend").inner_text()


def test_the_table_says_what_the_picture_shows_and_selects_as_it_does(
    browser: Any, page_file: Path, group: ManifestGroup
) -> None:
    with opened(browser, page_file) as watched:
        page = watched.page
        page.locator(".vzx-chunks .vzx-table summary").click()
        cell = page.locator(".vzx-chunks table tbody tr").nth(2).locator("td").nth(3)
        manifest = group["sst"].manifest
        stored = int(manifest.lengths[:, 2, 3].sum())
        assert f"{stored} B" in cell.inner_text()
        cell.locator("button").click()
        assert "lat 2, lon 3" in page.locator(DETAIL).inner_text()


def test_what_was_clicked_is_a_program(browser: Any, page_file: Path, group: ManifestGroup) -> None:
    with opened(browser, page_file) as watched:
        page = watched.page
        page.locator(".vzx-controls select").select_option("state")
        page.locator("input[type=range]").fill("3")
        page.get_by_text("chunk 2 of 4").wait_for()
        page.locator("[data-slice]").wait_for()
        page.locator(MAP).click(position={"x": 10, "y": 10})
        names: dict[str, Any] = {"x": group}
        exec(page.locator(".vzx-code pre").inner_text(), names)
        widget, cost = names["widget"], names["cost"]
        assert (widget.variable, widget.colour, widget.slices) == ("sst", "state", {"time": 2})
        assert widget.selection["chunks"] == [[2, 3], [0, 1], [0, 1]]
        assert cost.to_dict() == widget.cost.to_dict()


def test_copying_gives_the_code_or_marks_it(browser: Any, page_file: Path) -> None:
    with opened(browser, page_file) as watched:
        page = watched.page
        shown = page.locator(".vzx-code pre").inner_text()
        page.get_by_role("button", name="Copy as code").click()
        page.wait_for_function("document.querySelector('.vzx-code [role=status]').textContent")
        if "Ctrl" in page.locator(".vzx-code [role=status]").inner_text():
            page.keyboard.press("Control+C")
        page.locator("input[type=search]").focus()
        page.keyboard.press("Control+V")
        # A field of one line leaves out where lines end.
        pasted = page.locator("input[type=search]").input_value()
        assert "".join(pasted.split()) == "".join(shown.split())
        assert "vz.explore(x, variable='sst')" in shown


@pytest.fixture(scope="module")
def specs(group: ManifestGroup, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    found = inspect(group)
    archive = vz.samples.make_daily_archive(tmp_path_factory.mktemp("archive"), n_files=3, odd=1, missing=1)
    return {
        "chunk map": chunk_map_spec(found, "sst"),
        "byte map": byte_map_spec(found, "sst"),
        "pipeline": pipeline_spec(found, "sst"),
        "matrix": matrix_spec(vz.check_combine(archive.files)),
        "waterfall": waterfall_spec(recording_of(requests(40))),
    }


@pytest.mark.parametrize("kind", ["chunk map", "byte map", "pipeline", "matrix", "waterfall"])
def test_every_spec_is_drawn_updated_and_taken_away(
    browser: Any, specs: dict[str, Any], tmp_path: Path, kind: str
) -> None:
    held = json.dumps(specs[kind]).replace("<", "\\u003c")
    script = (
        f"{ESM}\nconst spec = {held};\nwindow.told = [];\n"
        "window.view = mount(document.querySelector('main'), spec, (chosen) => told.push(chosen)); window.spec = spec;"
    )
    path = tmp_path / "page.html"
    path.write_text(
        "<!doctype html><html lang=en><head><meta charset=utf-8><title>One view</title><link rel=icon href='data:,'></head>"
        f"<body><main><h1>One view</h1></main><script type=module>{script}</script></body></html>",
        encoding="utf-8",
    )
    with Watched(browser, path.as_uri(), viewport={"width": 600, "height": 600}) as watched:
        page = watched.page
        page.wait_for_selector(".vzx[data-theme=light]")
        target = page.locator(".vzx-stage, .vzx-matrix td button").first
        if target.count():
            target.click(position={"x": 5, "y": 5})
            assert len(page.evaluate("told")) == 1
        else:
            assert page.locator(".vzx-pipeline li").count() == len(specs[kind]["boxes"])
        page.evaluate(OPEN_ALL)
        assert violations(page) == []
        page.evaluate("view.update(spec)")
        page.evaluate("view.destroy()")
        assert page.locator(".vzx").count() == 0
        assert watched.logged == []
