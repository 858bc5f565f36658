"""STAC items and collections of virtual datasets: valid, true to the data, and opened again by xpystac."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pystac
import pytest
import xarray as xr

import vzlab as vz
from tests.archives import write_daily_files
from tests.datasets.archives_that_differ import native
from tests.servers.s3_server import Bucket, S3Server
from vzlab.stac.extents import extents_of
from vzlab.writers import write_icechunk


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return write_daily_files(tmp_path / "archive", n_days=3)


@pytest.fixture
def cube(files: list[Path]) -> xr.Dataset:
    return vz.open_virtual_mfdataset(files)


def checked[T: (pystac.Item, pystac.Collection)](described: T) -> T:
    """Give what is read back from its JSON."""
    kind = type(described)
    return kind.from_dict(described.to_dict(include_self_link=False, transform_hrefs=False))


def test_an_item_says_what_where_when_and_how(cube: xr.Dataset, files: list[Path], tmp_path: Path) -> None:
    cube.vzlab.to_icechunk(tmp_path / "cube")
    item = checked(
        vz.to_stac_item(tmp_path / "cube", id="sst", title="Sea surface temperature", version="main")
    )
    expected = native(files)
    lat = expected.lat.values
    # Its longitudes end one step short of the whole circle.
    assert item.bbox == [-180.0, pytest.approx(lat.min()), 180.0, pytest.approx(lat.max())]
    assert item.datetime is None
    assert item.properties["start_datetime"] == "2024-01-01T00:00:00Z"
    assert item.properties["end_datetime"] == f"{np.datetime_as_string(expected.time.values[-1], 's')}Z"
    assert item.properties["cube:dimensions"]["time"]["type"] == "temporal"
    assert item.properties["cube:dimensions"]["lat"]["axis"] == "y"
    variable = item.properties["cube:variables"]["sst"]
    assert variable == {
        "type": "data", "dimensions": ["time", "lat", "lon"], "shape": [12, 10, 20], "chunks": [1, 5, 10], "unit": "K",
    } | {k: v for k, v in variable.items() if k == "description"}  # fmt: skip
    asset = item.assets["icechunk"]
    assert asset.media_type == "application/vnd.zarr+icechunk"
    assert asset.roles == ["data", "virtual"]
    assert asset.extra_fields["version"] == "main"
    assert asset.extra_fields["vrt:hrefs"] == [{"key": "source", "href": "#/assets/source"}]
    assert item.assets["source"].href == f"{files[0].parent.as_uri()}/"


def test_nothing_is_read_but_coordinates_that_are_loaded(files: list[Path], tmp_path: Path) -> None:
    virtual = vz.open_virtual_dataset(files[0], loadable_variables=[])
    for path in files:
        path.unlink()
    with pytest.raises(ValueError, match="No time is loaded"):
        vz.to_stac_item(virtual, tmp_path / "cube", id="sst")
    day = datetime(2024, 1, 1, tzinfo=UTC)
    item = checked(vz.to_stac_item(virtual, tmp_path / "cube", id="sst", begin=day, end=day))
    assert (item.geometry, item.bbox, item.datetime) == (None, None, day)
    with pytest.raises(ValueError, match="No longitudes and latitudes are loaded"):
        vz.to_stac_collection(virtual, tmp_path / "cube", id="sst", description="SST", begin=day, end=day)
    with pytest.raises(ValueError, match="give href="):
        vz.to_stac_item(virtual, id="sst")


@pytest.mark.parametrize(
    ("lon", "box"),
    [
        ([0.0, 90.0, 180.0, 270.0], (-180.0, 10.0, 180.0, 20.0)),
        ([170.0, 180.0, 190.0], (170.0, 10.0, -170.0, 20.0)),
        ([200.0, 210.0], (-160.0, 10.0, -150.0, 20.0)),
        ([-10.0, 10.0], (-10.0, 10.0, 10.0, 20.0)),
    ],
)
def test_boxes_go_round_the_globe(lon: list[float], box: tuple[float, ...]) -> None:
    dataset = xr.Dataset(coords={"lon": lon, "lat": [10.0, 20.0]})
    extents = extents_of(dataset)
    assert extents.box == box
    assert extents.geometry is not None
    assert extents.geometry["type"] == ("MultiPolygon" if box[0] > box[2] else "Polygon")


def test_kerchunk_references_are_opened_by_xpystac(
    cube: xr.Dataset, files: list[Path], tmp_path: Path, http_server: Callable
) -> None:
    cube.vzlab.to_kerchunk(str(tmp_path / "cube.json"), format="json")
    href = http_server(tmp_path).url("cube.json")
    item = checked(vz.to_stac_item(cube, href, id="sst"))
    with xr.open_dataset(item.assets["kerchunk"], engine="stac") as opened:
        np.testing.assert_array_equal(opened.sst.values, native(files).sst.values)
        np.testing.assert_array_equal(opened.time.values, cube.time.values)
    urls, options = vz.urls_from_stac(item)
    assert (urls, options) == ([href], None)
    again = vz.open_virtual_mfdataset(urls, storage_options=options)
    assert again.vzlab.n_refs == cube.vzlab.n_refs


@pytest.fixture
def bucket(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """Give a bucket that tools find which take their server and keys from the environment."""
    options = s3.storage_options
    monkeypatch.setenv("AWS_ENDPOINT_URL", options["endpoint"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", options["access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", options["secret_access_key"])
    return s3.bucket()


def test_a_repository_in_a_bucket_is_opened_by_xpystac(
    s3: S3Server, bucket: Bucket, files: list[Path]
) -> None:
    urls = [bucket.upload(path, f"archive/{path.name}") for path in files]
    cube = vz.open_virtual_mfdataset(urls, storage_options=s3.storage_options)
    target = f"{urls[0].rpartition('/archive/')[0]}/cube"
    write_icechunk(cube, target, storage_options=s3.storage_options, source_options=s3.storage_options)
    collection = vz.to_stac_collection(
        cube, target, id="sst", description="SST", storage_options=s3.storage_options, source_options=s3.storage_options
    )  # fmt: skip
    text = str(collection.to_dict(include_self_link=False))
    assert s3.storage_options["secret_access_key"] not in text
    collection = checked(collection)
    expected = native(files)
    with xr.open_dataset(collection.assets["icechunk"], engine="stac") as opened:
        np.testing.assert_array_equal(opened.sst.values, expected.sst.values)
    urls, options = vz.urls_from_stac(collection, "icechunk")
    assert urls == [target]
    assert options is not None
    assert options["region"] == s3.storage_options["region"]
    assert options["endpoint"] == s3.storage_options["endpoint"]


# -- from items ----------------------------------------------------------------------------------------------------


def item_of(path: str, key: str = "data", **fields: object) -> pystac.Item:
    asset = pystac.Asset(href=path, roles=["data"], extra_fields=fields)
    day = datetime(2024, 1, 1, tzinfo=UTC)
    return pystac.Item(
        id=Path(path).name, geometry=None, bbox=None, datetime=day, properties={}, assets={key: asset}
    )


def test_files_are_opened_from_items(files: list[Path]) -> None:
    urls, options = vz.urls_from_stac([item_of(str(path)) for path in files])
    cube = vz.open_virtual_mfdataset(urls, storage_options=options)
    assert cube.sizes["time"] == 12
    assert options is None


def test_options_of_assets_are_taken_in_our_terms() -> None:
    fields = {"xarray:storage_options": {"anon": True, "client_kwargs": {"region_name": "eu-west-1"}}}
    sources = vz.urls_from_stac(item_of("s3://bucket/a.nc", **fields))
    assert sources.storage_options == {"skip_signature": True, "region": "eu-west-1"}
    scheme = {
        "type": "aws-s3",
        "platform": "https://minio.example/{bucket}",
        "region": "x",
        "anonymous": True,
    }
    item = item_of("s3://bucket/a.nc", **{"storage:refs": ["it"]})
    item.properties["storage:schemes"] = {"it": scheme}
    assert vz.urls_from_stac([item]).storage_options == {
        "region": "x", "skip_signature": True, "endpoint": "https://minio.example",
    }  # fmt: skip


def test_what_is_not_clear_in_items_is_refused() -> None:
    two = item_of("s3://bucket/a.nc")
    two.add_asset("other", pystac.Asset(href="s3://bucket/b.nc", roles=["data"]))
    with pytest.raises(
        ValueError, match=r"a\.nc has 2 assets that may be meant: give asset=, one of 'data', 'other'"
    ):
        vz.urls_from_stac(two)
    assert vz.urls_from_stac(two, "other").urls == ["s3://bucket/b.nc"]
    with pytest.raises(KeyError, match="no asset 'x'"):
        vz.urls_from_stac(two, "x")
    one = item_of("s3://bucket/c.nc", **{"xarray:storage_options": {"anon": True}})
    with pytest.raises(ValueError, match="different options"):
        vz.urls_from_stac([one, item_of("s3://bucket/d.nc")])
    with pytest.raises(ValueError, match="no items"):
        vz.urls_from_stac([])
