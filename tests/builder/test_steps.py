"""Each step of the builder: what it takes, what it gives, and whose fault an error is."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime
from pathlib import Path

import pystac
import pytest

import vzlab as vz
from tests.builder.archives import daily_archive, manifests_of
from vzlab.builder import Builder, Step
from vzlab.errors import StepError
from vzlab.storage import url_name


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return daily_archive(tmp_path / "archive")


@pytest.fixture
def odd_files(tmp_path: Path) -> list[Path]:
    return daily_archive(tmp_path / "odd", odd=2)


def test_steps_do_no_work_before_they_are_asked(tmp_path: Path) -> None:
    nowhere = tmp_path / "nothing" / "*.nc"
    builder = (
        Builder().sources(nowhere).look().check().choose(concat_dim="time").write(tmp_path / "cube").prove()
    )
    assert [block.step for block in builder.log] == [
        "sources",
        "look",
        "choose",
        "check",
        "combine",
        "write",
        "prove",
    ]
    with pytest.raises(StepError, match="No files match") as caught:
        builder.run("prove")
    assert caught.value.step == "sources"


def test_every_step_leaves_the_state_before_it_as_it_was(files: list[Path]) -> None:
    first = Builder().sources(files)
    second = first.choose(drop_variables="ice")
    assert first != second
    assert first.choices.drop_variables == ()
    with pytest.raises(AttributeError):
        first.looked_at = 1  # type: ignore[misc]


def test_files_of_paths_globs_and_urls(files: list[Path]) -> None:
    assert [url_name(url) for url in Builder().sources(files[0].parent / "*.nc").files] == [
        f.name for f in files
    ]
    assert len(Builder().sources(str(files[0]), [files[1], files[2].as_uri()]).files) == 3
    assert len(Builder().sources(files[0]).add_sources(files[1]).files) == 2


def test_files_are_left_out_and_taken_back(files: list[Path]) -> None:
    builder = Builder().sources(files).leave_out(files[1].name)
    assert len(builder.files) == 3
    assert len(builder.take_back(files[1].name).files) == 4
    with pytest.raises(StepError, match="left out") as caught:
        _ = builder.leave_out([f.name for f in files]).files
    assert caught.value.step == "sources"


def test_other_sources_are_not_left_out_by_the_names_of_the_first(files: list[Path]) -> None:
    builder = Builder().sources(files).leave_out(files[1].name).look(3)
    assert builder.sources(files[:2]).files == Builder().sources(files[:2]).files
    assert builder.sources(files[:2]).looked_at == 0
    assert builder.sources(files, parser="HDF5Parser").files == builder.files


def test_a_file_named_twice_is_taken_once_when_asked(files: list[Path]) -> None:
    builder = Builder().sources([*files, files[0]])
    fixes = [fix for finding in builder.problems for fix in builder.fixes(finding)]
    (once,) = {fix.method: fix for fix in fixes if fix.method == "unique"}.values()
    assert builder.apply(once).problems == ()


def test_format_and_parser(files: list[Path]) -> None:
    builder = Builder().sources(files)
    assert builder.format.parser == "HDF5Parser"
    with_parser = builder.sources(files, parser="HDF5Parser", parser_options={"drop_variables": ["lat"]})
    assert "lat" not in with_parser.inspection.variables
    with pytest.raises(StepError, match="expected one of DMRPPParser"):
        builder.sources(files, parser="NoParser")


def test_uploads_are_saved_by_their_own_name(tmp_path: Path, files: list[Path]) -> None:
    data, folder = files[0].read_bytes(), tmp_path / "uploads"
    builder = (
        Builder()
        .upload("../../C:\\evil\\sst.nc", data, folder)
        .upload("sst.nc", files[1].read_bytes(), folder)
    )
    assert sorted(path.name for path in folder.iterdir()) == ["sst-1.nc", "sst.nc"]
    assert builder.upload("sst.nc", data, folder).chosen_sources.locations[-1] == str(folder / "sst.nc")
    assert manifests_of(builder.cube)
    for name, content in (("..", data), ("sst.nc", b"")):
        with pytest.raises(StepError) as caught:
            Builder().upload(name, content, folder)
        assert caught.value.step == "sources"


def test_stac_items_are_sources(files: list[Path]) -> None:
    items = [
        pystac.Item(file.stem, None, None, datetime(2024, 1, day, tzinfo=UTC), {})
        for day, file in enumerate(files, start=1)
    ]
    for item, file in zip(items, files, strict=True):
        item.add_asset("data", pystac.Asset(href=str(file), roles=["data"]))
    builder = Builder().stac(items)
    assert builder.files == Builder().sources(files).files
    with pytest.raises(StepError, match="no asset 'none'"):
        Builder().stac(items, asset="none")


def test_look_at_one_file(files: list[Path]) -> None:
    builder = Builder().sources(files).look(2)
    assert builder.inspection.title == files[2].name
    with pytest.raises(StepError, match="choose one from 0 to 3"):
        _ = builder.look(9).inspection


def test_check_finds_and_each_fix_resolves(odd_files: list[Path]) -> None:
    builder = Builder().sources(odd_files).check()
    (problem,) = builder.problems
    assert problem.kind == "packing"
    fixes = builder.fixes(problem)
    assert [fix.method for fix in fixes] == ["choose", "leave_out", "choose", "choose"]
    for fix in fixes:
        assert fix.code.startswith(f"builder = builder.{fix.method}(")
        assert builder.apply(fix).problems == (), fix.label


def test_files_that_do_not_fit_are_an_error_of_the_check(odd_files: list[Path]) -> None:
    with pytest.raises(StepError, match=r"scale_factor 0\.02") as caught:
        _ = (builder := Builder().sources(odd_files).combine()).cube
    assert caught.value.step == "check"
    assert builder.kept("report") == builder.report, "made where it could be ended"
    assert isinstance(caught.value.__cause__, vz.errors.IncompatibleFilesError)


def test_choices_are_added_to_and_taken_back(files: list[Path]) -> None:
    builder = Builder().sources(files).choose(drop_variables=["sst"]).choose(attrs="first")
    assert "sst" not in builder.cube.variables
    assert "sst" in builder.choose(drop_variables=()).cube.variables
    kept = Builder().sources(files).choose(variables=["sst"], rename={"sst": "temperature"}).cube
    assert set(kept.data_vars) == {"temperature"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"on_mismatch": "x"},
        {"allow": ["x"]},
        {"no_such": 1},
        {"group": "*", "variables": ["sst"]},
        {"attrs": "x"},
    ],
    ids=["on_mismatch", "allow", "name", "tree", "attrs"],
)
def test_a_wrong_choice_is_refused_at_once(wrong: dict[str, object], files: list[Path]) -> None:
    with pytest.raises(StepError) as caught:
        Builder().sources(files).choose(**wrong)
    assert caught.value.step == "choose"


@pytest.mark.parametrize(
    "choice",
    [{"variables": ["none"]}, {"loadable_variables": ["none"]}, {"rename": {"none": "x"}}, {"group": "none"}],
    ids=["variables", "loadable", "rename", "group"],
)
def test_what_no_file_has_is_an_error_of_the_choice(choice: dict[str, object], files: list[Path]) -> None:
    with pytest.raises(StepError, match="none") as caught:
        _ = Builder().sources(files).choose(**choice).cube
    assert caught.value.step == "choose"


def test_a_broken_file_is_an_error_of_the_sources_and_named(files: list[Path]) -> None:
    files[1].write_bytes(files[1].read_bytes()[:2000])
    with pytest.raises(StepError, match=files[1].name) as caught:
        _ = Builder().sources(files).cube
    assert caught.value.step == "sources"


def test_preview_says_what_there_is(files: list[Path]) -> None:
    builder = Builder().sources(files).combine("sst", {"time": 0, "lat": slice(0, 5)})
    preview = builder.preview
    assert preview.n_references == builder.cube.vzlab.n_refs == 4 * 4 * 4
    assert preview.n_files == 4
    assert preview.file_bytes == sum(file.stat().st_size for file in files)
    assert preview.cost is not None
    assert preview.cost.n_requests == 2
    assert preview.prefixes == (files[0].parent.as_uri() + "/",)
    assert "4 files are opened first" in str(preview)


def test_write_is_done_once(tmp_path: Path, files: list[Path]) -> None:
    builder = Builder().sources(files).write(tmp_path / "cube.json")
    assert builder.written is None
    said = builder.run("write")
    assert str(tmp_path / "cube.json") in said
    (tmp_path / "cube.json").unlink()
    assert builder.run("write") == builder.written == said
    assert not (tmp_path / "cube.json").exists()


def test_what_cannot_be_written_is_an_error_of_writing(tmp_path: Path, files: list[Path]) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StepError) as caught:
        Builder().sources(files).write(tmp_path / "file" / "cube").run("write")
    assert caught.value.step == "write"


def test_steps_that_cannot_be_taken_yet_say_what_comes_first(tmp_path: Path, files: list[Path]) -> None:
    for step in ("look", "check", "choose", "combine"):
        with pytest.raises(StepError, match=r"sources\(") as caught:
            getattr(Builder(), step)()
        assert caught.value.step == "sources"
    with pytest.raises(StepError, match=r"write\("):
        Builder().sources(files).prove()
    with pytest.raises(StepError, match=r"prove\("):
        Builder().sources(files).write(tmp_path / "x.json").run("prove")


def test_going_back_keeps_what_is_still_valid(tmp_path: Path, files: list[Path]) -> None:
    builder = Builder().sources(files).look().check().choose(attrs="first").write(tmp_path / "cube.json")
    inspection, report, cube = builder.inspection, builder.report, builder.cube
    builder.run("write")
    other_place = builder.write(tmp_path / "other.json")
    assert other_place.kept("cube") is cube
    assert other_place.written is None
    other_choice = builder.choose(attrs="drop_varying")
    assert other_choice.kept("report") is report
    assert other_choice.kept("cube") is None
    fewer = builder.leave_out(files[0].name)
    assert fewer.kept("report") is None
    assert fewer.choices == builder.choices
    assert fewer.kept("opened") is builder.kept("opened")
    assert builder.look(0).inspection is inspection


def test_only_new_files_are_opened(files: list[Path]) -> None:
    builder = Builder().sources(files[:3])
    _ = builder.cube
    told: list[tuple[str, int, int]] = []
    builder.add_sources(files[3]).run("combine", lambda *said: told.append(said))
    assert [said for said in told if said[0] == "Open files"] == [("Open files", 3, 4), ("Open files", 4, 4)]


def test_work_ends_when_progress_raises_and_goes_on_later(files: list[Path]) -> None:
    builder = Builder().sources(files)

    def stop(text: str, done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        builder.run("combine", stop)
    assert list(builder.kept("opened")) == list(builder.files[:2])
    assert builder.preview.n_files == 4


class Ended(BaseException):
    """What a listener raises."""


@pytest.mark.parametrize(
    ("step", "text"),
    [
        ("check", "Take files"),
        ("check", "Compare files"),
        ("check", "Compare variables"),
        ("check", "Compare lat"),
        ("combine", "Combine"),
        ("prove", "Look at the files"),
        ("prove", "Open the native files"),
        ("prove", "Order files by time"),
        ("prove", "L0 sst"),
        ("prove", "L1 lat"),
        ("prove", "L2 sst"),
        ("prove", "L3, L4, L5 sst"),
    ],
)
def test_each_long_step_counts_and_is_ended_in_its_middle(
    tmp_path: Path, files: list[Path], step: Step, text: str
) -> None:
    builder = Builder().sources(files).write(tmp_path / "cube.json").prove()
    told: list[tuple[int, int]] = []

    def stop(said: str, done: int, total: int) -> None:
        if said == text and total:
            told.append((done, total))
            if done == 1:
                raise Ended

    with pytest.raises(Ended):
        builder.run(step, stop)
    assert told[0][0] == 0
    assert told[-1][0] == 1
    assert builder.kept({"check": "report", "combine": "preview"}.get(step, "proved")) is None
    assert builder.run(step) is not None


def test_receipt_passes_and_is_kept_as_a_page(tmp_path: Path, files: list[Path]) -> None:
    builder = Builder().sources(files).write(tmp_path / "cube.json").prove(receipt=tmp_path / "receipt.html")
    assert builder.run("prove").verdict == "PASS"
    assert builder.verification is not None
    assert builder.verification.verdict == "PASS"
    assert "PASS" in (tmp_path / "receipt.html").read_text()


def test_a_builder_pickles_and_shows_itself(files: list[Path]) -> None:
    builder = Builder().sources(files).look().choose(concat_dim="time")
    _ = builder.preview
    assert pickle.loads(pickle.dumps(builder)) == builder
    assert "open_virtual_mfdataset" in repr(builder)
    html = builder._repr_html_()
    assert "Look at one file" in html
    assert "references to" in html


def test_json_names_its_form() -> None:
    assert json.loads(Builder().to_json())["schema"] == "vzlab-builder/1"
    for text in ("[]", '{"schema": "else"}', '{"schema": "vzlab-builder/1", "choose": {"no_such": 1}}'):
        with pytest.raises(ValueError, match="expected"):
            Builder.from_json(text)
