"""Files opened as datasets, trees and stores: what is loaded, what stays virtual, what is left out."""

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
import zarr

import vzlab as vz
from tests.archives import DailyFile, write_daily_file, write_daily_files
from vzlab.datasets import is_virtual, manifest_array
from vzlab.errors import (
    IncompatibleArraysError,
    LostMeaningError,
    UnreadableVariableWarning,
    VariablesInGroupsWarning,
)
from vzlab.manifests import ManifestArray
from vzlab.storage import Request, RequestLog, StoreRegistry


@pytest.fixture
def daily_file(tmp_path: Path) -> Path:
    return write_daily_file(tmp_path / "day.nc")


@pytest.fixture
def file_with_groups(tmp_path: Path) -> Path:
    path = tmp_path / "groups.nc"
    with xr.Dataset({"a": ("x", np.arange(4))}, coords={"x": np.arange(4.0)}) as root:
        root.to_netcdf(path, engine="h5netcdf")
    deep = xr.Dataset({"b": (("x", "y"), np.ones((4, 2))), "secret": ("y", [1, 2])})
    deep.to_netcdf(path, engine="h5netcdf", mode="a", group="model/ocean")
    return path


@pytest.fixture
def file_with_a_bad_variable(tmp_path: Path) -> Path:
    """One of its variables is a sequence of variable length, which no reference can express."""
    path = tmp_path / "bad.nc"
    with h5py.File(path, "w") as file:
        file["good"] = np.arange(6)
        ragged = file.create_dataset("ragged", (2,), dtype=h5py.vlen_dtype("i4"))
        ragged[0], ragged[1] = [1, 2, 3], [4]
    return path


def test_index_coordinates_are_loaded_and_decoded_and_the_rest_is_virtual(daily_file: Path) -> None:
    ds = vz.open_virtual_dataset(daily_file)
    assert {str(name) for name, variable in ds.variables.items() if is_virtual(variable)} == {"sst"}
    assert ds.time.dtype.kind == "M"
    assert set(ds.indexes) == {"time", "lat", "lon"}
    with xr.open_dataset(daily_file, engine="h5netcdf") as native:
        xr.testing.assert_identical(ds.coords.to_dataset(), native.coords.to_dataset().load())


def test_an_empty_list_of_loadable_variables_reads_no_data(daily_file: Path) -> None:
    log = RequestLog()
    ds = vz.open_virtual_dataset(daily_file, loadable_variables=[], registry=StoreRegistry(log=log))
    assert all(is_virtual(variable) for variable in ds.variables.values())
    assert not ds.indexes
    assert not any(_is_data(request, daily_file) for request in log.requests)


@pytest.mark.parametrize("names", [["sst"], ("sst",), {"sst"}, (name for name in ["sst"]), "sst"])
def test_any_iterable_names_what_to_load(daily_file: Path, names: object) -> None:
    ds = vz.open_virtual_dataset(daily_file, loadable_variables=names)  # type: ignore[arg-type]
    assert not is_virtual(ds.sst)
    np.testing.assert_array_equal(ds.sst, DailyFile().decoded_values())


def test_a_name_that_is_not_there_is_said(daily_file: Path) -> None:
    with pytest.raises(KeyError, match=r"'sea'.*lat, lon, sst, time"):
        vz.open_virtual_dataset(daily_file, loadable_variables=["sea"])


def test_loaded_times_stay_encoded_when_asked(daily_file: Path) -> None:
    ds = vz.open_virtual_dataset(daily_file, decode_times=False)
    np.testing.assert_array_equal(ds.time, DailyFile().time_values())
    assert ds.time.attrs["units"] == DailyFile().time_units


def test_a_virtual_time_stays_encoded(daily_file: Path) -> None:
    ds = vz.open_virtual_dataset(daily_file, loadable_variables=["lat"], decode_times=True)
    assert is_virtual(ds.time)
    assert ds.time.attrs["units"] == DailyFile().time_units


def test_virtual_variables_keep_their_stored_attributes(daily_file: Path) -> None:
    attributes = vz.open_virtual_dataset(daily_file).sst.attrs
    assert attributes["scale_factor"] == 0.01
    assert attributes["_FillValue"] == -32767


def test_variables_are_dropped_at_every_depth(file_with_groups: Path) -> None:
    tree = vz.open_virtual_datatree(file_with_groups, drop_variables=["secret"])
    assert set(tree["model/ocean"].dataset.data_vars) == {"b"}
    assert set(
        vz.open_virtual_dataset(file_with_groups, group="model/ocean", drop_variables="b").variables
    ) == {"secret"}


def test_groups_open_as_a_tree(file_with_groups: Path) -> None:
    tree = vz.open_virtual_datatree(file_with_groups)
    assert [node.path for node in tree.subtree] == ["/", "/model", "/model/ocean"]
    assert isinstance(tree["model/ocean/b"].variable._data, ManifestArray)
    assert tree.vzlab.n_refs == 3


def test_a_group_that_is_not_there_is_said(file_with_groups: Path) -> None:
    with pytest.raises(KeyError, match="atmosphere"):
        vz.open_virtual_dataset(file_with_groups, group="model/atmosphere")


def test_any_file_is_a_zarr_store(daily_file: Path) -> None:
    group = zarr.open_group(vz.open_manifest_store(daily_file), mode="r")
    with h5py.File(daily_file) as file:
        np.testing.assert_array_equal(group["sst"][...], file["sst"][...])


def test_xarray_reads_the_store_as_it_reads_the_file(daily_file: Path) -> None:
    with xr.open_dataset(daily_file, engine="h5netcdf") as native:
        xr.testing.assert_identical(xr.open_zarr(vz.open_manifest_store(daily_file)).load(), native.load())


def test_one_bad_variable_is_reported_and_the_others_open(file_with_a_bad_variable: Path) -> None:
    with pytest.warns(UnreadableVariableWarning, match="ragged"):
        ds = vz.open_virtual_dataset(file_with_a_bad_variable)
    assert set(ds.variables) == {"good"}


def test_a_bad_variable_is_dropped_without_a_word(file_with_a_bad_variable: Path) -> None:
    assert set(vz.open_virtual_dataset(file_with_a_bad_variable, drop_variables=["ragged"]).variables) == {
        "good"
    }


def test_a_bad_variable_is_loaded_when_asked(file_with_a_bad_variable: Path) -> None:
    ds = vz.open_virtual_dataset(file_with_a_bad_variable, loadable_variables=["ragged"])
    assert [list(sequence) for sequence in ds.ragged.values] == [[1, 2, 3], [4]]


def test_urls_are_renamed_throughout(daily_file: Path) -> None:
    ds = vz.open_virtual_dataset(daily_file).vzlab.rename_urls(lambda _: "s3://bucket/day.nc")
    assert ds.sst.variable._data.manifest.urls == ("s3://bucket/day.nc",)


def test_a_virtual_dataset_pickles_small(daily_file: Path) -> None:
    ds = vz.open_virtual_dataset(daily_file)
    again = pickle.loads(pickle.dumps(ds))
    assert again.sst.variable._data.manifest == ds.sst.variable._data.manifest
    assert ds.vzlab.nbytes < 10_000


def test_coordinates_that_a_variable_names_are_coordinates(tmp_path: Path) -> None:
    path = tmp_path / "swath.nc"
    ds = xr.Dataset(
        {"radiance": (("row", "column"), np.ones((3, 4)))},
        coords={
            "latitude": (("row", "column"), np.zeros((3, 4))),
            "longitude": (("row", "column"), np.ones((3, 4))),
        },
    )
    ds.to_netcdf(path, engine="h5netcdf")
    virtual = vz.open_virtual_dataset(path)
    assert set(virtual.coords) == {"latitude", "longitude"}
    assert "coordinates" not in virtual.radiance.attrs
    assert virtual.radiance.encoding["coordinates"] == "latitude longitude"


def test_requests_for_loaded_variables_are_theirs_alone(daily_file: Path) -> None:
    log = RequestLog()
    vz.open_virtual_dataset(daily_file, registry=StoreRegistry(log=log), loadable_variables=["lat"])
    with h5py.File(daily_file) as file:
        offset, size = file["lat"].id.get_offset(), file["lat"].id.get_storage_size()
    assert [(r.offset, r.length) for r in log.requests if _is_data(r, daily_file)] == [(offset, size)]


def _is_data(request: Request, path: Path) -> bool:
    """Whether a request begins where a chunk does."""
    group = vz.open_group(path)
    return any(request.offset in array.manifest.offsets for _, array in group.walk_arrays())


def test_what_xarray_drops_on_the_way_is_noticed_before_it_is_written(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path, n_days=2)
    combined = xr.concat(
        [vz.open_virtual_dataset(file) for file in files], "time", data_vars="minimal", combine_attrs="drop"
    )
    with pytest.raises(LostMeaningError, match="scale_factor"):
        combined.vzlab.to_kerchunk(format="dict")


def test_an_attribute_is_left_out_on_purpose_by_setting_it_to_none(daily_file: Path) -> None:
    ds = vz.open_virtual_dataset(daily_file)
    ds.sst.attrs["scale_factor"] = None
    assert "scale_factor" not in manifest_array(ds.sst).metadata.attributes


def test_xarrays_own_concat_does_not_join_what_differs_in_meaning(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path, n_days=2, odd_days={1: {"scale_factor": 0.1}})
    with pytest.raises(IncompatibleArraysError, match=r"packing.*0\.1"):
        xr.concat([vz.open_virtual_dataset(file) for file in files], "time", data_vars="minimal")


def test_renaming_that_names_no_file_is_refused(tmp_path: Path) -> None:
    ds = vz.open_virtual_dataset(write_daily_file(tmp_path / "sst.nc"))
    with pytest.raises(
        ValueError, match=r"url of no file here; expected whole urls, such as 'file:///.*sst\.nc'"
    ):
        ds.vzlab.rename_urls({tmp_path.as_uri(): "s3://bucket"})
    moved = ds.vzlab.rename_urls({(tmp_path / "sst.nc").as_uri(): "s3://bucket/sst.nc"})
    assert moved.sst.variable._data.manifest.urls == ("s3://bucket/sst.nc",)
    assert ds.vzlab.rename_urls({}).sst.variable._data.manifest == ds.sst.variable._data.manifest


def test_a_root_without_variables_says_which_groups_have_them(tmp_path: Path) -> None:
    path = tmp_path / "groups.h5"
    with h5py.File(path, "w") as file:
        file.create_group("empty")
        file["levels/low/t"] = np.arange(3)
        file["surface/t"] = np.arange(3)
    told = r"'levels/low', 'surface'. Open one with group='levels/low'"
    with pytest.warns(VariablesInGroupsWarning, match=told):
        assert not vz.open_virtual_dataset(path)
    with pytest.warns(VariablesInGroupsWarning, match=told):
        assert not xr.open_dataset(path, engine="vzlab")
    with pytest.warns(VariablesInGroupsWarning, match=r"Group 'levels' .* group='levels/low'"):
        vz.open_virtual_dataset(path, group="levels")
    assert "t" in vz.open_virtual_dataset(path, group="levels/low")
    assert "t" in xr.open_datatree(path, engine="vzlab")["surface"].dataset


@pytest.mark.parametrize(
    "units", ["months since 2000-01-01", "years since 2000-01-01", "days since yesterday"]
)
def test_times_that_nobody_can_decode_stay_numbers(tmp_path: Path, units: str) -> None:
    path = tmp_path / "odd.h5"
    with h5py.File(path, "w") as file:
        file["time"] = np.array([0.5, 1.5])
        file["time"].make_scale("time")
        file["time"].attrs["units"] = units
    with pytest.warns(UnreadableVariableWarning, match=f"'time' cannot be decoded as times.*{units}"):
        opened = vz.open_virtual_dataset(path)
    assert opened.time.values.tolist() == [0.5, 1.5]
    assert opened.time.attrs["units"] == units
    opened.vzlab.to_icechunk(tmp_path / "cube")
    with pytest.raises(ValueError, match="unable to decode time"):
        vz.open_virtual_dataset(path, decode_times=True)
