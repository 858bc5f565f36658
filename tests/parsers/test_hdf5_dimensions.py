"""Names of dimensions, as netCDF4 and h5netcdf give them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr

import vzlab as vz
from tests.parsers.reading import parse
from vzlab.manifests import ManifestGroup


def found_dimensions(group: ManifestGroup) -> dict[str, tuple[str | None, ...] | None]:
    return {path: array.metadata.dimension_names for path, array in group.walk_arrays()}


def netcdf4_dimensions(path: Path) -> dict[str, tuple[str, ...]]:
    def walk(group: Any, prefix: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        for name, variable in group.variables.items():
            yield prefix + name, variable.dimensions
        for name, inner in group.groups.items():
            yield from walk(inner, f"{prefix}{name}/")

    with netCDF4.Dataset(path) as file:
        return dict(walk(file, ""))


def h5netcdf_dimensions(path: Path) -> dict[str, tuple[str, ...]]:
    def walk(group: Any, prefix: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        for name, variable in group.variables.items():
            yield prefix + name, variable.dimensions
        for name, inner in group.groups.items():
            yield from walk(inner, f"{prefix}{name}/")

    with h5netcdf.File(path, phony_dims="sort") as file:
        return dict(walk(file, ""))


@pytest.fixture
def netcdf4_of_every_kind(tmp_path: Path) -> Path:
    """Shared, nested and unused dimensions, a coordinate over two dimensions, and a name that is both."""
    path = tmp_path / "kinds.nc"
    with netCDF4.Dataset(path, "w") as file:
        for name, size in (("time", None), ("lat", 3), ("lon", 4), ("unused", 7), ("n", 3)):
            file.createDimension(name, size)
        file.createVariable("time", "f8", ("time",))
        # A coordinate variable over more than its own dimension.
        file.createVariable("lat", "f4", ("lat", "lon"))
        file.createVariable("data", "i2", ("time", "lat", "lon"))
        file.createVariable("square", "i2", ("lat", "n"))
        file.createVariable("scalar", "i4", ())
        # Called like a dimension, and not its coordinate.
        file.createVariable("lon", "f4", ("n",))
        inner = file.createGroup("inner")
        inner.createDimension("lat", 5)
        inner.createVariable("over_both", "f4", ("lat", "time"))
        inner.createGroup("deep").createVariable("from_above", "f4", ("lat", "lon"))
    return path


def test_dimensions_of_netcdf4_files(netcdf4_of_every_kind: Path) -> None:
    assert found_dimensions(parse(netcdf4_of_every_kind)) == netcdf4_dimensions(netcdf4_of_every_kind)


def test_dimensions_from_references_where_netcdf4_left_no_numbers(netcdf4_of_every_kind: Path) -> None:
    with h5py.File(netcdf4_of_every_kind, "r+") as file:

        def forget(_: str, item: Any) -> None:
            item.attrs.pop("_Netcdf4Dimid", None)
            if item.attrs.get("CLASS") is None:
                item.attrs.pop("_Netcdf4Coordinates", None)

        file.visititems(forget)
    found = found_dimensions(parse(netcdf4_of_every_kind))
    assert found["data"] == ("time", "lat", "lon")
    assert found["inner/over_both"] == ("lat", "time")
    assert found["inner/deep/from_above"] == ("lat", "lon")


def test_dimensions_of_a_group_come_from_the_groups_above(netcdf4_of_every_kind: Path) -> None:
    group = parse(netcdf4_of_every_kind, group="inner/deep")
    assert found_dimensions(group) == {"from_above": ("lat", "lon")}


def test_the_last_of_several_scales_names_the_dimension(tmp_path: Path) -> None:
    path = tmp_path / "scales.h5"
    with h5py.File(path, "w") as file:
        file["data"] = np.zeros((3, 4))
        for name, size in (("height", 3), ("pressure", 3), ("lon", 4)):
            file[name] = np.arange(size)
            file[name].make_scale(name)
        file["data"].dims[0].attach_scale(file["height"])
        file["data"].dims[0].attach_scale(file["pressure"])
        file["data"].dims[1].attach_scale(file["lon"])
    found = found_dimensions(parse(path))
    assert found == {
        "data": ("pressure", "lon"),
        "height": ("height",),
        "pressure": ("pressure",),
        "lon": ("lon",),
    }
    assert found == h5netcdf_dimensions(path)


@pytest.mark.parametrize(
    "shapes",
    [
        pytest.param({"a": (3, 4), "b": (4,)}, id="shared-by-length"),
        pytest.param({"a": (3, 3), "b": (3,)}, id="twice-in-one-variable"),
        pytest.param({"b": (5,), "a": (2, 5, 2), "scalar": ()}, id="order-of-names"),
        pytest.param({"g/a": (3,), "h": (3, 6), "g/k/b": (6, 3)}, id="each-group-its-own"),
    ],
)
def test_phony_dimensions_are_numbered_as_h5netcdf_does(
    tmp_path: Path, shapes: dict[str, tuple[int, ...]]
) -> None:
    path = tmp_path / "phony.h5"
    with h5py.File(path, "w") as file:
        for name, shape in shapes.items():
            file[name] = np.zeros(shape)
    assert found_dimensions(parse(path)) == h5netcdf_dimensions(path)


def test_phony_dimensions_are_numbered_behind_those_that_have_names(tmp_path: Path) -> None:
    path = tmp_path / "some.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("x", 3)
        file.createVariable("x", "f4", ("x",))
    with h5py.File(path, "r+") as file:
        file["later"] = np.zeros((3, 8))
    found = found_dimensions(parse(path))
    assert found["later"] == netcdf4_dimensions(path)["later"] == ("x", "phony_dim_1")


def test_an_axis_without_a_scale_beside_one_that_has(tmp_path: Path) -> None:
    path = tmp_path / "half.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(3)
        file["x"].make_scale("x")
        file["data"] = np.zeros((3, 4))
        file["data"].dims[0].attach_scale(file["x"])
    assert found_dimensions(parse(path))["data"] == ("x", "phony_dim_1")


def test_a_pure_dimension_is_no_variable(netcdf4_of_every_kind: Path) -> None:
    group = parse(netcdf4_of_every_kind)
    assert "unused" not in group.arrays
    assert "unused" not in group.unreadable


def test_variables_that_end_early_along_an_unlimited_dimension_are_filled_as_netcdf4_fills_them(
    tmp_path: Path,
) -> None:
    path = tmp_path / "late.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("time", None)
        file.createDimension("member", None)
        file.createDimension("x", 4)
        file.createVariable("time", "i4", ("time",), chunksizes=(4,))[:] = np.arange(10)
        file.createVariable("early", "f4", ("time", "x"), chunksizes=(2, 3), zlib=True)[:3] = 1.5
        file.createVariable("never", "i2", ("x", "time"), chunksizes=(4, 3), fill_value=-7)
        file.createVariable("both", "i8", ("time", "member"), chunksizes=(4, 2))[:5, :7] = np.full((5, 7), 3)
        file.createVariable("more", "i8", ("member",), chunksizes=(4,))[:7] = np.arange(7)
        file.createVariable("group/g", "f8", ("time",))
        file.createVariable("group/h", "i4", ("time",))[:2] = 4
    native = xr.open_dataset(path, engine="netcdf4", mask_and_scale=False)
    read = xr.open_dataset(path, engine="vzlab", mask_and_scale=False)
    for name in ("early", "never", "more"):
        np.testing.assert_array_equal(read[name].values, native[name].values)
    # The netCDF library gives what is in memory where both dimensions go on.
    both = np.full((10, 7), netCDF4.default_fillvals["i8"])
    both[:5] = 3
    np.testing.assert_array_equal(read["both"].values, both)
    virtual = vz.open_virtual_dataset(path)
    assert dict(virtual.sizes) == dict(native.sizes)
    native.close()
    with xr.open_datatree(path, engine="netcdf4", mask_and_scale=False) as tree:
        for name in ("g", "h"):
            below = tree["group"][name]
            assert vz.open_virtual_datatree(path)["group"][name].shape == below.shape == (10,)
            with xr.open_datatree(path, engine="vzlab", mask_and_scale=False) as found:
                np.testing.assert_array_equal(found["group"][name].values, below.values)
    # What the file itself keeps is told as it is.
    assert vz.open_group(path)["early"].shape == (3, 4)
