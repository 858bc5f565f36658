"""The local cloud speaks S3, and says what was requested of it in the same words every time."""

from __future__ import annotations

import re
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

import vzlab as vz
from vzlab.errors import SourceNotFoundError


def test_an_archive_is_read_from_it_and_the_log_says_how(tmp_path: Path) -> None:
    archive = vz.samples.make_daily_archive(tmp_path, n_files=2, odd=1, missing=2)
    with vz.learn.local_s3(archive, public=True) as cloud:
        assert cloud.urls == ("s3://archive/sst_2025-01-01.nc", "s3://archive/sst_2025-01-02.nc")
        assert len(cloud.log) == 0
        dataset = vz.open_virtual_dataset(cloud.urls[0], storage_options=cloud.anonymous_options)
        assert dataset.sizes["lat"] == 90
        assert 0 < cloud.log.bytes <= archive.files[0].stat().st_size + 65536
        assert {request.method for request in cloud.log.requests} <= {"GET", "HEAD"}
        for shown in (str(cloud.log), cloud.log._repr_html_(), repr(cloud)):
            assert "archive" in shown
            assert re.search(r"127\.0\.0\.1|localhost|:\d{4,5}\b", shown) is None
        cloud.clear_log()
        assert cloud.log.count == 0
        # Another client of the protocol sees the same objects.
        client = boto3.client("s3", endpoint_url=cloud.icechunk_options["endpoint_url"], region_name="us-east-1",
                              aws_access_key_id="a", aws_secret_access_key="b")  # fmt: skip
        listed = client.list_objects_v2(Bucket="archive")["Contents"]
        assert [item["Key"] for item in listed] == [path.name for path in archive.files]
        (tmp_path / "late.nc").write_bytes(b"late")
        cloud.upload(tmp_path / "late.nc", "new/late.nc")
        assert client.get_object(Bucket="archive", Key="new/late.nc")["Body"].read() == b"late"
        assert "s3://archive/new/late.nc" in cloud.urls
    with pytest.raises(EndpointConnectionError):
        client.list_objects_v2(Bucket="archive")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="no file there"), vz.learn.local_s3(tmp_path):
        pass
