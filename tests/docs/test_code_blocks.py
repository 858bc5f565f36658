"""Every block of code in the texts: Python runs page by page, commands are commands that there are, data can be read."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer.main

from tests.check import ROOT
from vzlab.cli import app

PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted(
        path
        for folder in ("docs", "tutorials", "benchmarks", "notebooks")
        for path in (ROOT / folder).rglob("*.md")
    ),
]
_BLOCK = re.compile(r"^( *)```(\S*)[^\n]*\n(.*?)^\1```$", flags=re.MULTILINE | re.DOTALL)


def blocks(path: Path) -> list[tuple[str, str]]:
    """Blocks of a page, in order: language and text."""
    return [(language, text) for _, language, text in _BLOCK.findall(path.read_text(encoding="utf-8"))]


def python_of(path: Path) -> str:
    return "\n".join(text for language, text in blocks(path) if language == "python")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


WITH_PYTHON = [path for path in PAGES if python_of(path)]
COMMANDS = [
    pytest.param(command, id=f"{name_of(path)}-{number}")
    for path in PAGES
    for number, command in enumerate(
        line
        for language, text in blocks(path)
        if language in {"bash", "console", ""}
        for line in re.sub(r"\\\n\s*", " ", text).splitlines()
        if re.search(r"\bvzlab [a-z]", line)
    )
]


def test_pages_are_found() -> None:
    names = {name_of(path) for path in WITH_PYTHON}
    assert {
        "README.md",
        "docs/index.md",
        "docs/concepts.md",
        "docs/writing-a-parser.md",
        "docs/ci.md",
    } <= names
    assert len(COMMANDS) > 5


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_block_is_of_a_kind_that_is_tested(path: Path) -> None:
    for language, text in blocks(path):
        assert language in {"python", "bash", "toml", "json", ""}, (
            f"a block of {language!r} is tested by nothing"
        )
        if language == "toml":
            assert tomllib.loads(text)
        elif language == "json":
            assert json.loads(text) is not None
        elif language == "python":
            compile(text, name_of(path), "exec")


@pytest.mark.slow
@pytest.mark.parametrize("path", WITH_PYTHON, ids=name_of)
def test_python_of_a_page_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    program = python_of(path)
    (tmp_path / "test_page.py").write_text(program, encoding="utf-8")
    has_tests = re.search(r"^(?:def test_|class Test)", program, flags=re.MULTILINE)
    how = (
        ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts="]
        if has_tests
        else ["-W", "error::DeprecationWarning"]
    )
    result = subprocess.run(
        [sys.executable, *how, "test_page.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert result.returncode == 0, f"{result.stdout[-3000:]}\n{result.stderr[-3000:]}"


@pytest.mark.parametrize("line", COMMANDS)
def test_command_of_a_page_is_one_that_there_is(line: str) -> None:
    words = shlex.split(line, comments=True)
    words = words[len(words) - 1 - words[::-1].index("vzlab") :]
    group = typer.main.get_command(app)
    assert words[1] in group.commands, line  # type: ignore[attr-defined]
    group.commands[words[1]].make_context(words[1], words[2:])  # type: ignore[attr-defined]
