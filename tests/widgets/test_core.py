"""The visual core is one module that needs nothing else, and all of its files are in it."""

from __future__ import annotations

import re
from pathlib import Path

from vzlab.widgets import core

FOLDER = Path(core.__file__).parent


def test_every_file_is_part_of_it_once() -> None:
    assert sorted(core.PARTS) == sorted(path.name for path in FOLDER.glob("*.js"))
    for part in core.PARTS:
        assert core.ESM.count((FOLDER / part).read_text(encoding="utf-8")) == 1


def test_it_imports_and_fetches_nothing() -> None:
    for way in (
        r"\bimport\b",
        r"\bfetch\(",
        "XMLHttpRequest",
        r"https?://",
        r"\beval\(",
        r"new Function",
        "@import",
        r"url\(",
    ):
        assert not re.search(way, core.ESM), way


def test_its_files_define_each_name_once() -> None:
    names = re.findall(r"^(?:async )?(?:function|class|const|let) (\w+)", core.ESM, re.MULTILINE)
    assert len(names) == len(set(names))
    assert {"mount", "explore", "pageHost", "render"} <= set(names)


def test_files_are_short() -> None:
    for part in core.PARTS:
        lines = (FOLDER / part).read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 500, part
        assert lines[0].startswith("// "), part
