"""Views of an inspection: safe, self-contained, small, and the same words everywhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest
import xarray as xr

from tests.inspection.arrays import virtual_array
from vzlab.inspection import Inspection, inspect
from vzlab.manifests import ManifestGroup, UnreadableVariable
from vzlab.render import to_html, to_page, to_text

BUDGET_BYTES = 100_000
HOSTILE = [
    "<b>bold</b>",
    "</script><script>alert(1)</script>",
    "\"quoted' &amp;",
    "\x1b[31mred\u202e",
    "a\nb",
]

KEPT_BY_SANITISERS = {
    "div", "span", "b", "br", "wbr", "details", "summary", "table", "thead", "tbody", "tr", "th", "td", "dl", "dt", "dd",
    "img", "pre",
}  # fmt: skip
# Sanitisers take a tab stop away; then the browser gives one to what scrolls.
ATTRIBUTES = {"style", "title", "alt", "src", "open", "scope", "class", "tabindex"}
VOID = {"br", "wbr", "img", "meta", "link"}


class Checker(HTMLParser):
    """Collects tags and attributes, and sees that what is opened is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def checked(markup: str) -> Checker:
    checker = Checker()
    checker.feed(markup)
    checker.close()
    assert checker.open == []
    return checker


def without_upgrade(markup: str) -> str:
    """The view as a sanitiser leaves it: no style element, nor what is in it."""
    return re.sub(r"<style>.*?</style>", "", markup)


@pytest.fixture
def hostile() -> Inspection:
    arrays = {
        name: virtual_array(
            (4, 4), attributes={name: name, "units": name, "long_name": name}, dims=(name, name + "2")
        )
        for name in HOSTILE
    }
    unreadable = {
        "<i>u</i>": UnreadableVariable(
            reason="<script>no</script>", loadable=False, attributes={"<k>": "<v>"}
        )
    }
    return inspect(
        ManifestGroup(
            arrays=arrays,
            groups={
                "<g>": ManifestGroup(arrays={"<x>": virtual_array((2, 2))}, attributes={"<a>": "<script>"})
            },
            attributes={"<title>": "</title><script>"},
            unreadable=unreadable,
            format="<format>",
        )
    )


def test_hostile_names_stay_text(hostile):
    checker = checked(without_upgrade(hostile._repr_html_()))
    assert {tag for tag, _ in checker.tags} <= KEPT_BY_SANITISERS
    seen = "".join(checker.text)
    for text in ("<b>bold</b>", "</script><script>alert(1)</script>", "<i>u</i>", "<g>", "<format>"):
        assert text in seen
    assert "\x1b" not in seen
    assert "\u202e" not in seen


def test_hostile_names_stay_text_in_a_page(hostile, tmp_path):
    page = to_html(hostile, tmp_path / "page.html").read_text(encoding="utf-8")
    checker = checked(page.removeprefix("<!doctype html>"))
    assert not any(tag == "script" for tag, _ in checker.tags)


def test_hostile_names_do_not_reach_the_terminal(hostile):
    for color in (False, True):
        text = to_text(hostile, width=120, max_lines=0, color=color)
        plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
        assert "\x1b" not in plain
        assert "\u202e" not in plain
        assert "[31mred" in plain
    for name in HOSTILE:
        assert "\x1b" not in hostile.to_text(name, width=100)


def test_a_view_uses_only_what_an_untrusted_notebook_keeps(hostile):
    markup = without_upgrade(hostile._repr_html_())
    for tag, attributes in checked(markup).tags:
        assert set(attributes) <= ATTRIBUTES, tag
        style = attributes.get("style") or ""
        for lost in ("var(", "transform", "position", "image-rendering", "url(", "color-mix"):
            assert lost not in style
        if tag == "img":
            assert (attributes["src"] or "").startswith("data:image/png;base64,")
            assert len(attributes["alt"] or "") > 20


def many_variables(n: int, *, alike: bool) -> ManifestGroup:
    return ManifestGroup(
        arrays={
            f"variable_{i:04d}": virtual_array(
                (4, 3) if alike else (4, 2 + i % 50),
                attributes={"units": "K", "long_name": "a long name " * 20, "comment": "c" * 3000},
                seed=i,
            )
            for i in range(n)
        },
        attributes={f"attribute {i}": "words " * 500 for i in range(200)},
    )


@pytest.mark.parametrize(
    "group",
    [
        pytest.param(many_variables(1, alike=True), id="one"),
        pytest.param(many_variables(30, alike=True), id="30"),
        pytest.param(many_variables(1000, alike=True), id="1000 alike"),
        pytest.param(many_variables(1000, alike=False), id="1000 of 50 kinds"),
        pytest.param(
            ManifestGroup(arrays={"a": virtual_array((1000, 1000), n_sources=900)}), id="a million chunks"
        ),
        pytest.param(
            ManifestGroup(groups={f"g{i}": many_variables(3, alike=True) for i in range(300)}),
            id="300 groups",
        ),
        pytest.param(
            ManifestGroup(
                unreadable={
                    f"bad {i}": UnreadableVariable(reason=f"{i} " * 900, loadable=True) for i in range(500)
                }
            ),
            id="500 unreadable",
        ),
    ],
)
def test_html_keeps_to_its_budget_and_text_to_a_screen(group):
    found = inspect(group)
    markup = found._repr_html_()
    checked(markup)
    assert len(markup.encode()) <= BUDGET_BYTES
    assert len(to_text(found, width=80, max_lines=40).splitlines()) <= 40


def test_a_thousand_variables_are_all_accounted_for():
    found = inspect(many_variables(1000, alike=True))
    text = "".join(checked(found._repr_html_()).text)
    cards = len(re.findall(r"variable_\d{4}", text))
    assert cards > 20
    assert "more variables" in text


def test_a_small_file_is_told_in_full():
    found = inspect(
        ManifestGroup(
            arrays={
                "sst": virtual_array((4, 4), attributes={"units": "K", "comment": "x" * 500}),
                "lat": virtual_array((4,)),
            }
        )
    )
    markup = found._repr_html_()
    assert "x" * 500 in markup
    assert markup.count("<img") == 4
    assert "more variable" not in markup


def test_every_kind_of_inspection_is_shown():
    dataset = xr.Dataset({"a": (("x",), np.arange(3))}, coords={"x": [1, 2, 3]})
    for thing in (ManifestGroup(), virtual_array((0, 3)), virtual_array(()), dataset, xr.Dataset()):
        found = inspect(thing)
        checked(found._repr_html_())
        assert found.title in str(found)
        checked(to_page(found).removeprefix("<!doctype html>"))


def test_the_repr_is_the_text():
    found = inspect(ManifestGroup(arrays={"a": virtual_array((2, 2))}))
    assert repr(found) == str(found) == found.to_text()


def golden_group() -> ManifestGroup:
    packed = {
        "units": "K",
        "scale_factor": 0.01,
        "add_offset": 273.15,
        "_FillValue": -32768,
        "coordinates": "area",
    }
    return ManifestGroup(
        arrays={
            "sst": virtual_array((2, 3, 4), n_missing=2, attributes=packed),
            "area": virtual_array((1, 1), chunk=(30, 40), dtype="f8", codecs=[{"name": "bytes"}]),
            "time": virtual_array((1,), dims=("time",), attributes={"units": "days since 2025-01-01"}),
        },
        groups={"quality": ManifestGroup(arrays={"mask": virtual_array((3, 4), dtype="i1")})},
        attributes={"Conventions": "CF-1.8"},
        unreadable={
            "odd": UnreadableVariable(
                reason="Filter 999 is not known.", loadable=True, shape=(3,), dtype="float32"
            )
        },
        format="netCDF4 / HDF5",
        index_decoder="vzlab (version 1 B-tree)",
    )


GOLDEN = """\
virtual group over 3 files   netCDF4 / HDF5 · 1.6 kB in 3 files · 4 variables · 38 chunks · 2 groups
58.8 kB of values, stored in 1.2 kB (46.8 times smaller).
✗ odd cannot be virtualized. Filter 999 is not known. loadable_variables=["odd"]
! 2 of 24 chunks of sst were never written. They read as 273.15 K, like data: the fill value 0 is not
the missing value -32768.
· 2 of 22 chunks of sst seem to hold a single value: each has 5 B. They may be all fill: a store could
leave them out.
· GDAL does not know shuffle and deflate, as sst, time and mask are stored. zarr-python reads it.

          dimensions               type     raw → stored    codecs
sst       time 20, lat 30, lon 40  int16    48 kB → 726 B   shuffle + deflate 4  2 missing · packed
area      lat 30, lon 40           float64  9.6 kB → 51 B   contiguous
time      time 10                  int16    20 B → 51 B     shuffle + deflate 4  days since 2025-01-01
odd       3                        float32  loadable only
quality/
  mask    lat 30, lon 40           int8     1.2 kB → 343 B  shuffle + deflate 4

attributes: Conventions
index decoded by: vzlab (version 1 B-tree)
"""


def test_the_text_of_a_small_file():
    assert to_text(inspect(golden_group()), width=104, max_lines=0) == GOLDEN.rstrip("\n")


GOLDEN_VARIABLE = """\
sst   time 20, lat 30, lon 40 · int16 · 48 kB → 726 B
value        stored × 0.01 + 273.15 K  steps of 0.01, from -54.52 to 600.82
missing      -32768  means no data
unwritten    0  means 273.15 K, like data
coordinates  area
chunks       24 chunks of (10, 10, 10)  in a grid of 2 × 3 × 4; 2 missing
sizes        5 B to 58 B, typically 38 B  1.7 % of raw
of note      2 chunks of 5 B may be all one value
in the file  in 2 runs, 69 B between them, in the order of the grid
codecs       bytes (little-endian) > shuffle (2-byte elements) > deflate (level 4)
read by      zarr-python, zarrs and zarrita.js  not GDAL
attributes
units         K
scale_factor  0.01
add_offset    273.15
_FillValue    -32768
coordinates   area
"""


def test_the_text_of_a_variable():
    assert to_text(inspect(golden_group()), "sst", width=90, max_lines=0) == GOLDEN_VARIABLE.rstrip("\n")


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_is_wider_than_asked(width):
    found = inspect(golden_group())
    for text in (to_text(found, width=width, max_lines=0), to_text(found, "sst", width=width, max_lines=0)):
        assert max(map(len, text.splitlines())) <= width


def test_what_does_not_fit_on_the_screen_is_told():
    lines = to_text(inspect(golden_group()), width=80, max_lines=6).splitlines()
    assert len(lines) == 6
    assert re.search(r"\d+ more lines: \.to_text\(max_lines=0\)", lines[-1])
