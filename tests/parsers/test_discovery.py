"""Which parsers there are: the table of formats, entry points, and parsers of other distributions."""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
import subprocess
import sys
import textwrap
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import vzlab as vz
from tests.check import ROOT
from vzlab.detection import FORMATS
from vzlab.parsers import home_of, parser_for
from vzlab.render.page import to_page

READ = [format_ for format_ in FORMATS if format_.parser is not None]


@pytest.mark.parametrize("format_", READ, ids=lambda format_: format_.key)
def test_options_are_the_arguments_of_the_parser(format_) -> None:
    shown = vz.formats()[format_.key].options
    fields = dataclasses.fields(parser_for(format_))
    assert {option.name for option in shown} == {field.name for field in fields}
    assert all(option.description and option.annotation for option in shown)
    for field in fields:
        option = next(option for option in shown if option.name == field.name)
        if (
            field.default is not dataclasses.MISSING
            and not option.default.isupper()
            and "_" not in option.default
        ):
            assert option.default == repr(field.default)


@pytest.mark.parametrize("format_", READ, ids=lambda format_: format_.key)
def test_a_notebook_completes_options(format_) -> None:
    made = parser_for(format_)
    parameters = inspect.signature(made).parameters
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in parameters.values())
    assert set(parameters) == {option.name for option in vz.formats()[format_.key].options}


def test_every_parser_is_an_entry_point() -> None:
    listed = {
        entry.value for entry in entry_points(group="vzlab.parsers") if entry.value.startswith("vzlab.")
    }
    homes = [home_of(format_) for format_ in READ]
    assert listed == {":".join(home) for home in homes if home}
    assert all(
        hasattr(vz.parsers, home[1]) and home[1] in vz.parsers.__all__ for home in homes if home is not None
    )


def test_extras_are_those_of_the_project() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for format_ in READ:
        wanted = " ".join(extras[format_.extra]) if format_.extra else ""
        assert all(library in wanted for library in format_.libraries)
        assert bool(format_.libraries) == bool(format_.extra)


def test_the_table_shows_itself_as_text_html_and_json() -> None:
    table = vz.formats()
    text, page = str(table), to_page(table)
    for format_ in table:
        assert f"{format_.name}: {format_.parser}" in text
        assert format_.parser in page
    assert "min_chunk_bytes" in text
    assert "Unpack it first" in text
    assert json.loads(json.dumps(table.to_dict()))["formats"][0]["key"] == "hdf5"
    assert max(map(len, table.to_text(width=60).splitlines())) <= 110
    with pytest.raises(KeyError, match="nothing_like_it"):
        table["nothing_like_it"]


def test_no_library_is_loaded_to_list_formats() -> None:
    program = "import sys, vzlab as vz; str(vz.formats()); print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert not {"h5py", "tifffile", "eccodes", "astropy", "pyhdf", "icechunk"} & set(run.stdout.split())


# -- parsers of others, installed for real in a folder on the path ------------------------------------------------

THEIRS = '''
from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray, ManifestGroup
from vzlab.parsers import Format, Parser
from vzlab.parsers.base import LoadedVariable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class ToyParser(Parser):
    """Eight bytes of magic, then 32-bit numbers."""

    format: ClassVar[Format] = Format(name="Toy", key="toy", suffixes=(".toy",), magic=(b"TOYDATA1",))
    doubled: bool = False
    """Whether every number is there twice."""

    def _parse(self, source, registry):
        return numbers(source, "twice" if self.doubled else "x")

    def load_variable(self, url, registry, path):
        raise KeyError(path)


class PlainParser:
    """No subclass of anything."""

    format = Format(name="Plain", key="plain", magic=(b"PLAINPLAIN",))

    def __call__(self, url, registry):
        group = numbers(registry.open(url), "x")
        return ManifestGroup(arrays=group.arrays, groups={"inner": group})


def numbers(source, name):
    n = (source.size_bytes - 8) // 4
    metadata = ArrayMetadata(
        shape=(n,), data_type="int32", chunks=(n,), codecs=({"name": "bytes", "configuration": {"endian": "little"}},),
        fill_value=0, attributes={}, dimension_names=("n",),
    )
    manifest = ChunkManifest.from_ranges(source.source_file(), [8], [4 * n])
    return ManifestGroup(arrays={name: ManifestArray(metadata=metadata, manifest=manifest)}, format="Toy")
'''


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A distribution as an installer leaves it: a module, and a dist-info with its entry points."""
    site = tmp_path / "site"
    information = site / "toyparser-1.0.dist-info"
    information.mkdir(parents=True)
    (site / "toyparser.py").write_text(THEIRS)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: toyparser\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[vzlab.parsers]\ntoy = toyparser:ToyParser\nplain = toyparser:PlainParser\nbroken = no_such_module:Parser\n"
    )
    (tmp_path / "a.bin").write_bytes(b"TOYDATA1" + bytes(range(16)))
    (tmp_path / "b.bin").write_bytes(b"PLAINPLA" + b"IN..")
    return site


def run(site: Path, program: str) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": str(site)},
        cwd=site.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_parsers_of_another_distribution_are_found_by_magic_and_a_broken_one_is_told(installed: Path) -> None:
    out = run(
        installed,
        """
        import warnings, xarray as xr, vzlab as vz
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            vz.formats()
        print("".join(str(w.message) for w in caught if "no_such_module" in str(w.message)))
        print(list(vz.open_virtual_dataset("a.bin")))
        print(vz.inspect("a.bin").format)
        print(xr.open_dataset("a.bin", engine="vzlab", doubled=True).twice.values.tolist())
        print(list(vz.open_virtual_dataset("b.bin", group="inner")))
        print(list(vz.open_virtual_dataset("b.bin", drop_variables=["x"])))
        toy = vz.formats()["toy"]
        print(toy.parser, [(o.name, o.default, o.description) for o in toy.own_options])
        """,
    )
    missing = ModuleNotFoundError("No module named 'no_such_module'")
    assert out.splitlines() == [
        f"The parser 'broken' cannot be used: importing no_such_module:Parser failed: {missing!r}. Repair or uninstall it.",
        "['x']",
        "Toy",
        "[50462976, 117835012, 185207048, 252579084]",
        "['x']",
        "[]",
        "toyparser:ToyParser [('doubled', 'False', 'Whether every number is there twice.')]",
    ]
