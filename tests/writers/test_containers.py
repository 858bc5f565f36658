"""Which prefixes references get, and what authorises them."""

from __future__ import annotations

import icechunk
import pytest

import vzlab as vz
from vzlab.errors import WriteError
from vzlab.writers.containers import container_for, prefixes_for, uncovered


@pytest.mark.parametrize(
    ("urls", "expected"),
    [
        (["file:///data/a/x.nc"], ["file:///data/a/"]),
        (["file:///data/a/x.nc", "file:///data/a/b/y.nc"], ["file:///data/a/"]),
        (["file:///data/a/2020/x.nc", "file:///data/a/2021/y.nc"], ["file:///data/a/"]),
        (["file:///data/a/x.nc", "file:///data/b/y.nc"], ["file:///data/a/", "file:///data/b/"]),
        (["file:///data/a/x.nc", "file:///scratch/y.nc"], ["file:///data/a/", "file:///scratch/"]),
        (["file:///d/b%20c/x.nc"], ["file:///d/b c/", "file:///d/b%20c/"]),
        (["s3://bucket/a/x.nc", "s3://bucket/y.nc", "s3://other/z.nc"], ["s3://bucket/", "s3://other/"]),
        (["http://host:8080/a/x.nc", "https://host/b.nc"], ["http://host:8080/", "https://host/"]),
        (["gs://bucket/x.nc"], ["gs://bucket/"]),
        ([], []),
    ],
)
def test_prefixes_hold_the_files_and_little_else(urls: list[str], expected: list[str]) -> None:
    assert prefixes_for(urls) == tuple(sorted(expected))
    assert uncovered(urls, prefixes_for(urls)) == []


def test_root_directory_is_refused() -> None:
    with pytest.raises(WriteError, match="root directory"):
        prefixes_for(["file:///x.nc"])


def test_a_url_must_be_covered_in_both_forms() -> None:
    url = "file:///d/b%20c/x.nc"
    assert uncovered([url], ["file:///d/"]) == []
    assert uncovered([url], ["file:///d/b%20c/"]) == [url]
    assert uncovered([url], ["file:///d/b c/"]) == [url]
    assert uncovered([url], ["file:///d/b%20c/", "file:///d/b c/"]) == []
    assert uncovered([url], []) == [url]


def repository_with(*prefixes: str, **options: object) -> icechunk.Repository:
    config = icechunk.RepositoryConfig.default()
    for prefix in prefixes:
        config.set_virtual_chunk_container(container_for(prefix, options))
    return icechunk.Repository.create(icechunk.in_memory_storage(), config=config)


def test_credentials_cover_every_container() -> None:
    repository = repository_with(
        "file:///data/", "http://host/", "https://host/", "s3://a/", "gs://b/", "az://c/", account_name="acc"
    )
    credentials = vz.icechunk_credentials(repository)
    assert set(credentials) == set(vz.chunk_prefixes(repository))
    assert credentials["file:///data/"] is icechunk.credentials.LocalFileSystemAccess
    assert credentials["http://host/"] is icechunk.credentials.HttpAccess
    kinds = {prefix: type(credential).__name__ for prefix, credential in credentials.items()}
    assert (kinds["s3://a/"], kinds["gs://b/"], kinds["az://c/"]) == ("S3", "Gcs", "Azure")
    opened = icechunk.Repository.open(repository.storage, authorize_virtual_chunk_access=credentials)
    assert opened.authorized_virtual_container_prefixes == set(credentials)


def test_credentials_are_anonymous_or_given_or_of_the_environment() -> None:
    repository = repository_with("s3://a/")

    def inner(**options: object) -> str:
        return type(vz.icechunk_credentials(repository, **options)["s3://a/"]._0).__name__

    assert inner(anonymous=True) == "Anonymous"
    assert inner(storage_options={"skip_signature": True}) == "Anonymous"
    assert inner(storage_options={"access_key_id": "k", "secret_access_key": "s"}) == "Static"
    assert inner(storage_options={"AWS_ACCESS_KEY_ID": "k", "aws_secret_access_key": "s"}) == "Static"
    assert inner() == "FromEnv"


def test_container_of_a_public_bucket_needs_no_word_at_reading() -> None:
    repository = repository_with("s3://a/", skip_signature=True, region="eu-west-1")
    assert type(vz.icechunk_credentials(repository)["s3://a/"]._0).__name__ == "Anonymous"


def test_container_holds_place_and_no_secret() -> None:
    options = {"endpoint": "http://h:1", "region": "r", "access_key_id": "KEY", "secret_access_key": "SECRET"}
    store = container_for("s3://a/", options).store
    assert isinstance(store, icechunk.ObjectStoreConfig.S3Compatible)
    assert (store._0.endpoint_url, store._0.region, store._0.allow_http, store._0.force_path_style) == (
        "http://h:1",
        "r",
        True,
        True,
    )
    assert "SECRET" not in repr(store)
    assert "KEY" not in repr(store)


def test_azure_needs_its_account() -> None:
    with pytest.raises(WriteError, match="account_name"):
        container_for("az://c/")


def test_no_repository_is_said(tmp_path: object) -> None:
    with pytest.raises(FileNotFoundError, match="No Icechunk repository"):
        vz.chunk_prefixes(f"{tmp_path}/nothing")
