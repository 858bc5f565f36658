"""Every example of a docstring runs, in a folder of its own with the files that examples name; none is skipped."""

from __future__ import annotations

import doctest
import importlib
import inspect
from pathlib import Path

import pytest

import vzlab
from tests.check import ROOT
from tests.parsers.one_of_each import WRITERS

MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "vzlab").rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


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
