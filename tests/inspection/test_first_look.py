"""The first look at a file is quick: it imports what reads the file's format, and nothing else that is large."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.archives import write_daily_file

UNUSED = {
    *("anywidget", "astropy", "bokeh", "dask", "fsspec", "holoviews", "hvplot", "icechunk", "imagecodecs"),
    *(
        "ipywidgets",
        "kerchunk",
        "matplotlib",
        "netCDF4",
        "obstore",
        "pandas",
        "panel",
        "tifffile",
        "upath",
        "xarray",
        "yaml",
        "zarr",
    ),
    *("vzlab.datasets", "vzlab.stac", "vzlab.testing", "vzlab.widgets", "vzlab.writers"),
}
"""Zarr, and xarray with pandas, take longer to import than all else that a look at a local HDF5 file needs."""

LOOK = """
import sys
import vzlab as vz
found = vz.inspect(sys.argv[1])
assert found.n_chunks
str(found), found._repr_html_(), found.to_dict()
print(*sys.modules)
"""


def modules_after_a_look(path: Path) -> set[str]:
    run = subprocess.run(
        [sys.executable, "-c", LOOK, str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    return set(run.stdout.split())


def write_all_types(path: Path) -> Path:
    """Every plain type and index of chunks that a usual file has, with fill values, a filter, and inline values."""
    with h5py.File(path, "w") as file:
        for name in ("i1", "u2", ">i4", "u8", "f2", "f4", ">f8", "?"):
            x = file.create_dataset(
                f"x_{name[-2:]}", (8, 8), name, chunks=(4, 4), fillvalue=1, compression="gzip"
            )
            x[:4] = 1
        file.create_dataset("missing", (4,), "f4", chunks=(2,), fillvalue=np.nan)
        file["scalar"] = 1.5
    return path


@pytest.mark.parametrize("write", [write_daily_file, write_all_types])
def test_the_first_look_at_a_local_file_imports_neither_zarr_nor_xarray(
    write: Callable[[Path], Path], tmp_path: Path
) -> None:
    loaded = modules_after_a_look(write(tmp_path / "x.nc"))
    assert {"h5py", "vzlab.parsers.hdf5.parser"} <= loaded
    assert sorted(loaded & UNUSED) == []
    # Checksums of the newer chunk indices are numcodecs' to work out.
    assert ("numcodecs" in loaded) == (write is write_daily_file)
