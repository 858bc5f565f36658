"""The project keeps its own promises: dependencies, public names, layers, texts and the README's code."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import vzlab
from tests import check

ROOT = check.ROOT
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MODULES = sorted((ROOT / "vzlab").rglob("*.py"))

CONDA_NAMES: dict[str, tuple[str, ...]] = {
    "axe-playwright-python": (),
    "dask": ("dask-core", "distributed"),
    "eccodes": ("python-eccodes",),
    "eccodeslib": ("eccodes",),
    "playwright": ("playwright-python",),
}
"""Of the distributions that conda-forge names otherwise than the package index does, or does not have."""
CONDA_ONLY = {"pip", "flask", "flask-cors"}
"""For installing vzlab itself, and what the extra `moto[server]` brings."""

HEAVY = {
    *("anywidget", "bokeh", "dask", "distributed", "fsspec", "h5py", "holoviews", "hvplot", "icechunk"),
    *("imagecodecs", "ipywidgets", "kerchunk", "matplotlib", "netCDF4", "panel", "virtualizarr"),
    *("pandas", "xarray", "zarr"),
}
"""Libraries that `import vzlab` leaves alone until they are needed."""

UNWANTED = {
    "a registry or a content network": r"(?i)\bpypi\.|python[h]osted|npmjs\.|crates\.io|anaconda\.org|"
    r"proxy\.golang|deb\.debian|unpkg\.com|js[d]elivr|esm\.sh",
    "a path of one machine": r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+)/|/tm[p]/vz\b",
    "how the text came about": r"\bAI\b|\bLLMs?\b|\bsub-?agents?\b|\bCEO\b|(?i:\bissue #?\d)",
}
"""What no committed text says, as regular expressions (which do not match themselves)."""


def requirements(entries: list[Any]) -> Iterator[Requirement]:
    """Give the requirements of a dependency list, with the groups and extras that it includes."""
    for entry in entries:
        if isinstance(entry, dict):
            yield from requirements(PYPROJECT["dependency-groups"][entry["include-group"]])
            continue
        requirement = Requirement(entry)
        if requirement.name == PYPROJECT["project"]["name"]:
            for extra in requirement.extras:
                yield from requirements(PYPROJECT["project"]["optional-dependencies"][extra])
        else:
            yield requirement


def conda_dependencies() -> dict[str, SpecifierSet]:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    found = {}
    for entry in environment["dependencies"]:
        name, specifiers = re.fullmatch(r"([\w.-]+)(.*)", entry).groups()  # type: ignore[union-attr]
        found[name] = SpecifierSet(specifiers)
    return found


def test_environment_yml_asks_for_what_pyproject_asks_for() -> None:
    project = PYPROJECT["project"]
    wanted = {"python": SpecifierSet(project["requires-python"])}
    everything = [
        *project["dependencies"],
        *project["optional-dependencies"]["all"],
        {"include-group": "dev"},
    ]
    for requirement in requirements(everything):
        name = canonicalize_name(requirement.name)
        for conda_name in CONDA_NAMES.get(name, (name,)):
            wanted[conda_name] = wanted.get(conda_name, SpecifierSet()) & requirement.specifier
    assert {k: v for k, v in conda_dependencies().items() if k not in CONDA_ONLY} == wanted


def test_binder_makes_the_same_environment_and_copies_the_course() -> None:
    # Where there is a folder `binder`, Binder looks for the environment nowhere else.
    assert (ROOT / "binder" / "environment.yml").resolve() == ROOT / "environment.yml"
    script = ROOT / "binder" / "postBuild"
    assert os.access(script, os.X_OK)
    assert "vzlab lab course --no-start" in script.read_text(encoding="utf-8")
    subprocess.run(["bash", "-n", str(script)], check=True, timeout=20)


def test_every_extra_is_in_all() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"]
    (all_of_them,) = (Requirement(entry) for entry in extras["all"])
    assert all_of_them.extras == extras.keys() - {"all"}


def test_python_version_is_one_that_is_supported() -> None:
    version = (ROOT / ".python-version").read_text().strip()
    assert SpecifierSet(PYPROJECT["project"]["requires-python"]).contains(version)
    assert f"Programming Language :: Python :: {version}" in PYPROJECT["project"]["classifiers"]


def entry_points() -> list[Any]:
    project = PYPROJECT["project"]
    groups = {"scripts": project["scripts"], **project.get("entry-points", {})}
    return [
        pytest.param(target, id=f"{group}-{name}")
        for group, points in groups.items()
        for name, target in points.items()
    ]


@pytest.mark.parametrize("target", entry_points())
def test_entry_point_leads_somewhere(target: str) -> None:
    module, _, attribute = target.partition(":")
    loaded = importlib.import_module(module)
    assert not attribute or callable(getattr(loaded, attribute))


def test_public_names_are_sorted_and_exact() -> None:
    assert vzlab.__all__ == sorted(set(vzlab.__all__))
    assert [name for name in vzlab.__all__ if getattr(vzlab, name, None) is None] == []
    shown = {name: value for name, value in vars(vzlab).items() if not name.startswith("_")}
    ours = {
        name for name, value in shown.items() if str(getattr(value, "__module__", "")).startswith("vzlab")
    }
    assert ours - set(vzlab.__all__) == set(), "public names that __all__ does not list"


def test_wrong_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        vzlab.no_such_name  # noqa: B018


def test_version_is_the_project_version() -> None:
    assert vzlab.__version__ == PYPROJECT["project"]["version"]


def test_import_is_light() -> None:
    program = "import sys, vzlab; print(*{name.partition('.')[0] for name in sys.modules})"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert set(result.stdout.split()) & HEAVY == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_says_its_job_and_is_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    first_line = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
    assert first_line.endswith((".", ":")), "the first line of a module says its job"
    assert text.count("\n") <= 500, "split by idea: one module, one idea"


def test_left_out_markers_are_registered() -> None:
    registered = {line.partition(":")[0] for line in PYPROJECT["tool"]["pytest"]["ini_options"]["markers"]}
    assert set(check.LEFT_OUT) < registered


def test_contributing_names_every_layer_and_every_dependency() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    contract = PYPROJECT["tool"]["importlinter"]["contracts"][0]
    layers = re.findall(r"\w+", " ".join(contract["layers"]))
    project = PYPROJECT["project"]
    everything = [*project["dependencies"], *project["optional-dependencies"]["all"]]
    dependencies = {requirement.name for requirement in requirements(everything)}
    assert [name for name in [*layers, *sorted(dependencies)] if f"`{name}`" not in text] == []


def test_the_modules_that_contributing_names_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w/]+\.py)`", text)
    assert len(named) > 15
    assert [
        name for name in named if not any((base / name).exists() for base in (ROOT, ROOT / "vzlab"))
    ] == []


def committed_texts() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, timeout=60)
    paths = [ROOT / name for name in listing.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:8000]]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git work tree")
def test_no_text_says_what_it_should_not() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: names {what}: {line.strip()[:120]}"
        for path in committed_texts()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        for what, pattern in UNWANTED.items()
        if re.search(pattern, line)
    ]
    assert found == []


def test_readme_python_runs(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", readme, flags=re.MULTILINE | re.DOTALL)
    assert blocks, "the README shows no Python"
    program = "\n".join(f"print('block {number}')\n{block}" for number, block in enumerate(blocks, start=1))
    (tmp_path / "readme.py").write_text(program, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "readme.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=100
    )
    assert result.returncode == 0, f"after {result.stdout[-500:]}\n{result.stderr[-3000:]}"


def test_ci_runs_the_command_that_the_readme_gives() -> None:
    command = "python3 -m uv run --all-extras python tests/check.py"
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"{command} --all" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
