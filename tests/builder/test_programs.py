"""A builder's program makes the same references when it is run alone, and brings the builder back."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from tests.builder.archives import daily_archive, manifests_of, parts_of, run_alone
from vzlab.builder import Builder
from vzlab.errors import StepError


def assert_comes_back(builder: Builder, folder: Path) -> None:
    assert Builder.from_script(builder.to_script(folder / "again.py")) == builder
    assert Builder.from_json(builder.to_json()) == builder


CHOICES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "reencode": {"on_mismatch": "reencode"},
    "load": {"on_mismatch": "load"},
    "dropped": {"drop_variables": ["lon"]},
    "kept": {"variables": ["sst"]},
    "loadable": {"loadable_variables": ["time", "lat"]},
    "all virtual": {"loadable_variables": [], "concat_dim": "time"},
    "renamed": {"rename": {"sst": "sea surface"}, "on_mismatch": "reencode"},
    "nested": {"combine": "nested", "concat_dim": "time", "on_mismatch": "reencode"},
    "codecs": {"cf": "codecs", "on_mismatch": "reencode"},
    "tree": {"group": "*", "on_mismatch": "reencode", "attrs": "keep_varying"},
}


@pytest.mark.parametrize("name", CHOICES)
def test_a_program_makes_the_same_references(name: str, tmp_path: Path) -> None:
    choices = CHOICES[name]
    files = daily_archive(tmp_path / "archive", odd=1 if "on_mismatch" in choices else None)
    builder = Builder().sources(files[0].parent / "*.nc").look(1).check().choose(**choices).combine()
    assert_comes_back(builder, tmp_path)
    made = run_alone(builder, tmp_path)["cube"]
    assert manifests_of(made) == manifests_of(builder.cube)
    assert parts_of(made) == parts_of(builder.cube)


@pytest.mark.parametrize("place", ["cube.json", "cube.parquet", "cube"])
def test_a_program_alone_writes_and_proves_the_same(place: str, tmp_path: Path) -> None:
    files = daily_archive(tmp_path / "archive", odd=3)
    message: dict[str, Any] = {} if "." in place else {"message": 'It\'s "one"\nby hand'}
    builder = (
        Builder()
        .sources(files)
        .leave_out(files[3].name)
        .write(tmp_path / place, **message)
        .prove(exact=True, seed=3)
    )
    assert_comes_back(builder, tmp_path)
    run_alone(builder, tmp_path)
    assert manifests_of(tmp_path / place) == manifests_of(builder.cube)


def test_a_program_runs_in_a_fresh_process_anywhere(tmp_path: Path) -> None:
    daily_archive(tmp_path / "archive")
    builder = Builder().sources(tmp_path / "archive" / "*.nc").check().write(tmp_path / "cube.json").prove()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    script = builder.to_script(tmp_path / "build.py")
    done = subprocess.run(
        [sys.executable, str(script)], cwd=elsewhere, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert "PASS" in done.stdout
    assert manifests_of(tmp_path / "cube.json") == manifests_of(builder.cube)


def test_groups(tmp_path: Path) -> None:
    for day in range(2):
        with h5py.File(tmp_path / f"{day}.h5", "w") as file:
            for group in ("ocean", "land"):
                part = file.create_group(group)
                time = part.create_dataset("time", data=np.array([day], "<i4"))
                time.make_scale("time")
                time.attrs["units"] = "days since 2020-01-01"
                values = part.create_dataset("t", data=np.full((1, 4), day, "<f4"), chunks=(1, 4))
                x = part.create_dataset("x", data=np.arange(4, dtype="<f4"))
                x.make_scale("x")
                values.dims[0].attach_scale(time)
                values.dims[1].attach_scale(x)
    sources = Builder().sources(tmp_path / "*.h5")
    one = sources.choose(group="ocean").write(tmp_path / "one.json").prove()
    some = sources.choose(group=["ocean"], concat_dim="time").write(tmp_path / "some.json")
    for builder in (one, some):
        assert_comes_back(builder, tmp_path)
        run_alone(builder, tmp_path)
        assert builder.target.to is not None
        assert list(manifests_of(builder.target.to)) == ["ocean/t"]
    assert one.run("write")
    with pytest.raises(StepError, match="no group /sea"):
        _ = sources.choose(group=["sea"], concat_dim="time").cube


HOSTILE = [
    "it's.nc",
    'a"b.nc',
    "a\\b.nc",
    "new\nline.nc",
    "{x}%s.nc",
    "__import__('os').nc",
    "ä€.nc",
    "a#b?c.nc",
]


def test_hostile_names_are_quoted(tmp_path: Path) -> None:
    folder = tmp_path / 'odd "names"'
    files = daily_archive(folder, n_days=len(HOSTILE))
    renamed = [file.rename(folder / name) for file, name in zip(files, HOSTILE, strict=True)]
    hostile = "'); raise SystemExit(9) #"
    builder = (
        Builder()
        .sources(renamed)
        .leave_out(HOSTILE[3])
        .choose(rename={"sst": hostile})
        .combine(hostile, {"time": 0})
        .write(tmp_path / f"{hostile}.json")
    )
    assert_comes_back(builder, tmp_path)
    run_alone(builder, tmp_path)
    assert manifests_of(tmp_path / f"{hostile}.json") == manifests_of(builder.cube)
    assert "<script>" not in Builder().sources("/<script>.nc")._repr_html_()


def test_a_notebook_has_a_cell_for_each_step(tmp_path: Path) -> None:
    files = daily_archive(tmp_path / "archive")
    builder = Builder().sources(files).look().check().write(tmp_path / "cube.json").prove()
    stored = json.loads(builder.to_notebook(tmp_path / "build.ipynb").read_text())
    cells = ["".join(cell["source"]) for cell in stored["cells"] if cell["cell_type"] == "code"]
    assert len(cells) == 1 + len(builder.log)
    names: dict[str, Any] = {}
    for cell in cells:
        ast.parse(cell)
        exec(compile(cell, "cell", "exec"), names)
    assert names["receipt"].verdict == "PASS"
    assert cells[2] == "vz.inspect(files[0])"
    assert cells[-1].endswith("\nreceipt")


def test_an_edited_value_is_taken_up(tmp_path: Path) -> None:
    builder = Builder().sources("/data/*.nc").choose(concat_dim="time").write("/data/cube")
    text = builder.code().replace("'/data/*.nc'", '"/archive/*.nc"').replace("'time'", "'t'")
    (tmp_path / "edited.py").write_text(text)
    found = Builder.from_script(tmp_path / "edited.py")
    assert found.chosen_sources.locations == ("/archive/*.nc",)
    assert found.choices.concat_dim == "t"


@pytest.mark.parametrize(
    "added",
    [
        "import os; os.abort()",
        "files = files[:3]",
        "cube = cube.isel(time=0)",
        "cube = (",
        "vz.cost(cube, 'sst')",
    ],
)
def test_what_no_builder_writes_is_refused_and_never_run(added: str, tmp_path: Path) -> None:
    text = Builder().sources("/data/*.nc").combine().code()
    (tmp_path / "edited.py").write_text(text + added + "\n")
    with pytest.raises(ValueError, match=r"^Line \d+ "):
        Builder.from_script(tmp_path / "edited.py")


STEPS = st.one_of(
    st.builds(lambda n: ("look", (n,), {}), st.integers(0, 3)),
    st.just(("check", (), {})),
    st.builds(
        lambda which: ("choose", (), which),
        st.sampled_from([{}, {"on_mismatch": "reencode"}, {"drop_variables": ["lon"]}, {"drop_variables": ()},
                         {"loadable_variables": []}, {"loadable_variables": None}, {"concat_dim": "time"},
                         {"attrs": "first"}, {"rename": {"sst": "t"}}, {"rename": {}}, {"group": "*", "rename": {}},
                         {"group": None}, {"allow": ["static"]}, {"memory_bytes": 10_000_000}]),
    ),
    st.sampled_from([("combine", (), {}), ("unique", (), {})]),
    st.builds(lambda n: ("leave_out", (f"day_{n}.nc",), {}), st.integers(0, 3)),
    st.builds(lambda n: ("take_back", (f"day_{n}.nc",), {}), st.integers(0, 3)),
    st.builds(lambda place, message: ("write", (place,), {"message": message} if place == "cube" else {}),
              st.sampled_from(["cube.json", "cube", "c.parquet"]), st.text(max_size=5)),
    st.builds(lambda exact: ("prove", (), {"exact": exact, "levels": ["L0", "L2"]}), st.booleans()),
)  # fmt: skip


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    for day, file in enumerate(daily_archive(folder, odd=2)):
        file.rename(folder / f"day_{day}.nc")
    return folder


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=8))
def test_any_legal_order_of_steps_gives_a_program_that_reproduces_the_state(
    steps: list[tuple[str, tuple[Any, ...], dict[str, Any]]], archive: Path, tmp_path: Path
) -> None:
    builder = Builder().sources(archive / "*.nc")
    for method, positional, named in steps:
        with suppress(StepError):  # not a legal order: the state stays
            builder = getattr(builder, method)(*positional, **named)
    assert_comes_back(builder, tmp_path)


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(STEPS.filter(lambda step: step[0] not in ("write", "prove")), max_size=6))
def test_any_legal_order_of_steps_gives_a_program_that_makes_the_same_references(
    steps: list[tuple[str, tuple[Any, ...], dict[str, Any]]], archive: Path, tmp_path: Path
) -> None:
    builder = Builder().sources(archive / "*.nc").choose(on_mismatch="reencode")
    for method, positional, named in steps:
        builder = getattr(builder, method)(*positional, **named)
    try:
        expected = manifests_of(builder.cube)
        _ = builder.inspection
    except (
        StepError
    ):  # the files are refused, none is left, or none is at that position: the program says so too
        with pytest.raises((ValueError, IndexError)):
            run_alone(builder, tmp_path)
    else:
        assert manifests_of(run_alone(builder, tmp_path)["cube"]) == expected
