"""The visual core in a real browser, as a page from disk: shown, chosen by pointer and by keys, heard, light and dark."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vzlab as vz
from tests.archives import write_daily_file
from tests.inspection.arrays import virtual_array
from tests.render.browser import FITS, OPEN_ALL, Watched, launched, violations
from tests.render.test_instruments import recording_of, requests
from vzlab.inspection import inspect
from vzlab.inspection.level import chunk_level
from vzlab.manifests import ManifestGroup
from vzlab.render.spec import (
    LEVEL_CELLS,
    byte_map_spec,
    chunk_map_spec,
    level_spec,
    matrix_spec,
    pipeline_spec,
    waterfall_spec,
)
from vzlab.widgets import core
from vzlab.widgets.core import ESM
from vzlab.widgets.explore_export import _columns, to_page
from vzlab.widgets.explored import open_explored
from vzlab.widgets.explorer import Explorer

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

FOLDER = Path(core.__file__).parent
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
            page.locator("select[name=colour]").select_option(colour)
            assert says in page.locator(".vzx-chunks .vzx-legend").inner_text()


def test_a_page_draws_any_two_dimensions_at_any_place_of_the_others(browser: Any, tmp_path: Path) -> None:
    array = virtual_array((2, 5, 3, 30), n_sources=3, n_missing=7, n_inline=4)
    group = ManifestGroup(arrays={"t": array})
    path = tmp_path / "page.html"
    path.write_text(to_page(open_explored(group), "t"), encoding="utf-8")
    level, time, lat, lon = Explorer(explored=open_explored(group)).spec["dims"]
    with opened(browser, path) as watched:
        page = watched.page
        assert page.locator("input[type=range]").count() == 2
        page.locator("select[name=across]").focus()
        page.locator("select[name=across]").select_option(time)
        assert page.evaluate("document.activeElement.name") == "across"
        assert page.locator("select[name=down]").input_value() == lat
        page.locator(f"input[name={level}]").fill("2")
        page.locator(f"input[name={lon}]").fill("8")
        page.get_by_text("chunk 7 of 30").wait_for()
        page.locator("[data-moved]").first.wait_for(state="detached")
        page.locator(".vzx-chunks .vzx-table summary").click()
        cell = page.locator(".vzx-chunks table tbody tr").nth(2).locator("td").nth(4)
        there = int(array.manifest.lengths[1, 4, 2, 7])
        cell.get_by_text(f"{there} B" if there else "never written").wait_for()
        page.locator(MAP).click(position={"x": 5, "y": 5})
        assert "level 1, time 0, lat 0, lon 7" in page.locator(DETAIL).inner_text()
        shown = page.locator(".vzx-code pre").inner_text()
        widget = run_code(shown, group)["widget"]
        assert (widget.drawn, widget.slices) == ([lat, time], {level: 1, lon: 7})
        assert violations(page) == []
        assert watched.logged == []


FOLDED = [
    ((2, 3), {}, None),
    ((1, 3), {0: 1, 2: 0}, None),
    ((3, 1), {0: 1}, [[3, 9], [1, 4]]),
    ((0, 2), {}, [[0, 2], [1, 3]]),
]


@pytest.mark.parametrize(("shape", "n_sources"), [((2, 5, 3, 30), 3), ((2, 5, 3, 300), 1)])
def test_a_page_folds_chunks_as_python_does(browser: Any, shape: tuple[int, ...], n_sources: int) -> None:
    group = ManifestGroup(arrays={"t": virtual_array(shape, n_sources=n_sources, n_missing=70, n_inline=40)})
    explored = open_explored(group)
    columns = _columns(explored, explored.inspection["t"])
    resolved = explored.array("t")
    assert resolved is not None
    script = (FOLDER / "fold.js").read_text(encoding="utf-8")
    page = browser.new_page()
    for axes, places, region in FOLDED:
        how = {"axes": axes, "places": places, "region": region}
        told = page.evaluate(
            f"([columns, how]) => {{ {script}\nreturn foldLevel(columns, how); }}", [columns, how]
        )
        level = chunk_level(
            resolved.array, explored.inspection["t"].dims, places=places, axes=axes, max_cells=LEVEL_CELLS,
            source_positions=np.array(explored.inspection["t"].sources, np.int32),
            region=None if region is None else (tuple(region[0]), tuple(region[1])),
        )  # fmt: skip
        expected = level_spec(level, region=region)
        assert {name: told[name] for name in ("region", "shape", "depth")} == {
            name: expected[name] for name in ("region", "shape", "depth")
        }
        n = math.prod(told["shape"])
        for name, column in expected["cells"].items():
            values = column if isinstance(column, list) else [column] * n
            found = told["cells"][name]
            assert len(found) == n
            assert found == pytest.approx(values, abs=1e-4, nan_ok=True), (name, how)
    page.close()


def test_an_exported_page_begins_with_what_is_seen_and_holds_the_value_that_was_followed(
    browser: Any, tmp_path: Path
) -> None:
    write_daily_file(tmp_path / "sst.nc", n_lat=40, n_lon=80)
    widget = vz.explore(tmp_path / "sst.nc", "sst", colour="size", slices={"time": 1})
    widget.select(1, 0, 1)
    traced = widget.trace()
    with opened(browser, widget.to_html(tmp_path / "page.html")) as watched:
        page = watched.page
        assert page.locator("select[name=colour]").input_value() == "size"
        assert page.locator("input[name=time]").get_attribute("aria-valuetext") == "chunk 1 of 4"
        told = page.locator(DETAIL)
        assert "time 1, lat 0, lon 1" in told.inner_text()
        assert str(traced.index[2]) in told.inner_text()
        assert "Python follows" not in told.inner_text()
        page.locator(MAP).focus()
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("Enter")
        told.get_by_text("Python follows a value").wait_for()
        code = told.locator("pre").inner_text()
        found = run_code(code, tmp_path / "sst.nc")["trace"]
        assert found.agrees
        assert watched.logged == []


def run_code(code: str, x: Any) -> dict[str, Any]:
    """Run a program of a page, in which ``x`` is what was explored."""
    names: dict[str, Any] = {"x": x, "vz": vz}
    exec(code, names)
    return names


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
        page.locator("select[name=colour]").select_option("state")
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


@pytest.mark.parametrize(
    ("background", "theme"),
    [
        ("oklch(1 0 0)", "light"),
        ("oklch(0.2 0.01 250)", "dark"),
        ("color(srgb 0.97 0.97 0.98)", "light"),
        ("rgb(17 20 24 / 10%)", "light"),
    ],
)
def test_the_theme_is_that_of_the_page_however_its_colour_is_written(
    browser: Any, specs: dict[str, Any], tmp_path: Path, background: str, theme: str
) -> None:
    held = json.dumps(specs["pipeline"]).replace("<", "\\u003c")
    path = tmp_path / "page.html"
    path.write_text(
        "<!doctype html><html lang=en><head><meta charset=utf-8><link rel=icon href='data:,'></head>"
        f"<body style='background:{background}'><main></main>"
        f"<script type=module>{ESM}\nmount(document.querySelector('main'), {held});</script></body></html>",
        encoding="utf-8",
    )
    with Watched(browser, path.as_uri()) as watched:
        watched.page.wait_for_selector(f".vzx[data-theme={theme}]", state="attached")
