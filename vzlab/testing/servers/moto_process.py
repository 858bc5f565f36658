"""Moto's server as a program: prints its port, logs requests as JSON lines, ends with its standard input."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server


class RequestLog:
    """WSGI middleware that appends what was asked and what was answered to a file of JSON lines.

    Parameters
    ----------
    latency_s : float
        By which answers to those who read are delayed.
    """

    def __init__(self, app: Any, path: Path, latency_s: float = 0.0) -> None:
        self._app = app
        self._latency_s = latency_s
        self._stream = path.open("a", encoding="utf-8", buffering=1)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer, and log what was answered."""
        started_s, clock = time.time(), time.perf_counter()
        answered: list[str] = []
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            time.sleep(self._latency_s)

        def start(status: str, *rest: Any) -> Any:
            answered.append(status)
            return start_response(status, *rest)

        return self._log(environ, self._app(environ, start), answered, started_s, clock)

    def _log(
        self,
        environ: dict[str, Any],
        body: Iterable[bytes],
        answered: list[str],
        started_s: float,
        clock: float,
    ) -> Iterator[bytes]:
        length_bytes = 0
        head = environ["REQUEST_METHOD"] == "HEAD"
        blocks = list(body)
        for block in blocks:
            length_bytes += 0 if head else len(block)
        record = {
            "method": environ["REQUEST_METHOD"],
            "path": unquote(environ["RAW_URI"].partition("?")[0]),
            "query": environ["QUERY_STRING"],
            "range": environ.get("HTTP_RANGE"),
            "status": int(answered[-1].split()[0]),
            "length_bytes": length_bytes,
            "started_s": started_s,
            "duration_s": time.perf_counter() - clock,
        }
        # Written before the last byte leaves, so that a client that has its answer finds it in the log.
        self._stream.write(json.dumps(record) + "\n")
        yield from blocks


class KeepAliveHandler(WSGIRequestHandler):
    """Real S3 keeps connections open; werkzeug's own log is left out."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write nothing: the request log is the record."""


def main(log_path: str, latency_s: str = "0") -> None:
    """Serve S3 on a free port of the loopback until standard input closes."""
    app = RequestLog(DomainDispatcherApplication(create_backend_app), Path(log_path), float(latency_s))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=KeepAliveHandler)

    def end_with_parent() -> None:
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=end_with_parent, daemon=True).start()
    print(server.port, flush=True)  # noqa: T201
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
