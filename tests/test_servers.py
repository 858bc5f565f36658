"""The servers that tests use are themselves right: held against obstore and the standard library."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from pathlib import Path

import obstore
import pytest
from obstore.store import HTTPStore, S3Store

from tests.servers.http_server import HttpServer
from tests.servers.s3_server import S3Server

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def served_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "served"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a b#%.nc").write_bytes(CONTENT)
    (folder / "plain.nc").write_bytes(CONTENT)
    (tmp_path / "secret.txt").write_text("outside the root")
    return folder


def http_store(server: HttpServer) -> HTTPStore:
    return HTTPStore.from_url(server.base_url, client_options={"allow_http": True})


def ask(
    server: HttpServer, path: str, method: str = "GET", **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def test_http_ranges_through_obstore(http_server: Callable[..., HttpServer], served_folder: Path) -> None:
    server = http_server(served_folder)
    store = http_store(server)
    assert bytes(obstore.get(store, "plain.nc").bytes()) == CONTENT
    assert bytes(obstore.get_range(store, "plain.nc", start=100, length=17)) == CONTENT[100:117]
    assert obstore.head(store, "plain.nc")["size"] == len(CONTENT)
    assert [(r.method, r.path, r.byte_range, r.status, r.length_bytes) for r in server.requests] == [
        ("GET", "/plain.nc", None, 200, len(CONTENT)),
        ("GET", "/plain.nc", (100, 117), 206, 17),
        ("HEAD", "/plain.nc", None, 200, 0),
    ]


def test_http_names_with_blanks_and_signs(
    http_server: Callable[..., HttpServer], served_folder: Path
) -> None:
    server = http_server(served_folder)
    response, body = ask(server, server.url("deep/a b#%.nc").removeprefix(server.base_url))
    assert (response.status, body) == (200, CONTENT)
    assert server.requests[0].path == "/deep/a b#%.nc"


@pytest.mark.parametrize(
    ("wanted", "status", "content_range", "body"),
    [
        ("bytes=0-0", 206, "bytes 0-0/10240", CONTENT[:1]),
        ("bytes=10230-", 206, "bytes 10230-10239/10240", CONTENT[10230:]),
        ("bytes=-5", 206, "bytes 10235-10239/10240", CONTENT[-5:]),
        ("bytes=10000-99999", 206, "bytes 10000-10239/10240", CONTENT[10000:]),
        ("bytes=10240-10250", 416, "bytes */10240", b""),
        ("bytes=0-1,5-6", 200, None, CONTENT),
        ("bytes=5-2", 200, None, CONTENT),
    ],
)
def test_http_range_forms(
    http_server: Callable[..., HttpServer],
    served_folder: Path,
    wanted: str,
    status: int,
    content_range: str | None,
    body: bytes,
) -> None:
    response, received = ask(http_server(served_folder), "/plain.nc", Range=wanted)
    assert (response.status, response.headers["Content-Range"], received) == (status, content_range, body)


def test_http_refuses_what_it_should(http_server: Callable[..., HttpServer], served_folder: Path) -> None:
    server = http_server(served_folder, forbidden=frozenset({"/plain.nc"}))
    assert ask(server, "/plain.nc")[0].status == 403
    assert ask(server, "/absent.nc")[0].status == 404
    assert ask(server, "/deep")[0].status == 404
    assert ask(server, "/../secret.txt")[0].status == 404
    assert ask(server, "/%2e%2e/secret.txt")[0].status == 404


def test_http_notices_a_changed_file(http_server: Callable[..., HttpServer], served_folder: Path) -> None:
    server = http_server(served_folder)
    store = http_store(server)
    etag = obstore.head(store, "plain.nc")["e_tag"]
    assert etag is not None
    assert (
        bytes(obstore.get(store, "plain.nc", options={"if_match": etag, "range": (0, 4)}).bytes())
        == (CONTENT[:4])
    )
    (served_folder / "plain.nc").write_bytes(CONTENT + b"more")
    with pytest.raises(obstore.exceptions.PreconditionError):
        obstore.get(store, "plain.nc", options={"if_match": etag, "range": (0, 4)})


def test_http_unchanged_answers_304(http_server: Callable[..., HttpServer], served_folder: Path) -> None:
    server = http_server(served_folder)
    first, _ = ask(server, "/plain.nc", method="HEAD")
    assert ask(server, "/plain.nc", If_None_Match=first.headers["ETag"])[0].status == 304
    assert ask(server, "/plain.nc", If_Modified_Since=first.headers["Last-Modified"])[0].status == 304


def test_http_server_without_ranges(http_server: Callable[..., HttpServer], served_folder: Path) -> None:
    server = http_server(served_folder, accept_ranges=False, validators=False)
    response, body = ask(server, "/plain.nc", Range="bytes=0-3")
    assert (response.status, body) == (200, CONTENT)
    assert response.headers["ETag"] is None
    assert response.headers["Accept-Ranges"] is None


def test_http_latency_and_bandwidth_are_felt(
    http_server: Callable[..., HttpServer], served_folder: Path
) -> None:
    server = http_server(served_folder, latency_s=0.05, bandwidth_bytes_per_s=len(CONTENT) / 0.05)
    clock = time.perf_counter()
    ask(server, "/plain.nc")
    assert time.perf_counter() - clock >= 0.1


def test_s3_serves_signed_and_logs_ranges(s3: S3Server, tmp_path: Path) -> None:
    (tmp_path / "days").mkdir()
    (tmp_path / "days" / "a b.nc").write_bytes(CONTENT)
    (tmp_path / "days" / "c.nc").write_bytes(CONTENT[:10])
    bucket = s3.bucket()
    assert bucket.upload(tmp_path / "days") == f"s3://{bucket.name}/days"
    store = S3Store(bucket.name, **s3.storage_options)
    listed = {item["path"]: item["size"] for item in obstore.list(store).collect()}
    assert listed == {"days/a b.nc": len(CONTENT), "days/c.nc": 10}
    s3.clear_requests()
    assert bytes(obstore.get_range(store, "days/a b.nc", start=300, end=400)) == CONTENT[300:400]
    (request,) = s3.requests
    assert (request.method, request.path) == ("GET", f"/{bucket.name}/days/a b.nc")
    assert (request.byte_range, request.status, request.length_bytes) == ((300, 400), 206, 100)


def test_s3_anonymous_reads_a_public_bucket_only(s3: S3Server) -> None:
    public, private = s3.bucket(public=True), s3.bucket()
    for bucket in (public, private):
        bucket.put("x.nc", CONTENT)
    read = obstore.get_range(S3Store(public.name, **s3.anonymous_options), "x.nc", start=0, end=4)
    assert bytes(read) == CONTENT[:4]
    with pytest.raises((PermissionError, obstore.exceptions.BaseError)):
        obstore.get_range(S3Store(private.name, **s3.anonymous_options), "x.nc", start=0, end=4)


def test_s3_log_begins_anew_for_each_test(s3: S3Server) -> None:
    assert s3.requests == ()
