"""Files in a bucket, as the server sees it: how many requests, for how many bytes."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

import vzlab as vz
from tests.archives import write_daily_files
from tests.servers.s3_server import S3Server


@pytest.fixture
def scattered_file(tmp_path: Path) -> Path:
    """24 variables of 200 kB, with the metadata of each between their data."""
    path = tmp_path / "scattered.h5"
    with h5py.File(path, "w") as file:
        for i in range(24):
            variable = file.create_dataset(f"v{i:02}", data=np.full(50_000, i, "f4"))
            variable.attrs["units"] = "K"
            file.flush()
    return path


def test_a_file_of_scattered_metadata_is_parsed_by_blocks(s3: S3Server, scattered_file: Path) -> None:
    url = s3.bucket().upload(scattered_file)
    s3.clear_requests()
    ds = vz.open_virtual_dataset(url, storage_options=s3.storage_options)
    assert len(ds.variables) == 24
    gets = [request for request in s3.requests if request.method == "GET"]
    assert len(gets) == len(s3.requests), "opening asks for ranges and nothing else"
    n_bytes = sum(request.length_bytes for request in gets)
    assert len(gets) <= 40
    assert n_bytes < scattered_file.stat().st_size / 2


def test_an_archive_in_a_bucket_combines_as_on_disk(s3: S3Server, tmp_path: Path) -> None:
    files = write_daily_files(tmp_path / "archive", n_days=4)
    bucket = s3.bucket()
    urls = [bucket.upload(file) for file in files]
    cube = vz.open_virtual_mfdataset(urls, storage_options=s3.storage_options, parallel="threads")
    store = vz.ManifestStore(
        vz.datasets.dataset_to_group(cube), vz.StoreRegistry(storage_options=s3.storage_options)
    )
    with xr.open_mfdataset(files, engine="h5netcdf") as native:
        np.testing.assert_array_equal(xr.open_zarr(store).sst.values, native.sst.values)


def test_one_chunk_is_one_request(s3: S3Server, tmp_path: Path) -> None:
    url = s3.bucket().upload(write_daily_files(tmp_path, n_days=1)[0])
    store = vz.open_manifest_store(url, storage_options=s3.storage_options)
    array = xr.open_zarr(
        vz.ManifestStore(store.group, vz.StoreRegistry(storage_options=s3.storage_options))
    ).sst
    s3.clear_requests()
    array.isel(time=0, lat=slice(0, 5), lon=slice(0, 10)).load()
    reference = store.group["sst"].manifest.reference((0, 0, 0))
    assert [(request.method, request.length_bytes) for request in s3.requests] == [("GET", reference.length)]
