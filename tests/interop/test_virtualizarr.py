"""VirtualiZarr's objects and ours say the same, and turn into each other without a loss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

pytest.importorskip("virtualizarr")

from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from virtualizarr.parsers import HDFParser

import vzlab as vz
from tests.archives import write_daily_file
from tests.inspection.arrays import BYTES, virtual_array
from vzlab.datasets.virtualizarr import dataset_from_virtualizarr, dataset_to_virtualizarr
from vzlab.interop.virtualizarr import from_virtualizarr, is_virtualizarr, to_virtualizarr
from vzlab.manifests import ManifestArray, ManifestGroup


@pytest.fixture
def theirs(tmp_path: Path):
    """VirtualiZarr's own reading of a netCDF file."""
    path = write_daily_file(tmp_path / "sst.nc")
    return HDFParser()(url=path.as_uri(), registry=ObjectStoreRegistry({"file://": LocalStore()}))


def test_their_references_are_ours(theirs, tmp_path: Path):
    ours = vz.open_group(tmp_path / "sst.nc")
    taken = from_virtualizarr(theirs)
    assert isinstance(taken, ManifestGroup)
    assert set(taken.arrays) == set(ours.arrays)
    for name, array in ours.arrays.items():
        other = taken.arrays[name]
        assert other.shape == array.shape
        assert other.manifest.urls == array.manifest.urls
        if name == "time":  # One chunk of 512 values, of which the array has 4: they refer to those 4 alone.
            continue
        np.testing.assert_array_equal(other.manifest.offsets, array.manifest.offsets)
        np.testing.assert_array_equal(other.manifest.lengths, array.manifest.lengths)


@pytest.mark.parametrize("grid", [(), (5,), (3, 4)])
def test_there_and_back(grid):
    array = virtual_array(
        grid, n_sources=2 if grid else 1, n_missing=bool(grid), n_inline=2 if grid else 0, codecs=(BYTES,)
    )
    back = from_virtualizarr(to_virtualizarr(array))
    assert isinstance(back, ManifestArray)
    for index in np.ndindex(*grid):
        mine, again = array.manifest.reference(index), back.manifest.reference(index)
        assert type(mine) is type(again)
        assert getattr(mine, "offset", None) == getattr(again, "offset", None)
        assert getattr(mine, "length", None) == getattr(again, "length", None)
        assert getattr(mine, "data", None) == getattr(again, "data", None)
    assert back.metadata.codecs == array.metadata.codecs


def test_a_group_there_and_back_keeps_its_tree():
    group = ManifestGroup(
        arrays={"a": virtual_array((2, 2), codecs=(BYTES,), attributes={"units": "K"})},
        groups={"below": ManifestGroup(arrays={"b": virtual_array((3,), codecs=(BYTES,))})},
        attributes={"title": "x"},
    )
    back = from_virtualizarr(to_virtualizarr(group))
    assert isinstance(back, ManifestGroup)
    assert [path for path, _ in back.walk_arrays()] == ["a", "below/b"]
    assert back.attributes == {"title": "x"}
    assert back["a"].metadata.attributes["units"] == "K"


def test_their_objects_are_inspected(theirs, tmp_path: Path):
    expected = vz.inspect(tmp_path / "sst.nc")
    dataset = theirs.to_virtual_dataset(loadable_variables=[])
    for thing in (theirs, theirs._group, dataset):
        found = vz.inspect(thing)
        assert set(found.variables) == set(expected.variables)
        assert found["sst"].stored_bytes == expected["sst"].stored_bytes
        assert found["sst"].counts == expected["sst"].counts
        assert found["sst"].held == "virtual"
    assert vz.inspect(theirs._group.arrays["sst"])["array"].counts == expected["sst"].counts
    assert isinstance(dataset, xr.Dataset)


def test_something_else_is_refused():
    with pytest.raises(TypeError, match="ManifestStore, ManifestGroup or ManifestArray"):
        from_virtualizarr(3)


@pytest.mark.parametrize("parser", [HDFParser(), vz.parsers.HDF5Parser()], ids=["theirs", "ours"])
def test_parsers_of_either_open_inspect_and_read(tmp_path: Path, parser):
    path = write_daily_file(tmp_path / "sst.nc")
    with xr.open_dataset(path, engine="h5netcdf") as native:
        with xr.open_dataset(path, engine="vzlab", parser=parser) as lazy:
            xr.testing.assert_equal(lazy.sst, native.sst)
            assert lazy.sst.attrs == native.sst.attrs
        virtual = vz.open_virtual_dataset(path, parser=parser, drop_variables=["lat"])
        assert set(virtual.variables) == set(native.variables) - {"lat"}
        np.testing.assert_array_equal(virtual.time.values, native.time.values)
        assert virtual.sst.attrs["_FillValue"] == -32767
    assert vz.inspect(path, parser=parser)["sst"].counts.virtual == 16


def test_a_parser_that_gives_something_else_is_told(tmp_path: Path):
    path = write_daily_file(tmp_path / "sst.nc")
    with pytest.raises(TypeError, match="gave a int; expected a ManifestGroup, or VirtualiZarr's"):
        vz.open_virtual_dataset(path, parser=lambda *_: 3)


def test_ours_is_read_by_virtualizarr(tmp_path: Path):
    from virtualizarr.manifests import ManifestStore

    path = write_daily_file(tmp_path / "sst.nc")
    registry = ObjectStoreRegistry({"file://": LocalStore()})
    store = ManifestStore(to_virtualizarr(vz.open_group(path)), registry=registry)
    with xr.open_dataset(path, engine="h5netcdf") as native:
        read = xr.open_zarr(store, consolidated=False, zarr_format=3)
        xr.testing.assert_equal(read.sst.load(), native.sst.load())


@pytest.mark.parametrize("loadable", [[], ["time", "lat"]], ids=["all-virtual", "some-loaded"])
def test_virtual_datasets_of_theirs_are_written_and_read_as_ours(theirs, tmp_path: Path, loadable):
    virtual = theirs.to_virtual_dataset(loadable_variables=loadable)
    ours = dataset_from_virtualizarr(virtual)
    ours.vzlab.to_icechunk(tmp_path / "repo")
    with (
        xr.open_dataset(tmp_path / "sst.nc", engine="h5netcdf") as native,
        xr.open_dataset(tmp_path / "repo", engine="vzlab") as written,
    ):
        xr.testing.assert_equal(written, native)


def test_virtual_datasets_and_trees_there_and_back(tmp_path: Path):
    path = write_daily_file(tmp_path / "sst.nc")
    ours = vz.open_virtual_dataset(path, loadable_variables=["time"])
    exchanged = dataset_to_virtualizarr(ours)
    assert is_virtualizarr(exchanged.sst.variable._data)
    assert exchanged.vz.nbytes > 0
    xr.testing.assert_identical(exchanged.time, ours.time)
    back = dataset_from_virtualizarr(exchanged)
    assert_same_references(back.sst, ours.sst)
    assert {name: v.attrs for name, v in back.variables.items()} == {
        name: v.attrs for name, v in ours.variables.items()
    }
    tree = xr.DataTree.from_dict({"/": ours, "/below": ours.rename(sst="other")})
    again = dataset_from_virtualizarr(dataset_to_virtualizarr(tree))
    assert_same_references(again["below/other"], ours.sst)


def assert_same_references(found: xr.DataArray, expected: xr.DataArray) -> None:
    """All but what we saw of the file (size, tag, time), for which VirtualiZarr has no place."""
    mine, other = found.variable._data, expected.variable._data
    assert mine.metadata == other.metadata
    assert mine.manifest.urls == other.manifest.urls
    for column in ("source_index", "offsets", "lengths"):
        np.testing.assert_array_equal(getattr(mine.manifest, column), getattr(other.manifest, column))
