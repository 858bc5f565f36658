"""The command line: results on stdout, exit codes 0, 1 and 2."""

import contextlib
import io
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest
import xarray as xr

import vzlab as vz
from tests.archives import DailyFile, write_daily_file, write_daily_files
from vzlab.cli import main


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


def run(*arguments: object, cwd: Path | None = None) -> Done:
    """Run a command in this process: starting another one each time would take longer than the commands do."""
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", ["vzlab", *map(str, arguments)]),
        contextlib.chdir(cwd or Path.cwd()),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as exit_,
    ):
        main()
    return Done(returncode=exit_.value.code or 0, stdout=out.getvalue(), stderr=err.getvalue())


def test_inspect_prints_what_is_there_and_writes_a_page(tmp_path: Path) -> None:
    file = write_daily_file(tmp_path / "day.nc")
    done = run("inspect", file, "--html", tmp_path / "page.html")
    assert done.returncode == 0, done.stderr
    assert "sst" in done.stdout
    assert "<html" in (tmp_path / "page.html").read_text()


def test_inspect_prints_json(tmp_path: Path) -> None:
    done = run("inspect", write_daily_file(tmp_path / "day.nc"), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)


def test_what_is_not_there_is_unusable(tmp_path: Path) -> None:
    done = run("inspect", tmp_path / "absent.nc")
    assert done.returncode == 2
    assert "absent.nc" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_place_that_cannot_be_written_to_is_told_in_a_line(tmp_path: Path) -> None:
    file = write_daily_file(tmp_path / "day.nc")
    for command in (("inspect", file, "--html", tmp_path), ("virtualize", file, "--to", file / "repository")):
        done = run(*command)
        assert done.returncode == 2, command
        assert done.stderr.rstrip().splitlines()[-1].startswith("vzlab: ")
        assert "Traceback" not in done.stderr
        assert "context:" not in done.stderr


def test_no_warning_of_commits_at_the_same_time(tmp_path: Path) -> None:
    file = write_daily_file(tmp_path / "day.nc")
    program = [sys.executable, "-m", "vzlab", "virtualize", str(file), "--to", str(tmp_path / "repository")]
    done = subprocess.run(program, capture_output=True, text=True, check=True, timeout=60)
    assert "WARN" not in done.stdout + done.stderr


def test_what_is_not_a_known_format_is_unusable(tmp_path: Path) -> None:
    (tmp_path / "login.nc").write_text("<!DOCTYPE html><html>Please log in</html>")
    done = run("inspect", tmp_path / "login.nc")
    assert done.returncode == 2
    assert "HTML" in done.stderr


@pytest.mark.parametrize(("odd", "code"), [({}, 0), ({"scale_factor": 0.1}, 1)])
def test_check_exits_with_1_on_a_problem(tmp_path: Path, odd: dict, code: int) -> None:
    files = write_daily_files(tmp_path, n_days=3)
    write_daily_file(files[2], DailyFile(first_day=2), **odd)
    done = run("check", tmp_path / "*.nc", "--json")
    assert done.returncode == code, done.stderr
    assert json.loads(done.stdout)["compatible"] is (code == 0)


def test_virtualize_and_compare(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path / "archive", n_days=3)
    for target in ("cube", "cube.json", "cube.parquet"):
        done = run("virtualize", *files, "--to", tmp_path / target)
        assert done.returncode == 0, done.stderr
        assert "references" in done.stdout
    done = run("compare", tmp_path / "cube", *files)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASS" in done.stdout
    session = vz.open_icechunk(tmp_path / "cube").readonly_session("main")
    with xr.open_zarr(session.store, consolidated=False) as opened:
        assert opened.sst.shape == (12, 10, 20)


def test_compare_exits_with_1_where_a_file_is_another(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path / "archive", n_days=2)
    assert run("virtualize", *files, "--to", tmp_path / "cube.json").returncode == 0
    other = tmp_path / "other"
    others = write_daily_files(other, n_days=2)
    write_daily_file(others[1], DailyFile(first_day=1), add_offset=0.0)
    done = run("compare", tmp_path / "cube.json", *others)
    assert done.returncode == 1
    assert "FAIL" in done.stdout


def test_virtualize_refuses_files_that_disagree(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path, n_days=2)
    write_daily_file(files[1], DailyFile(first_day=1), scale_factor=0.5)
    done = run("virtualize", *files, "--to", tmp_path / "cube")
    assert done.returncode == 1
    assert "scale_factor 0.5" in done.stdout
    assert not (tmp_path / "cube").exists()


def test_the_demo_does_the_whole_job(tmp_path: Path) -> None:
    done = run("demo", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASS") == 2
    assert "scale_factor 0.1" in done.stdout
    page = (tmp_path / "vzlab-demo" / "report.html").read_text()
    assert "Do they make one dataset?" in page
    assert "http" not in page.replace("http-equiv", "")


def test_the_demo_does_the_same_on_other_files(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path / "mine", n_days=4)
    done = run("demo", *files, "--to", tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "out" / "report.html").exists()


def test_the_demo_leaves_a_folder_alone_that_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("mine")
    done = run("demo", "--to", tmp_path / "precious")
    assert done.returncode == 2
    assert (tmp_path / "precious" / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "command", [["-m", "vzlab"], ["-c", "from vzlab.cli import main; main()"]], ids=["module", "script"]
)
def test_the_version_is_printed(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *command, "--version"], capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, vz.__version__)


def test_files_that_differ_are_encoded_again_when_asked(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path / "archive", n_days=3)
    write_daily_file(files[1], DailyFile(first_day=1), scale_factor=0.1)
    planned = run("check", *files, "--plan")
    assert planned.returncode == 1
    assert "16 chunks of 1 of 3 files are to be encoded again" in planned.stdout
    done = run("virtualize", *files, "--to", tmp_path / "refs.json", "--on-mismatch", "reencode")
    assert done.returncode == 0, done.stderr
    assert "32 references" in done.stdout


def test_a_changed_file_is_found_and_refreshed(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path / "archive", n_days=2)
    assert run("virtualize", *files, "--to", tmp_path / "cube").returncode == 0
    assert run("verify", tmp_path / "cube").returncode == 0
    write_daily_file(files[1], DailyFile(first_day=1), global_attributes={"history": "made again " * 100})
    found = run("verify", tmp_path / "cube")
    assert found.returncode == 1, found.stdout
    assert files[1].name in found.stdout
    done = run("refresh", tmp_path / "cube")
    assert done.returncode == 0, done.stderr
    assert "1 files made anew" in done.stdout
    assert run("verify", tmp_path / "cube").returncode == 0


def test_moved_files_are_relocated(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path / "archive", n_days=2)
    assert run("virtualize", *files, "--to", tmp_path / "cube").returncode == 0
    new = tmp_path / "elsewhere"
    (tmp_path / "archive").rename(new)
    done = run("relocate", tmp_path / "cube", (tmp_path / "archive").as_uri(), new.as_uri())
    assert done.returncode == 0, done.stderr
    assert "2 files lie at new places" in done.stdout
    assert run("compare", tmp_path / "cube", *sorted(new.iterdir())).returncode == 0
