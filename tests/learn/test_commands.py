"""A lesson shows what a command says in a terminal, as one who types it reads it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vzlab.learn import terminal
from vzlab.samples import make_daily_archive


@pytest.mark.slow
def test_it_says_what_the_shell_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_daily_archive(tmp_path, n_files=2, odd=1)
    terminal("vzlab check sst_2025-01-01.nc 'sst_2025-01-02.nc'", tmp_path)
    command = [sys.executable, "-m", "vzlab", "check", "sst_2025-01-01.nc", "sst_2025-01-02.nc"]
    shell = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert shell.returncode == 1
    first, *said, last = capsys.readouterr().out.splitlines()
    assert first == "$ vzlab check sst_2025-01-01.nc 'sst_2025-01-02.nc'"
    assert said == [line.rstrip() for line in shell.stdout.splitlines()]
    assert last == "(exit code 1)"


def test_what_goes_to_stderr_is_there_and_the_process_is_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    here, arguments = Path.cwd(), list(sys.argv)
    terminal("vzlab inspect no.nc", tmp_path)
    said = capsys.readouterr()
    assert said.err == ""
    assert "no.nc" in said.out.splitlines()[1]
    assert "\x1b" not in said.out
    assert said.out.endswith("(exit code 2)\n")
    assert (Path.cwd(), sys.argv) == (here, arguments)


@pytest.mark.parametrize("command", ["", "ls *.nc"])
def test_another_command_is_refused(command: str) -> None:
    with pytest.raises(ValueError, match="begins with vzlab"):
        terminal(command)
