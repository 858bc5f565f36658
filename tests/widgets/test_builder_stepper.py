"""The stepper, driven as a hand would: fields filled, buttons clicked."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import vzlab as vz
from tests.builder.archives import daily_archive, manifests_of
from vzlab.builder import STEPS, Builder, Step, call
from vzlab.widgets import BuilderStepper
from vzlab.widgets.background import BackgroundWork


@pytest.fixture
def archive(tmp_path: Path) -> list[Path]:
    return daily_archive(tmp_path / "archive", odd=2)


def click(stepper: BuilderStepper, step: Step) -> None:
    stepper.actions[step].click()
    assert stepper.wait()


def fill(stepper: BuilderStepper, step: Any, **values: Any) -> None:
    stepper.step = step
    for name, value in values.items():
        stepper._forms[step].fields[name].value = value


def running(stepper: BuilderStepper) -> bool:
    return bool(stepper.running.layout.display != "none")


def open_steps(stepper: BuilderStepper) -> list[str]:
    return [step for step, body in stepper.bodies.items() if body.layout.display != "none"]


def test_from_sources_to_receipt_with_the_odd_file_left_out(
    archive: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stepper = vz.build()
    fill(stepper, "sources", locations=str(archive[0].parent / "*.nc"))
    click(stepper, "sources")
    assert "4 files" in stepper.results["sources"].value
    fill(stepper, "look", file=1)
    click(stepper, "look")
    assert archive[1].name in stepper.results["look"].value
    click(stepper, "check")
    labels = {button.description: button for row in stepper.fixes.children[1::2] for button in row.children}
    labels[f"Leave out {archive[2].name}"].click()
    assert stepper.wait()
    assert stepper.fixes.children == ()
    assert f"names=[&#x27;{archive[2].name}&#x27;]" in stepper.line.value
    fill(stepper, "choose", concat_dim="time", rename="sst=t")
    click(stepper, "choose")
    assert (
        "builder.choose(concat_dim=&#x27;time&#x27;, rename={&#x27;sst&#x27;: &#x27;t&#x27;})"
        in stepper.line.value
    )
    fill(stepper, "combine", variable="t", position="time=0")
    click(stepper, "combine")
    assert "references to" in stepper.results["combine"].value
    fill(stepper, "write", kind="json", to="cube.json")
    click(stepper, "write")
    fill(stepper, "prove", receipt="receipt.html")
    click(stepper, "prove")
    assert [message.value for message in stepper.messages.values()] == [""] * len(STEPS)
    assert stepper.builder.comparison is not None
    assert stepper.builder.comparison.verdict == "PASS"
    assert "PASS" in stepper.results["prove"].value
    assert manifests_of(tmp_path / "cube.json") == manifests_of(stepper.builder.cube)
    stepper.save_button.click()
    assert Builder.from_script("build.py") == stepper.builder
    stepper.save_as.value = "build.ipynb"
    stepper.save_button.click()
    assert (tmp_path / "build.ipynb").exists()


def test_one_step_is_open_at_a_time(archive: list[Path]) -> None:
    stepper = vz.build(archive)
    assert open_steps(stepper) == ["sources"]
    stepper.headers["check"].click()
    assert open_steps(stepper) == ["check"]
    stepper.bodies["check"].children[-1].click()
    assert open_steps(stepper) == ["choose"]


def test_an_error_is_shown_at_the_step_that_caused_it(archive: list[Path], tmp_path: Path) -> None:
    stepper = vz.build(archive)
    fill(stepper, "write", kind="json", to=str(tmp_path / "cube.json"))
    click(stepper, "write")
    assert open_steps(stepper) == ["check"]
    assert "scale_factor" in stepper.messages["check"].value
    assert stepper.messages["write"].value == ""
    fixes = [button for row in stepper.fixes.children[1::2] for button in row.children]
    assert len(fixes) == 4
    assert all(button.tooltip.startswith("builder = builder.") for button in fixes)
    empty = vz.build()
    click(empty, "write")
    assert open_steps(empty) == ["sources"]
    assert "first" in empty.messages["sources"].value


def test_a_step_that_failed_says_so_until_it_is_taken_again(archive: list[Path], tmp_path: Path) -> None:
    stepper = vz.build()
    fill(stepper, "sources", locations=str(tmp_path / "nowhere.nc"))
    click(stepper, "sources")
    assert stepper.headers["sources"].description == "1. Sources — failed"
    assert "nowhere.nc" in stepper.messages["sources"].value
    fill(stepper, "sources", locations="\n".join(map(str, archive)))
    click(stepper, "sources")
    assert stepper.headers["sources"].description == "1. Sources — taken"
    assert stepper.messages["sources"].value == ""


def test_a_check_shows_its_matrix_to_be_pointed_at(archive: list[Path]) -> None:
    stepper = vz.build(archive)
    click(stepper, "check")
    (matrix,) = stepper.matrix.children
    assert matrix.spec["kind"] == "matrix"
    assert matrix.spec["alt"] == stepper.builder.report.headline
    fill(stepper, "sources", locations=str(archive[0]))
    click(stepper, "sources")
    assert stepper.matrix.children == ()


def test_thousands_of_files_are_told_of_some_times_a_second_and_at_the_end() -> None:
    told: list[int] = []
    work = BackgroundWork(lambda _, done, __: told.append(done))

    def long(tell: Any) -> None:
        for done in range(5_001):
            tell("Open files", done, 5_000)

    work.start(long, lambda *_: None)
    assert work.wait(30)
    assert told[0] == 0
    assert told[-1] == 5_000
    assert len(told) < 500


def test_work_is_done_beside_the_kernel_and_can_be_cancelled(
    archive: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    stepper = vz.build(archive)
    at_work, go_on = threading.Event(), threading.Event()
    tell = stepper._on_progress

    def slow(text: str, done: int, total: int) -> None:
        tell(text, done, total)
        at_work.set()
        assert go_on.wait(30)

    monkeypatch.setattr(stepper.work, "_on_progress", slow)
    stepper.step = "check"
    stepper.actions["check"].click()
    assert at_work.wait(30)
    assert running(stepper)
    assert all(button.disabled for button in stepper.actions.values())
    assert "Open files" in stepper.done_so_far.value
    stepper.cancel_button.click()
    go_on.set()
    assert stepper.wait()
    assert not running(stepper)
    assert "Ended before" in stepper.messages["check"].value
    assert not any(button.disabled for button in stepper.actions.values())
    click(stepper, "check")
    assert "problem" in stepper.results["check"].value


@pytest.mark.parametrize(
    ("step", "text"), [("check", "Compare lat"), ("combine", "Combine"), ("prove", "L3, L4, L5")]
)
def test_what_compares_and_proves_has_a_bar_and_ends_when_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: Step, text: str
) -> None:
    stepper = vz.build(daily_archive(tmp_path / "archive"))
    stepper.builder = stepper.builder.write(tmp_path / "cube.json")
    bars: list[tuple[int, int]] = []
    tell = stepper._on_progress

    def cancel_midway(said: str, done: int, total: int) -> None:
        tell(said, done, total)
        if said.startswith(text) and total:
            bars.append((stepper.progress.value, stepper.progress.max))
            stepper.cancel_button.click()

    monkeypatch.setattr(stepper.work, "_on_progress", cancel_midway)
    stepper.step = step
    click(stepper, step)
    assert len(bars) == 1
    assert bars[0][0] < bars[0][1] <= 4
    assert "Ended before" in stepper.messages[step].value
    assert stepper.failed == frozenset()
    monkeypatch.setattr(stepper.work, "_on_progress", tell)
    click(stepper, step)
    assert stepper.messages[step].value == ""


def test_the_state_is_set_and_observed_from_python(archive: list[Path]) -> None:
    stepper = vz.build()
    seen: list[Builder] = []
    stepper.observe(lambda change: seen.append(change["new"]), "builder")
    stepper.builder = (
        Builder().sources(archive).choose(on_mismatch="load", drop_variables=["lat"]).write("/x/y.json")
    )
    assert len(seen) == 1
    fields = stepper._forms["choose"].fields
    assert (fields["on_mismatch"].value, fields["drop_variables"].value) == ("load", "lat")
    assert stepper._forms["write"].fields["to"].value == "/x/y.json"
    assert "on_mismatch" in stepper.program.value


def test_what_is_typed_and_not_taken_yet_stays(archive: list[Path]) -> None:
    stepper = vz.build(archive)
    fill(stepper, "write", to="somewhere")
    fill(stepper, "choose", concat_dim="time")
    click(stepper, "choose")
    assert stepper._forms["write"].fields["to"].value == "somewhere"


def test_secrets_are_not_kept_in_fields_or_shown() -> None:
    stepper = vz.build()
    fill(
        stepper,
        "sources",
        locations="https://a.example/x.nc?sig=hunter2",
        options="secret_access_key=hunter2, region=r",
    )
    stepper.take("sources")
    assert stepper.wait()
    states = "\n".join(str(each.get_state()) for each in every_widget(stepper))
    assert "hunter2" not in states
    assert "os.environ" in states
    before = stepper.builder
    stepper.take("sources")
    assert stepper.wait()
    assert stepper.builder == before
    assert [each.value for each in before._secrets()] == [each.value for each in stepper.builder._secrets()]


def every_widget(widget: Any) -> list[Any]:
    return [widget, *(inner for each in getattr(widget, "children", ()) for inner in every_widget(each))]


def test_uploads_become_sources(archive: list[Path], tmp_path: Path) -> None:
    stepper = vz.build(upload_folder=tmp_path / "uploads")
    content = archive[0].read_bytes()
    stepper.upload.value = (
        {
            "name": "<b>.nc",
            "type": "",
            "size": len(content),
            "content": memoryview(content),
            "last_modified": datetime(2025, 1, 1, tzinfo=UTC),
        },
    )
    assert stepper.wait()
    assert "1 file" in stepper.results["sources"].value
    assert "<b>" not in stepper.results["sources"].value
    assert stepper.upload.value == ()
    assert (tmp_path / "uploads" / "<b>.nc").read_bytes() == content


def test_every_field_has_a_label_and_nothing_is_wider_than_its_cell(archive: list[Path]) -> None:
    stepper = vz.build(archive)
    for form in stepper._forms.values():
        for each in form.fields.values():
            assert each.description
            assert each.layout.width == "100%"
    for button in (
        *stepper.headers.values(),
        *stepper.actions.values(),
        stepper.upload,
        stepper.cancel_button,
    ):
        assert button.description
        assert button.layout.max_width == "100%"


def test_a_click_is_a_line_that_does_the_same(archive: list[Path]) -> None:
    assert call("builder.choose", allow=["static"]) == "builder.choose(allow=['static'])"
    stepper = vz.build()
    fill(stepper, "sources", locations="\n".join(map(str, archive)))
    click(stepper, "sources")
    names: dict[str, Any] = {"builder": Builder()}
    shown = call("builder.sources", *stepper.builder.chosen_sources.locations)
    exec(f"builder = {shown}", names)
    assert names["builder"] == stepper.builder
