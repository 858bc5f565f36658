"""No secret is written down, shown, or told in an error."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from tests.builder.archives import daily_archive, manifests_of, run_alone
from tests.servers.s3_server import S3Server
from vzlab.builder import Builder
from vzlab.errors import StepError

SECRET = "hunter2/+='\"&<x>"
OPTIONS: dict[str, Any] = {
    "region": "eu-west-1",
    "endpoint": "https://objects.example",
    "skip_signature": False,
    "access_key_id": f"id-{SECRET}",
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "session_token": f"token-{SECRET}",
    "something_new": f"new-{SECRET}",
    "client_options": {"allow_http": True, "default_headers": {"Authorization": f"Bearer {SECRET}"}},
}
URLS = {
    "query": "https://archive.example/a.nc?X-Amz-Signature=hunter2secret",
    "user": "https://me:hunter2secret@archive.example/a.nc",
}


def everything_said(builder: Builder, folder: Path) -> str:
    return "\n".join(
        [
            builder.code(),
            builder.to_json(),
            repr(builder),
            builder._repr_html_(),
            repr(builder.chosen_sources),
            repr(builder.target),
            str(pickle.dumps(builder)),
            builder.to_notebook(folder / "build.ipynb").read_text(),
        ]
    )


def test_storage_options_become_look_ups(tmp_path: Path) -> None:
    builder = (
        Builder()
        .sources("s3://bucket/*.nc", storage_options=OPTIONS)
        .write("s3://b/c", storage_options=OPTIONS)
        .prove()
    )
    said = everything_said(builder, tmp_path)
    assert "hunter2" not in said
    for shown in ("eu-west-1", "https://objects.example", "os.environ['AWS_SECRET_ACCESS_KEY']",
                  "os.environ['AWS_ACCESS_KEY_ID']", "os.environ['AWS_SESSION_TOKEN']"):  # fmt: skip
        assert shown in said
    assert Builder.from_script(builder.to_script(tmp_path / "b.py")) == builder
    assert Builder.from_json(builder.to_json()) == builder


def test_two_sets_of_credentials_have_two_names() -> None:
    one = Builder().sources("s3://b/*.nc", storage_options={"secret_access_key": "one"})
    same = one.write("s3://b/c", storage_options={"secret_access_key": "one"})
    other = one.write("s3://b/c", storage_options={"secret_access_key": "other"})
    assert "TARGET_" not in same.code()
    assert "os.environ['TARGET_AWS_SECRET_ACCESS_KEY']" in other.code()


@pytest.mark.parametrize("kind", URLS)
def test_urls_that_may_hold_a_secret_become_look_ups(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder = Builder().sources(URLS[kind])
    assert "hunter2" not in everything_said(builder, tmp_path)
    again = Builder.from_script(builder.to_script(tmp_path / "b.py"))
    assert again == builder
    with pytest.raises(StepError, match="VZLAB_SOURCE_1 is not set") as caught:
        _ = again.files
    assert caught.value.step == "sources"
    monkeypatch.setenv("VZLAB_SOURCE_1", URLS[kind])
    assert again.files == builder.files


def test_a_bucket_is_read_with_what_was_given_or_with_what_the_environment_has(
    tmp_path: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = s3.bucket()
    for file in daily_archive(tmp_path / "archive", n_days=2):
        bucket.upload(file)
    options = {**s3.storage_options, "secret_access_key": "hunter2", "access_key_id": "someone"}
    builder = (
        Builder().sources(f"s3://{bucket.name}/*.nc", storage_options=options).write(tmp_path / "cube.json")
    )
    assert len(builder.files) == 2
    again = Builder.from_json(builder.to_json())
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    assert manifests_of(again.cube) == manifests_of(builder.cube)
    names = run_alone(again, tmp_path)
    assert manifests_of(names["cube"]) == manifests_of(builder.cube)


def test_errors_tell_no_secret(tmp_path: Path) -> None:
    options = {"secret_access_key": "hunter2secret"}
    builder = Builder().sources(tmp_path / "hunter2secret-*.nc", storage_options=options)
    with pytest.raises(StepError) as caught:
        _ = builder.files
    assert "hunter2" not in str(caught.value)
    assert "***" in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_object_that_no_program_can_write_down_is_refused() -> None:
    with pytest.raises(StepError, match="which a program can write down") as caught:
        Builder().sources("s3://b/*.nc", storage_options={"credential_provider": object()})
    assert caught.value.step == "sources"


def test_local_files_ignore_options_and_still_build(tmp_path: Path) -> None:
    files = daily_archive(tmp_path / "archive")
    plain = Builder().sources(files)
    with_options = Builder().sources(files, storage_options={"secret_access_key": "hunter2"})
    assert manifests_of(with_options.cube) == manifests_of(plain.cube)
