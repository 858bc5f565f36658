"""Serve a folder over HTTP from a process of its own, as far away and as slow as is asked: ``python -m benchmarks.serving``.

One thread answers some five thousand requests a second, so that what is measured is the reader. The server of the tests can do
more, at a thread for each connection.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

_SLICE_BYTES = 2**17
_LOG = "/.log"
_RANGE = re.compile(rb"\r\nrange: *bytes=(\d+)-(\d*)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What was asked of a server."""

    n_requests: int
    n_bytes: int
    """Of bodies that were sent."""


@dataclass(frozen=True, kw_only=True)
class FarServer:
    """A running server."""

    base_url: str

    def url(self, path: Path) -> str:
        """Of a file directly in the folder."""
        return f"{self.base_url}/{path.name}"

    def traffic(self) -> Traffic:
        """What was asked since the last call; this question not counted."""
        with urllib.request.urlopen(self.base_url + _LOG, timeout=30) as answer:
            return Traffic(**json.load(answer))


@contextmanager
def far_server(folder: Path, *, latency_s: float, bandwidth: float) -> Iterator[FarServer]:
    """Serve a folder until the block ends.

    Parameters
    ----------
    latency_s : float
        From each request to the first byte of its answer.
    bandwidth : float
        Bytes a second of each connection.
    """
    command = [sys.executable, "-m", "benchmarks.serving", str(folder), str(latency_s), str(bandwidth)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            yield FarServer(base_url=f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.kill()


class _Connection(asyncio.Protocol):
    """Answers one request after another, each after the latency and at the pace that were set."""

    folder: Path
    latency_s: float
    bandwidth: float
    n_requests = 0
    n_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            method, path, _ = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
            if path == _LOG:
                self._tell()
                continue
            _Connection.n_requests += 1
            wanted = _RANGE.search(head)
            asyncio.get_running_loop().call_later(self.latency_s, self._answer, method, path, wanted)

    def _tell(self) -> None:
        said = {"n_requests": _Connection.n_requests, "n_bytes": _Connection.n_bytes}
        _Connection.n_requests = _Connection.n_bytes = 0
        body = json.dumps(said).encode()
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    def _answer(self, method: str, path: str, wanted: re.Match[bytes] | None) -> None:
        if self._transport.is_closing():
            return
        try:
            descriptor, size = _opened(f"{self.folder}{path}")
        except FileNotFoundError:
            self._transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        start, stop, head = 0, size, b"HTTP/1.1 200 OK\r\n"
        if wanted is not None:
            first, last = wanted.groups()
            start, stop = int(first), min(int(last) + 1, size) if last else size
            head = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %d-%d/%d\r\n" % (
                start,
                stop - 1,
                size,
            )
        head += (
            b'Content-Length: %d\r\nAccept-Ranges: bytes\r\nETag: "%d"\r\n'
            b"Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n" % (stop - start, size)
        )
        if method == "HEAD":
            self._transport.write(head)
            return
        body = os.pread(descriptor, stop - start, start)
        _Connection.n_bytes += len(body)
        self._send(head, memoryview(body))

    def _send(self, head: bytes, body: memoryview) -> None:
        """One slice now, and the rest when a connection of this bandwidth is through with it."""
        if self._transport.is_closing():
            return
        now, later = body[:_SLICE_BYTES], body[_SLICE_BYTES:]
        self._transport.writelines((head, now))
        if later:
            asyncio.get_running_loop().call_later(len(now) / self.bandwidth, self._send, b"", later)


@cache
def _opened(path: str) -> tuple[int, int]:
    """Descriptor and length of a file, which stays open for as long as the server runs."""
    descriptor = os.open(path, os.O_RDONLY)
    return descriptor, os.fstat(descriptor).st_size


async def _serve() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("latency_s", type=float)
    parser.add_argument("bandwidth", type=float)
    parser.parse_args(namespace=_Connection)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    # Whoever started this holds the other end of standard input: its end is the end of this.
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve())
