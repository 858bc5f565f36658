"""One session of the app, driven from Python as clicks would."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import holoviews as hv
import icechunk
import numpy as np
import pytest
import xarray as xr

import vzlab as vz
from tests.builder.archives import daily_archive, manifests_of
from vzlab.builder import Step
from vzlab.storage.gate import gated
from vzlab.webapp import App, Policy, app
from vzlab.webapp.library import Library
from vzlab.webapp.requests_view import RequestsView
from vzlab.webapp.values import Look
from vzlab.webapp.values_view import ValuesView
from vzlab.webapp.versions_view import VersionsView


@pytest.fixture
def archive(tmp_path: Path) -> list[Path]:
    return daily_archive(tmp_path / "root" / "archive", odd=2)


@pytest.fixture
def policy(archive: list[Path], tmp_path: Path) -> Iterator[Policy]:
    """Give a policy with its gate, as the server sets it."""
    (tmp_path / "uploads").mkdir()
    made = Policy.of(roots=[tmp_path / "root"])
    with gated(Policy.of(roots=[tmp_path / "root", tmp_path / "uploads"])):
        yield made


def opened(path: Path | str, **options: object) -> App:
    made = App()
    made.open(str(path), **options)  # type: ignore[arg-type]
    assert made.wait()
    return made


def values_of(made: App) -> ValuesView:
    made.tabs.value = ValuesView.name
    view = made.views[ValuesView.name]
    assert isinstance(view, ValuesView)
    return view


# -- opening and exploring ------------------------------------------------------------------------------------------


def test_a_file_is_opened_in_the_explorer(archive: list[Path]) -> None:
    made = opened(archive[0])
    assert made.message.object == ""
    assert made.explore.bridge is not None
    component = made.explore.bridge.component
    assert component.variable == "sst"
    assert component.outline["title"] == archive[0].name
    component.variable = "lat"
    assert component.spec["variable"] == "lat"
    assert made.variable == "lat"
    component.request = {"id": "1", "do": "trace", "index": [0]}
    made.explore.ask(lambda explorer: explorer.wait() and None)
    with xr.open_dataset(archive[0]) as native:
        assert f"{float(native['lat'][0]):g}" in component.answer["html"]


def test_a_selection_in_the_explorer_tells_its_cost(archive: list[Path]) -> None:
    made = opened(archive[0], variable="sst")
    assert made.explore.bridge is not None
    component = made.explore.bridge.component
    component.selection = {"variable": "sst", "chunks": [[0, 1], [0, 1], [0, 1]]}
    assert component.detail["takes"].startswith("1 request")
    assert "vz.cost" in component.code
    component.selection = {"variable": "sst", "chunks": [[99, 100], [0, 1], [0, 1]]}
    assert "grid" in component.busy


def test_what_had_to_go_for_want_of_room_is_made_anew(archive: list[Path]) -> None:
    library = Library(max_bytes=1)
    sessions = [App(library=library) for _ in range(2)]
    for made, path in zip(sessions, archive, strict=False):
        made.open(str(path))
        assert made.wait()
    first = sessions[0]
    assert library.held(first.explore) is None
    assert first.explore.bridge is not None
    component = first.explore.bridge.component
    component.variable = "lon"
    assert first.wait()
    assert component.spec["variable"] == "lon"


def test_a_library_opens_once_and_stays_within_its_bounds(archive: list[Path]) -> None:
    library = Library()
    registry = vz.StoreRegistry()
    first = library.open(str(archive[0]), registry)
    assert library.open(str(archive[0]), registry).tree is first.tree
    n_bytes = library.n_bytes
    library.hold("somebody", object(), first)
    assert library.n_bytes == n_bytes, "what two have in common counts once"
    archive[0].write_bytes(archive[1].read_bytes())
    assert library.open(str(archive[0]), registry).tree is not first.tree, "the file changed"
    small = Library(max_bytes=1)
    for path in archive:
        small.open(str(path), registry)
    assert small.n_bytes <= n_bytes


def test_an_error_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"nothing that anybody knows")
    made = opened(tmp_path / "a.bin")
    assert "which is the mark of no format known here" in made.message.object
    assert made.message.visible


def test_a_link_opens_what_it_says(archive: list[Path]) -> None:
    made = App()
    made.follow({"url": [str(archive[1]).encode()], "var": [b"lon"], "view": [b"Look at values"]})
    assert made.wait()
    assert made.location == str(archive[1])
    assert made.tabs.value == ValuesView.name
    assert values_of(made).variable.value == "lon"


def test_sessions_share_nothing_that_changes(archive: list[Path]) -> None:
    library = Library()
    one, other = App(library=library), App(library=library)
    for made in (one, other):
        made.open(str(archive[0]))
        assert made.wait()
    assert one.explore.bridge is not None
    assert other.explore.bridge is not None
    one.explore.bridge.component.variable = "lat"
    one.build.builder = one.build.builder.sources(str(archive[0]))
    assert other.explore.bridge.component.variable == "sst"
    assert other.variable == "sst"
    assert other.build.builder.chosen_sources.locations == ()
    assert len(one.work.recordings) == 1
    assert len(other.work.recordings) == 0, "it was known already"


# -- values ---------------------------------------------------------------------------------------------------------


def test_nothing_is_read_before_its_cost_was_shown_and_then_only_what_was_said(archive: list[Path]) -> None:
    made = opened(archive[0])
    view = values_of(made)
    n_before = len(made.work.recordings)
    view.draw()
    assert len(made.work.recordings) == n_before
    assert view.read.disabled
    view.ask_cost()
    assert made.wait()
    assert len(made.work.recordings) == n_before, "asking for the cost asks for no bytes"
    assert view._price is not None
    said = view._price.n_requests
    assert f"{said} requests" in view.read.label
    assert not view.read.disabled
    view.draw()
    assert made.wait()
    assert view.message.object == ""
    (recording, *_) = made.work.recordings
    assert recording.n_data == said
    with xr.open_dataset(archive[0]) as native:
        first = native["sst"][0]
        assert f"{float(first.mean()):.6g}" in view.numbers.object
    assert len(view.picture.objects) == 1
    view.kind.value = "series"
    assert view.read.disabled, "another question has another cost"


@pytest.mark.parametrize("kind", ["map", "series", "histogram"])
def test_the_code_that_is_shown_draws_the_same(archive: list[Path], kind: str) -> None:
    view = values_of(opened(archive[0]))
    view.kind.value = kind
    look = view.look
    assert look is not None
    names: dict[str, object] = {}
    exec(look.code(repr(str(archive[0]))), names)
    assert "dataset" in names


def test_too_much_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vzlab.webapp.values.MAX_DECODED_BYTES", 1000)
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros((100, 100))
    made = opened(path)
    view = values_of(made)
    view.ask_cost()
    assert made.wait()
    assert "at most" in view.message.object
    assert view.read.disabled


def test_long_dimensions_are_thinned_for_the_picture(tmp_path: Path) -> None:
    from vzlab.webapp.values import MAX_CELLS, draw

    values = xr.DataArray(np.arange(1000.0 * 900).reshape(1000, 900), dims=("y", "x"))
    look = Look(variable="a", kind="map", dims=("y", "x"), shape=values.shape, along=("y", "x"), at={})
    drawn = draw(values, look)
    assert max(drawn.data["a"].shape) <= MAX_CELLS


def test_the_scale_of_a_map_reaches_from_the_lowest_to_the_highest_value() -> None:
    from vzlab.webapp.values import draw

    values = xr.DataArray(
        np.linspace(-2.0, 30.0, 12).reshape(3, 4), dims=("y", "x"), attrs={"units": "degree_C"}
    )
    look = Look(variable="a/sst", kind="map", dims=("y", "x"), shape=(3, 4), along=("y", "x"), at={})
    figure = hv.render(draw(values, look), backend="bokeh")
    (bar,) = figure.right
    assert (bar.color_mapper.low, bar.color_mapper.high) == (-2, 30)
    assert bar.title == "sst (degree_C)"


@pytest.mark.parametrize("kind", ["map", "series", "histogram"])
def test_values_that_are_all_missing_are_drawn_as_nothing(kind: Any) -> None:
    from vzlab.webapp.values import draw, facts

    values = xr.DataArray(np.full((3, 4), np.nan), dims=("y", "x"))
    along = {"map": ("y", "x"), "series": ("x",), "histogram": ("y", "x")}[kind]
    seen = values if len(along) == 2 else values[0]
    look = Look(variable="a", kind=kind, dims=("y", "x"), shape=(3, 4), along=along, at={"y": 0})
    assert hv.render(draw(seen, look), backend="bokeh") is not None
    assert facts(seen) == [("values", f"{seen.size}"), ("missing", f"{seen.size}")]


# -- two files, versions, requests ----------------------------------------------------------------------------------


def test_two_files_are_compared(archive: list[Path]) -> None:
    made = opened(archive[0])
    view = made.views["Compare"]
    made.tabs.value = "Compare"
    view.other.value = str(archive[2])  # type: ignore[attr-defined]
    view.compare.clicks += 1  # type: ignore[attr-defined]
    assert made.wait()
    assert "value = stored × 0.02 + 273.15" in view.result.object  # type: ignore[attr-defined]
    assert archive[2].name in view.sides.object  # type: ignore[attr-defined]
    assert "vz.diff(" in view.code.object


@pytest.fixture
def repository(archive: list[Path], tmp_path: Path) -> Path:
    """Give a repository with two commits, the first of which is tagged."""
    path = tmp_path / "root" / "repository"
    vz.open_virtual_dataset(archive[0]).vzlab.to_icechunk(path, message="one day")
    opened_repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(path)))
    opened_repository.create_tag("first", snapshot_id=opened_repository.lookup_branch("main"))
    vz.open_virtual_dataset(archive[1]).vzlab.to_icechunk(path, append_dim="time", message="two days")
    return path


def test_versions_of_a_repository_are_gone_to(repository: Path) -> None:
    made = opened(repository)
    view = made.views[VersionsView.name]
    assert isinstance(view, VersionsView)
    made.tabs.value = VersionsView.name
    assert "two days" in view.history.object
    now = made.inspection
    assert now is not None
    view.version.value = "first"
    view.travel()
    assert made.wait()
    then = made.inspection
    assert then is not None
    assert then["time"].shape[0] * 2 == now["time"].shape[0]
    assert made.version == "first"
    assert "tag=&#x27;first&#x27;" in view.code.object
    made.open(str(repository))
    assert made.wait()
    view.since.value = "first"
    view.compare()
    assert made.wait()
    assert "Changed since first" in view.history.object


def test_what_was_just_done_is_shown_as_requests(archive: list[Path]) -> None:
    made = opened(archive[0])
    made.tabs.value = "Requests"
    view = made.views[RequestsView.name]
    assert isinstance(view, RequestsView)
    assert f"Open {archive[0]}" in view.latest.object
    (waterfall,) = view.waterfall.objects
    assert waterfall.spec["kind"] == "waterfall"
    assert waterfall.spec["n_requests"] == len(waterfall.spec["offset"]) == made.work.recordings[0].n_requests
    assert "Files and requests" in view.others.object


# -- building -------------------------------------------------------------------------------------------------------


def fill(made: App, step: Step, **values: object) -> None:
    made.build.open(step)
    for name, value in values.items():
        made.build.forms[step].fields[name].value = value


def click(made: App, step: Step) -> None:
    made.build.actions[step].clicks += 1
    assert made.wait()
    assert made.build.messages[step].visible is False, made.build.messages[step].object


def test_from_sources_to_receipt_with_the_odd_file_repaired(
    archive: list[Path], tmp_path: Path, policy: Policy
) -> None:
    made = App(policy=policy, uploads=tmp_path / "uploads")
    made.tabs.value = "Build"
    build = made.build
    fill(made, "sources", locations="archive/*.nc")
    click(made, "sources")
    assert "4 files" in build.results["sources"].object
    fill(made, "look", file=1)
    click(made, "look")
    assert archive[1].name in build.results["look"].object
    click(made, "check")
    labels = {each.label: each for row in build.fixes.objects[1::2] for each in row.objects}
    (repair,) = [each for name, each in labels.items() if "ncode" in name]
    repair.clicks += 1
    assert made.wait()
    assert build.fixes.objects == []
    assert "on_mismatch=&#x27;reencode&#x27;" in build.code.object
    click(made, "combine")
    assert "references to" in build.results["combine"].object
    fill(made, "write", kind="json", to="cube.json")
    click(made, "write")
    fill(made, "prove", receipt="receipt.html")
    click(made, "prove")
    assert build.builder.comparison is not None
    assert build.builder.comparison.verdict == "PASS"
    assert "PASS" in build.results["prove"].object
    assert manifests_of(tmp_path / "root" / "cube.json") == manifests_of(build.builder.cube)
    assert (tmp_path / "root" / "receipt.html").exists()
    program = build._file("to_script", "build.py").read().decode()
    assert program == build.builder.code()
    assert json.loads(build._file("to_notebook", "build.ipynb").read())["nbformat"] == 4


def test_an_error_is_shown_at_the_step_that_caused_it(archive: list[Path]) -> None:
    made = app([str(path) for path in archive])
    assert made.tabs.value == "Build"
    fill(made, "write", kind="json", to="cube.json")
    made.build.actions["write"].clicks += 1
    assert made.wait()
    assert made.build.step == "check"
    assert "scale_factor" in made.build.messages["check"].object
    assert len(made.build.fixes.objects) == 2


def test_a_check_that_is_cancelled_is_no_failure_and_is_not_done_after_all(archive: list[Path]) -> None:
    made = app([str(path) for path in archive])
    told: list[str] = []

    def cancel(text: str, done: int, total: int) -> None:
        told.append(text)
        if text == "Compare variables":
            made.work.cancel()

    made.work._background._on_progress = cancel
    made.build.open("check")
    made.build.actions["check"].clicks += 1
    assert made.wait()
    assert told[-1] == "Compare variables"
    assert "Ended before" in made.build.messages["check"].object
    assert made.build.failed == frozenset()
    assert made.build.builder.kept("report") is None


@pytest.mark.parametrize(
    ("step", "values"),
    [
        ("sources", {"locations": "/etc/*"}),
        ("sources", {"locations": "../*"}),
        ("sources", {"locations": "s3://bucket/a.nc"}),
        ("write", {"kind": "icechunk", "to": "../cube"}),
        ("write", {"kind": "icechunk", "to": "/tmp/cube"}),
        ("write", {"kind": "json", "to": "archive/sst_20240101.nc"}),
        ("prove", {"receipt": "../r.html"}),
        ("prove", {"receipt": "archive/sst_20240101.nc"}),
    ],
)
def test_the_builder_goes_nowhere_else(
    archive: list[Path], tmp_path: Path, policy: Policy, step: Step, values: dict[str, str]
) -> None:
    made = App(policy=policy, uploads=tmp_path / "uploads")
    made.build.set(made.build.builder.sources(str(archive[0])).write(str(tmp_path / "root" / "cube.json")))
    before = made.build.builder
    fill(made, step, **values)
    made.build.actions[step].clicks += 1
    assert made.wait()
    assert made.build.messages[step].visible
    assert made.build.builder == before
    assert archive[0].read_bytes()[:4] == b"\x89HDF"


def test_an_endpoint_is_no_option_of_a_session(archive: list[Path], tmp_path: Path, policy: Policy) -> None:
    made = App(policy=policy, uploads=tmp_path / "uploads")
    fill(made, "sources", locations=str(archive[0]), options="endpoint=http://169.254.169.254")
    made.build.actions["sources"].clicks += 1
    assert made.wait()
    assert "may not be given here" in made.build.messages["sources"].object


def test_uploads_are_bounded_and_stay_in_the_session(
    archive: list[Path], tmp_path: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (App(policy=policy, uploads=tmp_path / "uploads") for _ in range(2))
    one.build.upload.filename = "../../up.nc"
    one.build.upload.value = archive[0].read_bytes()
    assert one.wait()
    (saved,) = one.build.builder.chosen_sources.locations
    assert Path(str(saved)).parent == one.upload_folder
    assert "1 file" in one.build.results["sources"].object
    assert one.build.upload.value is None
    other.open(str(saved))
    assert "lies outside" in other.message.object
    one.close()
    assert not Path(str(saved)).exists()
    monkeypatch.setattr("vzlab.webapp.build_view.MAX_UPLOAD_BYTES", 100)
    other.build.upload.filename = "big.nc"
    other.build.upload.value = bytes(101)
    assert "at most 100 are taken" in other.build.messages["sources"].object
    assert list((tmp_path / "uploads").glob("*/*")) == []


# -- secrets --------------------------------------------------------------------------------------------------------


def test_a_signature_is_nowhere_to_be_read() -> None:
    made = App()
    url = "http://127.0.0.1:9/a.nc?signature=hush-hush"
    made.open(url)
    assert made.wait()
    assert "hush" not in made.message.object
    assert made.message.visible
    made.location = url
    assert "hush" not in made.explore.source_code()
    assert made.explore.source_code() == "os.environ['VZLAB_SOURCE_1']"


def test_secrets_of_the_builder_are_in_no_view(archive: list[Path]) -> None:
    made = App()
    fill(made, "sources", locations=str(archive[0]), options="secret_access_key=hush-hush")
    click(made, "sources")
    parts = (made.build.code, made.build.program, *made.build.results.values(), *made.build.messages.values())
    assert not any("hush" in str(part.object) for part in parts)
    assert made.build.forms["sources"].fields["options"].value == ""
    assert b"hush" not in made.build._file("to_script", "build.py").read()


# -- embedding ------------------------------------------------------------------------------------------------------


def test_the_app_is_a_panel_object(archive: list[Path]) -> None:
    import panel as pn

    made = vz.app(archive[0])
    assert made.wait()
    assert made.location == str(archive[0])
    root = pn.panel(made).get_root()
    assert root.references()
    with pytest.raises(TypeError, match="expected a path or url"):
        vz.app(3)
