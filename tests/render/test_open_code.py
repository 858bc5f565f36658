"""The Python that a view shows opens exactly what was inspected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import icechunk
import numpy as np
import pytest
import xarray as xr
import zarr

import vzlab as vz
from tests.archives import write_daily_file, write_daily_files
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


def test_a_file_with_its_group_parser_and_options(tmp_path: Path, http_server: Any) -> None:
    with h5py.File(tmp_path / "groups.nc", "w") as file:
        file["model/sst"] = np.arange(5.0)
        file["model/other"] = np.arange(5.0)
    view = vz.inspect(
        tmp_path / "groups.nc", group="model", parser=vz.parsers.HDF5Parser(drop_variables=["other"])
    )
    assert list(run_shown(view)["ds"].variables) == ["sst"]
    url = http_server(tmp_path).url("groups.nc")
    view = vz.inspect(url, group="model", storage_options={"allow_http": True})
    assert sorted(run_shown(view)["ds"].variables) == ["other", "sst"]
    secret = vz.inspect(
        url, storage_options={"allow_http": True, "default_headers": {"Authorization": "x1y2"}}
    )
    assert "x1y2" not in secret._repr_html_()


def test_several_files(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path, n_days=2)
    combined = vz.open_virtual_mfdataset(files)
    for view in (vz.inspect(files), vz.inspect(str(tmp_path / "*.nc"))):
        xr.testing.assert_identical(run_shown(view, files=files)["ds"], combined)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zarr_objects(tmp_path: Path, zarr_format: int) -> None:
    root = zarr.create_group(tmp_path / "x.zarr", zarr_format=zarr_format)
    values = np.arange(12).reshape(3, 4)
    root.create_array('it\'s/a "name"', data=values, chunks=(2, 2))
    group = zarr.open_group(tmp_path / "x.zarr", mode="r")
    inner = group["it's"]
    assert run_shown(vz.inspect(group), store=group.store)["last"] == group
    assert run_shown(vz.inspect(group.store), store=group.store)["last"] == group
    assert run_shown(vz.inspect(inner), store=group.store)["last"] == inner
    opened = run_shown(vz.inspect(inner['a "name"']), store=group.store)["last"]
    np.testing.assert_array_equal(opened[...], values)
    parsed = run_shown(vz.inspect(tmp_path / "x.zarr", group="it's"))["ds"]
    assert list(parsed.variables) == ['a "name"']


def test_icechunk_objects_open_at_the_version_that_was_inspected(tmp_path: Path) -> None:
    storage = icechunk.local_filesystem_storage(str(tmp_path / "repository"))
    repository = icechunk.Repository.create(storage)

    def commit(value: int) -> None:
        session = repository.writable_session("main")
        zarr.create_array(session.store, name="a", data=np.full(4, value), overwrite=True)
        session.commit(f"of {value}")

    commit(1)
    repository.create_tag("v1", repository.lookup_branch("main"))
    session = repository.readonly_session("main")
    views = [
        (vz.inspect(repository), {"repository": repository}),
        (vz.inspect(repository, parser=vz.parsers.IcechunkParser(tag="v1")), {"repository": repository}),
        (vz.inspect(storage), {"storage": storage}),
        (vz.inspect(session), {"session": session}),
        (vz.inspect(session.store), {"store": session.store}),
        (vz.inspect(tmp_path / "repository", parser=vz.parsers.IcechunkParser(tag="v1")), {}),
    ]
    commit(2)
    for view, names in views:
        assert run_shown(view, **names)["last"]["a"][...].tolist() == [1, 1, 1, 1]
    latest = run_shown(vz.inspect(tmp_path / "repository"))["last"]
    assert latest["a"][...].tolist() == [2, 2, 2, 2]
