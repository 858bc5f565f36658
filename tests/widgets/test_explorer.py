"""The explorer's state: what is told of it equals what the library tells, its code is true, and nothing waits for files."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import traitlets

import vzlab as vz
from tests.archives import write_daily_file
from tests.inspection.arrays import virtual_array
from vzlab.manifests import ManifestGroup
from vzlab.storage import RequestLog
from vzlab.widgets.explored import open_explored
from vzlab.widgets.explorer import Explorer

NUMBERS = itertools.count()
h5py = pytest.importorskip("h5py")


def explorer(x: Any, **options: Any) -> Explorer:
    return Explorer(explored=open_explored(x), **options)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_daily_file(tmp_path / "sst.nc", n_lat=40, n_lon=80)


@pytest.fixture
def deep() -> Explorer:
    """A variable of four dimensions in three files, some of its chunks missing and some inline."""
    array = virtual_array((2, 5, 3, 30), n_sources=3, n_missing=7, n_inline=4)
    return explorer(ManifestGroup(arrays={"t": array, "one": virtual_array((1, 1))}))


def run(code: str, **names: Any) -> dict[str, Any]:
    exec(compile(code, "code", "exec"), names)
    return names


def ask(shown: Explorer, **question: Any) -> dict[str, Any]:
    name = f"question {next(NUMBERS)}"
    shown.request = {"id": name, **question}
    assert shown.wait(30)
    assert shown.answer["id"] == name
    return dict(shown.answer)


def test_it_begins_with_the_largest_variable_that_has_a_map(path: Path) -> None:
    shown = explorer(path)
    assert shown.variable == "sst"
    assert shown.spec["views"]["chunks"]["variable"] == "sst"
    assert shown.outline["tree"][0]["name"] == "sst"


def test_all_that_goes_to_the_view_is_json(path: Path) -> None:
    shown = explorer(path)
    shown.select(0, 0, 0)
    ask(shown, do="trace", index=[0, 0, 0])
    for name in shown.trait_names(sync=True):
        json.dumps(getattr(shown, name), allow_nan=False)


def test_what_is_told_of_a_chunk_is_what_h5py_says(path: Path) -> None:
    shown = explorer(path)
    with h5py.File(path) as file:
        info = file["sst"].id.get_chunk_info_by_coord((0, 20, 40))
        chunk = [at // length for at, length in zip((0, 20, 40), file["sst"].chunks, strict=True)]
        shape = file["sst"].shape
    shown.select(*chunk)
    detail = shown.detail
    assert detail is not None
    assert f"{info.byte_offset:,}" in detail["html"]
    ((row, start, stop),) = detail["ranges"]
    size = path.stat().st_size
    assert row == 0
    assert start * size == pytest.approx(info.byte_offset, abs=1e-6 * size)
    assert (stop - start) * size == pytest.approx(info.size, abs=2e-6 * size)
    assert all(0 <= begin < end <= n for (begin, end), n in zip(detail["region"], shape, strict=True))


def test_the_cost_of_a_selection_is_that_of_its_values(deep: Explorer) -> None:
    deep.select(0, (1, 3), (0, 3), 4)
    assert deep.cost is not None
    tree = deep._explored.tree
    expected = vz.cost(tree, "t", (slice(0, 10), slice(10, 30), slice(0, 30), slice(40, 50)))
    assert deep.cost.to_dict() == expected.to_dict()


def test_requests_follow_each_other_as_their_cost_reckons(deep: Explorer) -> None:
    deep.select((0, 2), (0, 5), (0, 3), (0, 9))
    bars, cost = deep.detail["requests"], deep.cost  # type: ignore[index]
    assert cost is not None
    assert (bars["n_requests"], len(bars["offset"])) == (cost.n_requests, cost.n_requests)
    assert max(bars["ended_s"]) == pytest.approx(cost.time_s, abs=1e-5)
    assert sum(bars["length"]) == cost.stored_bytes
    begun = np.array(bars["started_s"])[:, None] <= np.array(bars["started_s"])
    assert (begun & (np.array(bars["started_s"]) < np.array(bars["ended_s"])[:, None])).sum(
        axis=0
    ).max() <= 32


def test_joined_files_are_explored_as_one(tmp_path: Path) -> None:
    archive = vz.samples.make_daily_archive(tmp_path / "archive", n_files=4, odd=1, missing=3)
    files = [file for file in archive.files if file != archive.odd_file]
    joined = vz.open_virtual_mfdataset([str(file) for file in files], progress=False)
    shown = explorer(joined, variable="sst")
    shown.select(2, 1, 1)
    assert files[2].name in shown.detail["html"].replace("<wbr>", "")  # type: ignore[index]
    assert ask(shown, do="trace", index=[2, 40, 70])["html"]
    names = run(shown.code, x=joined)
    assert names["cost"].to_dict() == shown.cost.to_dict()  # type: ignore[union-attr]
    assert names["trace"].to_dict()["value"] == shown.traced.to_dict()["value"]  # type: ignore[union-attr]


def test_versions_of_a_repository_are_travelled(tmp_path: Path) -> None:
    icechunk, zarr = pytest.importorskip("icechunk"), pytest.importorskip("zarr")
    place = str(tmp_path / "repository")
    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(place))
    session = repository.writable_session("main")
    zarr.open_group(session.store).create_array("sst", data=np.arange(40.0).reshape(4, 10), chunks=(1, 10))
    first = session.commit("four rows")
    repository.create_tag("v1", first)
    session = repository.writable_session("main")
    zarr.open_group(session.store)["sst"].resize((6, 10))
    session.commit("two more")

    shown = explorer(place)
    assert (shown.version, shown.spec["grid"]) == ("main", [6, 1])
    assert "two more" in shown.outline["history"]
    assert "two more" in shown.outline["commit"]
    assert "updated array" in shown.outline["commit"]
    shown.version = "v1"
    assert shown.wait(30)
    assert (shown.version, shown.spec["grid"], shown.busy) == ("v1", [4, 1], "")
    assert "four rows" in shown.outline["commit"]
    assert "new array" in shown.outline["commit"]
    listed = [option["text"] for group in shown.outline["versions"] for option in group["options"]]
    assert listed[:2] == ["main", "v1"]
    assert any("two more" in text for text in listed)
    shown.select(3, 0)
    names = run(shown.code)
    assert (names["widget"].version, names["widget"].selection) == ("v1", shown.selection)
    assert names["cost"].to_dict() == shown.cost.to_dict()  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="has versions"):
        open_explored(ManifestGroup(arrays={"a": virtual_array()}), version="v1")


def test_its_code_gives_the_same_view_cost_and_value(path: Path) -> None:
    shown = explorer(path, colour="size", selection=[[0, 1], [0, 1], [1, 2]])
    traced = shown.trace()
    names = run(shown.code)
    again = names["widget"]
    assert (again.variable, again.colour, again.selection) == (shown.variable, "size", shown.selection)
    assert names["cost"].to_dict() == shown.cost.to_dict()  # type: ignore[union-attr]
    assert names["trace"].to_dict()["value"] == traced.to_dict()["value"]


def test_the_code_of_an_object_uses_what_was_given(deep: Explorer) -> None:
    deep.slices = {"time": 3}
    deep.select(0, 3, (0, 2), 5)
    names = run(deep.code, x=deep._explored.given)
    assert names["widget"].slices == {"time": 3}
    assert names["cost"].to_dict() == deep.cost.to_dict()  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["files", "glob"])
def test_many_files_show_the_first_and_what_differs(tmp_path: Path, kind: str) -> None:
    archive = vz.samples.make_daily_archive(tmp_path / "archive", n_files=3, odd=1, missing=1)
    shown = explorer([str(file) for file in archive.files] if kind == "files" else f"{archive.folder}/*.nc")
    assert shown.outline["title"] == "3 files"
    shown.select(0, 0, 0)
    names = run(shown.code)
    assert names["widget"].inspection.title == "3 files"
    assert names["cost"].to_dict() == shown.cost.to_dict()  # type: ignore[union-attr]


def test_slices_show_the_chunks_of_one_place(deep: Explorer) -> None:
    array = deep._explored.tree["t"]
    assert deep.spec["sliders"] == [{"dim": "level", "n": 2}, {"dim": "time", "n": 5}]
    deep.slices = {"level": 1, "time": 2}
    cells = deep.spec["views"]["chunks"]["cells"]
    lengths = array.manifest.lengths[1, 2]
    np.testing.assert_array_equal(np.reshape(cells["stored_bytes"], (3, 30)), lengths)
    assert deep.spec["views"]["chunks"]["depth"] == 1


def test_a_selection_goes_along_with_its_slice(deep: Explorer) -> None:
    deep.slices = {"time": 2}
    deep.select((0, 2), 2, 1, 7)
    deep.slices = {"time": 4}
    assert deep.selection == {"variable": "t", "chunks": [[0, 2], [4, 5], [1, 2], [7, 8]]}
    assert "time 4" in deep.detail["title"]  # type: ignore[index]


def test_any_two_dimensions_are_drawn_and_the_others_are_sliders(deep: Explorer) -> None:
    manifest = deep._explored.tree["t"].manifest
    level, time, lat, lon = deep.spec["dims"]
    assert deep.spec["drawable"] == [level, time, lat, lon]
    deep.slices = {time: 2}
    deep.drawn = [lon, time]
    assert deep.slices == {}  # along what is drawn no place is chosen
    assert [each["dim"] for each in deep.spec["sliders"]] == [level, lat]
    chunks = deep.spec["views"]["chunks"]
    assert (chunks["axes"], chunks["dims"], chunks["grid_shape"]) == ([3, 1], [lon, time], [30, 5])
    stored = np.reshape(chunks["cells"]["stored_bytes"], (30, 5))
    np.testing.assert_array_equal(stored, manifest.lengths.sum(axis=(0, 2)).T)
    deep.slices = {level: 1, lat: 0}
    finer = ask(deep, do="level", region=[[3, 9], [1, 4]])["level"]
    found = np.reshape(finer["cells"]["stored_bytes"], (6, 3))
    np.testing.assert_array_equal(found, manifest.lengths[1, 1:4, 0, 3:9].T)
    again = run(deep.code, x=deep._explored.tree)["widget"]
    assert (again.drawn, again.slices) == ([lon, time], {level: 1, lat: 0})
    assert again.spec["views"]["chunks"]["cells"] == deep.spec["views"]["chunks"]["cells"]
    deep.variable = "one"
    assert deep.drawn == deep.spec["drawable"] == []


@pytest.mark.parametrize("grid", [(400, 300), (2, 1000), (5000,)])
def test_levels_hold_the_chunks_of_their_region(grid: tuple[int, ...]) -> None:
    shown = explorer(ManifestGroup(arrays={"a": virtual_array(grid)}))
    array = shown._explored.tree["a"]
    lengths = np.atleast_2d(array.manifest.lengths)
    region = [[0, min(60, lengths.shape[0])], [100, 180]]
    level = ask(shown, do="level", region=region)["level"]
    assert (level["region"], level["shape"]) == (region, [region[0][1], 80])
    found = np.reshape(level["cells"]["stored_bytes"], level["shape"])
    np.testing.assert_array_equal(found, lengths[: region[0][1], 100:180])
    base = shown.spec["views"]["chunks"]
    assert np.sum(base["cells"]["stored_bytes"]) == lengths.sum()
    assert max(base["shape"]) <= 96


def test_a_million_chunks_go_over_the_wire_in_few_bytes() -> None:
    shown = explorer(ManifestGroup(arrays={"a": virtual_array((1000, 1000), n_sources=3, n_missing=1000)}))
    assert len(json.dumps(shown.spec)) < 300_000
    answer = ask(shown, do="level", region=[[0, 200], [0, 200]])
    assert len(json.dumps(answer)) < 250_000


def test_places_in_files_find_their_chunks_and_back() -> None:
    array = virtual_array((6, 20), n_sources=2, shuffled=True, gap_bytes=3)
    shown = explorer(ManifestGroup(arrays={"a": array}))
    for chunk in ((0, 0), (2, 19), (5, 7)):
        shown.select(*chunk)
        ((row, start, stop),) = shown.detail["ranges"]  # type: ignore[index]
        found = ask(shown, do="byte", row=row, at=(start + stop) / 2)["chunks"]
        assert found == [[at, at + 1] for at in chunk]


def test_stepping_goes_through_a_file_in_its_own_order() -> None:
    array = virtual_array((3, 4), shuffled=True, n_missing=2)
    shown = explorer(ManifestGroup(arrays={"a": array}))
    present = np.flatnonzero(array.manifest.lengths.reshape(-1))
    expected = present[np.argsort(array.manifest.offsets.reshape(-1)[present])]
    seen = []
    for _ in expected:
        chunks = ask(shown, do="step", by=1)["chunks"]
        shown.selection = {"chunks": chunks}
        seen.append(int(np.ravel_multi_index([start for start, _ in chunks], (3, 4))))
    assert seen == expected.tolist()


def test_many_selected_chunks_are_marked_where_they_lie() -> None:
    shown = explorer(ManifestGroup(arrays={"a": virtual_array((10, 100), n_sources=2)}))
    shown.select((0, 5), (0, 100))
    # The first file from its first chunk to its last, and nothing of the second.
    ((row, start, stop),) = shown.detail["ranges"]  # type: ignore[index]
    assert (row, start < 0.1, stop > 0.9) == (0, True, True)


def test_following_a_value_does_not_hold_up_the_kernel(path: Path) -> None:
    shown = explorer(path)
    seen: list[str] = []
    shown.observe(lambda change: seen.append(change["new"].get("id")), "answer")
    answer = ask(shown, do="trace", index=[0, 3, 7])
    assert seen == [answer["id"]]
    assert "inflate" in answer["html"]
    assert shown.traced is not None
    assert shown.traced.agrees
    assert "vz.trace" in shown.code


def test_what_cannot_be_read_says_so_where_it_was_asked(path: Path) -> None:
    shown = explorer(path)
    path.unlink()
    answer = ask(shown, do="trace", index=[0, 0, 0])
    assert "sst.nc" in answer["error"]
    assert ask(shown, do="dance")["error"].startswith("Found the request 'dance'")


def test_opening_asks_for_no_more_than_an_inspection_does(tmp_path: Path, http_server: Any) -> None:
    write_daily_file(tmp_path / "sst.nc", n_lat=40, n_lon=80)
    url = http_server(tmp_path).url("sst.nc")
    asked = []
    for look in (vz.inspect, open_explored):
        with RequestLog().listening() as log:
            look(url)
        asked.append([(request.offset, request.length) for request in log.requests])
    assert asked[0]
    assert sorted(asked[0]) == sorted(asked[1])


def test_looking_around_asks_for_nothing(path: Path) -> None:
    shown = explorer(path)
    with RequestLog().listening() as log:
        for variable in shown.inspection.variables:
            shown.variable = variable
            shown.select(*[0] * len(shown.inspection[variable].shape))
            ask(shown, do="step", by=1)
    assert log.requests == []


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("variable", "sea", "expected one of"),
        ("slices", {"time": 9}, "time 0 to 4"),
        ("slices", {"x": 0}, "level 0 to 1"),
        ("drawn", ["time"], "two of level, time"),
        ("drawn", ["time", "depth"], "two of level, time"),
        ("selection", {"chunks": [[0, 1]]}, "grid (2, 5, 3, 30)"),
        ("selection", {"chunks": [[0, 1], [0, 9], [0, 1], [0, 1]]}, "grid (2, 5, 3, 30)"),
        ("version", "v9", "it has no versions"),
    ],
)
def test_what_is_set_wrongly_is_refused_with_what_was_expected(
    deep: Explorer, name: str, value: Any, says: str
) -> None:
    before = getattr(deep, name)
    with pytest.raises(traitlets.TraitError, match=says.replace("(", r"\(").replace(")", r"\)")):
        setattr(deep, name, value)
    assert getattr(deep, name) == before


def test_another_variable_begins_anew(deep: Explorer) -> None:
    deep.select(0, 0, 0, 0)
    deep.variable = "one"
    assert (deep.selection, deep.detail, deep.slices) == (None, None, {})
    assert deep.spec["views"]["chunks"] is None
    deep.select(0, 0)
    assert "chunk (0, 0)" in deep.detail["title"]  # type: ignore[index]


def test_an_array_of_no_length_has_nothing_to_select() -> None:
    shown = explorer(
        ManifestGroup(arrays={"a": virtual_array((0, 3)), "b": virtual_array((2, 2))}), variable="a"
    )
    assert "no length" in shown.spec["why_no_map"]
    with pytest.raises(traitlets.TraitError, match="grid"):
        shown.select((0, 0), 1)


def test_values_in_memory_have_no_chunks_to_see() -> None:
    xr = pytest.importorskip("xarray")
    shown = explorer(xr.Dataset({"a": (("y", "x"), np.zeros((3, 4)))}))
    assert shown.spec["views"]["chunks"] is None
    assert "in memory" in shown.spec["why_no_map"]
    assert shown.spec["grid"] is None
    assert shown.cost is None


def test_nothing_in_hostile_names_is_markup() -> None:
    name = "<img src=x onerror=alert(1)>"
    shown = explorer(
        ManifestGroup(arrays={name: virtual_array((4, 4), attributes={name: name}, dims=(name, "x"))})
    )
    shown.select(0, 0)
    for markup in (
        shown.spec["facts"],
        shown.detail["html"],
        shown.detail["cost"],
        shown.outline["findings"],
    ):  # type: ignore[index]
        assert "<img" not in markup


def test_signatures_in_urls_are_in_no_code(tmp_path: Path, http_server: Any) -> None:
    write_daily_file(tmp_path / "sst.nc", n_lat=40, n_lon=80)
    shown = explorer(http_server(tmp_path).url("sst.nc") + "?signature=s3cret")
    shown.select(0, (0, 2), (0, 2))
    assert shown.detail["requests"]["urls"][0].endswith("sst.nc")  # type: ignore[index]
    answer = ask(shown, do="trace", index=[0, 0, 0])
    for text in (shown.code, json.dumps(shown.detail), json.dumps(answer), json.dumps(shown.outline)):
        assert "s3cret" not in text
    assert "os.environ['VZLAB_SOURCE_0']" in shown.code
