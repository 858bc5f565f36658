"""Where the pixels of a GeoTIFF lie and what its numbers mean, against rasterio."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

import vzlab as vz
from vzlab.parsers import TIFFParser

NORTH_UP = Affine(10, 0, 500_000, 0, -10, 4_000_000)
ROTATED = Affine(10, 3, 500_000, 2, -10, 4_000_000)
VALUES = np.arange(12 * 8, dtype="i2").reshape(1, 12, 8)


def write(
    path: Path, values: np.ndarray[Any, Any] = VALUES, transform: Affine = NORTH_UP, **options: Any
) -> None:
    """Write a GeoTIFF by GDAL."""
    profile = {
        "driver": "GTiff",
        "count": values.shape[0],
        "height": values.shape[1],
        "width": values.shape[2],
    }
    crs = options.pop("crs", "EPSG:32633")
    tags, scales = options.pop("tags", {}), options.pop("scales", None)
    with rasterio.open(
        path, "w", **profile, dtype=values.dtype, transform=transform, crs=crs, **options
    ) as file:
        file.write(values)
        file.update_tags(**tags)
        if scales is not None:
            file.scales, file.offsets = scales, (3.0,) * len(scales)
            file.units = ("K",) * len(scales)
            file.descriptions = tuple(f"band {i}" for i in range(len(scales)))


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:4326"])
def test_coordinates_are_pixel_centres(crs: str, tmp_path: Path) -> None:
    path = tmp_path / "geo.tif"
    write(path, crs=crs)
    dataset = vz.open_virtual_dataset(path)
    with rasterio.open(path) as file:
        xs, _ = file.xy(np.zeros(8, int), np.arange(8))
        _, ys = file.xy(np.arange(12), np.zeros(12, int))
    np.testing.assert_allclose(dataset["x"], xs)
    np.testing.assert_allclose(dataset["y"], ys)
    expected = "longitude" if crs == "EPSG:4326" else "projection_x_coordinate"
    assert dataset["x"].attrs["standard_name"] == expected
    assert dataset["0"].attrs["grid_mapping"] == "spatial_ref"
    assert dataset["spatial_ref"].attrs["epsg_code"] == crs


@pytest.mark.parametrize("transform", [NORTH_UP, ROTATED], ids=["north-up", "rotated"])
@pytest.mark.parametrize("point", [False, True], ids=["area", "point"])
def test_the_transform_is_that_of_gdal(transform: Affine, point: bool, tmp_path: Path) -> None:
    path = tmp_path / "geo.tif"
    write(path, transform=transform, tags={"AREA_OR_POINT": "Point" if point else "Area"})
    group = TIFFParser()(path)
    with rasterio.open(path) as file:
        expected = file.transform.to_gdal()
    found = [float(number) for number in group["spatial_ref"].metadata.attributes["GeoTransform"].split()]
    np.testing.assert_allclose(found, expected)
    assert ("x" in group.arrays) == (transform is NORTH_UP)


@pytest.mark.parametrize("nodata", [-9999, 0, float("nan")])
def test_nodata_is_the_fill_value_of_cf(nodata: float, tmp_path: Path) -> None:
    path = tmp_path / "nodata.tif"
    write(path, VALUES.astype("f4"), nodata=nodata)
    found = TIFFParser()(path)["0"].metadata.attributes["_FillValue"]
    np.testing.assert_equal(found, float(nodata))


def test_scale_offset_units_and_descriptions_of_bands(tmp_path: Path) -> None:
    alike, different = tmp_path / "alike.tif", tmp_path / "different.tif"
    write(alike, np.repeat(VALUES, 2, axis=0), scales=(0.5, 0.5), tags={"mission": "test"})
    write(different, np.repeat(VALUES, 2, axis=0), scales=(0.5, 0.25))
    group = TIFFParser()(alike)
    attributes = group["0"].metadata.attributes
    assert (attributes["scale_factor"], attributes["add_offset"], attributes["units"]) == (0.5, 3.0, "K")
    assert attributes["band_long_name"] == ["band 0", "band 1"]
    assert group.attributes["mission"] == "test"
    attributes = TIFFParser()(different)["0"].metadata.attributes
    assert "scale_factor" not in attributes
    assert attributes["band_scale_factor"] == [0.5, 0.25]


def test_overviews_lie_on_the_same_ground(tmp_path: Path) -> None:
    path = tmp_path / "pyramid.tif"
    write(path, np.zeros((1, 64, 32), "u1"))
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2])
    tree = vz.open_virtual_datatree(path)
    np.testing.assert_allclose(tree["overview_1"]["x_overview_1"][:2], [500_010, 500_030])


def test_geokeys_that_hold_several_numbers_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "towgs84.tif"
    write(path, crs="+proj=utm +zone=33 +ellps=bessel +towgs84=598.1,73.7,418.2,0.2,0.05,-2.5,6.7 +units=m")
    mapping = TIFFParser()(path)["spatial_ref"]
    found = mapping.metadata.attributes["GeogTOWGS84GeoKey"]
    np.testing.assert_allclose(found, [598.1, 73.7, 418.2, 0.2, 0.05, -2.5, 6.7])
