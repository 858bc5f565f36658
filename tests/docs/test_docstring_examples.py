"""Docstrings tell what public functions take and give, and every example of them runs, in a folder of its own."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vzlab
from tests.check import ROOT
from tests.parsers.one_of_each import WRITERS

MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "vzlab").rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


def public_functions() -> dict[str, Callable[..., Any]]:
    parts = {"vz": vzlab} | {
        f"vz.{name}": getattr(vzlab, name) for name in ("learn", "parsers", "samples", "storage", "testing")
    }
    named = {f"{part}.{name}": getattr(home, name) for part, home in parts.items() for name in home.__all__}
    return {name: thing for name, thing in named.items() if inspect.isfunction(thing)}


def sections_of(docstring: str) -> dict[str, str]:
    """Sections of a numpydoc docstring by their titles, each a word that is underlined."""
    found = re.split(r"^(\w+)\n-+$", inspect.cleandoc(docstring), flags=re.MULTILINE)
    return dict(zip(found[1::2], found[2::2], strict=True))


@pytest.mark.slow  # the other names are loaded with these, and what they need
def test_public_functions_say_what_they_take_and_give() -> None:
    functions = public_functions()
    assert len(functions) > 45
    lacking = []
    for name, function in functions.items():
        sections, signature = sections_of(function.__doc__ or ""), inspect.signature(function)
        told = re.findall(r"^([*\w, ]+?)(?: :.*)?$", sections.get("Parameters", ""), flags=re.MULTILINE)
        names = {each.strip(" *") for line in told for each in line.split(",")}
        lacking += [f"{name}: {parameter}" for parameter in signature.parameters if parameter not in names]
        if signature.return_annotation != "None" and not {"Returns", "Yields"} & sections.keys():
            lacking.append(f"{name}: what it gives")
    assert lacking == []


@pytest.mark.slow
def test_every_public_name_shows_how_it_is_used() -> None:
    public = {f"vz.{name}": getattr(vzlab, name) for name in vzlab.__all__}
    for part in ("learn", "samples", "testing"):
        module = public[f"vz.{part}"]
        public |= {f"vz.{part}.{name}": getattr(module, name) for name in module.__all__}
    public = {
        name: thing
        for name, thing in public.items()
        # Records that functions give back are told field by field.
        if inspect.isfunction(thing) or (inspect.isclass(thing) and name.count(".") == 1)
    }
    assert len(public) > 60
    assert [name for name, thing in public.items() if ">>> " not in (thing.__doc__ or "")] == []


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    globs = {**vars(module), "vz": vzlab}
    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    assert "doctest: +SKIP" not in source
    if "archive" in source:
        vzlab.samples.make_daily_archive("archive")
    for make in WRITERS.values() if "one." in source else ():
        make(tmp_path)
    finder, runner = (
        doctest.DocTestFinder(exclude_empty=True),
        doctest.DocTestRunner(optionflags=doctest.ELLIPSIS),
    )
    found = [test for test in finder.find(module, name, globs=globs) if test.examples]
    assert found
    for test in found:
        assert runner.run(test).failed == 0, test.name
