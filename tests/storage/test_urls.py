"""Paths and urls come to one form, and what that form names is what was meant."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vzlab.storage import join_url, local_path, normalize_url, url_name, url_names

AWKWARD_NAMES = (
    "a b.nc",
    "a#b.nc",
    "50%.nc",
    "%41.nc",
    "what?.nc",
    "naïve-Łódź-海.nc",
    "a+b&c=d.nc",
    "it's;here,(x)!.nc",
    "[x]{y}|z^~.nc",
    "a:b.nc",
    'q"q.nc',
)

_file_names = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="/"),
    min_size=1,
    max_size=12,
).filter(lambda name: name not in {".", ".."})


@settings(max_examples=40, deadline=None)
@given(st.lists(_file_names, min_size=1, max_size=3))
def test_a_path_survives_whatever_its_letters(parts: list[str]) -> None:
    path = "/" + "/".join(parts)
    url = normalize_url(path)
    assert url.isascii()
    assert local_path(url) == path
    assert normalize_url(Path(path)) == url
    assert normalize_url(url) == url
    assert url_name(url) == parts[-1]


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["s3://bucket", "memory://x", "gs://b", "https://host:8080"]),
    st.lists(_file_names, min_size=1),
)
def test_an_encoded_url_is_left_alone(base: str, parts: list[str]) -> None:
    url = f"{base}/{quote('/'.join(parts))}"
    normal = normalize_url(url)
    assert normalize_url(normal) == normal
    assert unquote(urlsplit(normal).path) == "/" + "/".join(parts)


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=20))
def test_normalising_twice_is_normalising_once(tail: str) -> None:
    for url in (f"s3://bucket/{tail}", f"http://host/{tail}", f"/{tail}"):
        normal = normalize_url(url)
        assert normalize_url(normal) == normal


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("s3://bucket/a b#1?.nc", "s3://bucket/a%20b%231%3F.nc"),
        ("s3://bucket/a%20b.nc", "s3://bucket/a%20b.nc"),
        ("S3://Bucket/x", "s3://Bucket/x"),
        ("https://host/a b.nc?token=x%2Fy", "https://host/a%20b.nc?token=x%2Fy"),
        ("file:///data/a b.nc", "file:///data/a%20b.nc"),
        ("file://localhost/data/a.nc", "file:///data/a.nc"),
        ("file:/data/a.nc", "file:///data/a.nc"),
        ("/data/../data/./a.nc", "file:///data/a.nc"),
        ("/data/%41.nc", "file:///data/%2541.nc"),
    ],
)
def test_forms_of_urls(given: str, expected: str) -> None:
    assert normalize_url(given) == expected


def test_relative_and_home_paths_are_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert normalize_url("a.nc") == normalize_url(tmp_path / "a.nc") == normalize_url("~/a.nc")


@pytest.mark.parametrize(
    ("base", "relative", "expected"),
    [
        ("s3://bucket/a/b.nc", "c.nc", "s3://bucket/a/c.nc"),
        ("s3://bucket/a/b.nc", "../c d.nc", "s3://bucket/c%20d.nc"),
        ("s3://bucket/a%20b/b.nc", "./c#.nc", "s3://bucket/a%20b/c%23.nc"),
        ("file:///data/a.nc", "/other/50%.nc", "file:///other/50%25.nc"),
        ("s3://bucket/a.nc", "https://host/x.nc", "https://host/x.nc"),
    ],
)
def test_joining(base: str, relative: str, expected: str) -> None:
    assert join_url(base, relative) == expected
    assert join_url(base, expected) == expected


@pytest.mark.parametrize(
    ("urls", "names"),
    [
        ([], []),
        (["file:///a/x.nc", "file:///a/y.nc"], ["x.nc", "y.nc"]),
        (["file:///a/x.nc", "file:///b/x.nc", "file:///b/y.nc"], ["a/x.nc", "b/x.nc", "y.nc"]),
        (["s3://b/t/c/0/0", "s3://b/t/c/1/0", "s3://b/u/c/0/0"], ["t/c/0/0", "1/0", "u/c/0/0"]),
        (["https://a/x%20y?s=1", "https://b/x%20y?s=2"], ["x y", "x y"]),
        (["s3://bucket", "s3://bucket"], ["s3://bucket", "s3://bucket"]),
    ],
)
def test_files_of_one_name_are_told_apart_by_their_folders(urls: list[str], names: list[str]) -> None:
    assert url_names(urls) == names
