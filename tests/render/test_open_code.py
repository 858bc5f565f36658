"""The Python that a view shows opens exactly what was inspected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

import vzlab as vz
from tests.archives import write_daily_file
from tests.render.test_views import checked


def run_shown(view: Any, **names: Any) -> dict[str, Any]:
    """Run the code that stands in the view's HTML, as a reader would copy it."""
    inside = view._repr_html_().rpartition("<pre")[2].partition("</pre>")[0].partition(">")[2]
    code = "".join(checked(inside).text)
    assert code == view.open_code
    space = dict(names)
    exec(compile(code, "shown", "exec"), space)
    space["last"] = eval(code.splitlines()[-1].partition("= ")[2] or code.splitlines()[-1], space)
    return space


def test_a_file(tmp_path: Path) -> None:
    path = write_daily_file(tmp_path / "it's <day> & night.nc")
    made = run_shown(vz.inspect(path))["ds"]
    xr.testing.assert_identical(made, vz.open_virtual_dataset(path))


def test_a_virtual_group_and_its_store(tmp_path: Path) -> None:
    path = write_daily_file(tmp_path / "day.nc")
    group = vz.open_group(path)
    for view, names in (
        (vz.inspect(group), {"group": group}),
        (vz.inspect(vz.ManifestStore(group)), {"store": vz.ManifestStore(group)}),
    ):
        opened = run_shown(view, vz=vz, zarr=zarr, **names)["last"]
        assert set(opened.array_keys()) >= {"sst", "time", "lat", "lon"}
        with xr.open_dataset(path, engine="h5netcdf", mask_and_scale=False) as native:
            np.testing.assert_array_equal(opened["sst"][...], native["sst"].values)
