"""What is done as soon as a library is imported: ``ds.vzlab`` is there whichever is imported first."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from vzlab.on_import import on_import

_IS_THERE = "assert hasattr(xarray.Dataset(), 'vzlab') and hasattr(xarray.DataTree(), 'vzlab')"


@pytest.mark.parametrize(
    "program",
    [
        f"import vzlab, xarray; {_IS_THERE}",
        f"import xarray, vzlab; {_IS_THERE}",
        f"import vzlab, xarray.coding.times; import xarray; {_IS_THERE}",
        "import sys, vzlab; assert not {'xarray', 'pandas', 'zarr'} & set(sys.modules)",
        "import vzlab, importlib.resources as r, xarray; assert r.files('xarray').joinpath('py.typed').is_file()",
    ],
)
def test_datasets_have_the_accessor_whichever_is_imported_first(program: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=60)


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.delitem(sys.modules, "made_for_this", raising=False)
    return "made_for_this"


def test_a_library_is_left_to_its_own_loader(library: str, tmp_path: Path) -> None:
    (tmp_path / f"{library}.py").write_text("value = 1")
    seen = []
    on_import(library, lambda: seen.append(sys.modules[library].value))
    finders = len(sys.meta_path)
    # To look for it is not to import it.
    assert find_spec(library) is not None
    assert seen == []
    module = __import__(library)
    assert seen == [1]
    assert module.__spec__ is not None
    assert module.__loader__ is module.__spec__.loader
    assert type(module.__loader__).__module__.endswith("importlib_external")
    assert len(sys.meta_path) == finders - 1
    on_import(library, lambda: seen.append(2))
    assert seen == [1, 2]


def test_what_cannot_be_imported_says_so_and_may_be_tried_again(library: str, tmp_path: Path) -> None:
    seen: list[int] = []
    on_import(library, lambda: seen.append(1))
    with pytest.raises(ModuleNotFoundError, match=library):
        __import__(library)
    path = tmp_path / f"{library}.py"
    path.write_text("raise ValueError('half of it')")
    with pytest.raises(ValueError, match="half of it"):
        __import__(library)
    assert seen == []
    path.write_text("value = 'whole, and longer than before'")
    __import__(library)
    assert seen == [1]
