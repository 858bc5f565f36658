"""Virtual arrays inside xarray's own displays: told in a line, and names that look like markup stay text."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import vzlab as vz
from tests.archives import write_daily_file
from tests.inspection.arrays import virtual_array
from tests.render.test_views import HOSTILE, checked


class Reader(HTMLParser):
    """Collects the text and the tags of HTML that others made, which need not be closed."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(shown: Any) -> Reader:
    return Reader(shown._repr_html_())


@pytest.fixture
def opened(tmp_path: Path) -> xr.Dataset:
    return vz.open_virtual_dataset(write_daily_file(tmp_path / "day.nc"), loadable_variables=["time"])


def line_of(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if line.split()[:1] == [name])


def test_a_dataset_tells_in_a_line_what_is_virtual(opened: xr.Dataset) -> None:
    for shown in (repr(opened), "".join(read(opened).text)):
        assert "virtual, 16 references in 1 file" in shown
    assert "virtual" in line_of(repr(opened), "sst")
    assert "virtual" not in line_of(repr(opened), "*")  # time, loaded
    with xr.set_options(display_width=60):
        assert max(len(line) for line in repr(opened).splitlines() if "sst" in line) <= 60


def test_a_data_array_and_a_variable_tell_it_too(opened: xr.Dataset) -> None:
    for shown in (opened["sst"], opened["sst"].variable):
        assert "virtual" in repr(shown)
        assert "virtual" in "".join(read(shown).text)


def test_a_tree_tells_it_in_every_group(opened: xr.Dataset) -> None:
    tree = xr.DataTree.from_dict({"/": opened, "/model": opened[["sst"]]})
    for shown in (repr(tree), "".join(read(tree).text)):
        assert shown.count("virtual, 16 references in 1 file") >= 2


def test_showing_reads_no_chunk(opened: xr.Dataset) -> None:
    tree = xr.DataTree.from_dict({"/": opened, "/model": opened[["sst"]]})
    with vz.record() as recording:
        for shown in (opened, tree, opened["sst"]):
            repr(shown)
            shown._repr_html_()
    assert len(recording) == 0


def hostile_dataset() -> xr.Dataset:
    return xr.Dataset(
        {
            name: (("y" + name, "x" + name), virtual_array((2, 3)), {name: name, "units": name})
            for name in HOSTILE
        },
        attrs={name: name for name in HOSTILE},
    )


@pytest.mark.parametrize("kind", ["dataset", "array", "tree"])
def test_hostile_names_stay_text(kind: str) -> None:
    dataset = hostile_dataset()
    # xarray's trees take no such names: "a/b" is b in the group a.
    slashless = dataset.rename(
        {name: name.replace("/", "|") for name in [*dataset, *dataset.dims] if "/" in str(name)}
    )
    bold = HOSTILE[0].replace("/", "|") if kind == "tree" else HOSTILE[0]
    shown: Any = {
        "dataset": dataset,
        "array": dataset[HOSTILE[0]],
        "tree": xr.DataTree.from_dict({"/<i>group<i>": slashless, "/": slashless}),
    }[kind]
    seen = read(shown)
    assert not any(tag == "script" for tag, _ in seen.tags)
    assert not {"bold", "group"} & {piece.strip() for piece in seen.text}
    assert bold in "".join(seen.text)
    assert "virtual, 6 references in 1 file" in "".join(seen.text)
    # What vzlab says of it stands by itself, and is as safe.
    own = checked(vz.inspect(shown)._repr_html_())
    assert not any(tag == "script" for tag, _ in own.tags)
    assert bold in "".join(own.text)
