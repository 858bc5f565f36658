"""Installed without extras: what needs one says which, and the rest works."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from scipy.io import netcdf_file

from tests.test_project import PYPROJECT, ROOT, requirements

ABSENT = (
    *("anywidget", "astropy", "dask", "distributed", "eccodes", "h5netcdf", "h5py", "hdf5plugin"),
    *("hypothesis", "icechunk", "imagecodecs", "ipywidgets", "kerchunk", "netCDF4", "panel", "pyarrow"),
    *("pyhdf", "pystac", "pytest", "tifffile", "traitlets"),
)
NEEDS = {
    "vz.explore(plain)": "viz",
    "vz.build(plain)": "viz",
    "vz.app(plain)": "app",
    "vz.inspect('a.nc4')": "hdf5",
    "vz.inspect('a.tif')": "tiff",
    "vz.inspect('a.grib2')": "grib",
    "vz.inspect('a.fits')": "fits",
    "vz.samples.make_daily_archive('archive')": "hdf5",
    "vz.open_virtual_dataset(plain).vzlab.to_icechunk('repository')": "icechunk",
    "vz.open_virtual_dataset(plain).vzlab.to_kerchunk('references.json')": "kerchunk",
    "vz.open_icechunk('repository')": "icechunk",
    "vz.refresh('repository', files=[plain])": "icechunk",
    "vz.relocate('repository', {'a': 'b'})": "icechunk",
    "vz.open_manifest_store(plain).to_arrow()": "kerchunk",
    "vz.to_stac_item(vz.open_virtual_dataset(plain), plain, id='a')": "stac",
    "vz.open_virtual_mfdataset([plain], parallel='dask')": "dask",
    "vz.testing.ParserTests": "testing,hdf5",
    "vz.testing.strategies": "testing,hdf5",
    "demo([], Path('demo'), progress=print, out=print)": "hdf5,icechunk,kerchunk",
}
"""Calls, and the extra that their errors name."""
WORKS = (
    "vz.inspect(plain)",
    "vz.inspect(plain)._repr_html_()",
    "vz.trace(plain, 'x', 0)",
    "vz.cost(plain, 'x')",
    "vz.check_combine([plain, plain])",
    "vz.fingerprint(plain)",
    "vz.compare(plain, plain)",
    "vz.doctor()",
    "vz.formats()",
)
PROGRAM = """
import json, sys
from pathlib import Path
for name in {absent}:
    sys.modules[name] = None
import vzlab as vz
from vzlab.demo import run as demo
plain, said = "plain.nc", {{}}
for call in {calls}:
    try:
        eval(call)
    except vz.errors.MissingDependencyError as error:
        said[call] = str(error)
    except Exception as error:
        said[call] = f"{{type(error).__name__}}: {{error}}"
Path("said.json").write_text(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each call says that fails where no extra is installed."""
    folder = tmp_path_factory.mktemp("bare")
    with netcdf_file(folder / "plain.nc", "w") as file:
        file.createDimension("x", 4)
        file.createVariable("x", "i4", ("x",))[:] = np.arange(4)
    with h5py.File(folder / "a.nc4", "w") as hdf5:
        hdf5["x"] = np.arange(4)
    (folder / "a.tif").write_bytes(b"II*\0" + bytes(60))
    (folder / "a.grib2").write_bytes(b"GRIB\0\0\0\2" + bytes(60))
    (folder / "a.fits").write_bytes(b"SIMPLE  =                    T".ljust(2880))
    for place in ("snapshots/A", "refs/branch.main/ref.json"):  # by which a repository is known
        (folder / "repository" / place).parent.mkdir(parents=True)
        (folder / "repository" / place).touch()
    program = PROGRAM.format(absent=ABSENT, calls=[*NEEDS, *WORKS])
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True, timeout=60)
    answer: dict[str, str] = json.loads((folder / "said.json").read_text(encoding="utf-8"))
    return answer


@pytest.mark.parametrize("call", NEEDS)
def test_what_needs_an_extra_says_how_to_install_it(said: dict[str, str], call: str) -> None:
    assert f"not installed. Install it with: pip install 'vzlab[{NEEDS[call]}]'" in said.get(call, "no error")


@pytest.mark.parametrize("call", WORKS)
def test_what_needs_none_works(said: dict[str, str], call: str) -> None:
    assert said.get(call) is None


def test_lessons_need_nothing_that_no_extra_brings() -> None:
    project = PYPROJECT["project"]
    brought = {
        canonicalize_name(requirement.name)
        for requirement in requirements([*project["dependencies"], *project["optional-dependencies"]["all"]])
    }
    brought |= {"distributed", "vzlab"}  # with dask[distributed]
    used: dict[str, Path] = {}
    for path in [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("tutorials/*.ipynb")]:
        code = "\n".join(
            "".join(cell["source"])
            for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
            if cell["cell_type"] == "code"
        )
        used |= dict.fromkeys(
            re.findall(r"engine=\"(\w+)\"|^\s*(?:import|from) (\w+)", code, re.MULTILINE), path
        )
    for path in (ROOT / "vzlab" / "learn").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        used |= dict.fromkeys(
            re.findall(r"engine=\"(\w+)\"|^\s*(?:import|from) (\w+)", text, re.MULTILINE), path
        )
    names = {engine or module: path for (engine, module), path in used.items()}
    assert "h5netcdf" in names
    own = set(sys.stdlib_module_names) | {"rad_parser"}  # written by the lesson itself
    assert {n: p.name for n, p in names.items() if n not in own and canonicalize_name(n) not in brought} == {}


def test_comparing_netcdf4_decodes_by_what_its_extra_brings() -> None:
    # xarray reads netCDF4 with h5netcdf or netCDF4: without either nothing decoded would ever be compared.
    extra = PYPROJECT["project"]["optional-dependencies"]["hdf5"]
    assert "h5netcdf" in {Requirement(line).name for line in extra}
