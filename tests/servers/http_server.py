"""Serve a folder over HTTP/1.1 with ranges, validators, and the troubles that real servers have."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote

from vzlab.testing.servers.request_log import Request

_BLOCK_BYTES = 64 * 1024
_LOG_TIMEOUT_S = 5.0


@dataclass(kw_only=True)
class HttpServer:
    """A running server. Its behaviour can be changed between requests by assigning to its fields."""

    root: Path
    """The folder that is served, as it is at each request."""
    latency_s: float = 0.0
    """Waited before each answer."""
    bandwidth_bytes_per_s: float | None = None
    """Of each connection's bodies; None for as fast as it goes."""
    forbidden: frozenset[str] = frozenset()
    """Paths (`/a/b.nc`) that are answered 403."""
    unavailable: int = 0
    """How many of the next requests are answered 503."""
    accept_ranges: bool = True
    """When false, a range is ignored and the whole object sent with 200, as some servers do."""
    validators: bool = True
    """Whether ETag and Last-Modified are sent."""
    port: int = 0
    _log: list[Request] = field(default_factory=list, repr=False)
    _idle: threading.Condition = field(default_factory=threading.Condition, repr=False)
    _n_in_flight: int = field(default=0, repr=False)

    @property
    def base_url(self) -> str:
        """Without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    def url(self, path: str) -> str:
        """Give the url of a file under the root; names are percent-encoded."""
        return f"{self.base_url}/{quote(path.lstrip('/'))}"

    @property
    def requests(self) -> tuple[Request, ...]:
        """What was asked since the start or the last `clear_requests`, in the order in which it came.

        An answer that is still being sent is waited for, so that whoever has its last byte finds it here.
        """
        with self._idle:
            self._idle.wait_for(lambda: self._n_in_flight == 0, timeout=_LOG_TIMEOUT_S)
            return tuple(sorted(self._log, key=lambda request: request.started_s))

    def clear_requests(self) -> None:
        """Empty the request log, once the answers that are being sent are in it."""
        with self._idle:
            self._idle.wait_for(lambda: self._n_in_flight == 0, timeout=_LOG_TIMEOUT_S)
            self._log.clear()

    def is_unavailable(self) -> bool:
        """Whether the request that came now is one of those that are turned away."""
        with self._idle:
            self.unavailable -= (turned_away := self.unavailable > 0)
            return turned_away

    def _begin(self) -> None:
        with self._idle:
            self._n_in_flight += 1

    def _end(self, request: Request | None) -> None:
        with self._idle:
            self._n_in_flight -= 1
            if request is not None:
                self._log.append(request)
            self._idle.notify_all()


@contextmanager
def serve_http(
    root: Path,
    *,
    latency_s: float = 0.0,
    bandwidth_bytes_per_s: float | None = None,
    forbidden: frozenset[str] = frozenset(),
    accept_ranges: bool = True,
    validators: bool = True,
) -> Iterator[HttpServer]:
    """Serve a folder on a free port of the loopback until the block ends.

    Yields
    ------
    HttpServer
        Answers HEAD and GET; a single range with 206, one outside the file with 416; `If-Match` and
        `If-Unmodified-Since` (412), `If-None-Match` and `If-Modified-Since` (304) as RFC 9110 section 13.
    """
    server = HttpServer(
        root=Path(root).resolve(),
        latency_s=latency_s,
        bandwidth_bytes_per_s=bandwidth_bytes_per_s,
        forbidden=frozenset(forbidden),
        accept_ranges=accept_ranges,
        validators=validators,
    )
    listener = _Listener(("127.0.0.1", 0), _Handler)
    listener.settings = server
    server.port = listener.server_address[1]
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join(timeout=5)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    # A client's idle connection must not hold up the end of a test.
    block_on_close = False
    request_queue_size = 128
    settings: HttpServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Idle keep-alive connections end by themselves.
    timeout = 30
    # Headers and body leave at once: with Nagle's algorithm each answer would wait for an acknowledgement.
    disable_nagle_algorithm = True
    server: _Listener

    def do_GET(self) -> None:
        self._answer(send_body=True)

    def do_HEAD(self) -> None:
        self._answer(send_body=False)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Write nothing: the request log is the record."""

    def _answer(self, *, send_body: bool) -> None:
        self.server.settings._begin()
        request = None
        try:
            request = self._answer_and_describe(send_body=send_body)
        finally:
            self.server.settings._end(request)

    def _answer_and_describe(self, *, send_body: bool) -> Request:
        settings = self.server.settings
        started_s, clock = time.time(), time.perf_counter()
        time.sleep(settings.latency_s)
        path, _, query = self.path.partition("?")
        path = unquote(path)
        answer = self._plan(path)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        length_bytes = 0
        if send_body and answer.source is not None:
            length_bytes = self._send(answer)
        return Request(
            method=self.command,
            path=path,
            query=query,
            range=self.headers["Range"],
            status=int(answer.status),
            length_bytes=length_bytes,
            started_s=started_s,
            duration_s=time.perf_counter() - clock,
        )

    def _plan(self, path: str) -> _Answer:
        settings = self.server.settings
        if settings.is_unavailable():
            return _Answer.empty(HTTPStatus.SERVICE_UNAVAILABLE)
        if path in settings.forbidden:
            return _Answer.empty(HTTPStatus.FORBIDDEN)
        source = (settings.root / path.lstrip("/")).resolve()
        if not source.is_relative_to(settings.root) or not source.is_file():
            return _Answer.empty(HTTPStatus.NOT_FOUND)
        status = source.stat()
        size = status.st_size
        headers = {"Content-Type": "application/octet-stream"}
        if settings.validators:
            etag = f'"{hashlib.sha256(f"{status.st_mtime_ns}-{size}".encode()).hexdigest()[:16]}"'
            headers |= {"ETag": etag, "Last-Modified": formatdate(status.st_mtime, usegmt=True)}
            refusal = self._check_conditions(etag, int(status.st_mtime))
            if refusal is not None:
                return _Answer.empty(refusal, headers)
        if settings.accept_ranges:
            headers["Accept-Ranges"] = "bytes"
        wanted = _parse_range(self.headers["Range"], size) if settings.accept_ranges else None
        if wanted is None:
            headers["Content-Length"] = str(size)
            return _Answer(status=HTTPStatus.OK, headers=headers, source=source, start=0, stop=size)
        start, stop = wanted
        if start >= stop:
            return _Answer.empty(
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {"Content-Range": f"bytes */{size}"}
            )
        headers |= {"Content-Length": str(stop - start), "Content-Range": f"bytes {start}-{stop - 1}/{size}"}
        return _Answer(
            status=HTTPStatus.PARTIAL_CONTENT, headers=headers, source=source, start=start, stop=stop
        )

    def _check_conditions(self, etag: str, modified_s: int) -> HTTPStatus | None:
        """Give the status that a precondition asks for; RFC 9110 section 13.2.2 has the order."""
        if (tags := self.headers["If-Match"]) is not None:
            if not _names(tags, etag):
                return HTTPStatus.PRECONDITION_FAILED
        elif (limit := self.headers["If-Unmodified-Since"]) is not None and modified_s > _epoch_s(limit):
            return HTTPStatus.PRECONDITION_FAILED
        if (tags := self.headers["If-None-Match"]) is not None:
            return HTTPStatus.NOT_MODIFIED if _names(tags, etag) else None
        if (limit := self.headers["If-Modified-Since"]) is not None:
            return HTTPStatus.NOT_MODIFIED if modified_s <= _epoch_s(limit) else None
        return None

    def _send(self, answer: _Answer) -> int:
        assert answer.source is not None
        bandwidth = self.server.settings.bandwidth_bytes_per_s
        sent = 0
        with answer.source.open("rb") as stream:
            stream.seek(answer.start)
            while sent < answer.stop - answer.start:
                block = stream.read(min(_BLOCK_BYTES, answer.stop - answer.start - sent))
                if not block:
                    # The file shrank since its length was announced.
                    self.close_connection = True
                    break
                if bandwidth is not None:
                    time.sleep(len(block) / bandwidth)
                try:
                    self.wfile.write(block)
                except (BrokenPipeError, ConnectionResetError):
                    # The client has what it wanted.
                    self.close_connection = True
                    break
                sent += len(block)
        return sent


@dataclass(frozen=True, kw_only=True)
class _Answer:
    status: HTTPStatus
    headers: dict[str, str]
    source: Path | None = None
    start: int = 0
    stop: int = 0

    @classmethod
    def empty(cls, status: HTTPStatus, headers: dict[str, str] | None = None) -> _Answer:
        return cls(status=status, headers={**(headers or {}), "Content-Length": "0"})


def _epoch_s(date: str) -> float:
    return parsedate_to_datetime(date).timestamp()


def _names(tags: str, etag: str) -> bool:
    return tags.strip() == "*" or etag in (tag.strip() for tag in tags.split(","))


def _parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Give start and stop of one range, empty when outside; None to send the whole (RFC 9110, 14.2)."""
    if header is None or not header.startswith("bytes=") or "," in header:
        return None
    first, dash, last = header.removeprefix("bytes=").strip().partition("-")
    if not dash or not (first + last).isdecimal():
        return None
    if not first:
        return max(size - int(last), 0), size
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last) + 1, size) if last else size
